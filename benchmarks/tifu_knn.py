"""TIFU-KNN as a peer, by sparse products (Hu et al., SIGIR 2020), on the model's own vectors."""

from __future__ import annotations

from typing import Self

import numpy as np
import scipy.sparse as sp

from regulars.features.baskets import PurchaseLog
from regulars.features.shop import I32, NONE, Shop
from regulars.models.neighbours import build_pool
from regulars.models.recommendations import ProductList, Recommendations


class TifuKnn:
    """300 neighbours, decays .9 and .9, 11 groups, alpha .1: as tuned on Ta-Feng."""

    def __init__(self, neighbours: int = 300, within: float = 0.9, between: float = 0.9, alpha: float = 0.1) -> None:
        self.neighbours, self.within, self.between, self.alpha = neighbours, within, between, alpha

    def fit(self, shop: Shop, until: int) -> Self:
        """Vectors of everybody with a basket."""
        baskets = PurchaseLog.of(shop).before(until)
        self.buyers = baskets.buyers()
        first, last = baskets.rows_of(self.buyers)
        size = len(shop.product_ids)
        pool = build_pool(first, last, baskets.product, baskets.basket, size, 11, self.within, self.between)
        self.vectors = sp.csr_matrix((pool.weight.astype(float), pool.product, pool.start), (len(self.buyers), size))
        self.norm = pool.norm
        return self

    def recommend(self, shop: Shop, customers: I32, as_of: int, top: int = 10, chunk: int = 512) -> Recommendations:
        """The best of own vector and neighbours' mean; customers are taken as they were at the fit."""
        every, new = ProductList.empty(len(customers), top), ProductList.empty(len(customers), top)
        for begin in range(0, len(customers), chunk):
            rows = np.searchsorted(self.buyers, customers[begin : begin + chunk])
            score, own = self._scores(rows)
            every.product[begin : begin + chunk] = _best(score, top)
            new.product[begin : begin + chunk] = _best(np.where(own > 0, 0, score), top)
        return Recommendations(customers, as_of, shop.product_ids, every, new)

    def _scores(self, rows):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        own = self.vectors[rows]
        distance = self.norm[None, :] - 2 * (own @ self.vectors.T).toarray()
        distance[np.arange(len(rows)), rows] = np.inf
        count = min(self.neighbours, len(self.buyers) - 1)
        near = np.argpartition(distance, count - 1, axis=1)[:, :count]
        shape = (len(rows), len(self.buyers))
        mean = sp.csr_matrix(
            (np.full(near.size, 1 / count), (np.repeat(np.arange(len(rows)), count), near.ravel())), shape
        )
        dense = own.toarray()
        return self.alpha * dense + (1 - self.alpha) * (mean @ self.vectors).toarray(), dense


def _best(score, top):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    best = np.argsort(-score, axis=1, kind="stable")[:, :top]
    return np.where(np.take_along_axis(score, best, 1) > 0, best, NONE)
