"""A table checked in parts, as a cluster reads it: the checks of the edge over each part, and what they add up to.

The rules, the counting and the words are those of `reader`; only a row is named by its ids, because a row of a part has
no number that anybody could look up.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace

import pyarrow as pa

from regulars.features.findings import Finding
from regulars.features.own import tables_of
from regulars.features.reader import EXAMPLES, TableReader, TableReading
from regulars.features.settings import Settings
from regulars.features.shop import NEVER
from regulars.features.sources import Given, Source, literal, open_source
from regulars.features.tables import Kind, Table

REASON = "_reason"
"""The column beside rows that were set aside; no table of a shop's own can have one of that name."""
SHARED = "two_customers"
"""The rule that no part can judge: orders under two customers are found over the whole table."""


@dataclass(frozen=True)
class _Part(Given):
    """A part of a table, whose rows are told by what identifies them."""

    rows: pa.Table = field(kw_only=True)
    declared: type[Table] = field(kw_only=True)

    def row(self, number: int) -> str:
        """Where the row stands: its required ids and its moment."""
        telling = [column.name for column in self.declared.columns() if column.required and column.kind is Kind.ID]
        values = {
            name: self.rows[name][number - 1].as_py()
            for name in (*telling, self.declared.happened)
            if name in self.types
        }
        told = ", ".join(f"{name} {str(value)!r}" for name, value in values.items() if value is not None)
        return f"row of {told}" if told else "row without any id"


@dataclass(frozen=True)
class PartFound:
    """What a part of a table holds: `filled` are its columns with values in good rows, `last` as in `TableReading`."""

    title: str
    rows: int
    used: int
    first: int
    last: int
    filled: tuple[str, ...]
    findings: tuple[Finding, ...]

    def as_json(self) -> str:
        """As text that `from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> PartFound:
        """What `as_json` told."""
        told = json.loads(text)
        return cls(**told | {"filled": tuple(told["filled"]), "findings": tuple(findings_of(told["findings"]))})


def findings_of(told: Iterable[dict[str, object]]) -> Iterator[Finding]:
    """Findings from what JSON makes of them."""
    for one in told:
        examples = one["examples"]
        assert isinstance(examples, list)  # noqa: S101 - our own writing
        yield Finding(**one | {"examples": tuple(examples)})  # type: ignore[arg-type]


def declared(title: str, settings: Settings) -> type[Table]:
    """The declaration of one of the tables that a shop with these settings may bring."""
    return next(table for table in tables_of(settings) if table.title == title)


def check_part(title: str, origin: str, rows: pa.Table, settings: Settings) -> PartFound:
    """Checks the rows of a part; the columns were found good by `check_columns`."""
    with _read(title, origin, rows, settings) as reader:
        found = reader.summary
        bad = tuple(one for one in reader.findings if one.severity == "bad_rows" and one.rule != SHARED)
        return PartFound(title, found.rows, found.used, found.first, found.last, found.given, bad)


def check_columns(title: str, origin: str, schema: pa.Schema, settings: Settings) -> list[Finding]:
    """What is wrong with the columns of a table, and which of them nothing reads."""
    with open_source({}, threads=1) as opened:
        part = _part(opened, declared(title, settings), origin, schema.empty_table())
        reader = TableReader(opened.connection, part, part.declared)
        reader.read(settings)
        return reader.findings


def bad_rows(title: str, origin: str, rows: pa.Table, settings: Settings) -> pa.Array:
    """(rows,) why each row cannot be used, null where it can."""
    with _read(title, origin, rows, settings) as reader:
        reasons = ", ".join(
            f"CASE WHEN bad & {1 << bit} <> 0 THEN {literal(f'{rule.column} {rule.problem}')} END"
            for bit, rule in enumerate(reader.rules)
            if rule.name != SHARED
        )
        query = f"SELECT nullif(concat_ws('; ', {reasons}), '') FROM {reader.name} ORDER BY rowid"
        return pa.array([row[0] for row in reader.connection.execute(query).fetchall()], pa.string())


def add_up(
    table: type[Table], origin: str, names: Sequence[str], parts: Sequence[PartFound]
) -> tuple[TableReading, list[Finding]]:
    """The reading of a whole table, and its bad rows, from those of its parts.

    Args:
        table: its declaration.
        origin: where it was read from.
        names: its columns, those that nothing reads included.
        parts: of all its parts, in order.
    """
    known = [column.name for column in table.columns()]
    there = [name for name in known if name in names]
    filled = {name for part in parts for name in part.filled}
    dated = [(part.first, part.last) for part in parts if part.last != NEVER]
    reading = TableReading(
        title=table.title,
        origin=origin,
        rows=sum(part.rows for part in parts),
        used=sum(part.used for part in parts),
        first=min((first for first, _ in dated), default=NEVER),
        last=max((last for _, last in dated), default=NEVER),
        given=tuple(name for name in there if name in filled),
        empty=tuple(name for name in there if name not in filled),
        missing=tuple(name for name in known if name not in names),
        unknown=tuple(name for name in names if name not in known),
    )
    findings: dict[tuple[str, str], Finding] = {}
    for one in (finding for part in parts for finding in part.findings):
        before = findings.setdefault((one.column, one.rule), replace(one, count=0, of=reading.rows, examples=()))
        examples = (*before.examples, *one.examples)[:EXAMPLES]
        findings[one.column, one.rule] = replace(before, count=before.count + one.count, examples=examples)
    return reading, list(findings.values())


@contextmanager
def _read(title: str, origin: str, rows: pa.Table, settings: Settings) -> Iterator[TableReader]:
    """The part, read; its typed table is there for as long as the context lasts."""
    with open_source({}, threads=1) as opened:
        part = _part(opened, declared(title, settings), origin, rows)
        reader = TableReader(opened.connection, part, part.declared)
        reader.read(settings)
        yield reader


def _part(opened: Source, table: type[Table], origin: str, rows: pa.Table) -> _Part:
    name = f"part_{table.title}"
    opened.connection.register(name, rows)
    opened.add(table.title, origin, name)
    return _Part(table.title, origin, name, opened.tables[table.title].types, rows=rows, declared=table)
