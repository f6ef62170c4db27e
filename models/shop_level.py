"""How many orders come in all: the curves of the customers held against the same weeks a year ago.

Who is more likely to order than whom can be learnt from a few months. How many order in all cannot: a model that has
seen nothing but the weeks before Christmas expects Christmas to go on, and is off by half or by twice. For a total
there is an old forecast that is hard to beat with a single year behind it: what came in the same weeks a year ago times
the growth since. It counts everybody's orders, where a model of customers counts those of customers known by now; so
the two are made comparable, span by span:

1. What a year ago lets expect: orders of the span a year ago x growth (orders of the last 13 weeks over those of the
   same weeks a year before) x the share of such orders that is of customers known by now (of the orders since an
   earlier moment, the share of customers who had been known at it).
2. What the curves expect in the span.

Both are uncertain; the logarithm of the total is their mean, weighted by how sure each is. All customers' rates in the
span get the one factor by which the curves meet the total, so the order of customers hardly changes. Without a year
behind the shop nothing changes at all.

The doubts below are about what the two forecasts were off by, on simulated shops with and without season, growth,
newcomers and a cut-off beginning, and on Online Retail II before June 2011.

Source of the forecast: Hyndman and Athanasopoulos 2021, 'Forecasting: Principles and Practice', 3rd edition, section
5.2 (seasonal naive method); of the weights: Bates and Granger 1969, 'The Combination of Forecasts', Operational
Research Quarterly 20(4), pages 451-468.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from regulars.features.context import ShopContext
from regulars.features.shop import DAY, I64
from regulars.features.table import FeatureTable
from regulars.models.curves import from_hazards
from regulars.models.hazard_rows import EDGES, FURTHER_DAYS, OrderLabels

F64 = NDArray[np.float64]

SPANS: F64 = np.array([0.0, 30, 90, 180, 364])
"""Days after the moment between which one factor holds; a month at least, so that there is something to count."""
YEAR = 364
"""Days; whole weeks, so that Saturdays meet Saturdays."""
BASE_DAYS = 91
"""Days before the moment by which growth is measured, where a year ago has as many; `LEAST_BASE_DAYS` at least."""
LEAST_BASE_DAYS = 28
MODEL_DOUBT = 0.4
"""Standard deviation of the log of what came over what the curves expect, from seasons they do not know."""
GROWTH_DOUBT = 0.1
"""The same of a year ago times growth, beside the chance in its counts; and where growth cannot be measured."""
UNKNOWN_GROWTH_DOUBT = 0.25
CHANGE_DOUBT = 0.5
"""The more a shop has changed in a year (log of growth), the less last year says: doubt added for each unit."""
FURTHEST = 3.0
"""A factor beyond this, or below one over it, is no season."""
STILL_WON = 0.1
"""Where fewer new customers come than this share of a year ago, that year's orders say nothing of the coming ones."""
PACE_DAYS = 90.0
"""The days ahead whose factor the pace of further orders gets."""
SURE = 1 - 1e-9
"""No hazard is larger."""
ROUNDS = 5
"""Of meeting the total of the next `PACE_DAYS`: orders do not quite grow in proportion to rates."""


class Total(NamedTuple):
    """Orders in a span that last year lets expect from all customers known, and the doubt (of its logarithm)."""

    orders: float
    doubt: float


@dataclass(frozen=True)
class ShopLevel:
    """Factors on all rates by the days after a moment.

    Attributes:
        moment: in microseconds; what lies before it is left alone.
        factors: (spans,) of each of `SPANS`; later days are left alone.
    """

    moment: int
    factors: F64

    @classmethod
    def unchanged(cls, moment: int = 0) -> Self:
        """Leaves everything as it is."""
        return cls(moment, np.ones(len(SPANS) - 1))

    @classmethod
    def fit(cls, table: FeatureTable, labels: OrderLabels, hazards: F64, pace: F64) -> Self:
        """The factors at the newest moment.

        Args:
            table: (n) customers at moments, the newest of which is that of the table's context.
            labels: (n) what came after each row.
            hazards: (m, intervals) of the rows at the newest moment, by `EDGES`.
            pace: (m,) of the same rows.
        """
        moment = int(table.moment.max())
        totals = year_ago_totals(table, labels, moment)
        expected = _expected(hazards, pace)
        if totals is None or not (expected > 0).all():
            return cls.unchanged(moment)
        wanted = np.array([total.orders for total in totals])
        trust = MODEL_DOUBT**2 / (MODEL_DOUBT**2 + np.array([total.doubt for total in totals]) ** 2)
        ratio = np.exp(trust * np.log(wanted / expected))
        near = SPANS[1:] <= PACE_DAYS
        goal, stretch = float((expected * ratio)[near].sum()), 1.0
        found = cls.unchanged(moment)
        for _ in range(ROUNDS):
            found = cls(moment, np.clip(ratio * stretch, 1 / FURTHEST, FURTHEST))
            met = _expected(*found.scaled(hazards, pace, np.full(len(pace), moment)))
            stretch *= goal / float(met[near].sum())
        return found

    def scaled(self, hazards: F64, pace: F64, moment: I64) -> tuple[F64, F64]:
        """Hazards (n, intervals) and pace (n,) of customers at moments (n,), with all rates times the factors.

        The intervals are those of `EDGES`, or the first of them.
        """
        if (self.factors == 1).all():
            return hazards, pace
        moments, which = np.unique(moment, return_inverse=True)
        since = (moments - self.moment) / DAY
        # The curve ends at the last edge; one row for each moment, not for each customer.
        edges = EDGES[: hazards.shape[1] + 1]
        starts, ends = since[:, None] + edges[:-1], since[:, None] + edges[1:]
        factors = (self._until(ends) - self._until(starts)) / (ends - starts)
        ahead = (self._until(since + PACE_DAYS) - self._until(since)) / PACE_DAYS
        return -np.expm1(factors[which] * np.log1p(-np.minimum(hazards, SURE))), pace * ahead[which]

    def _until(self, day: F64) -> F64:
        """The integral of the factor from the moment to days after it (before it: minus the days)."""
        whole = np.concatenate([[0.0], np.cumsum(self.factors * np.diff(SPANS))])
        beyond = np.maximum(day - SPANS[-1], 0.0) + np.minimum(day, 0.0)
        return np.asarray(np.interp(day, SPANS, whole) + beyond)

    def to_dict(self) -> dict[str, Any]:
        """As plain numbers, for JSON."""
        return {"moment": self.moment, "factors": self.factors.tolist()}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Self:
        """What `to_dict` described."""
        return cls(int(saved["moment"]), np.array(saved["factors"], np.float64))


