"""What is odd about a shop without being wrong: said, counted, and left as it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from regulars.features.findings import Finding
from regulars.features.shop import DAY, NEVER, NONE, Rows, Shop, as_datetime

LONG_GAP_DAYS = 7
USUAL_GAPS = 5
"""A gap is noted from so many days, and so many times the gap that 19 of 20 do not exceed."""


def notes(shop: Shop) -> list[Finding]:
    """Everything worth knowing about a shop that can be used as it is."""
    return [*_lines(shop), *_gap(shop), *_strangers(shop), *_undated(shop), *_leaving(shop), *_late(shop)]


def _note(table: str, column: str, rule: str, problem: str, count: int, of: int, advice: str = "") -> Iterator[Finding]:
    if count:
        yield Finding(table, column, rule, "note", problem, count, of, advice=advice)


def _lines(shop: Shop) -> Iterator[Finding]:
    orders, lines = shop.orders, len(shop.orders)
    again = int(repeated(orders).sum())
    advice = "Kept, for most such lines are real. If an export holds lines twice, remove them."
    yield from _note("orders", "", "identical", "lines the same as another in everything", again, lines, advice)
    guests = int((orders.customer == NONE).sum())
    advice = "They count for products, not for customers."
    yield from _note("orders", "customer_id", "guests", "lines of guests", guests, lines, advice)
    zero = int((orders.revenue == 0).sum())
    advice = "They are neither orders nor returns."
    yield from _note("orders", "", "zero_value", "lines without value", zero, lines, advice)
    returns = int((orders.revenue < 0).sum())
    yield from _note("orders", "", "returns", "returns", returns, lines)


def repeated(rows: Rows) -> NDArray[np.bool_]:
    """Mask of the rows that equal the one before them in every column; equal rows are beside each other once sorted."""
    same = np.ones(max(len(rows) - 1, 0), dtype=bool)
    for item in fields(rows):
        column = getattr(rows, item.name)
        same &= column[1:] == column[:-1]
    return np.concatenate([np.zeros(min(len(rows), 1), dtype=bool), same])


def _gap(shop: Shop) -> Iterator[Finding]:
    """The longest time without a single line, where it is far longer than usual."""
    days = np.unique(shop.orders.time // DAY)
    if len(days) < 20:
        return
    gaps = np.diff(days)
    widest = int(gaps.argmax())
    if gaps[widest] < max(LONG_GAP_DAYS, USUAL_GAPS * float(np.quantile(gaps, 0.95))):
        return
    start, end = (str(as_datetime(day * DAY).astype("datetime64[D]")) for day in (days[widest], days[widest + 1]))
    problem = f"there is no line at all between {start} and {end} ({int(gaps[widest])} days)"
    advice = "If the shop was closed, this is right; if an export is missing, add it."
    yield Finding("orders", "ordered_at", "gap", "note", problem, advice=advice)


def _strangers(shop: Shop) -> Iterator[Finding]:
    """Customers who write without having bought, and products that are sold without being listed."""
    known = [shop.orders.customer] + ([shop.customers.customer] if shop.customers else [])
    asked = {"support": shop.support, "contacts": shop.contacts, **shop.own}
    for title, rows in asked.items():
        if rows is not None:
            people = np.unique(rows.customer)
            new = int((~np.isin(people, np.concatenate(known))).sum())
            problem = f"{new:,} of {len(people):,} customers have no order and are not in customers"
            advice = "They are kept as prospects. If there are many, ids may be written differently in the two tables."
            if new:
                yield Finding(title, "customer_id", "prospects", "note", problem, advice=advice)
    if shop.products is not None:
        sold = np.unique(shop.orders.product[shop.orders.product != NONE])
        new = int((~np.isin(sold, shop.products.product)).sum())
        problem = f"{new:,} of {len(sold):,} products that were sold are not in products"
        if new:
            yield Finding("orders", "product_id", "unlisted", "note", problem, advice="Add them to products.")


def _undated(shop: Shop) -> Iterator[Finding]:
    for title in ("customers", "products"):
        rows = getattr(shop, title)
        if rows is not None:
            count = int((rows.time == NEVER).sum())
            problem = "rows without valid_from, which say what is true now and are no features at past moments"
            advice = "Add valid_from, or set [data] trust_undated = true where such rows have always been true."
            yield from _note(title, "valid_from", "undated", problem, count, len(rows), advice)


def _leaving(shop: Shop) -> Iterator[Finding]:
    """Leaving that does not go with what the rest says."""
    rows = shop.customers
    if rows is None:
        return
    early = int(((rows.left_at != NEVER) & (rows.left_at < rows.signed_up_at)).sum())
    problem = "rows in which they left before they signed up"
    advice = (
        "They count as gone. If they are back, leave left_at empty in the row of that; else correct one of the two."
    )
    yield from _note("customers", "left_at", "left_before_sign_up", problem, early, len(rows), advice)
    never = np.iinfo(np.int64).max - DAY
    ends = np.full(len(shop.customer_ids), never)
    last = rows.take(np.lexsort((rows.left_at, np.where(rows.time == NEVER, rows.left_at, rows.time))))
    ends[last.customer] = np.where(last.left_at == NEVER, never, last.left_at)
    bought = shop.orders.take((shop.orders.customer != NONE) & (shop.orders.revenue > 0))
    after = len(np.unique(bought.customer[bought.time >= ends[bought.customer] + DAY]))
    gone = int((ends <= shop.end).sum())
    problem = f"{after:,} of {gone:,} customers who left have ordered since"
    advice = "They are left alone. If they are back, add a row with valid_from and an empty left_at."
    if after:
        yield Finding("customers", "left_at", "ordered_since", "note", problem, advice=advice)


def _late(shop: Shop) -> Iterator[Finding]:
    """Rows that were recorded after everything that has happened."""
    tables = shop.tables()
    last = max((int(rows.time.max()) for rows in tables.values() if len(rows)), default=NEVER)
    for title, rows in tables.items():
        if f"{title}.recorded_at" in shop.given:
            late = int((rows.visible >= (last // DAY + 1) * DAY).sum())
            problem = "rows recorded after the last day of the data, which no moment before sees"
            yield from _note(title, "recorded_at", "recorded_late", problem, late, len(rows), "Check recorded_at.")
