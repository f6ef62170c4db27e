"""Which products stand on one shelf (their category), and what is popular there."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from regulars.features.logs import known_row
from regulars.features.shop import I32, I64, NONE, Shop

SHOWN = 30
"""Most popular products kept of each shelf."""


class Shelves(NamedTuple):
    """Where products stand.

    `of` (products,) is each product's shelf, `NONE` without; `top` (shelves, `SHOWN`) are a shelf's products on sale,
    most popular first, `NONE` past the end.
    """

    of: I32
    top: I32


def shelves_of(shop: Shop, recode: I32, products: int, moment: int, *, undated: bool) -> I32:
    """(products,) code of each product's category as known before the moment, `NONE` without.

    Args:
        shop: has products and their categories.
        recode: from the shop's product codes to those of a book, `NONE` for others.
        products: number of products in the book.
        moment: in microseconds.
        undated: whether rows without a date count.
    """
    out = np.full(products, NONE, dtype=np.int32)
    if shop.products is None or not shop.has("products.category"):
        return out
    every = np.arange(len(shop.product_ids), dtype=np.int32)
    known = known_row(shop.products, every, np.full(len(every), moment - 1), undated)
    codes = np.where(known >= 0, np.append(shop.products.category, NONE)[known], NONE)
    here = recode[every]
    named = np.flatnonzero((here >= 0) & (here < products))
    out[here[named]] = codes[named]
    return out


def shelves(of: I32, popular: I64) -> Shelves:
    """Shelves with their most popular products.

    Args:
        of: (products,) each product's shelf.
        popular: products on sale, most popular first.
    """
    count = int(of.max(initial=NONE)) + 1
    top = np.full((count, SHOWN), NONE, dtype=np.int32)
    sold = popular[of[popular] >= 0]
    order = np.argsort(of[sold], kind="stable")
    shelf = of[sold][order]
    rank = np.arange(len(order)) - np.searchsorted(shelf, shelf)
    kept = rank < SHOWN
    top[shelf[kept], rank[kept]] = sold[order][kept]
    return Shelves(of, top)
