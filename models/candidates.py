"""Products worth considering for each customer, with what their history says of each.

Nobody can rank fifty thousand products for a million customers; a few hundred each will do. They come from the
customer's own past, from nearest neighbours, from links out of what they hold (same basket, soon after), and from what
is popular. One compiled pass per customer collects the candidates and their evidence, so that a customer's row cannot
depend on who else is in the batch.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from regulars.features.baskets import Baskets
from regulars.features.shop import DAY, I32, I64
from regulars.models.catalogue import YEAR, Catalogue
from regulars.models.neighbours import Pool, add_neighbours, basket_weight
from regulars.models.product_links import Links

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Flags = NDArray[np.bool_]
Rows = tuple[I32, I64, I64, I64, I64]
"""Product, time, basket, pieces and revenue of purchases."""
Returns = tuple[I64, I32, I64]
"""Where each customer's returns start, their products and pieces."""
ShopPart = tuple[Links, Links, Links, Pool]
"""Links by basket, soon after, and at any time; possible neighbours."""

EVIDENCE = (
    "times",  # baskets with it
    "last_days",  # since it was last bought
    "first_days",  # since it was first bought
    "baskets_since",  # baskets bought after the last one with it
    "own",  # weight in the customer's decayed vector
    "decayed",  # purchases, halved every horizon
    "gap_days",  # mean days between purchases of it
    "returned",  # pieces returned of pieces bought
    "pieces",  # mean pieces
    "season_times",  # baskets with it in the window of a year ago
    "neighbours",  # mean weight in the nearest vectors
    "together",  # cosines of basket links from products held, by their weight
    "together_best",  # highest chance among those links
    "after",  # the same for links to what was bought soon after
    "after_best",
    "alike",  # the same for links to what the same customers bought at any time
    "alike_best",
    "last_together",  # basket links out of the last basket only
)
(TIMES, LAST, FIRST, SINCE, OWN, DECAYED, GAP, RETURNED, PIECES, SEASON, NEAR) = range(11)
TOGETHER, AFTER, ALIKE, LAST_TOGETHER = 11, 13, 15, 17

HABITS = (
    "baskets",
    "quiet_days",  # since the last basket
    "tenure_days",  # since the first basket
    "basket_gap_days",  # mean days between baskets
    "basket_size",  # mean products a basket
    "last_size",
    "products",  # distinct
    "repeats",  # share of purchases that were repeats
    "late_repeats",  # the same in the last three baskets
    "paid",  # revenue a piece, in currency units
    "baskets_lately",  # in the last horizon
)


class Limits(NamedTuple):
    """How many candidates each source may bring, and how neighbours are found."""

    own: int = 150
    near: int = 60
    linked: int = 30
    popular: int = 30
    nearest: int = 300
    groups: int = 11
    within: float = 0.9
    between: float = 0.9

    @property
    def width(self) -> int:
        """Most candidates a customer can have."""
        return self.own + self.near + 3 * self.linked + self.popular


@dataclass(frozen=True)
class ShopContext:
    """What the whole shop says at a moment: the catalogue, links between products, and vectors of customers."""

    catalogue: Catalogue
    together: Links
    after: Links
    alike: Links
    pool: Pool


@dataclass(frozen=True)
class Candidates:
    """Rows sorted by customer (position in the customers asked for), then product code.

    `evidence` is (rows, `EVIDENCE`), NaN where a customer never bought the product; `habits` is (customers, `HABITS`).
    """

    row: I64
    product: I32
    evidence: F32
    habits: F32

    def __len__(self) -> int:
        return len(self.product)


@numba.njit(cache=True, nogil=True)
def _own_history(
    first: int,
    last: int,
    product: I32,
    time: I64,
    basket: I64,
    pieces: I64,
    now: int,
    horizon: int,
    limits: Limits,
    evidence: F64,
    touched: I64,
) -> int:
    """Evidence of the customer's own purchases; returns the number of products met."""
    met = 0
    count = basket[last - 1] - basket[first] + 1
    for row in range(first, last):
        p = product[row]
        place = basket[row] - basket[first]
        age = (now - time[row]) / DAY
        if evidence[p, TIMES] == 0.0:
            touched[met] = p
            met += 1
            evidence[p, FIRST] = age
        evidence[p, TIMES] += 1.0
        evidence[p, LAST] = age
        evidence[p, SINCE] = count - 1 - place
        evidence[p, OWN] += basket_weight(place, count, limits.groups, limits.within, limits.between)
        evidence[p, DECAYED] += 0.5 ** (age * DAY / horizon)
        evidence[p, PIECES] += pieces[row] / 1_000
        if now - YEAR <= time[row] < now - YEAR + horizon:
            evidence[p, SEASON] += 1.0
    for i in range(met):
        p = touched[i]
        times = evidence[p, TIMES]
        evidence[p, GAP] = (evidence[p, FIRST] - evidence[p, LAST]) / (times - 1.0) if times > 1.0 else np.nan
        evidence[p, PIECES] /= times
    return met


