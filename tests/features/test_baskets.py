from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regulars.features.baskets import PurchaseLog
from regulars.features.shop import DAY, OrderLines, Shop

# customer, order, product, day, pieces, revenue; visible on the day unless a seventh number says otherwise
Line = tuple[int, ...]


def shop_of(*lines: Line, customers: int = 3, products: int = 4) -> Shop:
    rows = np.array([line if len(line) == 7 else (*line, line[3]) for line in lines], dtype=np.int64).reshape(-1, 7)
    customer, order, product, day, pieces, revenue, visible = rows.T
    orders = OrderLines(
        time=day * DAY,
        visible=visible * DAY,
        customer=customer.astype(np.int32),
        order=order,
        product=product.astype(np.int32),
        quantity=pieces * 1_000,
        revenue=revenue * 10_000,
        margin=revenue,
        discount=np.zeros_like(order),
        channel=np.full(len(rows), -1, dtype=np.int32),
    )
    ids = [
        np.array([f"{letter}{i}" for i in range(n)], dtype=object) for letter, n in (("c", customers), ("p", products))
    ]
    return Shop(ids[0], ids[1], orders, given=frozenset({"orders", "orders.product_id"}))


def seen(shop: Shop, day: int) -> list[tuple[int, int, int, int]]:
    """Customer, day, product, pieces of each row."""
    found = PurchaseLog.of(shop).before(day * DAY)
    columns = (found.customer, found.time // DAY, found.product, found.pieces // 1_000)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def test_lines_of_an_order_become_one_row_a_product_in_time_order() -> None:
    shop = shop_of((0, 9, 1, 1, 2, 5), (0, 3, 0, 4, 1, 5), (0, 9, 1, 1, 3, 5), (0, 9, 0, 1, 1, 5))
    assert seen(shop, 10) == [(0, 1, 0, 1), (0, 1, 1, 5), (0, 4, 0, 1)]


def test_an_order_at_the_moment_is_the_future() -> None:
    shop = shop_of((0, 1, 0, 4, 1, 5))
    assert seen(shop, 4) == []
    assert len(seen(shop, 5)) == 1


def test_a_line_entered_late_is_not_known_before() -> None:
    shop = shop_of((0, 1, 0, 1, 1, 5, 8), (0, 1, 1, 3, 1, 5))
    assert seen(shop, 5) == [(0, 3, 1, 1)]
    assert seen(shop, 9) == [(0, 1, 0, 1), (0, 1, 1, 1)]


def test_returns_and_gifts_are_no_purchases() -> None:
    shop = shop_of((0, 1, 0, 1, 4, 5), (0, 2, 0, 2, -3, -5), (0, 3, 1, 3, 0, 0))
    found = PurchaseLog.of(shop).before(9 * DAY)
    assert found.product.tolist() == [0]
    assert (found.returned.product.tolist(), found.returned.pieces.tolist()) == ([0], [3_000])


def test_guests_have_baskets_and_are_no_buyers() -> None:
    shop = shop_of((-1, 1, 0, 1, 1, 5), (-1, 2, 0, 1, 1, 5), (1, 3, 0, 1, 1, 5))
    found = PurchaseLog.of(shop).before(9 * DAY)
    assert len(found.basket_start) - 1 == 3
    assert found.buyers().tolist() == [1]
    assert found.without_guests() == 2


def test_lines_without_a_product_are_left_out() -> None:
    assert seen(shop_of((0, 1, -1, 1, 1, 5), (0, 1, 2, 1, 1, 5)), 9) == [(0, 1, 2, 1)]


def test_some_customers_alone() -> None:
    shop = shop_of((0, 1, 0, 1, 1, 5), (1, 2, 1, 1, 1, 5), (-1, 3, 2, 1, 1, 5))
    assert PurchaseLog.of(shop, np.array([1], dtype=np.int32)).product.tolist() == [1]


def test_what_was_bought_in_a_window() -> None:
    shop = shop_of(
        (0, 1, 0, 1, 1, 5), (0, 2, 1, 4, 1, 5), (0, 3, 1, 5, 1, 5), (0, 4, 2, 6, 1, 5), (1, 5, 3, 5, 1, 5, 9)
    )
    who, what = PurchaseLog.of(shop).bought_between(4 * DAY, 6 * DAY, known_before=7 * DAY)
    assert (who.tolist(), what.tolist()) == ([0], [1])


@st.composite
def some_lines(draw: st.DrawFn) -> list[Line]:
    one = st.tuples(
        st.integers(-1, 2),
        st.integers(0, 4),
        st.integers(-1, 3),
        st.integers(0, 9),
        st.integers(-2, 3),
        st.integers(0, 9),
    )
    lines = draw(st.lists(one, max_size=25))
    # An order is one customer's, and what is given back brings its money back.
    return [(who, order * 4 + who + 1, p, day, n, n, day + late) for who, order, p, day, n, late in lines]


@given(some_lines(), st.integers(0, 12), st.randoms(use_true_random=False))
def test_a_slow_judge_agrees_in_any_order_of_rows(lines: list[Line], day: int, shuffler: Random) -> None:
    known = [line for line in lines if line[6] < day and line[2] >= 0 and line[4] > 0]
    at = {key: min(line[3] for line in known if line[:2] == key) for key in {line[:2] for line in known}}
    expected = sorted(
        (who, at[who, order], order, p, sum(line[4] for line in known if line[:3] == (who, order, p)))
        for who, order, p in {line[:3] for line in known}
    )
    shuffled = lines[:]
    shuffler.shuffle(shuffled)
    assert seen(shop_of(*shuffled), day) == [(who, when, p, n) for who, when, _, p, n in expected]


@pytest.mark.parametrize("moment", [3, 6])
def test_the_future_changes_nothing(moment: int) -> None:
    shop = shop_of(*((i % 3, i, i % 4, i, 1, 5) for i in range(10)))
    future = shop.orders.time >= moment * DAY
    changed = replace(
        shop, orders=replace(shop.orders, product=np.where(future, 0, shop.orders.product).astype(np.int32))
    )
    assert seen(shop, moment) == seen(changed, moment)
