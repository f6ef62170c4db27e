"""Training sets: customers seen at many past moments, with what came after each.

Moments lie `snapshot_every_days` apart, going back from the moment at which training stands. Features of a row use
what was known before its moment, labels what was known before the training's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regulars.features.asof import AsOf, Moments
from regulars.features.context import ShopContext
from regulars.features.define import Feature
from regulars.features.logs import Logs
from regulars.features.settings import Settings
from regulars.features.shop import I64, days
from regulars.features.table import FeatureTable, feature_table
from regulars.models.hazard_rows import OrderLabels
from regulars.models.value import ValueLabels
from regulars.training.labels import Outcomes

FURTHER_DAYS = 180.0
"""How long further orders are counted after the next one, in days from the moment."""
SNAPSHOTS_AT_MOST = 36


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


def snapshot_moments(logs: Logs, until: int, settings: Settings) -> I64:
    """The moments of a training that stands at `until`: that one, and earlier ones with some history before them."""
    step = days(settings.train.snapshot_every_days)
    found = until - step * np.arange(SNAPSHOTS_AT_MOST)
    # A short history still has to hold one moment that was watched for a whole horizon.
    watched = until - step * -(-settings.churn.horizon_days // settings.train.snapshot_every_days)
    earliest = min(logs.shop.first + 2 * step, max(watched, logs.shop.first + 1))
    return found[(found >= earliest) | (found == until)]


def training_set(logs: Logs, until: int, settings: Settings, features: list[Feature] | None = None) -> TrainingSet:
    """Rows and labels for a training that stands at `until` and knows nothing at or after it.

    Where there would be more rows than `train.max_snapshot_rows`, a random share of the customers is taken, each
    with all their moments.
    """
    moments = Moments.grid(np.arange(logs.keys), snapshot_moments(logs, until, settings))
    moments = moments.take(AsOf(logs.orders, moments).count() > 0)
    if len(moments) > settings.train.max_snapshot_rows:
        share = settings.train.max_snapshot_rows / len(moments)
        kept = np.random.default_rng(0).random(logs.keys) < share
        moments = moments.take(kept[moments.key])
    table = feature_table(logs, moments, ShopContext.of(logs, until), features)
    outcomes = Outcomes(logs, until)
    return TrainingSet(until, table, order_labels(outcomes, moments), value_labels(outcomes, moments, settings))


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
