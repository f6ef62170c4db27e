"""Products worth considering for each customer, with what their history says of each.

Nobody can rank fifty thousand products for a million customers; a few hundred each will do. They come from the
customer's own past, from nearest neighbours, from links out of what they hold (same basket, soon after), from the
shelves they buy from, and from what is popular, in the shop and among customers of their segment and country. One
compiled pass per customer collects the candidates and their evidence, so that a customer's row cannot depend on who
else is in the batch.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numba
import numpy as np
from numpy.typing import NDArray

from regulars.features.baskets import Baskets
from regulars.features.kernels import ZERO, sort
from regulars.features.shop import I32, I64
from regulars.models.candidate_sources import Flags, Limits, ShopPart, Workspace, meet_others
from regulars.models.catalogue import Catalogue
from regulars.models.factors import Factors, fit_of, place
from regulars.models.neighbours import Pool
from regulars.models.own_history import (
    AFTER,
    ALIKE,
    COSINE,
    DECAYED,
    EVIDENCE,
    FIRST,
    FIT,
    GAP,
    GROUP_POPULAR,
    HABITS,
    LAST,
    LIFT,
    NEAR,
    OWN,
    PIECES,
    SHELF,
    SHELF_DAYS,
    SHELF_POPULAR,
    SHELF_TIMES,
    SINCE,
    SUMMED,
    TIMES,
    TOGETHER,
    habits_of,
    own_history,
    own_returns,
)
from regulars.models.peer_groups import Lifts, PeerGroups
from regulars.models.product_links import Links
from regulars.models.selection import largest
from regulars.models.shelves import Shelves

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Rows = tuple[I32, I64, I64, I64, I64]
"""Product, time, basket, pieces and revenue of purchases."""
Returns = tuple[I64, I32, I64]
"""Where each customer's returns start, their products and pieces."""


@dataclass(frozen=True)
class ShopContext:
    """What the whole shop says at a moment, of products and of customers as a whole.

    `desks` keeps workspaces from one call to the next.
    """

    catalogue: Catalogue
    together: Links
    after: Links
    alike: Links
    pool: Pool
    factors: Factors
    shelves: Shelves
    groups: PeerGroups
    desks: list[Workspace] = field(default_factory=list, compare=False)

    def part(self) -> ShopPart:
        """For the compiled pass."""
        return ShopPart(
            self.catalogue.on_sale,
            self.catalogue.popular,
            self.together,
            self.after,
            self.alike,
            self.pool,
            self.factors,
            self.shelves,
            self.groups.lifts,
        )

    def desk(self, products: int) -> Workspace:
        """A workspace nobody else uses; to be put back into `desks` when it is clean again."""
        while self.desks:
            desk = self.desks.pop()
            if desk.evidence.shape[1] >= products:
                return desk
        return Workspace.of(products, len(self.shelves.top))


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

    def take(self, rows: I64) -> Candidates:
        """The given rows."""
        return Candidates(self.row[rows], self.product[rows], self.evidence[rows], self.habits)


@numba.njit(cache=True, nogil=True)
def _choose(score: F64, usable: I64, most: int, chosen: Flags, out: I32, size: int) -> int:
    """Mark the `most` best of `usable`, ties by product, and append them to `out`; returns its new size."""
    for p in largest(score, usable, most) if len(usable) > most else usable:
        chosen[p] = True
        out[size] = p
        size += 1
    return size


@numba.njit(cache=True, nogil=True)
def _usable(score: F64, names: I64, on_sale: Flags, chosen: Flags) -> I64:
    """Those of `names` with a positive score that are on sale and not yet chosen."""
    usable, count, last = np.empty(len(names), dtype=np.int64), 0, len(on_sale) - 1
    for p in names:
        if score[p] > 0.0 and not chosen[p] and on_sale[min(p, last)]:
            usable[count] = p
            count += 1
    return usable[:count]


@numba.njit(cache=True, nogil=True)
def _usable_near(near: F64, times: F64, on_sale: Flags) -> I64:
    """What neighbours hold and the customer does not, as far as it is on sale."""
    usable, count, last = np.empty(len(near), dtype=np.int64), 0, len(on_sale) - 1
    for p in range(len(near)):
        if near[p] > 0.0 and times[p] == 0.0 and on_sale[min(p, last)]:
            usable[count] = p
            count += 1
    return usable[:count]


@numba.njit(cache=True, nogil=True)
def _choose_all(
    names: I64, others: I64, on_sale: Flags, popular: I64, limits: Limits, desk: Workspace, out: I32
) -> int:
    """Choose the candidates: the customer's own, then of each other source its best new ones; returns how many."""
    evidence, near, chosen = desk.evidence, desk.evidence[NEAR], desk.chosen
    size: int = ZERO
    size = _choose(evidence[DECAYED], _usable(evidence[DECAYED], names, on_sale, chosen), limits.own, chosen, out, size)
    size = _choose(near, _usable_near(near, evidence[TIMES], on_sale), limits.near, chosen, out, size)
    for column in (TOGETHER, AFTER, ALIKE, SHELF_POPULAR, GROUP_POPULAR):
        usable = _usable(evidence[column], others, on_sale, chosen)
        size = _choose(evidence[column], usable, limits.linked, chosen, out, size)
    for p in popular[: limits.popular]:
        if evidence[TIMES, p] == 0.0 and not chosen[p]:
            chosen[p] = True
            out[size] = p
            size += 1
    return size


