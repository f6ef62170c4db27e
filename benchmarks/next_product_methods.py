"""Published methods of next-basket recommendation, plainly: peers of benchmarks/next_product.py.

Each is fitted on a `History` and then scores every product for some customers: `scores` gives (customers, products),
minus infinity where a method has nothing to say. NumPy and SciPy are all they need.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, Self

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from numpy.typing import NDArray

Array = NDArray[Any]
NOTHING = -np.inf


@dataclass(frozen=True)
class History:
    """Purchases, a row for each basket and product, sorted by customer and basket; guests are customer -1, in front.

    `basket` numbers are in time order within a customer, `day` is 0 at the moment and negative before it.
    """

    customer: Array
    basket: Array
    day: Array
    product: Array
    products: int

    @classmethod
    def read(cls, told: Mapping[str, Array]) -> Self:
        """The history among the arrays that a peer is given."""
        return cls(told["customer"], told["basket"], told["day"], told["product"], int(told["products"]))

    def before(self, day: float) -> History:
        """What it was earlier; that day is then day 0."""
        kept = self.day < day
        return History(self.customer[kept], self.basket[kept], self.day[kept] - day, self.product[kept], self.products)

    @cached_property
    def known(self) -> History:
        """Without guests."""
        kept = self.customer >= 0
        return History(self.customer[kept], self.basket[kept], self.day[kept], self.product[kept], self.products)

    @cached_property
    def buyers(self) -> Array:
        """Customers with a basket, sorted; of `known`, as are all that follow."""
        return np.unique(self.known.customer)

    @cached_property
    def row(self) -> Array:
        """Position in `buyers` of each purchase."""
        return np.searchsorted(self.buyers, self.known.customer)

    @cached_property
    def place(self) -> Array:
        """Which of the customer's baskets each purchase is in, 0 the oldest."""
        number = np.unique(self.known.basket, return_inverse=True)[1]
        first = np.full(len(self.buyers), len(self.known.customer))
        np.minimum.at(first, self.row, number)
        return number - first[self.row]

    @cached_property
    def count(self) -> Array:
        """Baskets of each of `buyers`."""
        out = np.zeros(len(self.buyers), dtype=np.int64)
        np.maximum.at(out, self.row, self.place + 1)
        return out

    def matrix(self, weight: Array | None = None) -> sp.csr_matrix:
        """(buyers, products) sum of `weight` over the purchases, by default the number of baskets with the product."""
        values = np.ones(len(self.row)) if weight is None else weight
        shape = (len(self.buyers), self.products)
        return sp.csr_matrix((values, (self.row, self.known.product)), shape)

    def popularity(self) -> Array:
        """Baskets with each product, guests' included."""
        return np.bincount(self.product, minlength=self.products).astype(float)


class Method(Protocol):
    """What every peer does."""

    def fit(self, history: History) -> Self:
        """Learns from a history."""
        ...

    def scores(self, customers: Array) -> Array:
        """(customers, products) the higher, the better."""
        ...


class OverallTop:
    """Products in most baskets, the same for everybody."""

    def fit(self, history: History) -> Self:
        """Counts."""
        count = history.popularity()
        self.score = np.where(count > 0, count, NOTHING)
        return self

    def scores(self, customers: Array) -> Array:
        """The same row for each."""
        return np.tile(self.score, (len(customers), 1))


