"""How many orders come in all, by the same weeks a year ago."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from regulars.features.context import ShopContext
from regulars.features.shop import DAY, days
from regulars.features.table import FeatureTable
from regulars.models.curves import from_hazards
from regulars.models.hazard_rows import EDGES, OrderLabels
from regulars.models.shop_level import FURTHEST, SPANS, YEAR, ShopLevel, known_shares, year_ago_totals

TODAY = 20_000
NOW = days(TODAY)
F64 = NDArray[np.float64]


def context(*series: tuple[int, float]) -> ShopContext:
    """Orders a day of a shop, given as (days, orders a day) that follow each other up to today."""
    orders = np.concatenate([np.full(count, rate) for count, rate in series]).astype(np.int64)
    return ShopContext(NOW, TODAY - len(orders), orders, np.zeros(len(orders), np.int64))


def story(shop: ShopContext, known_before: int = 0) -> tuple[FeatureTable, OrderLabels]:
    """One customer at two moments, 60 days ago and now, who made all orders of the shop but `known_before` since."""
    since = int(shop.orders[-60:].sum())
    table = FeatureTable(
        np.array([0, 0], np.int32),
        np.array([NOW - days(60), NOW]),
        ("orders_total",),
        np.array([[shop.orders.sum() - since], [shop.orders.sum()]], np.float64),
        shop,
    )
    mine = since - known_before
    labels = OrderLabels(
        np.array([2.0, np.nan]), np.array([60.0, 0.0]), np.array([mine - 1.0, 0.0]), np.array([58.0, 0.0])
    )
    return table, labels


def test_a_year_ago_tells_each_span() -> None:
    # 700 days of 10 orders a day; but in the 30 days a year before the coming 30 there were 20 a day.
    shop = context((336, 10), (30, 20), (334, 10))

    found = year_ago_totals(*story(shop), NOW)

    assert found is not None
    assert [total.orders for total in found] == pytest.approx([600, 600, 900, 1840], rel=0.002)
    assert [round(total.doubt, 2) for total in found] == [0.12, 0.12, 0.12, 0.12]


def test_growth_is_that_of_the_last_weeks() -> None:
    # Twice as many orders as in the same weeks a year ago.
    shop = context((364, 10), (364, 20))

    found = year_ago_totals(*story(shop), NOW)

    assert found is not None
    # A year ago the coming 30 days had 20 a day, and there are twice as many now.
    assert found[0].orders == pytest.approx(30 * 40, rel=0.002)
    assert found[0].doubt == pytest.approx(np.hypot(0.1, 0.5 * np.log(2)), abs=0.01)


def test_where_growth_cannot_be_measured_last_year_counts_as_it_was() -> None:
    found = year_ago_totals(*story(context((370, 10))), NOW)

    assert found is not None
    assert found[0].orders == pytest.approx(300, rel=0.01)
    assert found[0].doubt == pytest.approx(0.25, abs=0.01)


def test_the_first_weeks_of_a_shop_say_little_of_a_year_later() -> None:
    found = year_ago_totals(*story(context((40, 1), (325, 16))), NOW)

    assert found is not None
    assert found[0].orders == pytest.approx(30, rel=0.02)
    assert found[0].doubt == pytest.approx(np.hypot(0.25, 0.5 * np.log(16)), abs=0.03)

    # Twice as many may be the season.
    season = year_ago_totals(*story(context((40, 8), (325, 16))), NOW)
    assert season is not None
    assert season[0].doubt == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize(
    ("joined", "still_won"),
    [
        ({360: 100}, False),  # days ago: so many customers
        ({360: 100, 50: 8}, False),
        ({360: 100, 50: 10}, True),
        ({360: 100, 100: 10}, False),
        ({200: 100}, True),
    ],
)
def test_a_year_ago_says_nothing_where_everybody_joined_then(joined: dict[int, int], still_won: bool) -> None:
    shop = context((370, 10))
    for days_ago, customers in joined.items():
        shop.first_orders[370 - days_ago] = customers

    assert (year_ago_totals(*story(shop), NOW) is not None) == still_won


def test_newcomers_make_their_share() -> None:
    # Of the 600 orders of the last 60 days 150 were of customers who had not been known before them.
    table, labels = story(context((700, 10)), known_before=150)

    seen = known_shares(table, labels, NOW, 1.0)
    found = year_ago_totals(table, labels, NOW)

    assert (seen.lags.tolist(), seen.shares.tolist(), seen.orders) == ([0, 60], [1, 0.75], 450)
    assert found is not None
    # The share falls evenly: after 30 days 7/8 of all orders since are theirs, after 90 and more three quarters.
    assert [total.orders for total in found[:2]] == pytest.approx([300 * 0.875, 900 * 0.75 - 300 * 0.875], rel=0.002)


def test_a_sample_of_customers_gets_its_part() -> None:
    table, labels = story(context((700, 10)))
    half = dataclasses.replace(table, values=table.values / 2)
    halved = dataclasses.replace(labels, further_orders=np.array([299.0, 0.0]))

    whole, sampled = year_ago_totals(table, labels, NOW), year_ago_totals(half, halved, NOW)

    assert whole is not None
    assert sampled is not None
    assert [total.orders for total in sampled] == pytest.approx([total.orders / 2 for total in whole])


def test_without_a_year_behind_nothing_changes() -> None:
    shop = context((YEAR - 1, 10))

    level = ShopLevel.fit(*story(shop), np.full((1, len(EDGES) - 1), 0.1), np.array([0.1]))

    assert level.factors.tolist() == [1, 1, 1, 1]


def test_without_an_earlier_moment_nothing_changes() -> None:
    table, labels = story(context((700, 10)))
    last = np.array([1])

    assert year_ago_totals(table.take(last), labels.take(last), NOW) is None


@pytest.mark.parametrize(
    "shop", [context((700, 0)), context((336, 10), (30, 0), (334, 10)), context((699, 0), (1, 900))]
)
def test_quiet_spans_and_sudden_ones_keep_factors_within_bounds(shop: ShopContext) -> None:
    level = ShopLevel.fit(*story(shop), np.full((1, len(EDGES) - 1), 0.5), np.array([1.0]))

    assert ((level.factors >= 1 / FURTHEST) & (level.factors <= FURTHEST)).all()


def test_the_total_comes_to_lie_between_both_by_their_doubts() -> None:
    shop = context((336, 10), (30, 20), (334, 10))
    hazards, pace = np.full((1, len(EDGES) - 1), 0.9), np.array([10.0])
    totals = year_ago_totals(*story(shop), NOW)
    assert totals is not None
    before = from_hazards(EDGES, hazards, pace).expected_orders(90.0)[0]

    level = ShopLevel.fit(*story(shop), hazards, pace)

    after = from_hazards(EDGES, *level.scaled(hazards, pace, np.array([NOW]))).expected_orders(90.0)[0]
    assert before == pytest.approx(900, rel=0.05)
    # Only in the first 30 days does last year say something else: twice as much.
    trust = 0.4**2 / (0.4**2 + totals[0].doubt ** 2)
    assert after == pytest.approx(before + 300 * (2**trust - 1), rel=0.03)


def slow_factor(level: ShopLevel, start: float, end: float) -> float:
    """The mean factor over days after the level's moment, by a fine grid."""
    grid = np.linspace(start, end, 20_001)[:-1] + (end - start) / 40_000
    place = np.searchsorted(SPANS, grid, side="right") - 1
    inside = (grid >= 0) & (grid < SPANS[-1])
    return float(np.where(inside, level.factors[np.clip(place, 0, len(level.factors) - 1)], 1.0).mean())


