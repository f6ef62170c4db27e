"""How good lists of recommended products are, a number for each customer.

Each metric gives (n,) values, NaN for a customer who bought nothing: they have no place in a mean. `weighted_mean` in
`regulars.training.metrics` averages them, alone or in bootstrap samples, and differences of two recommenders stay
paired by customer.

`recommended` is (n, k) product codes, best first, -1 where a list is shorter. What was bought is given as `indptr`
(n + 1,) and `items`: customer i bought `items[indptr[i]:indptr[i + 1]]`. A product counts once, however often it is
recommended or bought.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ideal = Literal["basket", "first_k"]


class Hits(NamedTuple):
    """`hit` (n, k): whether the place holds a product that was bought; `bought` (n,): number of products bought."""

    hit: NDArray[np.bool_]
    bought: NDArray[np.int64]


def find_hits(recommended: ArrayLike, indptr: ArrayLike, items: ArrayLike) -> Hits:
    """Compare every place of every list with what its customer bought."""
    lists, ends, products = (np.asarray(array, dtype=np.int64) for array in (recommended, indptr, items))
    if lists.ndim != 2 or ends.shape != (len(lists) + 1,) or ends[0] != 0 or ends[-1] != len(products):
        raise ValueError(
            f"recommended must be (n, k) and indptr (n + 1,) ending at the number of items, "
            f"not {lists.shape}, {ends.shape} and {products.shape}"
        )
    rows, width = lists.shape
    if (products < 0).any() or (lists < -1).any():
        raise ValueError("product codes must be 0 or more; -1 stands for an empty place in recommended only")
    codes = 1 + int(max(lists.max(initial=0), products.max(initial=0)))
    truth = np.unique(np.repeat(np.arange(rows), np.diff(ends)) * codes + products)
    asked = (np.arange(rows)[:, None] * codes + lists).ravel()
    filled = np.flatnonzero(lists.ravel() >= 0)
    distinct, first = np.unique(asked[filled], return_index=True)
    hit = np.zeros(rows * width, dtype=np.bool_)
    hit[filled[first]] = np.isin(distinct, truth, assume_unique=True)
    return Hits(hit.reshape(rows, width), np.bincount(truth // codes, minlength=rows))


def known(values: Floats, hits: Hits) -> Floats:
    """NaN where nothing was bought."""
    return np.where(hits.bought > 0, values, np.nan)


def recall_of(hits: Hits, k: int) -> Floats:
    """See `recall_at_k`."""
    return known(np.asarray(hits.hit[:, :k].sum(axis=1) / np.maximum(hits.bought, 1), dtype=np.float64), hits)


def hit_rate_of(hits: Hits, k: int) -> Floats:
    """See `hit_rate_at_k`."""
    return known(np.asarray(hits.hit[:, :k].any(axis=1), dtype=np.float64), hits)


def mrr_of(hits: Hits, k: int) -> Floats:
    """See `mrr_at_k`."""
    top = hits.hit[:, :k]
    return known(np.asarray(top.any(axis=1) / (1.0 + top.argmax(axis=1)), dtype=np.float64), hits)


def ndcg_of(hits: Hits, k: int, ideal: Ideal = "basket") -> Floats:
    """See `ndcg_at_k`."""
    top = hits.hit[:, :k]
    gains = 1 / np.log2(np.arange(2, 2 + max(top.shape[1], k, int(hits.bought.max(initial=0)))))
    best = np.concatenate(([0.0], np.cumsum(gains)))
    size = hits.bought if ideal == "basket" else np.minimum(hits.bought, k)
    # Summed place by place: the same for a customer alone and in a batch.
    gained = (top * gains[: top.shape[1]]).sum(axis=1)
    return known(gained / np.where(size > 0, best[size], 1.0), hits)


def recall_at_k(recommended: ArrayLike, indptr: ArrayLike, items: ArrayLike, k: int) -> Floats:
    """Share (n,) of the products bought that stand among the first k."""
    return recall_of(find_hits(recommended, indptr, items), checked_k(k))


def hit_rate_at_k(recommended: ArrayLike, indptr: ArrayLike, items: ArrayLike, k: int) -> Floats:
    """1 where any of the first k was bought, else 0 (n,)."""
    return hit_rate_of(find_hits(recommended, indptr, items), checked_k(k))


def mrr_at_k(recommended: ArrayLike, indptr: ArrayLike, items: ArrayLike, k: int) -> Floats:
    """1 over the place of the first product that was bought, 0 where none of the first k was (n,)."""
    return mrr_of(find_hits(recommended, indptr, items), checked_k(k))


def ndcg_at_k(recommended: ArrayLike, indptr: ArrayLike, items: ArrayLike, k: int, ideal: Ideal = "basket") -> Floats:
    """Normalised discounted cumulative gain (n,): hits weighted by 1 / log2(place + 1), over what was possible.

    `ideal="basket"` divides by the gain of the whole basket, so that 1 is out of reach where more than k were bought
    (Li et al. 2021, 'A next basket recommendation reality check', do so); `ideal="first_k"` divides by the best that k
    places allow (Jarvelin and Kekalainen 2002).
    """
    return ndcg_of(find_hits(recommended, indptr, items), checked_k(k), ideal)


def ranking_metrics(
    recommended: ArrayLike, indptr: ArrayLike, items: ArrayLike, ks: Sequence[int] = (5, 10, 20)
) -> dict[str, Floats]:
    """All metrics at each k, keyed `recall@10`, `ndcg@10`, `ndcg_first_k@10`, `hit_rate@10`, `mrr@10`; (n,) each."""
    hits = find_hits(recommended, indptr, items)
    table: dict[str, Floats] = {}
    for k in map(checked_k, ks):
        table[f"recall@{k}"] = recall_of(hits, k)
        table[f"ndcg@{k}"] = ndcg_of(hits, k)
        table[f"ndcg_first_k@{k}"] = ndcg_of(hits, k, "first_k")
        table[f"hit_rate@{k}"] = hit_rate_of(hits, k)
        table[f"mrr@{k}"] = mrr_of(hits, k)
    return table


def checked_k(k: int) -> int:
    """k, if it is a length of a list."""
    if k < 1:
        raise ValueError(f"k is {k}; expected 1 or more")
    return k
