"""Reading what is too large to be read at once: a batch of customers at a time, each batch a small `Shop`.

`reading` takes every value through exact decimals and text, knows every form and every fault, and makes one `Shop`. A
scan is its quick sister for large data. Order lines that are plain (see `plain`) are handed on as they stand and made
into integers by compiled code; where they are not (text for numbers, a bad row), the scan reads them the careful way,
checks and all, and what it hands on is the same. The other tables are smaller, and always go the careful way.

A feature of one customer asks for that customer's rows, for those of whom they referred, and for who referred whom
first. So a batch holds its own customers and those others; it is asked about its own only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from regulars.features import encoding, kernels, plain
from regulars.features.encoding import Checked, codes_table
from regulars.features.findings import DataError, Finding, by_importance
from regulars.features.own import tables_of
from regulars.features.own_encoding import as_own_events, own_sql
from regulars.features.plain_orders import Costs, PlainLines, PlainOrders, plain_lines
from regulars.features.reader import TableReader
from regulars.features.reading import beyond_sums, no_customer, no_orders
from regulars.features.settings import Settings
from regulars.features.shop import DAY, I64, NONE, AdvocacyEvents, OrderLines, OwnEvents, ProductChanges, Shop, Text
from regulars.features.sources import Source, Where, literal, open_source
from regulars.features.tables import Advocacy, EventTable, Orders, Products, Table

MEMORY = "3GB"
"""What DuckDB may hold in memory; beyond it, it writes to disk."""


@dataclass(frozen=True)
class CheckedLines:
    """Order lines that went the careful way."""

    lines: OrderLines

    @property
    def customer(self) -> NDArray[np.int32]:
        """(n,) codes."""
        return self.lines.customer

    def __len__(self) -> int:
        return len(self.lines)

    def rows(self, _start: I64, rows: I64) -> OrderLines:
        """Some of the lines, as `PlainLines.rows` gives them."""
        found = self.lines.take(rows)
        return replace(found, order=np.unique(found.order, return_inverse=True)[1].astype(np.int64))


@dataclass(frozen=True)
class Grouped:
    """Rows of a table, found by customer."""

    rows: Any
    start: I64
    order: I64

    @classmethod
    def by(cls, rows: Any, key: NDArray[np.integer], keys: int) -> Grouped:
        """The rows by their key."""
        return cls(rows, *plain.rows_by_key(key, keys))

    def of(self, keys: I64) -> tuple[I64, I64]:
        """(keys + 1,) where each key's rows begin, and their positions."""
        first, end = self.start[keys], self.start[keys + 1]
        if len(keys) and keys[-1] - keys[0] == len(keys) - 1:
            return np.append(first, end[-1:]) - first[0], self.order[first[0] : end[-1]]
        start = kernels.prefix_sums(end - first)
        return start, self.order[np.repeat(first - start[:-1], end - first) + np.arange(start[-1])]


@dataclass(frozen=True)
class Batch:
    """The rows of some customers in memory.

    Attributes:
        scan: where they come from.
        first, end: the codes of the batch's own customers.
        lines: order lines by customer; `place` turns codes into keys.
        tables: the other tables by customer.
    """

    scan: Scan
    first: int
    end: int
    place: I64 | None
    lines: Grouped
    tables: Mapping[type[Table], Grouped] = field(default_factory=dict)

    def shop(self, first: int, end: int) -> tuple[Shop, I64]:
        """A shop of the customers from `first` up to `end` and whom they need, and the positions of the former in it.

        Raises:
            NotPlainError: if an order line is not plain.
            DataError: if lines cannot be added up exactly.
        """
        members = self.scan.members(first, end)
        keys = members - self.first if self.place is None else self.place[members]
        start, rows = self.lines.of(keys)
        lines = self.lines.rows.rows(start, rows)
        orders = replace(lines, customer=_local(lines.customer, members))
        if beyond := beyond_sums(orders):
            raise DataError(beyond)
        others: dict[str, Any] = {}
        own: dict[str, OwnEvents] = {}
        for table, grouped in self.tables.items():
            found = grouped.rows.take(grouped.of(np.arange(first, end) - self.first)[1])
            (own if issubclass(table, EventTable) else others)[table.title] = replace(
                found, customer=_local(found.customer, members)
            )
        if self.scan.advocacy is not None:
            others["advocacy"] = self.scan.advocacy.of(members)
        shop = Shop(
            customer_ids=self.scan.ids(members),
            product_ids=self.scan.product_ids,
            orders=orders,
            products=self.scan.products,
            own=own,
            words=self.scan.words,
            given=self.scan.given,
            **others,
        )
        return shop, np.searchsorted(members, np.arange(first, end))


