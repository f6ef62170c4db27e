"""One model of when orders come.

The chance of an order in each interval after a moment, given none before it, is learnt with gradient boosted trees
over many moments per customer (`hazard_rows`). Multiplied up, the chances are a curve (`curves`), and churn at any
horizon, the number of orders and the next date are read off it.

Ranking customers is easy; the level is not, because shops have seasons. A tree that may look at the calendar learns
that autumn is busy, but from a single autumn it cannot know which part of that was the season and which part chance
or growth. So two hazards are fitted, one that sees the season and one that does not, and the first is believed in
proportion to how much of a second year the shop's history holds. Where the history holds few orders, both give way
to the buy-till-you-die model, which needs four numbers only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from regulars.features.table import FeatureTable
from regulars.models.bgnbd import BgNbd
from regulars.models.curves import OrderCurves, from_hazards
from regulars.models.hazard_rows import (
    ADDED,
    EDGES,
    SEASONAL,
    OrderLabels,
    bgnbd_hazards,
    hazard_inputs,
    histories,
    unfold,
)
from regulars.models.reasons import churn_reasons
from regulars.models.state import State, dict_part, text_part

if TYPE_CHECKING:
    import lightgbm as lgb

F64 = NDArray[np.float64]

ORDERS_FOR_HALF_WEIGHT = 300
"""Orders seen in training rows at which the trees count as much as the buy-till-you-die model."""
MONTH = 30.0
"""Days; the pace is learnt as orders in so many."""
PACE_PRIOR_DAYS = 30.0
"""Days of watching added to each customer's when the pace is learnt, so that one quick second order is not a habit."""