@numba.njit(cache=True, nogil=True)
def _add_links(
    names: I64, weights: F64, links: Links, column: int, evidence: F64, touched: I64, met: int, seen: Flags
) -> int:
    """Follow the links out of the products held; returns the number of products met."""
    known = len(links.start) - 1
    for i in range(len(names)):
        a = names[i]
        if a >= known:
            continue
        for j in range(links.start[a], links.start[a + 1]):
            b = links.product[j]
            if not seen[b]:
                seen[b] = True
                touched[met] = b
                met += 1
            evidence[b, column] += weights[i] * links.cosine[j]
            if column != LAST_TOGETHER and links.chance[j] > evidence[b, column + 1]:
                evidence[b, column + 1] = links.chance[j]
    return met


@numba.njit(cache=True, nogil=True)
def _choose(score: F64, names: I64, most: int, on_sale: Flags, chosen: Flags) -> None:
    """Mark the `most` best of `names` by positive score, ties by product, among what is on sale and not yet marked."""
    usable = np.empty(len(names), dtype=np.int64)
    count = 0
    for p in names:
        if score[p] > 0.0 and not chosen[p] and on_sale[min(p, len(on_sale) - 1)]:
            usable[count] = p
            count += 1
    usable = usable[:count]
    if count > most:
        values = score[usable]
        least = np.partition(values, count - most)[count - most]
        usable = np.sort(usable[values >= least])
        usable = usable[np.argsort(-score[usable], kind="mergesort")[:most]]
    for p in usable:
        chosen[p] = True


@numba.njit(cache=True, nogil=True)
def _habits(
    first: int,
    last: int,
    product: I32,
    time: I64,
    basket: I64,
    revenue: I64,
    pieces: I64,
    now: int,
    horizon: int,
    evidence: F64,
    out: F32,
) -> None:
    """One customer's habits; `evidence` holds their times bought by product."""
    count = basket[last - 1] - basket[first] + 1
    quiet, tenure = (now - time[last - 1]) / DAY, (now - time[first]) / DAY
    distinct = late = late_repeats = last_size = lately = 0
    paid = bought = 0
    for row in range(first, last):
        place = basket[row] - basket[first]
        starts = evidence[product[row], FIRST] == (now - time[row]) / DAY
        distinct += starts
        late += place >= count - 3
        late_repeats += place >= count - 3 and not starts
        last_size += place == count - 1
        lately += time[row] >= now - horizon and (row == first or basket[row] != basket[row - 1])
        paid += revenue[row]
        bought += pieces[row]
    lines = last - first
    out[0], out[1], out[2] = count, quiet, tenure
    out[3] = (tenure - quiet) / (count - 1) if count > 1 else np.nan
    out[4], out[5], out[6] = lines / count, last_size, distinct
    out[7], out[8] = (lines - distinct) / lines, late_repeats / late
    out[9] = paid / 10.0 / bought
    out[10] = lately


@numba.njit(cache=True, nogil=True)
def _own_returns(products: I32, pieces: I64, evidence: F64) -> None:
    """Share of the pieces bought that came back, at most one."""
    for j in range(len(products)):
        p = products[j]
        if evidence[p, TIMES] > 0.0:
            evidence[p, RETURNED] = min(pieces[j] / 1_000 / (evidence[p, PIECES] * evidence[p, TIMES]), 1.0)


@numba.njit(cache=True, nogil=True)
def _others(
    names: I64, shop: ShopPart, limits: Limits, near: F64, evidence: F64, touched: I64, met: int, seen: Flags
) -> int:
    """What neighbours and links say, of any product; returns the number of products met."""
    together, after, alike, pool = shop
    weights, final = np.empty(len(names)), np.empty(len(names), dtype=np.int64)
    finals = 0
    for j in range(len(names)):
        weights[j] = evidence[names[j], OWN]
        seen[names[j]] = True
        if evidence[names[j], SINCE] == 0.0:
            final[finals] = names[j]
            finals += 1
    met = add_neighbours(names, weights, pool, limits.nearest, near, touched, met, seen)
    met = _add_links(names, weights, together, TOGETHER, evidence, touched, met, seen)
    met = _add_links(names, weights, after, AFTER, evidence, touched, met, seen)
    met = _add_links(names, weights, alike, ALIKE, evidence, touched, met, seen)
    return _add_links(final[:finals], np.ones(finals), together, LAST_TOGETHER, evidence, touched, met, seen)


@numba.njit(cache=True, nogil=True)
def _choose_all(
    names: I64, others: I64, on_sale: Flags, popular: I64, limits: Limits, near: F64, evidence: F64, chosen: Flags
) -> None:
    """Mark the candidates: the customer's own, then of each other source its best new ones."""
    _choose(evidence[:, DECAYED], names, limits.own, on_sale, chosen)
    _choose(near, others, limits.near, on_sale, chosen)
    _choose(evidence[:, TOGETHER], others, limits.linked, on_sale, chosen)
    _choose(evidence[:, AFTER], others, limits.linked, on_sale, chosen)
    _choose(evidence[:, ALIKE], others, limits.linked, on_sale, chosen)
    for p in popular[: limits.popular]:
        if evidence[p, TIMES] == 0.0:
            chosen[p] = True


