"""Opening what a shop brings: a folder of CSV or Parquet files, a DuckDB file, a PostgreSQL database, or frames.

Whatever the form, each table becomes a relation that DuckDB can read, with the types its columns came with. Nothing is
checked here beyond whether it can be opened. CSV is read as text alone, so that the checks can name the row and what
stands in it. DuckDB may neither fetch nor load extensions, and names of files and columns are always quoted.
"""

from __future__ import annotations

import csv
import gzip
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from regulars.features.database import Database, UrlError, is_url
from regulars.features.findings import DataError, Finding, near
from regulars.features.tables import TABLES, Table

DATABASE = "shop.duckdb"
FORMS = "{0}.csv, {0}.csv.gz, {0}.parquet or a folder {0}/ of Parquet files"

Where = str | Path | Database | Mapping[str, Any]
"""Where tables are: a folder, a DuckDB file, a database (or its URL), or frames by table."""

BROKEN = (duckdb.IOException, duckdb.InvalidInputException, duckdb.DataError)
"""What DuckDB raises for a file that is damaged or is not what its name says."""


@dataclass(frozen=True)
class Given:
    """A table as it was brought: `relation` is SQL to select from, `types` its columns' DuckDB types, in order.

    `key` names a row by its primary key, for a row of a database has no place by which it could be found.
    """

    title: str
    origin: str
    relation: str
    types: Mapping[str, str]
    parts: tuple[tuple[str, int], ...] = ()
    key: Callable[[int], str] | None = None

    def row(self, number: int) -> str:
        """Where the row with this number (from 1, over all parts) stands, as a person would look it up."""
        if self.key is not None:
            return self.key(number)
        for name, rows in self.parts:
            if number <= rows:
                return f"row {number} of {name}"
            number -= rows
        return f"row {number}"


@dataclass
class Source:
    """The declared tables that were found, by title; `findings` holds what could not be opened or looks misnamed.

    `others` names what is there beside them.
    """

    connection: duckdb.DuckDBPyConnection
    declared: tuple[type[Table], ...] = TABLES
    tables: dict[str, Given] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    others: tuple[str, ...] = ()

    @property
    def titles(self) -> tuple[str, ...]:
        """Names of the declared tables."""
        return tuple(table.title for table in self.declared)

    def add(
        self,
        title: str,
        origin: str,
        relation: str,
        parts: tuple[tuple[str, int], ...] = (),
        key: Callable[[int], str] | None = None,
    ) -> None:
        """Take `relation` as the table `title`."""
        described = self.connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
        self.tables[title] = Given(title, origin, relation, {row[0]: row[1] for row in described}, parts, key)

    def refuse(self, title: str, problem: str, advice: str) -> None:
        """Note that the table `title` cannot be opened."""
        self.findings.append(Finding(title, "", "unreadable", "error", problem, advice=advice))

    def suggest(self, names: list[str]) -> None:
        """Note which of the other names in the source look like a table's."""
        self.others = tuple(sorted(names))
        for name in self.others:
            meant = near(name, [title for title in self.titles if title not in self.tables])
            if meant:
                advice = f"If it is meant, call it {meant!r}."
                self.findings.append(Finding(meant, "", "name", "note", f"there is {name!r}", advice=advice))


