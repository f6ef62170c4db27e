"""How fast features are made, as ratios to what any machine does in the same minutes: `python benchmarks/features.py`.

On a generated shop (or `--shop DIR`, a folder of the simulator), all order-based features at monthly cutoffs, from the
Parquet file to a Parquet file:

- the floor: DuckDB reads the same file and sorts it by customer and time (into a table, or an Arrow table: the faster);
- ours: `regulars features`;
- the same columns as hand-written SQL (`feature_sql.py`, the plain way and a tuned one), which judges the numbers too:
  where one differs, the run says customer, cutoff, column and both values, and ends with exit code 1;
- at sizes that they can bear: pandas as people write it, and featuretools and tsfresh, whose columns are of their own.

Then one customer: from pandas frames to the feature row.

Everything runs on two threads in a process of its own, one after the other, ours and the floor in turns. Seconds are
those of the wall, from when libraries are imported until the result is there; beside them stand the seconds of the
processor, which mean more on a machine that does other things. featuretools and tsfresh need an environment of their
own; `feature_peers.py` says how to make it, and without it they are skipped. Figures go to build/bench/features.json,
and as a table to build/bench/features.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import feature_sql
from feature_data import THREADS, shop_folder
from feature_report import Measured, Report

from regulars.features.families import FAMILIES
from regulars.features.settings import Settings
from regulars.features.shop import as_time

HERE = Path(__file__).resolve().parent
BUILD = HERE.parent / "build" / "bench"
PEERS = BUILD / "peers" / "bin" / "python"
"""The environment of featuretools and tsfresh."""
OWN_TABLES = {"orders", "products"}
"""Tables of order-based features."""
PANDAS_SIZE, PANDAS_CUTOFFS = (1_000_000, 50_000), 12
PEER_SIZE, PEER_CUTOFFS = (50_000, 2_500), 3
"""Lines, customers and cutoffs for pandas, and for featuretools and tsfresh."""
SKIPPABLE = ("plain", "tuned", "pandas", "featuretools", "tsfresh", "one")


class Shop:
    """A shop on disk and the cutoffs at which its features are made."""

    def __init__(self, folder: Path, cutoffs: int) -> None:
        self.folder = folder
        one = folder / "orders.parquet"
        self.orders = str(one if one.exists() else folder / "orders" / "*.parquet")
        query = f"SELECT count(*), count(DISTINCT customer_id), max(ordered_at) FROM '{self.orders}'"
        self.lines, self.customers, last = duckdb.sql(query).fetchall()[0]
        months = (
            f"SELECT date_trunc('month', TIMESTAMP '{last}')::TIMESTAMP - to_months(range::INT) FROM range({cutoffs})"
        )
        self.cutoffs = sorted(row[0].strftime("%Y-%m-%d") for row in duckdb.sql(months).fetchall())

    def measured(self, what: str, cutoffs: int) -> Measured:
        """A row of the table for this shop."""
        return Measured(what, self.lines, self.customers, cutoffs)


def step(name: str, **arguments: Any) -> dict[str, Any]:
    """What a step of `feature_steps.py` came to, in a process of its own."""
    command = [sys.executable, str(HERE / "feature_steps.py"), name, json.dumps(arguments)]
    return _child(command)


def _child(command: list[str]) -> dict[str, Any]:
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found | {"process_seconds": time.perf_counter() - start}


def order_based() -> list[str]:
    """Names of the families that have features of orders and products alone."""
    windows = Settings().features.windows_days
    return [
        family.name
        for family in FAMILIES
        if any({name.split(".")[0] for name in one.needs} <= OWN_TABLES for one in family.features(windows))
    ]


def run_ours(shop: Shop, cutoffs: int, families: list[str]) -> tuple[dict[str, Any], Path]:
    """Time `regulars features` (without families: all of them); the figures, and where the table is."""
    out = _empty("ours") / "features"
    found = step("ours", shop=str(shop.folder), cutoffs=shop.cutoffs[-cutoffs:], out=str(out), families=families)
    rows = duckdb.sql(f"SELECT count(*) FROM '{out}/*.parquet'").fetchall()[0][0]
    return found | {"rows": rows, "columns": len(names_in(out))}, out


def names_in(table: Path) -> list[str]:
    """Names of the features in a folder of Parquet parts."""
    described = duckdb.sql(f"DESCRIBE FROM '{table}/*.parquet'").fetchall()
    return [row[0] for row in described if row[0] not in {"customer_id", "as_of"}]


def _empty(name: str) -> Path:
    folder = BUILD / "out" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def race(report: Report, shop: Shop, counts: list[int], ways: list[str], repeats: int) -> None:
    """The floor, ours at each number of cutoffs, in turns; then SQL, which judges what ours last wrote."""
    ours = {count: shop.measured("ours", count) for count in counts}
    floors = {name: shop.measured(name, 0) for name in ("floor_table", "floor_arrow")}
    everything = shop.measured("ours, all families", counts[0])
    for _ in range(repeats):
        for name, floor in floors.items():
            floor.add(step(name, orders=shop.orders))
        for count, measured in reversed(ours.items()):
            found, table = run_ours(shop, count, order_based())
            measured.add(found)
            print(f"  {measured}", flush=True)
    report.add(*floors.values(), *ours.values())
    names = names_in(table)
    report.left_out += sorted({name for name in names if name not in feature_sql.FEATURES} - set(report.left_out))
    moments = {count: [as_time(cutoff) for cutoff in shop.cutoffs[-count:]] for count in counts}
    columns = [name for name in feature_sql.FEATURES if name in names]
    for way in ways:
        for count in counts[::-1]:
            out = _empty(way)
            measured = shop.measured(f"sql, {way}", count)
            measured.add(
                step("sql", way=way, orders=shop.orders, cutoffs=moments[count], columns=columns, out=str(out))
            )
            print(f"  {measured}", flush=True)
            report.add(measured)
        report.judge(way, feature_sql.disagreements(table, out, moments[counts[0]]))
    if (shop.folder / "support.parquet").exists():
        everything.add(run_ours(shop, counts[0], [])[0])
        report.add(everything)


def race_pandas(report: Report, shop: Shop, repeats: int) -> None:
    """Ours and pandas on a shop that pandas can bear; pandas' numbers are judged too."""
    ours, pandas = shop.measured("ours", PANDAS_CUTOFFS), shop.measured("pandas", PANDAS_CUTOFFS)
    for _ in range(repeats):
        found, table = run_ours(shop, PANDAS_CUTOFFS, order_based())
        ours.add(found)
    out = _empty("pandas") / "features.parquet"
    pandas.add(step("pandas", orders=shop.orders, cutoffs=shop.cutoffs, out=str(out)))
    print(f"  {ours}\n  {pandas}", flush=True)
    report.add(ours, pandas)
    report.judge("pandas", feature_sql.disagreements(table, out, [as_time(cutoff) for cutoff in shop.cutoffs]))


