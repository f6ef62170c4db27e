"""What a customer is worth in the horizon: contribution margin, with an interval; returns and losses allowed.

Expected margin is expected orders, read off the customer's curve, times the margin of one order, drawn from the
customer's own towards the shop's. How many orders it takes to believe a customer's own differs from shop to shop (in
some everybody buys much the same, in others a wholesaler stands beside a hobbyist) and is learnt. One wholesaler does
not move the others: the shop's margin of an order is a median. Last year's margin, which holds a whole round of
seasons, may have a say beside it, on the logarithm; how much is learnt too.

The interval cannot come from the expectation, since most of what can happen is 'no order at all'. Two quantiles are
learnt directly, in units of the customer's own margin per order, and widened or narrowed on customers that the trees
did not see until the share of outcomes inside is right (conformalised quantile regression: Romano, Patterson and
Candes 2019, NeurIPS, section 4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from regulars.features.shop import DAY
from regulars.features.table import FeatureTable
from regulars.models.curves import OrderCurves
from regulars.models.fitted import ValuePrediction, check_columns, values_without_calendar
from regulars.models.state import State, array_part, dict_part
from regulars.models.trees import Growth, booster_part, grow_all, predictions, texts_of

F64 = NDArray[np.float64]

COVERAGE = 0.8
TAILS = ((1 - COVERAGE) / 2, (1 + COVERAGE) / 2)
"""Quantiles at the ends of an interval."""
PRIOR_ORDERS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Orders at which a customer's own margin per order counts as much as the shop's, to be chosen from."""
USUAL_PRIOR = 2.0
"""The same where nothing came by which to choose."""
LAST_YEAR = "margin_365d"
LAST_YEAR_SHARES = (0.0, 0.1, 0.2, 0.3)
"""How much of a say last year's margin may have."""
LAST_YEAR_FLOOR = 0.2
"""Of a usual order, added to last year's margin, so that a year without an order is not a promise."""
LEAST = 1e-12
"""Currency units; nothing that is expected is less, so that it has a logarithm."""
CALIBRATION_SHARE = 0.25
QUANTILE_SPAN = (-20.0, 200.0)
"""Bounds of an outcome in units of the margin per order, for the quantile trees only."""


@dataclass(frozen=True)
class ValueLabels:
    """What each row brought in the horizon.

    Attributes:
        margin: (n,) margin in currency units, returns taken off.
        orders: (n,) orders.
        watched: (n,) whether the whole horizon was watched; other rows are not used.
    """

    margin: F64
    orders: F64
    watched: NDArray[np.bool_]

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> ValueLabels:
        """The labels of the given rows."""
        return ValueLabels(self.margin[rows], self.orders[rows], self.watched[rows])


def days_of_last_year(table: FeatureTable) -> F64:
    """(n,) how many of the 365 days before each moment the shop's history holds; at least one."""
    return np.clip(table.moment / DAY - table.context.first_day, 1, 365).astype(np.float64)