@numba.njit(cache=True, nogil=True)
def _lift(p: int, group: int, lifts: Lifts) -> float:
    """The group's lift of a product, found by halving; the lowest possible where the group has none of it."""
    if group < 0:
        return np.nan
    low, high = lifts.start[group], lifts.start[group + 1]
    end = high
    while low < high:
        middle = (low + high) // 2
        if lifts.product[middle] < p:
            low = middle + 1
        else:
            high = middle
    return lifts.lift[low] if low < end and lifts.product[low] == p else 0.0


@numba.njit(cache=True, nogil=True)
def _write(
    p: int, groups: I32, where: F64, shelves: Shelves, lifts: Lifts, factors: Factors, desk: Workspace, out: F32
) -> None:
    """One candidate's evidence; what only a buyer has is NaN for the others."""
    for column in range(SUMMED):
        out[column] = desk.evidence[column, p]
    if desk.evidence[TIMES, p] == 0.0:
        out[LAST] = out[FIRST] = out[SINCE] = out[GAP] = out[PIECES] = np.nan
    out[SHELF] = out[SHELF_TIMES] = out[SHELF_DAYS] = np.nan
    if p < len(shelves.of) and shelves.of[p] >= 0:
        shelf = desk.shelf[shelves.of[p]]
        out[SHELF], out[SHELF_TIMES] = shelf[0], shelf[1]
        if shelf[1] > 0.0:
            out[SHELF_DAYS] = shelf[2]
    for k in range(len(groups)):
        out[LIFT + k] = _lift(p, groups[k], lifts)
    out[FIT], out[COSINE] = fit_of(p, where, factors)


@numba.njit(cache=True, nogil=True)
def _clear(names: I64, met: int, candidates: I32, shelves: Shelves, desk: Workspace) -> None:
    desk.evidence[NEAR].fill(0.0)
    for p in candidates:
        desk.chosen[p] = False
    for p in desk.touched[:met]:
        desk.seen[p] = False
    for column in range(SUMMED):
        # Each kind of evidence has memory of its own: links meet thousands of products, and few kinds speak of each.
        evidence = desk.evidence[column]
        for p in names if column < TOGETHER else desk.touched[:met]:
            evidence[p] = 0.0
    for p in names:
        if p < len(shelves.of) and shelves.of[p] >= 0:
            desk.shelf[shelves.of[p]] = 0.0


@numba.njit(cache=True, nogil=True)
def _collect(
    first: I64,
    last: I64,
    rows: Rows,
    returns: Returns,
    groups: I32,
    shop: ShopPart,
    now: int,
    horizon: int,
    limits: Limits,
    width: int,
    desk: Workspace,
) -> tuple[I64, I32, F32, F32]:
    """Candidates of the customers whose rows are `first[i]:last[i]`: counts, products, evidence, and habits.

    Products and evidence have room left at the end.
    """
    product, time, basket, pieces, revenue = rows
    returned_start, returned_product, returned_pieces = returns
    total = len(first)
    out_count = np.zeros(total, dtype=np.int64)
    out_product = np.empty(total * width, dtype=np.int32)
    out_evidence = np.empty((total * width, len(EVIDENCE)), dtype=np.float32)
    out_habits = np.full((total, len(HABITS)), np.nan, dtype=np.float32)
    size = 0
    for i in range(total):
        a, z, own = first[i], last[i], 0
        if z > a:
            own = own_history(a, z, product, time, basket, pieces, now, horizon, limits, desk.evidence, desk.touched)
            habits_of(a, z, product, time, basket, revenue, pieces, now, horizon, desk.evidence, out_habits[i])
        some = slice(returned_start[i], returned_start[i + 1])
        own_returns(returned_product[some], returned_pieces[some], desk.evidence)
        names = desk.touched[:own].copy()
        sort(names)
        weights = np.empty(own)
        for j in range(own):
            weights[j] = desk.evidence[OWN, names[j]]
        met = meet_others(names, weights, groups[i], shop, limits, desk, own)
        begin = size
        size += _choose_all(names, desk.touched[own:met], shop.on_sale, shop.popular, limits, desk, out_product[begin:])
        sort(out_product[begin:size])
        shelves, lifts, factors = shop.shelves, shop.lifts, shop.factors
        where = place(names, weights, factors)
        for j in range(begin, size):
            _write(out_product[j], groups[i], where, shelves, lifts, factors, desk, out_evidence[j])
        _clear(names, met, out_product[begin:size], shelves, desk)
        out_count[i] = size - begin
    return out_count, out_product, out_evidence, out_habits


def collect(
    baskets: Baskets,
    customers: I32,
    groups: I32,
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
        groups: (customers, 2) their segment and country, numbered by the context's groups.
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
    shop = context.part()

    def work(begin: int) -> tuple[I64, I32, F32, F32]:
        some = slice(begin, begin + chunk)
        start = np.concatenate(([0], np.cumsum(high[some] - low[some])))
        at = np.repeat(low[some] - start[:-1], np.diff(start)) + np.arange(start[-1])
        returns = (start, returned.product[at], returned.pieces[at])
        desk = context.desk(products)
        counts, names, evidence, habits = _collect(
            first[some],
            last[some],
            rows,
            returns,
            groups[some],
            shop,
            baskets.moment,
            horizon,
            limits,
            limits.width,
            desk,
        )
        context.desks.append(desk)
        size = counts.sum()
        return counts, names[:size].copy(), evidence[:size].copy(), habits

    begins = range(0, max(len(customers), 1), chunk)
    if threads > 1 and len(begins) > 1:
        with ThreadPoolExecutor(threads) as executor:
            parts = list(executor.map(work, begins))
    else:
        parts = [work(begin) for begin in begins]
    counts, names, evidence, habits = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Candidates(np.repeat(np.arange(len(customers)), counts), names, evidence, habits)
