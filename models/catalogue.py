"""What is known of the products at a moment: popularity, trend, season, how often they are bought again, what sells.

This is the part of next-product prediction that depends on the whole shop. It is made once, dated, and carried with
the model, so that a customer's answer is the same alone and in a batch. Shares are of the baskets of a window, guests'
included, so that a shop's growth does not look like every product's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from regulars.features.baskets import Baskets, run_starts
from regulars.features.shop import DAY, I32, I64, NEVER

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

YEAR = 365 * DAY
SOON = 3
"""Baskets that count as soon."""
DRAWN = 5.0
"""Purchases with the shop's own share of repeats added to each product's."""
COLUMNS = (
    "share_quarter",  # share of the baskets of the last quarter of a horizon
    "share",  # of the last horizon
    "share_before",  # of the three horizons before that
    "share_year",  # of the last year
    "share_season",  # of the window of a year ago
    "trend",  # share over share_before
    "season",  # share_season over share_year
    "buyers",  # distinct customers, of all customers
    "times_each",  # purchases a buyer
    "again",  # share of purchases followed by another of the same customer within the horizon
    "again_next",  # share of purchases followed by another in the same customer's next basket
    "again_soon",  # the same for the next three baskets
    "gap_days",  # mean days between two purchases of one customer
    "first_share",  # of the last horizon's purchases by customers, those that were the customer's first
    "last_sale_days",
    "age_days",
    "price",  # revenue a piece, in currency units
)


class Repurchases(NamedTuple):
    """By product: customers' purchases, buyers, gaps and their sum in days, and recent first purchases."""

    purchases: I64
    buyers: I64
    gaps: I64
    gap_days: F64
    watched: I64  # purchases old enough to see a horizon after them
    again: I64  # of these, followed by another within the horizon
    next_watched: I64  # purchases with a basket of the same customer after them
    next_again: I64  # of these, followed by another in that basket
    soon_watched: I64  # purchases with three baskets after them
    soon_again: I64  # of these, followed by another in one of those
    recent: I64  # purchases in the last horizon
    recent_first: I64  # of these, a customer's first of the product


(_PURCHASES, _BUYERS, _GAPS, _GAP_TIME, _WATCHED, _AGAIN) = range(6)
(_NEXT_WATCHED, _NEXT_AGAIN, _SOON_WATCHED, _SOON_AGAIN, _RECENT, _RECENT_FIRST) = range(6, 12)


@numba.njit(cache=True, nogil=True)
def _repurchases(
    customer: I32, product: I32, time: I64, basket: I64, left: I64, products: int, moment: int, horizon: int
) -> I64:
    """`Repurchases` by row, from one pass over rows sorted by customer and time.

    `left` counts the customer's baskets after the row's.
    """
    # One table: fourteen arrays take the compiler three times as long.
    out = np.zeros((12, products), dtype=np.int64)
    last, last_basket = np.zeros(products, dtype=np.int64), np.zeros(products, dtype=np.int64)
    holder = np.full(products, -1, dtype=np.int64)
    for i in range(len(product)):
        p = product[i]
        first = holder[p] != customer[i]
        out[_NEXT_WATCHED, p] += left[i] >= 1
        out[_SOON_WATCHED, p] += left[i] >= SOON
        out[_PURCHASES, p] += 1
        out[_BUYERS, p] += first
        out[_WATCHED, p] += time[i] + horizon <= moment
        if not first:
            out[_GAPS, p] += 1
            out[_GAP_TIME, p] += time[i] - last[p]
            out[_AGAIN, p] += time[i] - last[p] <= horizon and last[p] + horizon <= moment
            passed = basket[i] - last_basket[p]
            out[_NEXT_AGAIN, p] += passed == 1
            out[_SOON_AGAIN, p] += passed <= SOON and passed + left[i] >= SOON
        if time[i] >= moment - horizon:
            out[_RECENT, p] += 1
            out[_RECENT_FIRST, p] += first
        last[p], holder[p], last_basket[p] = time[i], customer[i], basket[i]
    return out


@dataclass(frozen=True)
class Catalogue:
    """Products at a moment: `table` is (products + 1, `COLUMNS`), its last row for products nobody has seen.

    `popular` ranks the products on sale by the last horizon's share, best first. `on_sale` is false for products that
    have not been sold for much longer than usual.
    """

    moment: int
    table: F32
    on_sale: NDArray[np.bool_]
    popular: I64
    basket_gap_days: float

    @property
    def prices(self) -> F64:
        """Mean revenue a piece, by product; 0 where never sold."""
        return np.nan_to_num(self.table[:-1, COLUMNS.index("price")]).astype(np.float64)


def _share(counts: I64, baskets: int) -> F64:
    return counts / max(baskets, 1)


def _window(baskets: Baskets, products: int, start: int, end: int) -> F64:
    """Share of the baskets in `[start, end)` that held each product."""
    rows = (baskets.time >= start) & (baskets.time < end)
    times = baskets.basket_time
    return _share(np.bincount(baskets.product[rows], minlength=products), int(((times >= start) & (times < end)).sum()))


