"""Steps of next_product_scale.py, each in a process of its own: `python next_product_scale_steps.py STEP JSON`.

The last line printed is JSON: seconds of the wall and of the processor, the peak of memory, and what the step tells.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TOP = 10
TICK = 30.0
"""Seconds between two words of progress."""


def matrix(shop: str, out: str, threads: int) -> dict[str, Any]:
    """The purchases of everybody as what libraries take: for each customer and product, orders with it."""
    import duckdb
    import numpy as np

    with duckdb.connect(config={"threads": threads, "memory_limit": "3GB"}) as connection:
        lines = f"'{shop}/orders/*.parquet'"
        connection.execute(
            f"CREATE TEMP TABLE who AS SELECT customer_id, row_number() OVER (ORDER BY customer_id) - 1 AS row"
            f" FROM (SELECT DISTINCT customer_id FROM {lines} WHERE quantity > 0)"
        )
        connection.execute(
            f"CREATE TEMP TABLE what AS SELECT product_id, row_number() OVER (ORDER BY product_id) - 1 AS col"
            f" FROM (SELECT DISTINCT product_id FROM {lines} WHERE quantity > 0)"
        )
        found = connection.execute(
            f"SELECT row::INTEGER AS row, col::INTEGER AS col, count(DISTINCT order_id)::FLOAT AS orders FROM {lines}"
            " JOIN who USING (customer_id) JOIN what USING (product_id) WHERE quantity > 0 GROUP BY ALL ORDER BY ALL"
        ).fetchnumpy()
        customers = connection.execute("SELECT count(*) FROM who").fetchall()[0][0]
        products = connection.execute("SELECT count(*) FROM what").fetchall()[0][0]
    start = np.searchsorted(found["row"], np.arange(customers + 1)).astype(np.int32)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    for name, column in (("start", start), ("col", found["col"]), ("orders", found["orders"])):
        np.save(folder / f"{name}.npy", np.ascontiguousarray(column))
    return {"customers": customers, "products": products, "pairs": len(found["col"])}


def sample(shop: str, out: str, customers: int, threads: int) -> dict[str, Any]:
    """The tables of a sample of customers."""
    import shutil

    from regulars.features.sample import take_sample

    folder = Path(out)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return {"told": str(take_sample(Path(shop), _settings(threads), customers, 0, folder))}


def fit(shop: str, out: str, threads: int) -> dict[str, Any]:
    """Our model from the tables of a sample, as the plain files that a bundle holds."""
    from regulars.features.reading import read_shop
    from regulars.models.next_product import NextProductModel
    from regulars.serving.parts import to_files

    begun = time.perf_counter()
    found = read_shop(Path(shop), _settings(threads)).shop
    if found is None:
        sys.exit("nothing could be read")
    read = time.perf_counter() - begun
    model = NextProductModel(threads=threads).fit(found, found.end)
    files = to_files(model.state(), "products")
    for name, content in files.items():
        path = Path(out) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    sizes = {name: len(content) for name, content in files.items()}
    largest = sorted(sizes.items(), key=lambda one: -one[1])[:5]
    return {
        "customers": len(found.customer_ids),
        "lines": len(found.orders),
        "read_seconds": read,
        "bundle_mb": sum(sizes.values()) / 1e6,
        "largest_mb": {name: round(size / 1e6, 1) for name, size in largest},
        "as_of": found.end,
    }


def recommend(shop: str, model: str, out: str, as_of: int, threads: int, stop_after: int | None = None) -> Any:
    """Both lists of everybody; with `stop_after`, the process ends itself without a word after so many customers."""
    import os
    import signal

    from regulars.features.in_parts import Job, rows_in
    from regulars.models.next_product import NextProductModel
    from regulars.serving.parts import from_files
    from regulars.serving.product_parts import write_products

    folder = Path(model)
    files = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    loaded = NextProductModel.from_state(from_files(files, "products")).set_params(threads=threads)
    begun = told = time.perf_counter()
    first: list[int] = []

    def progress(done: int, of: int) -> None:
        nonlocal told
        now = time.perf_counter()
        if done and not first:
            first.append(done)
        if stop_after is not None and done >= stop_after:
            os.kill(os.getpid(), signal.SIGKILL)
        if now - told >= TICK:
            told = now
            print(f"  {done:,} of {of:,} customers after {now - begun:.0f} s", file=sys.stderr, flush=True)

    write_products(Job(Path(shop), _settings(threads), progress=progress), loaded, as_of, Path(out), top=TOP)
    written = Path(out)
    return {
        "customers": rows_in(written),
        "kept": first[0] if first else 0,
        "mb": sum(part.stat().st_size for part in written.glob("part-*")) / 1e6,
    }


def _settings(threads: int) -> Any:
    from regulars.features.settings import Settings

    plain = Settings()
    return plain.model_copy(update={"train": plain.train.model_copy(update={"threads": threads})})


STEPS: dict[str, Callable[..., Any]] = {"matrix": matrix, "sample": sample, "fit": fit, "recommend": recommend}


def measured(step: Callable[..., Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """What a step comes to, and what it took."""
    begun, busy = time.perf_counter(), time.process_time()
    found = step(**arguments)
    return {
        "seconds": time.perf_counter() - begun,
        "processor_seconds": time.process_time() - busy,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
        **found,
    }


if __name__ == "__main__":
    print(json.dumps(measured(STEPS[sys.argv[1]], json.loads(sys.argv[2]))))
