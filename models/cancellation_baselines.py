"""The named baselines of cancelling: what a model has to beat, and the fallback."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from regulars.features.table import FeatureTable
from regulars.models.contract_curves import ContractCurves, contract_curves
from regulars.models.hazard_rows import EDGES
from regulars.models.life_table import CancellationLabels, LifeTable
from regulars.models.reasons import contract_reasons
from regulars.models.state import State, dict_part

F64 = NDArray[np.float64]


class TenureCancellations(BaseEstimator):  # type: ignore[misc]
    """Cancelling by the age of the contract alone (`life_table`), or at one rate for all.

    Args:
        by_tenure: whether the age of the contract counts.
    """

    def __init__(self, by_tenure: bool = True) -> None:
        self.by_tenure = by_tenure

    def fit(self, table: FeatureTable, contract_days: F64, labels: CancellationLabels) -> Self:
        """Counts cancellations of the contracts in the table, which run at their moments."""
        self.life_table_ = LifeTable.fit(table, contract_days, labels)
        return self

    def predict_curves(self, table: FeatureTable, contract_days: F64) -> ContractCurves:
        """One curve per row."""
        check_is_fitted(self, "life_table_")
        if self.by_tenure:
            return contract_curves(EDGES, self.life_table_.hazards(contract_days))
        return contract_curves(EDGES, np.tile(-np.expm1(-self.life_table_.rate * np.diff(EDGES)), (len(table), 1)))

    def reasons(self, table: FeatureTable, contract_days: F64, horizon_days: float, top: int = 3) -> list[list[str]]:
        """What is known of each customer; the same at every horizon."""
        del horizon_days
        return contract_reasons(table, contract_days, (), np.zeros((len(table), 0)), top)

    def state(self) -> State:
        """The fitted numbers."""
        check_is_fitted(self, "life_table_")
        return {"numbers": {"parameters": self.get_params(), "life_table": self.life_table_.to_dict()}}

    @classmethod
    def from_state(cls, state: State) -> Self:
        """The baseline again."""
        numbers = dict_part(state, "numbers")
        model = cls(**numbers["parameters"])
        model.life_table_ = LifeTable.from_dict(numbers["life_table"])
        return model
