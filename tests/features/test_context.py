from __future__ import annotations

import math

import numpy as np
import pytest
from tests.features.strategies import NOW, SETTINGS, Line, rows, shop_of

from regulars.features.context import ShopContext
from regulars.features.logs import Logs
from regulars.features.shop import DAY

TODAY = NOW // DAY


def context_of(*lines: Line, as_of: int = NOW) -> ShopContext:
    return ShopContext.of(Logs(shop_of(rows(lines)), SETTINGS), as_of)


def sold(customer: int, order: int, days_ago: float, revenue: int = 100_000, late: int = 0) -> Line:
    time = round(NOW - days_ago * DAY)
    return Line(customer, order, time, time + late * DAY, 0, 1_000, revenue)


def test_orders_are_counted_on_the_day_they_became_known() -> None:
    context = context_of(sold(0, 0, 3), sold(0, 0, 3), sold(0, 1, 2.5), sold(1, 2, 3.75, late=2), sold(1, 3, 0))
    assert (context.first_day, context.orders.tolist()) == (TODAY - 3, [2, 1, 0])
    assert context.first_orders.tolist() == [1, 1, 0]


def test_the_day_of_the_moment_is_not_over() -> None:
    context = context_of(sold(0, 0, 1), sold(1, 1, -0.25), as_of=NOW + DAY // 2)
    assert (context.orders.tolist(), context.first_day) == ([1], TODAY - 1)


def test_scale_is_the_mean_order() -> None:
    context = context_of(
        sold(0, 0, 3, 100_000), sold(0, 0, 3, 200_000), sold(1, 1, 2, 100_000), sold(1, 2, -2, 900_000)
    )
    assert context.scale == (30 + 10) / 2


def test_a_shop_without_orders() -> None:
    context = context_of()
    assert (len(context.orders), context.scale) == (0, 1.0)
    assert np.isnan(context.orders_between(np.array([5]), np.array([9]))[0])


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(-3, -1, 3), (-3, 0, 3), (-2, 0, 1), (-4, -1, math.nan), (-1, 1, math.nan), (-1, -1, math.nan)],
)
def test_orders_between_days(start: int, end: int, expected: float) -> None:
    context = context_of(sold(0, 0, 3), sold(0, 1, 3), sold(0, 2, 2))
    found = context.orders_between(np.array([TODAY + start]), np.array([TODAY + end]))
    np.testing.assert_array_equal(found, [expected])


def lift_of(context: ShopContext, start: float, end: float, moment: int = NOW) -> float:
    return float(context.year_ago_lift(np.array([moment]), np.array([start]), np.array([end]))[0])


def test_a_livelier_time_a_year_ago() -> None:
    # One order a day in the 91 days before, two a day in the 10 days after, as of 364 days ago.
    before = [sold(0, day, 364 + 91 - day) for day in range(91)]
    after = [sold(0, 100 + 2 * day + i, 364 - day) for day in range(10) for i in range(2)]
    context = context_of(*before, *after, sold(0, 500, 1))
    assert math.isclose(lift_of(context, 0, 10), math.log((2 + 0.02) / 1.02))
    assert math.isclose(lift_of(context, 10, 20), math.log(0.02 / 1.02))
    assert np.isnan(lift_of(context, 0, 10, NOW - 5 * DAY))  # its 91 days are not all there


def test_one_moment_equals_many() -> None:
    rng = np.random.default_rng(1)
    context = context_of(*(sold(0, order, float(day)) for order, day in enumerate(rng.integers(1, 900, 400))))
    moments = NOW - rng.integers(0, 300, 50) * DAY
    start, end = rng.uniform(0, 100, 50), rng.uniform(110, 360, 50)
    together = context.year_ago_lift(moments, start, end)
    alone = [context.year_ago_lift(moments[[i]], start[[i]], end[[i]])[0] for i in range(50)]
    assert together.tobytes() == np.array(alone).tobytes()
    assert np.isfinite(together).any()
