"""Which product follows which, and which goes with which: pairs that happen oftener than chance allows.

After a mower comes a chainsaw; with a laptop goes a dock. For every ordered pair of products the customers are counted
whose first purchase of the second came within a window of delays after their first purchase of the first. Chance is
what would be counted if those who bought the first bought, in each quarter of a year, whatever others bought then who
were in the same position: with `R` the purchases that followed the first product in a quarter, `C` those that were of
the second, and `T` all, it expects `R C / T`. So heavy buyers, popular products, new products and seasons do not pair
by themselves. The count's upper tail under a Poisson law gives a p-value (conservative for a sum of unlike chances:
Hoeffding 1956), and Benjamini and Hochberg's step-up rule (1995) over all pairs of products that could have been
counted keeps the share of false pairs among those shown below `false_share`.

Two windows are mined: accessories come in the same basket or within days, sequences after that.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numba
import numpy as np
from numpy.typing import NDArray

from regulars.features.baskets import Baskets
from regulars.features.holdings import Holdings, count_partners, customer_holdings
from regulars.features.kernels import sort
from regulars.features.shop import DAY, I32, I64

F64 = NDArray[np.float64]

QUARTER = 91 * DAY
QUANTILES = (0.5, 0.9)
"""Of the delays: the typical one, and the one that nine in ten keep."""


@dataclass(frozen=True)
class Pairings:
    """Pairs found, strongest evidence first: codes of the products, and what was counted.

    `support` is the number of customers (or guests' baskets) who did it, `chance` of the `buyers` of the first product
    who could, `lift` how many times oftener than `expected`, `q_value` the smallest share of false pairs at which the
    pair is still kept, `typical_days` the median delay and `within_days` the one that nine in ten keep.
    """

    first: I32
    second: I32
    buyers: I64
    support: I64
    chance: F64
    expected: F64
    lift: F64
    q_value: F64
    typical_days: F64
    within_days: F64
    tested: int = field(default=0)

    def __len__(self) -> int:
        return len(self.first)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Pairings:
        """Some of the pairs."""
        columns = {item.name: getattr(self, item.name)[rows] for item in fields(self) if item.name != "tested"}
        return Pairings(**columns, tested=self.tested)


def sequences(baskets: Baskets, products: int, low_days: float = 10, high_days: float = 425, **how: float) -> Pairings:
    """Products first bought more than `low_days` and at most `high_days` after another; guests have no afterwards."""
    held = customer_holdings(baskets, products)
    return _mine(held, round(low_days * DAY) + 1, round(high_days * DAY), **how)


def accessories(baskets: Baskets, products: int, high_days: float = 10, **how: float) -> Pairings:
    """Products first bought with another or within `high_days` after it; guests' baskets count as one buyer each.

    Where both were always in one basket, the pair is found both ways; `main_first` keeps the dearer one first.
    """
    held = customer_holdings(baskets, products, guests=True)
    return _mine(held, 0, round(high_days * DAY), **how)


def main_first(pairings: Pairings, price: F64) -> Pairings:
    """Of two mirrored pairs, the one whose first product costs more (at equal prices the lower code)."""
    size = np.int64(len(price))
    keys = pairings.first.astype(np.int64) * size + pairings.second
    mirrored = np.isin(pairings.second.astype(np.int64) * size + pairings.first, keys)
    one, other = price[pairings.first], price[pairings.second]
    main = (one > other) | ((one == other) & (pairings.first < pairings.second))
    return pairings.take(~mirrored | main)


def benjamini_hochberg(p_values: F64, tested: int) -> F64:
    """q-values of the smallest p-values among `tested` tests, the others' being larger than all given.

    Source: Benjamini and Hochberg, 'Controlling the false discovery rate', J. R. Stat. Soc. B 57 (1995), p. 293.
    """
    order = np.argsort(p_values, kind="stable")
    q = p_values[order] * tested / np.arange(1, len(p_values) + 1)
    q = np.minimum(np.minimum.accumulate(q[::-1])[::-1], 1.0)
    out = np.empty_like(q)
    out[order] = q
    return out


@numba.njit(cache=True, nogil=True)
def _follows(held: Holdings, quarter: I64, quarters: int, low: int, high: int) -> tuple[I64, I64]:
    """By product and quarter: purchases that followed it, and those that were of it and followed another."""
    followed, came = np.zeros((2, len(held.product_start) - 1, quarters), dtype=np.int64)
    for row in range(len(held.product)):
        for other in range(held.start[held.holder[row]], held.start[held.holder[row] + 1]):
            delay = held.time[other] - held.time[row]
            if other != row and low <= delay <= high:
                followed[held.product[row], quarter[other]] += 1
                came[held.product[other], quarter[other]] += 1
    return followed, came


@numba.njit(cache=True, nogil=True)
def _pairs(held: Holdings, low: int, high: int, least: int) -> I64:
    """Ordered pairs counted at least `least` times: first, second, count."""
    products = len(held.product_start) - 1
    counts, touched = np.zeros(products, dtype=np.int64), np.empty(products, dtype=np.int64)
    room, size = 1024, 0
    out = np.empty((3, room), dtype=np.int64)
    for a in range(products):
        if held.product_start[a + 1] - held.product_start[a] < least:
            continue
        met = count_partners(a, held, low, high, counts, touched)
        sort(touched[:met])
        for b in touched[:met]:
            if counts[b] >= least:
                if size == room:
                    wider = np.empty((3, 2 * room), dtype=np.int64)
                    for k in range(3):
                        for i in range(room):
                            wider[k, i] = out[k, i]
                    out, room = wider, 2 * room
                out[0, size], out[1, size], out[2, size] = a, b, counts[b]
                size += 1
            counts[b] = 0
    return out[:, :size].copy()


@numba.njit(cache=True, nogil=True)
def _delays(held: Holdings, low: int, high: int, first: I64, second: I64, support: I64, quantiles: F64) -> I64:
    """(pairs, quantiles) delays of pairs that are sorted by their first product: the value there or the next below."""
    place = np.full(len(held.product_start) - 1, -1, dtype=np.int64)
    out = np.empty((len(first), len(quantiles)), dtype=np.int64)
    begin = 0
    while begin < len(first):
        a, end, room = first[begin], begin, 0
        while end < len(first) and first[end] == a:
            place[second[end]] = room
            room += support[end]
            end += 1
        delays = np.empty(room, dtype=np.int64)
        for i in range(held.product_start[a], held.product_start[a + 1]):
            since, holder = held.time[held.by_product[i]], held.holder[held.by_product[i]]
            for other in range(held.start[holder], held.start[holder + 1]):
                b, delay = held.product[other], held.time[other] - since
                if place[b] >= 0 and low <= delay <= high:
                    delays[place[b]] = delay
                    place[b] += 1
        room = 0
        for pair in range(begin, end):
            place[second[pair]] = -1
            some = delays[room : room + support[pair]]
            sort(some)
            room += support[pair]
            for k in range(len(quantiles)):
                out[pair, k] = some[min(int(quantiles[k] * len(some)), len(some) - 1)]
        begin = end
    return out


def _mine(
    held: Holdings, low: int, high: int, least: float = 5, false_share: float = 0.01, lift: float = 1.5
) -> Pairings:
    """Pairs of at least `least` holders and `lift` times chance that survive the number of pairs tested.

    Every ordered pair of products with `least` buyers each counts as tested, met or not.
    """
    from scipy.special import gammainc

    buyers = np.diff(held.product_start)
    usual = int((buyers >= least).sum())
    tested = usual * (usual - 1)
    begin = int(held.time.min()) if len(held.time) else 0
    quarter = (held.time - begin) // QUARTER
    quarters = int(quarter.max()) + 1 if len(quarter) else 1
    followed, came = _follows(held, quarter, quarters, low, high)
    first, second, support = _pairs(held, low, high, round(least))
    all_in_quarter = np.maximum(came.sum(axis=0), 1)
    expected = _expected(followed / all_in_quarter, came, first, second)
    # Poisson: the chance of `support` or more is the regularised lower incomplete gamma function at `support`.
    q = benjamini_hochberg(gammainc(support, expected), tested)
    kept = np.flatnonzero((q <= false_share) & (support >= lift * expected))
    kept = kept[np.lexsort((second[kept], first[kept], -support[kept], q[kept]))]
    first, second, support, expected = first[kept], second[kept], support[kept], expected[kept]
    by_first = np.argsort(first, kind="stable")
    delay = np.empty((len(first), len(QUANTILES)))
    sorted_pairs = (first[by_first], second[by_first], support[by_first])
    delay[by_first] = _delays(held, low, high, *sorted_pairs, np.array(QUANTILES)) / DAY
    return Pairings(
        first=first.astype(np.int32),
        second=second.astype(np.int32),
        buyers=buyers[first],
        support=support,
        chance=support / np.maximum(buyers[first], 1),
        expected=expected,
        lift=support / np.maximum(expected, 1e-12),
        q_value=q[kept],
        typical_days=delay[:, 0].copy(),
        within_days=delay[:, 1].copy(),
        tested=tested,
    )


def _expected(share: F64, came: I64, first: I64, second: I64, chunk: int = 1 << 18) -> F64:
    """Sum over quarters of `share[first] * came[second]`, chunk by chunk to bound memory."""
    parts = [
        np.einsum("ij,ij->i", share[first[i : i + chunk]], came[second[i : i + chunk]].astype(np.float64))
        for i in range(0, len(first), chunk)
    ]
    return np.concatenate(parts) if parts else np.zeros(0)
