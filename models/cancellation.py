"""One model of when contracts are cancelled.

Customers who hold a contract and gave no notice are seen at many moments, and the chance of cancelling in each interval
after those, given that they did not before, is learnt with gradient boosted trees (`hazard_rows`). The curve of each
customer is read off it. Where few cancellations have been seen, the log odds give way to those of the life table
(`life_table`), which needs a handful of numbers only; it is also what the trees are told first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from regulars.features.table import FeatureTable
from regulars.models.contract_curves import ContractCurves, contract_curves
from regulars.models.fitted import check_columns, without_calendar
from regulars.models.hazard_rows import EDGES, HazardRows, unfold
from regulars.models.life_table import CancellationLabels, LifeTable
from regulars.models.reasons import contract_reasons
from regulars.models.state import State, dict_part
from regulars.models.trees import Growth, booster_part, contributions, raw_scores, texts_of

if TYPE_CHECKING:
    import lightgbm as lgb

F64 = NDArray[np.float64]

ADDED = ("contract_days_then", "interval", "cancel_chance_by_tenure")
"""Columns beside the table's: the age of the contract at the interval's beginning, and what the life table says."""
CANCELLATIONS_FOR_HALF_WEIGHT = 200
"""Cancelled contracts at which the trees count as much as the life table."""


class CancellationModel(BaseEstimator):  # type: ignore[misc]
    """When customers cancel their contract.

    Args:
        rounds: trees of the hazard.
        learning_rate, leaves, least_rows: of the trees; least_rows is the number of rows a leaf has to hold.
        seed: of the choice of columns that each tree may look at.
    """

    def __init__(
        self,
        rounds: int = 150,
        learning_rate: float = 0.05,
        leaves: int = 4,
        least_rows: int = 2_000,
        seed: int = 0,
    ) -> None:
        self.rounds = rounds
        self.learning_rate = learning_rate
        self.leaves = leaves
        self.least_rows = least_rows
        self.seed = seed

    def fit(self, table: FeatureTable, contract_days: F64, labels: CancellationLabels) -> Self:
        """Learns from contracts that run at moments and what became of them.

        Args:
            table: (n) customers at moments.
            contract_days: (n,) days their contracts had run.
            labels: (n) what became of them.
        """
        order = np.lexsort((table.moment, table.customer))
        table, contract_days, labels = table.take(order), contract_days[order], labels.take(order)
        self.names_ = table.names
        self.life_table_ = LifeTable.fit(table, contract_days, labels)
        rows = unfold(labels.waiting)
        self.tree_weight_ = self._tree_weight(rows)
        self.hazard_: lgb.Booster | None = None
        if self.tree_weight_ > 0:
            inputs = self._inputs(table, contract_days, rows.row, rows.interval)
            target = rows.ordered.astype(np.float64)
            start = logit(inputs[:, -1].astype(np.float64))
            self.hazard_ = Growth(inputs, target, self.rounds, self._settings(len(target)), start=start).grow()
        return self

    def _tree_weight(self, rows: HazardRows) -> float:
        """How far the trees are believed, 0 to 1; 0 where in every interval contracts were cancelled or in none."""
        if not 0 < rows.ordered.sum() < len(rows.row):
            return 0.0
        seen = self.life_table_.cancelled
        return seen / (seen + CANCELLATIONS_FOR_HALF_WEIGHT)

    def _settings(self, rows: int) -> dict[str, str | float]:
        return {
            "objective": "binary",
            "learning_rate": self.learning_rate,
            "num_leaves": self.leaves,
            "min_data_in_leaf": max(5, min(self.least_rows, rows // 50)),
            "feature_fraction": 0.3,
            "seed": self.seed,
        }

    def predict_curves(self, table: FeatureTable, contract_days: F64) -> ContractCurves:
        """One curve per row; `contract_days` (n,) is how long each contract has run."""
        self._check(table)
        hazards = self.life_table_.hazards(contract_days)
        if self.hazard_ is None:
            return contract_curves(EDGES, hazards)
        for interval in range(hazards.shape[1]):
            trees = raw_scores(self.hazard_, self._inputs_at(table, contract_days, interval))
            hazards[:, interval] = expit(logit(hazards[:, interval]) + self.tree_weight_ * trees)
        return contract_curves(EDGES, hazards)

    def reasons(self, table: FeatureTable, contract_days: F64, horizon_days: float, top: int = 3) -> list[list[str]]:
        """For each row the strongest reasons for its chance of cancelling, in words with numbers in them."""
        self._check(table)
        names = (*without_calendar(self.names_), *ADDED)
        push = np.zeros((len(table), len(names)))
        if self.hazard_ is not None:
            interval = int(np.searchsorted(EDGES[:-1], horizon_days / 3, side="right")) - 1
            push = contributions(self.hazard_, self._inputs_at(table, contract_days, interval))
        return contract_reasons(table, contract_days, names, self.tree_weight_ * push, top)

    def importance(self) -> dict[str, float]:
        """Share of each column in what the hazard learnt (gain), largest first; adds up to 1, or 0 without trees."""
        check_is_fitted(self, "life_table_")
        names = (*without_calendar(self.names_), *ADDED)
        gain = np.zeros(len(names)) if self.hazard_ is None else self.hazard_.feature_importance("gain")
        share = gain / (gain.sum() or 1.0)
        return {names[i]: float(share[i]) for i in np.argsort(-gain, kind="stable")}

    def _check(self, table: FeatureTable) -> None:
        check_is_fitted(self, "life_table_")
        check_columns(table, self.names_)

    def _inputs_at(self, table: FeatureTable, contract_days: F64, interval: int) -> NDArray[np.float32]:
        return self._inputs(table, contract_days, np.arange(len(table)), np.full(len(table), interval))

    def _inputs(
        self, table: FeatureTable, contract_days: F64, row: NDArray[np.integer], interval: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        """(m, columns) the table's columns without the calendar, and `ADDED`, of (m,) rows in (m,) intervals."""
        known = without_calendar(table.names)
        by_tenure = self.life_table_.hazards(contract_days)
        added = (contract_days[row] + EDGES[interval], interval, by_tenure[row, interval])
        inputs = np.empty((len(row), len(known) + len(added)), np.float32)
        for i, name in enumerate(known):
            inputs[:, i] = table.column(name)[row]
        for i, column in enumerate(added, start=len(known)):
            inputs[:, i] = column
        return inputs

    def state(self) -> State:
        """The fitted parts (see `models.state`)."""
        check_is_fitted(self, "life_table_")
        numbers = {
            "parameters": self.get_params(),
            "names": list(self.names_),
            "life_table": self.life_table_.to_dict(),
            "tree_weight": self.tree_weight_,
        }
        return {"numbers": numbers, **texts_of({"hazard": self.hazard_})}

    @classmethod
    def from_state(cls, state: State) -> Self:
        """The model again."""
        numbers = dict_part(state, "numbers")
        model = cls(**numbers["parameters"])
        model.names_ = tuple(numbers["names"])
        model.life_table_ = LifeTable.from_dict(numbers["life_table"])
        model.tree_weight_ = numbers["tree_weight"]
        model.hazard_ = booster_part(state, "hazard")
        return model
