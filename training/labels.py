"""What came after a moment: the one module that looks past it.

Outcomes are read from the rows that were known before `until`, the moment at which somebody trains or judges, by the
time at which they happened. A label window is [t, t + horizon): an order exactly at t is in it.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from regulars.features.asof import F64, AsOf, Moments
from regulars.features.events import EventLog
from regulars.features.logs import Logs
from regulars.features.shop import DAY, I64, MONEY, NEVER, days

FOREVER = np.iinfo(np.int64).max
"""Stands for a time that never comes."""


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

    @cached_property
    def _leavings(self) -> EventLog:
        return _leavings(self._logs.contracts, self.until)

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

    def days_to_leaving(self, moments: Moments) -> F64:
        """(n,) days from each moment to the end of the contract, NaN where none is known before `until`.

        0 for who had left already, which became known at the moment or later. What was announced counts once it has
        happened, and not if it was taken back.
        """
        log = self._leavings
        at = AsOf(log, moments)
        row = at.position()
        coming = row < log.start[moments.key.astype(np.int64) + 1]
        time = log.time[np.minimum(row, max(len(log) - 1, 0))] if len(log) else np.zeros(len(row), np.int64)
        gone = at.last("back", NEVER) > moments.time
        return np.where(gone, 0.0, np.where(coming, (time - moments.time) / DAY, np.nan))

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


def _leavings(log: EventLog, until: int) -> EventLog:
    """Ends of contracts, at their time, with the time at which the customer was `back`.

    Rows are taken in the order of their `valid_from`: each holds until the next one does, and its `left_at` comes
    true where that lies before.
    """
    known = log.visible < until
    key, time, left = log.key[known], log.time[known], log.columns["left_at"][known]
    order = np.lexsort((np.arange(len(key)), time, key))  # of equal times the last to become known holds
    key, time, left = key[order], time[order], left[order]
    last = np.append(key[1:] != key[:-1], True) if len(key) else np.zeros(0, bool)
    following = np.where(last, FOREVER, np.append(time[1:], 0)[: len(key)])
    holds = following > time
    ends = holds & (left != NEVER) & (left < np.minimum(following, until))
    returned = holds & ((left == NEVER) | (left > time))
    return EventLog.build(
        len(log.start) - 1, key[ends], left[ends], left[ends], {"back": _next_time(key, time, returned)[ends]}
    )


def _next_time(key: I64, time: I64, flag: NDArray[np.bool_]) -> I64:
    """(n,) time of the key's next row with the flag after each row; `FOREVER` where there is none."""
    place = np.where(flag, np.arange(len(key)), len(key))
    after = np.append(np.minimum.accumulate(place[::-1])[::-1][1:], len(key))[: len(key)]
    there = np.minimum(after, max(len(key) - 1, 0))
    mine = (after < len(key)) & (key[there] == key)
    return np.where(mine, time[there], FOREVER)


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
