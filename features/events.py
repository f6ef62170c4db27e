"""Event logs: the events of one table, sorted by key and by the moment they became known.

A key is a customer (or a product, or the shop itself). Within a key the rows stand in the order in which they became
visible, so that what was known at a moment is a prefix of the key's slice: the whole machinery of `asof` rests on
that. Rows that become visible at one moment are ordered by when they happened and then by every other column, so that
ties have one order whatever the file's was.

Late rows (`recorded_at` after the fact) are the one difficulty: a row can be in the prefix and yet have happened
before the window, in between rows that are inside it. `leave_order` solves this without leaving integers: a row
leaves the window of length w at max(visible, time + w), so sums over a window are the sum over the rows that have
entered less the sum over the rows that have left, each a difference of prefix sums over its own order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regulars.features import kernels
from regulars.features.shop import I64, NEVER


@dataclass(frozen=True)
class LeaveOrder:
    """The rows of a log in the order in which they leave a window: their positions, and when each leaves."""

    rows: I64 | None  # None: the log's own order
    at: I64


class EventLog:
    """Events as columns, sorted by key, visibility, time and then every other column.

    Attributes:
        start: (keys + 1,) offsets; key k has the rows `start[k]:start[k + 1]`.
        time: (n,) when each event happened.
        visible: (n,) when it became known, not before `time`.
        columns: named int64 columns, (n,) each.
    """

    def __init__(self, start: I64, time: I64, visible: I64, columns: Mapping[str, I64]) -> None:
        self.start = start
        self.time = time
        self.visible = visible
        self.columns = dict(columns)
        self._memo: dict[Any, Any] = {}

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
        kept = np.flatnonzero((key >= 0) & (time != NEVER))
        order = kept[np.lexsort([column[kept] for column in (*reversed(columns.values()), time, visible, key)])]
        start = np.zeros(keys + 1, np.int64)
        np.cumsum(np.bincount(key[order], minlength=keys), out=start[1:])
        ints = {name: np.ascontiguousarray(column[order], dtype=np.int64) for name, column in columns.items()}
        return cls(start, time[order], visible[order], ints)

    @cached_property
    def key(self) -> I64:
        """(n,) the key of each row."""
        return np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))

    @cached_property
    def in_time_order(self) -> bool:
        """Whether no event became known later than an event that happened after it, nor later than it happened."""
        return bool(np.array_equal(self.time, self.visible))

    def remember(self, what: Any, make: Any) -> Any:
        """The value of `make()`, kept under `what`, since many features ask for the same sums."""
        if what not in self._memo:
            self._memo[what] = make()
        return self._memo[what]

    def where(self, mask: NDArray[np.bool_]) -> EventLog:
        """The log of the rows where `mask` holds, with the same keys and columns."""
        start = np.concatenate([[0], np.cumsum(mask)])[self.start]
        columns = {name: column[mask] for name, column in self.columns.items()}
        return EventLog(start, self.time[mask], self.visible[mask], columns)

    def prefix(self, column: str | None, window: int | None = None) -> I64:
        """(n + 1,) sums of the rows before each position, in the log's order or in the order of leaving `window`.

        Without a column, rows are counted. Sums wrap around like all int64; a difference of two is right whenever it
        fits, which `reading` makes sure of.
        """

        def make() -> I64:
            values = self.columns[column] if column is not None else np.ones(len(self), np.int64)
            order = self.leave_order(window).rows if window is not None else None
            return np.concatenate([[0], np.cumsum(values if order is None else values[order])])

        shared = window if window is not None and not self.in_time_order else None
        return self.remember(("prefix", column, shared), make)  # type: ignore[no-any-return]

    def leave_order(self, window: int) -> LeaveOrder:
        """The order in which rows leave a look-back window of `window` microseconds, and the moments they do."""
        if self.in_time_order:
            return LeaveOrder(None, self.time + window)

        def make() -> LeaveOrder:
            at = np.maximum(self.visible, self.time + window)
            rows = np.lexsort((at, self.key))
            return LeaveOrder(rows, at[rows])

        return self.remember(("leave", window), make)  # type: ignore[no-any-return]

    def previous_same(self, column: str) -> I64:
        """(n,) position of the key's previous row with the same value in `column`, or -1."""

        def make() -> I64:
            values = self.columns[column]
            order = np.lexsort((np.arange(len(self)), values, self.key))
            same = np.zeros(len(self), bool)
            same[1:] = (values[order][1:] == values[order][:-1]) & (self.key[order][1:] == self.key[order][:-1])
            found = np.full(len(self), -1, np.int64)
            found[order[1:]] = np.where(same[1:], order[:-1], -1)
            return found

        return self.remember(("previous", column), make)  # type: ignore[no-any-return]

    def running_last(self, column: str | None, where: str | None, default: int) -> I64:
        """(n,) at each row, the column (without one: the time) of the latest row so far whose flag is set."""

        def make() -> I64:
            value = self.time if column is None else self.columns[column]
            flag = np.ones(len(self), np.int64) if where is None else self.columns[where]
            kernel = kernels.running_max if column is None else kernels.running_last
            return kernel(self.start, value, flag, default)

        return self.remember(("last", column, where, default), make)  # type: ignore[no-any-return]

    def extreme_row(self, latest: bool) -> I64:
        """(n,) at each row, the position of the latest (earliest) event so far by the time it happened."""
        return self.remember(  # type: ignore[no-any-return]
            ("extreme", latest), lambda: kernels.running_extreme_row(self.start, self.time, latest)
        )
