"""The loops behind `events` and `asof`, compiled.

Each walks the events of one key in one direction, forwards, and so cannot see what comes after the row it stands at.
All of them work on integers; the few that return floats do so in their last expression. Arguments are contiguous int64
arrays throughout, so that each loop is compiled once.

What a newcomer waits for most is the compiler. A second type of an argument is a second compilation, and so is a number
that stands as itself in a call of one loop by another (hence `ZERO`). A slice that is assigned brings five
seconds of an error message about shapes with it, so elements are copied one by one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from regulars.features.shop import DAY, I32, I64, NEVER

F64 = NDArray[np.float64]

ZERO: Any = np.int64(0)
"""Where counting begins, for the compiler an integer like any other and no constant."""


@njit(cache=True, nogil=True)
def count_before(start: I64, times: I64, key: I64, moment: I64) -> I64:
    """For each (key, moment): the position in `times` up to which the key's events lie before the moment.

    `times` rises within each key's slice `start[key]:start[key + 1]`. A negative key has no events. Where the moments
    of one key rise, each search begins where the last one ended.
    """
    found = np.zeros(len(key), np.int64)
    for i in range(len(key)):
        if key[i] < 0:
            continue
        low, high = start[key[i]], start[key[i] + 1]
        if i > 0 and key[i - 1] == key[i] and moment[i - 1] <= moment[i]:
            low = found[i - 1]
        while low < high:
            middle = (low + high) // 2
            if times[middle] < moment[i]:
                low = middle + 1
            else:
                high = middle
        found[i] = low
    return found


@njit(cache=True, nogil=True)
def last_rows(first: I64, end: I64) -> I64:
    """The last of the rows `first:end`, -1 where there is none."""
    found = np.empty(len(end), np.int64)
    for i in range(len(end)):
        found[i] = end[i] - 1 if end[i] > first[i] else -1
    return found


@njit(cache=True, nogil=True)
def difference(sums: I64, end: I64, first: I64) -> I64:
    """`sums[end] - sums[first]`, which is the sum over the rows `first:end`."""
    found = np.empty(len(end), np.int64)
    for i in range(len(end)):
        found[i] = sums[end[i]] - sums[first[i]]
    return found


@njit(cache=True, nogil=True)
def pick(values: NDArray[Any], rows: I64, default: float) -> NDArray[Any]:
    """`values[rows]`, and `default` (of the values' kind) where a row is negative."""
    out = np.empty(len(rows), values.dtype)
    for i in range(len(rows)):
        out[i] = values[rows[i]] if rows[i] >= 0 else default
    return out


@njit(cache=True, nogil=True)
def days_since(moment: I64, time: I64) -> F64:
    """Days from each time to its moment, NaN where the time is `NEVER`."""
    out = np.empty(len(moment), np.float64)
    for i in range(len(moment)):
        out[i] = (moment[i] - time[i]) / DAY if time[i] != NEVER else np.nan
    return out


@njit(cache=True, nogil=True)
def ratio(above: F64, below: F64) -> F64:
    """`above / below`, NaN where `below` is zero."""
    out = np.empty(len(below), np.float64)
    for i in range(len(below)):
        out[i] = above[i] / below[i] if below[i] != 0 else np.nan
    return out


@njit(cache=True, nogil=True)
def prefix_sums(values: I64) -> I64:
    """(n + 1,) sums of the values before each position. They wrap around like all int64."""
    sums = np.empty(len(values) + 1, np.int64)
    total = np.int64(0)
    sums[0] = total
    for i in range(len(values)):
        total += values[i]
        sums[i + 1] = total
    return sums


@njit(cache=True, nogil=True)
def bounds(values: I64) -> tuple[int, int]:
    """The least and the greatest of the values and 0."""
    least, most = 0, 0
    for i in range(len(values)):
        least = min(least, values[i])
        most = max(most, values[i])
    return least, most


@njit(cache=True, nogil=True)
def equal(one: I64, other: I64) -> bool:
    """Whether two arrays of one length hold the same."""
    for i in range(len(one)):  # noqa: SIM110 - Numba knows no generators
        if one[i] != other[i]:
            return False
    return True


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
def decayed_at(rows: I64, latest: I64, moment: I64, sums: F64, half_life: int) -> F64:
    """The decayed sums at the given rows (0 where a row is negative), halved for every `half_life` since `latest`."""
    out = np.zeros(len(rows), np.float64)
    for i in range(len(rows)):
        if rows[i] >= 0:
            out[i] = sums[rows[i]] * 0.5 ** ((moment[i] - latest[i]) / half_life)
    return out


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
def sort(values: I64 | I32) -> None:
    """Sorts in place (Shell's method): NumPy's sort takes four seconds to compile, and these are mostly a few dozen."""
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
def next_same(previous: I64) -> I64:
    """At each row: the position of the next row with the same value, from those of the previous ones; n if none is."""
    found = np.full(len(previous), len(previous))
    for i in range(len(previous)):
        if previous[i] >= 0:
            found[previous[i]] = i
    return found


@njit(cache=True, nogil=True)
def distinct_in_window(first: I64, end: I64, previous: I64, following: I64, value: I64) -> I64:
    """How many different values (negative ones aside) the rows `first:end` hold.

    `previous` and `following` are the positions of the rows with the same value before and after each. A row is the
    first of its value in the window exactly if the one before it lies outside. Where windows move forwards over each
    other, as those of rising moments do, only the rows that come and go are looked at.
    """
    found = np.zeros(len(first), np.int64)
    low, high, count = 0, 0, 0
    for m in range(len(first)):
        if first[m] < low or end[m] < high or first[m] >= high:
            low, high, count = first[m], first[m], 0
        for i in range(high, end[m]):
            count += value[i] >= 0 and previous[i] < low
        high = end[m]
        for i in range(low, first[m]):
            count -= value[i] >= 0 and following[i] >= high
        low = first[m]
        found[m] = count
    return found


@njit(cache=True, nogil=True)
def distinct_with_late_rows(first: I64, end: I64, time: I64, value: I64, since: I64) -> I64:
    """How many different values (negative ones aside) the rows `first:end` hold that happened at or after `since`.

    With late rows a window has holes, and its values are sorted and counted.
    """
    found = np.zeros(len(first), np.int64)
    for m in range(len(first)):
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
def gaps_with_late_rows(first: I64, end: I64, time: I64, since: I64, sums: I64) -> F64:
    """`gap_statistics` of the rows `first:end` that happened at or after `since`, in a log with late rows."""
    median = np.full(len(first), np.nan)
    for m in range(len(first)):
        if end[m] - first[m] < 2:
            continue
        gaps = _gaps_of(_since(first[m], end[m], time, time, since[m]))
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


@njit(cache=True, nogil=True)
def day_gaps(start: I64, time: I64) -> I64:
    """At each row: days since the key's row before it, in whole calendar days; 0 at a key's first row."""
    gaps = np.zeros(len(time), np.int64)
    for key in range(len(start) - 1):
        for i in range(start[key] + 1, start[key + 1]):
            gaps[i] = time[i] // DAY - time[i - 1] // DAY
    return gaps


@njit(cache=True, nogil=True)
def gaps_before(gaps: I64) -> tuple[I64, I64, I64, I64]:
    """The gaps that are not zero, how many of them lie before each row, and the sums of them and of their squares."""
    count = np.zeros(len(gaps) + 1, np.int64)
    for i in range(len(gaps)):
        count[i + 1] = count[i] + (gaps[i] != 0)
    held = np.empty(count[-1], np.int64)
    total, squares = np.zeros(len(held) + 1, np.int64), np.zeros(len(held) + 1, np.int64)
    for i in range(len(gaps)):
        at = count[i]
        if gaps[i] != 0:
            held[at] = gaps[i]
            total[at + 1] = total[at] + gaps[i]
            squares[at + 1] = squares[at] + gaps[i] * gaps[i]
    return held, count, total, squares


@njit(cache=True, nogil=True)
def _place(held: I64, count: int, value: int) -> int:
    """The first position in sorted `held[:count]` whose value is not below `value`."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if held[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, nogil=True)
def gap_statistics(first: I64, end: I64, gaps: I64, before: I64, total: I64, squares: I64, sums: I64) -> F64:
    """Gaps in whole days between the events of each window `first:end` that lie on different days.

    Fills the rows of `sums`: how many, their sum, the sum of their squares, the sum of the last three. Returns the
    median (NaN without a gap). `gaps` and the rest are what `gaps_before` gives. The gaps of a window are kept sorted
    while windows move forwards over each other, so that a long history is not sorted anew for every moment.
    """
    median = np.full(len(first), np.nan)
    held = np.empty(64, np.int64)
    low, high, count = ZERO, ZERO, ZERO
    for m in range(len(first)):
        to = before[end[m]]
        since = before[min(first[m] + 1, end[m])]
        sums[0, m] = to - since
        sums[1, m] = total[to] - total[since]
        sums[2, m] = squares[to] - squares[since]
        sums[3, m] = total[to] - total[max(to - 3, since)]
        if since < low or to < high or since >= high:
            low, high, count = since, since, ZERO
        if to - low > len(held):
            wider = np.empty(2 * (to - low), np.int64)
            for j in range(count):
                wider[j] = held[j]
            held = wider
        if to - high > count + 32:
            for i in range(high, to):
                held[count] = gaps[i]
                count += 1
            sort(held[:count])
        else:
            for i in range(high, to):
                at = _place(held, count, gaps[i])
                for j in range(count, at, -1):
                    held[j] = held[j - 1]
                held[at] = gaps[i]
                count += 1
        for i in range(low, since):
            count -= 1
            for j in range(_place(held, count + 1, gaps[i]), count):
                held[j] = held[j + 1]
        low, high = since, to
        if count > 0:
            median[m] = (held[(count - 1) // 2] + held[count // 2]) / 2
    return median
