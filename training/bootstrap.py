"""Intervals by resampling customers.

A bootstrap sample is a number of copies of each customer, that is a vector of weights. So every statistic here takes
`weights`, of shape (n,) or, for many samples at once, (s, n), and returns one number for each sample: sorting and
grouping are done once instead of once a sample.

Source: Efron and Tibshirani 1993, 'An Introduction to the Bootstrap', chapter 13 (percentile interval).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

CHUNK = 2_000_000
"""Weights held at a time, which bounds memory at a few times 16 MB."""


Statistic = Callable[..., Any]
"""`statistic(*arrays, weights=None)`: a number from arrays of n rows; with weights (s, n), s numbers. NaN for none."""


class Interval(NamedTuple):
    """A statistic with its 95 % interval; NaN where it has no value."""

    value: float
    low: float
    high: float


def resampled_weights(
    count: int, samples: int, seed: int, customers: NDArray[np.int64] | None = None
) -> Iterator[Floats]:
    """Chunks (s, count) of weights of bootstrap samples; rows of one customer are drawn together."""
    rng = np.random.default_rng(seed)
    units, unit_of_row = count, None
    if customers is not None:
        known, unit_of_row = np.unique(customers, return_inverse=True)
        units = len(known)
    step = max(1, CHUNK // max(count, 1))
    for start in range(0, samples, step):
        size = min(step, samples - start)
        draws = rng.integers(0, units, (size, units)) + units * np.arange(size)[:, None]
        weights = np.bincount(draws.ravel(), minlength=size * units).reshape(size, units).astype(np.float64)
        yield weights if unit_of_row is None else weights[:, unit_of_row]


def bootstrap_interval(
    statistic: Statistic,
    *arrays: ArrayLike,
    samples: int = 200,
    seed: int = 0,
    customers: ArrayLike | None = None,
) -> Interval:
    """The statistic with its percentile interval of 95 %, customers resampled.

    Args:
        statistic: takes the arrays and `weights`; all metrics of `regulars.training` do.
        arrays: each of n rows.
        samples: number of bootstrap samples. Those without a value (no churner drawn, say) are left out.
        seed: of the draws; the same seed and number of rows give the same draws, for any statistic.
        customers: (n,) integer codes where a customer may have several rows; by default each row is a customer.
    """
    columns = [np.asarray(array) for array in arrays]
    count = len(columns[0])
    if any(len(column) != count for column in columns):
        raise ValueError(f"arrays must have one length, not {[len(column) for column in columns]}")
    if not count:
        return Interval(np.nan, np.nan, np.nan)
    value = float(statistic(*columns))
    codes = None if customers is None else np.asarray(customers, dtype=np.int64)
    drawn = np.concatenate(
        [np.atleast_1d(statistic(*columns, weights=w)) for w in resampled_weights(count, samples, seed, codes)]
    )
    known = drawn[np.isfinite(drawn)]
    if not len(known):
        return Interval(value, np.nan, np.nan)
    low, high = np.quantile(known, [0.025, 0.975])
    return Interval(value, float(low), float(high))


def paired_difference_interval(
    metric: Statistic,
    truth: ArrayLike,
    prediction_a: ArrayLike,
    prediction_b: ArrayLike,
    *,
    samples: int = 200,
    seed: int = 0,
    customers: ArrayLike | None = None,
) -> Interval:
    """`metric(truth, a) - metric(truth, b)` with its interval, both measured on the same resampled customers."""

    def difference(truth: Any, a: Any, b: Any, weights: Any = None) -> Any:
        return metric(truth, a, weights=weights) - metric(truth, b, weights=weights)

    return bootstrap_interval(
        difference, truth, prediction_a, prediction_b, samples=samples, seed=seed, customers=customers
    )
