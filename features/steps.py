"""The steps that answers are made of, for an array of moments or for a single one.

An array goes to the compiled loops of `kernels`. For one moment, as when an application asks about one customer, a
loop of one costs NumPy and the compiler's edge more than all that is worked out; there a moment, a position and a value
are NumPy scalars instead, and each step is a line of Python that gives the same bits.

For the type checker both are arrays: what holds of an array of answers holds of one answer here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from regulars.features import kernels
from regulars.features.shop import DAY, I64, NEVER

F64 = NDArray[np.float64]
Numbers = NDArray[Any] | np.generic
Some = TypeVar("Some", bound=np.generic)

_ARRAY: Any = np.ndarray
"""Of no known type, so that the checker does not take the case of one moment for one that cannot be."""
_MISSING: Any = np.float64(np.nan)


def ratio(above: Numbers, below: Numbers) -> F64:
    """`above / below` as floats, NaN where `below` is zero; (n,) both."""
    if isinstance(below, _ARRAY):
        found: Any = kernels.ratio(np.ascontiguousarray(above, np.float64), np.ascontiguousarray(below, np.float64))
    else:
        found = above / below if below != 0 else _MISSING  # type: ignore[operator]
    return found  # type: ignore[no-any-return]


def where(condition: Numbers, then: Any, otherwise: Any) -> NDArray[Any]:
    """`then` where the condition holds, else `otherwise`; like `np.where`."""
    if not isinstance(condition, _ARRAY):
        one: Any = then if condition else otherwise
        return one  # type: ignore[no-any-return]
    found: NDArray[Any] = np.where(condition, then, otherwise)
    return found


def pick(values: NDArray[Some], rows: Numbers, default: float) -> NDArray[Some]:
    """`values[rows]`, and `default` (of the values' kind) where a row is negative."""
    found: Any
    if isinstance(rows, _ARRAY):
        found = kernels.pick(values, rows, default)
    else:
        found = values[rows] if rows >= 0 else values.dtype.type(default)  # type: ignore[index, operator]
    return found  # type: ignore[no-any-return]


def difference(sums: I64, end: I64, first: I64) -> I64:
    """`sums[end] - sums[first]`: the sum of the rows between, of prefix sums."""
    if isinstance(end, _ARRAY):
        return kernels.difference(sums, end, first)
    return sums[end] - sums[first]


def count_before(start: I64, times: I64, key: I64, moment: I64) -> I64:
    """The position in `times` up to which the key's events lie before the moment, see `kernels.count_before`."""
    if isinstance(moment, _ARRAY):
        return kernels.count_before(start, times, key, moment)
    found: Any = np.int64(0)
    if key >= 0:
        low: Any = start[key]
        found = low + times[low : start[key + 1]].searchsorted(moment)
    return found  # type: ignore[no-any-return]


def last_rows(first: I64, end: I64) -> I64:
    """The last of the rows `first:end`, -1 where there is none."""
    if isinstance(end, _ARRAY):
        return kernels.last_rows(first, end)
    return where(end > first, end - 1, np.int64(-1))


def days_since(moment: I64, time: I64) -> F64:
    """Days from `time` to the moment; NaN where it is `NEVER`."""
    if isinstance(time, _ARRAY):
        return kernels.days_since(moment, time)
    found: F64 = (moment - time) / DAY if time != NEVER else _MISSING
    return found


def each(loop: Callable[..., NDArray[Some]], *arguments: Any) -> NDArray[Some]:
    """A compiled loop over moments; for a single one, scalars among the arguments become arrays of one."""
    if isinstance(arguments[0], _ARRAY):
        return loop(*arguments)
    made = [np.array([value]) if isinstance(value, np.generic) else value for value in arguments]
    one: Any = loop(*made)[0]
    return one  # type: ignore[no-any-return]
