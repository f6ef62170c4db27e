"""What an event log knew at given moments.

`AsOf` answers questions about the past of many (key, moment) pairs at once. It finds, for each, where its history
ends; from there every answer is a difference of two prefix sums, a look at one position, a running column that only
looks back, or a short walk over the rows of a window. There is no method that reads a row at or after the moment:
code that writes a feature cannot reach the future.

Windows are half-open: `last=days(90)` at moment t is [t - 90 days, t). An event exactly at t is the future.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from regulars.features import kernels
from regulars.features.events import EventLog
from regulars.features.shop import DAY, I32, I64, NEVER, days

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """(key, time) pairs: a grid of customers and cutoffs, or ragged (each contact, each order)."""

    key: I32
    time: I64

    def __len__(self) -> int:
        return len(self.time)

    @classmethod
    def grid(cls, keys: NDArray[np.integer], times: I64 | list[int]) -> Moments:
        """Every key at every time, the times of one key together."""
        times = np.asarray(times, dtype=np.int64)
        return cls(np.repeat(keys, len(times)).astype(np.int32), np.tile(times, len(keys)))

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> Moments:
        """The given moments."""
        return Moments(self.key[rows], self.time[rows])


@dataclass(frozen=True)
class Gaps:
    """Gaps in days between events on different days: how many, their sum, squares, sum of the last three, median."""

    count: I64
    total: I64
    squares: I64
    recent: I64
    median: F64

    @property
    def mean(self) -> F64:
        """Mean gap in days, NaN without one."""
        return ratio(self.total, self.count)

    @property
    def spread(self) -> F64:
        """Standard deviation of the gaps (n - 1), NaN with fewer than two."""
        squares = self.count * self.squares - self.total * self.total
        return np.sqrt(ratio(squares, self.count * (self.count - 1)))

    @property
    def recent_mean(self) -> F64:
        """Mean of the last three gaps, in days."""
        return ratio(self.recent, np.minimum(self.count, 3))


def ratio(above: NDArray[np.integer] | F64, below: NDArray[np.integer] | F64) -> F64:
    """`above / below` as floats, NaN where `below` is zero."""
    out = np.full(np.broadcast(above, below).shape, np.nan)
    return np.divide(above, below, out=out, where=np.asarray(below) != 0)


class AsOf:
    """An event log seen from moments. Every answer is an array with one entry per moment."""

    def __init__(self, log: EventLog, moments: Moments) -> None:
        self.log = log
        self.moments = moments
        self._key = moments.key.astype(np.int64)
        self._left_memo: dict[int, I64] = {}

    @cached_property
    def _start(self) -> I64:
        return self.log.start[self._key]

    @cached_property
    def _end(self) -> I64:
        return kernels.count_before(self.log.start, self.log.visible, self._key, self.moments.time)

    def position(self) -> I64:
        """Position in the log up to which each key's rows are known: the past ends there."""
        return self._end

    def _left(self, window: int) -> I64:
        """Position in the order of leaving up to which rows have left the window."""

        if window not in self._left_memo:
            at = self.log.leave_order(window).at
            self._left_memo[window] = kernels.count_before(self.log.start, at, self._key, self.moments.time)
        return self._left_memo[window]

    def _rows(self, last: int | None) -> tuple[I64, I64]:
        """First row and end of the rows to walk over; with late rows, all that are known."""
        if last is None or not self.log.in_time_order:
            return self._start, self._end
        return self._left(last), self._end

    def _since(self, last: int | None) -> I64:
        return np.full(len(self.moments), NEVER) if last is None else self.moments.time - last

    def _at_end(self, running: NDArray[np.int64] | F64, default: float) -> NDArray[np.int64] | F64:
        """A running column where history ends, `default` where there is none."""
        known = self._end > self._start
        if len(running) == 0:
            return np.full(len(known), default, running.dtype)
        return np.where(known, running[np.maximum(self._end - 1, 0)], running.dtype.type(default))

    def sum(self, column: str, last: int | None = None, until: int = 0) -> I64:
        """Sum of a column over [t - last, t - until); the whole past without `last`."""
        return self._sum(column, last, until)

    def count(self, last: int | None = None, until: int = 0) -> I64:
        """Number of events in [t - last, t - until)."""
        return self._sum(None, last, until)

    def _sum(self, column: str | None, last: int | None, until: int) -> I64:
        if until > 0:
            gone = self._left_sum(column, until)  # what happened before t - until
        else:
            entered = self.log.prefix(column)
            gone = entered[self._end] - entered[self._start]
        return gone if last is None else gone - self._left_sum(column, last)

    def _left_sum(self, column: str | None, window: int) -> I64:
        prefix = self.log.prefix(column, window)
        return prefix[self._left(window)] - prefix[self._start]

    def last(self, column: str, default: int = -1) -> I64:
        """Value of the latest event (by the time it happened) that is known."""
        if self.log.in_time_order:
            return self._at_end(self.log.columns[column], default)  # type: ignore[return-value]
        return self._at_row(column, True, default)

    def first(self, column: str, default: int = -1) -> I64:
        """Value of the earliest event that is known."""
        return self._at_row(column, False, default)

    def _at_row(self, column: str, latest: bool, default: int) -> I64:
        row = self._at_end(self.log.extreme_row(latest), -1).astype(np.int64)
        values = self.log.columns[column]
        return np.where(row >= 0, values[row] if len(values) else default, default)

    def last_where(self, column: str, where: str, default: int = -1) -> I64:
        """Value of the event that became known last among those whose flag is set."""
        return self._at_end(self.log.running_last(column, where, default), default)  # type: ignore[return-value]

    def last_time(self, where: str | None = None) -> I64:
        """When the latest event (with the flag `where` set) happened; `NEVER` if none is known."""
        return self._at_end(self.log.running_last(None, where, NEVER), NEVER)  # type: ignore[return-value]

    def first_time(self) -> I64:
        """When the earliest event happened; `NEVER` if none is known."""
        row = self._at_end(self.log.extreme_row(False), -1).astype(np.int64)
        return np.where(row >= 0, self.log.time[row] if len(self.log) else NEVER, NEVER)

    def days_since_last(self, where: str | None = None) -> F64:
        """Days from the latest event (with the flag set) to the moment; NaN if there is none."""
        return self.days_since(self.last_time(where))

    def days_since_first(self) -> F64:
        """Days from the earliest event to the moment; NaN if there is none."""
        return self.days_since(self.first_time())

    def days_since(self, time: I64) -> F64:
        """Days from `time` (one per moment) to the moment; NaN where it is `NEVER`."""
        known = time != NEVER
        return np.where(known, (self.moments.time - np.where(known, time, 0)) / DAY, np.nan)

    def largest(self, column: str, default: int = 0) -> I64:
        """Largest value of a column so far."""
        name = ("largest", column, default)
        ones = np.ones(len(self.log), np.int64)
        make = lambda: kernels.running_max(self.log.start, self.log.columns[column], ones, NEVER)  # noqa: E731
        running = self.log.remember(name, make)
        return self._at_end(running, default)  # type: ignore[return-value]

    def decayed(self, column: str | None, half_life: int) -> F64:
        """Sum of a column (without one: count of events) in which each event halves with every `half_life` of age."""

        def make() -> F64:
            value = np.ones(len(self.log), np.int64) if column is None else self.log.columns[column]
            return kernels.decayed(self.log.start, self.log.time, value, half_life)

        running = self._at_end(self.log.remember(("decayed", column, half_life), make), 0.0)
        age = self._at_end(self.log.time, 0)
        return running * 0.5 ** (np.maximum(self.moments.time - age, 0) / half_life) * (self._end > self._start)

    def distinct(self, column: str, last: int | None = None) -> I64:
        """Number of different values of a column in the window; negative values are no value."""
        first, end = self._rows(last)
        return kernels.distinct_in_window(
            first,
            end,
            self.log.time,
            self.log.previous_same(column),
            self.log.columns[column],
            self._since(last),
            self.log.in_time_order,
        )

    def gaps(self, last: int | None = None) -> Gaps:
        """Gaps between the window's events on different days."""
        first, end = self._rows(last)
        count, total, squares, recent = np.zeros((4, len(self.moments)), np.int64)
        median = kernels.gap_statistics(
            first, end, self.log.time, self._since(last), self.log.in_time_order, count, total, squares, recent
        )
        return Gaps(count, total, squares, recent, median)

    def quantile(self, column: str, q: float, where: str | None = None) -> F64:
        """The q-quantile of a column over the whole known past (rows with the flag `where` set)."""
        flag = np.ones(len(self.log), np.int64) if where is None else self.log.columns[where]
        return kernels.window_quantile(self._start, self._end, self.log.columns[column], flag, q)