@numba.njit(cache=True, nogil=True)
def _write(p: int, near: F64, evidence: F64, out: F32) -> None:
    """One candidate's evidence; what only a buyer has is NaN for the others."""
    for column in range(len(EVIDENCE)):
        out[column] = evidence[p, column]
    out[NEAR] = near[p]
    if evidence[p, TIMES] == 0.0:
        out[LAST] = out[FIRST] = out[SINCE] = out[GAP] = out[PIECES] = np.nan


@numba.njit(cache=True, nogil=True)
def _collect(
    first: I64,
    last: I64,
    rows: Rows,
    returns: Returns,
    catalogue: tuple[Flags, I64],
    shop: ShopPart,
    products: int,
    now: int,
    horizon: int,
    limits: Limits,
) -> tuple[I64, I32, F32, F32]:
    """Candidates of the customers whose rows are `first[i]:last[i]`: counts, products, evidence, and habits."""
    product, time, basket, pieces, revenue = rows
    returned_start, returned_product, returned_pieces = returns
    on_sale, popular = catalogue
    total = len(first)
    width = limits.own + limits.near + 3 * limits.linked + limits.popular
    out_count = np.zeros(total, dtype=np.int64)
    out_product = np.empty(total * width, dtype=np.int32)
    out_evidence = np.empty((total * width, len(EVIDENCE)), dtype=np.float32)
    out_habits = np.full((total, len(HABITS)), np.nan, dtype=np.float32)
    evidence, near = np.zeros((products, len(EVIDENCE))), np.zeros(products)
    touched = np.empty(products, dtype=np.int64)
    seen, chosen = np.zeros(products, dtype=np.bool_), np.zeros(products, dtype=np.bool_)
    size = 0
    for i in range(total):
        a, z, own = first[i], last[i], 0
        if z > a:
            own = _own_history(a, z, product, time, basket, pieces, now, horizon, limits, evidence, touched)
            _habits(a, z, product, time, basket, revenue, pieces, now, horizon, evidence, out_habits[i])
        some = slice(returned_start[i], returned_start[i + 1])
        _own_returns(returned_product[some], returned_pieces[some], evidence)
        names = np.sort(touched[:own])
        met = _others(names, shop, limits, near, evidence, touched, own, seen)
        for p in popular[: limits.popular]:
            if not seen[p]:
                touched[met] = p
                met += 1
        _choose_all(names, touched[own:met], on_sale, popular, limits, near, evidence, chosen)
        begin = size
        for p in touched[:met]:
            if chosen[p]:
                out_product[size] = p
                size += 1
        out_product[begin:size] = np.sort(out_product[begin:size])
        for j in range(begin, size):
            _write(out_product[j], near, evidence, out_evidence[j])
        for p in touched[:met]:
            chosen[p] = seen[p] = False
            evidence[p] = 0.0
            near[p] = 0.0
        out_count[i] = size - begin
    return out_count, out_product[:size].copy(), out_evidence[:size].copy(), out_habits


def collect(
    baskets: Baskets,
    customers: I32,
    context: ShopContext,
    products: int,
    horizon: int,
    limits: Limits,
    threads: int = 1,
    chunk: int = 256,
) -> Candidates:
    """Candidates of `customers` at the baskets' moment.

    Args:
        baskets: their purchases, product codes below `products`; codes the context does not know lie at its end.
        customers: codes, in any order.
        context: what the whole shop says.
        products: number of product codes.
        horizon: the window in which a product counts as bought next, in microseconds.
        limits: how many candidates.
        threads: chunks of customers worked on at a time; the result does not depend on it.
        chunk: customers in a chunk.
    """
    first, last = baskets.rows_of(customers)
    rows = (baskets.product, baskets.time, baskets.basket, baskets.pieces, baskets.revenue)
    returned = baskets.returned
    low = np.searchsorted(returned.customer, customers, side="left")
    high = np.searchsorted(returned.customer, customers, side="right")
    catalogue = (context.catalogue.on_sale, context.catalogue.popular)
    shop = (context.together, context.after, context.alike, context.pool)

    def work(begin: int) -> tuple[I64, I32, F32, F32]:
        some = slice(begin, begin + chunk)
        start = np.concatenate(([0], np.cumsum(high[some] - low[some])))
        at = np.repeat(low[some] - start[:-1], np.diff(start)) + np.arange(start[-1])
        returns = (start, returned.product[at], returned.pieces[at])
        return _collect(
            first[some], last[some], rows, returns, catalogue, shop, products, baskets.moment, horizon, limits
        )

    begins = range(0, max(len(customers), 1), chunk)
    with ThreadPoolExecutor(threads) as executor:
        parts = list(executor.map(work, begins)) if threads > 1 else [work(begin) for begin in begins]
    counts, names, evidence, habits = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Candidates(np.repeat(np.arange(len(customers)), counts), names, evidence, habits)
