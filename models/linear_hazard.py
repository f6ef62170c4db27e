"""What a shop's own data say against the buy-till-you-die hazards, in a few numbers.

Trees need thousands of orders before they are better than a model of four numbers; between the two there is room. Here
the log odds of the buy-till-you-die model are corrected by a line in a handful of columns (how long ago, how often, how
long they have been a customer, how overdue they are) and an offset for each interval. Every coefficient has a normal
prior around zero, that is around no correction, so that a shop of a few weeks stays with the model, and one of a few
months corrects what it gets wrong: that who bought once is never thought to have left, for example.

Source of the method: ridge logistic regression, le Cessie and van Houwelingen 1992, 'Ridge Estimators in Logistic
Regression', Applied Statistics 41(1), pages 191-201.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from regulars.features.table import FeatureTable
from regulars.models.hazard_rows import EDGES, RECENCY, HazardRows

F64 = NDArray[np.float64]

PRIOR_SD = 0.2
"""Of each coefficient, on columns of standard deviation 1: what is plausible before there are data."""
OVERLAP = 10.0
"""The same days of a customer are in the rows of so many moments, about; each row counts as one of so many."""
STEPS = 25
NEW_GAP_DAYS = 60.0
"""Added to the tenure of who has one order day only, in place of a gap: it is at least as long as they have waited."""
SHORT_DAYS = 10.0
"""Added to waits and gaps before they are compared, so that a day more or less is nothing."""


class LinearHazard:
    """Corrected log odds of an order in an interval.

    Attributes:
        centre, spread: (columns,) of the columns as fitted.
        weights: (columns,) coefficients.
        offsets: (intervals,) of each interval.
    """

    def __init__(self, centre: F64, spread: F64, weights: F64, offsets: F64) -> None:
        self.centre, self.spread, self.weights, self.offsets = centre, spread, weights, offsets

    @classmethod
    def fit(cls, table: FeatureTable, by_bgnbd: F64, rows: HazardRows) -> Self:
        """Learns the corrections.

        Args:
            table: (n) customers at moments.
            by_bgnbd: (n, intervals) of `hazard_rows.bgnbd_hazards`.
            rows: intervals in which they were at risk.
        """
        before = logit(by_bgnbd[rows.row, rows.interval])
        columns = inputs(table, before, rows.row, rows.interval)
        centre, spread = columns.mean(axis=0), columns.std(axis=0)
        spread = np.where(spread > 0, spread, 1.0)
        x = (columns - centre) / spread
        found = correction(x, rows.interval, before, rows.ordered)
        return cls(centre, spread, found[: x.shape[1]], found[x.shape[1] :])

    def log_odds(
        self, table: FeatureTable, by_bgnbd: F64, row: NDArray[np.integer], interval: NDArray[np.integer]
    ) -> F64:
        """(m,) of an order of each of the rows (m,) of the table in an interval (m,)."""
        before = logit(by_bgnbd[row, interval])
        columns = inputs(table, before, row, interval)
        found: F64 = before + self.offsets[interval]
        # Column by column: a row's sum is the same in any batch.
        for i in range(columns.shape[1]):
            found += self.weights[i] * ((columns[:, i] - self.centre[i]) / self.spread[i])
        return found

    def to_dict(self) -> dict[str, list[float]]:
        """As plain numbers, for JSON."""
        return {name: getattr(self, name).tolist() for name in ("centre", "spread", "weights", "offsets")}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Self:
        """What `to_dict` described."""
        return cls(*(np.array(saved[name], np.float64) for name in ("centre", "spread", "weights", "offsets")))


def inputs(table: FeatureTable, before: F64, row: NDArray[np.integer], interval: NDArray[np.integer]) -> F64:
    """(m, columns) what the line sees: of each, the log odds before, and the customer at the interval's beginning."""
    quiet, tenure = (np.nan_to_num(table.column(name))[row] for name in (RECENCY, "tenure_days"))
    order_days = np.maximum(np.nan_to_num(table.column("order_days_total"))[row], 1)
    single = order_days == 1
    wait = quiet + EDGES[interval]
    gap = np.where(single, tenure + NEW_GAP_DAYS, (tenure - quiet) / np.maximum(order_days - 1, 1))
    overdue = np.log((wait + SHORT_DAYS) / (gap + SHORT_DAYS))
    return np.column_stack([before, np.log1p(wait), np.log1p(order_days), np.log1p(tenure), overdue, single])


def correction(x: F64, interval: NDArray[np.integer], before: F64, came: NDArray[np.bool_]) -> F64:
    """(columns + intervals,) what to add to log odds: coefficients of columns, and an offset for each interval.

    Newton's method; the prior around no correction has `PRIOR_SD`.

    Args:
        x: (m, columns) of standard deviation 1.
        interval: (m,) of each row.
        before: (m,) log odds.
        came: (m,) whether the order came in the interval.
    """
    ordered = came.astype(np.float64)
    columns, intervals = x.shape[1], len(EDGES) - 1
    found = np.zeros(columns + intervals)
    for _ in range(STEPS):
        chance = expit(before + np.einsum("ij,j->i", x, found[:columns]) + found[columns:][interval])
        error, curve = (ordered - chance) / OVERLAP, chance * (1 - chance) / OVERLAP
        gradient = np.concatenate([_sums(x, error), np.bincount(interval, error, intervals)]) - found / PRIOR_SD**2
        hessian = np.diag(np.full(len(found), 1 / PRIOR_SD**2))
        for i in range(columns):
            hessian[i, :columns] += _sums(x, x[:, i] * curve)
            crossed = np.bincount(interval, x[:, i] * curve, intervals)
            hessian[i, columns:] += crossed
            hessian[columns:, i] += crossed
        hessian[columns:, columns:] += np.diag(np.bincount(interval, curve, intervals))
        step = np.linalg.solve(hessian, gradient)
        found = found + step
        if np.abs(step).max() < 1e-9:
            break
    return found


def _sums(x: F64, weight: F64) -> F64:
    """Weighted sums of the columns. Not `@`: BLAS may use threads, which changes the last digits."""
    return np.array([(x[:, i] * weight).sum() for i in range(x.shape[1])])
