"""From checked tables in DuckDB to a `Shop`: ids and words become codes, an order line its revenue and margin.

Codes are ranks among the sorted ids, and rows are sorted by every column, so that neither depends on the order in which
the files hold them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import duckdb
import numpy as np
from numpy.typing import NDArray

from regulars.features.shop import (
    MONEY,
    NEVER,
    NONE,
    PIECES,
    AdvocacyEvents,
    ContactEvents,
    CustomerChanges,
    OrderLines,
    ProductChanges,
    Rows,
    Shop,
    SupportEvents,
    Text,
)
from regulars.features.sources import quote
from regulars.features.tables import Advocacy, Contacts, Customers, EventTable, Kind, Orders, Products, Support, Table

UNIVERSES = {
    "customer_id": "customer",
    "new_customer_id": "customer",
    "product_id": "product",
    "accessory_of": "product",
}
"""Columns that share their codes with those of other tables; every other one has codes of its own."""

RANK_ONLY = (f"{Orders.title}.{Orders.order_id}", f"{Support.title}.{Support.ticket_id}")
"""Columns whose ids count by rank alone, so that they are not kept; so do those of a shop's own event tables."""

MOST_UNITS = 2**62
"""Absolute values of a column must not add up to more, so that no sum of it can overflow."""

Some = TypeVar("Some", bound=Rows)
_NEVER = f"CAST({NEVER} AS BIGINT)"


@dataclass(frozen=True)
class Checked:
    """A checked table in DuckDB: `name` holds typed columns and `bad`; `given` are the columns with values."""

    table: type[Table]
    name: str
    given: frozenset[str]

    def moment(self, column: str) -> str:
        """SQL of a moment or day."""
        return f"coalesce({quote(column)}, {_NEVER})" if column in self.given else _NEVER

    def code(self, column: str) -> str:
        """SQL of the code of an id or a word."""
        return f"coalesce({quote(f'code {column}')}.code, {NONE})" if column in self.given else f"{NONE}"

    def value(self, column: str, otherwise: int) -> str:
        """SQL of a choice's position, a flag or a mark."""
        return f"coalesce(round({quote(column)}), {otherwise})" if column in self.given else f"{otherwise}"

    def units(self, column: str, scale: int, otherwise: int = 0) -> str:
        """SQL of a number in integer units, rounded half away from zero."""
        if column not in self.given:
            return f"{otherwise}"
        return f"coalesce(CAST({quote(column)} * {scale} AS BIGINT), {otherwise})"

    def double(self, column: str) -> str:
        """SQL of a number that stays one, NaN where not given."""
        return f"coalesce({quote(column)}::DOUBLE, 'nan'::DOUBLE)" if column in self.given else "'nan'::DOUBLE"

    def times(self) -> dict[str, str]:
        """SQL of a row's two moments; a row that nothing dates has `NEVER` in both."""
        happened, recorded = self.moment(self.table.happened), self.moment("recorded_at")
        known = f"CASE WHEN {happened} = {_NEVER} THEN {recorded} ELSE {happened} END"
        return {"time": known, "visible": f"greatest({known}, {recorded})"}

    def kind(self, column: str) -> Kind:
        """What the column holds."""
        return next(one.kind for one in self.table.columns() if one.name == column)

    def coded(self) -> list[str]:
        """The columns that hold ids or words."""
        return [
            column.name
            for column in self.table.columns()
            if column.kind in {Kind.ID, Kind.TEXT} and column.name in self.given
        ]


def build(connection: duckdb.DuckDBPyConnection, tables: Iterable[Checked], margin: float, *, trust: bool) -> Shop:
    """The shop of the good rows.

    Args:
        connection: where the checked tables are.
        tables: the checked tables, orders among them.
        margin: share of revenue that is margin where no cost is known.
        trust: whether costs of products without a date hold at all times.
    """
    given = {checked.table: checked for checked in tables}
    _make_codes(connection, given.values())
    by_title: dict[str, Any] = {
        title: _rows(connection, given[table], made, expressions(given[table]))
        for title, table, made, expressions in _ROWS
        if table in given
    }
    if Products in given:
        _make_costs(connection, given[Products], trust=trust)
    costs = Products in given and "unit_cost" in given[Products].given
    return Shop(
        customer_ids=_words(connection, "customer"),
        product_ids=_words(connection, "product"),
        orders=_orders(connection, given[Orders], margin, costs=costs),
        **by_title,
        words=_all_words(connection, given.values()),
        given=frozenset(_names(given.values())),
    )


def _names(tables: Iterable[Checked]) -> Iterable[str]:
    for checked in tables:
        yield checked.table.title
        yield from (f"{checked.table.title}.{column}" for column in checked.given)


def universe(table: type[Table], column: str) -> str:
    """The name of the set of ids or words that a column's codes are ranks in."""
    return UNIVERSES.get(column, f"{table.title}.{column}")


