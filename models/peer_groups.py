"""What customers of the same segment and country buy.

A customer's first order says little of them, and before it there is nothing at all but what they are: their segment
and their country. For each group the products its members bought in the last year are kept with their lift: the share
of the group's baskets that held the product over the share of all baskets, drawn to one where the group has few.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from regulars.features.baskets import Baskets
from regulars.features.known import last_known
from regulars.features.shop import I32, I64, NONE, Shop, Text
from regulars.models.catalogue import YEAR
from regulars.models.code_book import positions

F32 = NDArray[np.float32]

BY = ("segment", "country")
"""Columns of customers that make groups."""
DRAWN = 30.0
"""Baskets with everybody's shares added to a group's own."""
GROUPS_AT_MOST = 200
SHOWN = 30
"""Most popular products kept of each group."""


class Lifts(NamedTuple):
    """What groups buy.

    Of group `g`, rows `start[g]:start[g + 1]` are its products in order, and their lift; `top` (groups, `SHOWN`) are
    those with the highest share of its baskets, best first, `NONE` past the end.
    """

    start: I64
    product: I32
    lift: F32
    top: I32


@dataclass(frozen=True)
class PeerGroups:
    """Groups by name: those of segments first, then those of countries; each list is sorted."""

    words: tuple[Text, ...]
    lifts: Lifts
    trust_undated: bool = False

    def of_customers(self, shop: Shop, customers: I32, moment: int) -> I32:
        """(customers, `BY`) the groups of each customer as known before the moment, `NONE` where there is none."""
        out = np.full((len(customers), len(BY)), NONE, dtype=np.int32)
        first = 0
        for column, (name, words) in enumerate(zip(BY, self.words, strict=True)):
            codes = words_of_customers(shop, name, customers, moment, undated=self.trust_undated)
            if codes is not None and len(words):
                here = np.append(positions(shop.words[f"customers.{name}"], words), NONE)
                out[:, column] = np.where(here[codes] >= 0, here[codes] + first, NONE)
            first += len(words)
        return out


def words_of_customers(shop: Shop, column: str, customers: I32, moment: int, *, undated: bool) -> I32 | None:
    """(customers,) code of each customer's word in a column of `customers`, as known before the moment."""
    if shop.customers is None or not shop.has(f"customers.{column}"):
        return None
    rows = shop.customers
    known = last_known(rows.customer, rows.time, rows.visible, len(shop.customer_ids), moment, undated=undated)
    values = np.append(getattr(rows, column), NONE)
    return np.where(known[customers] >= 0, values[known[customers]], NONE).astype(np.int32)


def peer_groups(
    shop: Shop, baskets: Baskets, products: int, on_sale: NDArray[np.bool_], *, undated: bool
) -> PeerGroups:
    """The groups of a shop's customers with a basket in the last year, as known at the baskets' moment.

    Args:
        shop: says who the customers are; its customers are those of `baskets`.
        baskets: what was known before the moment.
        products: number of products.
        on_sale: (products,) those that can be popular.
        undated: whether rows about customers without a date count.
    """
    rows = np.flatnonzero((baskets.time >= baskets.moment - YEAR) & (baskets.customer >= 0))
    customers, at = np.unique(baskets.customer[rows], return_inverse=True)
    of_baskets = baskets.basket[rows]
    everybody = np.bincount(baskets.product[rows], minlength=products) / max(len(np.unique(of_baskets)), 1)
    words, parts = [], []
    for name in BY:
        codes = words_of_customers(shop, name, customers.astype(np.int32), baskets.moment, undated=undated)
        if codes is None:
            words.append(np.zeros(0, dtype=object))
            continue
        members = np.bincount(codes[codes >= 0], minlength=len(shop.words[f"customers.{name}"]))
        kept = np.sort(np.lexsort((np.arange(len(members)), -members))[:GROUPS_AT_MOST])
        kept = kept[members[kept] > 0]
        words.append(shop.words[f"customers.{name}"][kept])
        for group in kept:
            mine = codes[at] == group
            parts.append(_lifts(baskets.product[rows][mine], of_baskets[mine], everybody, on_sale))
    return PeerGroups(tuple(words), _joined(parts), undated)


def _lifts(
    product: I32, basket: I64, everybody: NDArray[np.float64], on_sale: NDArray[np.bool_]
) -> tuple[I32, F32, I32]:
    """One group's products, their lifts, and the most popular."""
    times = np.bincount(product, minlength=len(everybody))
    baskets = len(np.unique(basket))
    share = (times + DRAWN * everybody) / (baskets + DRAWN)
    held = np.flatnonzero(times)
    sold = held[on_sale[held]]
    best = sold[np.lexsort((sold, -share[sold]))][:SHOWN]
    top = np.full(SHOWN, NONE, dtype=np.int32)
    top[: len(best)] = best
    return held.astype(np.int32), (share[held] / everybody[held]).astype(np.float32), top


def _joined(parts: list[tuple[I32, F32, I32]]) -> Lifts:
    sizes = [len(product) for product, _, _ in parts]
    return Lifts(
        np.concatenate(([0], np.cumsum(sizes))).astype(np.int64),
        np.concatenate([np.zeros(0, np.int32), *(product for product, _, _ in parts)]),
        np.concatenate([np.zeros(0, np.float32), *(lift for _, lift, _ in parts)]),
        np.array([top for _, _, top in parts], dtype=np.int32).reshape(len(parts), SHOWN),
    )
