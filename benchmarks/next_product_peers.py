"""Peers of benchmarks/next_product.py, each in a process of its own: `python next_product_peers.py NAME FOLDER`.

FOLDER holds inputs.npz, what was known before the moment (`next_product_data.Case.inputs`), and gets NAME.npz: for each
customer asked about, 20 products that they will buy (`all`) and 20 that they will buy for the first time (`new`: the
same ranking without what they bought before). The last line printed is JSON: seconds, the settings chosen and what was
tried.

A peer that has settings is tuned: it is fitted one horizon before the moment on each of a small grid of settings, and
the one with the best recall at 10 of what was bought in that horizon, by at most 2,000 customers, is fitted anew on
everything. So no choice has seen the window that is reported.

implicit and RecTools need other releases than Regulars does, so they have an environment of their own (where torch is
to be the CPU build, install that first):

    python3 -m venv build/bench/next-product-peers
    build/bench/next-product-peers/bin/pip install implicit 'rectools[torch]'
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from next_product_grids import PEERS, Peer, Settings
from next_product_methods import NOTHING, Array, History, Method, best, bought_before

from regulars.training.ranking_metrics import recall_at_k

TOP = 20
CHUNK = 512
"""Customers scored at a time."""
VALIDATED_ON = 2_000
"""Customers at most in the window that settings are chosen on."""


class Validation(NamedTuple):
    """One horizon earlier: what was known, and what some of those who came then bought."""

    history: History
    customers: Array
    indptr: Array
    items: Array

    @classmethod
    def of(cls, history: History, horizon_days: float, most: int = VALIDATED_ON) -> Validation:
        """The last horizon of a history as the window."""
        before = history.before(-horizon_days)
        known = history.known
        later = known.day >= -horizon_days
        pairs = np.unique(np.column_stack([known.customer[later], known.product[later]]), axis=0)
        customers = np.intersect1d(before.buyers, pairs[:, 0])
        if len(customers) > most:
            customers = np.sort(np.random.default_rng(0).permutation(customers)[:most])
        pairs = pairs[np.isin(pairs[:, 0], customers)]
        return cls(before, customers, np.append(np.searchsorted(pairs[:, 0], customers), len(pairs)), pairs[:, 1])

    def recall(self, method: Method) -> float:
        """Mean recall at 10."""
        lists = np.concatenate([best(scores, 10) for scores in scored(method.fit(self.history), self.customers)])
        return float(np.nanmean(recall_at_k(lists, self.indptr, self.items, 10)))


def scored(method: Method, customers: Array) -> Iterator[Array]:
    """Scores by chunk of customers."""
    for begin in range(0, len(customers), CHUNK):
        yield method.scores(customers[begin : begin + CHUNK])


def lists_of(method: Method, history: History, customers: Array) -> dict[str, Array]:
    """The best products, and the best of those not bought before."""
    every, new = [], []
    bought = bought_before(history, customers)
    for i, scores in enumerate(scored(method, customers)):
        every.append(best(scores, TOP))
        held = bought[i * CHUNK : i * CHUNK + len(scores)].nonzero()
        left = scores.copy()
        left[held] = NOTHING
        new.append(best(left, TOP))
    return {"all": np.concatenate(every), "new": np.concatenate(new)}


def chosen(peer: Peer, history: History, horizon_days: float) -> tuple[Settings, list[tuple[Settings, float]]]:
    """The settings that did best one horizon earlier (the first of equals), and all that were tried."""
    if len(peer.grid) == 1:
        return peer.grid[0], []
    validation = Validation.of(history, horizon_days)
    tried = []
    for settings in peer.grid:
        tried.append((settings, validation.recall(peer.make(**settings))))
        print(f"{settings}: {tried[-1][1]:.4f}", file=sys.stderr, flush=True)
    return max(tried, key=lambda one: one[1])[0], tried


def main() -> None:
    """Asks one peer."""
    name, folder = sys.argv[1], Path(sys.argv[2])
    warnings.simplefilter("ignore")
    with np.load(folder / "inputs.npz") as told:
        history, customers, horizon = History.read(told), told["asked"], float(told["horizon_days"])
    peer = PEERS[name]
    begun = time.perf_counter()
    settings, tried = chosen(peer, history, horizon)
    tuned = time.perf_counter()
    method = peer.make(**settings).fit(history)
    fitted = time.perf_counter()
    lists = lists_of(method, history, customers)
    seconds = {
        "tune_seconds": tuned - begun,
        "fit_seconds": fitted - tuned,
        "recommend_seconds": time.perf_counter() - fitted,
    }
    with (folder / f"{name}.npz.part").open("wb") as file:
        np.savez_compressed(file, **lists)
    (folder / f"{name}.npz.part").replace(folder / f"{name}.npz")
    print(json.dumps(seconds | {"settings": settings, "tried": tried}))


if __name__ == "__main__":
    main()