def _sale_dates(baskets: Baskets, products: int) -> tuple[I64, I64, F64]:
    """First and last sale of each product (`NEVER` if none), and the mean days between its days of sale."""
    pairs = np.sort(baskets.product.astype(np.int64) * (1 << 32) + baskets.time // DAY)
    pairs = pairs[run_starts(pairs)]
    sold, count = np.unique(pairs >> 32, return_counts=True)
    edges = np.concatenate(([0], np.cumsum(count)))
    first, last = (np.full(products, NEVER, dtype=np.int64) for _ in range(2))
    gap = np.zeros(products)
    if len(sold):
        days = pairs & ((1 << 32) - 1)
        first[sold], last[sold] = days[edges[:-1]] * DAY, days[edges[1:] - 1] * DAY
        gap[sold] = (last[sold] - first[sold]) / DAY / np.maximum(count - 1, 1)
    return first, last, gap


def _drawn(part: I64, whole: I64) -> F64:
    """Shares by product, drawn to the shop's own where there is little to go by."""
    usual = float(part.sum()) / max(int(whole.sum()), 1)
    return np.asarray((part + DRAWN * usual) / (whole + DRAWN), dtype=np.float64)


def _repurchases_of(baskets: Baskets, products: int, horizon: int) -> Repurchases:
    rows = slice(baskets.without_guests(), None)
    customer, basket = baskets.customer[rows], baskets.basket[rows]
    ends = np.append(run_starts(customer)[1:], len(customer)) - 1 if len(customer) else run_starts(customer)
    left = np.repeat(basket[ends], np.diff(np.append(-1, ends))) - basket
    found = _repurchases(
        customer, baskets.product[rows], baskets.time[rows], basket, left, products, baskets.moment, horizon
    )
    return Repurchases(*found)._replace(gap_days=found[_GAP_TIME] / DAY)


def _ratio(top: F64, bottom: F64, floor: float) -> F64:
    """`top / bottom`, drawn to one where both are small."""
    return (top + floor) / (bottom + floor)


def catalogue_at(baskets: Baskets, products: int, horizon: int) -> Catalogue:
    """What the baskets known before a moment say of `products` products.

    A product is on sale if its last sale is less than two horizons ago, or less than five times its usual gap between
    days of sale: were sales random in time, one product in 150 would pause for so long.

    Args:
        baskets: purchases before the moment; product codes are below `products`.
        products: number of products.
        horizon: the window in which a product counts as bought next, in microseconds.
    """
    now = baskets.moment
    again = _repurchases_of(baskets, products, horizon)
    first, last, gap = _sale_dates(baskets, products)
    quarter, share, before, year, season = (
        _window(baskets, products, now - start, now - end)
        for start, end in (
            (horizon // 4, 0),
            (horizon, 0),
            (4 * horizon, horizon),
            (YEAR, 0),
            (YEAR, YEAR - horizon),
        )
    )
    since = np.where(last == NEVER, np.nan, (now - np.where(last == NEVER, 0, last)) / DAY)
    age = np.where(first == NEVER, np.nan, (now - np.where(first == NEVER, 0, first)) / DAY)
    pieces = np.bincount(baskets.product, weights=baskets.pieces / 1_000, minlength=products)
    revenue = np.bincount(baskets.product, weights=baskets.revenue / 10_000, minlength=products)
    with np.errstate(invalid="ignore", divide="ignore"):
        columns = (
            quarter,
            share,
            before,
            year,
            season,
            _ratio(share, before, 1e-3),
            _ratio(season, year, 1e-3),
            _share(again.buyers, len(baskets.buyers())),
            again.purchases / again.buyers,
            (again.again + 0.5) / (again.watched + 5.0),
            _drawn(again.next_again, again.next_watched),
            _drawn(again.soon_again, again.soon_watched),
            (again.gap_days + horizon / DAY) / (again.gaps + 1),
            (again.recent_first + 1.0) / (again.recent + 2.0),
            since,
            age,
            revenue / pieces,
        )
    table = np.full((products + 1, len(COLUMNS)), np.nan, dtype=np.float32)
    table[:products] = np.column_stack(columns)
    on_sale = np.nan_to_num(since, nan=np.inf) < np.maximum(2 * horizon / DAY, 5 * gap)
    ranked = np.lexsort((np.arange(products), -year, -share))
    return Catalogue(
        now, table, np.append(on_sale, True), ranked[on_sale[ranked]].astype(np.int64), _basket_gap(baskets)
    )


def _basket_gap(baskets: Baskets) -> float:
    """Mean days between two baskets of one customer; a year where nobody came twice."""
    customer, times = baskets.basket_customer, baskets.basket_time
    same = (customer[1:] == customer[:-1]) & (customer[1:] >= 0)
    return float((times[1:] - times[:-1])[same].sum() / DAY / same.sum()) if same.any() else 365.0
