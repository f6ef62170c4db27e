"""The compiled walk of trees beside LightGBM's own, one thread each: `python benchmarks/trees.py`.

Boosters of 80 to 300 trees of 31 leaves on 50 columns, a tenth of the values missing, as in peers' measurements; a
batch of 100,000 rows, and 240 rows, which are one customer's candidates. The two take turns, and the least of each
counts. The sums are compared to the last bit.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import lightgbm as lgb
import numpy as np

from regulars.models.compiled_trees import CompiledTrees

ROUNDS = 5


def least(each: list[Callable[[], Any]]) -> list[float]:
    """The least seconds of each, taking turns."""
    found = [np.inf] * len(each)
    for _ in range(ROUNDS):
        for i, work in enumerate(each):
            start = time.perf_counter()
            work()
            found[i] = min(found[i], time.perf_counter() - start)
    return found


def main() -> None:
    """Prints microseconds a row and their ratio."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(100_000, 50)).astype(np.float32)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    signal = np.nan_to_num(rows)
    target = signal[:, 0] + signal[:, 1] * signal[:, 2] + np.sin(3 * signal[:, 3]) + rng.normal(size=len(rows)) > 0
    how = {"objective": "binary", "num_leaves": 31, "max_bin": 63, "num_threads": 2, "verbose": -1}
    for trees in (80, 200, 300):
        booster = lgb.train(how, lgb.Dataset(rows, target.astype(float)), trees)
        compiled = CompiledTrees.of(booster)
        for count in (len(rows), 240):
            some = rows[:count]
            ways = [lambda: booster.predict(some, raw_score=True, num_threads=1), lambda: compiled.raw_scores(some)]  # noqa: B023
            same = np.array_equal(ways[0](), ways[1]())
            theirs, ours = (seconds / count * 1e6 for seconds in least(ways))
            words = "the same sums" if same else "OTHER SUMS"
            print(
                f"{trees} trees, {count:,} rows: LightGBM {theirs:.1f} us a row, compiled {ours:.1f} us, "
                f"{theirs / ours:.1f} times as fast, {words}",
                flush=True,
            )


if __name__ == "__main__":
    main()
