"""One model of when orders come.

The chance of an order in each interval after a moment, given none before it, is learnt with gradient boosted trees
over many moments per customer (`hazard_rows`). Multiplied up, the chances are a curve (`curves`), and churn at any
horizon, the number of orders and the next date are read off it.

Ranking customers is easy; the level is not, because shops have seasons. A tree that may look at the calendar learns
that autumn is busy, but from a single autumn it cannot know which part of that was the season and which part chance
or growth. So two hazards are fitted, one that sees the season and one that does not, and the first is believed in
proportion to how much of a second year the shop's history holds. Where the history is short or holds few orders, both
give way to the buy-till-you-die model, which needs four numbers only, with what the shop's data say against it in a
few more (`linear_hazard`): trees that have seen nothing but the weeks before Christmas expect Christmas to go on. For
the same reason the level leans on that of the buy-till-you-die model alone, whose rates are averages over each
customer's whole history, as far as the season is not yet known. That model is BG/NBD, or one that knows regular gaps
where the shop's customers have them (`rhythm`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from regulars.features.shop import DAY
from regulars.features.table import FeatureTable
from regulars.models.curves import OrderCurves, from_hazards
from regulars.models.fitted import check_columns, values_without_calendar, without_calendar
from regulars.models.hazard_rows import (
    ADDED,
    EDGES,
    SEASONAL,
    HazardRows,
    OrderLabels,
    bgnbd_hazards,
    hazard_inputs,
    known_inputs,
    look_at,
    unfold,
    year_ago_lifts,
)
from regulars.models.linear_hazard import LinearHazard
from regulars.models.pace import PRIOR_DAYS, PaceLine, bgnbd_pace, pooled, usual_pace
from regulars.models.reasons import churn_reasons
from regulars.models.regular_buying import buying_from_dict
from regulars.models.rhythm import fit_buying
from regulars.models.shop_level import ShopLevel
from regulars.models.state import State, dict_part
from regulars.models.stretch import Stretch
from regulars.models.trees import (
    Growth,
    booster_part,
    contributions,
    grow_all,
    predictions,
    raw_scores,
    texts_of,
)

if TYPE_CHECKING:
    import lightgbm as lgb

F64 = NDArray[np.float64]

ORDERS_FOR_HALF_WEIGHT = 300
"""Orders seen in training rows at which the trees count as much as the buy-till-you-die model."""
YEARS_FOR_FULL_WEIGHT = 2
"""Years of history from which on the trees need no help with the level; with less they count in proportion."""
LEVEL_DAYS = 90.0
"""The horizon at which levels are compared."""
MONTH = 30.0
"""Days; the pace is learnt as orders in so many."""


class OrderTimeModel(BaseEstimator):  # type: ignore[misc]
    """When customers order next.

    Args:
        rounds: trees of each hazard.
        learning_rate, leaves, least_rows: of the trees; least_rows is the number of rows a leaf has to hold.
        seasonal: whether the calendar may be used at all.
        seed: of the choice of columns that each tree may look at.
        threads: boosters grown at a time; the answer does not depend on it.
    """

    def __init__(
        self,
        rounds: int = 75,
        learning_rate: float = 0.1,
        leaves: int = 8,
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
        rows = unfold(labels)
        self.bgnbd_, by_bgnbd = fit_buying(table, rows)
        years = (table.context.as_of / DAY - table.context.first_day) / 365
        self.tree_weight_ = tree_weight(rows, years)
        self.season_weight_ = float(np.clip(years - 1, 0, 1)) if self.seasonal else 0.0
        inputs = hazard_inputs(table, by_bgnbd, rows.row, rows.interval) if self.tree_weight_ > 0 else None
        growths = self._hazard_growths(inputs, rows) | self._pace_growth(table, labels)
        grown = dict(zip(growths, grow_all(list(growths.values()), self.threads), strict=True))
        self.flat_, self.season_, self.pace_ = (grown.get(name) for name in ("flat", "season", "pace"))
        learnable = 0 < rows.ordered.sum() < len(rows.row)
        self.linear_ = LinearHazard.fit(table, by_bgnbd, rows) if learnable else None
        self.pace_line_ = PaceLine.fit(self._bgnbd_pace(table, by_bgnbd), labels)
        self.level_shift_, self.stretch_ = 0.0, Stretch.none()
        if self.tree_weight_ > 0:
            self.stretch_ = Stretch.fit(self._logits_of(table, by_bgnbd, rows.row, rows.interval, inputs), rows)
        at_newest = table.moment == table.moment.max()
        newest, by_bgnbd = table.take(at_newest), by_bgnbd[at_newest]
        self.level_shift_ = self._find_level_shift(newest, by_bgnbd)
        self.level_ = ShopLevel.fit(table, labels, self._hazards(newest, by_bgnbd), self._pace(newest, by_bgnbd))
        return self

    def _find_level_shift(self, newest: FeatureTable, by_bgnbd: F64) -> float:
        """What to add to all log odds so that the level of churn leans on BG/NBD's as far as the season is unknown."""
        if self.tree_weight_ == 0 or self.season_weight_ == 1:
            return 0.0
        from scipy.optimize import brentq  # a prediction does without it

        intervals = int(np.searchsorted(EDGES, LEVEL_DAYS))
        logits = self._logits(newest, by_bgnbd, intervals)
        wanted = np.prod(1 - by_bgnbd[:, :intervals], axis=1).mean()

        def excess(shift: float) -> float:
            return float(np.prod(expit(-logits - shift), axis=1).mean() - wanted)

        return (1 - self.season_weight_) * float(brentq(excess, -30, 30))

    def _hazard_growths(self, inputs: NDArray[np.float32] | None, rows: HazardRows) -> dict[str, Growth]:
        """The hazard without the season and the one with it, where they count at all."""
        if inputs is None:
            return {}
        label = rows.ordered.astype(np.float64)
        settings = self._settings("binary", len(label))
        growths = {}
        if self.season_weight_ < 1:
            growths["flat"] = Growth(inputs[:, : -len(SEASONAL)], label, self.rounds, settings)
        if self.season_weight_ > 0:
            growths["season"] = Growth(inputs, label, self.rounds, settings)
        return growths

    def _pace_growth(self, table: FeatureTable, labels: OrderLabels) -> dict[str, Growth]:
        """Orders a month after the next one: a Poisson rate over the time watched; nothing where few came."""
        came = labels.further_days > 0
        if self.tree_weight_ == 0 or came.sum() < 4 * self.least_rows:
            return {}
        orders, days = labels.further_orders[came], labels.further_days[came] + PRIOR_DAYS
        rate = (orders + usual_pace(labels) * PRIOR_DAYS) / days
        settings = self._settings("poisson", len(rate))
        return {"pace": Growth(values_without_calendar(table)[came], rate * MONTH, self.rounds, settings, weight=days)}

    def _settings(self, objective: str, rows: int) -> dict[str, str | float]:
        return {
            "objective": objective,
            "learning_rate": self.learning_rate,
            "num_leaves": self.leaves,
            "min_data_in_leaf": max(5, min(self.least_rows, rows // 50)),
            "feature_fraction": 0.3,
            "seed": self.seed,
        }

    def predict_curves(self, table: FeatureTable) -> OrderCurves:
        """One curve per row; a row without an order before its moment is read as a customer of no history."""
        self._check(table)
        by_bgnbd = bgnbd_hazards(self.bgnbd_, table)
        return self._curves(table, by_bgnbd, len(EDGES) - 1, self._pace(table, by_bgnbd))

    def _curves(self, table: FeatureTable, by_bgnbd: F64, intervals: int, pace: F64) -> OrderCurves:
        """The curves of the first intervals."""
        hazards = self._hazards(table, by_bgnbd, intervals)
        return from_hazards(EDGES[: intervals + 1], *self.level_.scaled(hazards, pace, table.moment))

    def predict_proba(self, table: FeatureTable, horizon_days: float = 90) -> F64:
        """(n, 2) chance of an order within the horizon, and of none (churn)."""
        self._check(table)
        # No interval that begins at the horizon or later has a say, nor has the pace.
        intervals = int(np.searchsorted(EDGES[1:-1], horizon_days)) + 1
        by_bgnbd = bgnbd_hazards(self.bgnbd_, table)
        churn = self._curves(table, by_bgnbd, intervals, np.zeros(len(table))).churn(horizon_days)
        return np.column_stack([1 - churn, churn])

    def reasons(self, table: FeatureTable, horizon_days: float, top: int = 3) -> list[list[str]]:
        """For each row the strongest reasons for its chance of churn, in words with numbers in them."""
        self._check(table)
        interval = int(np.searchsorted(EDGES[:-1], horizon_days / 3, side="right")) - 1
        inputs = self._inputs(table, bgnbd_hazards(self.bgnbd_, table), interval)
        push = np.zeros(inputs.shape)
        for booster, weight in self._boosters():
            seen = inputs[:, : booster.num_feature()]
            push[:, : seen.shape[1]] -= weight * contributions(booster, seen)
        return churn_reasons(table, self._columns, push, top)

    def importance(self) -> dict[str, float]:
        """Share of each column in what the hazards learnt (gain), largest first; adds up to 1, or 0 without trees."""
        check_is_fitted(self, "bgnbd_")
        gain = np.zeros(len(self._columns))
        for booster, weight in self._boosters():
            gain[: booster.num_feature()] += weight * booster.feature_importance("gain")
        share = gain / (gain.sum() or 1.0)
        return {self._columns[i]: float(share[i]) for i in np.argsort(-gain, kind="stable")}

    @property
    def _columns(self) -> tuple[str, ...]:
        """Names of the inputs' columns."""
        return (*without_calendar(self.names_), *ADDED, *SEASONAL)

    def _boosters(self) -> list[tuple[lgb.Booster, float]]:
        """The hazards in use and how far each is believed."""
        pairs = ((self.flat_, 1 - self.season_weight_), (self.season_, self.season_weight_))
        return [(booster, weight) for booster, weight in pairs if booster is not None]

    def _check(self, table: FeatureTable) -> None:
        check_is_fitted(self, "bgnbd_")
        check_columns(table, self.names_)

    def _inputs(self, table: FeatureTable, by_bgnbd: F64, interval: int) -> NDArray[np.float32]:
        return hazard_inputs(table, by_bgnbd, np.arange(len(table)), np.full(len(table), interval))

    def _hazards(self, table: FeatureTable, by_bgnbd: F64, intervals: int = len(EDGES) - 1) -> F64:
        """(n, intervals) chance of an order in each interval given none before, whatever the year says of them."""
        return np.asarray(expit(self._logits(table, by_bgnbd, intervals)))

    def _logits(self, table: FeatureTable, by_bgnbd: F64, intervals: int) -> F64:
        """(n, intervals) log odds of an order of each row in each of the first intervals."""
        found, every = np.empty((len(table), intervals)), np.arange(len(table))
        inputs = known_inputs(table, every) if self.tree_weight_ > 0 else None
        lifts = year_ago_lifts(table)
        for k in range(intervals):
            interval = np.full(len(table), k)
            if inputs is not None:
                look_at(inputs, table, by_bgnbd, lifts, every, interval)
            found[:, k] = self._logits_of(table, by_bgnbd, every, interval, inputs)
        return found

    def _logits_of(
        self,
        table: FeatureTable,
        by_bgnbd: F64,
        row: NDArray[np.integer],
        interval: NDArray[np.integer],
        inputs: NDArray[np.float32] | None,
    ) -> F64:
        """(m,) log odds of an order: trees and buy-till-you-die, each as far as it is believed.

        Args:
            table: (n) rows.
            by_bgnbd: (n, intervals) of `bgnbd_hazards`.
            row: (m,) rows of the table.
            interval: (m,) intervals they are looked at in.
            inputs: (m, columns) of `hazard_inputs`; None where trees have no say.
        """
        if self.linear_ is None:
            found = logit(by_bgnbd[row, interval])
        else:
            found = self.linear_.log_odds(table, by_bgnbd, row, interval)
        if inputs is None:
            return np.asarray(found)
        found = (1 - self.tree_weight_) * found
        for booster, weight in self._boosters():
            found += self.tree_weight_ * weight * raw_scores(booster, inputs[:, : booster.num_feature()])
        return self.stretch_.of(found, interval) + self.level_shift_

    def _pace(self, table: FeatureTable, by_bgnbd: F64) -> F64:
        by_line = self.pace_line_.of(self._bgnbd_pace(table, by_bgnbd))
        if self.pace_ is None:
            return by_line
        return pooled(by_line, predictions(self.pace_, values_without_calendar(table)) / MONTH, self.tree_weight_)

    def _bgnbd_pace(self, table: FeatureTable, by_bgnbd: F64) -> F64:
        return bgnbd_pace(self.bgnbd_, table, from_hazards(EDGES, by_bgnbd, np.zeros(len(table))))

    def state(self) -> State:
        """The fitted parts (see `models.state`)."""
        check_is_fitted(self, "bgnbd_")
        numbers = {
            "parameters": self.get_params(),
            "names": list(self.names_),
            "bgnbd": self.bgnbd_.to_dict(),
            "linear": None if self.linear_ is None else self.linear_.to_dict(),
            "season_weight": self.season_weight_,
            "tree_weight": self.tree_weight_,
            "pace_line": self.pace_line_.to_dict(),
            "level_shift": self.level_shift_,
            "stretch": self.stretch_.to_dict(),
            "level": self.level_.to_dict(),
        }
        return {"numbers": numbers, **texts_of({"flat": self.flat_, "season": self.season_, "pace": self.pace_})}

    @classmethod
    def from_state(cls, state: State) -> Self:
        """The model again."""
        numbers = dict_part(state, "numbers")
        model = cls(**numbers["parameters"])
        model.names_ = tuple(numbers["names"])
        model.bgnbd_ = buying_from_dict(numbers["bgnbd"])
        model.linear_ = None if numbers["linear"] is None else LinearHazard.from_dict(numbers["linear"])
        model.season_weight_, model.tree_weight_ = numbers["season_weight"], numbers["tree_weight"]
        model.pace_line_, model.level_shift_ = PaceLine.from_dict(numbers["pace_line"]), numbers["level_shift"]
        model.stretch_ = Stretch.from_dict(numbers["stretch"])
        model.level_ = ShopLevel.from_dict(numbers["level"])
        model.flat_, model.season_, model.pace_ = (booster_part(state, name) for name in ("flat", "season", "pace"))
        return model


def tree_weight(rows: HazardRows, years: float) -> float:
    """How far the trees are believed, 0 to 1; 0 where every interval had an order or none had."""
    came = int(rows.ordered.sum())
    if not 0 < came < len(rows.row):
        return 0.0
    return float(came / (came + ORDERS_FOR_HALF_WEIGHT) * np.clip(years / YEARS_FOR_FULL_WEIGHT, 0, 1))