class OrderTimeModel(BaseEstimator):  # type: ignore[misc]
    """When customers order next.

    Args:
        rounds: trees of each hazard.
        learning_rate, leaves, least_rows: of the trees; least_rows is the number of rows a leaf has to hold.
        seasonal: whether the calendar may be used at all.
        seed: of the samples the trees are grown on.
        threads: of the fit; the answer does not depend on it.
    """

    def __init__(
        self,
        rounds: int = 150,
        learning_rate: float = 0.05,
        leaves: int = 15,
        least_rows: int = 200,
        seasonal: bool = True,
        seed: int = 0,
        threads: int = 2,
    ) -> None:
        self.rounds = rounds
        self.learning_rate = learning_rate
        self.leaves = leaves
        self.least_rows = least_rows
        self.seasonal = seasonal
        self.seed = seed
        self.threads = threads

    def fit(self, table: FeatureTable, labels: OrderLabels) -> Self:
        """Learns from customers at moments and what came after.

        Args:
            table: (n) rows; rows of customers without an order are left out.
            labels: (n) what came after each row.

        Raises:
            ValueError: if no row has an order before its moment.
        """
        bought = np.flatnonzero(table.column("orders_total") > 0)
        if len(bought) == 0:
            raise ValueError("there is no customer with an order before any training moment; nothing can be learnt")
        order = bought[np.lexsort((table.moment[bought], table.customer[bought]))]
        table, labels = table.take(order), labels.take(order)
        self.names_ = table.names
        newest = table.moment == table.moment.max()
        self.bgnbd_ = BgNbd().fit(*histories(table.take(newest)))
        by_bgnbd = bgnbd_hazards(self.bgnbd_, table)
        rows = unfold(labels)
        inputs = hazard_inputs(table, by_bgnbd, rows.row, rows.interval)
        plain = inputs.shape[1] - len(SEASONAL)
        self.season_weight_ = self._season_weight(table) if self.seasonal else 0.0
        trees = int(rows.ordered.sum())
        self.tree_weight_ = trees / (trees + ORDERS_FOR_HALF_WEIGHT) if 0 < trees < len(rows.row) else 0.0
        self.flat_ = self._grow(inputs[:, :plain], rows.ordered) if self._uses_flat else None
        self.season_ = self._grow(inputs, rows.ordered) if self._uses_season else None
        self.pace_ = self._fit_pace(table, labels)
        return self

    @property
    def _uses_flat(self) -> bool:
        return self.tree_weight_ > 0 and self.season_weight_ < 1

    @property
    def _uses_season(self) -> bool:
        return self.tree_weight_ > 0 and self.season_weight_ > 0

    def _season_weight(self, table: FeatureTable) -> float:
        """0 with one year of history or less, 1 with two or more."""
        years = (table.context.as_of / 86_400e6 - table.context.first_day) / 365
        return float(np.clip(years - 1, 0, 1))

    def _grow(self, inputs: F64, label: NDArray[Any], **changes: Any) -> lgb.Booster:
        import lightgbm as lgb

        parameters = {
            "objective": "binary",
            "learning_rate": self.learning_rate,
            "num_leaves": self.leaves,
            "min_data_in_leaf": max(5, min(self.least_rows, len(inputs) // 50)),
            "feature_fraction": 0.5,
            "bagging_fraction": 0.5,
            "bagging_freq": 1,
            "lambda_l2": 5.0,
            "max_bin": 127,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": self.threads,
            "seed": self.seed,
            "verbose": -1,
        } | {name: value for name, value in changes.items() if name != "weight"}
        data = lgb.Dataset(inputs, label.astype(np.float64), weight=changes.get("weight"))
        return lgb.train(parameters, data, num_boost_round=self.rounds)

    def _fit_pace(self, table: FeatureTable, labels: OrderLabels) -> lgb.Booster | float:
        """Orders a day after the next one: a Poisson rate over the time watched."""
        came = labels.further_days > 0
        days, orders = labels.further_days[came], labels.further_orders[came]
        typical = (orders.sum() + 1) / (days.sum() + PACE_PRIOR_DAYS)
        if self.tree_weight_ == 0 or len(days) < 4 * self.least_rows:
            return float(typical)
        rate = (orders + typical * PACE_PRIOR_DAYS) / (days + PACE_PRIOR_DAYS)
        return self._grow(table.values[came], rate * MONTH, objective="poisson", weight=days + PACE_PRIOR_DAYS)

    def predict_curves(self, table: FeatureTable) -> OrderCurves:
        """One curve per row; a row without an order before its moment is read as a customer of no history."""
        check_is_fitted(self, "bgnbd_")
        by_bgnbd = bgnbd_hazards(self.bgnbd_, table)
        hazards = np.empty((len(table), len(EDGES) - 1))
        for interval in range(hazards.shape[1]):
            hazards[:, interval] = expit(self._logits(table, by_bgnbd, interval))
        return from_hazards(EDGES, hazards, self._pace(table))

    def predict_proba(self, table: FeatureTable, horizon_days: float = 90) -> F64:
        """(n, 2) chance of an order within the horizon, and of none (churn)."""
        churn = self.predict_curves(table).churn(horizon_days)
        return np.column_stack([1 - churn, churn])

    def reasons(self, table: FeatureTable, horizon_days: float, top: int = 3) -> list[list[str]]:
        """For each row the strongest reasons for its chance of churn, in words with numbers in them."""
        if self.tree_weight_ == 0:
            return churn_reasons(table, (), np.zeros((len(table), 0)), top)
        interval = int(np.searchsorted(EDGES, horizon_days / 3, side="right")) - 1
        names = (*self.names_, *ADDED, *SEASONAL)
        push = np.zeros((len(table), len(names)))
        inputs = self._inputs(table, bgnbd_hazards(self.bgnbd_, table), interval)
        for booster, weight in self._boosters():
            seen = inputs[:, : booster.num_feature()]
            push[:, : seen.shape[1]] -= weight * np.asarray(booster.predict(seen, pred_contrib=True))[:, :-1]
        return churn_reasons(table, names, push, top)

    def importance(self) -> dict[str, float]:
        """Share of each column in what the hazards learnt (gain), largest first; it adds up to 1."""
        names = (*self.names_, *ADDED, *SEASONAL)
        gain = np.zeros(len(names))
        for booster, weight in self._boosters():
            gain[: booster.num_feature()] += weight * booster.feature_importance("gain")
        order = np.argsort(-gain, kind="stable")
        return {names[i]: float(gain[i] / max(gain.sum(), 1e-300)) for i in order}

    def _boosters(self) -> list[tuple[lgb.Booster, float]]:
        """The hazards in use and how far each is believed."""
        pairs = ((self.flat_, 1 - self.season_weight_), (self.season_, self.season_weight_))
        return [(booster, weight) for booster, weight in pairs if booster is not None]

    def _inputs(self, table: FeatureTable, by_bgnbd: F64, interval: int) -> NDArray[np.float32]:
        if table.names != self.names_:
            missing = sorted(set(self.names_) ^ set(table.names))
            raise ValueError(f"the feature table is not the one this model was fitted on; it differs in {missing}")
        every = np.arange(len(table))
        return hazard_inputs(table, by_bgnbd, every, np.full(len(table), interval))

    def _logits(self, table: FeatureTable, by_bgnbd: F64, interval: int) -> F64:
        """(n,) log odds of an order in the interval: trees and buy-till-you-die, each as far as it is believed."""
        found = (1 - self.tree_weight_) * logit(by_bgnbd[:, interval])
        inputs = self._inputs(table, by_bgnbd, interval) if self.tree_weight_ else None
        for booster, weight in self._boosters():
            assert inputs is not None  # noqa: S101 - there are boosters only where trees have a weight
            raw = np.asarray(booster.predict(inputs[:, : booster.num_feature()], raw_score=True))
            found = found + self.tree_weight_ * weight * raw
        return found

    def _pace(self, table: FeatureTable) -> F64:
        if isinstance(self.pace_, float):
            return np.full(len(table), self.pace_)
        return np.asarray(self.pace_.predict(table.values)) / MONTH

    def state(self) -> State:
        """The fitted parts (see `models.state`)."""
        check_is_fitted(self, "bgnbd_")
        boosters = {"flat": self.flat_, "season": self.season_, "pace": self.pace_}
        numbers = {
            "parameters": self.get_params(),
            "names": list(self.names_),
            "bgnbd": self.bgnbd_.to_dict(),
            "season_weight": self.season_weight_,
            "tree_weight": self.tree_weight_,
            "pace": self.pace_ if isinstance(self.pace_, float) else None,
        }
        texts = {name: part.model_to_string() for name, part in boosters.items() if hasattr(part, "model_to_string")}
        return {"numbers": numbers, **texts}

    @classmethod
    def from_state(cls, state: State) -> Self:
        """The model again."""
        import lightgbm as lgb

        numbers = dict_part(state, "numbers")
        model = cls(**numbers["parameters"])
        model.names_ = tuple(numbers["names"])
        model.bgnbd_ = BgNbd.from_dict(numbers["bgnbd"])
        model.season_weight_, model.tree_weight_ = numbers["season_weight"], numbers["tree_weight"]
        found = {
            name: lgb.Booster(model_str=text_part(state, name)) if name in state else None
            for name in ("flat", "season", "pace")
        }
        model.flat_, model.season_ = found["flat"], found["season"]
        model.pace_ = numbers["pace"] if found["pace"] is None else found["pace"]
        return model
