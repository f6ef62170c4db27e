"""Plain order lines in DuckDB: ids become codes, moments microseconds, and numbers are handed on as they stand.

What makes order lines plain is told in `plain`. Here the types of the columns are looked at, and whatever can be said
of a column as a whole; single values are looked at by the compiled code that reads them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from regulars.features import kernels, plain
from regulars.features.checks import END_OF_MOMENTS, FIRST_MOMENT, raw, raw_name, typed
from regulars.features.encoding import codes_table, universe
from regulars.features.plain import NotPlainError
from regulars.features.shop import I32, I64, NEVER, NONE, OrderLines
from regulars.features.sources import Given, quote
from regulars.features.tables import Column, Orders

_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
_IDS = ("VARCHAR", *_WHOLE)
_NUMBER_TYPES = ("DOUBLE", *_WHOLE)
NUMBERS = ("amount", "quantity", "unit_price", "unit_cost", "discount")
_MOMENTS = ("ordered_at", "recorded_at")
_WORDS = ("product_id", "channel")

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class PlainLines:
    """Order lines as they stand.

    Attributes:
        customer, product, channel: (n,) codes; the latter two of length 0 where there is no such column.
        time, visible: (n,) microseconds.
        offset, text: (n + 1,) where the id of each line's order begins in the bytes of `text`.
        heads: (2, n) the first bytes of these ids, see `plain.text_heads`.
        numbers: (n,) each, those of `NUMBERS` that are there, NaN where a line has none.
        known_cost: (n,) millionths that a piece of the product was known to cost, -1 where not known; or none.
        share: millionths of revenue that are margin where no cost is known.
    """

    customer: I32
    product: I32
    channel: I32
    time: I64
    visible: I64
    offset: NDArray[Any]
    text: NDArray[np.uint8]
    heads: NDArray[np.uint64]
    numbers: Mapping[str, F64]
    known_cost: I64
    share: int

    def __len__(self) -> int:
        return len(self.customer)

    def rows(self, start: I64, rows: I64) -> OrderLines:
        """Some of the lines as integers.

        Args:
            start: (customers + 1,) where the lines of each customer begin in `rows`.
            rows: positions of lines. Codes of orders rise with the ids of one customer's and are nobody else's.

        Raises:
            NotPlainError: if one of them is not plain.
        """
        nothing = np.zeros(0)
        amount, quantity, price, cost, discount = (
            self.numbers[name][rows] if name in self.numbers else nothing for name in NUMBERS
        )
        known = self.known_cost[rows] if len(self.known_cost) else self.known_cost
        values = plain.line_values(amount, quantity, price, cost, discount, known, self.share)
        order = plain.order_codes(start, rows, self.offset, self.text, self.heads)
        if values.shape[1] != len(rows):
            raise NotPlainError
        return OrderLines(
            time=self.time[rows],
            visible=self.visible[rows],
            customer=self.customer[rows],
            order=order,
            product=_codes_of(self.product, rows),
            quantity=values[0],
            revenue=values[1],
            margin=values[2],
            discount=values[3],
            channel=_codes_of(self.channel, rows),
        )


def _codes_of(column: I32, rows: I64) -> I32:
    return column[rows] if len(column) else np.full(len(rows), NONE, np.int32)


class PlainOrders:
    """The table of order lines in DuckDB, as it was brought.

    Raises:
        NotPlainError: if its columns are not plain.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, given: Given, zone: str) -> None:
        self.connection = connection
        self.relation = given.relation
        self.zone = zone
        self.columns = {column.name: column for column in Orders.columns() if column.name in given.types}
        self.types = {name: given.types[name] for name in self.columns}
        if not self._is_plain():
            raise NotPlainError

    def _is_plain(self) -> bool:
        valued = "amount" in self.types or {"quantity", "unit_price"} <= set(self.types)
        whole = all(name in self.types for name in Orders.required()) and valued
        ids = all(self.types[name] in _IDS for name in ("customer_id", "order_id", *_WORDS) if name in self.types)
        numbers = all(self.types[name] in _NUMBER_TYPES for name in NUMBERS if name in self.types)
        moments = all(self.types[name].startswith(("TIMESTAMP", "DATE")) for name in _MOMENTS if name in self.types)
        return whole and ids and numbers and moments

    def sources(self) -> dict[str, list[str]]:
        """SQL of the ids and words that stand in the lines, by the set they belong to; orders aside."""
        found: dict[str, list[str]] = {}
        for name in ("customer_id", *_WORDS):
            if name in self.types:
                self.connection.execute(f"CREATE TEMP TABLE {_as_given(name)} AS {self._ids(self.columns[name])}")
                found[universe(Orders, name)] = [f"SELECT id FROM {_as_given(name)} WHERE id IS NOT NULL"]
        return found

    def _ids(self, column: Column) -> str:
        """SQL of a column's ids: `given` as they stand, `id` as they are meant, and how many lines have each."""
        name, before = quote(column.name), quote(raw_name(column.name))
        type_ = self.types[column.name]
        counted = f"SELECT {name}, count(*) AS lines FROM {self.relation} GROUP BY {name}"
        as_raw = f"SELECT {name} AS given, lines, {raw(column, type_)} AS {before} FROM ({counted})"
        return f"SELECT given, lines, {typed(column, type_, self.zone)} AS id FROM ({as_raw})"

    def check(self) -> None:
        """Look at what can be said of whole columns.

        Raises:
            NotPlainError: if two customers seem to share an order (by its hash), or a moment cannot be read.
        """
        # A guest's missing id has a hash as well.
        shared = (
            f"SELECT 1 FROM (SELECT hash(order_id) AS h, hash(customer_id) AS c FROM {self.relation})"
            " GROUP BY h HAVING min(c) <> max(c) LIMIT 1"
        )
        if self.connection.execute(shared).fetchall():
            raise NotPlainError

    def given(self) -> Iterator[str]:
        """Names of the columns with values."""
        texts = [name for name in ("customer_id", *_WORDS) if name in self.types]
        others = [name for name in self.types if name not in texts]
        counts = [f"(SELECT count(id) FROM {_as_given(name)})" for name in texts]
        inner = ", ".join(f"count({quote(name)}) AS {quote(name)}" for name in others)
        query = f"SELECT {', '.join([*counts, *map(quote, others)])} FROM (SELECT {inner} FROM {self.relation})"
        row = self.connection.execute(query).fetchall()[0]
        yield from (name for name, count in zip([*texts, *others], row, strict=True) if count)

    def counts_sql(self) -> str:
        """SQL of how many lines each customer has: code, lines."""
        return f"SELECT code, sum(lines)::BIGINT AS lines FROM {_coded('customer_id')} GROUP BY code"

    def span_sql(self) -> str:
        """SQL of the moments of the first and the last line, a guest's or a customer's."""
        name, type_ = "ordered_at", self.types["ordered_at"]
        inner = f"SELECT {quote(name)} AS {quote(raw_name(name))} FROM {self.relation}"
        moment = typed(self.columns[name], type_, self.zone)
        return f"SELECT min({moment}), max({moment}) FROM ({inner})"

    def lines_sql(self) -> str:
        """SQL of the lines of customers: codes, moments, the order's id, numbers."""
        names = [quote(name) for name in self.types]
        names += [f"{quote(name)} AS {quote(raw_name(name))}" for name in _MOMENTS if name in self.types]
        joins, columns = [f"JOIN {_coded('customer_id')} AS c ON c.given = lines.customer_id"], ["c.code AS customer"]
        for name in (name for name in _WORDS if name in self.types):
            alias = quote(f"code {name}")
            joins.append(f"LEFT JOIN {_coded(name)} AS {alias} ON {alias}.given = lines.{quote(name)}")
            columns.append(f"coalesce({alias}.code, {NONE})::INTEGER AS {quote(name)}")
        moments = [name for name in _MOMENTS if name in self.types]
        columns += [f"{typed(self.columns[name], self.types[name], self.zone)} AS {quote(name)}" for name in moments]
        columns += [f"{quote(name)}::DOUBLE AS {quote(name)}" for name in NUMBERS if name in self.types]
        inner = f"(SELECT {', '.join(names)} FROM {self.relation}) AS lines"
        return f"SELECT {', '.join(columns)}, order_id::VARCHAR AS order_id FROM {inner} {' '.join(joins)}"


