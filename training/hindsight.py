"""Columns that somebody worked out beforehand from what came later.

A feature cannot reach a row of the future. A value that stands in a row of the past can hold the future all the same:
`orders_in_all`, `last_order_at`, `has_left`, written into every row by whoever made the export. No alteration of later
rows moves it. What can be done about it:

*Proven.* A column that, in rows after which more happened, tells what the customer did later, and not what was known at
the row: the orders they made in all, or after it, when the next or the last one was, their revenue in all, whether they
ever came back. It is asked for in rows in which that differs from what was known, so that an honest running count
is no match; and in so many rows with so many different answers that chance is none.

*Suspected.* A column, or a feature of the shop's own, that tells alone who will order far better than any built-in
feature, or nearly without error; a column that goes with what came later far beyond what was known at the row; moments
that lie after the row. Such a column may be honest (a plan, a cancellation), so somebody has to look.

What is neither can still know the future: a column that is wrong by a little, or for a few. Two exports of different
days are the only full answer (`exports`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from regulars.features.asof import F64, AsOf, Moments
from regulars.features.events import EventLog
from regulars.features.logs import Logs
from regulars.features.own import own_of
from regulars.features.own_encoding import GIVEN, MARKED, SCALES
from regulars.features.shop import DAY, I64, MONEY, NEVER, NONE, PIECES
from regulars.features.tables import Kind

LEAST_ROWS = 30
LEAST_CUSTOMERS = 10
"""Fewer rows, or rows of fewer customers, prove nothing."""
MATCH = 0.95
"""Share of those rows in which a proven column tells what came later."""
MOST_ALIKE = 0.5
"""Share of those rows that may have one answer: a constant column would match it."""

Flags = NDArray[np.bool_]
_LATER = "holds moments after the row was known: a plan, or written afterwards"
_BUILT_IN: Mapping[str, Mapping[str, int]] = {
    "orders": {"quantity": PIECES, "revenue": MONEY, "margin": MONEY, "discount": MONEY},
    "support": {"minutes": PIECES, "satisfaction": 1, "complaint": 1},
    "contacts": {"cost": MONEY},
    "advocacy": {"rating": 1},
}
"""Columns of the built-in event logs that hold a value, and the units of one."""


@dataclass(frozen=True)
class Hindsight:
    """A column that knows, or may know, what came later.

    Attributes:
        column: 'table.column', or 'feature NAME'.
        proven: whether it repeats what came later; else it is suspected.
        what: what it tells, as the rest of a sentence.
    """

    column: str
    proven: bool
    what: str


@dataclass(frozen=True)
class ValueColumn:
    """A column of an event log: `value` is in natural units (moments in microseconds), NaN where none was given."""

    name: str
    log: EventLog
    value: F64
    kind: Kind


@dataclass(frozen=True)
class _Fact:
    """Something that is only known later: its value for each row, what was known of it then, and how near is equal."""

    told: str
    later: F64
    known: F64
    within: float


def value_columns(logs: Logs) -> list[ValueColumn]:
    """The columns of all event tables that hold a number, a flag, a word or a moment."""
    built_in = {"orders": logs.lines, "support": logs.support, "contacts": logs.contacts, "advocacy": logs.advocacy}
    found = [
        ValueColumn(f"{title}.{name}", log, log.columns[name] / scale, Kind.NUMBER)
        for title, log in built_in.items()
        if len(log)
        for name, scale in _BUILT_IN[title].items()
    ]
    for table in own_of(logs.settings).tables:
        log = logs.own(table.title)
        for column in table.values() if len(log) else ():
            if column.kind is not Kind.ID:
                values = log.columns[column.name]
                given = values != (NEVER if column.kind in {Kind.TIME, Kind.DATE} else NONE)
                if column.kind in MARKED:
                    given = log.columns[GIVEN.format(column.name)] > 0
                value = np.where(given, values / SCALES.get(column.kind, 1), np.nan)
                found.append(ValueColumn(f"{table.title}.{column.name}", log, value, column.kind))
    return found


def proven(logs: Logs, columns: Iterable[ValueColumn], known_ahead: Iterable[str] = ()) -> list[Hindsight]:
    """The columns that repeat what came later; of each, the fact that it repeats best.

    Args:
        logs: the shop's, with everything in them.
        columns: those to look at.
        known_ahead: names of columns that are plans, which are left out.
    """
    left_out, found = set(known_ahead), []
    facts: dict[int, _Facts] = {}
    for column in columns:
        if column.name in left_out:
            continue
        title = column.name.partition(".")[0]
        later = facts.setdefault(id(column.log), _Facts(logs, column.log, title))
        told = list(later.told_by(column))
        share, rows, fact = max(told, key=lambda one: one[:2], default=(0.0, 0, ""))
        if share >= MATCH:
            what = f"tells {fact}, in {share:.1%} of {rows:,} rows in which that was not known yet"
            found.append(Hindsight(column.name, True, what))
    return found


def later_moments(columns: Iterable[ValueColumn], known_ahead: Iterable[str] = ()) -> Iterator[Hindsight]:
    """Columns of moments that lie after their rows."""
    for column in columns:
        if column.kind is Kind.TIME and column.name not in set(known_ahead):
            later = int((column.value > column.log.visible).sum())
            if later:
                share = f"in {later:,} of {int((~np.isnan(column.value)).sum()):,} rows"
                yield Hindsight(column.name, False, f"{_LATER} ({share})")


class _Facts:
    """What is known later of the customers of each row of a log."""

    def __init__(self, logs: Logs, log: EventLog, title: str) -> None:
        self.logs = logs
        self.log = log
        self.now = Moments(log.key.astype(np.int32), log.visible + 1)
        self.end = Moments(self.now.key, np.full(len(log), np.iinfo(np.int64).max))
        own = [] if title == "orders" else [(f"rows of {title}", log)]
        self.kinds = [("orders", logs.orders), ("order lines", logs.lines), *own]

    def told_by(self, column: ValueColumn) -> Iterator[tuple[float, int, str]]:
        """For each fact that the column could tell: in what share of how many rows it does, and what the fact is."""
        if column.kind in {Kind.TIME, Kind.DATE}:
            facts = self._moments
        elif column.kind in {Kind.NUMBER, Kind.MONEY}:
            facts = [*self._amounts, *self._days]
        else:
            yield from self._whether(column)
            return
        for fact in facts:
            share, rows = _match(column, fact)
            yield share, rows, fact.told

    @cached_property
    def _amounts(self) -> list[_Fact]:
        found = []
        for name, log in self.kinds:
            known, all_ = (AsOf(log, at).count().astype(float) for at in (self.now, self.end))
            found.append(_Fact(f"how many {name} there are of the customer in all", all_, known, 0.5))
            found.append(_Fact(f"how many {name} of the customer come later", all_ - known, 0 * known, 0.5))
        for column, name in (("revenue", "revenue"), ("margin", "margin"), ("sold", "sales")):
            known, all_ = (AsOf(self.logs.lines, at).sum(column) / MONEY for at in (self.now, self.end))
            found.append(_Fact(f"the customer's {name} in all", all_, known, 0.011))
            found.append(_Fact(f"the customer's {name} later", all_ - known, 0 * known, 0.011))
        return found

    @cached_property
    def _moments(self) -> list[_Fact]:
        """The next and the last time of each kind of event; what was known is the latest one until then."""
        found = []
        for name, log in self.kinds:
            before, after, last = self._times(log)
            found.append(_Fact(f"when the next of the customer's {name} is", after, before, DAY))
            found.append(_Fact(f"when the last of the customer's {name} is", last, before, DAY))
        return found

    @cached_property
    def _days(self) -> list[_Fact]:
        """The same in days from the row."""
        now = self.log.visible
        return [
            _Fact(
                fact.told.replace("when", "how many days it is until", 1), (fact.later - now) / DAY, 0 * fact.later, 1.0
            )
            for fact in self._moments
        ]

    def _times(self, log: EventLog) -> tuple[F64, F64, F64]:
        """When the latest event known at each row was, the next one after it, and the last one of all; else NaN."""
        at = AsOf(log, self.now)
        row = at.position()
        there = row < log.start[self.now.key.astype(np.int64) + 1]
        after = np.full(len(row), np.nan)
        after[there] = log.time[row[there]]
        return _as_float(at.last_time()), after, _as_float(AsOf(log, self.end).last_time())

    def _whether(self, column: ValueColumn) -> Iterator[tuple[float, int, str]]:
        """Whether anything comes after the row, in a column of two values."""
        given = ~np.isnan(column.value)
        values = np.unique(column.value[given])
        if len(values) != 2:
            return
        for name, log in self.kinds:
            more = (AsOf(log, self.end).count() > AsOf(log, self.now).count())[given]
            if min(more.sum(), (~more).sum()) < LEAST_ROWS or len(np.unique(log.key)) < LEAST_CUSTOMERS:
                continue
            high = column.value[given] == values[1]
            # Both answers have to be told, for the commoner one alone would be right nearly always.
            share = max(min((high[more] == yes).mean(), (high[~more] != yes).mean()) for yes in (True, False))
            yield float(share), len(more), f"whether any of the customer's {name} come later"


def _match(column: ValueColumn, fact: _Fact) -> tuple[float, int]:
    """In what share of the rows that can tell the column tells the fact, and how many those are (0: too few)."""
    # What was not known at the row, and is known later.
    can_tell = ~np.isnan(fact.later) & ~(np.abs(fact.later - fact.known) < fact.within) & ~np.isnan(column.value)
    rows = int(can_tell.sum())
    if rows < LEAST_ROWS or len(np.unique(column.log.key[can_tell])) < LEAST_CUSTOMERS:
        return 0.0, 0
    later, value = fact.later[can_tell], column.value[can_tell]
    _, alike = np.unique(np.floor(later / fact.within), return_counts=True)
    if alike.max() > MOST_ALIKE * rows:
        return 0.0, 0
    return float((np.abs(value - later) < fact.within).mean()), rows


def _as_float(times: I64) -> F64:
    return np.where(times == NEVER, np.nan, times)
