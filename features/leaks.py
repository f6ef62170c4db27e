"""Whether features can see the future: alter everything from a moment on, and look whether anything before it moves.

A feature at moment t may depend only on rows that were known before t. So the shop is taken as it is, and once more
with its future removed, changed, added to, joined by a customer, an order and a product that did not exist before, and
with its rows in another order; each time every feature of every customer at t, and the `ShopContext`, must come out
bit for bit the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regulars.features.asof import Moments
from regulars.features.context import ShopContext
from regulars.features.define import Feature
from regulars.features.logs import Logs
from regulars.features.settings import Settings
from regulars.features.shop import DAY, I32, NEVER, OrderLines, Rows, Shop
from regulars.features.table import feature_table, features_of

Alter = Callable[[Shop, int, np.random.Generator], Shop]

TABLES = ("orders", "support", "customers", "products", "contacts", "advocacy")
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
) -> list[Leak]:
    """Which features and parts of the context change when the future is altered.

    Args:
        shop: as read, with what came after the moments in it.
        settings: of the shop.
        moments: where to stand, in microseconds; good ones have as much before them as after.
        rng: draws how the future is altered.
        features: those to look at; by default all that the shop allows.

    Returns:
        One entry per column, moment and alteration that moved it: an empty list is what is wanted.
    """
    chosen = features_of(shop, settings) if features is None else features
    customers = np.arange(len(shop.customer_ids), dtype=np.int32)
    found: list[Leak] = []
    for moment in moments:
        before = _columns(shop, settings, moment, chosen, customers)
        for name, alter in ALTERATIONS.items():
            altered = alter(shop, moment, rng)
            newcomers = len(altered.customer_ids) - len(shop.customer_ids)  # they come first
            after = _columns(altered, settings, moment, chosen, customers + np.int32(newcomers))
            found += (Leak(column, moment, name, moved) for column, moved in _moved(before, after))
    return found


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


def _tables(shop: Shop) -> dict[str, Rows]:
    return {name: getattr(shop, name) for name in TABLES if getattr(shop, name) is not None}


def _with(shop: Shop, tables: Mapping[str, Rows]) -> Shop:
    changed: dict[str, Any] = dict(tables)
    return replace(shop, **changed)


def without_future(shop: Shop, moment: int, _rng: np.random.Generator) -> Shop:
    """The shop without the rows that became known at or after the moment."""
    return _with(shop, {name: rows.take(rows.visible < moment) for name, rows in _tables(shop).items()})


def changed_future(shop: Shop, moment: int, rng: np.random.Generator) -> Shop:
    """The shop in which what became known at or after the moment happened to others, and sales were returns."""
    return _with(shop, {name: _changed(rows, moment, rng) for name, rows in _tables(shop).items()})


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
    return _with(shop, {name: _joined(rows, _again(rows, moment, rng)) for name, rows in _tables(shop).items()})


def _again(rows: Rows, moment: int, rng: np.random.Generator) -> Rows:
    """The dated rows again: half of them happen from the moment on (in new orders), the others become known then."""
    dated = rows.take(rows.visible != NEVER)
    later = moment + rng.integers(0, 60, len(dated)) * DAY  # some exactly at the moment
    late = (rng.random(len(dated)) < 0.5) & (dated.time < later)
    if isinstance(dated, OrderLines):
        dated = replace(dated, order=np.where(late, dated.order, dated.order + dated.order.max(initial=0) + 1))
    return replace(dated, time=np.where(late, dated.time, later), visible=later)


def _joined(rows: Rows, more: Rows) -> Rows:
    columns: dict[str, Any] = {
        item.name: np.concatenate([getattr(rows, item.name), getattr(more, item.name)]) for item in fields(rows)
    }
    return replace(rows, **columns)


def joined_by_newcomers(shop: Shop, moment: int, rng: np.random.Generator) -> Shop:
    """The shop to which one customer comes at or after the moment, with an order and a product that are new as well.

    All three stand first in the order of ids, so that every code of the others is another one. The newcomer does from
    then on whatever anybody did before.
    """
    tables = {}
    for name, rows in _tables(shop).items():
        moved = _each_code(rows, lambda codes: np.where(codes >= 0, codes + 1, codes))
        tables[name] = _joined(moved, _each_code(_again(moved, moment, rng), np.zeros_like, CODES_OF_ROW))
    ids = {name: np.concatenate([[""], getattr(shop, name)]).astype(object) for name in ("customer_ids", "product_ids")}
    return replace(_with(shop, tables), customer_ids=ids["customer_ids"], product_ids=ids["product_ids"])


def _each_code(
    rows: Rows, change: Callable[[NDArray[Any]], NDArray[Any]], names: tuple[str, ...] = (*CODES_OF_ROW, *OTHER_CODES)
) -> Rows:
    held = {item.name for item in fields(rows)}
    columns: dict[str, Any] = {
        name: change(getattr(rows, name)).astype(getattr(rows, name).dtype) for name in names if name in held
    }
    return replace(rows, **columns)


def in_another_order(shop: Shop, _moment: int, rng: np.random.Generator) -> Shop:
    """The shop with the rows of every table in another order."""
    return _with(shop, {name: rows.take(rng.permutation(len(rows))) for name, rows in _tables(shop).items()})


ALTERATIONS: dict[str, Alter] = {
    "the future removed": without_future,
    "the future changed": changed_future,
    "more future added": added_future,
    "newcomers": joined_by_newcomers,
    "rows in another order": in_another_order,
}
"""What is done to a shop. Nothing of it may move a feature."""
