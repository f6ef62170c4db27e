"""A shop of any size for `features.py`, made by DuckDB from hashes alone, so that a size is always the same shop.

Like a shop in what makes features slow or wrong: few customers order often and most order once or twice, an order has
several lines, people buy the same products again, some lines come back days later, some cost nothing, some orders fall
on one moment. The file is in the order of time, as a till writes it. Moments are counted in microseconds.
"""

from __future__ import annotations

import time
from pathlib import Path

import duckdb

THREADS = 2
"""Threads of everything that is measured."""
FIRST, DAYS = "2022-01-01", 3 * 365
"""First day of the data, and how many days there are."""
LINES_PER_ORDER = 3.38
TAIL = 1.7
"""How heavy the tail of orders per customer is (Lomax)."""
MOST_ORDERS = 1_500
"""No customer has more orders."""
RETURNED, FREE = 40, 250
"""One line in so many comes back, costs nothing."""
AT_MIDNIGHT = 50
"""One order in so many is booked at midnight, and so falls on cutoffs, window edges and other orders."""


def shop_folder(root: Path, lines: int, customers: int) -> Path:
    """The folder of a shop of that size; made where there is none yet."""
    folder = root / f"features-{lines}-{customers}"
    if not (folder / "support.parquet").exists():
        start = time.perf_counter()
        folder.mkdir(parents=True, exist_ok=True)
        made = write_shop(folder, lines, customers)
        print(f"{folder}: {made:,} order lines made in {time.perf_counter() - start:.0f} s", flush=True)
    return folder


def write_shop(folder: Path, lines: int, customers: int) -> int:
    """Write orders.parquet and support.parquet; returns the number of order lines, `lines` or a few less."""
    with duckdb.connect() as connection:
        connection.execute(f"SET threads = {THREADS}")
        connection.execute(f"CREATE TEMP TABLE orders AS {_orders(lines, customers)}")
        made = f"SELECT * FROM ({_lines(lines)}) ORDER BY ordered_at, order_id, product_id, quantity"
        connection.execute(f"COPY ({made}) TO '{folder / 'orders.parquet'}' (FORMAT parquet)")
        # Last, because it tells that all is there.
        connection.execute(f"COPY ({_SUPPORT}) TO '{folder / 'support.parquet'}' (FORMAT parquet)")
        return int(connection.execute(f"SELECT count(*) FROM '{folder / 'orders.parquet'}'").fetchall()[0][0])


def _draw(name: str, *of: str) -> str:
    """SQL of a number in (0, 1), the same for the same name and values."""
    # Hashed once more, because the hash of several values is not spread evenly.
    return f"((hash(hash('{name}', {', '.join(of)})) >> 11)::DOUBLE + 0.5) / {2**53}"


def _orders(lines: int, customers: int) -> str:
    """Orders of each customer, between the day they come and the day they leave: customer, number, at, lines."""
    often = max(lines / customers / LINES_PER_ORDER - 1, 0.1) * (TAIL - 1) * 1.15
    ordered = f"floor({often} * (pow({_draw('orders', 'range')}, {-1 / TAIL}) - 1))"
    who = (
        f"SELECT range AS who, least(1 + {ordered}, {MOST_ORDERS})::BIGINT AS orders,"
        f" {DAYS} * greatest(1.4 * {_draw('came', 'range')} - 0.4, 0) AS came,"
        f" 30 - 500 * ln({_draw('stayed', 'range')}) AS stayed FROM range({customers})"
    )
    each = (
        "SELECT *, row_number() OVER (ORDER BY who, turn) AS number FROM"
        f" (SELECT who, came, least(stayed, {DAYS} - came) AS span, unnest(range(orders)) AS turn FROM ({who}))"
    )
    at = f"TIMESTAMP '{FIRST}' + to_microseconds(((came + span * {_draw('at', 'number')}) * 86400e6)::BIGINT)"
    sized = (
        f"SELECT who, turn, number, {at} AS moment,"
        f" least(1 + floor(-ln({_draw('lines', 'number')}) / 0.35), 60) AS lines FROM ({each})"
    )
    # As many orders as bring the lines that are wanted: everybody's first, and of the others any.
    kept = f"sum(lines) OVER (ORDER BY turn > 0, {_draw('kept', 'number')}, number)"
    counted = f"SELECT *, {kept} AS so_far FROM ({sized})"
    return (
        "SELECT 'C' || lpad(((who * 7919 + 13) % 10000019)::VARCHAR, 8, '0') AS customer_id,"
        " 'O' || lpad(number::VARCHAR, 9, '0') AS order_id, number, who, lines::BIGINT AS lines,"
        f" CASE WHEN number % {AT_MIDNIGHT} = 0 THEN date_trunc('day', moment)::TIMESTAMP ELSE moment END AS ordered_at"
        f" FROM ({counted}) WHERE so_far <= {lines}"
    )


