"""The finder of leaks finds what leaks, on features that look past the moment on purpose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.features.strategies import NOW, SETTINGS, Line, Rows, rows, shop_of

from regulars.features.define import Family, Feature, Values
from regulars.features.leaks import ALTERATIONS, ASKED_ALONE, BESIDE, NOT_AS_SAID, find_leaks
from regulars.features.past import Past
from regulars.features.shop import DAY

cheats = Family("cheats", needs=("orders",))


@cheats.feature(unit="lines", empty="0")
def lines_ever(past: Past) -> Values:
    """All lines of the customer, the coming ones too."""
    return np.diff(past.lines.log.start)[past.moments.key]


@cheats.feature(unit="codes", empty="0")
def code(past: Past) -> Values:
    """The customer's number, which is another one when others come."""
    return past.moments.key


@cheats.feature(unit="lines", empty="0")
def first_row(past: Past) -> Values:
    """Revenue of the first row of the file."""
    return np.full(len(past.moments), past._logs.shop.orders.revenue[:1].sum())


@cheats.feature(unit="orders", empty="0")
def beyond_the_mean(past: Past) -> Values:
    """Orders beyond the mean of who is asked about."""
    orders: Values = past.orders.count()
    beyond: Values = orders - orders.mean()
    return beyond


@cheats.feature(unit="orders", empty="0")
def wrongly_said(past: Past) -> Values:
    """Orders so far, one more."""
    return past.orders.count() + 1


KEPT = {"c0": 3.0, "c1": 5.0}


@cheats.feature(unit="visits", empty="0")
def kept_beside(past: Past) -> Values:
    """What a table says that was loaded beside."""
    ids = past._logs.shop.customer_ids[past.moments.key]
    return np.array([KEPT.get(name, 0.0) for name in ids])


@cheats.feature(unit="orders", empty="0")
def honest(past: Past) -> Values:
    """Orders so far."""
    return past.orders.count()


def some_rows() -> Rows:
    return rows(
        [
            Line(0, 1, NOW - 3 * DAY, NOW - 3 * DAY, 0, 1_000, 20_000),
            Line(0, 5, NOW - 9 * DAY, NOW + DAY, 1),
            Line(1, 2, NOW - DAY, NOW - DAY, 1),
            Line(1, 6, NOW, NOW, 0),
        ]
    )


def features(*names: str) -> list[Feature]:
    return [feature for feature in cheats.features(()) if feature.name in names]


@pytest.mark.parametrize(
    ("name", "alterations"),
    [
        ("lines_ever", {"the future removed", "more future added"}),
        ("code", {"newcomers", BESIDE}),
        ("first_row", {"rows in another order"}),
        ("beyond_the_mean", {ASKED_ALONE}),
        ("wrongly_said", {NOT_AS_SAID}),
        ("kept_beside", {BESIDE}),
        ("honest", set()),
    ],
)
def test_a_cheat_is_found_by_what_gives_it_away(name: str, alterations: set[str]) -> None:
    rng = np.random.default_rng(4)
    found = find_leaks(shop_of(some_rows()), SETTINGS, [NOW], rng, features(name))
    assert {leak.alteration for leak in found} == alterations
    assert {leak.name for leak in found} <= {name}


def test_a_leak_says_when_and_for_how_many() -> None:
    found = find_leaks(shop_of(some_rows()), SETTINGS, [NOW], np.random.default_rng(4), features("lines_ever"))
    (removed,) = (leak for leak in found if leak.alteration == "the future removed")
    assert (removed.name, removed.moment, removed.customers) == ("lines_ever", NOW, 2)


def test_tables_that_are_not_there_stay_so() -> None:
    shop = replace(shop_of(some_rows()), support=None, products=None, contacts=None, advocacy=None, customers=None)
    for alter in ALTERATIONS.values():
        assert alter(shop, NOW, np.random.default_rng(1)).support is None
    assert find_leaks(shop, SETTINGS, [NOW], np.random.default_rng(1)) == []


def test_what_was_known_is_left_alone() -> None:
    shop = shop_of(some_rows())
    for name, alter in ALTERATIONS.items():
        altered = alter(shop, NOW, np.random.default_rng(1))
        known = altered.orders.visible < NOW
        assert sorted(altered.orders.revenue[known]) == [10_000, 20_000], name
        assert shop.orders.revenue.tolist() == [20_000, 10_000, 10_000, 10_000], name
