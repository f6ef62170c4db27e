"""Reading order lines from a PostgreSQL server: `python benchmarks/postgres.py --lines 10000000`.

`REGULARS_POSTGRES_URL` names a server whose user may create databases. The lines are made there (ids as text, `numeric`
money, a moment with time zone, an enum), in a database that is dropped afterwards. Each measurement is a process of its
own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from adbc_driver_postgresql import dbapi

DATABASE = "regulars_bench"
LINES = """
CREATE TYPE channel AS ENUM ('web', 'shop', 'phone');
CREATE UNLOGGED TABLE orders AS
WITH made AS MATERIALIZED (
  SELECT g AS number, abs(hashint8(g * 7 + 1)::bigint) % ({0} / 20) AS customer,
    timestamptz '2020-01-01' + (abs(hashint8(g * 13 + 5)::bigint) % 1576800) * interval '1 minute' AS ordered_at,
    1 + abs(hashint8(g * 3)::bigint) % 6 AS lines
  FROM generate_series(1, {0}::bigint * 2 / 7) AS g)
SELECT 'C' || lpad(customer::text, 7, '0') AS customer_id, 'O' || lpad(number::text, 9, '0') AS order_id, ordered_at,
  'P' || lpad((abs(hashint8(number * 31 + line)::bigint) % 20000)::text, 5, '0') AS product_id,
  CASE WHEN hashint8(number * 17 + line) % 40 = 0 THEN -1 ELSE 1 + abs(hashint8(number + line)::bigint) % 5 END::int
    AS quantity,
  (abs(hashint8(number * 5 + line)::bigint) % 10000 / 100.0)::numeric(12, 2) AS unit_price,
  (abs(hashint8(number * 5 + line)::bigint) % 6000 / 100.0)::numeric(12, 2) AS unit_cost,
  0::numeric(12, 2) AS discount,
  (ARRAY['web', 'shop', 'phone'])[1 + abs(hashint8(number)::bigint) % 3]::channel AS channel
FROM made, generate_series(1, lines) AS line
"""

MEASURED = """
import os, resource, sys, time
from regulars.features.reader import TableReader
from regulars.features.settings import Settings
from regulars.features.sources import open_source
from regulars.features.tables import Orders

started = time.perf_counter()
with open_source(sys.argv[1], 2) as source:
    source.connection.execute("SET enable_progress_bar = false")
    if sys.argv[2] == "typed":
        reader = TableReader(source.connection, source.tables["orders"], Orders)
        assert reader.read(Settings())
        rows = reader.summary.rows
    else:
        query = "SELECT count(*) FROM " + source.tables["orders"].relation
        rows = source.connection.execute(query).fetchall()[0][0]
    seconds = time.perf_counter() - started
used = resource.getrusage(resource.RUSAGE_SELF)
print(f"{rows:>12,} {seconds:>8.1f} {used.ru_utime + used.ru_stime:>8.1f} {used.ru_maxrss / 1024:>8,.0f}")
"""
STEPS = {"streamed": "into the source's folder", "typed": "streamed, then typed and checked in DuckDB"}


def run(url: str, *statements: str) -> None:
    with dbapi.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.executescript(statement)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--lines", type=int, nargs="+", default=[1_000_000, 10_000_000])
    given = asked.parse_args()
    server = os.environ.get("REGULARS_POSTGRES_URL", "").rstrip("/")
    if not server:
        print("Name a server: REGULARS_POSTGRES_URL=postgresql://USER:PASSWORD@HOST")
        return
    print(f"{'':10} {'lines':>12} {'seconds':>8} {'CPU s':>8} {'peak MB':>8}")
    for lines in given.lines:
        run(f"{server}/postgres", f"DROP DATABASE IF EXISTS {DATABASE}", f"CREATE DATABASE {DATABASE}")
        try:
            run(f"{server}/{DATABASE}", LINES.format(lines), "VACUUM ANALYZE orders")
            for step, what in STEPS.items():
                words = [sys.executable, "-c", MEASURED, f"{server}/{DATABASE}", step]
                told = subprocess.run(words, check=True, capture_output=True, text=True).stdout.rstrip("\n")
                print(f"{step:10} {told}  {what}", flush=True)
        finally:
            run(f"{server}/postgres", f"DROP DATABASE {DATABASE} WITH (FORCE)")


if __name__ == "__main__":
    main()
