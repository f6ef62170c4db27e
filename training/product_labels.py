"""Which products came after a moment; like `labels`, it looks past it, and only a backtest may use it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regulars.features.asof import AsOf, Moments
from regulars.features.events import EventLog
from regulars.features.logs import Logs
from regulars.features.shop import I64, days


@dataclass(frozen=True)
class Baskets:
    """Products of each row, without repetition: row i bought `items[indptr[i]:indptr[i + 1]]`."""

    indptr: I64
    items: I64

    @property
    def sizes(self) -> I64:
        """(n,) number of products of each row."""
        return np.diff(self.indptr)

    def take(self, rows: I64) -> Baskets:
        """The baskets of the given rows."""
        sizes = self.sizes[rows]
        indptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        return Baskets(indptr, self.items[_ranges(self.indptr[rows], sizes)])


@dataclass(frozen=True)
class BoughtNext:
    """What each customer bought in the window: everything, what they had bought before, and what was new to them."""

    every: Baskets
    repeats: Baskets
    firsts: Baskets


def bought_next(logs: Logs, moments: Moments, horizon_days: float, until: int) -> BoughtNext:
    """Products sold to each customer in [t, t + horizon), as far as known before `until`; each once."""
    sales = logs.sales.where((logs.sales.visible < until) & (logs.sales.columns["product"] >= 0))
    sales = EventLog.build(len(sales.start) - 1, sales.key, sales.time, sales.time, sales.columns)
    end = AsOf(sales, Moments(moments.key, moments.time + days(horizon_days))).position()
    now = AsOf(sales, moments).position()
    start = sales.start[moments.key.astype(np.int64)]
    products = sales.columns["product"]
    after, before = _pairs(now, end, products), _pairs(start, now, products)
    known = np.isin(after, before)
    count = len(moments)
    return BoughtNext(_baskets(after, count), _baskets(after[known], count), _baskets(after[~known], count))


_WIDTH = np.int64(2**32)


def _pairs(start: I64, end: I64, products: I64) -> I64:
    """Row and product of every line in each `start:end`, as one number, sorted, each once."""
    sizes = np.maximum(end - start, 0)
    row = np.repeat(np.arange(len(sizes)), sizes)
    return np.unique(row * _WIDTH + products[_ranges(start, sizes)])


def _ranges(start: I64, sizes: I64) -> I64:
    """The positions `start[i], start[i] + 1, ...` of every row, `sizes[i]` of them, one row after the other."""
    before = np.cumsum(sizes) - sizes
    return np.repeat(start - before, sizes) + np.arange(sizes.sum())


def _baskets(pairs: I64, count: int) -> Baskets:
    row = pairs // _WIDTH
    return Baskets(np.searchsorted(row, np.arange(count + 1)).astype(np.int64), pairs % _WIDTH)
