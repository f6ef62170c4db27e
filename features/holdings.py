"""Who holds which product since when: the form in which pairs of products are counted.

A holder is a customer, or a basket. Each holds every product once, from its first time on.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from regulars.features.baskets import Baskets, run_starts
from regulars.features.shop import I32, I64, NONE


class Holdings(NamedTuple):
    """Rows sorted by holder, then product; `by_product` lists the rows product by product."""

    start: I64  # holders + 1
    holder: I64
    product: I32
    time: I64
    product_start: I64  # products + 1
    by_product: I64


def holdings(holder: I64, product: I32, time: I64, products: int, most: int) -> Holdings:
    """Holdings from rows in any order, with each product at its first time.

    Holders of more than `most` products are left out: they tell little about any pair and cost their square.
    """
    order = np.lexsort((time, product, holder))
    holder, product, time = holder[order], product[order], time[order]
    first = run_starts(holder, product)
    holder, product, time = holder[first], product[first], time[first]
    sizes = np.diff(np.append(run_starts(holder), len(holder)))
    kept = np.repeat(sizes <= most, sizes)
    sizes, product, time = sizes[sizes <= most], product[kept], time[kept]
    by_product = np.argsort(product, kind="stable").astype(np.int64)
    return Holdings(
        start=np.concatenate(([0], np.cumsum(sizes))).astype(np.int64),
        holder=np.repeat(np.arange(len(sizes), dtype=np.int64), sizes),
        product=product,
        time=time,
        product_start=np.searchsorted(product[by_product], np.arange(products + 1)).astype(np.int64),
        by_product=by_product,
    )


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
