"""How fast churn is learnt and told: `python benchmarks/churn_speed.py`.

- `OrderTimeModel` fitted on 500,000 snapshot rows of a simulated shop with all tables and features (500,000 is also the
  default of `train.max_snapshot_rows`); the snapshots are made by a step of their own;
- `BgNbd` beside lifetimes' BetaGeoFitter on 100,000 simulated customers, and the log likelihood that each reached;
- a million feature rows in memory scored: churn at 90 days, whole curves, and churn, orders, dates and margin together,
  beside LightGBM as it comes with 300 trees of 31 leaves that tells churn at 90 days.

Every step (`churn_speed_steps.py`) runs in a process of its own. lifetimes needs the environment that quality_peers.py
says how to make; without it it is left out. Figures go to build/bench/churn_speed.json, and are printed as a table.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from next_product_scale import BUILD, child

FOLDER = BUILD / "churn_speed"
PEERS = BUILD / "quality-peers" / "bin" / "python"
WAYS = {
    "lightgbm": "LightGBM, 300 trees of 31 leaves: churn at 90 days",
    "churn": "ours: churn at 90 days",
    "curves": "ours: whole curves",
    "answers": "ours: churn, orders, dates and margin",
}
Found = dict[str, Any]


def step(name: str, script: str = "churn_speed_steps.py", python: str = sys.executable, **asked: Any) -> Found:
    """The figures of one step."""
    done = child(python, script, name, asked, asked["threads"])
    if done.returncode:
        sys.exit(f"{name} ended with {done.returncode}")
    found: Found = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def line(what: str, one: Found, prefix: str, over: Found | None = None) -> None:
    """A row of the table; ratios are of processor seconds, which other programs disturb less."""
    ratio = "" if over is None else f"{one[f'{prefix}processor_seconds'] / over[f'{prefix}processor_seconds']:.2f}"
    seconds, busy = one[f"{prefix}seconds"], one[f"{prefix}processor_seconds"]
    print(f"| {what} | {seconds:.2f} | {busy:.2f} | {one['peak_gb']:.1f} GB | {ratio} |", flush=True)


def race_bgnbd(asked: argparse.Namespace) -> Found:
    """BG/NBD on whole days and on exact times."""
    found: Found = {}
    for days in (True, False):
        path, called = str(FOLDER / f"histories-{days}.npz"), "whole days" if days else "exact times"
        how: Found = {"histories": path, "threads": asked.threads}
        step("histories", out=path, customers=asked.histories, whole_days=days, threads=asked.threads)
        ours = step("bgnbd", repeats=asked.repeats, **how)
        both = {"ours": ours}
        if PEERS.exists():
            script = "churn_speed_peers.py"
            both["lifetimes"] = step("bgnbd", script, str(PEERS), repeats=asked.repeats, **how)
            line(f"lifetimes: BG/NBD, {called}", both["lifetimes"], "fit_")
        line(f"ours: BG/NBD, {called}", ours, "fit_", both.get("lifetimes"))
        of = {name: one["parameters"] for name, one in both.items() if one["parameters"]}
        found[called] = both | step("likelihood", of=of, **how)
        print(f"  log likelihood: {found[called]['log_likelihood']}")
    return found


def race_scores(asked: argparse.Namespace) -> Found:
    """The fit, and scores with what it gave."""
    threads, paths = asked.threads, {name: str(FOLDER / f"{name}.pickle") for name in ("snapshots", "model", "value")}
    shop = str(FOLDER / f"shop-{asked.customers}")
    step("simulate", shop=shop, customers=asked.customers, threads=threads)
    found: Found = {"snapshots": step("snapshots", shop=shop, out=paths["snapshots"], most=asked.rows, threads=threads)}
    line(f"snapshots: {found['snapshots']['rows']:,} rows, reading included", found["snapshots"], "")
    found["fit"] = step("fit", snapshots=paths["snapshots"], out=paths["model"], threads=threads)
    line("ours: fit", found["fit"], "fit_")
    where: Found = {"snapshots": paths["snapshots"], "threads": threads}
    step("fit_value", model=paths["model"], out=paths["value"], **where)
    stock = str(FOLDER / "stock.txt")
    found["stock"] = step("fit_lightgbm", snapshots=paths["snapshots"], out=stock, threads=1)
    where |= {"model": paths["model"], "value": paths["value"], "stock": stock, "repeats": asked.repeats}
    for way, called in WAYS.items():
        found[way] = step("score", way=way, customers=asked.scored, **where)
        line(called, found[way], "score_", found["lightgbm"])
    return found


def main(words: Sequence[str] | None = None) -> int:
    """Races."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=50_000, help="of the simulated shop")
    parser.add_argument("--rows", type=int, default=500_000, help="snapshot rows at most")
    parser.add_argument("--histories", type=int, default=100_000, help="customers of BG/NBD")
    parser.add_argument("--scored", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args(words)
    Path(FOLDER).mkdir(parents=True, exist_ok=True)
    print("| what | seconds | processor seconds | peak memory | over the peer |\n|---|---|---|---|---|", flush=True)
    found = {"bgnbd": race_bgnbd(asked)} | race_scores(asked)
    (BUILD / "churn_speed.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
