"""The steps that answers are made of, for an array of moments or for a single one.

An array goes to the compiled loops of `kernels`. For one moment, as when an application asks about one customer, a
loop of one costs NumPy and the compiler's edge more than all that is worked out; there a moment, a position and a value
are NumPy scalars instead, and each step is a line of Python that gives the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from regulars.features import kernels
from regulars.features.shop import DAY, I64, NEVER

F64 = NDArray[np.float64]
Some = TypeVar("Some", bound=np.generic)

_MISSING: Any = np.float64(np.nan)


def ratio(above: NDArray[Any], below: NDArray[Any]) -> F64:
    """`above / below` as floats, NaN where `below` is zero; (n,) both."""
    if isinstance(below, np.ndarray):
        found: F64 = kernels.ratio(above, below)
        return found
    return above / below if below != 0 else _MISSING


def where(condition: NDArray[np.bool_], then: Any, otherwise: Any) -> NDArray[Any]:
    """`then` where the condition holds, else `otherwise`; like `np.where`."""
    if isinstance(condition, np.ndarray):
        return np.where(condition, then, otherwise)
    found: NDArray[Any] = then if condition else otherwise
    return found


def pick(values: NDArray[Some], rows: I64, default: float) -> NDArray[Some]:
    """`values[rows]`, and `default` (of the values' kind) where a row is negative."""
    if isinstance(rows, np.ndarray):
        found: NDArray[Some] = kernels.pick(values, rows, default)
        return found
    one: Any = values[rows] if rows >= 0 else values.dtype.type(default)
    return one  # type: ignore[no-any-return]


def difference(sums: I64, end: I64, first: I64) -> I64:
    """`sums[end] - sums[first]`: the sum of the rows between, of prefix sums."""
    if isinstance(end, np.ndarray):
        found: I64 = kernels.difference(sums, end, first)
        return found
    return sums[end] - sums[first]


def count_before(start: I64, times: I64, key: I64, moment: I64) -> I64:
    """The position in `times` up to which the key's events lie before the moment, see `kernels.count_before`."""
    found: Any
    if isinstance(moment, np.ndarray):
        found = kernels.count_before(start, times, key, moment)
    elif key < 0:
        found = np.int64(0)
    else:
        low = start[key]
        found = low + times[low : start[key + 1]].searchsorted(moment)
    return found  # type: ignore[no-any-return]


def last_rows(first: I64, end: I64) -> I64:
    """The last of the rows `first:end`, -1 where there is none."""
    if isinstance(end, np.ndarray):
        found: I64 = kernels.last_rows(first, end)
        return found
    return where(end > first, end - 1, np.int64(-1))


def days_since(moment: I64, time: I64) -> F64:
    """Days from `time` to the moment; NaN where it is `NEVER`."""
    if isinstance(time, np.ndarray):
        found: F64 = kernels.days_since(moment, time)
        return found
    return (moment - time) / DAY if time != NEVER else _MISSING


def each(loop: Callable[..., NDArray[Some]], *arguments: Any) -> NDArray[Some]:
    """A compiled loop over moments; for a single one, scalars among the arguments become arrays of one."""
    if isinstance(arguments[0], np.ndarray):
        return loop(*arguments)
    made = [np.array([value]) if isinstance(value, np.generic) else value for value in arguments]
    one: Any = loop(*made)[0]
    return one  # type: ignore[no-any-return]
