"""The trees that put a customer's candidates in order, and say how likely each is.

Two rankers learn from customers who came in the label window: one whether a candidate is bought, the other (LambdaRank)
which of a customer's candidates belong on top. The calibrator turns both scores into the chance that the product is
bought in the window at all, which also depends on whether the customer comes. It is fitted on other customers, with and
without purchases, and its answer may only rise with either score. Candidates are ordered by that chance, and where it
is the same (trees answer in steps) by the sum of the two scores, each divided by its spread.

Source: Burges 2010, 'From RankNet to LambdaRank to LambdaMART: an overview', Microsoft Research TR-2010-82.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from regulars.features.baskets import run_starts
from regulars.features.shop import I64
from regulars.models.ranking_table import NAMES
from regulars.models.trees import Growth, grow_all, raw_scores

if TYPE_CHECKING:
    import lightgbm

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Flags = NDArray[np.bool_]

POINTWISE: Mapping[str, Any] = {"objective": "binary"}
LISTWISE: Mapping[str, Any] = {"objective": "lambdarank", "lambdarank_truncation_level": 20}
CALIBRATOR: Mapping[str, Any] = {"objective": "binary", "num_leaves": 15, "learning_rate": 0.1}
CALIBRATOR_TREES = 100
CALIBRATED_ON = ("baskets", "quiet_days", "basket_gap_days", "basket_size", "baskets_lately")
"""Habits that say whether a customer comes, and how much they then take."""
CALIBRATING_NEGATIVES = 0.2
"""Share of the candidates not bought that the calibrator sees."""
LEAST_POSITIVES = 50
"""Bought candidates below which nothing is learnt, and counts alone answer."""


@dataclass(frozen=True)
class TrainingRows:
    """Candidates of one moment: ranking table, label, the customer's place, what they bought, and who calibrates."""

    table: F32
    label: Flags
    customer: I64
    bought: I64
    calibrates: Flags


class Growing(NamedTuple):
    """How the rankers are grown; `negatives` is the share of the candidates not bought that each sees."""

    trees: int
    learning_rate: float
    leaves: int
    negatives: float
    seed: int
    threads: int

    def settings(self, rows: int) -> dict[str, Any]:
        """LightGBM's parameters for so many rows."""
        return {
            "num_leaves": self.leaves,
            "learning_rate": self.learning_rate,
            "feature_fraction": 0.3,
            "min_data_in_leaf": max(5, min(200, rows // 500)),
            "lambda_l2": 10.0,
            "bagging_fraction": 0.7,
            "bagging_freq": 1,
            "max_bin": 63,
            "seed": self.seed,
        }


@dataclass(frozen=True)
class Rankers:
    """Both rankers, the spread of their scores, and the calibrator."""

    pointwise: lightgbm.Booster
    listwise: lightgbm.Booster
    spreads: tuple[float, float]
    calibrator: lightgbm.Booster

    @classmethod
    def learn(cls, parts: Sequence[TrainingRows], how: Growing, rng: np.random.Generator) -> Self | None:
        """Rankers and calibrator; None where there is too little to learn from."""
        if sum(int(part.label.sum()) for part in parts) < LEAST_POSITIVES:
            return None
        rows = _joined(parts)
        ranks, calibrates = np.flatnonzero(~rows.calibrates), np.flatnonzero(rows.calibrates)
        if not rows.label[ranks].any() or not rows.label[calibrates].any():
            return None
        growths = [
            _growth(rows, kind, how, ranks[rows.label[ranks] | (rng.random(len(ranks)) < how.negatives)])
            for kind in (POINTWISE, LISTWISE)
        ]
        pointwise, listwise = grow_all(growths, how.threads)
        table, label = rows.table[calibrates], rows.label[calibrates]
        scores = (raw_scores(pointwise, table), raw_scores(listwise, table))
        spreads = (max(float(scores[0].std()), 1e-9), max(float(scores[1].std()), 1e-9))
        inputs = _calibrator_inputs(scores, table)
        settings = {**how.settings(len(label)), "feature_fraction": 1.0, **CALIBRATOR}
        settings["monotone_constraints"] = [1, 1] + [0] * (inputs.shape[1] - 2)
        weight = _weight(label, CALIBRATING_NEGATIVES)
        target = label.astype(np.float64)
        calibrator = Growth(inputs, target, CALIBRATOR_TREES, settings, weight / weight.mean()).grow()
        return cls(pointwise, listwise, spreads, calibrator)

    def first_scores(self, table: F32) -> F64:
        """(rows,) of the first ranker alone, which is enough to tell who is far from the top."""
        return raw_scores(self.pointwise, table)

    def answers(self, table: F32, first_scores: F64) -> tuple[F64, F64]:
        """(rows,) the chance of each candidate to be bought in the window, and what orders those of the same chance."""
        scores = (first_scores, raw_scores(self.listwise, table))
        raw = raw_scores(self.calibrator, _calibrator_inputs(scores, table))
        return 1.0 / (1.0 + np.exp(-raw)), scores[0] / self.spreads[0] + scores[1] / self.spreads[1]


def _joined(parts: Sequence[TrainingRows]) -> TrainingRows:
    """The rows of all moments; a customer who is there at several is another one at each."""
    table, label, customer, bought, calibrates = (
        np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(TrainingRows)
    )
    moment = np.repeat(np.arange(len(parts)), [len(part.label) for part in parts])
    return TrainingRows(table, label, customer * len(parts) + moment, bought, calibrates)


def _growth(rows: TrainingRows, kind: Mapping[str, Any], how: Growing, some: I64) -> Growth:
    """One of the rankers, on some of the rows; those are sorted by moment and customer."""
    label, settings = rows.label[some], {**how.settings(len(some)), **kind}
    if kind is LISTWISE:
        customer = rows.customer[some]
        lists = np.diff(np.append(run_starts(customer), len(customer)))
        return Growth(rows.table[some], label.astype(np.float64), how.trees, settings, group=lists)
    # A large basket says more than a small one, and less than its number of products.
    weight = _weight(label, how.negatives) / np.sqrt(rows.bought[some])
    return Growth(rows.table[some], label.astype(np.float64), how.trees, settings, weight / weight.mean())


def _weight(label: Flags, kept: float) -> F64:
    """What rows count: those not bought stand for the others like them that were left out."""
    return np.where(label, 1.0, 1.0 / kept)


def _calibrator_inputs(scores: tuple[F64, F64], table: F32) -> F32:
    """Both rankers' scores, whether the product is new, and the customer's habits."""
    columns = [NAMES.index("new"), *(NAMES.index(f"customer_{name}") for name in CALIBRATED_ON)]
    inputs = np.empty((len(table), len(scores) + len(columns)), dtype=np.float32)
    for place, score in enumerate(scores):
        inputs[:, place] = score
    inputs[:, len(scores) :] = table[:, columns]
    return inputs
