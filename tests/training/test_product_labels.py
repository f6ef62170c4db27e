"""Which products came after a moment, on a customer whose baskets can be read at a glance, and against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.features.strategies import CUSTOMERS, NOW, SETTINGS, Line, Rows, rows, shop_of, shops

from regulars.features.asof import Moments
from regulars.features.logs import Logs
from regulars.features.shop import DAY
from regulars.training.product_labels import Baskets, BoughtNext, bought_next

FAR = NOW + 10_000 * DAY
APPLE, BREAD, CHEESE, DATES, NOTHING = 0, 1, 2, 3, -1


def line(customer: int, day: float, product: int, late: float = 0, revenue: int = 10_000) -> Line:
    time = NOW + round(day * DAY)
    order = round(day * 4 + 1_000) * 4 + customer
    return Line(customer, order, time, time + round(late * DAY), product, np.sign(revenue) * 1_000, revenue)


LINES = [
    line(0, -50, APPLE),
    line(0, -20, BREAD),
    line(0, 0, BREAD),  # at the moment: it is in the window, and a repeat
    line(0, 5, CHEESE),
    line(0, 6, CHEESE),  # again, counted once; still new at the moment
    line(0, 10, NOTHING),
    line(0, 12, CHEESE, revenue=-10_000),  # what comes back is not bought
    line(0, 30, APPLE),  # at the end of 30 days: after it
    line(0, 20, DATES, late=25),
    line(1, 3, APPLE),  # for this customer it is new
    line(2, -3, APPLE),  # came before, and not again
    line(-1, 2, DATES),  # a guest
]


def asked(horizon: float = 30, until: int = FAR, customers: tuple[int, ...] = (0, 1, 2)) -> BoughtNext:
    logs = Logs(shop_of(rows(LINES), products=4), SETTINGS)
    return bought_next(logs, Moments.grid(np.array(customers), [NOW]), horizon, until)


def lists(baskets: Baskets) -> list[list[int]]:
    return [part.tolist() for part in np.split(baskets.items, baskets.indptr[1:-1])]


def test_everything_repeats_and_firsts() -> None:
    found = asked()

    assert lists(found.every) == [[BREAD, CHEESE, DATES], [APPLE], []]
    assert lists(found.repeats) == [[BREAD], [], []]
    assert lists(found.firsts) == [[CHEESE, DATES], [APPLE], []]


@pytest.mark.parametrize(
    ("horizon", "products"),
    [
        (0.5, [BREAD]),
        (5, [BREAD]),
        (5.5, [BREAD, CHEESE]),
        (20, [BREAD, CHEESE]),
        (31, [APPLE, BREAD, CHEESE, DATES]),
    ],
)
def test_the_window_is_half_open(horizon: float, products: list[int]) -> None:
    assert lists(asked(horizon).every)[0] == products


def test_what_is_not_known_yet_was_not_bought_yet() -> None:
    assert lists(asked(until=NOW + 45 * DAY).every)[0] == [BREAD, CHEESE]
    assert lists(asked(until=NOW + 45 * DAY + 1).every)[0] == [BREAD, CHEESE, DATES]


def test_rows_stand_as_they_were_asked_for() -> None:
    assert lists(asked(customers=(2, 1, 0, 1)).every) == [[], [APPLE], [BREAD, CHEESE, DATES], [APPLE]]


def test_some_baskets() -> None:
    every = asked().every

    assert every.sizes.tolist() == [3, 1, 0]
    assert lists(every.take(np.array([2, 0]))) == [[], [BREAD, CHEESE, DATES]]
    assert len(every.take(np.zeros(0, np.int64)).items) == 0


def test_a_shop_that_sold_nothing() -> None:
    found = bought_next(Logs(shop_of(rows()), SETTINGS), Moments.grid(np.array([0, 1]), [NOW]), 90, FAR)

    assert found.every.indptr.tolist() == [0, 0, 0]


@given(shops(), st.sampled_from([NOW, NOW - 90 * DAY]), st.sampled_from([1, 30, 90]), st.sampled_from([NOW + DAY, FAR]))
def test_plain_loops_agree(given_rows: Rows, t: int, horizon: int, until: int) -> None:
    logs = Logs(shop_of(given_rows), SETTINGS)
    found = bought_next(logs, Moments.grid(np.arange(CUSTOMERS), [t]), horizon, until)

    for who in range(CUSTOMERS):
        sold = [one for one in given_rows.lines if one.customer == who and one.revenue > 0 and one.product >= 0]
        known = [one for one in sold if one.visible < until]
        after = {one.product for one in known if t <= one.time < t + horizon * DAY}
        before = {one.product for one in known if one.time < t}
        assert lists(found.every)[who] == sorted(after)
        assert lists(found.repeats)[who] == sorted(after & before)
        assert lists(found.firsts)[who] == sorted(after - before)
