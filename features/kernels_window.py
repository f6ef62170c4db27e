"""More loops behind `events` and `asof`, compiled: running columns, so that no answer walks over a whole history.

As in `kernels`, each walks the events of one key forwards and works on contiguous int64 arrays.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from regulars.features.kernels import ZERO
from regulars.features.shop import DAY, I64

F64 = NDArray[np.float64]

DAYS, LONGEST, UNEVEN, EARLIER = range(4)
"""Rows of `day_rhythm`."""
UNEVEN_UNITS = 1_000_000
"""Units of unevenness in 1."""


@njit(cache=True, nogil=True)
def running_same(previous: I64, group: I64, value: I64) -> I64:
    """At each row: the sum of `value` over the rows so far that have the same `group`; 0 where that is negative.

    Args:
        previous: (n,) position of the previous row of the same key and group, or -1.
        group: (n,) groups.
        value: (n,) what is added up.
    """
    found = np.zeros(len(value), np.int64)
    for i in range(len(value)):
        if group[i] >= 0:
            found[i] = value[i] + (found[previous[i]] if previous[i] >= 0 else 0)
    return found


@njit(cache=True, nogil=True)
def running_largest(start: I64, value: I64) -> I64:
    """At each row: the largest value of the key so far, at least 0."""
    found = np.empty(len(value), np.int64)
    for key in range(len(start) - 1):
        largest = 0
        for i in range(start[key], start[key + 1]):
            largest = max(largest, value[i])
            found[i] = largest
    return found


@njit(cache=True, nogil=True)
def growth(start: I64, total: I64) -> I64:
    """At each row: by how much a running total is more than at the key's previous row; it begins at 0."""
    found = np.empty(len(total), np.int64)
    for key in range(len(start) - 1):
        before = np.int64(0)
        for i in range(start[key], start[key + 1]):
            found[i] = total[i] - before
            before = total[i]
    return found


@njit(cache=True, nogil=True)
def running_nth_latest(start: I64, time: I64, nth: int, never: int) -> I64:
    """At each row: the time of the key's `nth` latest event so far, `never` where there are fewer."""
    found = np.empty(len(time), np.int64)
    held = np.empty(nth, np.int64)  # the latest so far, latest first
    for key in range(len(start) - 1):
        held.fill(never)
        for i in range(start[key], start[key + 1]):
            at = nth
            while at > 0 and time[i] > held[at - 1]:
                at -= 1
            for k in range(nth - 1, at, -1):
                held[k] = held[k - 1]
            if at < nth:
                held[at] = time[i]
            found[i] = held[nth - 1]
    return found


@njit(cache=True, nogil=True)
def _unevenness(gap: int, following: int) -> int:
    """Three times the squared difference of two neighbouring gaps over their squared sum, in `UNEVEN_UNITS`."""
    return 3 * UNEVEN_UNITS * (gap - following) ** 2 // (gap + following) ** 2


@njit(cache=True, nogil=True)
def _insert(days: I64, count: int, day: int) -> int:
    """Puts a day into the sorted days, unless it is there; returns how many there are."""
    place = count
    while place > 0 and days[place - 1] > day:
        place -= 1
    if place > 0 and days[place - 1] == day:
        return count
    for k in range(count, place, -1):
        days[k] = days[k - 1]
    days[place] = day
    return count + 1


@njit(cache=True, nogil=True)
def day_rhythm(start: I64, time: I64) -> I64:
    """What is known at each row of the days on which the key had events.

    A row that is heard of late puts its day among the others, and their gaps are gone through again. That happens at
    most once a day of the calendar, however many rows there are.

    Returns:
        (4, n): how many different days; the longest gap between them; the sum of the unevenness of neighbouring gaps;
        the last row so far on an earlier day than this one's (-1: none), which is of use where no row is late.
    """
    found = np.empty((4, len(time)), np.int64)
    longest_slice = 0
    for key in range(len(start) - 1):
        longest_slice = max(longest_slice, start[key + 1] - start[key])
    days = np.empty(longest_slice, np.int64)
    for key in range(len(start) - 1):
        count, done, longest, uneven, earlier = ZERO, 0, 0, 0, -1
        for i in range(start[key], start[key + 1]):
            day = time[i] // DAY
            if count == 0 or day > days[count - 1]:
                days[count] = day
                count += 1
                earlier = i - 1 if i > start[key] else -1
            elif day < days[count - 1]:
                before = count
                count = _insert(days, count, day)
                if count > before:
                    done, longest, uneven = 0, 0, 0
            for k in range(max(done, 1), count):
                gap = days[k] - days[k - 1]
                longest = max(longest, gap)
                if k > 1:
                    uneven += _unevenness(days[k - 1] - days[k - 2], gap)
            done = count
            found[DAYS, i], found[LONGEST, i], found[UNEVEN, i], found[EARLIER, i] = count, longest, uneven, earlier
    return found


@njit(cache=True, nogil=True)
def _latest_days(first: int, end: int, time: I64, held: I64) -> int:
    """Fills `held` with the latest different days of the rows `first:end`, latest first; returns how many there are."""
    count = 0
    for i in range(first, end):
        day = time[i] // DAY
        at = count
        while at > 0 and day > held[at - 1]:
            at -= 1
        if (at > 0 and held[at - 1] == day) or at == len(held):
            continue
        count = min(count + 1, len(held))
        for k in range(count - 1, at, -1):
            held[k] = held[k - 1]
        held[at] = day
    return count


@njit(cache=True, nogil=True)
def shorter_gaps(first: I64, end: I64, time: I64, earlier: I64, moment: I64, most: int, in_time_order: bool) -> I64:
    """Of the last `most` gaps between days: how many are shorter than the days since the last one, and how many in all.

    Returns (m, 2).

    Args:
        first: (m,) where the rows begin that are known at each moment.
        end: (m,) where they end.
        time: (n,) when each row happened.
        earlier: (n,) last row on an earlier day, of `day_rhythm`.
        moment: (m,) moments.
        most: how many gaps are looked at.
        in_time_order: whether no row is late.
    """
    found = np.zeros((len(first), 2), np.int64)
    held = np.empty(most + 1, np.int64)
    for m in range(len(first)):
        if end[m] <= first[m]:
            continue
        if in_time_order:
            known, row = 0, end[m] - 1
            while row >= 0 and known <= most:
                held[known] = time[row] // DAY
                known += 1
                row = earlier[row]
        else:
            known = _latest_days(first[m], end[m], time, held)
        wait = moment[m] // DAY - held[0]
        found[m, 1] = known - 1
        for k in range(1, known):
            if held[k - 1] - held[k] < wait:
                found[m, 0] += 1
    return found


@njit(cache=True, nogil=True)
def first_known_within(start: I64, time: I64, visible: I64, key: I64, begin: I64, span: int, never: int) -> I64:
    """For each (key, begin): when the first event in [begin, begin + span) became known, `never` where none did.

    `time` rises within each key's slice. The walk is over the events of the span.
    """
    found = np.full(len(key), never)
    for m in range(len(key)):
        low, high, end = start[key[m]], start[key[m] + 1], start[key[m] + 1]
        while low < high:
            middle = (low + high) // 2
            if time[middle] < begin[m]:
                low = middle + 1
            else:
                high = middle
        while low < end and time[low] - begin[m] < span:
            if found[m] == never or visible[low] < found[m]:
                found[m] = visible[low]
            low += 1
    return found
