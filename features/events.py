"""Event logs: the events of one table, sorted by key and by the moment they became known.

A key is a customer (or an order, or a product). Within a key the rows stand in the order in which they became
visible, so that what was known at a moment is a prefix of the key's slice: the whole machinery of `asof` rests on
that. Rows that become visible at one moment are ordered by when they happened and then by every other column, so that
ties have one order whatever the file's was.

Late rows (`recorded_at` after the fact) are the one difficulty: a row can be in the prefix and yet have happened
before the window, in between rows that are inside it. `leave_order` solves this without leaving integers: a row
leaves the window of length w at max(visible, time + w), so sums over a window are the sum over the rows that have
entered less the sum over the rows that have left, each a difference of prefix sums over its own order.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regulars.features import kernels, kernels_window, ordering
from regulars.features.lazy import lazy
from regulars.features.shop import I64, NEVER

_SPARSE = 8
"""Values may span this many times as many numbers as there are rows before they are numbered anew."""


@dataclass(frozen=True)
class LeaveOrder:
    """The rows of a log in the order in which they leave a window: their positions, and when each leaves."""

    rows: I64 | None  # None: the log's own order
    at: I64


class Columns(Mapping[str, I64]):
    """Columns by name; one that is derived, or picked from another log, is made when it is first asked for."""

    def __init__(self, columns: Mapping[str, I64 | Callable[[], I64]]) -> None:
        self._columns = dict(columns)

    def __getitem__(self, name: str) -> I64:
        found = self._columns[name]
        if not isinstance(found, np.ndarray):
            found = self._columns[name] = found()
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def derive(self, **columns: I64 | Callable[[], I64]) -> None:
        """Add columns."""
        self._columns.update(columns)


class EventLog:
    """Events as columns, sorted by key, visibility, time and then every other column.

    Attributes:
        start: (keys + 1,) offsets; key k has the rows `start[k]:start[k + 1]`.
        time: (n,) when each event happened.
        visible: (n,) when it became known, not before `time`.
        columns: named int64 columns, (n,) each.
    """

    def __init__(
        self,
        start: I64,
        time: I64,
        visible: I64,
        columns: Mapping[str, I64 | Callable[[], I64]],
        key: I64 | None = None,
    ) -> None:
        self.start = start
        self.time = time
        self.visible = visible
        self.columns = Columns(columns)
        self._key = key
        self._memo: dict[Hashable, NDArray[Any]] = {}
        self._leave_orders: dict[int, LeaveOrder] = {}

    def __len__(self) -> int:
        return len(self.time)

    @classmethod
    def build(
        cls, keys: int, key: NDArray[Any], time: I64, visible: I64, columns: Mapping[str, NDArray[Any]]
    ) -> EventLog:
        """Sorts events into a log.

        Args:
            keys: how many keys there are; rows with a negative key are left out.
            key: (n,) key of each event.
            time: (n,) microseconds; events that never happened (`NEVER`) are left out.
            visible: (n,) microseconds.
            columns: integer columns, (n,) each.
        """
        matrix = np.empty((ordering.COLUMNS + len(columns), len(key)), np.int64)
        matrix[ordering.KEY], matrix[ordering.VISIBLE], matrix[ordering.TIME] = key, visible, time
        for place, column in enumerate(columns.values(), ordering.COLUMNS):
            matrix[place] = column
        start, rows = ordering.ordered(matrix, keys)
        named = dict(zip(columns, rows[ordering.COLUMNS :], strict=True))
        return cls(start, rows[ordering.TIME], rows[ordering.VISIBLE], named, rows[ordering.KEY])

    @classmethod
    def empty(cls, keys: int, columns: Iterable[str]) -> EventLog:
        """A log with these columns in which nothing happens."""
        nothing = np.zeros(0, np.int64)
        return cls(np.zeros(keys + 1, np.int64), nothing, nothing, dict.fromkeys(columns, nothing))

    @lazy
    def key(self) -> I64:
        """(n,) the key of each row."""
        if self._key is not None:
            return self._key
        return np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))

    @lazy
    def in_time_order(self) -> bool:
        """Whether every event became known when it happened, so that the rows of a key are in the order of time too."""
        return bool(kernels.equal(self.time, self.visible))

    def where(self, mask: NDArray[np.bool_]) -> EventLog:
        """The log of the rows where `mask` holds, with the same keys and columns."""
        start = kernels.prefix_sums(mask.astype(np.int64))[self.start]
        rows = np.flatnonzero(mask)
        return self._taken(start, rows)

    def by(self, column: str, keys: int) -> EventLog:
        """The same events with `column` as the key; a value of it may occur under one key of this log only."""
        # Rows of one value stand in their order already, and a stable sort leaves them in it.
        rows = np.argsort(self.columns[column], kind="stable")
        return self._taken(offsets(self.columns[column][rows], keys), rows)

    def _taken(self, start: I64, rows: NDArray[np.intp]) -> EventLog:
        def picked(name: str) -> Callable[[], I64]:
            return lambda: self.columns[name][rows]

        return EventLog(start, self.time[rows], self.visible[rows], {name: picked(name) for name in self.columns})

    def _remember(self, what: Hashable, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """The value of `make()`, kept under `what`, since many features ask for the same sums."""
        found = self._memo.get(what)
        if found is None:
            found = self._memo[what] = make()
        return found

    def values(self, column: str | None) -> I64:
        """(n,) a column; ones without it, so that events are counted."""
        return self.columns[column] if column is not None else self._remember("ones", self._ones)

    def _ones(self) -> I64:
        return np.ones(len(self), np.int64)

    def prefix(self, column: str | None, window: int | None = None) -> I64:
        """(n + 1,) sums of the rows before each position, in the log's order or in the order of leaving `window`.

        Without a column, rows are counted. Sums wrap around like all int64; a difference of two is right whenever it
        fits, which `reading` makes sure of.
        """
        what = ("prefix", column, window if window is not None and not self.in_time_order else None)
        found = self._memo.get(what)
        if found is None:
            found = self._memo[what] = self._prefix(column, window)
        return found

    def _prefix(self, column: str | None, window: int | None) -> I64:
        if column is None:
            return np.arange(len(self) + 1)
        values = self.columns[column]
        order = self.leave_order(window).rows if window is not None else None
        return kernels.prefix_sums(values if order is None else values[order])

    def leave_order(self, window: int) -> LeaveOrder:
        """The order in which rows leave a look-back window of `window` microseconds, and the moments they do."""
        if self.in_time_order:
            return LeaveOrder(None, self.time + window)
        if window not in self._leave_orders:
            at = np.maximum(self.visible, self.time + window)
            rows = np.lexsort((at, self.key))
            self._leave_orders[window] = LeaveOrder(rows, at[rows])
        return self._leave_orders[window]

    def previous_same(self, column: str) -> I64:
        """(n,) position of the key's previous row with the same value in `column`, or -1."""

        def make() -> I64:
            values, least, most = self._dense(column)
            return ordering.previous_same(self.start, values, least, most)

        return self._remember(("previous", column), make)

    def first_of(self, column: str, where: str, negative: int) -> I64:
        """(n,) 1 at the key's first row with the flag `where` and its value in `column`, else 0.

        A row with a negative value stands for itself; it gets `negative`.
        """
        values, _, most = self._dense(column)
        return ordering.first_of_value(self.start, values, self.columns[where], most, negative)

    def _dense(self, column: str) -> tuple[I64, int, int]:
        """A column's values, or, where they lie far apart, numbers that are equal where they are; and their bounds.

        The bounds take 0 in; negative values stay as they are.
        """
        values = self.columns[column]
        least, most = kernels.bounds(values)
        if most - least < _SPARSE * len(values) + 65_536:
            return values, least, most
        numbered = np.where(values < 0, values, np.unique(values, return_inverse=True)[1])
        return (numbered, *kernels.bounds(numbered))

    def next_same(self, column: str) -> I64:
        """(n,) position of the key's next row with the same value in `column`, or n."""
        return self._remember(("next", column), lambda: kernels.next_same(self.previous_same(column)))

    def prefix_first_of(self, column: str) -> I64:
        """(n + 1,) sums of the rows before each position that are their key's first of their value, negatives aside."""

        def make() -> I64:
            first = (self.previous_same(column) < 0) & (self.columns[column] >= 0)
            return kernels.prefix_sums(first.astype(np.int64))

        return self._remember(("prefix first", column), make)

    @lazy
    def gaps_before(self) -> tuple[I64, I64, I64, I64]:
        """Gaps between the days of a log in time order, see `kernels.gaps_before`."""
        found: tuple[I64, I64, I64, I64] = kernels.gaps_before(kernels.day_gaps(self.start, self.time))
        return found

    def extreme_row(self, column: str | None, where: str | None, *, greatest: bool) -> I64:
        """(n,) at each row, the position of the greatest (least) value so far among rows whose flag `where` is set.

        Without a column, of the latest (earliest) event by the time it happened. Of equals it is the last (first) to
        become known; -1 before any.
        """

        def make() -> I64:
            value = self.time if column is None else self.columns[column]
            return kernels.running_extreme_row(self.start, value, self.values(where), greatest)

        return self._remember(("extreme", column, where, greatest), make)

    def decayed(self, column: str | None, half_life: int) -> NDArray[np.float64]:
        """(n,) at each row, the sum of the column so far, halved for every `half_life` before the latest event."""

        def make() -> NDArray[np.float64]:
            return kernels.decayed(self.start, self.time, self.values(column), half_life)

        return self._remember(("decayed", column, half_life), make)

    def running_same(self, by: str, column: str | None = None) -> I64:
        """(n,) at each row, the sum of the column over the key's rows so far with the same value of `by`.

        Without a column, rows are counted. 0 where the value of `by` is negative, that is no value.
        """

        def make() -> I64:
            return kernels_window.running_same(self.previous_same(by), self.columns[by], self.values(column))

        return self._remember(("running same", by, column), make)

    def largest_same(self, by: str, column: str | None = None) -> I64:
        """(n,) at each row, the largest value of `running_same` so far; the column is never negative."""

        def make() -> I64:
            return kernels_window.running_largest(self.start, self.running_same(by, column))

        return self._remember(("largest same", by, column), make)

    def seen_before(self, by: str, times: int) -> I64:
        """(n + 1,) how many rows before each position are the `times`-th of their value of `by`."""

        def make() -> I64:
            return np.concatenate([[0], np.cumsum(self.running_same(by) == times)])

        return self._remember(("seen", by, times), make)

    def nth_latest(self, nth: int) -> I64:
        """(n,) at each row, when the `nth` latest event so far happened; `NEVER` where there are fewer."""

        def make() -> I64:
            return kernels_window.running_nth_latest(self.start, self.time, nth, NEVER)

        return self._remember(("nth latest", nth), make)

    def day_rhythm(self) -> I64:
        """(4, n) at each row, what is known of the days with an event (see `kernels_window.day_rhythm`)."""

        def make() -> I64:
            return kernels_window.day_rhythm(self.start, self.time)

        return self._remember("day rhythm", make)


def offsets(key: NDArray[np.integer], keys: int) -> I64:
    """(keys + 1,) where each key begins in sorted keys."""
    start = np.zeros(keys + 1, np.int64)
    np.cumsum(np.bincount(key, minlength=keys), out=start[1:])
    return start
