"""Where candidates come from: every source, for one customer, sums up what it knows of the products it meets.

The customer's own purchases come first (`own_history`); here neighbours, links, shelves and groups of customers follow.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from regulars.features.shop import I32, I64
from regulars.models.factors import Factors
from regulars.models.neighbours import Pool, add_neighbours
from regulars.models.own_history import (
    AFTER,
    ALIKE,
    GROUP_POPULAR,
    LAST,
    LAST_TOGETHER,
    NEAR,
    SHELF_POPULAR,
    SINCE,
    SUMMED,
    TIMES,
    TOGETHER,
)
from regulars.models.peer_groups import Lifts
from regulars.models.product_links import Links
from regulars.models.shelves import Shelves

F64 = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Limits(NamedTuple):
    """How many candidates each source may bring, and how neighbours are found."""

    own: int = 150
    near: int = 60
    linked: int = 30
    popular: int = 30
    nearest: int = 300
    groups: int = 11
    within: float = 0.9
    between: float = 0.9

    @property
    def width(self) -> int:
        """Most candidates a customer can have."""
        return self.own + self.near + 5 * self.linked + self.popular


class ShopPart(NamedTuple):
    """What the shop says, as the compiled pass reads it."""

    on_sale: Flags
    popular: I64
    together: Links
    after: Links
    alike: Links
    pool: Pool
    factors: Factors
    shelves: Shelves
    lifts: Lifts


class Workspace(NamedTuple):
    """Room for one customer, all zero between two of them; `evidence` is (columns, products), `shelf` (shelves, 3).

    `touched` lists products met, and has room for one that is not to stay.
    """

    evidence: F64
    touched: I64
    seen: Flags
    chosen: Flags
    shelf: F64

    @classmethod
    def of(cls, products: int, shelves: int) -> Workspace:
        """Room for so many products and shelves."""
        return cls(
            np.zeros((SUMMED, products)),
            np.zeros(products + 1, dtype=np.int64),
            np.zeros(products, dtype=np.bool_),
            np.zeros(products, dtype=np.bool_),
            np.zeros((shelves, 3)),
        )


@numba.njit(cache=True, nogil=True)
def _meet(p: int, seen: Flags, touched: I64, met: int) -> int:
    """Note a product that was not met before; returns the number of products met.

    It is written down either way and counted only if it is new: the processor's guess which it is would often be wrong.
    """
    touched[met] = p
    met += not seen[p]
    seen[p] = True
    return met


@numba.njit(cache=True, nogil=True)
def _add_links(names: I64, weights: F64, links: Links, total: F64, best: F64, desk: Workspace, met: int) -> int:
    """Follow the links out of the products held; returns the number of products met.

    Cosines are added to `total`, and the highest chances go to `best`, unless its length is 0.
    """
    # A tuple's arrays are taken out before the loop: inside it, each use would count references.
    known, seen, touched = len(links.start) - 1, desk.seen, desk.touched
    start, product, cosine, chance = links.start, links.product, links.cosine, links.chance
    for i in range(len(names)):
        a = names[i]
        if a >= known:
            continue
        for j in range(start[a], start[a + 1]):
            b = product[j]
            met = _meet(b, seen, touched, met)
            total[b] += weights[i] * cosine[j]
            if len(best) > 0:
                best[b] = max(best[b], np.float64(chance[j]))
    return met


@numba.njit(cache=True, nogil=True)
def _add_shelves(names: I64, weights: F64, shelves: Shelves, desk: Workspace, met: int) -> int:
    """Sum up what the customer holds of each shelf, and meet what is popular there."""
    seen, touched, popular = desk.seen, desk.touched, desk.evidence[SHELF_POPULAR]
    for i in range(len(names)):
        if names[i] < len(shelves.of) and shelves.of[names[i]] >= 0:
            last, c = desk.evidence[LAST, names[i]], shelves.of[names[i]]
            if desk.shelf[c, 1] == 0.0 or last < desk.shelf[c, 2]:
                desk.shelf[c, 2] = last
            desk.shelf[c, 0] += weights[i]
            desk.shelf[c, 1] += desk.evidence[TIMES, names[i]]
    for i in range(len(names)):
        if names[i] < len(shelves.of) and shelves.of[names[i]] >= 0:
            c = shelves.of[names[i]]
            for place_there in range(shelves.top.shape[1]):
                p = shelves.top[c, place_there]
                if p < 0:
                    break
                met = _meet(p, seen, touched, met)
                # Every product of a shelf sets the same value, so that the order of products stays out of it.
                popular[p] = desk.shelf[c, 0] / (1.0 + place_there)
    return met


@numba.njit(cache=True, nogil=True)
def _add_groups(groups: I32, lifts: Lifts, desk: Workspace, met: int) -> int:
    """Meet what is popular among customers of the same segment and country."""
    seen, touched, popular = desk.seen, desk.touched, desk.evidence[GROUP_POPULAR]
    for g in groups:
        if g >= 0:
            for place_there in range(lifts.top.shape[1]):
                p = lifts.top[g, place_there]
                if p < 0:
                    break
                met = _meet(p, seen, touched, met)
                popular[p] += 1.0 / (1.0 + place_there)
    return met


# Put into its caller as it stands: as a function of its own it takes every array of the shop as an argument once more,
# which costs the compiler three seconds.
@numba.njit(cache=True, nogil=True, inline="always")
def meet_others(
    names: I64, weights: F64, groups: I32, shop: ShopPart, limits: Limits, desk: Workspace, met: int
) -> int:
    """What everybody else says, of any product; returns the number of products met, those of neighbours not counted."""
    final, finals = np.empty(len(names), dtype=np.int64), 0
    for j in range(len(names)):
        desk.seen[names[j]] = True
        if desk.evidence[SINCE, names[j]] == 0.0:
            final[finals] = names[j]
            finals += 1
    # Three hundred neighbours hold thousands of products between them: too many to list.
    evidence = desk.evidence
    add_neighbours(names, weights, shop.pool, limits.nearest, evidence[NEAR])
    met = _add_links(names, weights, shop.together, evidence[TOGETHER], evidence[TOGETHER + 1], desk, met)
    met = _add_links(names, weights, shop.after, evidence[AFTER], evidence[AFTER + 1], desk, met)
    met = _add_links(names, weights, shop.alike, evidence[ALIKE], evidence[ALIKE + 1], desk, met)
    once = np.ones(finals)
    met = _add_links(final[:finals], once, shop.together, evidence[LAST_TOGETHER], once[:0], desk, met)
    met = _add_shelves(names, weights, shop.shelves, desk, met)
    met = _add_groups(groups, shop.lifts, desk, met)
    seen, touched = desk.seen, desk.touched
    for p in shop.popular[: limits.popular]:
        met = _meet(p, seen, touched, met)
    return met
