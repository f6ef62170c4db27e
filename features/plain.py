"""Order lines as they come in plain columns, made into the integers of a shop, compiled.

Most data is plain: moments as timestamps, numbers as numbers with a few decimals. For it, the exact decimals that the
checks work with (`checks`, `encoding`) can be had in 64-bit integers, at the speed of memory. Whatever is not so plain
(more than six decimals of a price, three of a quantity, values out of range, a line without any) is not decided here:
`NotPlainError` says so, and the careful way through DuckDB looks at it, which knows every form and every fault. Where
both give an answer it is the same, to the last unit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from regulars.features.shop import I64, MONEY, NEVER, PIECES

F64 = NDArray[np.float64]
Bytes = NDArray[np.uint8]

_MICRO = 1_000_000
"""Units of a price, cost, amount or discount here; times those of a quantity they are a billionth."""
_BILLION = _MICRO * PIECES
_UNIT = _BILLION // MONEY
"""Billionths in one unit of money."""
_EXACT = 1e15
"""Decimals of up to 15 digits and doubles name each other, so below this many units nothing is lost."""
_MOST_MONEY = 100_000_000_000
_MOST_NUMBER = 1_000_000_000
_MOST_GROSS = 4_000_000_000
"""A line's value whose billionths surely fit."""
_FAULT = np.iinfo(np.int64).max


class NotPlainError(Exception):
    """The columns are not plain; the careful way has to look at them."""


@njit(cache=True, nogil=True)
def _units(value: float, scale: int, most: float) -> int:
    """The value in units of 1/scale where it is a decimal with so many places and at most `most`; else a fault."""
    units = np.rint(value * scale)
    if not abs(value) <= most or abs(units) >= _EXACT or units / scale != value:
        return _FAULT
    return int(units)


