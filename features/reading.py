"""Reading a shop: tables in, checked, with everything that was found said; a `Shop` of integers out.

Every table is read once by DuckDB into typed columns and a number that tells what is bad about each row (`checks`).
Bad rows either refuse the run or are set aside in a file with their reasons; they are never dropped in silence. What
remains becomes a `Shop` (`encoding`), and what is odd about it without being wrong becomes notes (`notes`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from regulars.features import notes
from regulars.features.encoding import MOST_UNITS, Checked, build
from regulars.features.findings import DataError, Finding, by_importance
from regulars.features.own import own_of, tables_of
from regulars.features.own_encoding import own_events, too_large
from regulars.features.reader import TableReader, TableReading
from regulars.features.settings import Settings
from regulars.features.shop import OrderLines, Shop
from regulars.features.sources import Source, Where, open_source
from regulars.features.tables import EventTable, Orders

OTHERS = 5
"""Files that are no table of ours, of which so many are named where there are no orders."""

__all__ = ["DataError", "Finding", "Reading", "TableReading", "inspect", "read_shop"]


@dataclass(frozen=True)
class Reading:
    """A shop as it was read, and what was found on the way, most important first.

    `shop` is None where nothing can be made of the tables. `files` are those written with the rows set aside.
    """

    shop: Shop | None
    findings: tuple[Finding, ...]
    tables: tuple[TableReading, ...]
    files: tuple[Path, ...] = ()

    def table(self, title: str) -> TableReading | None:
        """What the table `title` brought, None where there is no such table."""
        return next((table for table in self.tables if table.title == title), None)

    def of(self, *severities: str) -> tuple[Finding, ...]:
        """The findings of these severities."""
        return tuple(finding for finding in self.findings if finding.severity in severities)


def read_shop(source: Where, settings: Settings, *, set_aside: Path | None = None) -> Reading:
    """Read the tables of a shop, for use.

    Args:
        source: a folder of CSV or Parquet files, a DuckDB file, a PostgreSQL database or its URL
            (`postgresql://USER@HOST/DATABASE`), or frames by table: `{"orders": frame}`.
        settings: `data.bad_rows` says what happens to bad rows.
        set_aside: folder for `TABLE.csv` with the bad rows; without it they are only counted and shown.

    Raises:
        DataError: where a table cannot be read at all, where nothing usable is left, or where there are bad rows and
            the settings refuse them.
    """
    reading = _read(source, settings, set_aside if settings.data.bad_rows == "set_aside" else None)
    stops = ("error", "bad_rows") if settings.data.bad_rows == "refuse" else ("error",)
    found = reading.of(*stops)
    if found:
        raise DataError(found)
    return reading


def inspect(source: Where, settings: Settings) -> Reading:
    """Read the tables of a shop to see what is there: whatever is wrong becomes findings, and the good rows a shop."""
    try:
        return _read(source, settings, None)
    except DataError as error:
        return Reading(None, error.findings, ())


def _read(source: Where, settings: Settings, set_aside: Path | None) -> Reading:
    tables = tables_of(settings)
    with open_source(source, settings.train.threads, tables) as opened:
        found = [(table, opened.tables[table.title]) for table in tables if table.title in opened.tables]
        readers = [TableReader(opened.connection, given, table) for table, given in found]
        read = [reader for reader in readers if reader.read(settings)]
        files = tuple(reader.set_aside(set_aside) for reader in read if set_aside is not None and reader.bad)
        findings = [*opened.findings, *(finding for reader in readers for finding in reader.findings)]
        if Orders.title not in opened.tables and not any(finding.severity == "error" for finding in findings):
            findings.append(no_orders(opened, source))
        shop = None
        if any(reader.table is Orders for reader in read):
            shop = _build(opened, read, settings)
            unusable = _unusable(shop, settings)
            findings += unusable or notes.notes(shop)
            shop = None if unusable else shop
        return Reading(shop, by_importance(findings), tuple(reader.summary for reader in read), files)


def no_orders(opened: Source, source: Where) -> Finding:
    """That a source has no order lines."""
    found = ", ".join(opened.tables) or "no table at all"
    if opened.others:
        more = ", ..." if len(opened.others) > OTHERS else ""
        found += f" (beside {', '.join(opened.others[:OTHERS])}{more})"
    where = "the frames" if isinstance(source, Mapping) else str(source)
    problem = f"there is no such table in {where}; found: {found}"
    advice = "Bring orders.csv, orders.csv.gz, orders.parquet, a folder orders/ of Parquet files, or a table orders."
    return Finding(Orders.title, "", "no_table", "error", problem, expected=Orders.one_row, advice=advice)


def _build(opened: Source, read: Sequence[TableReader], settings: Settings) -> Shop:
    checked = [Checked(reader.table, reader.name, frozenset(reader.summary.given)) for reader in read]
    shop = build(opened.connection, checked, settings.money.gross_margin, trust=settings.data.trust_undated)
    own = [(one.table, one) for one in checked if issubclass(one.table, EventTable)]
    return replace(shop, own={table.title: own_events(opened.connection, table, one) for table, one in own})


def _unusable(shop: Shop, settings: Settings) -> list[Finding]:
    """Why nothing can be made of a shop whose rows are good one by one."""
    found = []
    if not len(shop.customer_ids):
        found.append(no_customer())
    found += beyond_sums(shop.orders)
    for table in own_of(settings).tables:
        if table.title in shop.own:
            found += too_large(table, shop.own[table.title])
    return found


def no_customer() -> Finding:
    """That nobody is named."""
    advice = "Fill in customer_id; lines of guests alone say nothing about customers."
    return Finding("orders", "customer_id", "no_customer", "error", "there is no customer", advice=advice)


def beyond_sums(orders: OrderLines) -> list[Finding]:
    """Amounts of order lines that together are too large for exact sums."""
    found = []
    for name in ("revenue", "margin", "quantity"):
        total = float(np.abs(getattr(orders, name).astype(np.float64)).sum())
        if total >= MOST_UNITS:
            problem = f"the {name} of all lines together is beyond what can be added up exactly"
            advice = "Look for prices, costs or quantities that are far too large."
            found.append(Finding("orders", "", "total", "error", problem, advice=advice))
    return found
