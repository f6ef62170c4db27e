"""One curve per customer: the chance that no order has come by day d. Everything about time is read off it.

Churn at any horizon is the curve at that day, the next order's date a quantile of it, and the number of orders grows
out of it, so that the answers cannot contradict each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

LAST_DAY = 730.0
"""The curve's end in days; dates beyond it are not told."""


@dataclass(frozen=True)
class OrderCurves:
    """When the next orders of n customers come.

    Between two edges the hazard is constant, so the logarithm of survival is linear there.

    Attributes:
        edges: (k + 1,) days from 0 to `LAST_DAY`, rising.
        survival: (n, k + 1) probability of no order before each edge; 1 at day 0, falling.
        pace: (n,) orders a day once ordering has begun, which counts the further orders after the first.
    """

    edges: F64
    survival: F64
    pace: F64

    def __len__(self) -> int:
        return len(self.survival)

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> OrderCurves:
        """The curves of the given rows."""
        return OrderCurves(self.edges, self.survival[rows], self.pace[rows])

    def churn(self, horizon_days: float) -> F64:
        """(n,) probability of no order within the horizon (0 to `LAST_DAY` days)."""
        _check_horizon(horizon_days)
        right = int(np.clip(np.searchsorted(self.edges, horizon_days), 1, len(self.edges) - 1))
        part = (horizon_days - self.edges[right - 1]) / (self.edges[right] - self.edges[right - 1])
        before, after = self._log[:, right - 1], self._log[:, right]
        return np.asarray(np.exp(before + part * (after - before)))

    def expected_orders(self, horizon_days: float) -> F64:
        """(n,) expected number of orders within the horizon.

        The first comes with probability 1 - S(d); once it has come at day u, further ones follow at the customer's
        pace for the rest of the time: E[N] = 1 - S(d) + pace * integral of (1 - S) from 0 to d.
        """
        first = 1 - self.churn(horizon_days)
        return first + self.pace * self.days_after_next(horizon_days)

    def days_after_next(self, horizon_days: float) -> F64:
        """(n,) expected days from the next order to the horizon, 0 where it does not come: the integral of 1 - S."""
        return np.maximum(horizon_days - self._waiting(horizon_days), 0.0)

    def quantile_days(self, probability: float) -> F64:
        """(n,) the day by which the next order has come with this probability; NaN if not within `LAST_DAY`."""
        if not 0 < probability < 1:
            raise ValueError(f"a quantile is asked for with a probability between 0 and 1, not {probability}")
        target = np.log1p(-probability)
        falls = self._log <= target  # never at day 0, where the logarithm is 0
        right = np.maximum(falls.argmax(axis=1), 1)
        rows = np.arange(len(self))
        before, after = self._log[rows, right - 1], self._log[rows, right]
        part = (target - before) / np.where(after < before, after - before, -1.0)
        day = self.edges[right - 1] + part * (self.edges[right] - self.edges[right - 1])
        return np.where(falls.any(axis=1), day, np.nan)

    def survival_at(self, days: F64) -> F64:
        """(n, m) probability of no order before each of m days."""
        return np.column_stack([self.churn(float(day)) for day in days])

    @cached_property
    def _log(self) -> F64:
        return np.log(np.maximum(self.survival, 1e-300))

    def _waiting(self, horizon_days: float) -> F64:
        """Integral of the survival curve from 0 to the horizon, in days, piece by piece in closed form."""
        edges = np.append(self.edges[self.edges < horizon_days], horizon_days)
        survival = self.survival_at(edges)
        before, after, width = survival[:, :-1], survival[:, 1:], np.diff(edges)
        rate = np.log(before) - np.log(after)
        flat = rate < 1e-9
        pieces = np.where(flat, before, (before - after) / np.where(flat, 1.0, rate)) * width
        return np.asarray(pieces.sum(axis=1))


def _check_horizon(horizon_days: float) -> None:
    if not 0 <= horizon_days <= LAST_DAY:
        raise ValueError(f"a horizon is 0 to {LAST_DAY:.0f} days, not {horizon_days}")


def from_hazards(edges: F64, hazards: F64, pace: F64) -> OrderCurves:
    """Curves from the chance of an order within each interval given none before: hazards are (n, k), in (0, 1)."""
    survival = np.ones((len(hazards), len(edges)))
    np.cumprod(1 - np.clip(hazards, 1e-9, 1 - 1e-9), axis=1, out=survival[:, 1:])
    return OrderCurves(edges, survival, pace)
