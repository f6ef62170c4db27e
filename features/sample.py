"""A sample of a shop's customers as files, to train on where the whole is too much for one machine's memory.

Customers are taken by a hash of their id, so that the same are taken again. Their histories are whole; whom they
referred comes with them, and whoever else referred the same, so that referred margin is right for the sampled. Lines of
guests are taken in the same share, by their order. Products come whole. DuckDB does it, and what does not fit into
memory waits on disk; `spark_sample` does the same on Spark.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from regulars.features.checks import raw, raw_name, typed
from regulars.features.findings import DataError
from regulars.features.own import tables_of
from regulars.features.reading import no_orders
from regulars.features.scan import MEMORY
from regulars.features.settings import Settings
from regulars.features.sources import Source, Where, literal, open_source, quote
from regulars.features.tables import Advocacy, Column, Orders, Products

_WHO, _NEW = "_who", "_new"
"""Columns of ids beside the tables' own; a table of a shop's own may have none that begins with _."""


@dataclass(frozen=True)
class Sample:
    """What was taken: `customers` of `of`, and `added` more for the sake of referrals."""

    customers: int
    of: int
    added: int

    @property
    def share(self) -> float:
        """Share of the customers that were sampled."""
        return self.customers / self.of if self.of else 1.0

    def __str__(self) -> str:
        if self.customers == self.of:
            return f"all {self.of:,} customers, fewer than the sample may have"
        told = f"a sample of {self.customers:,} of {self.of:,} customers ({self.share:.1%}), whole histories"
        return f"{told}, and {self.added:,} more whom they referred or who referred the same" if self.added else told


def take_sample(source: Where, settings: Settings, customers: int, seed: int, folder: Path) -> Sample:
    """Writes a sample of the shop to `folder`, a Parquet file for each table; rows are copied as they are.

    Args:
        source: a folder of tables, a database, or frames by table.
        settings: of the shop.
        customers: how many customers to take at most; whoever any table names is one.
        seed: another one takes others.
        folder: is there and empty.

    Raises:
        DataError: if the source cannot be opened, or has no orders that name customers.
    """
    with open_source(source, settings.train.threads, tables_of(settings)) as opened:
        opened.connection.execute(f"SET memory_limit = '{MEMORY}'")
        taking = _Taking(opened, settings.shop.time_zone, seed)
        if found := [one for one in opened.findings if one.severity == "error"]:
            raise DataError(found)
        if Orders.title not in taking.keyed:
            raise DataError([no_orders(opened, source)])
        return taking.take(customers, folder)


class _Taking:
    """The tables of an opened source, by customer."""

    def __init__(self, opened: Source, zone: str, seed: int) -> None:
        self.connection, self.tables, self.zone, self.seed = opened.connection, opened.tables, zone, seed
        named = [title for title, given in self.tables.items() if Orders.customer_id.name in given.types]
        self.keyed = [title for title in named if title != Products.title]

    def take(self, customers: int, folder: Path) -> Sample:
        """Chooses customers, and writes their rows."""
        everybody = " UNION ".join(f"SELECT DISTINCT {_WHO} AS id FROM {self._rows(title)}" for title in self.keyed)
        self._table("everybody", f"SELECT id, {self._hash('id')} AS place FROM ({everybody}) WHERE id IS NOT NULL")
        total = self._number("SELECT count(*) FROM everybody")
        self._table("taken", f"SELECT id, place FROM everybody ORDER BY place, id LIMIT {customers}")
        sampled = self._number("SELECT count(*) FROM taken")
        edge = self._number("SELECT coalesce(max(place), 0) FROM taken") if sampled < total else 2**64
        self._with_referrals()
        for title, given in self.tables.items():
            file = literal(str(folder / f"{title}.parquet"))
            rows = self._of_these(title, edge) if title in self.keyed else f"SELECT * FROM {given.relation}"
            self.connection.execute(f"COPY ({rows}) TO {file} (FORMAT parquet, COMPRESSION lz4_raw)")
        return Sample(sampled, total, self._number("SELECT count(*) FROM taken") - sampled)

    def _with_referrals(self) -> None:
        """Adds whom those taken referred, and who else referred the same."""
        if Advocacy.title not in self.keyed or Advocacy.new_customer_id.name not in self.tables[Advocacy.title].types:
            return
        both = ((Orders.customer_id, _WHO), (Advocacy.new_customer_id, _NEW))
        told = f"SELECT DISTINCT {_WHO}, {_NEW} FROM {self._rows(Advocacy.title, both)}"
        self._table("told", f"{told} WHERE {_WHO} <> {_NEW}")
        self._table("referred", f"SELECT DISTINCT {_NEW} AS id FROM told SEMI JOIN taken ON {_WHO} = id")
        others = f"SELECT DISTINCT {_WHO} AS id FROM told SEMI JOIN referred ON {_NEW} = id"
        added = f"SELECT id FROM referred UNION {others}"
        self.connection.execute(f"INSERT INTO taken SELECT id, 0 FROM ({added}) ANTI JOIN taken USING (id)")

    def _of_these(self, title: str, edge: int) -> str:
        """The rows of those taken, and of guests in the same share."""
        keys = ((Orders.customer_id, _WHO), (Orders.order_id, _NEW)) if title == Orders.title else None
        rows = self._rows(title, keys) if keys else self._rows(title)
        dropped = ", ".join(name for _, name in keys) if keys else _WHO
        guests = f" OR ({_WHO} IS NULL AND {self._hash(_NEW)} <= {edge})" if keys else ""
        return f"SELECT * EXCLUDE ({dropped}) FROM {rows} WHERE {_WHO} IN (SELECT id FROM taken){guests}"

    def _rows(self, title: str, ids: tuple[tuple[Column, str], ...] = ((Orders.customer_id, _WHO),)) -> str:
        """A table with ids beside it, as the checks read them."""
        given = self.tables[title]
        first = ", ".join(f"{raw(column, given.types[column.name])} AS {_raw(column)}" for column, _ in ids)
        then = ", ".join(f"{typed(column, given.types[column.name], self.zone)} AS {name}" for column, name in ids)
        dropped = ", ".join(_raw(column) for column, _ in ids)
        return f"(SELECT * EXCLUDE ({dropped}), {then} FROM (SELECT *, {first} FROM {given.relation}))"

    def _hash(self, name: str) -> str:
        return f"hash({name} || '/{self.seed}')"

    def _table(self, name: str, query: str) -> None:
        self.connection.execute(f"CREATE TEMP TABLE {name} AS {query}")

    def _number(self, query: str) -> int:
        return int(self.connection.execute(query).fetchall()[0][0])


def _raw(column: Column) -> str:
    return quote(raw_name(column.name))
