"""How fast further orders follow, once a customer has ordered again.

A curve says when the next order comes; how many come in all depends on the pace of those behind it, which differs more
between customers than anything else: who has bought once in a year and comes back once more is not somebody who buys
every week. The buy-till-you-die model knows each customer's rate from their own history, after a month of data as
after years. Two numbers correct it by what the shop's past shows: a level, and how far apart paces lie. Trees, which
see all features, take over as far as the shop has taught them anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from regulars.features.table import FeatureTable
from regulars.models.bgnbd import BgNbd
from regulars.models.curves import OrderCurves
from regulars.models.hazard_rows import OrderLabels, histories
from regulars.models.linear_hazard import OVERLAP, PRIOR_SD

F64 = NDArray[np.float64]

PRIOR_DAYS = 30.0
"""Days of watching added to each customer's when trees learn the pace, so that one quick second order is no habit."""
HALF_YEAR = 180.0
"""Days in which the buy-till-you-die pace gives the orders that the model itself expects."""
SLOWEST = 1e-9
"""Orders a day; nobody is slower, so that a pace has a logarithm."""
STEPS = 25


def bgnbd_pace(model: BgNbd, table: FeatureTable, curves: OrderCurves) -> F64:
    """(n,) orders a day behind the next one: with it the model's curves expect half a year's orders as the model does.

    Args:
        model: fitted.
        table: (n) customers at moments.
        curves: (n) the model's own; their pace is not read.
    """
    wanted = model.expected_orders(*histories(table), HALF_YEAR)
    further = wanted - (1 - curves.churn(HALF_YEAR))
    return np.maximum(further / np.maximum(curves.days_after_next(HALF_YEAR), 1e-9), SLOWEST)


@dataclass(frozen=True)
class PaceLine:
    """The logarithm of a pace plus `level`, and `slope` times its distance from `centre`."""

    centre: float
    level: float
    slope: float

    @classmethod
    def fit(cls, pace: F64, labels: OrderLabels) -> Self:
        """The correction that further orders ask for: a Poisson regression with a prior around none.

        Args:
            pace: (n,) orders a day, by the buy-till-you-die model.
            labels: (n) what came after each row; rows without a next order say nothing.
        """
        came = labels.further_days > 0
        if not came.any():
            return cls(0.0, 0.0, 0.0)
        log_pace, orders = np.log(pace[came]), labels.further_orders[came]
        centre, spread = float(log_pace.mean()), float(log_pace.std()) or 1.0
        x = np.stack([np.ones(len(log_pace)), (log_pace - centre) / spread])
        expected, found = pace[came] * labels.further_days[came], np.zeros(2)
        for _ in range(STEPS):
            mean = expected * np.exp(found[0] + found[1] * x[1])
            gradient = (x * (orders - mean)).sum(axis=1) / OVERLAP - found / PRIOR_SD**2
            curve = (x[:, None] * x * mean).sum(axis=2) / OVERLAP + np.eye(2) / PRIOR_SD**2
            step = np.clip(np.linalg.solve(curve, gradient), -1, 1)
            found = found + step
            if np.abs(step).max() < 1e-9:
                break
        return cls(centre, float(found[0]), float(found[1]) / spread)

    def of(self, pace: F64) -> F64:
        """(n,) paces, corrected."""
        log_pace = np.log(pace)
        return np.asarray(np.exp(log_pace + self.level + self.slope * (log_pace - self.centre)))

    def to_dict(self) -> dict[str, float]:
        """As plain numbers, for JSON."""
        return {"centre": self.centre, "level": self.level, "slope": self.slope}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Self:
        """What `to_dict` described."""
        return cls(saved["centre"], saved["level"], saved["slope"])


def pooled(by_line: F64, by_trees: F64, trees_weight: float) -> F64:
    """(n,) geometric mean of two paces, the trees' counting by their weight."""
    logs = (1 - trees_weight) * np.log(by_line) + trees_weight * np.log(np.maximum(by_trees, SLOWEST))
    return np.asarray(np.exp(logs))


def usual_pace(labels: OrderLabels) -> float:
    """Orders a day after the next one, over all who came; one order in `PRIOR_DAYS` where nobody did."""
    return float((labels.further_orders.sum() + 1) / (labels.further_days.sum() + PRIOR_DAYS))