class GPTopFreq:
    """Personal top, then overall top (Li et al. 2021): ties by which was bought first, not by popularity."""

    def fit(self, history: History) -> Self:
        """Counts, and who bought what first."""
        self.buyers, self.own = history.buyers, history.matrix()
        order = np.lexsort((history.known.product, history.place, history.row))
        since = np.arange(len(order)) - np.searchsorted(history.row, history.row, side="left")
        key = history.row.astype(np.int64) * history.products + history.known.product
        keys, first = np.unique(key[order], return_index=True)
        begun = since[first] / (len(order) + 1.0)
        self.begun = sp.csr_matrix((begun, (keys // history.products, keys % history.products)), self.own.shape)
        self.overall = history.popularity() / (history.popularity().sum() + 1.0)
        return self

    def scores(self, customers: Array) -> Array:
        """Baskets with the product, less a little for each product that was there before it; below 1 the popular."""
        rows = np.searchsorted(self.buyers, customers)
        own = self.own[rows].toarray()
        mine = 1.0 + own - self.begun[rows].toarray()
        return np.where(own > 0, mine, np.where(self.overall > 0, self.overall, NOTHING)[None, :])


class TifuKnn:
    """Temporal item frequency with nearest neighbours (Hu et al. 2020), with the weights of the authors' program.

    Basket `p` of `n` weighs within ** (n - 1 - p), over the whole history; baskets are cut into at most `groups` groups
    of like size, the smaller ones first; group `g` is the mean of its baskets and weighs between ** (groups - 1 - g),
    also where there are fewer groups than that; the sum is divided by the number of groups there are. (The paper's text
    has the first decay start anew in each group.) The score is alpha of one's own vector and 1 - alpha of the mean of
    the nearest, by Euclidean distance.
    """

    def __init__(
        self,
        neighbours: int = 300,
        within: float = 0.9,
        between: float = 0.9,
        alpha: float = 0.1,
        groups: int = 11,
    ) -> None:
        self.neighbours, self.within, self.between = neighbours, within, between
        self.alpha, self.groups = alpha, groups

    def fit(self, history: History) -> Self:
        """Vectors of everybody."""
        self.buyers = history.buyers
        count, place, groups = history.count[history.row], history.place, self.groups
        small = np.maximum(count // groups, 1)
        larger = np.where(count > groups, count - small * groups, 0)
        early = (groups - larger) * small
        late = place >= early
        group = np.where(late, groups - larger + (place - early) // (small + 1), place // small)
        size = small + late
        weight = self.within ** (count - 1.0 - place) * self.between ** (groups - 1.0 - group) / size
        self.vectors = history.matrix(weight / np.minimum(count, groups))
        self.norm = np.asarray(self.vectors.multiply(self.vectors).sum(axis=1)).ravel()
        return self

    def scores(self, customers: Array) -> Array:
        """Own vector and that of the nearest; nothing for what none of them bought."""
        rows = np.searchsorted(self.buyers, customers)
        own = self.vectors[rows]
        distance = self.norm[None, :] - 2.0 * (own @ self.vectors.T).toarray()
        distance[np.arange(len(rows)), rows] = np.inf
        count = min(self.neighbours, len(self.buyers) - 1)
        near = np.argpartition(distance, count - 1, axis=1)[:, :count]
        ends = np.arange(len(rows) + 1) * count
        mean = sp.csr_matrix((np.full(near.size, 1.0 / count), near.ravel(), ends), distance.shape)
        score = self.alpha * own.toarray() + (1.0 - self.alpha) * (mean @ self.vectors).toarray()
        return np.where(score > 0, score, NOTHING)


class UpCf:
    """UP-CF@r (Faggioli et al. 2020): what like customers take, in shares of their last `recency` baskets (0: of all).

    Likeness is the asymmetric cosine x.y / (|x| ** 2 alpha |y| ** 2 (1 - alpha)), x one's own, raised to the power
    `locality`. The vectors are these shares, or with `sets` 1 for whatever was ever bought. The customer is among those
    who are like.
    """

    def __init__(self, recency: int = 0, alpha: float = 0.25, locality: float = 3.0, *, sets: bool = False) -> None:
        self.recency, self.alpha, self.locality, self.sets = recency, alpha, locality, sets

    def fit(self, history: History) -> Self:
        """Shares of everybody's last baskets."""
        self.buyers = history.buyers
        count = history.count[history.row]
        window = np.minimum(count, self.recency) if self.recency else count
        self.share = history.matrix((history.place >= count - window) / window)
        self.share.eliminate_zeros()
        self.vectors = taste(history, counts=False) if self.sets else self.share
        self.norm = np.asarray(self.vectors.multiply(self.vectors).sum(axis=1)).ravel()
        return self

    def scores(self, customers: Array) -> Array:
        """Shares of all customers, weighted by how like they are."""
        rows = np.searchsorted(self.buyers, customers)
        like = (self.vectors[rows] @ self.vectors.T).tocsr()
        who = np.repeat(np.arange(len(rows)), np.diff(like.indptr))
        norms = self.norm[rows][who] ** self.alpha * self.norm[like.indices] ** (1.0 - self.alpha)
        like.data = (like.data / norms) ** self.locality
        score = (like @ self.share).toarray()
        return np.where(score > 0, score, NOTHING)


class ItemKnn:
    """Products like those bought, by cosine of who bought them, the `neighbours` most like for each.

    `counts` weighs purchases by 1 + log of the number of baskets. `own` keeps a product's likeness to itself, without
    which what was bought is only recommended for the sake of other products.
    """

    def __init__(self, neighbours: int = 100, shrink: float = 0.0, *, counts: bool = False, own: bool = True) -> None:
        self.neighbours, self.shrink, self.counts, self.own = neighbours, shrink, counts, own

    def fit(self, history: History) -> Self:
        """The likeness of products."""
        self.buyers = history.buyers
        self.bought = taste(history, counts=self.counts)
        together = (self.bought.T @ self.bought).tocsr()
        norm = np.sqrt(together.diagonal())
        at = np.repeat(np.arange(history.products), np.diff(together.indptr))
        together.data = together.data / (norm[at] * norm[together.indices] + self.shrink)
        if not self.own:
            together.setdiag(0.0)
            together.eliminate_zeros()
        self.like = strongest(together, self.neighbours)
        return self

    def scores(self, customers: Array) -> Array:
        """Sum of the likeness to all that was bought."""
        score = (self.bought[np.searchsorted(self.buyers, customers)] @ self.like).toarray()
        return np.where(score > 0, score, NOTHING)


class Ease:
    """EASE (Steck 2019): the linear model of a customer's products from the others, `penalty` on its squares."""

    def __init__(self, penalty: float = 300.0, *, counts: bool = False) -> None:
        self.penalty, self.counts = penalty, counts

    def fit(self, history: History) -> Self:
        """B = I - P / diag(P), where P is the inverse of the penalised Gram matrix."""
        self.buyers = history.buyers
        self.bought = taste(history, counts=self.counts).astype(np.float32)
        self.sold = np.unique(history.known.product)
        self.products = history.products
        self.bought = self.bought[:, self.sold]
        gram = np.asfortranarray((self.bought.T @ self.bought).toarray())
        gram[np.diag_indices_from(gram)] += self.penalty
        factor, failed = scipy.linalg.lapack.spotrf(gram, lower=1, overwrite_a=1)
        inverse, failed_too = scipy.linalg.lapack.spotri(factor, lower=1, overwrite_c=1)
        if failed or failed_too:
            raise SystemExit(f"the Gram matrix with penalty {self.penalty} has no inverse in single precision")
        inverse = np.tril(inverse) + np.tril(inverse, -1).T
        self.weight = -inverse / np.diag(inverse)[None, :]
        np.fill_diagonal(self.weight, 0.0)
        return self

    def scores(self, customers: Array) -> Array:
        """What was bought, by the weights of products on products."""
        score = np.full((len(customers), self.products), NOTHING)
        score[:, self.sold] = self.bought[np.searchsorted(self.buyers, customers)] @ self.weight
        return score


class MarkovChain:
    """From each product of the last basket to those of the next, a chance each: the mean over the last basket.

    `prior` baskets that follow the shop's popularity are added to what followed each product.
    """

    def __init__(self, prior: float = 10.0) -> None:
        self.prior = prior

    def fit(self, history: History) -> Self:
        """Counts of what followed."""
        self.buyers = history.buyers
        count = history.count[history.row]
        begin = np.concatenate(([0], np.cumsum(history.count)))
        basket, product = begin[history.row] + history.place, history.known.product
        shape = (begin[-1] + 1, history.products)

        def held(kept: Array, later: int = 0) -> sp.csr_matrix:
            return sp.csr_matrix((np.ones(kept.sum()), (basket[kept] + later, product[kept])), shape)

        before = held(history.place < count - 1, 1)
        self.follows = (before.T @ held(history.place > 0)).tocsr()
        self.times = np.asarray(before.sum(axis=0)).ravel()
        self.chance = history.popularity() / max(len(np.unique(history.basket)), 1)
        self.last = history.matrix((history.place == count - 1).astype(float))
        self.last.eliminate_zeros()
        return self

    def scores(self, customers: Array) -> Array:
        """Mean chance over the products of the last basket."""
        last = self.last[np.searchsorted(self.buyers, customers)]
        size = np.maximum(np.asarray(last.sum(axis=1)).ravel(), 1.0)
        spread = sp.diags(1.0 / size) @ last @ sp.diags(1.0 / (self.times + self.prior))
        score = (spread @ self.follows).toarray()
        score += np.asarray(spread.sum(axis=1)) * self.prior * self.chance[None, :]
        return np.where(score > 0, score, NOTHING)


def taste(history: History, *, counts: bool) -> sp.csr_matrix:
    """(buyers, products) 1 where bought, or 1 + log of the baskets with it."""
    bought = history.matrix()
    bought.data = 1.0 + np.log(bought.data) if counts else np.ones_like(bought.data)
    return bought


def strongest(matrix: sp.csr_matrix, most: int) -> sp.csr_matrix:
    """The `most` largest entries of each column; ties by row."""
    columns = matrix.tocsc()
    columns.sort_indices()
    kept = np.ones(columns.nnz, dtype=bool)
    for begin, end in zip(columns.indptr[:-1], columns.indptr[1:], strict=True):
        if end - begin > most:
            values = columns.data[begin:end]
            limit = np.partition(values, len(values) - most)[len(values) - most]
            level = np.flatnonzero(values == limit)
            kept[begin:end] = values > limit
            kept[begin + level[: most - int((values > limit).sum())]] = True
    at = np.repeat(np.arange(columns.shape[1]), np.diff(columns.indptr))
    return sp.csr_matrix((columns.data[kept], (columns.indices[kept], at[kept])), matrix.shape)


def bought_before(history: History, customers: Array) -> sp.csr_matrix:
    """(customers, products) baskets with each product."""
    return history.matrix()[np.searchsorted(history.buyers, customers)]


def best(scores: Array, top: int) -> Array:
    """(n, top) the products of the highest scores, best first, ties by code; -1 past the end."""
    count = min(top, scores.shape[1])
    # The least of the best is found first; what ties with it is sorted too, so that the code decides.
    limit = np.partition(scores, scores.shape[1] - count, axis=1)[:, scores.shape[1] - count]
    out = np.full((len(scores), top), -1, dtype=np.int32)
    for i, row in enumerate(scores):
        some = np.flatnonzero((row >= limit[i]) & (row > NOTHING))
        chosen = some[np.argsort(-row[some], kind="stable")][:count]
        out[i, : len(chosen)] = chosen
    return out
