"""Training sets: customers seen at many past moments, with what came after each.

Moments lie `snapshot_every_days` apart, going back from the moment at which training stands. Features of a row use
what was known before its moment, labels what was known before the training's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regulars.features.asof import AsOf, Moments
from regulars.features.context import ShopContext
from regulars.features.define import Feature
from regulars.features.logs import Logs
from regulars.features.settings import Settings
from regulars.features.shop import I64, days
from regulars.features.table import FeatureTable, feature_table
from regulars.models.hazard_rows import FURTHER_DAYS, OrderLabels
from regulars.models.value import ValueLabels
from regulars.training.labels import Outcomes

SNAPSHOTS_AT_MOST = 36
"""More only where two horizons hold more."""


@dataclass(frozen=True)
class TrainingSet:
    """What a training may see: rows of features with the labels of each question."""

    until: int
    table: FeatureTable
    orders: OrderLabels
    value: ValueLabels


def customers_at(logs: Logs, moment: int) -> Moments:
    """Everybody with an order before the moment, at the moment."""
    everybody = Moments.grid(np.arange(logs.keys), [moment])
    return everybody.take(AsOf(logs.orders, everybody).count() > 0)


def first_known(logs: Logs, until: int) -> int:
    """When the first order was that is known before `until`; `until` where there is none."""
    known = logs.orders.time[logs.orders.visible < until]
    return int(known.min(initial=until))


def snapshot_moments(logs: Logs, until: int, settings: Settings) -> I64:
    """The moments of a training that stands at `until`: that one, and earlier ones with some history before them.

    However short the history, one of them lies a whole horizon back, or nobody's window would be over.
    """
    step = days(settings.train.snapshot_every_days)
    to_horizon = -(-days(settings.churn.horizon_days) // step)
    found = until - step * np.arange(max(SNAPSHOTS_AT_MOST, 2 * to_horizon))
    begin = first_known(logs, until)
    earliest = min(begin + 2 * step, until - to_horizon * step)
    return np.asarray(found[(found >= earliest) & (found > begin) | (found == until)])


def training_set(logs: Logs, until: int, settings: Settings, features: list[Feature] | None = None) -> TrainingSet:
    """Rows and labels for a training that stands at `until` and knows nothing at or after it.

    Where there would be more rows than `train.max_snapshot_rows`, a random share of the customers is taken, each
    with all their moments.
    """
    moments = Moments.grid(np.arange(logs.keys), snapshot_moments(logs, until, settings))
    moments = moments.take(AsOf(logs.orders, moments).count() > 0)
    moments = moments.take(some_customers(moments.key, settings.train.max_snapshot_rows))
    table = feature_table(logs, moments, ShopContext.of(logs, until), features)
    outcomes = Outcomes(logs, until)
    return TrainingSet(until, table, order_labels(outcomes, moments), value_labels(outcomes, moments, settings))


def some_customers(customer: NDArray[np.integer], most: int) -> NDArray[np.intp]:
    """All rows of as many random customers as have at most `most` rows together; at least those of one.

    Customers are drawn among those who are there, not among all codes: who joins later must not change who is drawn.
    """
    if len(customer) <= most:
        return np.arange(len(customer))
    known, rows = np.unique(customer, return_counts=True)
    order = np.random.default_rng(0).permutation(len(known))
    count = int((np.cumsum(rows[order]) <= most).sum())
    return np.flatnonzero(np.isin(customer, known[order[: max(1, count)]]))


def order_labels(outcomes: Outcomes, moments: Moments) -> OrderLabels:
    """When the next order came, and how many followed it."""
    next_order, watched = outcomes.days_to_next_order(moments), outcomes.observed_days(moments)
    end = np.minimum(watched, FURTHER_DAYS)
    further_days = np.where(next_order < end, end - next_order, 0.0)
    orders = outcomes.orders(moments, FURTHER_DAYS)
    return OrderLabels(next_order, watched, np.where(further_days > 0, orders - 1.0, 0.0), further_days)


def value_labels(outcomes: Outcomes, moments: Moments, settings: Settings) -> ValueLabels:
    """Margin and orders of the horizon."""
    horizon = settings.churn.horizon_days
    watched = outcomes.observed_days(moments) >= horizon
    margin, orders = outcomes.margin(moments, horizon), outcomes.orders(moments, horizon)
    return ValueLabels(margin, orders.astype(np.float64), watched)
