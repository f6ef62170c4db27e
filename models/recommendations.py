"""The shape of an answer: for each customer the best products, and the best of those that would be new to them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regulars.features.shop import I32, I64, NEVER, NONE, Text
from regulars.models.code_book import positions

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class ProductList:
    """Ranked products, (customers, top): codes (`NONE` past the end), probabilities, and when each is expected.

    `times`, `last_days` and `gap_days` say what the customer's own history holds of the product: baskets with it, days
    since the last, mean days between them (NaN where that does not apply).
    """

    product: I32
    probability: F64
    expected_at: I64
    times: F64
    last_days: F64
    gap_days: F64

    @classmethod
    def empty(cls, customers: int, top: int) -> ProductList:
        """A list that recommends nothing."""
        shape = (customers, top)
        nothing = np.full(shape, np.nan)
        return cls(
            product=np.full(shape, NONE, dtype=np.int32),
            probability=np.zeros(shape),
            expected_at=np.full(shape, NEVER, dtype=np.int64),
            times=np.zeros(shape),
            last_days=nothing,
            gap_days=nothing.copy(),
        )

    def put(self, rows: slice, part: ProductList) -> None:
        """Write another list into some of the rows."""
        for name in _COLUMNS:
            getattr(self, name)[rows] = getattr(part, name)


_COLUMNS = tuple(item.name for item in fields(ProductList))


@dataclass(frozen=True)
class Recommendations:
    """Answers for `customers` at `as_of`: `all` that they will buy, and `new`, what they will buy for the first time.

    Products are codes into `product_ids`, which is the model's own list (a shop with one customer's orders does not
    name what the others buy). `in_codes_of` translates.
    """

    customers: I32
    as_of: int
    product_ids: Text
    all: ProductList
    new: ProductList

    @property
    def product(self) -> I32:
        """Codes of `all`."""
        return self.all.product

    @property
    def probability(self) -> F64:
        """Probabilities of `all`."""
        return self.all.probability

    @property
    def expected_at(self) -> I64:
        """Expected times of `all`."""
        return self.all.expected_at

    def ids(self, products: I32) -> Text:
        """Ids behind codes; None for `NONE`."""
        out = np.full(products.shape, None, dtype=object)
        out[products >= 0] = self.product_ids[products[products >= 0]]
        return out

    def in_codes_of(self, product_ids: Text, products: I32) -> I32:
        """Codes translated into positions of another sorted list; `NONE` where it does not name the product."""
        return np.append(positions(self.product_ids, product_ids), NONE).astype(np.int32)[products]


def in_order(rows: I64, scores: tuple[F64, ...], product: I32) -> I64:
    """Positions of all rows, customer by customer and each one's best first.

    The first of `scores` decides, the next where it is the same, and the product's code where they all are.
    """
    keys: list[NDArray[Any]] = [product, *(-score for score in reversed(scores)), rows]
    return np.lexsort(keys)


def first_of(order: I64, rows: I64, customers: int, top: int) -> I64:
    """The first `top` of each customer's positions, (customers, top), -1 past the end.

    `order` is what `in_order` gives, or a part of it.
    """
    customer = rows[order]
    place = np.arange(len(order)) - np.searchsorted(customer, np.arange(customers))[customer]
    kept = place < top
    out = np.full((customers, top), -1, dtype=np.int64)
    out[customer[kept], place[kept]] = order[kept]
    return out


def ranked(rows: I64, customers: int, scores: tuple[F64, ...], product: I32, top: int) -> I64:
    """Positions of the `top` best rows of each customer, (customers, top), -1 past the end."""
    return first_of(in_order(rows, scores, product), rows, customers, top)
