"""Event tables that a shop declared itself: how their columns become integers.

    kind            column holds                                       not given
    id, text        a code: the rank of the word among all of them     -1 (`NONE`)
    choice          the position in `choices`                          -1 (`NONE`)
    flag            1 true, 0 false; `has_NAME` says whether given     0
    number          1/1,000 (`PIECES`); `has_NAME` likewise            0
    money           1/10,000 (`MONEY`); `has_NAME` likewise            0
    time, date      microseconds of the shop's wall time               `NEVER`

So a sum needs no care for gaps, and a mean is the sum over the sum of `has_NAME`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import duckdb
import numpy as np

from regulars.features.encoding import MOST_UNITS, Checked, good_rows
from regulars.features.findings import Finding
from regulars.features.shop import I32, MONEY, NONE, PIECES, OwnEvents
from regulars.features.sources import quote
from regulars.features.tables import Column, EventTable, Kind

GIVEN = "has_{}"
"""Name of the column that says whether a flag or a number was given."""
SCALES = {Kind.NUMBER: PIECES, Kind.MONEY: MONEY}
MARKED = (Kind.FLAG, *SCALES)
"""Kinds with such a column beside them."""
CODED = (Kind.ID, Kind.TEXT)


def column_names(table: type[EventTable]) -> tuple[str, ...]:
    """Names of the integer columns that features read."""
    return tuple(name for column in table.values() for name in _names(column))


def _names(column: Column) -> tuple[str, ...]:
    marked = (GIVEN.format(column.name),) if column.kind in MARKED else ()
    return (column.name, *marked)


def no_events(table: type[EventTable]) -> OwnEvents:
    """The table without a row."""
    nothing = np.zeros(0, np.int64)
    return OwnEvents(nothing, nothing, np.zeros(0, np.int32), dict.fromkeys(column_names(table), nothing))


def own_events(connection: duckdb.DuckDBPyConnection, table: type[EventTable], checked: Checked) -> OwnEvents:
    """The good rows of a checked table, sorted by customer, visible, time and then every other column.

    Args:
        connection: where the checked table and the codes of ids and words are.
        table: its declaration.
        checked: the table.
    """
    first = ["customer", "visible", "time"]
    order = ", ".join(map(quote, [*first, *column_names(table)]))
    return as_own_events(connection.execute(f"{own_sql(table, checked)} ORDER BY {order}").fetchnumpy())


def own_sql(table: type[EventTable], checked: Checked) -> str:
    """SQL of the good rows of a checked table: time, visible, customer, then its integer columns."""
    expressions = checked.times() | {"customer": checked.code("customer_id")}
    expressions |= {name: sql for column in table.values() for name, sql in _expressions(column, checked)}
    columns = ", ".join(f"({sql})::BIGINT AS {quote(name)}" for name, sql in expressions.items())
    return f"SELECT {columns} {good_rows(checked)}"


def as_own_events(columns: Mapping[str, Any]) -> OwnEvents:
    """The columns of `own_sql` as rows."""
    ints = {name: np.ascontiguousarray(np.ma.getdata(column), dtype=np.int64) for name, column in columns.items()}
    time, visible, customer = (ints.pop(name) for name in ("time", "visible", "customer"))
    who: I32 = customer.astype(np.int32)
    return OwnEvents(time, visible, who, ints)


def _expressions(column: Column, checked: Checked) -> Iterator[tuple[str, str]]:
    """SQL of each integer column that a column becomes."""
    name = column.name
    if column.kind in CODED:
        yield name, checked.code(name)
    elif column.kind is Kind.CHOICE:
        yield name, checked.value(name, NONE)
    elif column.kind is Kind.FLAG:
        yield name, checked.value(name, 0)
    elif column.kind in SCALES:
        yield name, checked.units(name, SCALES[column.kind])
    else:
        yield name, checked.moment(name)
    if column.kind in MARKED:
        there = f"CASE WHEN {quote(name)} IS NULL THEN 0 ELSE 1 END" if name in checked.given else "0"
        yield GIVEN.format(name), there


def too_large(table: type[EventTable], events: OwnEvents) -> Iterator[Finding]:
    """Columns whose sum could not be told exactly."""
    for column in table.values():
        if column.kind in SCALES:
            total = float(np.abs(events.columns[column.name].astype(np.float64)).sum())
            if total >= MOST_UNITS:
                problem = "all values together are beyond what can be added up exactly"
                advice = "Look for values that are far too large."
                yield Finding(table.title, column.name, "total", "error", problem, advice=advice)
