"""Rows into the order of a log, compiled: by key, then as they became known, then by every other column.

Rows are counted into their keys (no comparison at all), then each key's few rows are sorted on their own. Data that
comes sorted is only looked through. A key with a million rows takes n log n like any other.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from regulars.features.shop import I64, NEVER

KEY, VISIBLE, TIME, COLUMNS = range(4)
"""Rows of the matrix that `ordered` takes: the key, the two moments, and from `COLUMNS` on whatever else there is."""

_RUN = 24
"""Rows up to which insertion is quicker than merging."""


@njit(cache=True, nogil=True)
def _before(matrix: NDArray[np.int64], a: int, b: int) -> bool:
    for c in range(VISIBLE, matrix.shape[0]):
        if matrix[c, a] != matrix[c, b]:
            return bool(matrix[c, a] < matrix[c, b])
    return False


@njit(cache=True, nogil=True)
def _insert(matrix: NDArray[np.int64], rows: I64, first: int, end: int) -> None:
    for i in range(first + 1, end):
        row, j = rows[i], i
        while j > first and _before(matrix, row, rows[j - 1]):
            rows[j] = rows[j - 1]
            j -= 1
        rows[j] = row


@njit(cache=True, nogil=True)
def _merge(matrix: NDArray[np.int64], rows: I64, spare: I64, first: int, end: int) -> None:
    """Sorts `rows[first:end]`: runs by insertion, then merged from the bottom up."""
    for low in range(first, end, _RUN):
        _insert(matrix, rows, low, min(low + _RUN, end))
    width = _RUN
    while width < end - first:
        for low in range(first, end, 2 * width):
            middle, high = min(low + width, end), min(low + 2 * width, end)
            if middle >= high or not _before(matrix, rows[middle], rows[middle - 1]):
                continue  # in order already
            for place in range(low, middle):
                spare[place] = rows[place]
            i, j, k = low, middle, low
            while i < middle:
                if j < high and _before(matrix, rows[j], spare[i]):
                    rows[k] = rows[j]
                    j += 1
                else:
                    rows[k] = spare[i]
                    i += 1
                k += 1
        width *= 2


@njit(cache=True, nogil=True)
def ordered(matrix: NDArray[np.int64], keys: int) -> tuple[I64, NDArray[np.int64]]:
    """Where each key's rows begin, and the rows in order.

    Args:
        matrix: (columns, n), see `KEY`; rows with a negative key, or that never happened, are left out.
        keys: how many keys there are.

    Returns:
        (keys + 1,) offsets, and the matrix of the rows that are left, ordered by key and then by every column.
    """
    n = matrix.shape[1]
    start = np.zeros(keys + 1, np.int64)
    for i in range(n):
        if matrix[KEY, i] >= 0 and matrix[TIME, i] != NEVER:
            start[matrix[KEY, i] + 1] += 1
    for key in range(keys):
        start[key + 1] += start[key]
    rows = np.empty(start[keys], np.int64)
    place = start[:keys].copy()
    for i in range(n):
        if matrix[KEY, i] >= 0 and matrix[TIME, i] != NEVER:
            rows[place[matrix[KEY, i]]] = i
            place[matrix[KEY, i]] += 1
    spare = np.empty(len(rows), np.int64)
    for key in range(keys):
        _merge(matrix, rows, spare, start[key], start[key + 1])
    out = np.empty((matrix.shape[0], len(rows)), np.int64)
    for c in range(matrix.shape[0]):
        for i in range(len(rows)):
            out[c, i] = matrix[c, rows[i]]
    return start, out


@njit(cache=True, nogil=True)
def previous_same(start: I64, value: I64, least: int, most: int) -> I64:
    """At each row: the position of the key's previous row with the same value, or -1.

    `least` and `most` bound the values. One table of last positions serves all keys: what another key left in it lies
    before this key's first row.
    """
    found = np.full(len(value), -1)
    last = np.full(most - least + 1, -1)
    for key in range(len(start) - 1):
        for i in range(start[key], start[key + 1]):
            seen = last[value[i] - least]
            if seen >= start[key]:
                found[i] = seen
            last[value[i] - least] = i
    return found


@njit(cache=True, nogil=True)
def first_of_value(start: I64, value: I64, flag: I64, most: int, negative: int) -> I64:
    """1 at each row that has the flag and is the key's first such row with its value, else 0.

    `most` is the greatest value; a flagged row with a negative value stands for itself and gets `negative`.
    """
    found = np.zeros(len(value), np.int64)
    last = np.full(most + 1, -1)
    for key in range(len(start) - 1):
        for i in range(start[key], start[key + 1]):
            if flag[i] == 0:
                continue
            if value[i] < 0:
                found[i] = negative
                continue
            found[i] = last[value[i]] < start[key]
            last[value[i]] = i
    return found
