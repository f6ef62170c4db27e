"""The plain answers a next-product model has to beat: what everybody buys, and what the customer always bought."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from regulars.features.baskets import Baskets, PurchaseLog
from regulars.features.shop import DAY, I32, I64, Shop
from regulars.models.code_book import CodeBook
from regulars.models.next_product_state import table_part
from regulars.models.recommendations import ProductList, Recommendations, ranked
from regulars.models.state import State, dict_part

F64 = NDArray[np.float64]


class _Rows(NamedTuple):
    """Products considered: the customer's position, the product's code, and how many of their baskets held it."""

    row: I64
    product: I32
    times: F64


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
        size = len(self.codes_)
        recent = baskets.time >= until - self.horizon_days * DAY
        self.popularity_ = np.bincount(baskets.product[recent], minlength=size)
        known = recent & (baskets.customer >= 0)
        pairs = np.unique(np.column_stack([baskets.product[known], baskets.customer[known]]), axis=0)
        self.probability_ = np.bincount(pairs[:, 0], minlength=size) / max(len(baskets.buyers()), 1)
        return self

    def recommend(self, shop: Shop, customers: I32, as_of: int, top: int = 10) -> Recommendations:
        """The best products; `new` leaves out those the customer bought before `as_of`."""
        customers = np.asarray(customers, dtype=np.int32)
        recode, product_ids = self.codes_.extended(shop)
        baskets = PurchaseLog.of(shop, customers).recoded(recode).before(as_of)
        rows = self._rows(baskets, customers, len(product_ids), top)
        score = self._score(rows)
        probability = self._probability(rows, _basket_counts(baskets, customers))
        lists = []
        for some in (np.arange(len(rows.row)), np.flatnonzero(rows.times == 0)):
            best = ranked(rows.row[some], len(customers), (score[some],), rows.product[some], top)
            lists.append(_list(rows, np.append(some, -1)[best], probability, as_of))
        return Recommendations(customers, as_of, product_ids, *lists)

    def state(self) -> State:
        """The fitted model's parts."""
        columns = {"popularity": self.popularity_, "probability": self.probability_}
        ids = pa.array(self.codes_.product_ids.tolist(), pa.string())
        return {"settings": self.get_params(), "catalogue": pa.table({"product_id": ids, **columns})}

    @classmethod
    def from_state(cls, state: State) -> Self:
        """The model that gave these parts."""
        model, table = cls(**dict_part(state, "settings")), table_part(state, "catalogue")
        model.codes_ = CodeBook(np.array(table["product_id"].to_pylist(), dtype=object))
        model.popularity_ = table["popularity"].to_numpy()
        model.probability_ = table["probability"].to_numpy()
        return model

    def _rows(self, baskets: Baskets, customers: I32, products: int, top: int) -> _Rows:
        """The most popular products, enough of them that `top` are new to everybody, and everybody's own."""
        start, end = baskets.rows_of(customers)
        sizes = end - start
        own = np.repeat(start - np.cumsum(sizes) + sizes, sizes) + np.arange(sizes.sum())
        best = np.argsort(-self.popularity_, kind="stable")[: int((self.popularity_ > 0).sum())]
        shown = np.minimum(top + sizes, len(best))
        place = np.arange(shown.sum()) - np.repeat(np.cumsum(shown) - shown, shown)
        everyone, size = np.arange(len(customers)), max(products, 1)
        held = np.repeat(everyone, sizes) * size + baskets.product[own]
        offered = np.repeat(everyone, shown) * size + best[place]
        keys = np.unique(np.concatenate([held, offered]))
        times = np.bincount(np.searchsorted(keys, held), minlength=len(keys))
        return _Rows(keys // size, (keys % size).astype(np.int32), times.astype(np.float64))

    def _score(self, rows: _Rows) -> F64:
        """What rows are ranked by."""
        return self._of(self.popularity_, rows.product)

    def _probability(self, rows: _Rows, baskets: F64) -> F64:  # noqa: ARG002 - the personal baseline needs it
        """Chance of each row, given how many baskets each customer had."""
        return self._of(self.probability_, rows.product)

    @staticmethod
    def _of(values: NDArray[np.int64] | F64, product: I32) -> F64:
        """Values by product, 0 for products the model does not know."""
        return np.asarray(np.append(values, 0.0)[np.minimum(product, len(values))], dtype=np.float64)


class PersonalTopProducts(PopularProducts):
    """What the customer bought in most baskets, ties by popularity, then what is popular.

    The probability of a repeat is the share of the customer's baskets that held it.
    """

    def _score(self, rows: _Rows) -> F64:
        popularity: F64 = super()._score(rows)
        score: F64 = rows.times + popularity / (self.popularity_.max(initial=0) + 1.0)
        return score

    def _probability(self, rows: _Rows, baskets: F64) -> F64:
        share: F64 = super()._probability(rows, baskets)
        count = baskets[rows.row]
        chance: F64 = np.where(rows.times > 0, rows.times / np.maximum(count, 1), share / (1.0 + count))
        return chance


def _basket_counts(baskets: Baskets, customers: I32) -> F64:
    """Baskets of each customer."""
    who = baskets.basket_customer
    return (np.searchsorted(who, customers, side="right") - np.searchsorted(who, customers)).astype(np.float64)


def _list(rows: _Rows, best: I64, probability: F64, as_of: int) -> ProductList:
    """The chosen rows as a list; nothing is known of when, so everything is expected at once."""
    empty = ProductList.empty(*best.shape)
    there = best >= 0
    chosen = best[there]
    empty.product[there], empty.probability[there] = rows.product[chosen], probability[chosen]
    empty.expected_at[there], empty.times[there] = as_of, rows.times[chosen]
    return empty
