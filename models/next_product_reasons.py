"""Why each product is recommended, in words: its own rhythm, what it goes with, or that it is popular."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from regulars.features.baskets import Baskets
from regulars.features.shop import I32, I64, Text
from regulars.models.candidates import ShopContext
from regulars.models.product_links import Links
from regulars.models.recommendations import ProductList, Recommendations

F64 = NDArray[np.float64]

LEAST_CHANCE = 0.05
"""Chance of a link below which it is no reason."""


def explain(found: Recommendations, chosen: ProductList, baskets: Baskets, context: ShopContext, names: Text) -> Text:
    """Text for each product of `chosen`, (customers, top); empty where the list has ended.

    Args:
        found: the answer `chosen` belongs to.
        chosen: `found.all` or `found.new`.
        baskets: the customers' purchases, in the codes of `found`.
        context: what the model was fitted on.
        names: what to call each product.
    """
    out = np.full(chosen.product.shape, "popular now", dtype=object)
    first, last = baskets.rows_of(found.customers)
    told = chosen.times > 0
    for i, j in zip(*np.nonzero(told), strict=True):
        out[i, j] = _own(chosen.times[i, j], chosen.last_days[i, j], chosen.gap_days[i, j])
    links = (context.together, "bought with {} by 1 in {}"), (context.after, "bought after {} by 1 in {}")
    for link, words in (*links, (context.alike, "bought by others who have {}, 1 in {}")):
        source, chance = _best_links(chosen.product, first, last, baskets.product, link)
        good = ~told & (chance >= LEAST_CHANCE)
        for i, j in zip(*np.nonzero(good), strict=True):
            out[i, j] = words.format(names[source[i, j]], max(round(1 / chance[i, j]), 1))
        told |= good
    out[chosen.product < 0] = ""
    return out


def _days(count: float) -> str:
    whole = round(count)
    return "1 day" if whole == 1 else f"{whole} days"


def _own(times: float, last_days: float, gap_days: float) -> str:
    """A reason out of the customer's own purchases of it."""
    if times >= 3 and gap_days >= 1:
        return f"usually every {_days(gap_days)}, last {_days(last_days)} ago"
    often = {1: "bought once", 2: "bought twice"}.get(int(times), f"bought {int(times)} times")
    return f"{often}, last {_days(last_days)} ago"


@numba.njit(cache=True, nogil=True)
def _best_links(chosen: I32, first: I64, last: I64, held: I32, links: Links) -> tuple[I64, F64]:
    """The product held whose link to each chosen one has the highest chance, and that chance; 0 where there is none."""
    source = np.zeros(chosen.shape, dtype=np.int64)
    chance = np.zeros(chosen.shape)
    known = len(links.start) - 1
    for i in range(len(chosen)):
        for row in range(first[i], last[i]):
            a = held[row]
            if a >= known:
                continue
            for k in range(links.start[a], links.start[a + 1]):
                for j in range(chosen.shape[1]):
                    if links.product[k] == chosen[i, j] and links.chance[k] > chance[i, j]:
                        source[i, j], chance[i, j] = a, links.chance[k]
    return source, chance