def race_peers(report: Report, shop: Shop, names: list[str], repeats: int) -> None:
    """Ours beside featuretools and tsfresh on a shop that they can bear."""
    if not PEERS.exists():
        report.notes.append(
            f"{' and '.join(names)} skipped: {PEERS} is not there; feature_peers.py says how to make it"
        )
        return
    ours = shop.measured("ours", PEER_CUTOFFS)
    for _ in range(repeats):
        ours.add(run_ours(shop, PEER_CUTOFFS, order_based())[0])
    report.add(ours)
    for name in names:
        measured = shop.measured(name, PEER_CUTOFFS)
        measured.add(_child([str(PEERS), str(HERE / "feature_peers.py"), name, shop.orders, *shop.cutoffs]))
        print(f"  {measured}", flush=True)
        report.add(measured)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=10_000_000)
    parser.add_argument("--customers", type=int, help="default: one for 20 lines")
    parser.add_argument("--cutoffs", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=3, help="of ours and the floor; all others run once")
    parser.add_argument("--shop", type=Path, help="a folder with orders.parquet, in place of a generated one")
    parser.add_argument("--skip", nargs="*", default=[], choices=SKIPPABLE)
    parser.add_argument("--calls", type=int, default=300, help="calls for one customer")
    return parser.parse_args()


def main() -> int:
    asked = arguments()
    report = Report(THREADS)
    print(report.machine, flush=True)
    # A first run on a small shop compiles the kernels, which Numba keeps on disk.
    run_ours(Shop(shop_folder(BUILD, 20_000, 1_000), 2), 2, [])
    folder = asked.shop or shop_folder(BUILD, asked.lines, asked.customers or max(asked.lines // 20, 1))
    ways = [way for way in feature_sql.WAYS if way not in asked.skip]
    race(report, Shop(folder, asked.cutoffs), sorted({asked.cutoffs, 1}, reverse=True), ways, asked.repeats)
    if "pandas" not in asked.skip:
        race_pandas(report, Shop(shop_folder(BUILD, *PANDAS_SIZE), PANDAS_CUTOFFS), asked.repeats)
    peers = [name for name in ("featuretools", "tsfresh") if name not in asked.skip]
    if peers:
        race_peers(report, Shop(shop_folder(BUILD, *PEER_SIZE), PEER_CUTOFFS), peers, asked.repeats)
    if "one" not in asked.skip:
        report.one = step("one", calls=asked.calls)["ways"]
    shutil.rmtree(BUILD / "out", ignore_errors=True)
    print(report.text())
    report.write(BUILD)
    return 1 if report.disagreements else 0


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", str(THREADS))
    sys.exit(main())
