"""The steps that `features.py` times, each in a process of its own: `python feature_steps.py NAME ARGUMENTS`.

`ARGUMENTS` is JSON. What comes back, as the last line, is JSON too: wall and processor seconds of the step alone (the
interpreter has started and the libraries are imported), the process's greatest memory, and what the step counted.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Step = Callable[..., dict[str, Any]]
MEMORY_UNIT = 1024 if sys.platform != "darwin" else 1
"""What `ru_maxrss` counts in, in bytes."""


def ours(shop: str, cutoffs: list[str], out: str, families: list[str]) -> dict[str, Any]:
    """`regulars features`, as the command line runs it, into the folder `out`; without families, all of them."""
    from regulars.cli.app import main

    moments = [word for cutoff in cutoffs for word in ("--as-of", cutoff)]
    named = [word for family in families for word in ("--family", family)]
    sys.argv = ["regulars", "features", shop, *moments, *named, "--out", out]
    try:
        main()
    except SystemExit as ended:
        if ended.code:
            raise
    return {}


def floor_table(orders: str) -> dict[str, Any]:
    """DuckDB reads the orders and sorts them by customer and time into a table of its own."""
    connection = _duckdb()
    connection.execute(f"CREATE TEMP TABLE sorted AS SELECT * FROM '{orders}' ORDER BY customer_id, ordered_at")
    return {"rows": connection.execute("SELECT count(*) FROM sorted").fetchall()[0][0]}


def floor_arrow(orders: str) -> dict[str, Any]:
    """The same, as an Arrow table."""
    found = _duckdb().execute(f"SELECT * FROM '{orders}' ORDER BY customer_id, ordered_at").to_arrow_table()
    return {"rows": found.num_rows}


def _duckdb() -> Any:
    import duckdb
    from feature_data import THREADS

    connection = duckdb.connect()
    connection.execute(f"SET threads = {THREADS}")
    return connection


def sql(way: str, orders: str, cutoffs: list[int], columns: list[str], out: str) -> dict[str, Any]:
    """Hand-written SQL."""
    import feature_sql

    return {"rows": feature_sql.write(way, orders, cutoffs, Path(out), columns), "columns": len(columns)}


def pandas(orders: str, cutoffs: list[str], out: str) -> dict[str, Any]:
    """Pandas, as people write it."""
    import feature_pandas

    found = feature_pandas.table(Path(orders), cutoffs)
    found.to_parquet(out, index=False)
    return {"rows": len(found), "columns": found.shape[1] - 2}


def one(calls: int) -> dict[str, Any]:
    """One customer, ours and pandas."""
    import feature_single

    return feature_single.times(calls)


STEPS: dict[str, Step] = {
    "ours": ours,
    "floor_table": floor_table,
    "floor_arrow": floor_arrow,
    "sql": sql,
    "pandas": pandas,
    "one": one,
}
NEEDS = {
    "ours": ("duckdb", "numba", "pandas", "pyarrow.parquet", "regulars.cli.app", "regulars.features.materialise"),
    "floor_table": ("duckdb",),
    "floor_arrow": ("duckdb", "pyarrow"),
    "sql": ("duckdb",),
    "pandas": ("pandas", "pyarrow.parquet"),
    "one": ("pandas", "regulars.features.reading", "regulars.features.table"),
}
"""What is imported before the clock starts."""


def main() -> None:
    name, arguments = sys.argv[1], json.loads(sys.argv[2])
    for module in NEEDS[name]:
        __import__(module)
    before = resource.getrusage(resource.RUSAGE_SELF)
    start = time.perf_counter()
    found = STEPS[name](**arguments)
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    peak = after.ru_maxrss * MEMORY_UNIT / 1e9
    print(json.dumps({"seconds": seconds, "processor_seconds": processor, "peak_gb": peak, **found}))


if __name__ == "__main__":
    main()
