"""Whether features can see the future: alter everything from a moment on, and look whether anything before it moves.

A feature at moment t may depend only on rows that were known before t. So the shop is taken as it is, and once more
with its future removed, changed, added to, joined by a customer, an order, a product and words that did not exist
before, and with its rows in another order; each time every feature of every customer at t, and the `ShopContext`, must
come out bit for bit the same. So must the features of half of the customers, asked about without the others.

An own feature that keeps a table of its own beside `past` would not be moved by any of that. In a shop of the same
customers to whom nothing ever happened, it still tells one customer from another; every honest feature has its value
without events there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regulars.features.asof import Moments
from regulars.features.context import ShopContext
from regulars.features.define import Feature
from regulars.features.encoding import UNIVERSES
from regulars.features.logs import Logs
from regulars.features.settings import Settings
from regulars.features.shop import DAY, I32, NEVER, OrderLines, OwnEvents, Rows, Shop, Text
from regulars.features.table import feature_table, features_of

Alter = Callable[[Shop, int, np.random.Generator], Shop]

CODES_OF_ROW = ("customer", "order", "product")
OTHER_CODES = ("new_customer", "accessory_of")


@dataclass(frozen=True)
class Leak:
    """A column that moved: which (`context.` before a part of the context), when, by which alteration, for how many."""

    name: str
    moment: int
    alteration: str
    customers: int


def find_leaks(
    shop: Shop,
    settings: Settings,
    moments: Iterable[int],
    rng: np.random.Generator,
    features: list[Feature] | None = None,
    customers: I32 | None = None,
) -> list[Leak]:
    """Which features and parts of the context change when the future is altered.

    Args:
        shop: as read, with what came after the moments in it.
        settings: of the shop.
        moments: where to stand, in microseconds; good ones have as much before them as after.
        rng: draws how the future is altered.
        features: those to look at; by default all that the shop allows.
        customers: codes of those to ask about; by default everybody.

    Returns:
        One entry per column, moment and alteration that moved it: an empty list is what is wanted.
    """
    chosen = features_of(shop, settings) if features is None else features
    everybody = np.arange(len(shop.customer_ids), dtype=np.int32)
    asked = everybody if customers is None else customers
    found: list[Leak] = []
    for moment in moments:
        before = _columns(shop, settings, moment, chosen, asked)
        for name, alter in ALTERATIONS.items():
            altered = alter(shop, moment, rng)
            newcomers = len(altered.customer_ids) - len(shop.customer_ids)  # they come first
            after = _columns(altered, settings, moment, chosen, asked + np.int32(newcomers))
            found += (Leak(column, moment, name, moved) for column, moved in _moved(before, after))
        some = rng.random(len(asked)) < 0.5
        after = _columns(shop, settings, moment, chosen, asked[some])
        parts = {name: column if name.startswith("context.") else column[some] for name, column in before.items()}
        found += (Leak(column, moment, ASKED_ALONE, moved) for column, moved in _moved(parts, after))
        found += _without_events(shop, settings, moment, chosen, asked)
    return found


def _without_events(
    shop: Shop, settings: Settings, moment: int, features: list[Feature], customers: I32
) -> Iterator[Leak]:
    """Features that are not the same for everybody, and what they are said to be, where nothing ever happened."""
    nothing = shop.with_tables({name: rows.take(np.zeros(len(rows), bool)) for name, rows in shop.tables().items()})
    columns = _columns(nothing, settings, moment, features, customers)
    for feature in features:
        found = columns[feature.name]
        # One that has nothing to do with events has any value, but the same for everybody.
        expected = {"0": 0.0, "missing": np.nan}.get(feature.empty, found[0] if len(found) else np.nan)
        differs = int((~((found == expected) | (np.isnan(found) & np.isnan(expected)))).sum())
        if differs:
            same = bool(np.array_equal(found, np.full(len(found), found[0]), equal_nan=True))
            yield Leak(feature.name, moment, NOT_AS_SAID if same else BESIDE, differs)


def _columns(
    shop: Shop, settings: Settings, moment: int, features: list[Feature], customers: I32
) -> dict[str, NDArray[Any]]:
    logs = Logs(shop, settings)
    context = ShopContext.of(logs, moment)
    table = feature_table(logs, Moments(customers, np.full(len(customers), moment)), context, features)
    parts = ("first_day", "orders", "first_orders", "scale")
    return {name: table.column(name) for name in table.names} | {
        f"context.{part}": np.atleast_1d(getattr(context, part)) for part in parts
    }


def _moved(before: Mapping[str, NDArray[Any]], after: Mapping[str, NDArray[Any]]) -> Iterator[tuple[str, int]]:
    """Names of the columns that differ, and in how many entries; the bits are compared, so that NaN equals itself."""
    for name, old in before.items():
        new = after[name]
        moved = (
            max(len(old), len(new))
            if len(old) != len(new)
            else int((np.ascontiguousarray(old).view(np.int64) != np.ascontiguousarray(new).view(np.int64)).sum())
        )
        if moved:
            yield name, moved


def without_future(shop: Shop, moment: int, _rng: np.random.Generator) -> Shop:
    """The shop without the rows that became known at or after the moment."""
    return shop.with_tables({name: rows.take(rows.visible < moment) for name, rows in shop.tables().items()})


def changed_future(shop: Shop, moment: int, rng: np.random.Generator) -> Shop:
    """The shop in which what became known at or after the moment happened to others, and sales were returns."""
    return shop.with_tables({name: _changed(rows, moment, rng) for name, rows in shop.tables().items()})


def _changed(rows: Rows, moment: int, rng: np.random.Generator) -> Rows:
    future = np.flatnonzero(rows.visible >= moment)
    shuffled = rng.permutation(future)
    time, visible = rows.time.copy(), rows.visible.copy()
    time[future], visible[future] = rows.time[shuffled], rows.visible[shuffled]
    if isinstance(rows, OrderLines):
        sign = np.where(rows.visible >= moment, -1, 1)
        rows = replace(rows, quantity=rows.quantity * sign, revenue=rows.revenue * sign, margin=rows.margin * sign)
    return replace(rows, time=time, visible=visible)


def added_future(shop: Shop, moment: int, rng: np.random.Generator) -> Shop:
    """The shop in which all that was known happens again from the moment on, and is heard of again, late."""
    return shop.with_tables({name: _joined(rows, _again(rows, moment, rng)) for name, rows in shop.tables().items()})


def _again(rows: Rows, moment: int, rng: np.random.Generator) -> Rows:
    """The dated rows again: half of them happen from the moment on (in new orders), the others become known then."""
    dated = rows.take(rows.visible != NEVER)
    later = moment + rng.integers(0, 60, len(dated)) * DAY  # some exactly at the moment
    late = (rng.random(len(dated)) < 0.5) & (dated.time < later)
    if isinstance(dated, OrderLines):
        dated = replace(dated, order=np.where(late, dated.order, dated.order + dated.order.max(initial=0) + 1))
    return replace(dated, time=np.where(late, dated.time, later), visible=later)


def _joined(rows: Rows, more: Rows) -> Rows:
    added = more.arrays()
    return rows.with_arrays({name: np.concatenate([column, added[name]]) for name, column in rows.arrays().items()})


def joined_by_newcomers(shop: Shop, moment: int, rng: np.random.Generator) -> Shop:
    """The shop to which one customer comes at or after the moment, with an order, a product and words that are new.

    All of them stand first in the order of ids and words, so that every code of the others is another one. The newcomer
    does from then on whatever anybody did before.
    """
    tables: dict[str, Rows] = {}
    for title, rows in shop.tables().items():
        worded = tuple(name for name in rows.arrays() if f"{title}.{name}" in shop.words)
        own = tuple(UNIVERSES) if isinstance(rows, OwnEvents) else ()
        moved = _each_code(rows, _one_up, (*CODES_OF_ROW, *OTHER_CODES, *own, *worded))
        tables[title] = _joined(
            moved, _each_code(_again(moved, moment, rng), np.zeros_like, (*CODES_OF_ROW, *own, *worded))
        )
    ids = {name: _with_new(getattr(shop, name)) for name in ("customer_ids", "product_ids")}
    words = {name: _with_new(known) for name, known in shop.words.items()}
    whole = shop.with_tables(tables)
    return replace(whole, customer_ids=ids["customer_ids"], product_ids=ids["product_ids"], words=words)


def _one_up(codes: NDArray[Any]) -> NDArray[Any]:
    return np.where(codes >= 0, codes + 1, codes)


def _with_new(words: Text) -> Text:
    """The ids or words, and one that stands before them all."""
    return np.concatenate([[""], words]).astype(object)


def _each_code(rows: Rows, change: Callable[[NDArray[Any]], NDArray[Any]], names: tuple[str, ...]) -> Rows:
    held = rows.arrays()
    return rows.with_arrays({name: change(held[name]).astype(held[name].dtype) for name in names if name in held})


def in_another_order(shop: Shop, _moment: int, rng: np.random.Generator) -> Shop:
    """The shop with the rows of every table in another order."""
    return shop.with_tables({name: rows.take(rng.permutation(len(rows))) for name, rows in shop.tables().items()})


ALTERATIONS: dict[str, Alter] = {
    "the future removed": without_future,
    "the future changed": changed_future,
    "more future added": added_future,
    "newcomers": joined_by_newcomers,
    "rows in another order": in_another_order,
}
"""What is done to a shop. Nothing of it may move a feature."""

ASKED_ALONE = "half of the customers asked about"
BESIDE = "nothing happened to anybody"
NOT_AS_SAID = "without events it is not what it is said to be"
"""Further ways of giving oneself away: by the company, by telling customers apart without any event, by a wrong value
without events (which is no leak, but a wrong definition)."""
