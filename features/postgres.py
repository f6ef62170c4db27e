"""A PostgreSQL server as source of the tables.

Everything is read in one read-only transaction that sees a single state of the database, however long it takes and
whatever is written meanwhile. Each table (a view or a foreign table is one, too) is streamed in batches of bounded size
into a Parquet file of its own, and from then on is read like any other Parquet file. So memory does not grow with the
table, rows keep their numbers, and the server is free again before the checks begin.

Only declared columns are fetched, and the primary key, by which a bad row can be found again; of other columns only
the names are. What is exact in PostgreSQL stays exact: `numeric` travels as text, and so does every type that has no
counterpart of its own here (enum, uuid, json, ...). Names are always quoted, and the server is told nothing else of
what the user wrote.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from regulars.features.database import Database
from regulars.features.findings import DataError, Finding
from regulars.features.postgres_values import plain_column, plain_field
from regulars.features.sources import Source, literal, quote
from regulars.features.tables import Orders, Table

BATCH_BYTES = 16_000_000
"""About how much is held in memory at once; a batch becomes a row group of the file."""
SILENCE = 10.0
"""Seconds between two words of progress."""
NOT_READ = "(not read)"
"""What stands, in the file of rows set aside, in the columns of which only the name is read."""

BEGIN = """
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL client_encoding = 'UTF8';
SET LOCAL DateStyle = 'ISO, YMD';
SET LOCAL TimeZone = 'UTC';
SET LOCAL extra_float_digits = 1;
SET LOCAL synchronize_seqscans = off
"""
"""One state of the database, texts in one form, and rows in the same order each time they are read."""

TABLES_QUERY = """
SELECT n.nspname::text, c.relname::text, c.oid::int8, c.reltuples::float8,
  CASE WHEN $1::text IS NULL THEN pg_catalog.pg_table_is_visible(c.oid) ELSE n.nspname = $1::text END
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
ORDER BY n.nspname, c.relname
"""
"""Schema, name, number, estimated rows of all tables, and whether it is one that was meant."""

COLUMNS_QUERY = """
SELECT a.attname::text, CASE WHEN s.nspname = 'pg_catalog' THEN b.typname::text ELSE '' END,
  pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT'),
  coalesce(pg_catalog.array_position(i.indkey::int2[], a.attnum), -1)::int8
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
JOIN pg_catalog.pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
JOIN pg_catalog.pg_namespace s ON s.oid = b.typnamespace
LEFT JOIN pg_catalog.pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
WHERE a.attrelid = $1::int8::oid AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""
"""Name, type (of a domain the one below), whether it may be read, and place in the primary key (-1: none)."""

AS_THEY_ARE = (
    "int2",
    "int4",
    "int8",
    "float4",
    "float8",
    "bool",
    "text",
    "varchar",
    "timestamp",
    "timestamptz",
    "date",
)
"""Types that Arrow has as well; all others travel as text."""

_PREAMBLE = re.compile(
    r"^(?:[A-Z_]+: )?(?:\[libpq\] )?(?:Failed to [^:]*: )*(?:could not begin COPY: )?"
    r"(?:Execution error \[\w+\]: )?(?:ERROR: +)?"
)
"""What the driver says before the server's own words."""


class _ReadingError(Exception):
    """The server, or the way to it, did not give what was asked for; the message is the server's."""


@dataclass(frozen=True)
class _Column:
    name: str
    type: str
    readable: bool
    key: int

    @property
    def sql(self) -> str:
        """How the column is asked for."""
        name = quote(self.name)
        if self.type in AS_THEY_ARE:
            return name
        # The text of `money` has signs and separators of the server's country.
        return f"{name}::numeric::text AS {name}" if self.type == "money" else f"{name}::text AS {name}"


@dataclass(frozen=True)
class _Found:
    """A table on the server; `about` is how many rows the server believes it has."""

    schema: str
    title: str
    number: int
    about: float

    @property
    def told(self) -> str:
        return f"table {self.schema}.{self.title}"

    @property
    def sql(self) -> str:
        return f"{quote(self.schema)}.{quote(self.title)}"


def add_tables(source: Source, database: Database, folder: Path) -> None:
    """Stream the tables of the database into files in `folder`, and add them to the source.

    What is wrong with one table becomes a finding of the source, and the others are read.

    Raises:
        DataError: where there is no driver, no connection (any longer), or no table `orders`.
    """
    with _connected(database) as connection:
        found = _look_around(source, connection, database)
        for table in source.declared:
            if table.title in found:
                _Stream(source, connection, database, found[table.title], table).add(folder)


@contextmanager
def _connected(database: Database) -> Iterator[Any]:
    """A connection inside of the transaction."""
    try:
        from adbc_driver_manager import Error
        from adbc_driver_postgresql import dbapi
    except ModuleNotFoundError as error:
        problem = f"reading {database} needs the package {error.name}"
        raise _refusal("no_driver", problem, "Install it: pip install 'regulars[postgres]'.") from None
    try:
        connection = dbapi.connect(database.url, autocommit=True)
    except Error as error:
        told = _told(error, database)
        raise _refusal("no_source", f"{database} cannot be reached ({told})", _way_in(told)) from None
    with connection:
        try:
            _run(connection, BEGIN)
            yield connection
        except _ReadingError as error:
            raise _lost(database, "", 0, error) from None


