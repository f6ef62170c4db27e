"""What a model's answers were worth: a record for each metric, with what it was measured on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from regulars.models.curves import OrderCurves
from regulars.models.fitted import ValuePrediction
from regulars.models.recommendations import ProductList, Recommendations
from regulars.training import metrics
from regulars.training.bootstrap import bootstrap_interval
from regulars.training.judging import (
    Judge,
    Measure,
    Truth,
    churn_losses,
    date_losses,
    intervals,
    judge_churn,
    judge_dates,
    judge_products,
    judge_value,
    mean_of,
    product_values,
    value_losses,
)
from regulars.training.product_labels import Baskets, BoughtNext
from regulars.training.records import CHOSEN_BY, HIGHER_IS_BETTER, TARGETS, Record

JUDGE = Judge("toys", "order_times", "trees", False, "2024-01-01")
LOWER_IS_BETTER = {
    "log_loss", "brier", "calibration_error", "orders_mae", "censored_crps", "median_error", "mae"
}  # fmt: skip


def baskets(*given: list[int]) -> Baskets:
    ends = np.cumsum([0, *(len(one) for one in given)])
    return Baskets(ends.astype(np.int64), np.array([item for one in given for item in one], np.int64))


def truth_of(orders: list[float], days: list[float], margin: list[float], bought: BoughtNext | None = None) -> Truth:
    nothing = baskets(*([] for _ in orders))
    return Truth(
        np.arange(len(orders)),
        np.array(orders, float),
        np.array(days, float),
        np.array(margin, float),
        bought or BoughtNext(nothing, nothing, nothing),
        horizon_days=100,
    )


def curves_of(survival: list[float]) -> OrderCurves:
    """Constant hazards, given the chance of no order in 100 days."""
    edges = np.array([0.0, 100.0, 730.0])
    return OrderCurves(edges, np.array(survival)[:, None] ** (edges / 100), np.zeros(len(survival)))


def by_metric(records: list[Record]) -> dict[str, Record]:
    return {record.metric: record for record in records}


# Customer 0 left, 1 came back on day 10, 2 on day 60 and again, 3 left.
TRUTH = truth_of([0, 1, 2, 0], [np.nan, 10, 60, np.nan], [0, 30, 70, -5])


def test_churn_by_eye() -> None:
    found = by_metric(judge_churn(JUDGE, TRUTH, curves_of([0.9, 0.2, 0.6, 0.5])))

    assert found["auc"].value == 0.75  # of the four pairs, 3 before 2 is wrong
    assert found["log_loss"].value == pytest.approx(-np.log([0.9, 0.8, 0.4, 0.5]).mean())
    assert found["brier"].value == pytest.approx(np.mean([0.01, 0.04, 0.36, 0.25]))
    assert found["orders_mae"].value == pytest.approx(np.mean([0.1, 0.2, 1.6, 0.5]))
    assert found["total_orders_ratio"].value == pytest.approx((0.1 + 0.8 + 0.4 + 0.5) / 3)
    assert {record.n for record in found.values()} == {4}
    assert found["auc"].component == "order_times"


def test_losses_are_the_metric_customer_by_customer() -> None:
    curves, value = curves_of([0.9, 0.2, 0.6, 0.5]), ValuePrediction(*np.array([[1, 20, 80, 5.0]] * 3))

    churn = by_metric(judge_churn(JUDGE, TRUTH, curves))
    dates = by_metric(judge_dates(JUDGE, TRUTH, curves))
    worth = by_metric(judge_value(JUDGE, TRUTH, value))

    assert churn[CHOSEN_BY["order_times"]].value == pytest.approx(churn_losses(TRUTH, curves).mean())
    assert dates[CHOSEN_BY["dates"]].value == pytest.approx(date_losses(TRUTH, curves).mean())
    assert worth[CHOSEN_BY["value"]].value == pytest.approx(value_losses(TRUTH, value).mean()) == (1 + 10 + 10 + 10) / 4


def test_a_certain_answer_that_is_wrong_has_a_finite_loss() -> None:
    assert np.isfinite(churn_losses(truth_of([0, 1], [np.nan, 3], [0, 0]), curves_of([1e-300, 1.0]))).all()


def test_dates_by_eye() -> None:
    # Everybody's date is even between day 0 and 100, nearly: a straight line through the log of survival.
    found = by_metric(judge_dates(JUDGE, TRUTH, curves_of([0.5, 0.5, 0.5, 0.25])))

    assert found["median_error"].value == pytest.approx((90 + 40) / 2)
    assert found["median_error"].n == 2
    assert found["interval_coverage"].n == 4


def test_a_date_that_never_comes_is_as_late_as_can_be() -> None:
    found = by_metric(judge_dates(JUDGE, TRUTH, curves_of([0.99] * 4)))

    assert found["median_error"].value == pytest.approx((720 + 670) / 2)


def test_value_by_eye() -> None:
    expected = np.array([1, 20, 80, 5.0])

    found = by_metric(judge_value(JUDGE, TRUTH, ValuePrediction(expected, expected - 10, expected + 10)))

    assert found["interval_coverage"].value == 1  # every end is still inside
    assert found["rank_correlation"].value == pytest.approx(0.8)
    narrow = by_metric(judge_value(JUDGE, TRUTH, ValuePrediction(expected, expected - 1, expected + 9.99)))
    assert narrow["interval_coverage"].value == 0.25


# Products: customer 0 bought 5 (before too) and 6; 1 nothing; 2 bought 7, never before.
BOUGHT = BoughtNext(baskets([5, 6], [], [7]), baskets([5], [], []), baskets([6], [], [7]))
IDS = np.array([f"p{code}" for code in range(10)], object)


def recommended(every: list[list[int]], new: list[list[int]], ids: NDArray[Any] = IDS) -> Recommendations:
    both = (ProductList.empty(2, 20), ProductList.empty(2, 20))
    for part, lists in zip(both, (every, new), strict=True):
        for row, one in enumerate(lists):
            part.product[row, : len(one)] = one
    return Recommendations(np.array([0, 2], np.int32), 0, ids, *both)


def values_of(found: Recommendations) -> dict[str, NDArray[np.float64]]:
    truth = truth_of([1, 0, 1], [1, np.nan, 2], [1, 0, 1], BOUGHT)
    return product_values(truth, np.array([0, 2]), found, IDS)


def test_products_by_eye() -> None:
    values = values_of(recommended([[1, 5, 2, 3, 4, 6], [1]], [[6], [8, 7]]))

    nan = np.nan
    np.testing.assert_array_equal(values["recall_5"], [0.5, nan, 0])
    np.testing.assert_array_equal(values["recall_10"], [1, nan, 0])
    np.testing.assert_array_equal(values["hit_5"], [1, nan, 0])
    np.testing.assert_array_equal(values["recall_5_repeat"], [1, nan, nan])  # 2 had nothing to repeat
    np.testing.assert_array_equal(values["hit_5_first"], [1, nan, 1])  # on the list of what is new
    assert values["ndcg_5_first"] == pytest.approx([1, nan, 1 / np.log2(3)], nan_ok=True)


def test_products_are_known_by_their_ids() -> None:
    others = np.array(["p5", "p6", "p7", "zz"], object)

    values = values_of(recommended([[0, 3], [2]], [[1], [2]], others))

    np.testing.assert_array_equal(values["recall_5"], [0.5, np.nan, 1])


def test_who_did_not_come_has_no_place_in_the_records() -> None:
    values = values_of(recommended([[5], [1]], [[6], [8]]))

    found = by_metric(judge_products(JUDGE, np.array([0, 2]), values))

    assert (found["hit_5"].value, found["hit_5"].n) == (0.5, 2)
    assert (found["hit_5_repeat"].value, found["hit_5_repeat"].n) == (1, 1)


def test_where_nobody_came_there_are_records_without_a_value() -> None:
    nobody = truth_of([0, 0], [np.nan] * 2, [0, 0])
    none = Recommendations(np.zeros(0, np.int32), 0, IDS, ProductList.empty(0, 20), ProductList.empty(0, 20))
    came = np.zeros(0, np.intp)

    found = judge_products(JUDGE, came, product_values(nobody, came, none, IDS))

    assert len(found) == 27
    assert all(math.isnan(record.value) and record.n == 0 for record in found)


def test_all_left_or_all_came() -> None:
    for orders, days in (([0.0] * 5, [np.nan] * 5), ([1.0] * 5, [3.0] * 5)):
        truth = truth_of(orders, days, [0.0] * 5)
        records = [
            *judge_churn(JUDGE, truth, curves_of([0.2, 0.4, 0.5, 0.6, 0.7])),
            *judge_dates(JUDGE, truth, curves_of([0.2, 0.4, 0.5, 0.6, 0.7])),
            *judge_value(JUDGE, truth, ValuePrediction(*np.ones((3, 5)))),
        ]
        found = by_metric(records)
        assert math.isnan(found["auc"].value)
        assert math.isfinite(found["log_loss"].value)


def test_every_metric_points_somewhere() -> None:
    records = [
        *judge_churn(JUDGE, TRUTH, curves_of([0.9, 0.2, 0.6, 0.5])),
        *judge_dates(JUDGE, TRUTH, curves_of([0.9, 0.2, 0.6, 0.5])),
        *judge_value(JUDGE, TRUTH, ValuePrediction(*np.ones((3, 4)))),
        *judge_products(JUDGE, np.array([0, 2]), values_of(recommended([[5], [1]], [[6], [8]]))),
    ]
    names = {record.metric for record in records}

    assert set(CHOSEN_BY.values()) <= names
    assert set(TARGETS) <= names
    for name in names:
        ways = (name.startswith(HIGHER_IS_BETTER), name in TARGETS, name in LOWER_IS_BETTER)
        assert sum(ways) == 1, name


@pytest.mark.parametrize("name", ["auc", "log_loss", "calibration_slope", "lift_top_decile"])
def test_intervals_taken_together_are_those_taken_alone(name: str) -> None:
    rng = np.random.default_rng(0)
    truth, chance = (rng.random(300) < 0.4).astype(float), rng.uniform(0.1, 0.9, 300)
    measures = [Measure(getattr(metrics, one), (truth, chance)) for one in (name, "brier")]

    assert intervals(measures)[0] == bootstrap_interval(getattr(metrics, name), truth, chance, samples=200)


def test_intervals_hold_the_value() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(3, 1, 500)
    values[::3] = np.nan

    (found,) = intervals([mean_of(values)])

    assert found.value == pytest.approx(float(np.nanmean(values)))
    assert found.low < found.value < found.high
    assert found.high - found.low == pytest.approx(4 / math.sqrt(333), rel=0.2)
