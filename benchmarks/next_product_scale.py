"""Next products for everybody of a large shop, on two cores: `python benchmarks/next_product_scale.py`.

On one generated shop (`next_product_shop.py`), from its Parquet files on:

- ours: a sample of customers is taken (`--sample`), `NextProductModel` fitted on it, and both lists of ten (what they
  will buy, what they will buy for the first time) written for everybody, with chances and dates, as Parquet parts; the
  size of the model's plain files; with `--stop`, the run is killed after that share of the customers, called again, and
  every part compared with those of a run that was left alone;
- implicit's ALS (64 factors, 15 iterations) and item-kNN (cosine): fitted on everybody's purchases, and both lists of
  ten for everybody, as ids in an array.

The default is a shop that takes a minute or two. The size that the page tells of:

    python benchmarks/next_product_scale.py --customers 1000000 --products 50000 --lines 50000000

Every step runs in a process of its own, on `--threads` threads, so that its peak of memory is its own. Figures go to
build/bench/next_product_scale.json, and as a table to build/bench/next_product_scale.md; finished steps are not
repeated there with `--go-on`. implicit needs the environment that `next_product_peers.py` says how to make; without it
peers are left out.
"""

from __future__ import annotations

import argparse
import filecmp
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from next_product_shop import Size, shop_folder

HERE = Path(__file__).resolve().parent
BUILD = HERE.parent / "build" / "bench"
PEERS = BUILD / "next-product-peers" / "bin" / "python"
METHODS = ("ours", "als", "item-knn")
NAMES = {"als": "ALS (implicit)", "item-knn": "item-kNN (implicit)"}
WARM = Size(1_500, 300, 40_000)
"""A shop on which compiled code is made before anything is measured."""

Found = dict[str, Any]


def child(python: str, script: str, name: str, arguments: Found, threads: int) -> subprocess.CompletedProcess[str]:
    """A step in a process of its own; what it says on the way is shown."""
    limits = {f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "NUMBA")} | {"OPENBLAS_NUM_THREADS": "1"}
    command = [python, str(HERE / script), name, json.dumps(arguments)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, env=os.environ | limits)


class Steps:
    """Runs steps and keeps what they came to."""

    def __init__(self, size: Size, threads: int, *, go_on: bool) -> None:
        self.threads = threads
        self.kept = BUILD / "next_product_scale" / f"{size.name}.json"
        self.kept.parent.mkdir(parents=True, exist_ok=True)
        self.found: dict[str, Found] = json.loads(self.kept.read_text()) if go_on and self.kept.exists() else {}

    def run(self, name: str, python: str, script: str, step: str, **arguments: Any) -> Found:
        """The figures of one step."""
        if name not in self.found:
            done = child(python, script, step, {**arguments, "threads": self.threads}, self.threads)
            if done.returncode:
                sys.exit(f"{name} ended with {done.returncode}")
            self.found[name] = json.loads(done.stdout.strip().splitlines()[-1])
            self.kept.write_text(json.dumps(self.found, indent=1))
            one = self.found[name]
            print(f"  {name}: {one['seconds']:.0f} s, {one['peak_gb']:.2f} GB", flush=True)
        return self.found[name]

    def ours(self, name: str, step: str, **arguments: Any) -> Found:
        """One of our own steps."""
        return self.run(name, sys.executable, "next_product_scale_steps.py", step, **arguments)


def race_ours(steps: Steps, shop: Path, work: Path, sample: int, stop: float | None) -> None:
    """Sample, fit, and lists for everybody; then, if asked, the same again with a kill in between."""
    steps.ours("sample", "sample", shop=str(shop), out=str(work / "sample"), customers=sample)
    fitted = steps.ours("fit", "fit", shop=str(work / "sample"), out=str(work / "model"))
    asked: Found = {"shop": str(shop), "model": str(work / "model"), "as_of": fitted["as_of"]}
    alone = steps.ours("recommend", "recommend", out=str(work / "lists"), **asked)
    if stop is not None:
        killed = {**asked, "out": str(work / "again"), "stop_after": int(stop * alone["customers"])}
        done = child(
            sys.executable,
            "next_product_scale_steps.py",
            "recommend",
            {**killed, "threads": steps.threads},
            steps.threads,
        )
        if done.returncode != -9:
            sys.exit(f"the run was to be killed, and ended with {done.returncode}")
        steps.ours("gone on with", "recommend", out=str(work / "again"), **asked)
        steps.found["gone on with"]["same"] = same(work / "lists", work / "again")