def _lines(lines: int) -> str:
    """The lines of the orders: half of them one of eight favourites, the rest as popular as Zipf says."""
    products = min(20_000, max(50, lines // 200))
    each = "SELECT *, unnest(range(lines)) AS line FROM orders"
    favourite = _draw("favourite", "who", "hash(hash(number, line)) % 8")
    popular = _draw("popular", "number", "line")
    chosen = f"CASE WHEN {_draw('again', 'number', 'line')} < 0.5 THEN {favourite} ELSE {popular} END"
    product = f"floor({products} * pow({chosen}, 2.5))::BIGINT"
    priced = (
        f"SELECT *, {product} AS product,"
        f" line > 0 AND hash(hash('returned', number, line)) % {RETURNED} = 0 AS returned FROM ({each})"
    )
    dear = f"round(1 + exp(4.5 * {_draw('price', 'product')}), 2)"
    cost = f"round({dear} * (0.4 + 0.4 * {_draw('cost', 'product')}), 2)"
    pieces = f"(1 + floor(-ln({_draw('pieces', 'number', 'line')}) / 0.9))::INTEGER"
    made = (
        "SELECT customer_id, order_id, 'P' || lpad(product::VARCHAR, 6, '0') AS product_id,"
        " ordered_at + CASE WHEN returned THEN"
        f" to_microseconds((21 * 86400e6 * {_draw('back', 'number', 'line')})::BIGINT) ELSE INTERVAL 0 DAY END"
        f" AS ordered_at, CASE WHEN returned THEN -1 ELSE {pieces} END AS quantity,"
        f" CASE WHEN hash(hash('free', number, line)) % {FREE} = 0 THEN 0.0 ELSE {dear} END AS unit_price,"
        f" {cost} AS unit_cost, hash(hash('discount', number, line)) % 8 = 0 AS reduced,"
        " ['web', 'shop', 'phone', 'app'][1 + (hash(hash('channel', number)) % 4)::INTEGER] AS channel"
        f" FROM ({priced})"
    )
    discount = "CASE WHEN reduced AND quantity > 0 THEN round(quantity * unit_price * 0.15, 2) ELSE 0.0 END"
    return (
        "SELECT customer_id, order_id, ordered_at, product_id, quantity, unit_price, unit_cost,"
        f" {discount} AS discount, channel FROM ({made})"
    )


# One order in ten leads to a ticket of four events, and so there are 0.4 events an order.
_SUPPORT = f"""
SELECT customer_id,
  ordered_at + to_microseconds((step * 7e9 * {_draw("wait", "number", "step")})::BIGINT + 3600000000) AS occurred_at,
  ['opened', 'replied', 'worked', CASE WHEN number % 3 = 0 THEN 'rated' ELSE 'closed' END][step] AS event,
  'T' || lpad(number::VARCHAR, 9, '0') AS ticket_id,
  CASE WHEN step = 3 THEN round(-12 * ln({_draw("minutes", "number")}), 1) END AS minutes,
  CASE WHEN step = 1 THEN hash(hash('complaint', number)) % 5 = 0 END AS is_complaint,
  CASE WHEN step = 4 AND number % 3 = 0 THEN (1 + hash(hash('rating', number)) % 5)::INTEGER END AS satisfaction
FROM (SELECT *, unnest([1, 2, 3, 4]) AS step FROM orders WHERE hash(hash('ticket', number)) % 10 = 0)
ORDER BY occurred_at, ticket_id, step
"""
