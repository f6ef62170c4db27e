"""What a customer's own purchases say of each product, and their habits, in one compiled pass each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np
from numpy.typing import NDArray

from regulars.features.shop import DAY, I32, I64
from regulars.models.catalogue import YEAR
from regulars.models.neighbours import basket_weight

if TYPE_CHECKING:
    from regulars.models.candidate_sources import Limits

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

EVIDENCE = (
    "times",  # baskets with it
    "last_days",  # since it was last bought
    "first_days",  # since it was first bought
    "baskets_since",  # baskets bought after the last one with it
    "own",  # weight in the customer's decayed vector
    "decayed",  # purchases, halved every horizon
    "gap_days",  # mean days between purchases of it
    "returned",  # pieces returned of pieces bought
    "pieces",  # mean pieces
    "season_times",  # baskets with it in the window of a year ago
    "neighbours",  # mean weight in the nearest vectors
    "together",  # cosines of basket links from products held, by their weight
    "together_best",  # highest chance among those links
    "after",  # the same for links to what was bought soon after
    "after_best",
    "alike",  # the same for links to what the same customers bought at any time
    "alike_best",
    "last_together",  # basket links out of the last basket only
    "shelf_popular",  # place among the popular products of the categories held
    "group_popular",  # place among the popular products of the customer's segment and country
    "shelf",  # weight of its category in the customer's decayed vector
    "shelf_times",  # purchases out of its category
    "shelf_days",  # since the last of them
    "segment_lift",  # share of the segment's baskets with it over that of all baskets
    "country_lift",  # the same for the customer's country
    "taste_fit",  # fit of its latent tastes to the customer's
    "taste_cosine",  # the same whatever their strength
)
(TIMES, LAST, FIRST, SINCE, OWN, DECAYED, GAP, RETURNED, PIECES, SEASON, NEAR) = range(11)
TOGETHER, AFTER, ALIKE, LAST_TOGETHER, SHELF_POPULAR, GROUP_POPULAR = 11, 13, 15, 17, 18, 19
SUMMED = 20
"""Columns that are summed up while a customer is looked at; those after them are made for the candidates chosen."""
SHELF, SHELF_TIMES, SHELF_DAYS, LIFT, FIT, COSINE = 20, 21, 22, 23, 25, 26

HABITS = (
    "baskets",
    "quiet_days",  # since the last basket
    "tenure_days",  # since the first basket
    "basket_gap_days",  # mean days between baskets
    "basket_size",  # mean products a basket
    "last_size",
    "products",  # distinct
    "repeats",  # share of purchases that were repeats
    "late_repeats",  # the same in the last three baskets
    "paid",  # revenue a piece, in currency units
    "baskets_lately",  # in the last horizon
)


@numba.njit(cache=True, nogil=True)
def own_history(
    first: int,
    last: int,
    product: I32,
    time: I64,
    basket: I64,
    pieces: I64,
    now: int,
    horizon: int,
    limits: Limits,
    evidence: F64,
    touched: I64,
) -> int:
    """Evidence of the customer's own purchases, (columns, products); returns the number of products met."""
    met = 0
    count = basket[last - 1] - basket[first] + 1
    for row in range(first, last):
        p = product[row]
        place = basket[row] - basket[first]
        age = (now - time[row]) / DAY
        if evidence[TIMES, p] == 0.0:
            touched[met] = p
            met += 1
            evidence[FIRST, p] = age
        evidence[TIMES, p] += 1.0
        evidence[LAST, p] = age
        evidence[SINCE, p] = count - 1 - place
        evidence[OWN, p] += basket_weight(place, count, limits.groups, limits.within, limits.between)
        evidence[DECAYED, p] += 0.5 ** (age * DAY / horizon)
        evidence[PIECES, p] += pieces[row] / 1_000
        if now - YEAR <= time[row] < now - YEAR + horizon:
            evidence[SEASON, p] += 1.0
    for i in range(met):
        p = touched[i]
        times = evidence[TIMES, p]
        evidence[GAP, p] = (evidence[FIRST, p] - evidence[LAST, p]) / (times - 1.0) if times > 1.0 else np.nan
        evidence[PIECES, p] /= times
    return met


@numba.njit(cache=True, nogil=True)
def habits_of(
    first: int,
    last: int,
    product: I32,
    time: I64,
    basket: I64,
    revenue: I64,
    pieces: I64,
    now: int,
    horizon: int,
    evidence: F64,
    out: F32,
) -> None:
    """One customer's habits; `evidence` holds their times bought by product."""
    count = basket[last - 1] - basket[first] + 1
    quiet, tenure = (now - time[last - 1]) / DAY, (now - time[first]) / DAY
    distinct = late = late_repeats = last_size = lately = 0
    paid = bought = 0
    for row in range(first, last):
        place = basket[row] - basket[first]
        starts = evidence[FIRST, product[row]] == (now - time[row]) / DAY
        distinct += starts
        late += place >= count - 3
        late_repeats += place >= count - 3 and not starts
        last_size += place == count - 1
        lately += time[row] >= now - horizon and (row == first or basket[row] != basket[row - 1])
        paid += revenue[row]
        bought += pieces[row]
    lines = last - first
    out[0], out[1], out[2] = count, quiet, tenure
    out[3] = (tenure - quiet) / (count - 1) if count > 1 else np.nan
    out[4], out[5], out[6] = lines / count, last_size, distinct
    out[7], out[8] = (lines - distinct) / lines, late_repeats / late
    out[9] = paid / 10.0 / bought
    out[10] = lately


@numba.njit(cache=True, nogil=True)
def own_returns(products: I32, pieces: I64, evidence: F64) -> None:
    """Share of the pieces bought that came back, at most one."""
    for j in range(len(products)):
        p = products[j]
        if evidence[TIMES, p] > 0.0:
            evidence[RETURNED, p] = min(pieces[j] / 1_000 / (evidence[PIECES, p] * evidence[TIMES, p]), 1.0)