def _local(codes: NDArray[np.int32], members: I64) -> NDArray[np.int32]:
    """Codes of customers as positions among the members; who is not among them is nobody."""
    if len(members) and members[-1] - members[0] == len(members) - 1:
        shifted = codes - np.int32(members[0])
        return np.where((codes >= 0) & (shifted >= 0) & (shifted < len(members)), shifted, np.int32(NONE))
    at = np.searchsorted(members, codes)
    there = np.append(members, NONE - 1)[at] == codes
    return np.where(there, at, NONE).astype(np.int32)


class Recommendations:
    """The rows of `advocacy`, and whose rows must be at hand to tell what somebody's referrals brought."""

    def __init__(self, rows: AdvocacyEvents, customers: int) -> None:
        self.rows = rows
        referral = rows.kind == Advocacy.KINDS.index(Advocacy.REFERRAL)
        named = np.where(referral & (rows.customer >= 0), rows.new_customer, NONE)
        self._by_customer = Grouped.by(rows, rows.customer, customers)
        self._by_new = Grouped.by(rows, named, customers)
        self._named = named

    def others(self, first: int, end: int) -> I64:
        """Codes of whom the customers from `first` up to `end` referred, and of who else referred these or them."""
        own = np.arange(first, end)
        friends = np.unique(self._named[self._by_customer.of(own)[1]])
        friends = friends[friends >= 0].astype(np.int64)
        _, told = self._by_new.of(np.union1d(own, friends))
        return np.union1d(friends, self.rows.customer[told]).astype(np.int64)

    def of(self, members: I64) -> AdvocacyEvents:
        """What the members did, with positions among the members for codes."""
        found = self.rows.take(self._by_customer.of(members)[1])
        return replace(
            found, customer=_local(found.customer, members), new_customer=_local(found.new_customer, members)
        )


