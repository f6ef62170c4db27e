"""The plain answers a next-product model has to beat: what everybody buys, and what the customer always bought."""

from __future__ import annotations

from typing import Self

import numpy as np
from sklearn.base import BaseEstimator

from regulars.features.baskets import Baskets, PurchaseLog
from regulars.features.shop import DAY, I32, NONE, Shop
from regulars.models.next_product import CodeBook
from regulars.models.recommendations import ProductList, Recommendations, ranked


class PopularProducts(BaseEstimator):  # type: ignore[misc]
    """The products in most baskets of the last `horizon_days`, the same for everybody.

    The probability is the share of those customers with a basket ever before who bought it in that window.
    """

    def __init__(self, horizon_days: int = 90) -> None:
        self.horizon_days = horizon_days

    def fit(self, shop: Shop, until: int) -> Self:
        """Count what was visible before `until`."""
        log = PurchaseLog.of(shop)
        log = log.take(np.flatnonzero(log.visible < until))
        self.codes_, recode = CodeBook.of(shop, np.unique(log.product))
        baskets = log.recoded(recode).before(until)
        recent = baskets.time >= until - self.horizon_days * DAY
        self.popularity_ = np.bincount(baskets.product[recent], minlength=len(self.codes_.product_ids))
        size = len(self.codes_.product_ids)
        pairs = np.unique(baskets.customer[recent].astype(np.int64) * size + baskets.product[recent]) if size else None
        buyers = np.zeros(0) if pairs is None else np.bincount(pairs[pairs >= 0] % size, minlength=size)
        self.probability_ = buyers / max(len(baskets.buyers()), 1)
        return self

    def recommend(self, shop: Shop, customers: I32, as_of: int, top: int = 10) -> Recommendations:
        """The most popular products; those the customer bought before `as_of` are left out of `new`."""
        customers = np.asarray(customers, dtype=np.int32)
        recode, product_ids = self.codes_.extended(shop)
        baskets = PurchaseLog.of(shop, customers).recoded(recode).before(as_of)
        everything = np.lexsort((np.arange(len(product_ids)), -self._popularity(len(product_ids))))
        bought = np.diff(np.array(baskets.rows_of(customers)), axis=0)[0]
        most = top + int(bought.max(initial=0))
        row = np.repeat(np.arange(len(customers)), min(most, len(everything)))
        product = np.tile(everything[:most], len(customers)).astype(np.int32)
        return self._answer(baskets, customers, row, product, product_ids, as_of, top)

    def _popularity(self, products: int) -> np.ndarray:
        return np.append(self.popularity_, np.zeros(products - len(self.popularity_)))

    def _answer(self, baskets: Baskets, customers: I32, row, product, product_ids, as_of: int, top: int):  # type: ignore[no-untyped-def]
        """Rank rows of customers and products by times bought (where the model counts them), then popularity."""
        size = len(product_ids)
        counts = _times(baskets, customers, row, product, size)
        popularity = self._popularity(size)[product]
        score = self._scores(counts, popularity)
        probability = self._chances(counts, np.append(self.probability_, np.zeros(size))[product], baskets, customers, row)
        new = np.flatnonzero(counts == 0)
        lists = []
        for some in (np.arange(len(row)), new):
            best = ranked(row[some], len(customers), score[some], product[some], top)
            lists.append(_list(best, product[some], probability[some], counts[some], as_of))
        return Recommendations(customers, as_of, product_ids, *lists)

    def _scores(self, times: np.ndarray, popularity: np.ndarray) -> np.ndarray:
        return popularity.astype(np.float64)

    def _chances(self, times, share, baskets, customers, row):  # type: ignore[no-untyped-def]
        return share


class PersonalTopProducts(PopularProducts):
    """What the customer bought in most baskets, ties by popularity, then what is popular.

    The probability of a repeat is the share of the customer's baskets that held it.
    """

    def recommend(self, shop: Shop, customers: I32, as_of: int, top: int = 10) -> Recommendations:
        """Own products by baskets that held them, with popular ones behind."""
        customers = np.asarray(customers, dtype=np.int32)
        recode, product_ids = self.codes_.extended(shop)
        baskets = PurchaseLog.of(shop, customers).recoded(recode).before(as_of)
        popular = super().recommend(shop, customers, as_of, top)
        start, end = baskets.rows_of(customers)
        sizes = end - start
        own = np.repeat(start - np.concatenate(([0], np.cumsum(sizes)[:-1])), sizes) + np.arange(sizes.sum())
        row = np.concatenate([np.repeat(np.arange(len(customers)), sizes), np.repeat(np.arange(len(customers)), 2 * top)])
        product = np.concatenate([baskets.product[own], np.hstack([popular.all.product, popular.new.product]).ravel()])
        size = max(len(product_ids), 1)
        keys = np.unique((row * size + product)[product != NONE])
        return self._answer(
            baskets, customers, keys // size, (keys % size).astype(np.int32), product_ids, as_of, top
        )

    def _scores(self, times: np.ndarray, popularity: np.ndarray) -> np.ndarray:
        return times + popularity / (self.popularity_.max(initial=0) + 1.0)

    def _chances(self, times, share, baskets, customers, row):  # type: ignore[no-untyped-def]
        start, end = baskets.rows_of(customers)
        there = end > start
        count = np.ones(len(customers))
        count[there] = baskets.basket[end[there] - 1] - baskets.basket[start[there]] + 1
        return np.where(times > 0, times / count[row], share / (1.0 + count[row]))


def _times(baskets: Baskets, customers: I32, row, product, size: int) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Baskets of each row's customer that held its product."""
    keys, counts = np.unique(baskets.customer.astype(np.int64) * size + baskets.product, return_counts=True)
    wanted = customers[row].astype(np.int64) * size + product
    if len(keys) == 0:
        return np.zeros(len(wanted))
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, counts[at], 0).astype(np.float64)


def _list(best, product, probability, times, as_of: int) -> ProductList:  # type: ignore[no-untyped-def]
    """The chosen rows as a list; nothing is known of when, so everything is expected at once."""
    empty = ProductList.empty(*best.shape)
    there = best >= 0
    rows = best[there]
    empty.product[there], empty.probability[there] = product[rows], probability[rows]
    empty.expected_at[there], empty.times[there] = as_of, times[rows]
    return empty