class ValueModel(BaseEstimator):  # type: ignore[misc]
    """Expected margin in the horizon, with an 80 % interval.

    Args:
        horizon_days: the horizon whose margins are learnt.
        rounds, leaves, least_rows: of the trees.
        seed, threads: of the fit.
    """

    def __init__(
        self,
        horizon_days: float = 90,
        rounds: int = 80,
        leaves: int = 15,
        least_rows: int = 100,
        seed: int = 0,
        threads: int = 2,
    ) -> None:
        self.horizon_days = horizon_days
        self.rounds = rounds
        self.leaves = leaves
        self.least_rows = least_rows
        self.seed = seed
        self.threads = threads

    def fit(self, table: FeatureTable, curves: OrderCurves, labels: ValueLabels) -> Self:
        """Learns from customers at moments, their curves and what they brought."""
        rows = np.flatnonzero((table.column("orders_total") > 0) & labels.watched)
        rows = rows[np.lexsort((table.moment[rows], table.customer[rows]))]
        if len(rows) == 0:
            raise ValueError(f"no customer was watched for a whole horizon of {self.horizon_days:.0f} days")
        table, curves, labels = table.take(rows), curves.take(rows), labels.take(rows)
        self.names_ = table.names
        orders, margin = table.column("orders_total"), table.column("margin_total")
        self.shop_margin_ = float(np.median(margin / orders))
        self.floor_ = max(abs(self.shop_margin_) / 10, 1e-4)
        self.prior_orders_ = self._best_prior(table, labels)
        self.last_year_share_ = self._best_share(table, curves, labels)
        outcome = np.clip(labels.margin / self._usual(table, self.prior_orders_), *QUANTILE_SPAN)
        self._fit_interval(self._inputs(table, curves), outcome, self._held_out(table))
        return self

    def _best_prior(self, table: FeatureTable, labels: ValueLabels) -> float:
        """That of `PRIOR_ORDERS` by which the orders that came were worth what was expected: least gamma deviance."""
        came = labels.orders > 0
        if not came.any():
            return USUAL_PRIOR
        known, margin, orders = table.take(came), np.maximum(labels.margin[came], 0), labels.orders[came]
        deviance = []
        for prior in PRIOR_ORDERS:
            expected = orders * self._usual(known, prior)
            deviance.append((margin / expected + np.log(expected)).sum())
        return PRIOR_ORDERS[int(np.argmin(deviance))]

    def _best_share(self, table: FeatureTable, curves: OrderCurves, labels: ValueLabels) -> float:
        """That of `LAST_YEAR_SHARES` with which least was missed of the margins that came; none without the column."""
        if LAST_YEAR not in table.names:
            return LAST_YEAR_SHARES[0]
        usual, orders = self._usual(table, self.prior_orders_), curves.expected_orders(self.horizon_days)
        missed = [
            np.abs(labels.margin - self._expected(table, orders, usual, self.horizon_days, share)).sum()
            for share in LAST_YEAR_SHARES
        ]
        return LAST_YEAR_SHARES[int(np.argmin(missed))]

    def _expected(self, table: FeatureTable, orders: F64, usual: F64, horizon_days: float, share: float) -> F64:
        """(n,) margin in the horizon, by the orders expected in it, the margin of one, and last year's by its share."""
        ahead = orders * usual
        if share == 0:
            return ahead
        last_year = np.maximum(np.nan_to_num(table.column(LAST_YEAR)), 0) + LAST_YEAR_FLOOR * usual
        back = last_year * horizon_days / days_of_last_year(table)
        return np.asarray(np.exp((1 - share) * np.log(np.maximum(ahead, LEAST)) + share * np.log(back)))

    def _usual(self, table: FeatureTable, prior: float) -> F64:
        """(n,) margin per order, the customer's own drawn towards the shop's; positive."""
        orders, margin = (np.nan_to_num(table.column(name)) for name in ("orders_total", "margin_total"))
        return np.maximum((margin + prior * self.shop_margin_) / (orders + prior), self.floor_)

    def _inputs(self, table: FeatureTable, curves: OrderCurves) -> F64:
        """The table's columns without the calendar, the chance of churn and the expected orders."""
        churn, orders = curves.churn(self.horizon_days), curves.expected_orders(self.horizon_days)
        return np.column_stack([values_without_calendar(table), churn, orders])

    def _fit_interval(self, inputs: F64, outcome: F64, apart: NDArray[np.bool_]) -> None:
        """Learns the interval's ends and widens them on the rows `apart`, which the trees do not see."""
        self.plain_ = np.quantile(outcome, TAILS)
        self.low_ = self.high_ = None
        self.widen_ = 0.0
        if (~apart).sum() < 4 * self.least_rows:
            return
        growths = [self._growth(inputs[~apart], outcome[~apart], alpha) for alpha in TAILS]
        self.low_, self.high_ = grow_all(growths, self.threads)
        low, high = self._raw_interval(inputs[apart])
        miss = np.maximum(low - outcome[apart], outcome[apart] - high)
        self.widen_ = float(np.quantile(miss, COVERAGE, method="higher"))

    def _growth(self, inputs: F64, outcome: F64, alpha: float) -> Growth:
        settings = {
            "objective": "quantile",
            "alpha": alpha,
            "learning_rate": 0.08,
            "num_leaves": self.leaves,
            "min_data_in_leaf": self.least_rows,
            "feature_fraction": 0.5,
            "seed": self.seed,
        }
        return Growth(inputs, outcome, self.rounds, settings)

    def _held_out(self, table: FeatureTable) -> NDArray[np.bool_]:
        """(n,) rows of the customers on whom the interval is calibrated."""
        who = np.unique(table.customer)
        held = np.random.default_rng(self.seed).permutation(who)[: max(1, int(len(who) * CALIBRATION_SHARE))]
        return np.isin(table.customer, held)

    def _raw_interval(self, inputs: F64) -> tuple[F64, F64]:
        """Ends of the interval in units of the margin per order, before it is widened."""
        if self.low_ is None or self.high_ is None:
            return np.full(len(inputs), self.plain_[0]), np.full(len(inputs), self.plain_[1])
        low, high = predictions(self.low_, inputs), predictions(self.high_, inputs)
        return np.minimum(low, high), np.maximum(low, high)

    def predict(self, table: FeatureTable, curves: OrderCurves, horizon_days: float) -> ValuePrediction:
        """Margin of each row within the horizon; at another than the learnt one the interval grows with the orders."""
        check_is_fitted(self, "plain_")
        check_columns(table, self.names_)
        usual, inputs = self._usual(table, self.prior_orders_), self._inputs(table, curves)
        low, high = self._raw_interval(inputs)
        orders = curves.expected_orders(horizon_days)
        stretch = orders / np.maximum(curves.expected_orders(self.horizon_days), 1e-9)
        expected = self._expected(table, orders, usual, horizon_days, self.last_year_share_)
        low, high = (low - self.widen_) * usual * stretch, (high + self.widen_) * usual * stretch
        return ValuePrediction(expected, np.minimum(low, expected), np.maximum(high, expected))

    def state(self) -> State:
        """The fitted parts."""
        check_is_fitted(self, "plain_")
        numbers = {
            "parameters": self.get_params(),
            "names": list(self.names_),
            "shop_margin": self.shop_margin_,
            "floor": self.floor_,
            "prior_orders": self.prior_orders_,
            "last_year_share": self.last_year_share_,
            "widen": self.widen_,
        }
        return {"numbers": numbers, "plain": self.plain_, **texts_of({"low": self.low_, "high": self.high_})}

    @classmethod
    def from_state(cls, state: State) -> Self:
        """The model again."""
        numbers = dict_part(state, "numbers")
        model = cls(**numbers["parameters"])
        model.names_ = tuple(numbers["names"])
        model.shop_margin_, model.floor_ = numbers["shop_margin"], numbers["floor"]
        model.prior_orders_, model.last_year_share_ = numbers["prior_orders"], numbers["last_year_share"]
        model.widen_ = numbers["widen"]
        model.plain_ = array_part(state, "plain")
        model.low_, model.high_ = booster_part(state, "low"), booster_part(state, "high")
        return model
