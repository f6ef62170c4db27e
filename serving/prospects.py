"""What to expect of prospects: the chance of a first order, told from those who were prospects before.

Nobody's history says when a person without one will order. What can be counted is how many of those who were known
without an order at earlier moments placed their first within the horizon. Few prospects are drawn to a weak prior: how
large a part of the shop's buyers of the last horizon were newcomers. Everything follows from that one chance by a
constant rate, and from what newcomers' first orders brought. It is made once, dated and carried by the bundle, so that
a prospect's answer is the same alone and in a batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regulars.features.asof import F64, AsOf, Moments
from regulars.features.context import ShopContext
from regulars.features.logs import Logs
from regulars.features.shop import I64, MONEY, NEVER, days
from regulars.models.curves import LAST_DAY, OrderCurves
from regulars.models.fitted import ValuePrediction
from regulars.serving.known import known_since

EARLIER_MOMENTS = 4
"""Moments, one horizon apart, at which earlier prospects are counted."""
PRIOR_PROSPECTS = 10.0
"""Prospects that the prior counts for."""
NEWCOMERS_SINCE = days(365)
"""First orders older than this say nothing about today's newcomers."""


@dataclass(frozen=True)
class ProspectRates:
    """What a prospect does within the horizon, as known at one moment.

    Attributes:
        horizon_days: the horizon.
        watched, ordered: earlier prospects, and how many of them placed a first order within the horizon.
        chance: probability of a first order within the horizon, in (0, 1).
        pace: further orders a day after the first.
        margin: mean margin of an order, in currency units.
        margin_low, margin_high: 80 % interval of the margin within the horizon, 0 of those who do not order included.
    """

    horizon_days: float
    watched: int
    ordered: int
    chance: float
    pace: float
    margin: float
    margin_low: float
    margin_high: float

    def curves(self, count: int) -> OrderCurves:
        """The curve of `count` prospects: the hazard is constant."""
        at_the_end = np.exp(np.log1p(-self.chance) * LAST_DAY / self.horizon_days)
        survival = np.tile([1.0, float(at_the_end)], (count, 1))
        return OrderCurves(np.array([0.0, LAST_DAY]), survival, np.full(count, self.pace))

    def value(self, expected_orders: F64) -> ValuePrediction:
        """Margin within the horizon of prospects with so many expected orders; the interval holds the expectation."""
        expected = expected_orders * self.margin
        return ValuePrediction(expected, np.minimum(self.margin_low, expected), np.maximum(self.margin_high, expected))


def prospect_rates(logs: Logs, context: ShopContext, as_of: int) -> ProspectRates:
    """The rates of a shop, from what was known before `as_of`.

    Args:
        logs: the shop's logs.
        context: where no first order is known, its usual order and the stated margin are what one would bring.
        as_of: the moment, in microseconds.
    """
    horizon_days = logs.settings.churn.horizon_days
    horizon, keys = days(horizon_days), np.arange(logs.keys, dtype=np.int32)
    now = AsOf(logs.orders, Moments(keys, np.full(len(keys), as_of)))
    first = now.first_time()
    watched, ordered = _earlier_prospects(known_since(logs.shop), first, as_of, horizon)
    prior = _newcomers_share(now, first, as_of, horizon)
    chance = (ordered + PRIOR_PROSPECTS * prior) / (watched + PRIOR_PROSPECTS)
    margins = _first_margins(logs, now, first, as_of)
    guess = context.scale * logs.settings.money.gross_margin
    low, high = _interval(margins if len(margins) else np.array([guess]), chance)
    return ProspectRates(
        horizon_days=float(horizon_days),
        watched=watched,
        ordered=ordered,
        chance=chance,
        pace=_further_orders(logs, first, as_of, horizon) / horizon_days,
        margin=float(margins.mean()) if len(margins) else guess,
        margin_low=low,
        margin_high=high,
    )


def _earlier_prospects(since: I64, first: I64, as_of: int, horizon: int) -> tuple[int, int]:
    """Prospects at moments whose horizon is over, and those who ordered in it.

    Who is there without any date is left out: it is not known since when they could have ordered, and whoever of them
    did order is not there without a date any more.
    """
    watched = ordered = 0
    for moment in range(as_of - EARLIER_MOMENTS * horizon, as_of, horizon):
        prospect = (since != NEVER) & (since < moment) & ((first == NEVER) | (first >= moment))
        watched += int(prospect.sum())
        ordered += int((prospect & (first != NEVER) & (first < moment + horizon)).sum())
    return watched, ordered


def _newcomers_share(now: AsOf, first: I64, as_of: int, horizon: int) -> float:
    """Share of the customers who bought in the last horizon whose first order that was, drawn to 1 in 10."""
    newcomers = int((first >= as_of - horizon).sum())
    buyers = int((now.count(horizon) > 0).sum())
    return (newcomers + 1) / (max(buyers, newcomers) + 10)


def _first_margins(logs: Logs, now: AsOf, first: I64, as_of: int) -> F64:
    """Margin of each newcomer's first order, in currency units."""
    log = logs.sales
    if not len(log):
        return np.zeros(0)
    order = np.where(first >= as_of - NEWCOMERS_SINCE, now.first("order"), -1)
    rows = (log.columns["order"] == order[log.key]) & (log.visible < as_of)
    margin = np.zeros(len(first), np.int64)
    np.add.at(margin, log.key[rows], log.columns["margin"][rows])
    return margin[order >= 0] / MONEY


def _further_orders(logs: Logs, first: I64, as_of: int, horizon: int) -> float:
    """Mean orders within a horizon after the first, among newcomers who were seen for so long; drawn to none."""
    seen = (first >= as_of - NEWCOMERS_SINCE - horizon) & (first <= as_of - horizon)
    log = logs.orders
    soon = (log.time < first[log.key] + horizon) & (log.visible < as_of) & seen[log.key]
    return float(max(soon.sum() - seen.sum(), 0) / (seen.sum() + 1))


def _interval(margins: F64, chance: float) -> tuple[float, float]:
    """10 % and 90 % quantile of the margin, 0 with probability 1 - chance."""
    values = np.append(margins, 0.0)
    weights = np.append(np.full(len(margins), chance / len(margins)), 1 - chance)
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    at = np.minimum(np.searchsorted(reached, [0.1, 0.9]), len(values) - 1)
    low, high = values[order][at]
    return float(low), float(high)
