"""From checked tables in DuckDB to a `Shop`: ids and words become codes, an order line its revenue and margin.

Codes are ranks among the sorted ids, and rows are sorted by every column, so that neither depends on the order in which
the files hold them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
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
    make_codes(connection, sources_of(given.values()))
    by_title: dict[str, Any] = {
        table.title: fetch(connection, made, rows_sql(given[table]))
        for table, (made, _) in _ROWS.items()
        if table in given
    }
    lines = order_lines_sql(connection, given[Orders], given.get(Products), margin, trust=trust)
    return Shop(
        customer_ids=words_of(connection, "customer"),
        product_ids=words_of(connection, "product"),
        orders=fetch(connection, OrderLines, lines),
        **by_title,
        words=all_words(connection, given.values()),
        given=frozenset(names_of(given.values())),
    )


def names_of(tables: Iterable[Checked]) -> Iterable[str]:
    """What was given: tables, and 'table.column's with values."""
    for checked in tables:
        yield checked.table.title
        yield from (f"{checked.table.title}.{column}" for column in checked.given)


def universe(table: type[Table], column: str) -> str:
    """The name of the set of ids or words that a column's codes are ranks in."""
    return UNIVERSES.get(column, f"{table.title}.{column}")


def sources_of(tables: Iterable[Checked]) -> dict[str, list[str]]:
    """SQL of the ids and words in checked tables, by the set they belong to."""
    sources: dict[str, list[str]] = {"customer": [], "product": []}
    for checked in tables:
        for column in checked.coded():
            select = f"SELECT {quote(column)} AS id FROM {checked.name} WHERE bad = 0 AND {quote(column)} IS NOT NULL"
            sources.setdefault(universe(checked.table, column), []).append(select)
    return sources


def make_codes(connection: duckdb.DuckDBPyConnection, sources: Mapping[str, list[str]]) -> None:
    """Tables of ids (or words) and their codes, one for each set; `sources` is SQL of what is in it."""
    for name, selects in sources.items():
        ids = " UNION ALL ".join(selects) if selects else "SELECT NULL::VARCHAR AS id WHERE false"
        distinct = f"SELECT DISTINCT id FROM ({ids})"
        ranked = f"SELECT id, (row_number() OVER (ORDER BY id) - 1)::INTEGER AS code FROM ({distinct})"
        connection.execute(f"CREATE TEMP TABLE {codes_table(name)} AS {ranked}")


def codes_table(name: str) -> str:
    """The table of a set's ids and codes."""
    return quote(f"codes {name}")


def words_of(connection: duckdb.DuckDBPyConnection, name: str) -> Text:
    """The ids or words of a set, in the order of their codes."""
    rows = connection.execute(f"SELECT id FROM {codes_table(name)} ORDER BY code").fetchall()
    words = np.empty(len(rows), dtype=np.object_)
    words[:] = [row[0] for row in rows]
    return words


def all_words(connection: duckdb.DuckDBPyConnection, tables: Iterable[Checked]) -> Mapping[str, Text]:
    """The words of every grouping column."""
    names = [
        universe(checked.table, column)
        for checked in tables
        for column in checked.coded()
        if not (issubclass(checked.table, EventTable) and checked.kind(column) is Kind.ID)
    ]
    kept = [name for name in names if "." in name and name not in RANK_ONLY]
    return {name: words_of(connection, name) for name in kept}


def good_rows(checked: Checked) -> str:
    """The good rows of a table beside the codes of their ids and words."""
    joins = "".join(
        f" LEFT JOIN {codes_table(universe(checked.table, column))} AS {alias}"
        f" ON {alias}.id = {checked.name}.{quote(column)}"
        for column in checked.coded()
        for alias in [quote(f"code {column}")]
    )
    return f"FROM {checked.name}{joins} WHERE bad = 0"


def rows_as(checked: Checked) -> tuple[type[Any], dict[str, str]]:
    """The class in `shop` that holds a checked table's rows (orders aside), and SQL of its columns."""
    made, expressions = _ROWS[checked.table]
    return made, checked.times() | expressions(checked)