def _run(connection: Any, statement: str) -> None:
    from adbc_driver_manager import Error

    try:
        with connection.cursor() as cursor:
            cursor.executescript(statement)
    except (Error, OSError) as error:
        raise _ReadingError(_plain(error)) from error


def _ask(connection: Any, query: str, parameter: str | int | None) -> list[tuple[Any, ...]]:
    from adbc_driver_manager import Error

    try:
        with connection.cursor() as cursor:
            cursor.execute(query, (parameter,))
            return list(cursor.fetchall())
    except (Error, OSError) as error:
        raise _ReadingError(_plain(error)) from error


def _look_around(source: Source, connection: Any, database: Database) -> dict[str, _Found]:
    """The tables that were meant, by title; other names are suggested where they look like a table's."""
    rows = _ask(connection, TABLES_QUERY, database.schema)
    found = {name: _Found(schema, name, number, about) for schema, name, number, about, meant in rows if meant}
    if Orders.title not in found:
        raise _no_orders(database, rows)
    source.suggest([name for name in found if name not in source.titles])
    return {title: table for title, table in found.items() if title in source.titles}


def _no_orders(database: Database, rows: Sequence[tuple[Any, ...]]) -> DataError:
    names = [row[1] for row in rows if row[4]]
    elsewhere = [row[0] for row in rows if row[1] == Orders.title and not row[4]]
    where = f"schema {database.schema!r}" if database.schema else "the search path"
    shown = ", ".join(names[:10]) + (f" and {len(names) - 10:,} more" if len(names) > 10 else "")
    problem = f"there is no such table in {where} of {database}; found: {shown or 'no table at all'}"
    advice = "Make a table or a view of this name, or connect as a user who may see it."
    if elsewhere:
        advice = f"There is one in schema {elsewhere[0]!r}; if it is meant, add ?schema={elsewhere[0]} to the URL."
    return DataError([Finding(Orders.title, "", "no_table", "error", problem, expected=Orders.one_row, advice=advice)])


class _Stream:
    """One table on its way from the server into a Parquet file."""

    def __init__(self, source: Source, connection: Any, database: Database, found: _Found, table: type[Table]) -> None:
        self.source = source
        self.connection = connection
        self.database = database
        self.found = found
        self.table = table
        self.rows = 0

    def add(self, folder: Path) -> None:
        """Read the table and add it to the source, or refuse it there."""
        columns = self._readable([_Column(*row) for row in _ask(self.connection, COLUMNS_QUERY, self.found.number)])
        if not columns:
            return
        wanted, named = self._sorted(columns)
        if not set(self.table.required()) <= {column.name for column in wanted}:
            # Nothing can be read without them, so nothing is fetched; the names tell what is missing.
            self.source.add(self.table.title, self.origin, _names_only([column.name for column in columns]))
            return
        path = folder / f"{self.table.title}.parquet"
        _run(self.connection, "SAVEPOINT before_table")
        try:
            self._write(path, f"SELECT {', '.join(column.sql for column in wanted)} FROM {self.found.sql}")
        except _ReadingError as error:
            self._after(error)
            return
        relation = f"read_parquet({literal(str(path))}, hive_partitioning = false)"
        unread = "".join(f", {literal(NOT_READ)} AS {quote(name)}" for name in named)
        given = f"(SELECT *{unread} FROM {relation})" if unread else relation
        self.source.add(self.table.title, self.origin, given, key=self._key(columns, relation))

    def _key(self, columns: Sequence[_Column], relation: str) -> Callable[[int], str] | None:
        """What names a row by the table's primary key, where it has one that may be read."""
        names = [column.name for column in sorted(columns, key=lambda column: column.key) if column.key >= 0]
        if not names or not all(column.readable for column in columns if column.key >= 0):
            return None
        values = ", ".join(f"{quote(name)}::VARCHAR" for name in names)

        def named(number: int) -> str:
            query = f"SELECT {values} FROM {relation} LIMIT 1 OFFSET {number - 1}"
            row = self.source.connection.execute(query).fetchall()[0]
            return "the row with " + ", ".join(f"{name} {value}" for name, value in zip(names, row, strict=True))

        return named

    @property
    def origin(self) -> str:
        """What the table is called in findings."""
        return f"{self.database.name}, {self.found.told}"

    def _readable(self, columns: Sequence[_Column]) -> list[_Column]:
        """The columns without those that are closed to the user and nobody asks for; none where it cannot go on."""
        declared = {column.name for column in self.table.columns()}
        closed = [column.name for column in columns if not column.readable and column.name in declared]
        needed = [name for name in closed if name in self.table.required()]
        if not columns:
            self._refuse("it has no columns")
        elif needed or (closed and not any(column.readable for column in columns)):
            self._refuse(f"permission denied for {', '.join(needed or closed)}")
        else:
            for name in closed:
                problem = "may not be read by this user; it is taken as not there"
                advice = "Grant SELECT on it if it is meant to be used."
                note = Finding(self.table.title, name, "closed_column", "note", problem, advice=advice)
                self.source.findings.append(note)
            return [column for column in columns if column.name not in closed]
        return []

    def _sorted(self, columns: Sequence[_Column]) -> tuple[list[_Column], list[str]]:
        """The columns that are fetched, and the names of the others.

        DuckDB takes 'Id' and 'id' for one name, so that only the first of such columns can be told.
        """
        declared = {column.name for column in self.table.columns()}
        wanted = [column for column in columns if column.name in declared]
        told = {column.name.lower() for column in wanted}
        named = []
        for column in columns:
            if column.name.lower() in told:
                continue
            told.add(column.name.lower())
            if column.key >= 0 and column.readable:
                wanted.append(column)
            else:
                named.append(column.name)
        return wanted, named

    def _write(self, path: Path, query: str) -> None:
        with _batches(self.connection, query) as (schema, batches):
            plain = pa.schema([plain_field(field) for field in schema])
            with parquet.ParquetWriter(path, plain, compression="snappy") as writer:
                said = time.perf_counter()
                for batch in batches:
                    columns = [plain_column(column) for column in batch.columns]
                    writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=plain))
                    self.rows += len(batch)
                    if time.perf_counter() - said > SILENCE:
                        said = time.perf_counter()
                        self._tell()

    def _tell(self) -> None:
        about = f" of about {self.found.about:,.0f}" if self.found.about >= self.rows else ""
        self.database.progress(f"{self.table.title}: {self.rows:,}{about} rows read from {self.database.name}")

    def _after(self, error: _ReadingError) -> None:
        """Refuse the table where only it is broken; where the connection is, there is nothing more to read."""
        try:
            _run(self.connection, "ROLLBACK TO SAVEPOINT before_table")
        except _ReadingError:
            raise _lost(self.database, self.table.title, self.rows, error) from None
        self._refuse(str(error))

    def _refuse(self, why: str) -> None:
        problem = f"{self.found.told} of {self.database} cannot be read ({self.database.hide(why)})"
        advice = "Grant SELECT on it to the user of the URL, or correct the table or view."
        self.source.refuse(self.table.title, problem, advice)