def _make_codes(connection: duckdb.DuckDBPyConnection, tables: Iterable[Checked]) -> None:
    sources: dict[str, list[str]] = {"customer": [], "product": []}
    for checked in tables:
        for column in checked.coded():
            select = f"SELECT {quote(column)} AS id FROM {checked.name} WHERE bad = 0 AND {quote(column)} IS NOT NULL"
            sources.setdefault(universe(checked.table, column), []).append(select)
    for name, selects in sources.items():
        ids = " UNION ALL ".join(selects) if selects else "SELECT NULL::VARCHAR AS id WHERE false"
        distinct = f"SELECT DISTINCT id FROM ({ids})"
        ranked = f"SELECT id, (row_number() OVER (ORDER BY id) - 1)::INTEGER AS code FROM ({distinct})"
        connection.execute(f"CREATE TEMP TABLE {_codes(name)} AS {ranked}")


def _codes(name: str) -> str:
    return quote(f"codes {name}")


def _words(connection: duckdb.DuckDBPyConnection, name: str) -> Text:
    rows = connection.execute(f"SELECT id FROM {_codes(name)} ORDER BY code").fetchall()
    words = np.empty(len(rows), dtype=np.object_)
    words[:] = [row[0] for row in rows]
    return words


def _all_words(connection: duckdb.DuckDBPyConnection, tables: Iterable[Checked]) -> Mapping[str, Text]:
    names = [
        universe(checked.table, column)
        for checked in tables
        for column in checked.coded()
        if not (issubclass(checked.table, EventTable) and checked.kind(column) is Kind.ID)
    ]
    kept = [name for name in names if "." in name and name not in RANK_ONLY]
    return {name: _words(connection, name) for name in kept}


def good_rows(checked: Checked) -> str:
    """The good rows of a table beside the codes of their ids and words."""
    joins = "".join(
        f" LEFT JOIN {_codes(universe(checked.table, column))} AS {alias}"
        f" ON {alias}.id = {checked.name}.{quote(column)}"
        for column in checked.coded()
        for alias in [quote(f"code {column}")]
    )
    return f"FROM {checked.name}{joins} WHERE bad = 0"


def _rows(
    connection: duckdb.DuckDBPyConnection, checked: Checked, made: type[Some], expressions: dict[str, str]
) -> Some:
    return _fetch(connection, made, checked.times() | expressions, good_rows(checked))


def _fetch(
    connection: duckdb.DuckDBPyConnection, made: type[Some], expressions: Mapping[str, str], source: str
) -> Some:
    """Rows sorted by customer (or product), visible, time, then the other columns as `made` declares them."""
    types = {item.name: _dtype(item.type) for item in fields(made)}
    key = next(name for name in types if name not in {"time", "visible"})
    first = [key, "visible", "time"]
    order = ", ".join(quote(name) for name in [*first, *(name for name in types if name not in first)])
    columns = ", ".join(f"({expressions[name]})::{sql} AS {quote(name)}" for name, (sql, _) in types.items())
    found = connection.execute(f"SELECT {columns} {source} ORDER BY {order}").fetchnumpy()
    return made(**{name: _array(found[name], dtype) for name, (_, dtype) in types.items()})


def _dtype(annotation: Any) -> tuple[str, type[np.generic]]:
    known: dict[str, tuple[str, type[np.generic]]] = {"I32": ("INTEGER", np.int32), "I64": ("BIGINT", np.int64)}
    return known.get(str(annotation), ("DOUBLE", np.float64))


def _array(values: Any, dtype: type[np.generic]) -> NDArray[Any]:
    return np.ascontiguousarray(np.ma.getdata(values), dtype=dtype)


def _support(given: Checked) -> dict[str, str]:
    return {
        "customer": given.code("customer_id"),
        "event": given.value("event", NONE),
        "ticket": given.code("ticket_id"),
        "minutes": given.units("minutes", PIECES),
        "agent": given.code("agent"),
        "channel": given.code("channel"),
        "topic": given.code("topic"),
        "is_complaint": given.value("is_complaint", NONE),
        "satisfaction": given.value("satisfaction", 0),
    }


def _customers(given: Checked) -> dict[str, str]:
    return {
        "customer": given.code("customer_id"),
        "signed_up_at": given.moment("signed_up_at"),
        "birth_date": given.moment("birth_date"),
        "country": given.code("country"),
        "segment": given.code("segment"),
        "contact_allowed": given.value("contact_allowed", NONE),
        "account_owner": given.code("account_owner"),
        "left_at": given.moment("left_at"),
    }


def _products(given: Checked) -> dict[str, str]:
    return {
        "product": given.code("product_id"),
        "name": given.code("name"),
        "category": given.code("category"),
        "unit_cost": given.units("unit_cost", MONEY, NONE),
        "service_interval_days": given.double("service_interval_days"),
        "accessory_of": given.code("accessory_of"),
    }


