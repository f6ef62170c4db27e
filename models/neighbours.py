"""Customers with a like taste: decayed basket vectors and their nearest neighbours.

A customer is a vector over products, in which late baskets weigh more than early ones: baskets are cut into groups,
weights fall within a group and from group to group (temporal item frequency, Hu et al., 'Modeling personalized item
frequency information for next-basket recommendation', SIGIR 2020, section 4). What the nearest vectors hold on average
says what a customer may want next. The pool of vectors carries no customer ids.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from regulars.features.kernels import sort
from regulars.features.shop import I32, I64
from regulars.models.selection import largest

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Flags = NDArray[np.bool_]

SAME = 1e-12
"""Squared distance, relative to the vector's own norm, below which a neighbour is the customer, or nothing new."""


class Pool(NamedTuple):
    """Vectors of known customers by row, and the same by product; `norm` is the squared length of each."""

    start: I64
    product: I32
    weight: F32
    norm: F64
    product_start: I64
    member: I32
    member_weight: F32


@numba.njit(cache=True, nogil=True)
def basket_weight(position: int, count: int, groups: int, within: float, between: float) -> float:
    """Weight of basket `position` (0 is the oldest) among `count`, cut into at most `groups` groups of like size.

    Early groups are the smaller ones where the baskets do not divide evenly.
    """
    groups = min(groups, count)
    small = count // groups
    larger = count - small * groups
    early = (groups - larger) * small
    if position < early:
        group, size, place = position // small, small, position % small
    else:
        group = groups - larger + (position - early) // (small + 1)
        size, place = small + 1, (position - early) % (small + 1)
    return between ** (groups - 1 - group) * within ** (size - 1 - place) / (size * groups)


@numba.njit(cache=True, nogil=True)
def _vectors(
    first: I64, last: I64, product: I32, basket: I64, products: int, groups: int, within: float, between: float
) -> tuple[I64, I32, F32]:
    """Sparse vectors of the customers whose rows are `first[i]:last[i]`; the columns have room left at the end."""
    total = 0
    for i in range(len(first)):
        total += last[i] - first[i]
    start = np.zeros(len(first) + 1, dtype=np.int64)
    out_product, out_weight = np.empty(total, dtype=np.int32), np.empty(total, dtype=np.float32)
    vector = np.zeros(products)
    size = 0
    for i in range(len(first)):
        begin = size
        count = basket[last[i] - 1] - basket[first[i]] + 1
        for row in range(first[i], last[i]):
            p = product[row]
            if vector[p] == 0.0:
                out_product[size] = p
                size += 1
            vector[p] += basket_weight(basket[row] - basket[first[i]], count, groups, within, between)
        sort(out_product[begin:size])
        for j in range(begin, size):
            out_weight[j] = vector[out_product[j]]
            vector[out_product[j]] = 0.0
        start[i + 1] = size
    return start, out_product, out_weight


def build_pool(
    first: I64, last: I64, product: I32, basket: I64, products: int, groups: int, within: float, between: float
) -> Pool:
    """A pool of the customers whose rows are `first[i]:last[i]` of `product` and `basket` (numbered in time order)."""
    start, names, weights = _vectors(first, last, product, basket, products, groups, within, between)
    return index_pool(start, names[: start[-1]].copy(), weights[: start[-1]].copy(), products)


def index_pool(start: I64, product: I32, weight: F32, products: int) -> Pool:
    """A pool from its vectors: the squared lengths and the lists by product follow from them."""
    member = np.repeat(np.arange(len(start) - 1, dtype=np.int32), np.diff(start))
    by_product = np.argsort(product, kind="stable")
    squares = weight.astype(np.float64) ** 2
    return Pool(
        start=start,
        product=product,
        weight=weight,
        norm=np.add.reduceat(squares, start[:-1]) if len(start) > 1 else squares,
        product_start=np.searchsorted(product[by_product], np.arange(products + 1)).astype(np.int64),
        member=member[by_product],
        member_weight=weight[by_product],
    )


@numba.njit(cache=True, nogil=True)
def _closeness(names: I64, weights: F64, pool: Pool) -> F64:
    """The customer's own squared length less the squared distance to each member; -infinite for who is no different."""
    # A tuple's arrays are taken out before the loop: inside it, each use would count references.
    start, member, member_weight = pool.product_start, pool.member, pool.member_weight
    known = len(start) - 1
    close = np.empty(len(pool.norm))
    for i in range(len(close)):
        close[i] = -pool.norm[i]
    own = 0.0
    for i in range(len(names)):
        weight = np.float64(np.float32(weights[i]))
        own += weight * weight
        if names[i] < known:
            for j in range(start[names[i]], start[names[i] + 1]):
                close[member[j]] += 2.0 * weight * member_weight[j]
    for i in range(len(close)):
        if own - close[i] <= SAME * own:
            close[i] = -np.inf
    return close


@numba.njit(cache=True, nogil=True)
def add_neighbours(names: I64, weights: F64, pool: Pool, nearest: int, score: F64) -> None:
    """Add the mean vector of the nearest neighbours to `score`, (products,).

    `names` are the customer's products and `weights` theirs. The customer's own vector, where it is in the pool, is
    left out.
    """
    members = len(pool.norm)
    if members == 0 or len(names) == 0:
        return
    close = _closeness(names, weights, pool)
    everybody = np.empty(members, dtype=np.int64)
    for i in range(members):
        everybody[i] = i
    near = largest(close, everybody, nearest)
    count = len(near)
    while count > 0 and close[near[count - 1]] == -np.inf:
        count -= 1
    near = near[:count]
    # By position, as the sums' last digits depend on the order.
    sort(near)
    start, product, weight = pool.start, pool.product, pool.weight
    for i in near:
        for j in range(start[i], start[i + 1]):
            score[product[j]] += weight[j] / count
