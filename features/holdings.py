"""Who holds which product since when: the form in which pairs of products are counted.

A holder is a customer, or a basket. Each holds every product once, from its first time on.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from regulars.features.baskets import Baskets
from regulars.features.kernels import sort
from regulars.features.plain import rows_by_key
from regulars.features.shop import I32, I64, NONE


class Holdings(NamedTuple):
    """Rows sorted by holder, then product; `by_product` lists the rows product by product."""

    start: I64  # holders + 1
    holder: I64
    product: I32
    time: I64
    product_start: I64  # products + 1
    by_product: I64


@numba.njit(cache=True, nogil=True)
def _first_times(holder: I64, product: I32, time: I64, products: int, most: int) -> tuple[int, I64, I64, I32, I64]:
    """Rows that stand holder by holder to each holder's products, rising, with the first time of each.

    Returns the number of holders, where each one's rows begin, and the columns, all with room left at the end.
    """
    rows = len(holder)
    start, out_holder = np.zeros(rows + 1, dtype=np.int64), np.empty(rows, dtype=np.int64)
    out_product, out_time = np.empty(rows, dtype=np.int32), np.empty(rows, dtype=np.int64)
    seen, first = np.full(products, -1, dtype=np.int64), np.empty(products, dtype=np.int64)
    size = holders = row = 0
    while row < rows:
        begin, one, rising = size, row, True
        while row < rows and holder[row] == holder[one]:
            p = product[row]
            if seen[p] != one:
                seen[p] = one
                first[p] = time[row]
                out_product[size] = p
                rising &= size == begin or out_product[size - 1] < p
                size += 1
            else:
                first[p] = min(first[p], time[row])
            row += 1
        if size - begin > most:
            size = begin
            continue
        if not rising:
            sort(out_product[begin:size])
        for i in range(begin, size):
            out_time[i] = first[out_product[i]]
            out_holder[i] = holders
        holders += 1
        start[holders] = size
    return holders, start, out_holder, out_product, out_time


def holdings(holder: I64, product: I32, time: I64, products: int, most: int) -> Holdings:
    """Holdings from rows in any order, with each product at its first time.

    Holders of more than `most` products are left out: they tell little about any pair and cost their square.
    """
    if (holder[1:] < holder[:-1]).any():
        order = np.argsort(holder, kind="stable")
        holder, product, time = holder[order], product[order], time[order]
    holders, start, holder, product, time = _first_times(holder, product, time, products, most)
    # Cut here and not in the loop: the compiler takes a quarter of a second for each slice that is copied.
    start = start[: holders + 1].copy()
    holder, product, time = holder[: start[-1]].copy(), product[: start[-1]].copy(), time[: start[-1]].copy()
    return Holdings(start, holder, product, time, *rows_by_key(product, products))


def basket_holdings(baskets: Baskets, products: int, most: int = 100) -> Holdings:
    """Each basket, guests' too, holds its products."""
    return holdings(baskets.basket, baskets.product, baskets.time, products, most)


def customer_holdings(baskets: Baskets, products: int, most: int = 300, guests: bool = False) -> Holdings:
    """Each customer holds the products they ever bought; with `guests`, so does each guest's basket."""
    # A guest's basket is a holder of its own, numbered below the customers.
    holder = np.where(baskets.customer == NONE, baskets.basket - len(baskets.basket_start), baskets.customer)
    rows = slice(0 if guests else baskets.without_guests(), None)
    return holdings(holder[rows].astype(np.int64), baskets.product[rows], baskets.time[rows], products, most)


@numba.njit(cache=True, nogil=True)
def count_partners(a: int, held: Holdings, low: int, high: int, counts: I64, touched: I64) -> int:
    """Add to `counts` the holders of `a` who hold each other product with a delay in `[low, high]`.

    Products counted are listed in `touched`; returns how many they are. The count goes product by product over its
    holders (Gustavson's order of a sparse product: ACM TOMS 4, 1978), so that memory stays at one row.
    """
    met = 0
    for i in range(held.product_start[a], held.product_start[a + 1]):
        row = held.by_product[i]
        since = held.time[row]
        for other in range(held.start[held.holder[row]], held.start[held.holder[row] + 1]):
            delay = held.time[other] - since
            if other == row or delay < low or delay > high:
                continue
            b = held.product[other]
            if counts[b] == 0:
                touched[met] = b
                met += 1
            counts[b] += 1
    return met
