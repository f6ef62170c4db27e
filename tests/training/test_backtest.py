"""The rolling backtest: where its cutoffs lie, what it writes, and that the window it reports is not learnt from."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.features.strategies import NOW, Line, rows, shop_of
from tests.training.shops import (
    Frames,
    frames_of,
    known_before,
    read,
    settings_of,
    shuffled,
    with_newcomers,
    with_nonsense,
)

from regulars.datasets.online_retail_ii import load
from regulars.features.logs import Logs
from regulars.features.reading import read_shop
from regulars.features.settings import Settings
from regulars.features.shop import DAY, Shop, as_time
from regulars.training.backtest import Answered, Backtest, backtest, cutoffs_of
from regulars.training.cutoff import Incumbent
from regulars.training.labels import Outcomes
from regulars.training.records import CHOSEN_BY, COMPONENTS, HIGHER_IS_BETTER, TARGETS, Record, mean_of, ranked
from regulars.training.snapshots import customers_at, training_set
from regulars.training.train import train

# Where the cutoffs lie


def days_of(first: float, settings: Settings, *more: Line, given: frozenset[str] | None = None) -> list[int]:
    """Days before `NOW` of the cutoffs of a shop whose first order lies so many days back."""
    time = NOW - round(first * DAY)
    shop = shop_of(rows([Line(0, 0, time, time), *more]))
    logs = Logs(shop if given is None else replace(shop, given=given), settings)
    return [(NOW - cutoff) // DAY for cutoff in cutoffs_of(logs, NOW, settings)]


def test_cutoffs_lie_a_horizon_apart_and_the_last_window_ends_where_training_stands() -> None:
    assert days_of(1_000, settings_of(cutoffs=4)) == [360, 270, 180, 90]
    assert days_of(1_000, settings_of(cutoffs=1)) == [90]
    # A horizon and a snapshot have to lie before the first one.
    assert days_of(390, settings_of(cutoffs=4)) == [270, 180, 90]


def test_in_a_short_history_they_lie_a_snapshot_apart() -> None:
    assert days_of(299, settings_of(cutoffs=4)) == [150, 120, 90]
    assert days_of(210, settings_of(cutoffs=4)) == [90]


def test_a_shop_of_three_months_has_one_cutoff_at_its_beginning() -> None:
    assert days_of(92, settings_of(cutoffs=4)) == [90]
    month = Settings.model_validate({"churn": {"horizon_days": 20}, "train": {"snapshot_every_days": 10}})
    assert days_of(92, month) == [60, 40, 20]


def test_the_window_of_products_has_to_be_over_too() -> None:
    longer = Settings.model_validate({"next_product": {"horizon_days": 180}, "train": {"cutoffs": 2}})

    assert days_of(1_000, longer) == [360, 180]
    assert days_of(1_000, longer, given=frozenset({"orders"})) == [180, 90]


def test_an_old_order_that_is_entered_later_moves_no_cutoff() -> None:
    late = Line(1, 1, NOW - 900 * DAY, NOW)

    assert days_of(299, settings_of(cutoffs=4), late) == [150, 120, 90]


# What it writes

SETTINGS = settings_of()
CUTOFF = "2025-01-01"


@pytest.fixture(scope="module")
def frames() -> Frames:
    return frames_of()


@pytest.fixture(scope="module")
def shop(frames: Frames) -> Shop:
    return read(frames)


@pytest.fixture(scope="module")
def found(shop: Shop) -> Backtest:
    logs = Logs(shop, SETTINGS)
    return backtest(logs, cutoffs_of(logs, shop.end, SETTINGS), shop.end, SETTINGS, dataset="toys")


MODELS = {
    "order_times": ("order_time", "bgnbd", "recency", "churn_factor"),
    "dates": ("order_time", "bgnbd", "recency", "churn_factor", "usual_gap"),
    "value": ("value", "gamma_gamma", "last_year"),
    "next_product": ("next_product", "personal_top", "popular"),
}
METRICS = {
    "order_times": {
        *("auc", "average_precision", "log_loss", "brier", "calibration_error", "calibration_slope"),
        *("lift_top_decile", "orders_mae", "total_orders_ratio"),
    },
    "dates": {"censored_crps", "interval_coverage", "median_error"},
    "value": {"mae", "rank_correlation", "profit_top_decile", "interval_coverage"},
    "next_product": {
        f"{name}_{k}{part}"
        for name, k, part in product(("recall", "ndcg", "hit"), (5, 10, 20), ("", "_repeat", "_first"))
    },
}


def test_there_is_one_record_for_every_model_metric_and_cutoff(found: Backtest) -> None:
    wanted = {
        (as_of, component, model, metric)
        for as_of in ("2025-01-01", "2025-04-01")
        for component in COMPONENTS
        for model in MODELS[component]
        for metric in METRICS[component]
    }

    counted = Counter((one.as_of, one.component, one.model, one.metric) for one in found.records)

    assert set(counted) == wanted
    assert set(counted.values()) == {1}


def test_records_say_whose_they_are_and_what_they_were_measured_on(found: Backtest) -> None:
    customers = {answered.as_of: len(answered.customer) for answered in found.answers}

    for one in found.records:
        assert one.dataset == "toys"
        assert one.is_baseline == (one.model not in {"order_time", "value", "next_product"})
        assert 0 < one.n <= customers[one.as_of]
        if one.component in {"order_times", "value"}:
            assert one.n == customers[one.as_of]


def test_intervals_hold_the_values(found: Backtest) -> None:
    without = {one.metric for one in found.records if np.isnan(one.value)}
    assert without <= {"interval_coverage"}, "where all expect an order too late, the interval's end was not seen"
    for one in (one for one in found.records if not np.isnan(one.value)):
        # The calibration error of a resample is larger than the sample's, for its noise is added.
        assert one.low <= one.value <= one.high or one.metric == "calibration_error", one


def test_metrics_are_those_the_records_know(found: Backtest) -> None:
    for one in found.records:
        if one.metric.startswith(HIGHER_IS_BETTER) and one.metric != "rank_correlation":
            assert one.value >= 0
    assert {CHOSEN_BY[component] for component in COMPONENTS} <= {one.metric for one in found.records}
    assert set(TARGETS) <= {one.metric for one in found.records}
    assert ranked(found.records, "next_product")[-1] == "popular"


def test_losses_are_the_chosen_metric_of_the_records(found: Backtest) -> None:
    for component in COMPONENTS:
        for model in MODELS[component]:
            losses = [answered.losses[component][model] for answered in found.answers]
            mean = float(np.mean([np.nanmean(row) for row in losses]))
            assert mean == pytest.approx(mean_of(found.records, component, model, CHOSEN_BY[component]))


def test_the_truth_is_what_came(found: Backtest, shop: Shop) -> None:
    logs = Logs(shop, SETTINGS)
    for answered in found.answers:
        asked = customers_at(logs, as_time(answered.as_of))
        np.testing.assert_array_equal(answered.customer, asked.key)
        orders = Outcomes(logs, shop.end).orders(asked, 90)
        np.testing.assert_array_equal(answered.predictions.churned, orders == 0)


def test_predictions_for_plots(found: Backtest) -> None:
    for answered in found.answers:
        told, size = answered.predictions, len(answered.customer)
        assert set(told.churn_probability) == set(MODELS["order_times"])
        assert set(told.expected_margin) == set(MODELS["value"])
        for column in (*told.churn_probability.values(), *told.expected_margin.values(), told.margin_low):
            assert column.shape == (size,)
            assert np.isfinite(column).all()
        assert (told.margin_low <= told.margin_high).all()


# Blind to the future


def at_cutoff(shop: Shop, settings: Settings = SETTINGS) -> Answered:
    until = as_time(CUTOFF) + 120 * DAY
    (answered,) = backtest(Logs(shop, settings), [as_time(CUTOFF)], until, settings, dataset="toys").answers
    return answered


def bits(answered: Answered) -> dict[str, bytes]:
    told = answered.predictions
    columns = {**told.churn_probability, **{f"{name} value": each for name, each in told.expected_margin.items()}}
    columns |= {"low": told.margin_low, "high": told.margin_high}
    return {name: column.tobytes() for name, column in columns.items()}


@pytest.fixture(scope="module")
def expected(shop: Shop) -> Answered:
    return at_cutoff(shop)


@pytest.mark.parametrize("future", ["gone", "nonsense", "newcomers"])
def test_the_window_is_judged_and_not_learnt_from(future: str, frames: Frames, shop: Shop, expected: Answered) -> None:
    cutoff = as_time(CUTOFF)
    others = {
        "gone": lambda: known_before(shop, cutoff),
        "nonsense": lambda: with_nonsense(shop, cutoff),
        "newcomers": lambda: read(with_newcomers(frames, pd.Timestamp(CUTOFF))),
    }

    answered = at_cutoff(others[future]())

    assert bits(answered) == bits(expected)
    same_truth = np.array_equal(answered.predictions.churned, expected.predictions.churned)
    assert same_truth == (future == "newcomers")
    assert same_truth == (values_of(answered.records) == values_of(expected.records))
    if future == "gone":
        assert answered.predictions.churned.all()


def values_of(records: tuple[Record, ...]) -> list[str]:
    return [repr(one) for one in records]


def test_row_order_and_threads_make_no_difference(shop: Shop, expected: Answered) -> None:
    assert values_of(at_cutoff(shuffled(shop), settings_of(threads=1)).records) == values_of(expected.records)


@pytest.mark.slow
def test_cutoffs_side_by_side_are_those_one_after_another(found: Backtest, shop: Shop) -> None:
    alone = settings_of(threads=1)
    logs = Logs(shop, alone)

    again = backtest(logs, cutoffs_of(logs, shop.end, alone)[::-1], shop.end, alone, dataset="toys")

    assert values_of(tuple(again.records)) == values_of(tuple(found.records))


# The champion as it was fitted


@pytest.fixture(scope="module")
def incumbent(shop: Shop) -> Incumbent:
    made = train(shop, settings_of(cutoffs=1), as_time("2025-02-15"), dataset="toys")
    return Incumbent(made.models, made.features, made.until)


def test_the_incumbent_is_judged_after_its_last_label_only(shop: Shop, incumbent: Incumbent, found: Backtest) -> None:
    logs = Logs(shop, SETTINGS)
    cutoffs = cutoffs_of(logs, shop.end, SETTINGS)

    judged = backtest(logs, cutoffs, shop.end, SETTINGS, dataset="toys", incumbent=incumbent)

    before, after = judged.answers
    assert before.as_of < "2025-02-15" < after.as_of
    assert before.incumbent == {}
    assert set(after.incumbent) == {"order_times", "value", "next_product"}
    assert values_of(tuple(judged.records)) == values_of(tuple(found.records)), "nothing else changes"
    names = {"order_times": "bgnbd", "dates": None, "value": "unheard_of", "next_product": "personal_top"}
    refits = {refit.component: refit for refit in judged.refits(names)}
    assert set(refits) == {"order_times", "next_product"}
    assert refits["order_times"].newer[0] is after.losses["order_times"]["bgnbd"]
    assert refits["order_times"].champion[0] is after.incumbent["order_times"]
    assert len(refits["order_times"].customers) == 1


def test_at_the_moment_of_its_last_label_the_incumbent_may_be_judged(shop: Shop, incumbent: Incumbent) -> None:
    logs, cutoff = Logs(shop, SETTINGS), incumbent.trained_until + DAY // 2

    def judged_with(trained_until: int) -> Answered:
        given = replace(incumbent, trained_until=trained_until)
        return backtest(logs, [cutoff], shop.end, SETTINGS, dataset="toys", incumbent=given).answers[0]

    judged = judged_with(cutoff)
    assert judged.incumbent
    assert not judged_with(cutoff + 1).incumbent
    assert judged.as_of == "2025-02-15T12:00:00", "a cutoff in the middle of a day says so"


def test_an_incumbent_of_other_features_is_not_asked(shop: Shop, incumbent: Incumbent) -> None:
    other = replace(incumbent, features=incumbent.features[1:], trained_until=0)

    judged = backtest(Logs(shop, SETTINGS), [as_time(CUTOFF)], shop.end, SETTINGS, dataset="toys", incumbent=other)

    assert judged.answers[0].incumbent == {}
    assert judged.refits({"order_times": "order_time"}) == []


# Shops of other kinds


def test_a_shop_with_no_more_than_is_needed(shop: Shop) -> None:
    logs = Logs(shop, SETTINGS)
    first = int(logs.orders.time.min()) // DAY * DAY + DAY
    until = first + (2 * 90 + 30) * DAY

    judged = backtest(logs, cutoffs_of(logs, until, SETTINGS), until, SETTINGS, dataset="toys")

    assert len(judged.answers) == 1
    assert {one.component for one in judged.records} == set(COMPONENTS)
    assert training_set(logs, until - 90 * DAY, SETTINGS).value.watched.any()


def test_a_window_in_which_nobody_comes(shop: Shop) -> None:
    until = as_time(CUTOFF)

    judged = backtest(Logs(known_before(shop, until), SETTINGS), [until], until + 90 * DAY, SETTINGS, dataset="toys")

    products = [one for one in judged.records if one.component == "next_product"]
    assert len(products) == 3 * 27
    assert all(np.isnan(one.value) and one.n == 0 for one in products)
    assert judged.trial("next_product").entries.keys() == set(MODELS["next_product"])


# Real data


@pytest.mark.slow
def test_ahead_of_the_baselines_on_online_retail_ii(shared_data: Path, tmp_path: Path) -> None:
    """Quality out of time on real orders (Chen, CC BY 4.0): at least what the reference figures ask for."""
    load(shared_data / "online_retail_ii" / "online_retail_II.csv.gz", tmp_path / "shop")
    settings = Settings()
    shop = read_shop(tmp_path / "shop", settings).shop
    assert shop is not None
    moments = [as_time("2011-06-01"), as_time("2011-09-01")]
    records = backtest(Logs(shop, settings), moments, shop.end, settings, dataset="online-retail-ii").records

    def value(as_of: str, component: str, model: str, metric: str) -> float:
        wanted = (as_of, component, model, metric)
        (one,) = [r for r in records if (r.as_of, r.component, r.model, r.metric) == wanted]
        return one.value

    for as_of, baseline in product(("2011-06-01", "2011-09-01"), ("bgnbd", "recency", "churn_factor")):
        assert value(as_of, "order_times", "order_time", "auc") > value(as_of, "order_times", baseline, "auc")
        assert value(as_of, "order_times", "order_time", "log_loss") < value(as_of, "order_times", baseline, "log_loss")
    assert value("2011-09-01", "order_times", "order_time", "auc") >= 0.805
    assert value("2011-09-01", "order_times", "order_time", "log_loss") <= 0.545
    ours = value("2011-09-01", "next_product", "next_product", "recall_10")
    assert ours > value("2011-09-01", "next_product", "personal_top", "recall_10")
