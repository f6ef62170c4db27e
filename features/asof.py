"""What an event log knew at given moments.

`AsOf` answers questions about the past of many (key, moment) pairs at once. It finds, for each, where its history
ends; from there every answer is a difference of two prefix sums, a look at one position, a running column that only
looks back, or a short walk over the rows of a window. There is no method that reads a row at or after the moment:
code that writes a feature cannot reach the future.

Windows are half-open: `last=days(90)` at moment t is [t - 90 days, t). An event exactly at t is the future.

Of a single moment (`Moments.one`) every answer is a NumPy scalar, worked out by the same methods (see `steps`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regulars.features import kernels, kernels_window
from regulars.features.events import EventLog
from regulars.features.lazy import lazy
from regulars.features.shop import I32, I64, NEVER, NONE
from regulars.features.steps import (
    F64,
    count_before,
    days_since,
    difference,
    each,
    last_rows,
    pick,
    ratio,
    where,
)

__all__ = ["F64", "AsOf", "Gaps", "Moments", "Rhythm", "pick", "ratio", "where"]


@dataclass(frozen=True)
class Moments:
    """(key, time) pairs: a grid of customers and cutoffs, or ragged (each contact, each order).

    A pair with the key `NONE` has no past: every sum is zero, everything else is missing.
    """

    key: I32
    time: I64

    def __len__(self) -> int:
        return self.time.size

    @classmethod
    def one(cls, key: np.integer[Any], time: np.integer[Any]) -> Moments:
        """A single pair: all that is asked of it is answered by a scalar in place of an array of one."""
        alone: Any = (np.int32(key), np.int64(time))
        return cls(*alone)

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
        """Mean of the last three gaps, in days; of all where there are fewer; NaN without one."""
        return ratio(self.recent, np.minimum(self.count, 3))


@dataclass(frozen=True)
class Rhythm:
    """Days with an event: how many, the longest gap between two, the sum of the unevenness of neighbouring gaps."""

    days: I64
    longest: I64
    uneven: I64

    @property
    def unevenness(self) -> F64:
        """Mean unevenness of neighbouring gaps: 0 for a clockwork, 1 for chance; NaN with fewer than two gaps."""
        return ratio(self.uneven, np.maximum(self.days - 2, 0)) / kernels_window.UNEVEN_UNITS


class AsOf:
    """An event log seen from moments. Every answer is an array with one entry per moment."""

    def __init__(self, log: EventLog, moments: Moments) -> None:
        self.log = log
        self.moments = moments
        self._key = moments.key.astype(np.int64)
        single = not isinstance(moments.time, np.ndarray)
        self._time = moments.time if single else np.ascontiguousarray(moments.time)
        self._memo: dict[Hashable, I64] = {}
        self._gaps_memo: dict[int | None, Gaps] = {}

    def _remember(self, what: Hashable, make: Callable[[], I64]) -> I64:
        """The value of `make()`, kept under `what`, since many features ask for the same."""
        found = self._memo.get(what)
        if found is None:
            found = self._memo[what] = make()
        return found

    @lazy
    def _start(self) -> I64:
        return pick(self.log.start, self._key, 0)

    @lazy
    def _end(self) -> I64:
        return count_before(self.log.start, self.log.visible, self._key, self._time)

    def position(self) -> I64:
        """Position in the log up to which each key's rows are known: the past ends there."""
        return self._end

    @lazy
    def _last_row(self) -> I64:
        return last_rows(self._start, self._end)

    @lazy
    def _first_row(self) -> I64:
        return where(self._end > self._start, self._start, np.int64(-1))

    def _left(self, window: int) -> I64:
        """Position in the order of leaving up to which rows have left the window."""
        found = self._memo.get(window)
        if found is None:
            log = self.log
            if log.in_time_order:
                found = count_before(log.start, log.time, self._key, self._time - window)
            else:
                found = count_before(log.start, log.leave_order(window).at, self._key, self._time)
            self._memo[window] = found
        return found

    def sum(self, column: str, last: int | None = None, until: int = 0) -> I64:
        """Sum of a column over [t - last, t - until); the whole past without `last`.

        Raises:
            ValueError: if `until` is before the window begins.
        """
        found = self._memo.get((column, last, until))
        return self._summed(column, last, until) if found is None else found

    def count(self, last: int | None = None, until: int = 0) -> I64:
        """Number of events in [t - last, t - until)."""
        found = self._memo.get((None, last, until))
        return self._summed(None, last, until) if found is None else found

    def _summed(self, column: str | None, last: int | None, until: int) -> I64:
        if last is not None and until > last:
            raise ValueError(f"a window of the last {last} microseconds cannot end {until} before the moment")
        found = self._memo[column, last, until] = self._added(column, last, until)
        return found

    def _added(self, column: str | None, last: int | None, until: int) -> I64:
        end = self._left(until) if until > 0 else self._end
        first = self._start if last is None else self._left(last)
        if self.log.in_time_order:
            return difference(self.log.prefix(column), end, first)
        found = difference(self.log.prefix(column, until if until > 0 else None), end, self._start)
        if last is not None:
            found = found - difference(self.log.prefix(column, last), first, self._start)
        return found

    def count_after(self, time: I64) -> I64:
        """Number of known events that happened after `time` (one per moment)."""
        return each(kernels.count_after, self._start, self._end, self.log.time, time)

    def current(self, column: str, default: int) -> I64:
        """Value of a column that describes a state, as of the row that became known last."""
        return pick(self.log.columns[column], self._last_row, default)

    def _extreme(self, column: str | None, where: str | None, *, greatest: bool) -> I64:
        """Position of the greatest (least) known value, without a column of the latest (earliest) event; -1 if none."""
        if column is None and where is None and self.log.in_time_order:
            return self._last_row if greatest else self._first_row
        return self._remember(
            ("extreme", column, where, greatest),
            lambda: pick(self.log.extreme_row(column, where, greatest=greatest), self._last_row, -1),
        )

    def last(self, column: str, default: int = NONE) -> I64:
        """Value of the latest event (by the time it happened; of equals the last to become known) that is known."""
        return pick(self.log.columns[column], self._extreme(None, None, greatest=True), default)

    def last_where(self, column: str, where: str, default: int = NONE) -> I64:
        """Value of the latest known event among those whose flag `where` is set."""
        return pick(self.log.columns[column], self._extreme(None, where, greatest=True), default)

    def first(self, column: str, default: int = NONE) -> I64:
        """Value of the earliest event that is known; of equals, of the first to become known."""
        return pick(self.log.columns[column], self._extreme(None, None, greatest=False), default)

    def last_time(self, where: str | None = None) -> I64:
        """When the latest event (with the flag `where` set) happened; `NEVER` if none is known."""
        return self._remember(
            ("last", where), lambda: pick(self.log.time, self._extreme(None, where, greatest=True), NEVER)
        )

    def first_time(self) -> I64:
        """When the earliest event happened; `NEVER` if none is known."""
        return pick(self.log.time, self._extreme(None, None, greatest=False), NEVER)

    def days_since_last(self, where: str | None = None) -> F64:
        """Days from the latest event (with the flag set) to the moment; NaN if there is none."""
        return self.days_since(self.last_time(where))

    def days_since_first(self) -> F64:
        """Days from the earliest event to the moment; NaN if there is none."""
        return self.days_since(self.first_time())

    def days_since(self, time: I64) -> F64:
        """Days from `time` (one per moment) to the moment; NaN where it is `NEVER`."""
        return days_since(self._time, time)

    def largest(self, column: str, default: int = 0) -> I64:
        """Largest value of a column so far."""
        return pick(self.log.columns[column], self._extreme(column, None, greatest=True), default)

    def decayed(self, column: str | None, half_life: int) -> F64:
        """Sum of a column (without one: count of events) in which each event halves with every `half_life` of age."""
        sums = self.log.decayed(column, half_life)
        rows, latest = self._last_row, self.last_time()
        return each(kernels.decayed_at, rows, latest, self._time, sums, half_life)

    def distinct(self, column: str, last: int | None = None) -> I64:
        """Number of different values of a column in the window; negative values are no value."""
        log, values = self.log, self.log.columns[column]
        if last is None:
            return difference(log.prefix_first_of(column), self._end, self._start)
        if log.in_time_order:
            previous, following = log.previous_same(column), log.next_same(column)
            return each(kernels.distinct_in_window, self._left(last), self._end, previous, following, values)
        since = self._time - last
        return each(kernels.distinct_with_late_rows, self._start, self._end, log.time, values, since)

    def gaps(self, last: int | None = None) -> Gaps:
        """Gaps between the window's events on different days."""
        if last not in self._gaps_memo:
            self._gaps_memo[last] = self._gaps(last)
        return self._gaps_memo[last]

    def _gaps(self, last: int | None) -> Gaps:
        sums = np.zeros((4, len(self.moments)), np.int64)
        if self.log.in_time_order:
            first = self._start if last is None else self._left(last)
            median = each(kernels.gap_statistics, first, self._end, *self.log.gaps_before, sums)
        else:
            since = 0 * self._time + NEVER if last is None else self._time - last
            median = each(kernels.gaps_with_late_rows, self._start, self._end, self.log.time, since, sums)
        count, total, squares, recent = sums if self._time.ndim else sums[:, 0]
        return Gaps(count, total, squares, recent, median)

    def nth_last_time(self, nth: int) -> I64:
        """When the `nth` latest event happened, the latest being the first; `NEVER` where fewer are known."""
        if self.log.in_time_order:
            row = self._end - nth
            return pick(self.log.time, where(row >= self._start, row, np.int64(-1)), NEVER)
        return pick(self.log.nth_latest(nth), self._last_row, NEVER)

    def seen(self, column: str, times: int = 1) -> I64:
        """Number of different values of a column that occurred at least `times` times; negative ones are no value."""
        before = self.log.seen_before(column, times)
        return before[self._end] - before[self._start]

    def most_of(self, by: str, column: str | None = None) -> I64:
        """Sum of a column over the events of that value of `by` for which it is largest; 0 without events.

        Without a column, events are counted. The column is never negative, and negative values of `by` are no value.
        """
        return pick(self.log.largest_same(by, column), self._last_row, 0)

    def grown(self, column: str, last: int) -> I64:
        """By how much a running total is more than it was known to be `last` before the moment; it begins at 0."""
        then = AsOf(self.log, Moments(self.moments.key, self._time - last))
        return self.current(column, 0) - then.current(column, 0)

    def rhythm(self) -> Rhythm:
        """What is known of the days with an event, without a walk over them."""
        return self._rhythm

    @lazy
    def _rhythm(self) -> Rhythm:
        found = self.log.day_rhythm()
        rows = (kernels_window.DAYS, kernels_window.LONGEST, kernels_window.UNEVEN)
        return Rhythm(*(pick(found[row], self._last_row, 0) for row in rows))

    def shorter_gaps(self, most: int) -> tuple[I64, I64]:
        """Of the last `most` gaps between days with an event: how many are shorter than the days since, and of all."""
        earlier, ordered = self.log.day_rhythm()[kernels_window.EARLIER], self.log.in_time_order
        shorter, count = each(
            kernels_window.shorter_gaps, self._start, self._end, self.log.time, earlier, self._time, most, ordered
        ).T
        return shorter, count
