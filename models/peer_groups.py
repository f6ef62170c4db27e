"""What customers of the same segment and country buy.

A customer's first order says little of them, and before it there is nothing at all but what they are: their segment
and their country. For each group the products its members bought in the last year are kept with their lift: the share
of the group's baskets that held the product over the share of all baskets, drawn to one where the group has few.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from regulars.features.baskets import Baskets, run_starts
from regulars.features.logs import known_row
from regulars.features.shop import I32, I64, NONE, Shop, Text
from regulars.models.catalogue import YEAR
from regulars.models.code_book import positions
from regulars.models.recommendations import ranked

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

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
    known = known_row(shop.customers, customers, np.full(len(customers), moment - 1), undated)
    return np.where(known >= 0, np.append(getattr(shop.customers, column), NONE)[known], NONE).astype(np.int32)


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
    product, basket = baskets.product[rows], baskets.basket[rows]
    everybody = np.bincount(product, minlength=products) / max(len(run_starts(basket)), 1)
    begins = run_starts(baskets.customer[rows])
    customers, at = (
        baskets.customer[rows][begins],
        np.repeat(np.arange(len(begins)), np.diff(np.append(begins, len(rows)))),
    )
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
        number = np.full(len(members) + 1, NONE, dtype=np.int32)  # the last one stands for customers without a word
        number[kept] = np.arange(len(kept))
        group = number[codes][at]
        mine = group >= 0
        parts.append(_lifts(group[mine], product[mine], basket[mine], len(kept), everybody, on_sale))
    return PeerGroups(tuple(words), _joined(parts), undated)


def _lifts(group: I32, product: I32, basket: I64, groups: int, everybody: F64, on_sale: NDArray[np.bool_]) -> Lifts:
    """The lifts of groups from purchases, one row for each basket and product, basket by basket."""
    products = len(everybody)
    counts = np.bincount(group.astype(np.int64) * products + product, minlength=groups * products)
    keys = np.flatnonzero(counts)
    times = counts[keys]
    owner, held = keys // products, (keys % products).astype(np.int32)
    baskets = np.bincount(group[run_starts(basket)], minlength=groups)
    share = (times + DRAWN * everybody[held]) / (baskets[owner] + DRAWN)
    sold = np.flatnonzero(on_sale[held])
    top = ranked(owner[sold], groups, (share[sold],), held[sold], SHOWN)
    start = np.searchsorted(owner, np.arange(groups + 1)).astype(np.int64)
    best = np.where(top >= 0, np.append(held[sold], NONE)[top], NONE).astype(np.int32)
    return Lifts(start, held, (share / everybody[held]).astype(np.float32), best)


def _joined(parts: Sequence[Lifts]) -> Lifts:
    """The groups of each part one after another."""
    sizes = [0, *np.cumsum([len(part.product) for part in parts])]
    starts = [part.start[:-1] + size for part, size in zip(parts, sizes[:-1], strict=True)]
    return Lifts(
        np.concatenate([*starts, sizes[-1:]]).astype(np.int64),
        np.concatenate([np.zeros(0, np.int32), *(part.product for part in parts)]),
        np.concatenate([np.zeros(0, np.float32), *(part.lift for part in parts)]),
        np.concatenate([np.zeros((0, SHOWN), np.int32), *(part.top for part in parts)]),
    )