def rows_sql(checked: Checked) -> str:
    """SQL of a checked table's rows (orders aside)."""
    made, expressions = rows_as(checked)
    return _select_as(made, expressions, good_rows(checked))


def _select_as(made: type[Rows], expressions: Mapping[str, str], source: str) -> str:
    types = {item.name: _dtype(item.type)[0] for item in fields(made)}
    columns = ", ".join(f"({expressions[name]})::{sql} AS {quote(name)}" for name, sql in types.items())
    return f"SELECT {columns} {source}"


def rows_class(table: type[Table]) -> type[Rows]:
    """The class in `shop` that holds a table's rows."""
    return OrderLines if table is Orders else _ROWS[table][0]


def dtypes_of(made: type[Rows]) -> dict[str, type[np.generic]]:
    """The columns of a class in `shop`, and their types."""
    return {item.name: _dtype(item.type)[1] for item in fields(made)}


def sorted_by(made: type[Rows]) -> tuple[str, ...]:
    """The order of the columns by which rows are sorted: customer (or product), visible, time, then the others."""
    names = tuple(item.name for item in fields(made))
    key = next(name for name in names if name not in {"time", "visible"})
    first = (key, "visible", "time")
    return (*first, *(name for name in names if name not in first))


def fetch(connection: duckdb.DuckDBPyConnection, made: type[Some], select: str) -> Some:
    """The rows of `select`, sorted by customer (or product), visible, time, then the other columns."""
    order = ", ".join(map(quote, sorted_by(made)))
    return as_rows(made, connection.execute(f"{select} ORDER BY {order}").fetchnumpy())


def as_rows(made: type[Some], columns: Mapping[str, Any]) -> Some:
    """Columns that DuckDB gave, as rows."""
    return made(**{name: _array(columns[name], dtype) for name, dtype in dtypes_of(made).items()})


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


_ROWS: dict[type[Table], tuple[type[Any], Callable[[Checked], dict[str, str]]]] = {
    Support: (SupportEvents, _support),
    Customers: (CustomerChanges, _customers),
    Products: (ProductChanges, _products),
    Contacts: (ContactEvents, _contacts),
    Advocacy: (AdvocacyEvents, _advocacy),
}


def make_costs(connection: duckdb.DuckDBPyConnection, products: Checked | None, *, trust: bool) -> bool:
    """What one piece of each product was known to cost, since when; False where no cost is given.

    At a moment the row with the latest `valid_from` counts among those recorded by then: a row that was recorded late
    does not replace one that has been true for a shorter time.
    """
    if products is None or "unit_cost" not in products.given:
        return False
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
    return True


def order_lines_sql(
    connection: duckdb.DuckDBPyConnection, given: Checked, products: Checked | None, margin: float, *, trust: bool
) -> str:
    """SQL of order lines with their value. `size` is a line's revenue before it is rounded, `pieces` its quantity."""
    costs = make_costs(connection, products, trust=trust)
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
    share = millionths(margin)  # exact in integers: what is a million units' share, and of the rest
    guessed = f"(units // 1000000 * {share} + (units % 1000000 * {share} + 500000) // 1000000)"
    some = "units <> 0 AND thousandths <> 0"
    expressions = {name: f"lines.{quote(name)}" for name in ("time", "visible", *_ORDER_COLUMNS)} | {
        "quantity": f"CASE WHEN {some} THEN sign * thousandths ELSE 0 END",
        "revenue": f"CASE WHEN {some} THEN sign * units ELSE 0 END",
        "margin": f"CASE WHEN NOT ({some}) THEN 0 WHEN {cost} IS NULL THEN sign * {guessed} ELSE sign * {known} END",
    }
    return _select_as(OrderLines, expressions, f"FROM ({rounded}) AS lines{joined}")


def millionths(share: float) -> int:
    """A share as an integer."""
    return round(share * 1_000_000)


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