def _contacts(given: Checked) -> dict[str, str]:
    return {
        "customer": given.code("customer_id"),
        "campaign": given.code("campaign"),
        "play": given.code("play"),
        "held_out": given.value("arm", NONE),
        "cost": given.units("cost", MONEY, NONE),
        "product": given.code("product_id"),
        "list_id": given.code("list_id"),
    }


def _advocacy(given: Checked) -> dict[str, str]:
    return {
        "customer": given.code("customer_id"),
        "kind": given.value("kind", NONE),
        "new_customer": given.code("new_customer_id"),
        "rating": given.value("rating", 0),
    }


_ROWS: tuple[tuple[str, type[Table], type[Any], Any], ...] = (
    ("support", Support, SupportEvents, _support),
    ("customers", Customers, CustomerChanges, _customers),
    ("products", Products, ProductChanges, _products),
    ("contacts", Contacts, ContactEvents, _contacts),
    ("advocacy", Advocacy, AdvocacyEvents, _advocacy),
)


def _make_costs(connection: duckdb.DuckDBPyConnection, products: Checked, *, trust: bool) -> None:
    """What one piece of each product was known to cost, since when.

    At a moment the row with the latest `valid_from` counts among those recorded by then: a row that was recorded late
    does not replace one that has been true for a shorter time.
    """
    if "unit_cost" not in products.given:
        return
    times = products.times()
    rows = (
        f"SELECT {products.code('product_id')} AS product, {times['time']} AS valid, {times['visible']} AS visible,"
        f" unit_cost AS cost {good_rows(products)} AND unit_cost IS NOT NULL"
    )
    best = "max({'valid': valid, 'visible': visible, 'cost': cost}) OVER (PARTITION BY product ORDER BY visible)"
    dated = "" if trust else f" WHERE valid <> {_NEVER}"
    connection.execute(
        "CREATE TEMP TABLE product_costs AS"
        f" SELECT DISTINCT product, visible AS since, ({best}).cost AS cost FROM ({rows}){dated}"
    )


def _orders(connection: duckdb.DuckDBPyConnection, given: Checked, margin: float, *, costs: bool) -> OrderLines:
    """Order lines with their value. `exact` is a line's revenue before it is rounded, `pieces` its quantity."""
    optional = {name: quote(name) if name in given.given else "NULL" for name in ("quantity", "discount", "unit_cost")}
    paid = "amount IS NOT NULL" if "amount" in given.given else "false"
    taken_off = f"CASE WHEN {paid} THEN 0 ELSE coalesce({optional['discount']}, 0) END"
    is_return = f"(coalesce({optional['quantity']}, 1) < 0 OR gross < 0)"
    priced = (
        f"SELECT {_select(given)},"
        f" CASE WHEN {is_return} THEN -1 ELSE 1 END AS sign,"
        f" greatest(abs(gross) - {taken_off}, 0) AS size,"
        f" abs(coalesce({optional['quantity']}, 1)) AS pieces, {optional['unit_cost']}::DECIMAL(20, 9) AS own_cost"
        f" {good_rows(given)}"
    )
    rounded = (
        f"SELECT *, CAST(size * {MONEY} AS BIGINT) AS units,"
        f" CAST(pieces::DECIMAL(12, 3) * {PIECES}::DECIMAL(4, 0) AS BIGINT) AS thousandths"
        f" FROM ({priced})"
    )
    cost = "coalesce(own_cost, product_costs.cost)" if costs else "own_cost"
    joined = (
        " ASOF LEFT JOIN product_costs ON lines.product = product_costs.product AND lines.time >= product_costs.since"
        if costs
        else ""
    )
    # A cost beyond all range must not end the query: it is found where the sums are checked.
    known = f"coalesce(TRY(CAST((size - {cost} * pieces) * {MONEY} AS BIGINT)), {MOST_UNITS})"
    share = round(margin * 1_000_000)  # exact in integers: what is a million units' share, and of the rest
    guessed = f"(units // 1000000 * {share} + (units % 1000000 * {share} + 500000) // 1000000)"
    some = "units <> 0 AND thousandths <> 0"
    expressions = {name: f"lines.{quote(name)}" for name in ("time", "visible", *_ORDER_COLUMNS)} | {
        "quantity": f"CASE WHEN {some} THEN sign * thousandths ELSE 0 END",
        "revenue": f"CASE WHEN {some} THEN sign * units ELSE 0 END",
        "margin": f"CASE WHEN NOT ({some}) THEN 0 WHEN {cost} IS NULL THEN sign * {guessed} ELSE sign * {known} END",
    }
    return _fetch(connection, OrderLines, expressions, f"FROM ({rounded}) AS lines{joined}")


_ORDER_COLUMNS = ("customer", "order", "product", "discount", "channel")


def _select(given: Checked) -> str:
    codes = {
        "customer": given.code("customer_id"),
        "order": given.code("order_id"),
        "product": given.code("product_id"),
        "discount": given.units("discount", MONEY),
        "channel": given.code("channel"),
    }
    columns = given.times() | codes
    return ", ".join(f"{sql} AS {quote(name)}" for name, sql in columns.items())
