"""The named churn baselines as answers to 'when is the next order': what a curve has to beat, and the fallback.

A baseline that gives one probability at one horizon is stretched to other days by a constant hazard: it knows nothing
better.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from regulars.features.table import FeatureTable
from regulars.models.baselines import ChurnFactorBaseline, RecencyBaseline, ScoreBaseline
from regulars.models.bgnbd import BgNbd
from regulars.models.curves import LAST_DAY, OrderCurves
from regulars.models.hazard_rows import EDGES, OrderLabels, histories
from regulars.models.pace import bgnbd_pace
from regulars.models.reasons import churn_reasons
from regulars.models.state import State, dict_part

if TYPE_CHECKING:
    import pandas as pd

F64 = NDArray[np.float64]

SCORES: dict[str, type[ScoreBaseline]] = {"recency": RecencyBaseline, "churn_factor": ChurnFactorBaseline}
_SCORE_COLUMNS = ("days_since_last_order", "usual_gap_days", "tenure_days", "orders_total")


def plain_reasons(table: FeatureTable, top: int) -> list[list[str]]:
    """What is known of each customer in words, where a model cannot say what weighed most."""
    return churn_reasons(table, (), np.zeros((len(table), 0)), top)


def buyers(table: FeatureTable) -> NDArray[np.bool_]:
    """(n,) which rows have an order before their moment."""
    return np.asarray(table.column("orders_total") > 0)


class ScoreOrderTimes(BaseEstimator):  # type: ignore[misc]
    """Churn from one number, recency or the churn factor, calibrated on past moments.

    Args:
        score: 'recency' or 'churn_factor'.
        horizon_days: the horizon at which it is calibrated.
    """

    def __init__(self, score: str = "recency", horizon_days: float = 90) -> None:
        self.score = score
        self.horizon_days = horizon_days

    def fit(self, table: FeatureTable, labels: OrderLabels) -> Self:
        """Calibrates on the rows that were watched for a whole horizon."""
        watched = buyers(table) & (labels.observed_days >= self.horizon_days)
        if not watched.any():
            raise ValueError(f"no customer was watched for a whole horizon of {self.horizon_days:.0f} days")
        churned = ~(labels.days_to_next < self.horizon_days)
        self.model_ = SCORES[self.score]().fit(_score_frame(table.take(watched)), churned[watched])
        came, days = ~churned[watched], np.minimum(labels.observed_days[watched], 180)
        orders = came.sum() + labels.further_orders[watched].sum()
        self.pace_ = float(orders / max(days.sum(), 1.0))
        return self

    def predict_curves(self, table: FeatureTable) -> OrderCurves:
        """One curve per row: survival at the horizon is the baseline's, the hazard constant; 1 without an order."""
        check_is_fitted(self, "pace_")
        churn = np.full(len(table), 1 - 1e-9)
        known = buyers(table)
        if known.any():
            churn[known] = self.model_.predict_proba(_score_frame(table.take(known)))[:, 1]
        survival = np.clip(churn, 1e-9, 1 - 1e-9)[:, None] ** (EDGES / self.horizon_days)
        return OrderCurves(EDGES, survival, np.full(len(table), self.pace_))

    def reasons(self, table: FeatureTable, horizon_days: float, top: int = 3) -> list[list[str]]:
        """What is known of each customer; the same at every horizon."""
        del horizon_days
        return plain_reasons(table, top)

    def state(self) -> State:
        """The fitted numbers."""
        check_is_fitted(self, "pace_")
        return {"numbers": {"parameters": self.get_params(), "model": self.model_.to_dict(), "pace": self.pace_}}

    @classmethod
    def from_state(cls, state: State) -> Self:
        """The baseline again."""
        numbers = dict_part(state, "numbers")
        model = cls(**numbers["parameters"])
        model.model_ = SCORES[model.score].from_dict(numbers["model"])
        model.pace_ = numbers["pace"]
        return model


def _score_frame(table: FeatureTable) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({name: table.column(name) for name in _SCORE_COLUMNS})


class BgNbdOrderTimes(BaseEstimator):  # type: ignore[misc]
    """The buy-till-you-die model BG/NBD as a curve; orders on one day count as one."""

    def fit(self, table: FeatureTable, labels: OrderLabels) -> Self:
        """Fits on the histories at the newest moment; labels are there for the contract."""
        del labels
        newest = buyers(table) & (table.moment == table.moment.max())
        if not newest.any():
            raise ValueError("there is no customer with an order before the newest moment; nothing can be learnt")
        self.model_ = BgNbd().fit(*histories(table.take(newest)))
        return self

    def predict_curves(self, table: FeatureTable) -> OrderCurves:
        """The exact chance of no order by each edge; the pace makes the expected orders of half a year its own."""
        check_is_fitted(self, "model_")
        survival = np.ones((len(table), len(EDGES)))
        survival[:, 1:] = self.model_.probability_of_no_order(*histories(table), EDGES[None, 1:])
        bare = OrderCurves(EDGES, survival, np.zeros(len(table)))
        return OrderCurves(EDGES, survival, bgnbd_pace(self.model_, table, bare))

    def reasons(self, table: FeatureTable, horizon_days: float, top: int = 3) -> list[list[str]]:
        """What is known of each customer; the same at every horizon."""
        del horizon_days
        return plain_reasons(table, top)

    def state(self) -> State:
        """The fitted numbers."""
        check_is_fitted(self, "model_")
        return {"numbers": {"model": self.model_.to_dict()}}

    @classmethod
    def from_state(cls, state: State) -> Self:
        """The baseline again."""
        model = cls()
        model.model_ = BgNbd.from_dict(dict_part(state, "numbers")["model"])
        return model


class UsualGapOrderTimes(BaseEstimator):  # type: ignore[misc]
    """The next order comes one usual gap after the last: the rule of thumb for dates.

    The waiting time is exponential with the mean at which its median is the day named, so that it can be judged like
    any other forecast; who is overdue is expected at once.
    """

    def fit(self, table: FeatureTable, labels: OrderLabels) -> Self:
        """Learns the shop's median gap, for customers with a single order; labels are there for the contract."""
        del labels
        gaps = table.column("usual_gap_days")
        self.shop_gap_ = float(np.nanmedian(gaps)) if np.isfinite(gaps).any() else LAST_DAY / 2
        return self

    def predict_curves(self, table: FeatureTable) -> OrderCurves:
        """A constant hazard per customer."""
        check_is_fitted(self, "shop_gap_")
        gaps = table.column("usual_gap_days")
        gap = np.where(np.isnan(gaps), self.shop_gap_, gaps)
        due = np.maximum(gap - np.nan_to_num(table.column("days_since_last_order")), 1.0)
        rate = np.log(2) / due
        return OrderCurves(EDGES, np.maximum(np.exp(-rate[:, None] * EDGES), 1e-300), 1 / np.maximum(gap, 1.0))

    def reasons(self, table: FeatureTable, horizon_days: float, top: int = 3) -> list[list[str]]:
        """What is known of each customer; the same at every horizon."""
        del horizon_days
        return plain_reasons(table, top)

    def state(self) -> State:
        """The fitted number."""
        check_is_fitted(self, "shop_gap_")
        return {"numbers": {"shop_gap": self.shop_gap_}}

    @classmethod
    def from_state(cls, state: State) -> Self:
        """The baseline again."""
        model = cls()
        model.shop_gap_ = dict_part(state, "numbers")["shop_gap"]
        return model
