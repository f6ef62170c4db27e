"""Customers at moments, unfolded into intervals."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models.shops import AS_OF, Training, made_shop

from regulars.features.shop import DAY, days
from regulars.models.bgnbd import BgNbd
from regulars.models.hazard_rows import (
    ADDED,
    EDGES,
    RECENCY,
    SEASONAL,
    OrderLabels,
    bgnbd_hazards,
    hazard_inputs,
    histories,
    unfold,
    year_ago_lifts,
)

NEVER = np.nan


def labels(*came: tuple[float, float]) -> OrderLabels:
    """Labels from (days to the next order, days watched)."""
    to_next, observed = np.array(came, np.float64).reshape(-1, 2).T
    return OrderLabels(to_next, observed, np.zeros(len(came)), np.zeros(len(came)))


@pytest.mark.parametrize(
    ("to_next", "observed", "expected"),
    [
        # Intervals begin and end at 0, 7, 15, 30, 45, 60, 90, ...
        (NEVER, 6.9, []),
        (NEVER, 7.0, [(0, False)]),
        (NEVER, 40.0, [(0, False), (1, False), (2, False)]),
        (3.0, 40.0, [(0, True)]),
        (7.0, 40.0, [(0, False), (1, True)]),
        (20.0, 40.0, [(0, False), (1, False), (2, True)]),
        # The order at day 35 is known, but its interval was not watched to the end: quiet ones of it are not known.
        (35.0, 40.0, [(0, False), (1, False), (2, False)]),
        (0.0, 7.0, [(0, True)]),
    ],
)
def test_intervals_at_risk_by_eye(to_next: float, observed: float, expected: list[tuple[int, bool]]) -> None:
    rows = unfold(labels((to_next, observed)))

    assert list(zip(rows.interval.tolist(), rows.ordered.tolist(), strict=True)) == expected
    assert (rows.row == 0).all()


def slowly(label: OrderLabels) -> list[tuple[int, int, bool]]:
    """The judge: one customer, one interval at a time."""
    found = []
    for row, (to_next, observed) in enumerate(zip(label.days_to_next, label.observed_days, strict=True)):
        for k in range(len(EDGES) - 1):
            if EDGES[k + 1] > observed or EDGES[k] > to_next:
                break
            found.append((row, k, bool(to_next < EDGES[k + 1])))
    return found


@given(
    st.lists(
        st.tuples(
            st.one_of(st.just(NEVER), st.sampled_from(EDGES.tolist()), st.floats(0, 900)),
            st.one_of(st.sampled_from(EDGES.tolist()), st.floats(0, 900)),
        ),
        max_size=20,
    )
)
def test_unfolding_judged_slowly(came: list[tuple[float, float]]) -> None:
    label = labels(*came)
    rows = unfold(label)

    assert list(zip(rows.row.tolist(), rows.interval.tolist(), rows.ordered.tolist(), strict=True)) == slowly(label)


@given(st.lists(st.tuples(st.floats(0, 900), st.floats(0, 900)), min_size=1, max_size=20))
def test_after_an_order_nobody_is_at_risk(came: list[tuple[float, float]]) -> None:
    rows = unfold(labels(*came))

    ordered = np.bincount(rows.row, rows.ordered, minlength=len(came))
    assert (ordered <= 1).all()
    for row in np.unique(rows.row):
        assert not rows.ordered[rows.row == row][:-1].any()


@pytest.fixture(scope="module")
def shop() -> Training:
    return made_shop(50)


def test_inputs_by_eye(shop: Training) -> None:
    table = shop.table.take(np.array([4, 9]))
    chances = np.arange(2.0 * (len(EDGES) - 1)).reshape(2, -1) / 100

    found = hazard_inputs(table, chances, np.array([1, 0, 1]), np.array([0, 3, 11]))

    known, added = len(table.names), len(table.names) + len(ADDED)
    assert found.dtype == np.float32
    assert found.shape == (3, added + len(SEASONAL))
    np.testing.assert_array_equal(found[:, :known], table.values[[1, 0, 1]].astype(np.float32))
    since = table.column(RECENCY)
    expected = [[since[1], 0, 0.12], [since[0] + 30, 3, 0.03], [since[1] + 545, 11, 0.23]]
    np.testing.assert_allclose(found[:, known:added], expected, rtol=1e-6)


def test_the_season_goes_round_once_a_year(shop: Training) -> None:
    quarter = days(365.25 / 4)
    moments = np.array([0, quarter, 2 * quarter, 3 * quarter, 4 * quarter]) - days(3.5)
    table = dataclasses.replace(shop.table.take(np.arange(5)), moment=moments)

    found = hazard_inputs(table, np.zeros((5, len(EDGES) - 1)), np.arange(5), np.zeros(5, np.intp))

    # The middle of the first interval is three and a half days ahead.
    sine, cosine = found[:, -3], found[:, -2]
    np.testing.assert_allclose(sine, [0, 1, 0, -1, 0], atol=1e-6)
    np.testing.assert_allclose(cosine, [1, 0, -1, 0, 1], atol=1e-6)


def test_the_season_a_year_ago_is_read_from_days_before_the_moment_only(shop: Training) -> None:
    """Whatever the shop did at or after a moment, the lifts of that moment stay the same."""
    moment = AS_OF - 30 * DAY
    table = dataclasses.replace(shop.table.take(np.arange(1)), moment=np.array([moment]))
    context = table.context
    later = context.orders.copy()
    later[moment // DAY - context.first_day :] = 99
    changed = dataclasses.replace(table, context=dataclasses.replace(context, orders=later))

    found = year_ago_lifts(table)

    np.testing.assert_array_equal(year_ago_lifts(changed), found)
    np.testing.assert_array_equal(np.isfinite(found[0]), EDGES[1:] <= 365)


def test_a_shop_of_even_days_has_no_lift(shop: Training) -> None:
    even = dataclasses.replace(shop.table.context, orders=np.full(500, 10))
    table = dataclasses.replace(shop.table, context=even)

    lifts = year_ago_lifts(table.take(table.moment == AS_OF))

    np.testing.assert_allclose(lifts[:, EDGES[1:] <= 365], 0, atol=1e-12)


def test_histories_by_eye(shop: Training) -> None:
    table = shop.table.take(np.arange(4))
    columns = {"tenure_days": 0, RECENCY: 1, "order_days_total": 2}
    values = np.array([[100.0, 10, 4], [50, 50, 1], [50, 49.9999, 1], [np.nan, np.nan, 0]])
    table = dataclasses.replace(table, names=tuple(columns), values=values)

    repeats, recency, tenure = histories(table)

    np.testing.assert_array_equal(repeats, [3, 0, 0, 0])
    np.testing.assert_array_equal(recency, [90, 0, 0, 0])
    np.testing.assert_array_equal(tenure, [100, 50, 50, 0])


def test_bgnbd_hazards_multiply_up_to_its_probabilities(shop: Training) -> None:
    known = shop.table.take(shop.table.column("orders_total") > 0)
    model = BgNbd().fit(*histories(known))

    survival = np.cumprod(1 - bgnbd_hazards(model, known), axis=1)

    for k, day in enumerate(EDGES[1:]):
        expected = model.probability_of_no_order(*histories(known), horizon=day)
        np.testing.assert_allclose(survival[:, k], expected, atol=1e-4)