class Scan:
    """A source whose customers have codes, and can be had a batch at a time.

    Attributes:
        product_ids, words, given: as `Shop` has them.
        lines_before: (customers + 1,) order lines of all customers before each.
        set_aside: what is wrong with the rows that were set aside.
        products: the table, whole; None without it.
        advocacy: the table, whole; None without it.
    """

    product_ids: Text
    words: dict[str, Text]
    given: frozenset[str]
    lines_before: I64
    products: ProductChanges | None = None
    advocacy: Recommendations | None = None

    def __init__(
        self,
        source: Source,
        settings: Settings,
        titles: Iterable[str],
        origin: Where,
        *,
        careful: bool,
        set_aside: Path | None = None,
    ) -> None:
        """Reads and checks everything but order lines that are plain.

        Raises:
            DataError: if a table cannot be used.
            NotPlainError: if order lines are not plain, unless `careful`.
        """
        self.connection = source.connection
        self.connection.execute(f"SET memory_limit = '{MEMORY}'")
        self.settings = settings
        wanted = {table: source.tables[table.title] for table in tables_of(settings) if table.title in source.tables}
        found = [finding for finding in source.findings if finding.severity == "error"]
        if Orders not in wanted and not found:
            found = [no_orders(source, origin)]
        self.plain = None if careful or found else PlainOrders(self.connection, wanted[Orders], settings.shop.time_zone)
        self.set_aside: list[Finding] = []
        self._checked: dict[type[Table], Checked] = {}
        asked = {table: given for table, given in wanted.items() if table.title in set(titles) or table is Orders}
        stops = ("error", "bad_rows") if settings.data.bad_rows == "refuse" else ("error",)
        for table, given in asked.items():
            if table is Orders and self.plain is not None:
                continue
            reader = TableReader(self.connection, given, table)
            if reader.read(settings):
                self._checked[table] = Checked(table, reader.name, frozenset(reader.summary.given))
                self._set_aside(reader, set_aside)
            found += [finding for finding in reader.findings if finding.severity in stops]
        if found:
            raise DataError(by_importance(found))
        if self.plain is not None:
            self.plain.check()
        self._encode()
        if not len(self):
            raise DataError([no_customer()])
        self._count()

    def _set_aside(self, reader: TableReader, folder: Path | None) -> None:
        if reader.bad and self.settings.data.bad_rows == "set_aside":
            self.set_aside += [finding for finding in reader.findings if finding.severity == "bad_rows"]
            if folder is not None:
                reader.set_aside(folder)

    def __len__(self) -> int:
        return len(self._ids)

    def ids(self, codes: I64) -> Text:
        """The ids behind codes of customers."""
        return cast(Text, self._ids.take(pa.array(codes)).to_numpy(zero_copy_only=False))

    def _encode(self) -> None:
        """Gives every id and word a code, and fetches what is kept whole."""
        sources = encoding.sources_of(self._checked.values())
        for name, selects in (self.plain.sources() if self.plain else {}).items():
            sources.setdefault(name, []).extend(selects)
        encoding.make_codes(self.connection, sources)
        ids = self.connection.sql(f"SELECT id FROM {codes_table('customer')} ORDER BY code").to_arrow_table()
        self._ids = pa.concat_arrays(ids.column("id").chunks) if len(ids) else pa.array([], pa.string())
        self.product_ids = encoding.words_of(self.connection, "product")
        self.words = dict(encoding.all_words(self.connection, self._checked.values()))
        self.given = frozenset(encoding.names_of(self._checked.values()))
        if self.plain:
            given = list(self.plain.given())
            self.given |= {Orders.title, *(f"{Orders.title}.{name}" for name in given)}
            if "channel" in given:
                self.words["orders.channel"] = encoding.words_of(self.connection, "orders.channel")
        if Products in self._checked:
            self.products = encoding.fetch(self.connection, ProductChanges, encoding.rows_sql(self._checked[Products]))
        if Advocacy in self._checked:
            rows = encoding.fetch(self.connection, AdvocacyEvents, encoding.rows_sql(self._checked[Advocacy]))
            self.advocacy = Recommendations(rows, len(self))

    def _count(self) -> None:
        if self.plain:
            query = self.plain.counts_sql()
        else:
            joined = f"{self._checked[Orders].name} JOIN {codes_table('customer')} AS codes ON codes.id = customer_id"
            query = f"SELECT code, count(*) FROM {joined} WHERE bad = 0 GROUP BY code"
        codes, lines = self.connection.execute(query).fetchnumpy().values()
        counts = np.zeros(len(self), np.int64)
        counts[np.asarray(codes)] = np.asarray(lines)
        self.lines_before = kernels.prefix_sums(counts)

    @cached_property
    def span(self) -> tuple[int, int]:
        """When the first order line is of, and the day after the last, at midnight; see `Shop.first` and `Shop.end`."""
        if self.plain:
            query = self.plain.span_sql()
        else:
            query = f"SELECT min(ordered_at), max(ordered_at) FROM {self._checked[Orders].name} WHERE bad = 0"
        first, last = self.connection.execute(query).fetchall()[0]
        return (0, 0) if last is None else (int(first), (int(last) // DAY + 1) * DAY)

    def members(self, first: int, end: int) -> I64:
        """Codes of the customers from `first` up to `end` and of those whose rows are needed beside theirs."""
        own = np.arange(first, end)
        return own if self.advocacy is None else np.union1d(own, self.advocacy.others(first, end))

    def ranges(self, lines: int, first: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
        """The customers from `first` up to `end`, in order, cut where about `lines` order lines are together."""
        stop = len(self) if end is None else end
        while first < stop:
            full = int(np.searchsorted(self.lines_before, self.lines_before[first] + lines, "right")) - 1
            cut = min(max(full, first + 1), stop)
            yield first, cut
            first = cut

    @cached_property
    def _lines_sql(self) -> str:
        if self.plain:
            return self.plain.lines_sql()
        margin, trust = self.settings.money.gross_margin, self.settings.data.trust_undated
        products = self._checked.get(Products)
        lines = encoding.order_lines_sql(self.connection, self._checked[Orders], products, margin, trust=trust)
        return f"SELECT * FROM ({lines}) WHERE customer >= 0"

    @cached_property
    def _costs(self) -> Costs | None:
        """What products were known to cost, for plain lines; the careful way looks it up in DuckDB."""
        trust, products = self.settings.data.trust_undated, self._checked.get(Products)
        there = self.plain is not None and encoding.make_costs(self.connection, products, trust=trust)
        return Costs.read(self.connection, len(self.product_ids)) if there else None

    def stage(self, folder: Path, ranges: list[tuple[int, int]]) -> None:
        """Writes the order lines of each range of customers, and of those they need, to a part of their own."""
        members = [self.members(*span) for span in ranges]
        batch = np.repeat(np.arange(len(ranges)), [len(some) for some in members])
        self.connection.register("members", pa.table({"code": np.concatenate(members), "batch": batch}))
        rows = f"SELECT lines.*, batch FROM ({self._lines_sql}) AS lines JOIN members ON customer = code"
        form = "FORMAT parquet, PARTITION_BY (batch), COMPRESSION lz4_raw, OVERWRITE_OR_IGNORE"
        self.connection.execute("SET preserve_insertion_order = false")  # no row has to wait for another
        self.connection.execute(f"COPY ({rows}) TO {literal(str(folder))} ({form})")
        self.connection.execute("SET preserve_insertion_order = true")
        self.connection.unregister("members")

    def batch(self, first: int, end: int, staged: Path | None = None) -> Batch:
        """The rows of the customers from `first` up to `end`, in memory.

        Args:
            first: code of the first of them.
            end: code after the last of them.
            staged: the part that `stage` wrote for them; without it the lines are read from the source, and the
                batch has to be everybody.

        Raises:
            NotPlainError: if order lines are not plain.
        """
        members = self.members(first, end)
        lines = self._lines(staged)
        place = None
        key = lines.customer - first
        if len(members) > end - first:
            place = np.full(len(self), NONE)
            place[members] = np.arange(len(members))
            key = place[lines.customer]
        others = {
            table: Grouped.by(rows, rows.customer - first, end - first)
            for table, rows in ((table, self._rows(table, first, end)) for table in self._by_customer)
        }
        return Batch(self, first, end, place, Grouped.by(lines, key, len(members)), others)

    def _lines(self, staged: Path | None) -> PlainLines | CheckedLines:
        if staged is None:
            table = self.connection.sql(self._lines_sql).to_arrow_table()
        else:
            table = pq.ParquetDataset(staged, partitioning=None).read()
        if self.plain is None:
            columns = {name: table.column(name).to_numpy() for name in table.column_names}
            return CheckedLines(encoding.as_rows(OrderLines, columns))
        share = encoding.millionths(self.settings.money.gross_margin)
        return plain_lines(table, self._costs, share, self.settings.train.threads)

    @cached_property
    def _by_customer(self) -> dict[type[Table], str]:
        """Tables that are had a batch at a time, and where their rows with codes are."""
        found = {}
        for table, checked in self._checked.items():
            if table not in {Orders, Products, Advocacy}:
                found[table] = f"coded_{table.title}"
                rows = own_sql(table, checked) if issubclass(table, EventTable) else encoding.rows_sql(checked)
                self.connection.execute(f"CREATE TEMP TABLE {found[table]} AS {rows}")
        return found

    def _rows(self, table: type[Table], first: int, end: int) -> Any:
        query = f"SELECT * FROM {self._by_customer[table]} WHERE customer >= {first} AND customer < {end}"
        columns = self.connection.execute(query).fetchnumpy()
        if issubclass(table, EventTable):
            return as_own_events(columns)
        return encoding.as_rows(encoding.rows_class(table), columns)


@contextmanager
def open_scan(
    source: Where,
    settings: Settings,
    titles: Iterable[str],
    *,
    careful: bool = False,
    set_aside: Path | None = None,
) -> Iterator[Scan]:
    """A scan of a shop's tables, for as long as the context lasts.

    Args:
        source: as `reading.read_shop` takes it.
        settings: of the shop.
        titles: the tables wanted, beside orders.
        careful: whether order lines are checked one by one; else they must be plain.
        set_aside: folder for the bad rows, where the settings set them aside.

    Raises:
        DataError: if a table cannot be used.
        NotPlainError: if order lines are not plain, unless `careful`.
    """
    with open_source(source, settings.train.threads, tables_of(settings)) as opened:
        yield Scan(opened, settings, titles, source, careful=careful, set_aside=set_aside)
