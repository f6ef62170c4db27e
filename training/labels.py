"""What came after a moment: the one module that looks past it.

Outcomes are read from the rows that were known before `until`, the moment at which somebody trains or judges, by the
time at which they happened. A label window is [t, t + horizon): an order exactly at t is in it.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from regulars.features.asof import F64, AsOf, Moments
from regulars.features.events import EventLog
from regulars.features.logs import Logs
from regulars.features.shop import DAY, I64, MONEY, NEVER, days


class Outcomes:
    """What customers did from given moments on, as far as it was known just before `until`."""

    def __init__(self, logs: Logs, until: int) -> None:
        self._logs = logs
        self.until = until

    @cached_property
    def _orders(self) -> EventLog:
        return _as_happened(self._logs.orders, self.until)

    @cached_property
    def _lines(self) -> EventLog:
        return _as_happened(self._logs.lines, self.until)

    def observed_days(self, moments: Moments) -> F64:
        """(n,) days between each moment and `until`, that is how long its future has been watched."""
        return (self.until - moments.time) / DAY

    def days_to_next_order(self, moments: Moments) -> F64:
        """(n,) days from each moment to the next order, NaN where none is known before `until`."""
        log = self._orders
        row = AsOf(log, moments).position()
        known = row < log.start[moments.key.astype(np.int64) + 1]
        time = log.time[np.minimum(row, max(len(log) - 1, 0))] if len(log) else np.zeros(len(row), np.int64)
        return np.where(known, (time - moments.time) / DAY, np.nan)

    def orders(self, moments: Moments, horizon_days: float) -> I64:
        """(n,) orders in [t, t + horizon)."""
        return _between(self._orders, None, moments, horizon_days)

    def margin(self, moments: Moments, horizon_days: float) -> F64:
        """(n,) margin in [t, t + horizon), returns taken off, in currency units."""
        return _between(self._lines, "margin", moments, horizon_days) / MONEY


def _between(log: EventLog, column: str | None, moments: Moments, horizon_days: float) -> I64:
    after = Moments(moments.key, moments.time + days(horizon_days))
    then, now = AsOf(log, after), AsOf(log, moments)
    if column is None:
        return then.count() - now.count()
    return then.sum(column) - now.sum(column)


def _as_happened(log: EventLog, until: int) -> EventLog:
    """The log of the rows known before `until`, in the order in which they happened."""
    known = (log.visible < until) & (log.time != NEVER)
    return EventLog.build(
        len(log.start) - 1,
        log.key[known],
        log.time[known],
        log.time[known],
        {name: column[known] for name, column in log.columns.items()},
    )
