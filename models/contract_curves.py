"""One curve per contract: the chance that it is still held by day d."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regulars.models.curves import OrderCurves, from_hazards

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class ContractCurves:
    """When the contracts of n customers are cancelled; the hazard is constant between two edges.

    Attributes:
        kept: the curves of the chance that none was by a day (see `curves`), with no pace.
    """

    kept: OrderCurves

    def __len__(self) -> int:
        return len(self.kept)

    def cancelled(self, horizon_days: float) -> F64:
        """(n,) probability that the contract is cancelled within the horizon (0 to `curves.LAST_DAY` days)."""
        return 1 - self.kept.churn(horizon_days)


def contract_curves(edges: F64, hazards: F64) -> ContractCurves:
    """Curves from (n, intervals) chances of cancelling between two edges each, given that it was not before."""
    return ContractCurves(from_hazards(edges, hazards, np.zeros(len(hazards))))
