"""What depends on the whole shop, made once and dated.

A customer's features come from the customer's own rows. How lively the shop is, and what this time of the year was
like a year ago, does not: it is a `ShopContext`, made from what was known at one moment, carried by the bundle and
handed to whoever predicts, so that a customer scored alone meets the same shop as in the batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from regulars.features.asof import F64
from regulars.features.logs import Logs
from regulars.features.shop import DAY, I64, MONEY


@dataclass(frozen=True)
class ShopContext:
    """The shop as known just before `as_of`.

    Attributes:
        as_of: the moment, in microseconds.
        first_day: day number (days since 1970) of the first entry of the series.
        orders: (days,) orders that became known on each day, up to the last whole day before `as_of`.
        first_orders: (days,) how many of them were a customer's first.
        scale: mean revenue of an order, in currency units, which says what is much for this shop.
        churn_quantiles: (101,) churn probabilities at the 0th to 100th percentile among the scored; empty until scored.
    """

    as_of: int
    first_day: int
    orders: I64
    first_orders: I64
    scale: float = 1.0
    churn_quantiles: F64 | None = None

    @classmethod
    def of(cls, logs: Logs, as_of: int) -> ShopContext:
        """The context of a shop at a moment; rows that became known at or after it are not read."""
        log = logs.orders
        known = log.visible < as_of // DAY * DAY
        day = log.visible[known] // DAY
        first = np.zeros(len(log), bool)
        filled = log.start[:-1][np.diff(log.start) > 0]
        first[filled] = True
        scale = _usual_order(logs, as_of)
        if len(day) == 0:
            return cls(as_of, as_of // DAY, np.zeros(0, np.int64), np.zeros(0, np.int64), scale)
        first_day, length = int(day.min()), int(as_of // DAY - day.min())
        orders = np.bincount(day - first_day, minlength=length)
        newcomers = np.bincount(day[first[known]] - first_day, minlength=length)
        return cls(as_of, first_day, orders.astype(np.int64), newcomers.astype(np.int64), scale)

    @cached_property
    def _before(self) -> I64:
        """(days + 1,) orders before each day."""
        return np.concatenate([[0], np.cumsum(self.orders)])

    def orders_between(self, day: I64, end: I64) -> F64:
        """Orders from `day` up to `end` (day numbers), NaN where the series does not cover the whole span."""
        start, stop = day - self.first_day, end - self.first_day
        covered = (start >= 0) & (stop <= len(self.orders)) & (stop > start)
        low, high = np.clip(start, 0, len(self.orders)), np.clip(stop, 0, len(self.orders))
        return np.where(covered, self._before[high] - self._before[low], np.nan)

    def year_ago_lift(self, moment: I64, start_days: F64, end_days: F64, base_days: int = 91) -> F64:
        """How much livelier the shop was, a year (364 days) before [moment + start, moment + end), than before that.

        The logarithm of orders a day in that span over orders a day in the `base_days` that ended 364 days before the
        moment; NaN where last year is not known. Only rows before `moment` enter as long as `end_days` <= 364.
        """
        today = moment // DAY - 364
        start, end = today + np.floor(start_days).astype(np.int64), today + np.ceil(end_days).astype(np.int64)
        then = self.orders_between(start, end) / (end - start)
        base = self.orders_between(today - base_days, today) / base_days
        with np.errstate(divide="ignore", invalid="ignore"):
            lift = np.log((then + 0.02 * base) / (base * 1.02))
        return np.where(np.isfinite(lift), lift, np.nan)


def _usual_order(logs: Logs, as_of: int) -> float:
    """Mean revenue of an order known before `as_of`, in currency units; 1 before any."""
    known, orders = logs.lines.visible < as_of, int((logs.orders.visible < as_of).sum())
    return float(logs.lines.columns["sold"][known].sum()) / orders / MONEY if orders else 1.0
