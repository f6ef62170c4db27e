"""The loops behind `events` and `asof`, compiled.

Each walks the events of one key in one direction, forwards, and so cannot see what comes after the row it stands at.
All of them work on integers; the few that return floats do so in their last expression.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from regulars.features.shop import DAY, I64, NEVER

_DAY = np.int64(DAY)
_NEVER = np.int64(NEVER)


@njit(cache=True, nogil=True)
def count_before(start: I64, times: I64, key: I64, moment: I64) -> I64:
    """For each (key, moment): the position in `times` up to which the key's events lie before the moment.

    `times` rises within each key's slice `start[key]:start[key + 1]`.
    """
    found = np.empty(len(key), np.int64)
    for i in range(len(key)):
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
def running_last(start: I64, value: I64, flag: I64, default: int) -> I64:
    """At each row: `value` of the latest row so far, itself included, whose flag is set; `default` before any."""
    found = np.empty(len(value), np.int64)
    for key in range(len(start) - 1):
        latest = np.int64(default)
        for i in range(start[key], start[key + 1]):
            if flag[i] != 0:
                latest = value[i]
            found[i] = latest
    return found


@njit(cache=True, nogil=True)
def running_max(start: I64, value: I64, flag: I64, default: int) -> I64:
    """At each row: the largest `value` so far among rows whose flag is set; `default` before any."""
    found = np.empty(len(value), np.int64)
    for key in range(len(start) - 1):
        largest = np.int64(default)
        for i in range(start[key], start[key + 1]):
            if flag[i] != 0 and value[i] > largest:
                largest = value[i]
            found[i] = largest
    return found


@njit(cache=True, nogil=True)
def running_extreme_row(start: I64, time: I64, latest: bool) -> I64:
    """At each row: the position of the latest (or the earliest) event so far by `time`; of equals, the last (first)."""
    found = np.empty(len(time), np.int64)
    for key in range(len(start) - 1):
        best = start[key]
        for i in range(start[key], start[key + 1]):
            if (latest and time[i] >= time[best]) or (not latest and time[i] < time[best]):
                best = i
            found[i] = best
    return found


@njit(cache=True, nogil=True)
def running_group_sum(previous: I64, value: I64) -> I64:
    """At each row: the sum of `value` over this row and the earlier rows of the same group (`previous_same`)."""
    found = value.copy()
    for i in range(len(value)):
        if previous[i] >= 0:
            found[i] += found[previous[i]]
    return found


@njit(cache=True, nogil=True)
def decayed(start: I64, time: I64, value: I64, half_life: int) -> NDArray[np.float64]:
    """At each row: the sum of `value` so far, each halved for every `half_life` between it and this row."""
    found = np.empty(len(value), np.float64)
    for key in range(len(start) - 1):
        total = 0.0
        for i in range(start[key], start[key + 1]):
            if i > start[key]:
                total *= 0.5 ** (max(time[i] - time[i - 1], 0) / half_life)
            total += value[i]
            found[i] = total
    return found


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
            held = np.empty(end[m] - first[m], np.int64)
            count = 0
            for i in range(first[m], end[m]):
                if value[i] >= 0 and time[i] >= since[m]:
                    held[count] = value[i]
                    count += 1
            held = np.sort(held[:count])
            for i in range(count):
                if i == 0 or held[i] != held[i - 1]:
                    found[m] += 1
    return found


@njit(cache=True, nogil=True)
def _gaps_of(times: I64, gaps: I64) -> int:
    """Writes the gaps between events on different days, in days, into `gaps`; returns how many there are."""
    count = 0
    for i in range(1, len(times)):
        gap = times[i] // _DAY - times[i - 1] // _DAY
        if gap > 0:
            gaps[count] = gap
            count += 1
    return count


@njit(cache=True, nogil=True)
def _median_of_sorted(values: I64) -> float:
    middle = len(values) // 2
    if len(values) % 2:
        return float(values[middle])
    return (values[middle - 1] + values[middle]) / 2


@njit(cache=True, nogil=True)
def gap_statistics(
    first: I64, end: I64, time: I64, since: I64, in_time_order: bool, count: I64, total: I64, squares: I64, recent: I64
) -> NDArray[np.float64]:
    """Gaps in whole days between the events of each window that lie on different days.

    Fills `count`, `total`, `squares` (sum of squares) and `recent` (sum of the last three), and returns the median
    (NaN without a gap).
    """
    median = np.full(len(first), np.nan)
    for m in range(len(first)):
        times = time[first[m] : end[m]]
        if not in_time_order:
            times = np.sort(times[times >= since[m]])
        if len(times) < 2:
            continue
        gaps = np.empty(len(times), np.int64)
        n = _gaps_of(times, gaps)
        if n == 0:
            continue
        for i in range(n):
            total[m] += gaps[i]
            squares[m] += gaps[i] * gaps[i]
            if i >= n - 3:
                recent[m] += gaps[i]
        count[m] = n
        median[m] = _median_of_sorted(np.sort(gaps[:n]))
    return median


@njit(cache=True, nogil=True)
def window_quantile(first: I64, end: I64, value: I64, flag: I64, q: float) -> NDArray[np.float64]:
    """The q-quantile (linear between ranks) of the values whose flag is set in `first:end`; NaN where there is none."""
    found = np.full(len(first), np.nan)
    for m in range(len(first)):
        held = np.empty(end[m] - first[m], np.int64)
        count = 0
        for i in range(first[m], end[m]):
            if flag[i] != 0:
                held[count] = value[i]
                count += 1
        if count == 0:
            continue
        held = np.sort(held[:count])
        place = q * (count - 1)
        low = int(np.floor(place))
        high = min(low + 1, count - 1)
        found[m] = held[low] + (place - low) * (held[high] - held[low])
    return found


@njit(cache=True, nogil=True)
def ticket_states(
    start: I64, time: I64, ticket: I64, event: I64, tickets: int, columns: I64
) -> None:
    """One walk through each customer's support events, in the order they became known.

    Fills the columns (rows of `columns`): 0 change of the number of open tickets, 1 opening time of the oldest open
    ticket after this event (`NEVER` if none), 2 first reply (0/1), 3 its wait, 4 closing (0/1), 5 its time since
    opening. Events: 0 opened, 1 replied, 3 closed, 4 reopened, as in `Support.EVENTS`.
    """
    opened = np.full(tickets, _NEVER)
    is_open = np.zeros(tickets, np.bool_)
    replied = np.zeros(tickets, np.bool_)
    for key in range(len(start) - 1):
        seen = np.empty(start[key + 1] - start[key], np.int64)
        count = 0
        for i in range(start[key], start[key + 1]):
            one = ticket[i]
            if one >= 0:
                if event[i] == 0 or event[i] == 4:
                    if opened[one] == _NEVER:
                        seen[count] = one
                        count += 1
                    if not is_open[one]:
                        opened[one] = time[i]
                        replied[one] = False
                        is_open[one] = True
                        columns[0, i] = 1
                elif event[i] == 1 and is_open[one] and not replied[one]:
                    replied[one] = True
                    columns[2, i] = 1
                    columns[3, i] = max(time[i] - opened[one], 0)
                elif event[i] == 3 and is_open[one]:
                    is_open[one] = False
                    columns[0, i] = -1
                    columns[4, i] = 1
                    columns[5, i] = max(time[i] - opened[one], 0)
            oldest = _NEVER
            for j in range(count):
                if is_open[seen[j]] and (oldest == _NEVER or opened[seen[j]] < oldest):
                    oldest = opened[seen[j]]
            columns[1, i] = oldest
