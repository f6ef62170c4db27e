"""Columns and own features that tell too well what comes: not proof, but worth a look.

Alone, the best built-in feature ranks who orders in the next horizon with an AUC of .75 to .85 on most shops. Whatever
ranks far better than that, or nearly without error, knows something that others do not, and is either a find or a leak.
The other sign is a column whose value in a row goes with the orders that came after the row far beyond what the orders
before it explain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from regulars.features.asof import F64, AsOf, Moments
from regulars.features.context import ShopContext
from regulars.features.logs import Logs
from regulars.features.own import own_of
from regulars.features.shop import I32, MONEY, days, iso
from regulars.features.table import feature_table, features_of
from regulars.features.tables import Kind
from regulars.training.hindsight import Hindsight, ValueColumn
from regulars.training.labels import Outcomes
from regulars.training.metrics import auc

NEARLY_PERFECT = 0.98
FAR_BETTER = 0.1
"""AUC from which on a single column is suspected, and by how much it may be better than the best built-in feature."""
LEAST = 50
"""Customers who order, and who do not, from which on it is asked."""
GOES_WITH = 0.7
"""Partial rank correlation with what came later from which on a column is suspected."""
LEAST_ROWS = 100
MOST_WORDS = 50

Flags = NDArray[np.bool_]


def too_telling(
    logs: Logs, columns: Sequence[ValueColumn], moments: Iterable[int], until: int, customers: I32
) -> list[Hindsight]:
    """The columns and own features that rank far too well who orders in the horizon after a moment.

    Args:
        logs: the shop's.
        columns: asked for the latest value known at each moment.
        moments: each with a whole horizon before `until`; others are left out.
        until: where the data ends.
        customers: codes of those to ask about.
    """
    horizon = logs.settings.churn.horizon_days
    found: dict[str, Hindsight] = {}
    for moment in moments:
        if moment + days(horizon) > until:
            continue
        asked = Moments(customers, np.full(len(customers), moment))
        asked = asked.take(AsOf(logs.orders, asked).count() > 0)
        orders = Outcomes(logs, until).orders(asked, horizon) > 0
        if min(orders.sum(), (~orders).sum()) < LEAST:
            continue
        best, scores = _scores(logs, columns, asked, orders, moment)
        for name, value in scores:
            if value >= NEARLY_PERFECT or value > best + FAR_BETTER:
                what = (
                    f"ranks alone who orders in the {horizon} days after {iso(moment)} with an AUC of {value:.3f}, "
                    f"where the best built-in feature has {best:.3f}"
                )
                found.setdefault(name, Hindsight(name, False, what))
    return list(found.values())


def _scores(
    logs: Logs, columns: Sequence[ValueColumn], asked: Moments, orders: Flags, moment: int
) -> tuple[float, list[tuple[str, float]]]:
    """AUC of the best built-in feature, and of each own feature and each column."""
    table = feature_table(logs, asked, ShopContext.of(logs, moment), features_of(logs.shop, logs.settings))
    own = {one.name for one in own_of(logs.settings).features(logs.settings.features.windows_days)}
    each = {name: _auc(orders, table.column(name)) for name in table.names}
    best = max(value for name, value in each.items() if name not in own)
    found = [(f"feature {name}", value) for name, value in each.items() if name in own]
    for column in columns:
        latest = _latest(column, asked)
        there = ~np.isnan(latest)
        if min(orders[there].sum(), (~orders[there]).sum()) < LEAST:
            continue
        values = _rates(latest[there], orders[there]) if column.kind in {Kind.TEXT, Kind.CHOICE} else latest[there]
        found.append((column.name, _auc(orders[there], values)))
    return best, found


def _auc(orders: Flags, value: F64) -> float:
    """AUC in whichever direction is better; missing values rank below all others."""
    least = np.nanmin(value, initial=0.0) - 1
    found = float(auc(orders.astype(np.float64), np.where(np.isnan(value), least, value)))
    return max(found, 1 - found)


def _latest(column: ValueColumn, asked: Moments) -> F64:
    """The latest value known at each moment, NaN without one."""
    rows = column.log.extreme_row(None, None, greatest=True)
    end = AsOf(column.log, asked).position()
    some = end > column.log.start[asked.key.astype(np.int64)]
    found = np.full(len(asked), np.nan)
    found[some] = column.value[rows[end[some] - 1]]
    return found


def _rates(words: F64, orders: Flags) -> F64:
    """For each customer, how often the others with the same word order; rare words count as one."""
    _, codes, counts = np.unique(words, return_inverse=True, return_counts=True)
    if len(counts) > MOST_WORDS:
        codes = np.where(counts[codes] >= LEAST, codes, -1) + 1
    half = np.arange(len(codes)) % 2 == 0
    found = np.zeros(len(codes))
    for here, there in ((half, ~half), (~half, half)):
        total = np.bincount(codes[there], minlength=int(codes.max()) + 1)
        came = np.bincount(codes[there], orders[there], minlength=int(codes.max()) + 1)
        found[here] = ((came + 1) / (total + 2))[codes[here]]
    return found


def goes_with_later(logs: Logs, columns: Iterable[ValueColumn], until: int, seed: int) -> Iterator[Hindsight]:
    """The columns whose values go with the orders after their rows, beyond what the orders before them explain.

    One row of each customer is taken, with at least a horizon after it.
    """
    rng = np.random.default_rng(seed)
    for column in columns:
        if column.kind in {Kind.TEXT, Kind.CHOICE}:
            continue
        seen = column.log.visible + days(logs.settings.churn.horizon_days) <= until
        rows = rng.permutation(np.flatnonzero(seen & ~np.isnan(column.value)))
        rows = rows[np.unique(column.log.key[rows], return_index=True)[1]]
        value = column.value[rows]
        if len(rows) < LEAST_ROWS or len(np.unique(value)) < 3:
            continue
        now = Moments(column.log.key[rows].astype(np.int32), column.log.visible[rows] + 1)
        later, told = _later(logs, now)
        before = _before(logs, now, until)
        strength = max((abs(_partial(value, one, before)), name) for one, name in zip(later, told, strict=True))
        if strength[0] >= GOES_WITH:
            what = (
                f"goes with {strength[1]} after its row far beyond what was known then (partial rank correlation "
                f"{strength[0]:.2f} over {len(rows):,} customers)"
            )
            yield Hindsight(column.name, False, what)


def _later(logs: Logs, now: Moments) -> tuple[list[F64], tuple[str, ...]]:
    end = Moments(now.key, np.full(len(now), np.iinfo(np.int64).max))
    orders = AsOf(logs.orders, end).count() - AsOf(logs.orders, now).count()
    revenue = AsOf(logs.lines, end).sum("revenue") - AsOf(logs.lines, now).sum("revenue")
    return [orders.astype(float), revenue / MONEY], ("the orders", "the revenue")


def _before(logs: Logs, now: Moments, until: int) -> F64:
    """(n, k) ranks of what was known at each row, and how long its future has been watched."""
    orders = AsOf(logs.orders, now)
    since = np.nan_to_num(orders.days_since_last(), nan=1e6)
    age = np.nan_to_num(orders.days_since_first(), nan=-1.0)
    known = [
        orders.count(),
        orders.count(days(180)),
        AsOf(logs.lines, now).sum("revenue"),
        since,
        age,
        until - now.time,
    ]
    ranks = np.column_stack([rankdata(one) for one in known]) / len(now)
    return np.column_stack([np.ones(len(now)), ranks, ranks**2])


def _partial(value: F64, later: F64, before: F64) -> float:
    """Correlation of the ranks of two, once what `before` explains is taken off both."""
    left = [_unexplained(rankdata(one) / len(value), before) for one in (value, later)]
    squares = [float((one**2).mean()) for one in left]
    # A column that is explained to the last bit leaves rounding errors, which go with anything.
    return float((left[0] * left[1]).mean() / np.sqrt(squares[0] * squares[1])) if min(squares) > 1e-9 else 0.0


def _unexplained(rank: F64, before: F64) -> F64:
    fitted, *_ = np.linalg.lstsq(before, rank, rcond=None)
    found: F64 = rank - before @ fitted
    return found