def same(one: Path, other: Path) -> bool:
    """Whether two folders hold the same files, byte for byte."""
    names = sorted(path.name for path in one.iterdir())
    if names != sorted(path.name for path in other.iterdir()):
        return False
    return not any(filecmp.cmpfiles(one, other, names, shallow=False)[1:])


def race_peers(steps: Steps, shop: Path, work: Path, names: Sequence[str]) -> None:
    """The matrix of purchases, and each peer on it."""
    if not names:
        return
    if not PEERS.exists():
        print(f"{' and '.join(names)} left out: {PEERS} is not there; next_product_peers.py says how to make it")
        return
    steps.ours("matrix", "matrix", shop=str(shop), out=str(work / "matrix"))
    for name in names:
        script, out = "next_product_scale_peers.py", str(work / f"{name}.npy")
        steps.run(name, str(PEERS), script, name, matrix=str(work / "matrix"), out=out)


def table(found: dict[str, Found], size: Size) -> str:
    """Markdown of what was measured."""
    rows = ["| what | seconds | processor seconds | peak memory | customers a second |", "|---|---|---|---|---|"]

    def row(what: str, one: Found, prefix: str = "", rate: bool = False) -> None:
        seconds, busy = one[f"{prefix}seconds"], one[f"{prefix}processor_seconds"]
        pace = f"{one['customers'] / seconds:,.0f}" if rate else ""
        peak = f"{one['peak_gb']:.1f} GB"
        rows.append(f"| {what} | {seconds:,.0f} | {busy:,.0f} | {peak} | {pace} |")

    lines: list[tuple[str, Callable[[Found], None]]] = [
        ("sample", lambda one: row(f"ours: {one['told']}", one)),
        ("fit", lambda one: row(f"ours: fit on {one['lines']:,} lines, reading included", one)),
        ("recommend", lambda one: row("ours: both lists of everybody, from Parquet to Parquet", one, rate=True)),
        ("matrix", lambda one: row("for the peers: Parquet to a matrix of purchases (DuckDB)", one)),
    ]
    for name, tell in lines:
        if name in found:
            tell(found[name])
    for name, called in NAMES.items():
        if name in found:
            row(f"{called}: fit", found[name], "fit_")
            row(f"{called}: both lists of everybody, ids alone", found[name], "recommend_", rate=True)
    told = [f"{size}.", "", *rows, ""]
    if "fit" in found:
        one = found["fit"]
        largest = ", ".join(f"{name} {size}" for name, size in one["largest_mb"].items())
        told.append(f"Model as plain files: {one['bundle_mb']:.0f} MB (largest, MB: {largest}).")
    if again := found.get("gone on with"):
        how = "byte for byte the same" if again.get("same") else "NOT the same"
        told.append(f"Killed after {again['kept']:,} customers and called again: {again['seconds']:.0f} s, {how}.")
    return "\n".join(told) + "\n"


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=5_000)
    parser.add_argument("--products", type=int, default=1_000)
    parser.add_argument("--lines", type=int, default=250_000)
    parser.add_argument("--sample", type=int, default=100_000, help="customers that ours is fitted on at most")
    parser.add_argument("--methods", nargs="*", default=METHODS, choices=METHODS)
    parser.add_argument("--stop", type=float, help="kill a second run after this share of the customers, and go on")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--go-on", action="store_true", help="keep the steps of this size that an earlier run finished")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Races."""
    asked = arguments(words)
    size = Size(asked.customers, asked.products, asked.lines)
    warm = BUILD / "next_product_scale" / WARM.name
    if "ours" in asked.methods:
        race_ours(Steps(WARM, asked.threads, go_on=False), shop_folder(BUILD, WARM), warm, WARM.customers, None)
    print(f"{size}", flush=True)
    steps, work = Steps(size, asked.threads, go_on=asked.go_on), BUILD / "next_product_scale" / size.name
    shop = shop_folder(BUILD, size)
    if "ours" in asked.methods:
        race_ours(steps, shop, work, asked.sample, asked.stop)
    race_peers(steps, shop, work, [name for name in asked.methods if name != "ours"])
    told = table(steps.found, size)
    print(told)
    (BUILD / "next_product_scale.md").write_text(told, encoding="utf-8")
    (BUILD / "next_product_scale.json").write_text(json.dumps(steps.found, indent=1), encoding="utf-8")
    again = steps.found.get("gone on with")
    return 1 if again and not again["same"] else 0


if __name__ == "__main__":
    sys.exit(main())
