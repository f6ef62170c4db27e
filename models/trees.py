"""Gradient boosted trees as the models here grow them: the same answer on every machine, with any number of threads.

A booster is grown on one thread, and several boosters at once on as many as are allowed. LightGBM's own threads share
every tree between them and wait for each other many times a tree: on a machine that does other work as well, most of
the time goes by in waiting, and sums come out in another order.

Source: Ke et al. 2017, 'LightGBM: A Highly Efficient Gradient Boosting Decision Tree', NeurIPS.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from regulars.models.booster_text import booster_of
from regulars.models.compiled_trees import CompiledTrees
from regulars.models.state import State, text_part

if TYPE_CHECKING:
    import lightgbm as lgb

F64 = NDArray[np.float64]
Inputs = NDArray[np.float32] | F64

FIXED: Mapping[str, Any] = {
    "lambda_l2": 5.0,
    "max_bin": 63,
    "bin_construct_sample_cnt": 50_000,
    "deterministic": True,
    "force_col_wise": True,
    "num_threads": 1,
    "verbose": -1,
}
"""Settings of every booster, unless it says otherwise.

Columns are counted one by one: the same trees to the last bit as row by row, in two thirds of the time, for a tree sees
few of many columns.
"""


@dataclass(frozen=True)
class Growth:
    """What to learn from and how.

    Attributes:
        inputs: (n, columns), NaN where missing.
        target: (n,).
        rounds: number of trees.
        settings: LightGBM's parameters.
        weight: (n,) of the rows; 1 by default.
        group: number of rows of each list in turn, for objectives that rank.
        start: (n,) raw score that the trees add to; it is not in the booster. 0 by default.
    """

    inputs: Inputs
    target: F64
    rounds: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    weight: F64 | None = None
    group: NDArray[np.int64] | None = None
    start: F64 | None = None

    def grow(self) -> lgb.Booster:
        """The booster, read back from its text, so that a stored one is this one to the last bit."""
        import lightgbm as lgb

        settings = {**FIXED, **self.settings}
        data = lgb.Dataset(
            self.inputs, self.target, weight=self.weight, group=self.group, init_score=self.start, params=settings
        )
        return lgb.Booster(model_str=lgb.train(settings, data, num_boost_round=self.rounds).model_to_string())


def grow_all(growths: Sequence[Growth], threads: int) -> list[lgb.Booster]:
    """A booster for each, in order, at most `threads` of them at a time."""
    with ThreadPoolExecutor(max_workers=max(1, threads)) as pool:
        return list(pool.map(Growth.grow, growths))


_compiled: WeakKeyDictionary[lgb.Booster, CompiledTrees] = WeakKeyDictionary()


def compiled(booster: lgb.Booster) -> CompiledTrees:
    """The booster's trees in their fast form, made once."""
    found = _compiled.get(booster)
    if found is None:
        found = _compiled[booster] = CompiledTrees.of(booster)
    return found


def raw_scores(booster: lgb.Booster, inputs: Inputs) -> F64:
    """(n,) sum of the trees, before the objective's link; the same to the last bit whichever way it is found."""
    if inputs.dtype == np.float32:
        return compiled(booster).raw_scores(inputs)
    return np.asarray(booster.predict(inputs, raw_score=True, num_threads=1), dtype=np.float64)


def predictions(booster: lgb.Booster, inputs: Inputs) -> F64:
    """(n,) in the target's unit."""
    return np.asarray(booster.predict(inputs, num_threads=1), dtype=np.float64)


def contributions(booster: lgb.Booster, inputs: Inputs) -> F64:
    """(n, columns) what each column added to the raw score (SHAP values of the trees; Lundberg et al. 2020)."""
    if len(inputs) == 0:  # LightGBM divides by the number of rows
        return np.zeros(inputs.shape)
    return np.asarray(booster.predict(inputs, pred_contrib=True, num_threads=1), dtype=np.float64)[:, :-1]


def texts_of(boosters: Mapping[str, lgb.Booster | None]) -> dict[str, str]:
    """Those that are there, as text parts of a state."""
    return {name: booster.model_to_string() for name, booster in boosters.items() if booster is not None}


def booster_part(state: State, name: str) -> lgb.Booster | None:
    """The booster stored under `name`; None where there is none."""
    return booster_of(text_part(state, name)) if name in state else None
