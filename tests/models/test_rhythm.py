"""Which buy-till-you-die model a shop's customers follow."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.models.shops import AS_OF, HISTORY_DAYS, context

from regulars.features.shop import days
from regulars.features.table import FeatureTable
from regulars.models.bgnbd import BgNbd
from regulars.models.hazard_rows import OrderLabels, bgnbd_hazards, unfold
from regulars.models.order_time import OrderTimeModel
from regulars.models.regular_buying import RegularBuying
from regulars.models.rhythm import MOST_EVEN, evenness, fit_buying, log_loss

F64 = NDArray[np.float64]
NAMES = ("days_since_last_order", "orders_total", "order_days_total", "tenure_days", "usual_gap_days", "gap_unevenness")


def customer(rng: np.random.Generator, k: int) -> F64:
    """Days of orders: Erlang gaps until they leave."""
    start, mean, lasts = rng.uniform(0, 400), rng.gamma(4, 7), rng.exponential(150)
    found = start + np.concatenate([[0.0], np.cumsum(rng.gamma(k, mean / k, 200))])
    return found[found < min(start + lasts, HISTORY_DAYS)]


def row(orders: F64, day: float) -> list[float]:
    """Features of one customer at a day after the first order."""
    known = np.floor(np.unique(np.floor(orders[orders < day])))
    gaps = np.diff(known)
    uneven = 3 * ((gaps[1:] - gaps[:-1]) / (gaps[1:] + gaps[:-1])) ** 2
    return [
        day - known[-1],
        len(known),
        len(known),
        day - known[0],
        float(np.median(gaps)) if len(gaps) else np.nan,
        float(uneven.mean()) if len(uneven) else np.nan,
    ]


@cache
def shop(k: int, customers: int = 400) -> tuple[FeatureTable, OrderLabels]:
    """Customers at ten moments, 30 days apart, and what they did until `AS_OF`."""
    rng = np.random.default_rng(k)
    orders = [customer(rng, k) for _ in range(customers)]
    rows, who, when, labels = [], [], [], []
    for day in HISTORY_DAYS - 30.0 * np.arange(10)[::-1]:
        for i, times in enumerate(orders):
            if not (times < day).any():
                continue
            later = times[(times >= day) & (times < min(day + 180, HISTORY_DAYS))]
            came = float(later[0] - day) if len(later) else np.nan
            watched = HISTORY_DAYS - day
            rest = min(watched, 180) - came if len(later) else 0.0
            rows.append(row(times, day))
            who.append(i)
            when.append(AS_OF - days(int(HISTORY_DAYS - day)))
            labels.append([came, watched, max(len(later) - 1, 0), rest])
    table = FeatureTable(np.array(who, np.int32), np.array(when, np.int64), NAMES, np.array(rows), context())
    return table, OrderLabels(*np.array(labels).T)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_evenness_is_the_k_of_the_gaps(k: int) -> None:
    table, _ = shop(k)

    assert evenness(table.take(table.moment == table.moment.max())) == k


def test_evenness_of_clockworks_is_the_most_and_of_nothing_to_compare_is_that_of_chance() -> None:
    table, _ = shop(1)
    place = NAMES.index("gap_unevenness")

    def told(uneven: F64) -> FeatureTable:
        values = table.values.copy()
        values[:, place] = uneven
        return FeatureTable(table.customer, table.moment, NAMES, values, table.context)

    assert evenness(told(np.where(table.column("order_days_total") > 2, 0.0, np.nan))) == MOST_EVEN
    assert evenness(told(np.full(len(table), np.nan))) == 1
    without = FeatureTable(table.customer, table.moment, NAMES[:place], table.values[:, :place], table.context)
    assert evenness(without) == 1


def test_evenness_weighs_each_pair_of_gaps_alike() -> None:
    def told(once: float, three_times: float) -> int:
        rows = np.array([[1, 3, 3, 9, 3, once], [1, 5, 5, 9, 3, three_times]], float)
        return evenness(FeatureTable(np.arange(2, dtype=np.int32), np.full(2, AS_OF), NAMES, rows, context()))

    # 3 / (2 k + 1) is 1, .6 and .43 for 1, 2 and 3. The two customers' mean is .65; the pairs' is .475 and .825.
    assert told(once=1.0, three_times=0.3) == 3
    assert told(once=0.3, three_times=1.0) == 1


def test_a_shop_without_rhythm_is_described_by_bgnbd() -> None:
    table, labels = shop(1)
    newest = table.take(table.moment == table.moment.max())

    model, hazards = fit_buying(table, unfold(labels))

    assert isinstance(model, BgNbd)
    assert (newest.moment == AS_OF).all()
    np.testing.assert_array_equal(hazards, bgnbd_hazards(model, table))


def test_a_shop_with_a_rhythm_is_described_by_the_model_that_knows_it() -> None:
    table, labels = shop(3)

    model, hazards = fit_buying(table, unfold(labels))

    assert isinstance(model, RegularBuying)
    assert model.k == 3
    np.testing.assert_array_equal(hazards, bgnbd_hazards(model, table))


def test_even_gaps_are_not_enough_where_bgnbd_foretells_as_well() -> None:
    table, labels = shop(1)
    values = table.values.copy()
    values[:, -1] *= 0.3
    even = FeatureTable(table.customer, table.moment, NAMES, values, table.context)
    assert evenness(even.take(even.moment == even.moment.max())) > 1

    model, _ = fit_buying(even, unfold(labels))

    assert isinstance(model, BgNbd)


def test_nothing_seen_yet_is_no_rhythm() -> None:
    table, labels = shop(3)
    nobody = unfold(labels.take(np.zeros(0, np.intp)))

    assert isinstance(fit_buying(table, nobody)[0], BgNbd)


def test_log_loss_is_that_of_the_intervals_seen() -> None:
    rows = unfold(OrderLabels(np.array([3.0, np.nan]), np.array([20.0, 16.0]), np.zeros(2), np.zeros(2)))
    hazards = np.full((2, 12), 0.25)

    # The first ordered in the first interval; the second got through two.
    assert log_loss(hazards, rows) == pytest.approx(-(np.log(0.25) + 2 * np.log(0.75)) / 3)


def test_the_model_of_order_times_keeps_the_rhythm_when_saved() -> None:
    table, labels = shop(3)
    model = OrderTimeModel(rounds=5, least_rows=20).fit(table, labels)

    state = model.state()
    again = OrderTimeModel.from_state({**state, "numbers": json.loads(json.dumps(state["numbers"]))})

    assert isinstance(again.bgnbd_, RegularBuying)
    for horizon in (30.0, 180.0):
        np.testing.assert_array_equal(
            again.predict_curves(table).expected_orders(horizon), model.predict_curves(table).expected_orders(horizon)
        )
