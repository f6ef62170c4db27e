"""Which product goes with which: links between products, counted over baskets or customers.

For every product `a`, the products `b` bought by the same buyers are counted (distinct buyers, within a window of
delays), and the strongest are kept with two numbers: the cosine `n_ab / sqrt(n_a n_b)` and the chance `n_ab / n_a`,
both drawn towards zero where `n_a` is small. The count goes product by product over its buyers (Gustavson's order of
a sparse product: ACM TOMS 4, 1978), so that memory stays at one row.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from regulars.features.baskets import Baskets, run_starts
from regulars.features.shop import I32, I64

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

SHRINK = 5.0
"""Buyers added to a product's own before a share is taken of them."""
WHOLE = np.iinfo(np.int64).max // 4
"""A delay that every delay is within."""


class Holdings(NamedTuple):
    """Who holds what, each product once: rows sorted by holder; `by_product` lists the rows product by product."""

    start: I64  # holders + 1
    product: I32
    time: I64
    holder: I64
    product_start: I64  # products + 1
    by_product: I64


class Links(NamedTuple):
    """For product `a`, rows `start[a]:start[a + 1]`: the other product, cosine, chance, and number of buyers."""

    start: I64
    product: I32
    cosine: F32
    chance: F32
    support: I32


def holdings(holder: I64, product: I32, time: I64, products: int, most: int) -> Holdings:
    """Holdings from rows sorted by holder, with each product at its first time.

    Holders of more than `most` products are left out: they tell little about any pair and cost their square.
    """
    order = np.lexsort((time, product, holder))
    holder, product, time = holder[order], product[order], time[order]
    first = run_starts(holder, product)
    holder, product, time = holder[first], product[first], time[first]
    edges = np.append(run_starts(holder), len(holder))
    sizes = np.diff(edges)
    kept = np.repeat(sizes <= most, sizes)
    sizes = sizes[sizes <= most]
    product, time = product[kept], time[kept]
    by_product = np.argsort(product, kind="stable").astype(np.int64)
    return Holdings(
        start=np.concatenate(([0], np.cumsum(sizes))).astype(np.int64),
        product=product,
        time=time,
        holder=np.repeat(np.arange(len(sizes), dtype=np.int64), sizes),
        product_start=np.searchsorted(product[by_product], np.arange(products + 1)).astype(np.int64),
        by_product=by_product,
    )


def basket_holdings(baskets: Baskets, products: int, most: int = 200) -> Holdings:
    """Each basket, guests' too, holds its products."""
    return holdings(baskets.basket, baskets.product, baskets.time, products, most)


def customer_holdings(baskets: Baskets, products: int, most: int = 300) -> Holdings:
    """Each customer holds the products they ever bought, from their first time on."""
    rows = slice(int(baskets.without_guests()), None)
    holder = baskets.customer[rows].astype(np.int64)
    return holdings(holder, baskets.product[rows], baskets.time[rows], products, most)


@numba.njit(cache=True, nogil=True)
def _count_row(a, held, low, high, counts, touched):  # type: ignore[no-untyped-def]
    """Buyers of `a` who hold each other product with a delay in `[low, high]`; returns how many products were met."""
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


@numba.njit(cache=True, nogil=True)
def _strongest(held, products, low, high, keep, least, shrink):  # type: ignore[no-untyped-def]
    """The `keep` strongest links of every product by cosine, ties by product."""
    start = np.zeros(products + 1, dtype=np.int64)
    out_product = np.empty(products * keep, dtype=np.int32)
    out_cosine = np.empty(products * keep, dtype=np.float32)
    out_chance = np.empty(products * keep, dtype=np.float32)
    out_support = np.empty(products * keep, dtype=np.int32)
    counts = np.zeros(products, dtype=np.int32)
    touched = np.empty(products, dtype=np.int64)
    size = 0
    for a in range(products):
        met = _count_row(a, held, low, high, counts, touched)
        mine = float(held.product_start[a + 1] - held.product_start[a])
        names = np.sort(touched[:met])
        cosine = np.empty(met)
        for i in range(met):
            b = names[i]
            theirs = float(held.product_start[b + 1] - held.product_start[b])
            cosine[i] = counts[b] / np.sqrt((mine + shrink) * (theirs + shrink)) if counts[b] >= least else 0.0
        best = np.argsort(-cosine, kind="mergesort")
        for i in best[:keep]:
            if cosine[i] <= 0.0:
                break
            out_product[size] = names[i]
            out_cosine[size] = cosine[i]
            out_chance[size] = counts[names[i]] / (mine + shrink)
            out_support[size] = counts[names[i]]
            size += 1
        start[a + 1] = size
        counts[touched[:met]] = 0
    return start, out_product[:size].copy(), out_cosine[:size].copy(), out_chance[:size].copy(), out_support[:size].copy()


def strongest_links(held: Holdings, low: int, high: int, keep: int = 50, least: int = 2) -> Links:
    """The strongest `keep` links of every product whose delay lies in `[low, high]` (microseconds).

    Args:
        held: who holds what.
        low: smallest delay from the first product to the second; negative counts both directions.
        high: largest delay.
        keep: links kept a product.
        least: buyers a link must have.
    """
    return Links(*_strongest(held, len(held.product_start) - 1, low, high, keep, least, SHRINK))
