"""Named baselines: what a shop could do without this package, in the same form as the models that must beat it.

Churn baselines give the probability of no order in the horizon, value baselines the expected margin in it. All read a
frame of features of customers with at least one order, one row per customer and moment, with the columns
`days_since_last_order`, `orders_total`, `tenure_days` (days since the first order), `usual_gap_days` and, for value,
`margin_total` and `margin_365d`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from regulars.models.bgnbd import BgNbd
from regulars.models.gamma_gamma import GammaGamma
from regulars.models.logistic_line import logistic_line, sigmoid

Floats = NDArray[np.float64]

SHORTEST_GAP_DAYS = 1.0
"""Orders minutes apart do not make the next one overdue within the hour."""
RIDGE = 1e-3
"""Of the calibration: enough to have an answer where all customers left, too little to be seen elsewhere."""


def column(features: pd.DataFrame, name: str, missing_allowed: bool = False) -> Floats:
    """One column as floats; a `ValueError` names a column that is absent, or the first row without a number."""
    if name not in features.columns:
        raise ValueError(f"features have no column {name!r}, which this baseline reads")
    values = features[name].to_numpy(dtype=np.float64, na_value=np.nan)
    if not missing_allowed and np.isnan(values).any():
        row = int(np.argmax(np.isnan(values)))
        raise ValueError(f"{name} is missing in row {row}; expected a customer with at least one order")
    return values


def two_columns(churn: Floats) -> Floats:
    """Probabilities (n, 2) of staying and of churn."""
    return np.column_stack((1 - churn, churn))


class ScoreBaseline(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """Churn from one number that grows with the risk, calibrated on past moments.

    The log odds of churn are a straight line in `log(1 + score)`, which may not fall: where the past says so, every
    customer gets the share that churned.
    """

    def score_of(self, features: pd.DataFrame) -> Floats:
        """The number (n,), 0 or more."""
        raise NotImplementedError

    def learn_constants(self, features: pd.DataFrame) -> None:
        """What the score needs to know of the shop; nothing, by default."""

    def fit(self, features: pd.DataFrame, churned: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Calibrate on customers (n rows) whose churn (n,) of 0 and 1 is known."""
        outcome = np.asarray(churned, dtype=np.float64)
        if outcome.shape != (len(features),) or not len(outcome) or not np.isin(outcome, (0.0, 1.0)).all():
            raise ValueError(f"churned must be {len(features)} values of 0 or 1, and at least one")
        weights = np.ones(len(outcome)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        self.classes_ = np.array([0, 1])
        self.learn_constants(features)
        score = np.log1p(self.score_of(features))
        # In an order of their own, so that the caller's does not reach the last digits.
        order = np.lexsort((weights, outcome, score))
        score, outcome, weights = score[order], outcome[order], weights[order]
        intercept, slope = logistic_line(score, outcome, weights, ridge=RIDGE)
        if slope < 0:
            intercept, slope = logistic_line(np.zeros(len(score)), outcome, weights, ridge=RIDGE)
        self.intercept_, self.slope_ = float(intercept), float(slope)
        return self

    def predict_proba(self, features: pd.DataFrame) -> Floats:
        """Probabilities (n, 2) of staying and of churn."""
        check_is_fitted(self, "slope_")
        return two_columns(sigmoid(self.intercept_ + self.slope_ * np.log1p(self.score_of(features))))

    def predict(self, features: pd.DataFrame) -> NDArray[np.int64]:
        """1 (n,) where churn is likelier than not."""
        return (self.predict_proba(features)[:, 1] >= 0.5).astype(np.int64)

    def to_dict(self) -> dict[str, float]:
        """Fitted numbers, for JSON: every attribute whose name ends in an underscore, save the classes."""
        check_is_fitted(self, "slope_")
        fitted = {name: value for name, value in vars(self).items() if name.endswith("_") and name != "classes_"}
        return {name: float(value) for name, value in fitted.items()}

    @classmethod
    def from_dict(cls, saved: Mapping[str, float]) -> Self:
        """The fitted baseline that `to_dict` described."""
        model = cls()
        model.classes_ = np.array([0, 1])
        for name, value in saved.items():
            setattr(model, name, float(value))
        return model


class RecencyBaseline(ScoreBaseline):
    """Who has not ordered for long has left: churn from days since the last order."""

    def score_of(self, features: pd.DataFrame) -> Floats:
        """Days since the last order (n,)."""
        return np.maximum(column(features, "days_since_last_order"), 0.0)


class ChurnFactorBaseline(ScoreBaseline):
    """Who is overdue has left: churn from days since the last order over the customer's usual gap.

    A customer without a usual gap (fewer than two orders) is given the median of the others, `shop_gap_`, or their own
    days since the first order where nobody has one. A gap of less than a day counts as a day.
    """

    def learn_constants(self, features: pd.DataFrame) -> None:
        """The shop's median usual gap in days, 0 where no customer has one."""
        gaps = column(features, "usual_gap_days", missing_allowed=True)
        known = gaps[~np.isnan(gaps)]
        self.shop_gap_ = float(np.median(known)) if len(known) else 0.0

    def score_of(self, features: pd.DataFrame) -> Floats:
        """The churn factor (n,)."""
        since = np.maximum(column(features, "days_since_last_order"), 0.0)
        gaps = column(features, "usual_gap_days", missing_allowed=True)
        instead = self.shop_gap_ if self.shop_gap_ > 0 else column(features, "tenure_days")
        return since / np.maximum(np.where(np.isnan(gaps), instead, gaps), SHORTEST_GAP_DAYS)


def order_histories(features: pd.DataFrame, orders_column: str = "orders_total") -> tuple[Floats, Floats, Floats]:
    """Repeat orders, days from first to last order, days from first order to now: what BG/NBD reads, (n,) each."""
    orders = column(features, orders_column)
    if not (orders >= 1).all():
        row = int(np.argmin(orders >= 1))
        raise ValueError(
            f"{orders_column} in row {row} is {orders[row]:g}; expected a customer with at least one order"
        )
    frequency, tenure = orders - 1, np.maximum(column(features, "tenure_days"), 0.0)
    recency = np.clip(tenure - column(features, "days_since_last_order"), 0.0, tenure)
    # Without a repeat order the two are equal but for rounding.
    return frequency, np.where(frequency > 0, recency, 0.0), tenure


class BgNbdBaseline(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """Churn as BG/NBD sees it: the exact probability of no order in the horizon. It does not read the labels.

    Args:
        horizon_days: the churn horizon.
        orders_column: what counts as orders; `order_days_total` counts several on a day once.

    Attributes:
        model_: the fitted `BgNbd`.
    """

    def __init__(self, horizon_days: float = 90.0, orders_column: str = "orders_total") -> None:
        self.horizon_days = horizon_days
        self.orders_column = orders_column

    def fit(
        self, features: pd.DataFrame, churned: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Fit on histories; `churned` is there for the contract. One row a customer, at the latest moment, is best."""
        del churned
        self.classes_ = np.array([0, 1])
        self.model_ = BgNbd().fit(*order_histories(features, self.orders_column), weights=sample_weight)
        return self

    def predict_proba(self, features: pd.DataFrame) -> Floats:
        """Probabilities (n, 2) of staying and of churn."""
        check_is_fitted(self, "model_")
        histories = order_histories(features, self.orders_column)
        return two_columns(self.model_.probability_of_no_order(*histories, horizon=self.horizon_days))

    def predict(self, features: pd.DataFrame) -> NDArray[np.int64]:
        """1 (n,) where churn is likelier than not."""
        return (self.predict_proba(features)[:, 1] >= 0.5).astype(np.int64)

    def to_dict(self) -> dict[str, Any]:
        """Settings and parameters, for JSON."""
        check_is_fitted(self, "model_")
        return {**self.get_params(), "model": self.model_.to_dict()}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Self:
        """The fitted baseline that `to_dict` described."""
        model = cls(horizon_days=float(saved["horizon_days"]), orders_column=str(saved["orders_column"]))
        model.classes_ = np.array([0, 1])
        model.model_ = BgNbd.from_dict(saved["model"])
        return model


class RepeatOfLastYearBaseline(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """Value as last year's: the margin of the last 365 days, scaled to the horizon. There is nothing to fit.

    Args:
        horizon_days: the window whose margin is predicted.
        margin_column: margin of the last 365 days.
    """

    def __init__(self, horizon_days: float = 90.0, margin_column: str = "margin_365d") -> None:
        self.horizon_days = horizon_days
        self.margin_column = margin_column

    def fit(
        self, features: pd.DataFrame, value: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Check that the column is there."""
        del value, sample_weight
        column(features, self.margin_column)
        self.fitted_ = True
        return self

    def predict(self, features: pd.DataFrame) -> Floats:
        """Expected margin in the horizon (n,)."""
        check_is_fitted(self, "fitted_")
        return column(features, self.margin_column) * (self.horizon_days / 365)

    def to_dict(self) -> dict[str, Any]:
        """Settings, for JSON."""
        return dict(self.get_params())

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Self:
        """The baseline that `to_dict` described."""
        model = cls(**saved)
        model.fitted_ = True
        return model


class GammaGammaBaseline(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """Value as the classic pair sees it: expected orders of BG/NBD times expected margin of an order of Gamma-Gamma.

    Args:
        horizon_days: the window whose margin is predicted.
        orders_column: what counts as orders.
        margin_column: margin of all orders so far.

    Attributes:
        orders_model_, margin_model_: the fitted `BgNbd` and `GammaGamma`.
    """

    def __init__(
        self,
        horizon_days: float = 90.0,
        orders_column: str = "orders_total",
        margin_column: str = "margin_total",
    ) -> None:
        self.horizon_days = horizon_days
        self.orders_column = orders_column
        self.margin_column = margin_column

    def fit(
        self, features: pd.DataFrame, value: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Fit on histories; `value` is there for the contract.

        Raises:
            ValueError: where no customer has a positive margin.
        """
        del value
        self.orders_model_ = BgNbd().fit(*order_histories(features, self.orders_column), weights=sample_weight)
        self.margin_model_ = GammaGamma().fit(*self._margins(features), weights=sample_weight)
        return self

    def predict(self, features: pd.DataFrame) -> Floats:
        """Expected margin in the horizon (n,)."""
        check_is_fitted(self, "margin_model_")
        histories = order_histories(features, self.orders_column)
        orders = self.orders_model_.expected_orders(*histories, horizon=self.horizon_days)
        return orders * self.margin_model_.expected_value(*self._margins(features))

    def to_dict(self) -> dict[str, Any]:
        """Settings and parameters, for JSON."""
        check_is_fitted(self, "margin_model_")
        return {
            **self.get_params(),
            "orders_model": self.orders_model_.to_dict(),
            "margin_model": self.margin_model_.to_dict(),
        }

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Self:
        """The fitted baseline that `to_dict` described."""
        settings = {name: saved[name] for name in ("horizon_days", "orders_column", "margin_column")}
        model = cls(**settings)
        model.orders_model_ = BgNbd.from_dict(saved["orders_model"])
        model.margin_model_ = GammaGamma.from_dict(saved["margin_model"])
        return model

    def _margins(self, features: pd.DataFrame) -> tuple[Floats, Floats]:
        orders = column(features, self.orders_column)
        return orders, column(features, self.margin_column) / np.maximum(orders, 1)
