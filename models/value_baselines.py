"""The named value baselines in the form of a value model.

Their interval is as plain as they are: the 10 % and 90 % quantiles of what came over what was expected, in the past.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from regulars.features.table import FeatureTable
from regulars.models.baselines import GammaGammaBaseline, RepeatOfLastYearBaseline
from regulars.models.curves import OrderCurves
from regulars.models.fitted import ValuePrediction
from regulars.models.order_time_baselines import buyers
from regulars.models.state import State, array_part, dict_part
from regulars.models.value import TAILS, ValueLabels, days_of_last_year

if TYPE_CHECKING:
    import pandas as pd

F64 = NDArray[np.float64]

BASELINES: dict[str, type[GammaGammaBaseline | RepeatOfLastYearBaseline]] = {
    "gamma_gamma": GammaGammaBaseline,
    "last_year": RepeatOfLastYearBaseline,
}


def history_frame(table: FeatureTable) -> pd.DataFrame:
    """The columns that the classic models read, of rows with an order before their moment."""
    import pandas as pd

    wanted = ("days_since_last_order", "tenure_days", "orders_total", "margin_total", "margin_365d")
    return pd.DataFrame({name: table.column(name) for name in wanted if name in table.names})


class BaselineValue(BaseEstimator):  # type: ignore[misc]
    """Margin in the horizon by a named baseline.

    Args:
        baseline: 'gamma_gamma' (BG/NBD times Gamma-Gamma) or 'last_year' (last year's margin, scaled to the horizon).
        horizon_days: the horizon.
    """

    def __init__(self, baseline: str = "gamma_gamma", horizon_days: float = 90) -> None:
        self.baseline = baseline
        self.horizon_days = horizon_days

    def fit(self, table: FeatureTable, curves: OrderCurves, labels: ValueLabels) -> Self:
        """Fits on the histories at the newest moment; the interval on the rows that were watched.

        Raises:
            ValueError: where nothing can be learnt, for Gamma-Gamma because no customer has a positive margin.
        """
        del curves
        newest = buyers(table) & (table.moment == table.moment.max())
        self.model_ = BASELINES[self.baseline](horizon_days=self.horizon_days).fit(history_frame(table.take(newest)))
        watched = buyers(table) & labels.watched
        self.spread_ = np.array([0.0, 1.0])
        if watched.any():
            expected = np.maximum(self._expected(table.take(watched)), 1e-2)
            self.spread_ = np.quantile(labels.margin[watched] / expected, TAILS)
        return self

    def _expected(self, table: FeatureTable) -> F64:
        known = buyers(table)
        expected = np.zeros(len(table))
        if known.any():
            expected[known] = self.model_.predict(history_frame(table.take(known)))
        # 'Last year' is no year yet in a young shop.
        return expected * 365 / days_of_last_year(table) if self.baseline == "last_year" else expected

    def predict(self, table: FeatureTable, curves: OrderCurves, horizon_days: float) -> ValuePrediction:
        """Margin of each row within the horizon, scaled from the learnt one; curves are there for the contract."""
        del curves
        check_is_fitted(self, "model_")
        expected = self._expected(table) * (horizon_days / self.horizon_days)
        low, high = (np.maximum(expected, 0) * end for end in self.spread_)
        return ValuePrediction(expected, np.minimum(low, expected), np.maximum(high, expected))

    def state(self) -> State:
        """The fitted numbers."""
        check_is_fitted(self, "model_")
        return {"numbers": {"parameters": self.get_params(), "model": self.model_.to_dict()}, "spread": self.spread_}

    @classmethod
    def from_state(cls, state: State) -> Self:
        """The baseline again."""
        numbers = dict_part(state, "numbers")
        model = cls(**numbers["parameters"])
        model.model_ = BASELINES[model.baseline].from_dict(numbers["model"])
        model.spread_ = array_part(state, "spread")
        return model