def _as_given(name: str) -> str:
    return quote(f"{name} as given")


def _coded(name: str) -> str:
    """The ids of a column as they stand, beside their codes."""
    return f"(SELECT given, lines, code FROM {_as_given(name)} JOIN {codes_table(universe(Orders, name))} USING (id))"


@dataclass(frozen=True)
class Costs:
    """What a piece of each product was known to cost, in millionths, since when; a product's rows stand together."""

    start: I64
    since: I64
    cost: I64

    @classmethod
    def read(cls, connection: duckdb.DuckDBPyConnection, products: int) -> Costs:
        """From the table that `encoding.make_costs` makes.

        Raises:
            NotPlainError: if a cost has more than six decimals.
        """
        query = "SELECT product, since, cost::DOUBLE AS cost FROM product_costs ORDER BY product, since"
        product, since, cost = connection.execute(query).fetchnumpy().values()
        micro = np.rint(np.asarray(cost) * 1e6)
        if not (micro / 1e6 == cost).all() or (micro >= 1e15).any():
            raise NotPlainError
        start, _ = plain.rows_by_key(np.asarray(product), products)
        return cls(start, np.asarray(since, dtype=np.int64), micro.astype(np.int64))

    def known(self, product: I32, time: I64) -> I64:
        """(n,) cost of a piece of each product as known at its time, -1 where not known."""
        key = product.astype(np.int64)
        before = kernels.count_before(self.start, self.since, key, time + 1)
        rows = np.where(before > kernels.pick(self.start, key, 0), before - 1, -1)
        found: I64 = kernels.pick(self.cost, rows, -1)
        return found


