"""One table, read and checked: what is bad about its rows, told with examples, and the bad rows set aside."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from regulars.features.checks import Rule, gross_value, raw, raw_name, rules, typed
from regulars.features.findings import Finding, near
from regulars.features.settings import Settings
from regulars.features.shop import NEVER
from regulars.features.sources import BROKEN, Given, first_line, literal, quote
from regulars.features.tables import Orders, Table

EXAMPLES = 3
"""Rows shown for each finding."""
VALUES = (("quantity", "unit_price"), ("amount",))
"""What an order line's value is made of: one of these must be there."""
_ROW = '"number of the row"'


@dataclass(frozen=True)
class TableReading:
    """What one table brought: `rows` in the file, `used` of them good, from `first` to `last` (`NEVER` without rows).

    `given` are the columns with values, `empty` those that are there without any, `missing` those that could be there,
    `unknown` those that nothing reads.
    """

    title: str
    origin: str
    rows: int
    used: int
    first: int
    last: int
    given: tuple[str, ...]
    empty: tuple[str, ...]
    missing: tuple[str, ...]
    unknown: tuple[str, ...]


class TableReader:
    """Reads and checks one table. `summary` and `name`, its typed table in DuckDB, are there once `read` was True."""

    summary: TableReading

    def __init__(self, connection: duckdb.DuckDBPyConnection, given: Given, table: type[Table]) -> None:
        self.connection = connection
        self.given = given
        self.table = table
        self.name = f"typed_{table.title}"
        self.findings: list[Finding] = []
        self.bad = 0
        declared = {column.name: column for column in table.columns()}
        self.columns = {name: declared[name] for name in declared if name in given.types}
        self.unknown = [name for name in given.types if name not in declared]
        self.rules: list[Rule] = []

    def read(self, settings: Settings) -> bool:
        """Read the table; False where that is not possible at all."""
        self._check_columns()
        if any(finding.severity == "error" for finding in self.findings):
            return False
        types = {name: self.given.types[name] for name in self.columns}
        self.rules = rules(self.table, types)
        try:
            self.connection.execute(f"CREATE TEMP TABLE {self.name} AS {self._typed(types, settings.shop.time_zone)}")
        except BROKEN as error:
            problem = f"{self.given.origin} cannot be read ({first_line(error)})"
            advice = "Write the file anew, as UTF-8 and with the same number of columns in every row."
            self.findings.append(Finding(self.table.title, "", "unreadable", "error", problem, advice=advice))
            return False
        if self.table is Orders:
            self._mark_shared_orders()
        self._summarise()
        if self.table is Orders and "discount" in self.columns:
            self._note_discounts()
        return True

    def missing_columns(self) -> list[Finding]:
        """What is said of columns that are missing."""
        self._check_columns()
        return [finding for finding in self.findings if finding.severity == "error"]

    def _check_columns(self) -> None:
        missing = [name for name in self.table.required() if name not in self.columns]
        if self.table is Orders and not any(set(value) <= set(self.columns) for value in VALUES):
            missing += [name for value in VALUES for name in value if name not in self.columns]
        for name in missing:
            self.findings.append(self._missing(name))
        for name in self.unknown:
            meant = near(name, [column.name for column in self.table.columns() if column.name not in self.columns])
            advice = f"If {meant!r} is meant, call it that." if meant else ""
            if self.table is Orders and "currency" in name.lower():
                advice = (
                    "All lines are taken as of one currency. If it names several, convert the amounts to one first."
                )
            problem = "is a column that nothing reads; it is ignored"
            self.findings.append(Finding(self.table.title, name, "unknown_column", "note", problem, advice=advice))

    def _missing(self, name: str) -> Finding:
        found = list(self.given.types)
        meaning = next(column.meaning for column in self.table.columns() if column.name == name)
        problem = f"the column is missing from {self.given.origin}; found: {', '.join(found) or 'no column'}"
        meant = near(name, self.unknown)
        advice = f"Rename {meant!r} to {name!r}." if meant else f"Add it, or leave {self.given.origin} out."
        if self.table is Orders:
            advice = f"Rename {meant!r} to {name!r}." if meant else "Add it."
        if name in {"quantity", "unit_price", "amount"}:
            advice += " Either amount, or quantity and unit_price, is needed."
        if len(found) == 1 and any(mark in found[0] for mark in ";\t|"):
            advice = "The header reads as one column: write the file with commas between the columns."
        return Finding(self.table.title, name, "missing_column", "error", problem, expected=meaning, advice=advice)

    def _typed(self, types: Mapping[str, str], zone: str) -> str:
        raws = [f"{raw(self.columns[name], types[name])} AS {quote(raw_name(name))}" for name in self.columns]
        values = [f"{typed(self.columns[name], types[name], zone)} AS {quote(name)}" for name in self.columns]
        bits = " + ".join(f"CASE WHEN {rule.when} THEN {1 << bit} ELSE 0 END" for bit, rule in enumerate(self.rules))
        kept = [quote(name) for name in self.columns]
        inner = f"SELECT *, {', '.join(values)} FROM (SELECT {', '.join(raws)} FROM {self.given.relation})"
        if self.table is Orders:
            inner = f"SELECT *, {gross_value(types)} AS gross FROM ({inner})"
            kept.append("gross")
        return f"SELECT {', '.join(kept)}, ({bits})::BIGINT AS bad FROM ({inner})"

    def _mark_shared_orders(self) -> None:
        """Mark every line of an order that is under two customers, or a customer's and a guest's."""
        shared = (
            f"SELECT order_id FROM {self.name} GROUP BY order_id"
            " HAVING min(coalesce(customer_id, '')) <> max(coalesce(customer_id, ''))"
        )
        bit = 1 << next(bit for bit, rule in enumerate(self.rules) if rule.name == "two_customers")
        self.connection.execute(f"UPDATE {self.name} SET bad = bad | {bit} WHERE order_id IN ({shared})")

    def _note_discounts(self) -> None:
        unpaid = "amount IS NULL AND" if "amount" in self.columns else ""
        query = f"SELECT count(*) FROM {self.name} WHERE bad = 0 AND {unpaid} discount > abs(gross)"
        count = self.connection.execute(query).fetchall()[0][0]
        if count:
            problem = "discounts above the line's price, whose lines count as without value"
            advice = "Write the money taken off the line, not a percentage."
            rows = self.summary.used
            found = Finding(self.table.title, "discount", "discount", "note", problem, count, rows, advice=advice)
            self.findings.append(found)

    def _summarise(self) -> None:
        names = list(self.columns)
        happened = quote(self.table.happened) if self.table.happened in self.columns else "NULL::BIGINT"
        counts = ["count(*)", "count(*) FILTER (bad = 0)"]
        counts += [f"{end}({happened}) FILTER (bad = 0)" for end in ("min", "max")]
        counts += [f"count({quote(name)}) FILTER (bad = 0)" for name in names]
        counts += [f"count(*) FILTER (bad & {1 << bit} <> 0)" for bit in range(len(self.rules))]
        row = self.connection.execute(f"SELECT {', '.join(counts)} FROM {self.name}").fetchall()[0]
        rows, used, first, last = row[:4]
        filled = [name for name, count in zip(names, row[4:], strict=False) if count]
        self.bad = rows - used
        self.summary = TableReading(
            title=self.table.title,
            origin=self.given.origin,
            rows=rows,
            used=used,
            first=NEVER if first is None else first,
            last=NEVER if last is None else last,
            given=tuple(filled),
            empty=tuple(name for name in names if name not in filled),
            missing=tuple(column.name for column in self.table.columns() if column.name not in names),
            unknown=tuple(self.unknown),
        )
        self._find_bad_rows(row[4 + len(names) :], rows)
        if rows and not used:
            self.findings.append(no_good_row(self.table.title))

    def _find_bad_rows(self, counts: Sequence[int], rows: int) -> None:
        broken = [(bit, rule, count) for bit, (rule, count) in enumerate(zip(self.rules, counts, strict=True)) if count]
        where = {bit: self._first_rows(bit) for bit, _, _ in broken}
        standing = self._standing(sorted({number for numbers in where.values() for number in numbers}))
        for bit, rule, count in broken:
            examples = tuple(
                f"{self.given.row(number)}: {_shown(standing[number].get(rule.column))}" for number in where[bit]
            )
            found = Finding(
                self.table.title,
                rule.column,
                rule.name,
                "bad_rows",
                rule.problem,
                count,
                rows,
                examples,
                rule.expected,
                rule.advice,
            )
            self.findings.append(found)

    def _first_rows(self, bit: int) -> list[int]:
        query = f"SELECT rowid + 1 FROM {self.name} WHERE bad & {1 << bit} <> 0 ORDER BY rowid LIMIT {EXAMPLES}"
        return [row[0] for row in self.connection.execute(query).fetchall()]

    def _numbered(self) -> str:
        """The table as it was brought, as text, beside the number of each row (a typed row has the same number)."""
        columns = ", ".join(f"{quote(name)}::VARCHAR AS {quote(name)}" for name in self.given.types)
        return f"(SELECT row_number() OVER () AS {_ROW}, {columns} FROM {self.given.relation})"

    def _standing(self, numbers: Sequence[int]) -> dict[int, dict[str, str | None]]:
        """What stands in the rows with these numbers, by column."""
        if not numbers:
            return {}
        names = list(self.given.types)
        listed = ", ".join(map(str, numbers))
        query = f"SELECT {_ROW}, {', '.join(map(quote, names))} FROM {self._numbered()} WHERE {_ROW} IN ({listed})"
        return {row[0]: dict(zip(names, row[1:], strict=True)) for row in self.connection.execute(query).fetchall()}

    def set_aside(self, folder: Path) -> Path:
        """Write the bad rows, with their numbers and reasons and as they stood, to `folder`; whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.table.title}.csv"
        unfinished = folder / f".{self.table.title}.{os.getpid()}.csv"
        reasons = ", ".join(
            f"CASE WHEN marked.bad & {1 << bit} <> 0 THEN {literal(f'{rule.column} {rule.problem}')} END"
            for bit, rule in enumerate(self.rules)
        )
        query = (
            f"SELECT {_ROW} AS row, concat_ws('; ', {reasons}) AS reason, source.* EXCLUDE ({_ROW})"
            f" FROM {self._numbered()} AS source"
            f" JOIN (SELECT rowid + 1 AS number, bad FROM {self.name} WHERE bad <> 0) AS marked"
            f" ON marked.number = source.{_ROW} ORDER BY {_ROW}"
        )
        try:
            self.connection.execute(f"COPY ({query}) TO {literal(str(unfinished))} (FORMAT csv, HEADER, DELIMITER ',')")
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
        return path


def _shown(value: str | None) -> str:
    return "empty" if value is None or not value.strip() else repr(value[:60])


def no_good_row(title: str) -> Finding:
    """What is said of a table of which nothing is left."""
    advice = "Correct the rows that are named; the same fault is often in all of them."
    return Finding(title, "", "no_good_row", "error", "no row can be used", advice=advice)