@given(since=st.floats(-800, 800), factors=st.lists(st.floats(0.4, 2.5), min_size=4, max_size=4))
def test_factors_hold_by_the_calendar(since: float, factors: list[float]) -> None:
    level = ShopLevel(NOW, np.array(factors))
    hazards, pace = np.full((1, len(EDGES) - 1), 0.2), np.array([0.5])

    scaled, quicker = level.scaled(hazards, pace, np.array([NOW + round(since * DAY)]))

    expected = [slow_factor(level, since + start, since + end) for start, end in pairwise(EDGES)]
    np.testing.assert_allclose(np.log1p(-scaled[0]) / np.log1p(-0.2), expected, rtol=2e-3)
    assert quicker[0] / 0.5 == pytest.approx(slow_factor(level, since, since + 90), rel=2e-3)


def test_what_lies_before_the_moment_is_left_alone() -> None:
    hazards, pace = np.full((2, len(EDGES) - 1), 0.2), np.ones(2)

    scaled, _ = ShopLevel(NOW, np.array([2.0, 2, 2, 2])).scaled(hazards, pace, np.array([NOW - days(800), NOW]))

    np.testing.assert_allclose(scaled[0], hazards[0])
    assert (scaled[1, EDGES[1:] <= 180] > 0.2).all()


def test_it_is_the_same_from_its_numbers() -> None:
    level = ShopLevel(NOW, np.array([0.5, 1.5, 0.75, 1.0]))

    again = ShopLevel.from_dict(level.to_dict())

    assert (again.moment, again.factors.tolist()) == (level.moment, level.factors.tolist())