def plain_lines(table: pa.Table, costs: Costs | None, share: int, threads: int = 1) -> PlainLines:
    """What `lines_sql` selected; its columns are read side by side.

    Raises:
        NotPlainError: if a moment or an order's id is missing, a moment is out of range, or a number is not one.
    """
    with ThreadPoolExecutor(threads) as pool:
        given = {name: pool.submit(_numbers, table, name) for name in NUMBERS if name in table.column_names}
        codes = {name: pool.submit(_column, table, name, np.int32) for name in ("customer", *_WORDS)}
        recorded = "recorded_at" in table.column_names
        known_from = pool.submit(_moments, table, "recorded_at", missing=NEVER) if recorded else None
        time = _moments(table, "ordered_at")
        visible = time if known_from is None else np.maximum(time, known_from.result())
        numbers = {name: read.result() for name, read in given.items()}
        customer, product, channel = (codes[name].result() for name in ("customer", "product_id", "channel"))
    ids = table.column("order_id")
    if ids.null_count:
        raise NotPlainError
    joined = ids.combine_chunks() if len(ids) else pa.array([], pa.string())
    if isinstance(joined, pa.ChunkedArray):  # more text than 32 bits can count
        joined = ids.cast(pa.large_string()).combine_chunks()
    wide = pa.types.is_large_string(joined.type)
    _, offset, text = joined.buffers()
    offsets = np.frombuffer(offset, np.int64 if wide else np.int32)[joined.offset : joined.offset + len(joined) + 1]
    data = np.frombuffer(text, np.uint8) if text is not None else np.zeros(0, np.uint8)
    heads = plain.text_heads(offsets, data)
    if heads.shape[1] != len(table):
        raise NotPlainError
    known = costs.known(product, time) if costs is not None and len(product) else np.zeros(0, np.int64)
    return PlainLines(
        customer=customer,
        product=product,
        channel=channel,
        time=time,
        visible=visible,
        offset=offsets,
        text=data,
        heads=heads,
        numbers=numbers,
        known_cost=known,
        share=share,
    )


def _column(table: pa.Table, name: str, dtype: type[np.generic]) -> NDArray[np.int32]:
    if name not in table.column_names:
        return np.zeros(0, np.int32)
    return np.ascontiguousarray(table.column(name).to_numpy(), dtype=dtype)


def _moments(table: pa.Table, name: str, missing: int | None = None) -> I64:
    column = table.column(name)
    if column.null_count and missing is None:
        raise NotPlainError
    there = column.fill_null(missing) if column.null_count else column
    values = np.ascontiguousarray(there.to_numpy(), dtype=np.int64)
    given = values if missing is None else values[values != missing]
    if len(given) and not FIRST_MOMENT <= given.min() <= given.max() < END_OF_MOMENTS:
        raise NotPlainError
    return values


def _numbers(table: pa.Table, name: str) -> F64:
    column = table.column(name)
    values = np.ascontiguousarray(column.to_numpy(), dtype=np.float64)
    if np.count_nonzero(np.isnan(values)) != column.null_count:  # a number that is none, and not just missing
        raise NotPlainError
    return values
