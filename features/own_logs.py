"""Logs of the event tables that a shop declared itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from regulars.features.encoding import universe
from regulars.features.events import EventLog
from regulars.features.own import own_of
from regulars.features.own_checks import OwnError
from regulars.features.own_encoding import GIVEN, MARKED, SCALES, column_names
from regulars.features.shop import NONE, as_time
from regulars.features.tables import Column, EventTable, Kind

NOTHING = NONE - 1
"""A code that no row has: not even one that holds nothing."""

if TYPE_CHECKING:
    from regulars.features.logs import Logs
    from regulars.features.shop import Shop


def own_log(logs: Logs, title: str) -> EventLog:
    """All events of the table; none where the shop did not bring it."""
    rows = logs.shop.own.get(title)
    if rows is None:
        return EventLog.empty(logs.keys, column_names(own_of(logs.settings).table(title)))
    return EventLog.build(logs.keys, rows.customer, rows.time, rows.visible, rows.columns)


def those_equal(logs: Logs, title: str, log: EventLog, equal: tuple[tuple[str, Any], ...]) -> NDArray[np.bool_]:
    """(n,) which events have these values in these columns."""
    table = own_of(logs.settings).table(title)
    columns = {column.name: column for column in table.values()}
    kept = np.ones(len(log), np.bool_)
    for name, value in equal:
        if name not in columns:
            raise OwnError(f"past.table({title!r}, {name}=...): {title} has no such column, but {', '.join(columns)}")
        kept &= log.columns[name] == _as_integer(logs.shop, table, columns[name], value)
        if columns[name].kind in MARKED:
            kept &= log.columns[GIVEN.format(name)] > 0
    return kept


def _as_integer(shop: Shop, table: type[EventTable], column: Column, value: Any) -> int:
    """The integer that stands for a value in a column."""
    where, kind = f"past.table({table.title!r}, {column.name}={value!r})", column.kind
    if kind is Kind.FLAG and isinstance(value, bool):
        return int(value)
    if kind in SCALES and isinstance(value, int | float) and not isinstance(value, bool):
        return round(value * SCALES[kind])
    if kind in {Kind.TIME, Kind.DATE}:
        return as_time(value)
    if kind is Kind.CHOICE and value in column.choices:
        return column.choices.index(value)
    words = universe(table, column.name)
    if isinstance(value, str) and (kind is Kind.TEXT or (kind is Kind.ID and "." not in words)):
        return _code(shop, words, value)
    expected = {Kind.FLAG: "True or False", Kind.CHOICE: f"one of {', '.join(column.choices)}"}
    expected |= dict.fromkeys(SCALES, "a number") | {Kind.ID: "nothing (ids can be counted, not chosen)"}
    raise OwnError(f"{where}: the column holds a {kind}; give {expected.get(kind, 'a text')}")


def _code(shop: Shop, words: str, value: str) -> int:
    """The code of a word or an id, one that nothing has where there is no such word."""
    ids = {"customer": shop.customer_ids, "product": shop.product_ids}
    known = ids.get(words, shop.words.get(words))
    if known is None:
        return NOTHING
    place = int(np.searchsorted(known, value))
    return place if place < len(known) and known[place] == value else NOTHING
