"""Peers of benchmarks/next_product.py and the settings that each is tuned over; see next_product_peers.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import next_product_libraries as libraries
from next_product_methods import Ease, GPTopFreq, ItemKnn, MarkovChain, Method, OverallTop, TifuKnn, UpCf

Settings = Mapping[str, Any]


class Peer(NamedTuple):
    """How to make a method, and the settings to choose from; `heavy` ones need the environment of their own."""

    make: Callable[..., Method]
    grid: Sequence[Settings] = ({},)
    heavy: bool = False


def every(**values: Sequence[Any]) -> list[Settings]:
    """Each combination of the values."""
    return [dict(zip(values, one, strict=True)) for one in product(*values.values())]


PEERS: dict[str, Peer] = {
    "overall_top": Peer(OverallTop),
    "gp_topfreq": Peer(GPTopFreq),
    "markov": Peer(MarkovChain, every(prior=(0.1, 1.0, 10.0, 100.0))),
    "tifu_knn": Peer(TifuKnn),
    "tifu_knn_tuned": Peer(
        TifuKnn,
        [
            *every(groups=(5, 11, 22), between=(0.9,), neighbours=(50, 100, 300, 900), alpha=(0.1, 0.3)),
            *every(groups=(11,), between=(0.7, 1.0), neighbours=(100, 300), alpha=(0.1, 0.3)),
        ],
    ),
    "up_cf": Peer(
        UpCf,
        [
            *every(recency=(5, 0), alpha=(0.0, 0.25, 0.5), locality=(1.0, 3.0, 5.0)),
            *every(recency=(5, 0), alpha=(0.25, 0.5, 0.75), locality=(1.0, 2.0, 3.0), sets=(True,)),
        ],
    ),
    "item_knn": Peer(ItemKnn, every(neighbours=(50, 500), counts=(False, True), own=(False, True))),
    "ease": Peer(Ease, every(penalty=(100.0, 400.0, 1_600.0), counts=(True,))),
    "als": Peer(libraries.Als, every(factors=(64, 128), weight=(1.0, 10.0, 40.0)), heavy=True),
    "bpr": Peer(libraries.Bpr, every(learning_rate=(0.01, 0.05)), heavy=True),
    "sasrec": Peer(libraries.SasRec, heavy=True),
}