@njit(cache=True, nogil=True)
def _money(billionths: int) -> int:
    """Billionths in units of money, rounded half away from zero."""
    if billionths < 0:
        return -((-billionths + _UNIT // 2) // _UNIT)
    return (billionths + _UNIT // 2) // _UNIT


@njit(cache=True, nogil=True)
def _scaled(values: F64, scale: int, otherwise: int) -> I64:
    out = np.empty(len(values), np.int64)
    step = _MICRO // scale
    for i in range(len(values)):
        if np.isnan(values[i]):
            out[i] = otherwise
            continue
        micro = _units(values[i], _MICRO, _MOST_MONEY)
        if micro == _FAULT:
            return out[:0]
        size = (abs(micro) + step // 2) // step
        out[i] = size if micro >= 0 else -size
    return out


@njit(cache=True, nogil=True)
def moments_within(moments: I64, low: int, end: int, may_lack: bool) -> int:
    """How many moments are given, all of them in [low, end); -1 if one is not, or one is `NEVER` and may not lack."""
    given = 0
    for moment in moments:
        if low <= moment < end:
            given += 1
        elif not (may_lack and moment == NEVER):
            return -1
    return given


@njit(cache=True, nogil=True)
def numbers_within(values: F64, low: float, high: float) -> int:
    """How many values are given, all of them in [low, high]; -1 if one is not."""
    given = 0
    for value in values:
        if value < low or value > high:
            return -1
        given += not np.isnan(value)
    return given


def units(values: F64, scale: int, otherwise: int) -> I64:
    """Numbers in units of 1/scale (at most a million), rounded half away from zero; `otherwise` where one is missing.

    Raises:
        NotPlainError: if one has more than six decimals.
    """
    found: I64 = _scaled(values, scale, otherwise)
    if len(found) != len(values):
        raise NotPlainError
    return found


@njit(cache=True, nogil=True)
def _margin(size: int, units: int, pieces: int, cost: float, known_cost: int, share: int) -> int:
    """Margin of a line of this size (billionths; `units` rounded): less the goods' cost, or a share of it."""
    if not np.isnan(cost):
        micro = _units(cost, _MICRO, _MOST_MONEY)
        if micro == _FAULT or micro < 0 or cost * (pieces / PIECES) > _MOST_GROSS:
            return _FAULT
        return _money(size - micro * pieces)
    if known_cost >= 0:
        if known_cost * (pieces / _BILLION) > _MOST_GROSS:
            return _FAULT
        return _money(size - known_cost * pieces)
    whole, rest = units // _MICRO, units % _MICRO
    return whole * share + (rest * share + _MICRO // 2) // _MICRO


@njit(cache=True, nogil=True)
def line_values(
    amount: F64, quantity: F64, price: F64, cost: F64, discount: F64, known_cost: I64, share: int
) -> NDArray[np.int64]:
    """Quantity, revenue, margin and discount of order lines, as `shop.OrderLines` has them.

    Args:
        amount: (n,) what was paid, NaN where it is not given; as all that follow, of length 0 where nobody gives any.
        quantity: (n,) pieces.
        price: (n,) price of a piece.
        cost: (n,) cost of a piece, as the line says.
        discount: (n,) money taken off.
        known_cost: (n,) cost of a piece as known for the product, in millionths, -1 where not known; or none.
        share: millionths of revenue that are margin where no cost is known.

    Returns:
        (4, n); or of length 0 where a line is not plain.
    """
    n = max(len(amount), len(quantity))
    out = np.empty((4, n), np.int64)
    none = out[:, :0]
    for i in range(n):
        pieces = PIECES
        if len(quantity) and not np.isnan(quantity[i]):
            pieces = _units(quantity[i], PIECES, _MOST_NUMBER)
        off = 0
        if len(discount) and not np.isnan(discount[i]):
            off = _units(discount[i], _MICRO, _MOST_MONEY)
        if pieces == _FAULT or not 0 <= off < _FAULT:
            return none
        if len(amount) and not np.isnan(amount[i]):
            gross = _units(amount[i], _MICRO, _MOST_GROSS)
            if gross == _FAULT:
                return none
            gross, taken = gross * PIECES, 0
        elif len(quantity) and len(price) and not np.isnan(quantity[i] * price[i]):
            micro = _units(price[i], _MICRO, _MOST_MONEY)
            if micro == _FAULT or abs(price[i] * quantity[i]) > _MOST_GROSS:
                return none
            gross, taken = micro * pieces, off
        else:
            return none
        sign = -1 if pieces < 0 or gross < 0 else 1
        pieces = abs(pieces)
        size = max(abs(gross) - taken * PIECES, 0)
        units = _money(size)
        margin = _margin(
            size, units, pieces, cost[i] if len(cost) else np.nan, known_cost[i] if len(known_cost) else -1, share
        )
        if margin == _FAULT:
            return none
        some = units != 0 and pieces != 0
        out[0, i] = sign * pieces if some else 0
        out[1, i] = sign * units if some else 0
        out[2, i] = sign * margin if some else 0
        out[3, i] = (off + _MICRO // MONEY // 2) // (_MICRO // MONEY)
    return out


@njit(cache=True, nogil=True)
def _is_plain(offset: NDArray[Any], data: Bytes, i: int) -> bool:
    """Whether a text is an id as it stands: not empty, no space at its ends, no number with a fraction of zeros."""
    first, end = offset[i], offset[i + 1]
    if end <= first or data[first] <= 32 or data[end - 1] <= 32:
        return False
    last = end - 1
    while last > first and data[last] == 48:  # 0
        last -= 1
    return bool(last == end - 1 or data[last] != 46)  # a full stop


@njit(cache=True, nogil=True)
def text_heads(offset: NDArray[Any], data: Bytes) -> NDArray[np.uint64]:
    """The first sixteen bytes of each id as two numbers that are ordered as the bytes are.

    Args:
        offset: (n + 1,) where each id begins in `data`.
        data: UTF-8.

    Returns:
        (2, n); or (2, 0) where an id is not plain. A text with a zero byte is not plain either: padding is zeros.
    """
    n = len(offset) - 1
    heads = np.zeros((2, n), np.uint64)
    for i in range(n):
        if not _is_plain(offset, data, i):
            return heads[:, :0]
        first, end = offset[i], offset[i + 1]
        for half in range(2):
            word = np.uint64(0)
            for k in range(first + 8 * half, first + 8 * half + 8):
                byte = data[k] if k < end else np.uint8(0)
                if byte == 0 and k < end:
                    return heads[:, :0]
                word = (word << np.uint64(8)) | np.uint64(byte)
            heads[half, i] = word
    return heads


@njit(cache=True, nogil=True)
def _compare(heads: NDArray[np.uint64], a: int, b: int, offset: NDArray[Any], data: Bytes, rows: I64) -> int:
    """Below, at or above 0 as the id of `rows[a]` stands before, is or stands after that of `rows[b]`."""
    for half in range(2):
        if heads[half, a] != heads[half, b]:
            return -1 if heads[half, a] < heads[half, b] else 1
    if heads[1, a] & np.uint64(255) == 0:
        return 0  # padding: neither is longer than its head
    first, end, other, stop = offset[rows[a]] + 16, offset[rows[a] + 1], offset[rows[b]] + 16, offset[rows[b] + 1]
    while first < end and other < stop:
        if data[first] != data[other]:
            return -1 if data[first] < data[other] else 1
        first += 1
        other += 1
    left, right = end - first, stop - other
    return -1 if left < right else (1 if left > right else 0)


@njit(cache=True, nogil=True)
def order_codes(start: I64, rows: I64, offset: NDArray[Any], data: Bytes, heads: NDArray[np.uint64]) -> I64:
    """A code for the order of each line, unique over all customers and rising with the id among those of one.

    Args:
        start: (customers + 1,) where each customer's rows begin in `rows`.
        rows: positions of the lines.
        offset: (lines + 1,) where the text of each line's order id begins in `data`.
        data: UTF-8.
        heads: (2, lines) from `text_heads`; only longer ids are looked up in `data`.

    Returns:
        (len(rows),) codes, below len(rows).
    """
    codes = np.empty(len(rows), np.int64)
    near = np.empty((2, len(rows)), np.uint64)  # the lines lie all over the file: fetched once, in one go
    for half in range(2):
        for r in range(len(rows)):
            near[half, r] = heads[half, rows[r]]
    run = np.empty(len(rows), np.int64)  # for each row, the first of the run of lines of one order that it stands in
    held, spare = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
    for key in range(len(start) - 1):
        first, end = start[key], start[key + 1]
        runs = 0
        for r in range(first, end):
            if r == first or _compare(near, r - 1, r, offset, data, rows) != 0:
                held[runs] = r
                runs += 1
            run[r] = held[runs - 1]
        _sort_runs(held[:runs], spare, near, offset, data, rows)
        code = first - 1
        for k in range(runs):
            if k == 0 or _compare(near, held[k - 1], held[k], offset, data, rows) != 0:
                code += 1
            codes[held[k]] = code
        for r in range(first, end):
            codes[r] = codes[run[r]]
    return codes


@njit(cache=True, nogil=True)
def _sort_runs(held: I64, spare: I64, heads: NDArray[np.uint64], offset: NDArray[Any], data: Bytes, rows: I64) -> None:
    """Sorts positions in `rows` by the ids of the lines there: merged from the bottom up."""
    width = 1
    while width < len(held):
        for low in range(0, len(held), 2 * width):
            middle, high = min(low + width, len(held)), min(low + 2 * width, len(held))
            if middle >= high or _compare(heads, held[middle - 1], held[middle], offset, data, rows) <= 0:
                continue
            for k in range(low, middle):
                spare[k] = held[k]
            i, j, k = low, middle, low
            while i < middle:
                if j < high and _compare(heads, held[j], spare[i], offset, data, rows) < 0:
                    held[k] = held[j]
                    j += 1
                else:
                    held[k] = spare[i]
                    i += 1
                k += 1
        width *= 2


@njit(cache=True, nogil=True)
def rows_by_key(key: NDArray[Any], keys: int) -> tuple[I64, I64]:
    """Where each key's rows begin, and the rows' positions, key by key and within one in their order; none below 0."""
    start = np.zeros(keys + 1, np.int64)
    for i in range(len(key)):
        if key[i] >= 0:
            start[key[i] + 1] += 1
    for k in range(keys):
        start[k + 1] += start[k]
    rows = np.empty(start[keys], np.int64)
    place = start[:keys].copy()
    for i in range(len(key)):
        if key[i] >= 0:
            rows[place[key[i]]] = i
            place[key[i]] += 1
    return start, rows
