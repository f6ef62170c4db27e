"""The loops behind `events` and `asof`, compiled.

Each walks the events of one key in one direction, forwards, and so cannot see what comes after the row it stands at.
All of them work on integers; the few that return floats do so in their last expression. Arguments are contiguous int64
arrays throughout, so that each loop is compiled once.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from regulars.features.shop import DAY, I64

F64 = NDArray[np.float64]


@njit(cache=True, nogil=True)
def count_before(start: I64, times: I64, key: I64, moment: I64) -> I64:
    """For each (key, moment): the position in `times` up to which the key's events lie before the moment.

    `times` rises within each key's slice `start[key]:start[key + 1]`. A negative key has no events.
    """
    found = np.zeros(len(key), np.int64)
    for i in range(len(key)):
        if key[i] < 0:
            continue
        low, high = start[key[i]], start[key[i] + 1]
        while low < high:
            middle = (low + high) // 2
            if times[middle] < moment[i]:
                low = middle + 1
            else:
                high = middle
        found[i] = low
    return found


@njit(cache=True, nogil=True)
def running_extreme_row(start: I64, value: I64, flag: I64, greatest: bool) -> I64:
    """At each row: the position of the greatest (least) value so far among rows whose flag is set; -1 before any.

    Of equals it is the last (the first).
    """
    found = np.empty(len(value), np.int64)
    for key in range(len(start) - 1):
        best = -1
        for i in range(start[key], start[key + 1]):
            if flag[i] != 0 and (
                best < 0 or (greatest and value[i] >= value[best]) or (not greatest and value[i] < value[best])
            ):
                best = i
            found[i] = best
    return found


@njit(cache=True, nogil=True)
def decayed(start: I64, time: I64, value: I64, half_life: int) -> F64:
    """At each row: the sum of `value` so far, each halved for every `half_life` from its event to the latest so far."""
    found = np.empty(len(value), np.float64)
    for key in range(len(start) - 1):
        total = 0.0
        for i in range(start[key], start[key + 1]):
            if i == start[key]:
                latest = time[i]
            if time[i] > latest:
                total *= 0.5 ** ((time[i] - latest) / half_life)
                latest = time[i]
            total += value[i] * 0.5 ** ((latest - time[i]) / half_life)
            found[i] = total
    return found


@njit(cache=True, nogil=True)
def count_after(first: I64, end: I64, time: I64, since: I64) -> I64:
    """How many of the rows `first:end` happened after `since`."""
    found = np.zeros(len(first), np.int64)
    for m in range(len(first)):
        for i in range(first[m], end[m]):
            if time[i] > since[m]:
                found[m] += 1
    return found


@njit(cache=True, nogil=True)
def sort(values: I64) -> None:
    """Sorts in place (Shell's method): NumPy's sort takes four seconds to compile, and these are a few dozen values."""
    gap = 1
    while gap < len(values) // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, len(values)):
            value, j = values[i], i
            while j >= gap and values[j - gap] > value:
                values[j] = values[j - gap]
                j -= gap
            values[j] = value
        gap //= 3


@njit(cache=True, nogil=True)
def _since(first: int, end: int, values: I64, time: I64, since: int) -> I64:
    """The values, sorted, of those of the rows `first:end` that happened at or after `since`."""
    held = np.empty(end - first, np.int64)
    count = 0
    for i in range(first, end):
        if time[i] >= since:
            held[count] = values[i]
            count += 1
    held = held[:count]
    sort(held)
    return held


@njit(cache=True, nogil=True)
def distinct_in_window(
    first: I64, end: I64, time: I64, previous: I64, value: I64, since: I64, in_time_order: bool
) -> I64:
    """How many different values (negative ones aside) the rows `first:end` hold that happened at or after `since`.

    In a log without late rows a row is the first of its value in the window exactly if the previous row with the same
    value lies before the window. With late rows the window has holes, and the values are sorted and counted.
    """
    found = np.zeros(len(first), np.int64)
    for m in range(len(first)):
        if in_time_order:
            for i in range(first[m], end[m]):
                if value[i] >= 0 and previous[i] < first[m]:
                    found[m] += 1
        else:
            held = _since(first[m], end[m], value, time, since[m])
            for i in range(len(held)):
                if held[i] >= 0 and (i == 0 or held[i] != held[i - 1]):
                    found[m] += 1
    return found


@njit(cache=True, nogil=True)
def _gaps_of(times: I64) -> I64:
    """The gaps in days between events on different days."""
    gaps = np.empty(len(times), np.int64)
    count = 0
    for i in range(1, len(times)):
        gap = times[i] // DAY - times[i - 1] // DAY
        if gap > 0:
            gaps[count] = gap
            count += 1
    return gaps[:count]


@njit(cache=True, nogil=True)
def gap_statistics(first: I64, end: I64, time: I64, since: I64, in_time_order: bool, sums: I64) -> F64:
    """Gaps in whole days between the events of each window that lie on different days.

    Fills the rows of `sums`: how many, their sum, the sum of their squares, the sum of the last three. Returns the
    median (NaN without a gap).
    """
    median = np.full(len(first), np.nan)
    for m in range(len(first)):
        if end[m] - first[m] < 2:
            continue
        times = time[first[m] : end[m]] if in_time_order else _since(first[m], end[m], time, time, since[m])
        gaps = _gaps_of(times)
        n = len(gaps)
        if n == 0:
            continue
        sums[0, m] = n
        for i in range(n):
            sums[1, m] += gaps[i]
            sums[2, m] += gaps[i] * gaps[i]
            if i >= n - 3:
                sums[3, m] += gaps[i]
        sort(gaps)
        median[m] = (gaps[(n - 1) // 2] + gaps[n // 2]) / 2
    return median