@contextmanager
def _batches(connection: Any, query: str) -> Iterator[tuple[pa.Schema, Iterator[pa.RecordBatch]]]:
    """The types of what the query gives, and its rows batch by batch; nothing else raises `_ReadingError`."""
    from adbc_driver_manager import Error
    from adbc_driver_postgresql import StatementOptions

    with connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**{StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(BATCH_BYTES)})
        try:
            cursor.execute(query)
            reader = cursor.fetch_record_batch()
        except (Error, OSError) as error:
            raise _ReadingError(_plain(error)) from error

        def one_by_one() -> Iterator[pa.RecordBatch]:
            while True:
                try:
                    batch = reader.read_next_batch()
                except StopIteration:
                    return
                except (Error, OSError, pa.ArrowException) as error:
                    raise _ReadingError(_plain(error)) from error
                yield batch

        yield reader.schema, one_by_one()


def _names_only(names: Sequence[str]) -> str:
    """A relation without rows that has columns of these names."""
    once = {name.lower(): name for name in reversed(names)}
    columns = [f"NULL::VARCHAR AS {quote(name)}" for name in reversed(once.values())]
    return f"(SELECT {', '.join(columns)} WHERE false)"


def _plain(error: BaseException) -> str:
    """The server's own words, without what the driver says around them."""
    details = dict(getattr(error, "details", None) or [])
    primary = details.get(b"PG_DIAG_MESSAGE_PRIMARY") or details.get("PG_DIAG_MESSAGE_PRIMARY")
    if primary:
        return primary.decode(errors="replace") if isinstance(primary, bytes) else str(primary)
    return _PREAMBLE.sub("", str(error).strip().partition("\n")[0])


def _told(error: BaseException, database: Database) -> str:
    said = _plain(error)
    # What libpq says about a URL quotes pieces of it.
    return "the URL is not understood" if "URI" in said else database.hide(said)


def _way_in(told: str) -> str:
    """What to do where a connection was refused."""
    if "password" in told:
        return "Give the right password: in the URL, in PGPASSWORD, or in ~/.pgpass."
    if "URL" in told:
        return "Look for a misspelt parameter, and for signs in a value that must be written as %26, %3D, %3F."
    if "database" in told or "role" in told:
        return "Name a database and a user that are there: postgresql://USER@HOST/DATABASE."
    return "Start the server, or correct host and port; ask its owner whether you may connect from here."


def _refusal(rule: str, problem: str, advice: str) -> DataError:
    return DataError([Finding(Orders.title, "", rule, "error", problem, advice=advice)])


def _lost(database: Database, title: str, rows: int, error: _ReadingError) -> DataError:
    while_ = f" while {title} was read, after {rows:,} rows" if title else ""
    problem = f"the connection to {database} was lost{while_} ({database.hide(str(error))})"
    return DataError(
        [Finding(title or Orders.title, "", "lost", "error", problem, advice="Try again; nothing was kept.")]
    )
