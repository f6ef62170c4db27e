"""Which product goes with which: links between products, counted over baskets or customers.

For every product `a`, the products `b` bought by the same buyers are counted (distinct buyers, within a window of
delays), and the strongest are kept with two numbers: the cosine `n_ab / sqrt(n_a n_b)` and the chance `n_ab / n_a`,
both drawn towards zero where `n_a` is small.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from regulars.features.holdings import Holdings, count_partners
from regulars.features.shop import I32, I64
from regulars.models.selection import largest

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

SHRINK = 5.0
"""Buyers added to a product's own before a share is taken of them."""
WHOLE = np.iinfo(np.int64).max // 4
"""A delay that every delay is within."""


class Links(NamedTuple):
    """For product `a`, rows `start[a]:start[a + 1]`: the other product, cosine, chance, and number of buyers."""

    start: I64
    product: I32
    cosine: F32
    chance: F32
    support: I32


@numba.njit(cache=True, nogil=True)
def _strongest(
    held: Holdings, products: int, low: int, high: int, keep: int, least: int, shrink: float
) -> tuple[I64, I32, F32, F32, I32]:
    """The `keep` strongest links of every product by cosine, ties by product; the columns have room left at the end."""
    start = np.zeros(products + 1, dtype=np.int64)
    out_product = np.empty(products * keep, dtype=np.int32)
    out_cosine = np.empty(products * keep, dtype=np.float32)
    out_chance = np.empty(products * keep, dtype=np.float32)
    out_support = np.empty(products * keep, dtype=np.int32)
    counts = np.zeros(products, dtype=np.int64)
    touched = np.empty(products, dtype=np.int64)
    names = np.empty(products, dtype=np.int64)
    cosine = np.empty(products, dtype=np.float64)
    size = 0
    for a in range(products):
        met = count_partners(a, held, low, high, counts, touched)
        mine = float(held.product_start[a + 1] - held.product_start[a])
        count = 0
        for i in range(met):
            b = touched[i]
            if counts[b] >= least:
                theirs = float(held.product_start[b + 1] - held.product_start[b])
                names[count] = b
                cosine[b] = counts[b] / np.sqrt((mine + shrink) * (theirs + shrink))
                count += 1
        for b in largest(cosine, names[:count], keep):
            out_product[size] = b
            out_cosine[size] = cosine[b]
            out_chance[size] = counts[b] / (mine + shrink)
            out_support[size] = counts[b]
            size += 1
        start[a + 1] = size
        for b in touched[:met]:
            counts[b] = 0
    return start, out_product, out_cosine, out_chance, out_support


def strongest_links(held: Holdings, low: int, high: int, keep: int = 50, least: int = 2) -> Links:
    """The strongest `keep` links of every product whose delay lies in `[low, high]` (microseconds).

    Args:
        held: who holds what.
        low: smallest delay from the first product to the second; negative counts both directions.
        high: largest delay.
        keep: links kept a product.
        least: buyers a link must have.
    """
    start, product, cosine, chance, support = _strongest(
        held, len(held.product_start) - 1, low, high, keep, least, SHRINK
    )
    size = start[-1]
    return Links(start, product[:size].copy(), cosine[:size].copy(), chance[:size].copy(), support[:size].copy())