@contextmanager
def open_source(source: Where, threads: int, declared: tuple[type[Table], ...] = TABLES) -> Iterator[Source]:
    """Open `source` for as long as the context lasts, and find the declared tables in it.

    A text that reads as a URL is one of a PostgreSQL database.

    Raises:
        DataError: where there is no such folder or file, or the database cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="regulars-") as spill:
        config: dict[str, Any] = {
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "temp_directory": spill,
            "threads": threads,
        }
        with duckdb.connect(config=config) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            opened = Source(connection, declared)
            if isinstance(source, Mapping):
                _open_frames(opened, source)
            elif isinstance(source, Database) or (isinstance(source, str) and is_url(source)):
                _open_server(opened, source, Path(spill))
            else:
                _open_path(opened, Path(source))
            yield opened


def quote(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def _open_server(source: Source, database: Database | str, folder: Path) -> None:
    from regulars.features.postgres import add_tables

    if isinstance(database, str):
        try:
            database = Database.parse(database)
        except UrlError as error:
            advice = "Correct the URL."
            raise DataError([Finding("orders", "", "no_source", "error", str(error), advice=advice)]) from None
    add_tables(source, database, folder)


def _open_path(source: Source, path: Path) -> None:
    if path.is_dir():
        database = path / DATABASE
        if database.is_file():
            _open_database(source, database)
        else:
            _open_folder(source, path)
    elif path.is_file():
        _open_database(source, path)
    else:
        problem = f"there is no folder or file {str(path)!r}"
        advice = f"Give a folder with {FORMS.format('orders')}, or a DuckDB file."
        raise DataError([Finding("orders", "", "no_source", "error", problem, advice=advice)])


def _open_database(source: Source, path: Path) -> None:
    try:
        source.connection.execute(f"ATTACH {literal(str(path))} AS shop_file (TYPE duckdb, READ_ONLY)")
    except (*BROKEN, duckdb.BinderException) as error:
        problem = f"{path.name} is no DuckDB file ({first_line(error)})"
        instead = f" Give {path.parent}, the folder it is in." if _is_data(path) else ""
        source.refuse("orders", problem, f"Give a folder or a DuckDB file.{instead}")
        return
    query = "SELECT table_schema, table_name FROM information_schema.tables WHERE table_catalog = 'shop_file'"
    names = [name for schema, name in source.connection.execute(query).fetchall() if schema == "main"]
    for name in names:
        if name in source.titles:
            source.add(name, f"{path.name}, table {name}", f"shop_file.main.{quote(name)}")
    source.suggest([name for name in names if name not in source.titles])


def _open_folder(source: Source, folder: Path) -> None:
    for title in source.titles:
        found = [path for path in _candidates(folder, title) if path.exists()]
        if len(found) > 1:
            names = " and ".join(path.name for path in found)
            source.refuse(title, f"there are {names} in {folder}", "Keep one of them.")
        elif found:
            _open_file(source, title, found[0])
    known = {path.name for title in source.titles for path in _candidates(folder, title)}
    stems = [path.name for path in folder.iterdir() if path.name not in known and _is_data(path)]
    source.suggest(stems)


def _candidates(folder: Path, title: str) -> list[Path]:
    return [folder / f"{title}{ending}" for ending in (".csv", ".csv.gz", ".parquet", "")]


def _is_data(path: Path) -> bool:
    return path.is_dir() or path.name.lower().endswith((".csv", ".csv.gz", ".parquet", ".tsv", ".txt", ".xlsx"))


def _open_file(source: Source, title: str, path: Path) -> None:
    try:
        if path.is_dir():
            _open_parts(source, title, path)
        elif path.suffix == ".parquet":
            source.add(title, path.name, f"read_parquet({_glob(path)}, hive_partitioning = false)")
        else:
            _open_csv(source, title, path)
    except (*BROKEN, OSError) as error:
        source.refuse(title, f"{path.name} cannot be read ({first_line(error)})", "Write the file anew.")
    except UnicodeDecodeError as error:
        source.refuse(title, f"{path.name} is not UTF-8 ({error})", "Save it as UTF-8.")


def _open_parts(source: Source, title: str, folder: Path) -> None:
    paths = sorted(path for path in folder.rglob("*.parquet") if not path.name.startswith(("_", ".")))
    if not paths:
        source.refuse(title, f"there is no Parquet file in {folder.name}/", f"Bring {FORMS.format(title)}.")
        return
    relation = f"read_parquet([{', '.join(map(_glob, paths))}], union_by_name = true, hive_partitioning = false)"
    counting = (f"SELECT count(*) FROM read_parquet({_glob(path)})" for path in paths)
    counts = [source.connection.execute(query).fetchall()[0][0] for query in counting]
    names = [str(path.relative_to(folder.parent)) for path in paths]
    source.add(title, f"{folder.name}/", relation, tuple(zip(names, counts, strict=True)))


def _open_csv(source: Source, title: str, path: Path) -> None:
    header = _header(path)
    twice = _repeated(header)
    if not header:
        source.refuse(title, f"{path.name} is empty", "Write a header with the columns' names, then the rows.")
    elif twice:
        source.refuse(title, f"{path.name} names {twice} more than once", "Give each column a name of its own.")
    else:
        columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in header)
        form = "auto_detect = false, header = true, delim = ',', quote = '\"', escape = '\"'"
        source.add(title, path.name, f"read_csv({_glob(path)}, {form}, columns = {{{columns}}})")


def _header(path: Path) -> list[str]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
        return next(csv.reader(file), [])


def _repeated(names: list[str]) -> str:
    return ", ".join(repr(name) for name, count in Counter(names).items() if count > 1)


def _glob(path: Path) -> str:
    """A path as an SQL literal that matches itself only, whatever signs of a pattern are in it."""
    return literal("".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(path)))


def _open_frames(source: Source, frames: Mapping[str, Any]) -> None:
    for title, frame in frames.items():
        if title in source.titles and frame is not None:
            _open_frame(source, title, frame)
    source.suggest([name for name in frames if name not in source.titles])


def _open_frame(source: Source, title: str, frame: Any) -> None:
    try:
        table = as_arrow(frame)
    except (pa.ArrowException, TypeError, ValueError) as error:
        source.refuse(title, f"the frame cannot be read ({first_line(error)})", "Pass a pandas, polars or Arrow table.")
        return
    twice = _repeated(table.column_names)
    if twice:
        source.refuse(title, f"the frame names {twice} more than once", "Give each column a name of its own.")
        return
    name = f"frame_{title}"
    source.connection.register(name, table)
    source.add(title, "frame", name)


def as_arrow(frame: Any) -> pa.Table:
    """A pandas frame, or anything that hands out Arrow, as an Arrow table; the frame stays as it was.

    Raises:
        TypeError: for anything else.
    """
    if isinstance(frame, pa.Table):
        return frame
    if hasattr(frame, "iloc"):
        return _from_pandas(frame)
    if hasattr(frame, "__arrow_c_stream__"):
        return pa.table(frame)
    raise TypeError(f"{type(frame).__name__} is no table")


def _from_pandas(frame: Any) -> pa.Table:
    columns = [_plain_column(frame.iloc[:, position]) for position in range(frame.shape[1])]
    return pa.Table.from_arrays(columns, names=[str(name) for name in frame.columns])


def _plain_column(column: Any) -> pa.Array | pa.ChunkedArray:
    """One column in Arrow; what Python objects of several sorts hold is taken as text, value by value."""
    if column.dtype == object:
        from pandas.api.types import infer_dtype  # only frames of pandas come here, so it is loaded already

        if infer_dtype(column, skipna=True) not in {"string", "boolean", "integer", "decimal", "empty"}:
            present = column.notna()
            values = [str(value) if there else None for value, there in zip(column, present, strict=True)]
            return pa.array(values, pa.string())
    if getattr(column.dtype, "tz", None) is not None and hasattr(column, "dt"):
        # Arrow reads such a column through an accessor that pandas has deprecated, so it is handed over in UTC.
        moments = pa.array(column.dt.tz_convert("UTC").dt.tz_localize(None), from_pandas=True)
        return moments.cast(pa.timestamp(moments.type.unit, "UTC"))
    return pa.array(column, from_pandas=True)


def first_line(error: BaseException) -> str:
    """The first line of what an error says."""
    return str(error).strip().partition("\n")[0]
