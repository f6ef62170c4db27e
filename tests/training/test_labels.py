"""What came after a moment, on a customer whose orders can be read at a glance, and against plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.features.known import Known
from tests.features.strategies import CUSTOMERS, NOW, SETTINGS, Line, Rows, rows, shop_of, shops

from regulars.features.asof import Moments
from regulars.features.logs import Logs
from regulars.features.shop import DAY, MONEY
from regulars.training.labels import Outcomes

FAR = NOW + 10_000 * DAY


def line(order: int, day: float, revenue: int = 50_000, late: int = 0) -> Line:
    time = NOW + round(day * DAY)
    return Line(0, order, time, time + late * DAY, 0, 1_000, revenue, revenue // 2)


# orders on days -5, 0, 10 (two lines) and 30; 20 back on day 12; an order of day 20 is entered on day 40
LINES = [line(1, -5), line(2, 0), line(3, 10), line(3, 10.5), line(3, 12, -20_000), line(4, 30), line(5, 20, late=20)]
MOMENT = Moments(np.array([0], np.int32), np.array([NOW]))


def outcomes(until: int = FAR) -> Outcomes:
    return Outcomes(Logs(shop_of(rows(LINES)), SETTINGS), until)


@pytest.mark.parametrize(("horizon", "orders"), [(0.5, 1), (10, 1), (10.5, 2), (20, 2), (21, 3), (30, 3), (31, 4)])
def test_orders_from_the_moment_on_up_to_the_horizon(horizon: float, orders: int) -> None:
    assert outcomes().orders(MOMENT, horizon)[0] == orders


def test_what_is_not_known_yet_did_not_happen_yet() -> None:
    assert outcomes(NOW + 40 * DAY).orders(MOMENT, 90)[0] == 3
    assert outcomes(NOW + 40 * DAY + 1).orders(MOMENT, 90)[0] == 4


@pytest.mark.parametrize(
    ("day", "gap"), [(-6, 1), (-5, 0), (-4, 4), (0, 0), (0.5, 9.5), (10.25, 9.75), (21, 9), (31, math.nan)]
)
def test_days_to_the_next_order(day: float, gap: float) -> None:
    moment = Moments(np.array([0], np.int32), np.array([NOW + round(day * DAY)]))
    np.testing.assert_array_equal(outcomes().days_to_next_order(moment), [gap])


def test_margin_has_returns_taken_off() -> None:
    assert outcomes().margin(MOMENT, 11)[0] == 3 * 2.5
    assert outcomes().margin(MOMENT, 13)[0] == 3 * 2.5 - 1


def test_how_long_the_future_was_watched() -> None:
    assert outcomes(NOW + 45 * DAY).observed_days(MOMENT)[0] == 45


def test_other_customers_have_other_outcomes() -> None:
    moments = Moments(np.array([1, 0], np.int32), np.array([NOW, NOW]))
    assert outcomes().orders(moments, 90).tolist() == [0, 4]
    assert np.isnan(outcomes().days_to_next_order(moments)[0])


def test_a_shop_without_orders() -> None:
    nothing = Outcomes(Logs(shop_of(rows()), SETTINGS), FAR)
    assert (nothing.orders(MOMENT, 9)[0], nothing.margin(MOMENT, 9)[0]) == (0, 0)
    assert np.isnan(nothing.days_to_next_order(MOMENT)[0])


@given(shops(), st.sampled_from([NOW, NOW - 90 * DAY]), st.sampled_from([1, 30, 90]), st.sampled_from([NOW + DAY, FAR]))
def test_plain_loops_agree(given_rows: Rows, t: int, horizon: int, until: int) -> None:
    moments = Moments.grid(np.arange(CUSTOMERS), [t])
    found = Outcomes(Logs(shop_of(given_rows), SETTINGS), until)
    orders, margin, next_order = (
        found.orders(moments, horizon),
        found.margin(moments, horizon),
        found.days_to_next_order(moments),
    )
    for customer in range(CUSTOMERS):
        then = Known(given_rows, SETTINGS, customer, until)
        coming = [order.time for order in then.orders if order.time >= t]
        earned = [x.margin for x in then.lines if t <= x.time < t + horizon * DAY]
        assert orders[customer] == sum(time < t + horizon * DAY for time in coming)
        assert margin[customer] == sum(earned) / MONEY
        np.testing.assert_equal(next_order[customer], (min(coming) - t) / DAY if coming else math.nan)


@given(shops())
def test_outcomes_use_nothing_from_until_on(given_rows: Rows) -> None:
    moments = Moments.grid(np.arange(CUSTOMERS), [NOW - 60 * DAY])
    kept = given_rows._replace(lines=[x for x in given_rows.lines if x.visible < NOW])
    whole, part = (Outcomes(Logs(shop_of(some), SETTINGS), NOW) for some in (given_rows, kept))
    assert whole.orders(moments, 90).tobytes() == part.orders(moments, 90).tobytes()
    assert whole.margin(moments, 90).tobytes() == part.margin(moments, 90).tobytes()
    assert whole.days_to_next_order(moments).tobytes() == part.days_to_next_order(moments).tobytes()