def year_ago_totals(table: FeatureTable, labels: OrderLabels, moment: int) -> list[Total] | None:
    """For each of `SPANS` what a year ago lets expect of the customers at the newest moment; None without a year.

    The table may hold a sample of the customers; the totals are for as many.
    """
    context, today = table.context, moment // DAY
    behind = today - YEAR - context.first_day
    if behind < 0 or not context.orders.any() or not _still_won(context, today, min(BASE_DAYS, behind)):
        return None
    growth, doubt = _growth(context, today, min(BASE_DAYS, behind))
    newest = table.column("orders_total")[table.moment == moment].sum()
    sample = float(newest / context.orders.sum())
    seen = known_shares(table, labels, moment, sample)
    if len(seen.lags) == 1:
        return None
    known_days = np.diff(SPANS * np.interp(SPANS, seen.lags, seen.shares))
    totals = []
    for start, end, days in zip(SPANS[:-1], SPANS[1:], known_days, strict=True):
        # Half an order more, so that a count of none has a logarithm; a count's own doubt is one over its root.
        then = _orders(context, today - YEAR + start, today - YEAR + end) + 0.5
        rate = then / (end - start) * growth
        chance = 1 / then + 1 / (seen.orders + 0.5)
        totals.append(Total(rate * max(float(days), 1.0) * sample, float(np.sqrt(doubt**2 + chance))))
    return totals


class KnownShares(NamedTuple):
    """How much of the orders since an earlier moment was of customers who had been known at it.

    Attributes:
        lags: (k,) days from that moment to the newest, rising from 0.
        shares: (k,) the share.
        orders: how many orders of theirs came since the earliest of the moments.
    """

    lags: F64
    shares: F64
    orders: float


def known_shares(table: FeatureTable, labels: OrderLabels, moment: int, sample: float) -> KnownShares:
    """What part of a time's orders is of customers who are known at its beginning.

    Args:
        table: (n) customers at moments.
        labels: (n) what came after each row.
        moment: the newest, in microseconds.
        sample: share of the shop's orders that is of customers in the table.
    """
    lags, shares, known = [0.0], [1.0], 0.0
    for then in np.unique(table.moment)[::-1][1:]:
        lag = (moment - then) / DAY
        if lag > FURTHER_DAYS:
            break
        rows = labels.take(table.moment == then)
        known = float((~np.isnan(rows.days_to_next)).sum() + rows.further_orders.sum())
        everybody = _orders(table.context, then // DAY, moment // DAY) * sample
        if everybody > 0:
            lags.append(float(lag))
            shares.append(min(known / everybody, 1.0))
    return KnownShares(np.array(lags), np.array(shares), known)


def _still_won(context: ShopContext, today: int, base: int) -> bool:
    """Whether customers are won now as they were a year ago, or a tenth as many at least.

    Where everybody joined in one season, as in a panel or a campaign, the orders of that season were first orders, and
    nobody is left to place them again.
    """
    now, then = today - context.first_day, today - YEAR - context.first_day
    won = context.first_orders[max(0, now - BASE_DAYS) : now].sum()
    won_then = context.first_orders[max(0, then - base) : then + BASE_DAYS].sum() * BASE_DAYS / (BASE_DAYS + base)
    return bool(won + 0.5 >= STILL_WON * won_then)


def _growth(context: ShopContext, today: int, base: int) -> tuple[float, float]:
    """The shop's growth in a year by its last days, and how sure that makes of the coming ones.

    A history of hardly more than a year may begin with the shop itself, whose first weeks say little of a year later.
    So where growth cannot be measured and the last weeks are further from the first than a season is, doubt is larger.
    """
    if base < LEAST_BASE_DAYS:
        ends = (today, today - YEAR + LEAST_BASE_DAYS)
        now, then = (_orders(context, end - LEAST_BASE_DAYS, end) + 0.5 for end in ends)
        change = abs(float(np.log(now / then)))
        return 1.0, float(np.hypot(UNKNOWN_GROWTH_DOUBT, CHANGE_DOUBT * change if change > np.log(FURTHEST) else 0.0))
    now, then = (_orders(context, end - base, end) + 0.5 for end in (today, today - YEAR))
    chance = 1 / now + 1 / then
    return now / then, float(np.sqrt(GROWTH_DOUBT**2 + (CHANGE_DOUBT * np.log(now / then)) ** 2 + chance))


def _orders(context: ShopContext, start: float, end: float) -> float:
    """Orders of the whole shop between two days."""
    return float(np.nan_to_num(context.orders_between(np.array([int(start)]), np.array([int(end)])))[0])


def _expected(hazards: F64, pace: F64) -> F64:
    """(spans,) orders that all customers' curves expect in each of `SPANS`."""
    curves = from_hazards(EDGES, hazards, pace)
    return np.diff([0.0] + [float(curves.expected_orders(float(day)).sum()) for day in SPANS[1:]])
