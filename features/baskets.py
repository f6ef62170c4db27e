"""Baskets as of a moment: what each customer had bought, and when, from the lines that were known then.

A basket is an order's lines with positive quantity and revenue, one row per product, at the time of the first of them.
Returns and lines of zero value are no purchases; returned pieces are kept beside, since they count against a product.
A guest's basket has customer `NONE`: it tells about products, and about nobody.

`PurchaseLog` sorts a shop's lines once, by ids alone. `before` then takes the lines visible before a moment and dates
the baskets anew, so that a line which became known late moves nothing at an earlier moment.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from regulars.features.shop import I32, I64, NONE, Shop


def run_starts(*keys: NDArray[Any]) -> I64:
    """Positions at which a run of equal keys begins, in columns that are sorted together."""
    if len(keys[0]) == 0:
        return np.zeros(0, dtype=np.int64)
    changed = np.zeros(len(keys[0]), dtype=bool)
    changed[0] = True
    for key in keys:
        changed[1:] |= key[1:] != key[:-1]
    return np.flatnonzero(changed).astype(np.int64)


@dataclass(frozen=True)
class Baskets:
    """Purchases known before `moment`, one row per basket and product, sorted by customer, time, order, product.

    Row `i` belongs to basket `basket[i]`; basket `b` holds the rows `basket_start[b]` to `basket_start[b + 1]`.
    `pieces` is in 1/1,000, `revenue` in 1/10,000 of the currency unit, times in microseconds. Guests come first.
    """

    moment: int
    customer: I32
    time: I64
    product: I32
    pieces: I64
    revenue: I64
    basket: I64
    basket_start: I64
    returned: Returned

    def __len__(self) -> int:
        return len(self.product)

    @property
    def basket_time(self) -> I64:
        """When each basket was bought."""
        return self.time[self.basket_start[:-1]]

    @property
    def basket_customer(self) -> I32:
        """Who bought each basket."""
        return self.customer[self.basket_start[:-1]]

    def rows_of(self, customers: I32) -> tuple[I64, I64]:
        """First and one-past-last row of each of the given customers (equal where there is none)."""
        return (
            np.searchsorted(self.customer, customers, side="left").astype(np.int64),
            np.searchsorted(self.customer, customers, side="right").astype(np.int64),
        )

    def buyers(self) -> I32:
        """Customers with a basket, sorted; guests are not among them."""
        return self.customer[run_starts(self.customer)][int(len(self) > 0 and self.customer[0] == NONE) :]

    def empty(self) -> Baskets:
        """No baskets, at the same moment."""
        none = self.time[:0]
        return replace(
            self,
            customer=self.customer[:0],
            time=none,
            product=self.product[:0],
            pieces=none,
            revenue=none,
            basket=none,
            basket_start=np.zeros(1, dtype=np.int64),
        )

    def without_guests(self) -> int:
        """Position of the first row that is no guest's."""
        return int(np.searchsorted(self.customer, 0, side="left"))


@dataclass(frozen=True)
class Returned:
    """Pieces that came back, one row per customer and product, sorted; `pieces` is positive, in 1/1,000."""

    customer: I32
    product: I32
    pieces: I64


@dataclass(frozen=True)
class PurchaseLog:
    """A shop's lines that name a product, sorted by customer, order, product, time and what they hold."""

    customer: I32
    order: I64
    product: I32
    time: I64
    visible: I64
    pieces: I64
    revenue: I64

    @classmethod
    def of(cls, shop: Shop, customers: I32 | None = None) -> Self:
        """The lines of `shop`, or of some of its customers; empty where the shop's orders name no product."""
        lines = shop.orders
        kept = lines.product >= 0
        if customers is not None:
            wanted = np.zeros(len(shop.customer_ids) + 1, dtype=bool)
            wanted[customers] = True
            wanted[NONE] = False
            kept &= wanted[lines.customer]
        lines = lines.take(np.flatnonzero(kept))
        order = np.lexsort(
            (lines.revenue, lines.quantity, lines.visible, lines.time, lines.product, lines.order, lines.customer)
        )
        lines = lines.take(order)
        return cls(lines.customer, lines.order, lines.product, lines.time, lines.visible, lines.quantity, lines.revenue)

    def take(self, rows: NDArray[Any]) -> PurchaseLog:
        """The given rows, in the order of the log."""
        return PurchaseLog(
            self.customer[rows],
            self.order[rows],
            self.product[rows],
            self.time[rows],
            self.visible[rows],
            self.pieces[rows],
            self.revenue[rows],
        )

    def recoded(self, codes: I32) -> PurchaseLog:
        """The log under other product codes (`codes[old]`), sorted anew; a line whose code is `NONE` is left out."""
        product = codes[self.product]
        rows = np.flatnonzero(product >= 0)
        order = rows[np.lexsort((rows, product[rows], self.order[rows], self.customer[rows]))]
        return replace(self.take(order), product=product[order])

    def before(self, moment: int) -> Baskets:
        """The baskets of the lines visible before `moment`."""
        known = self.visible < moment
        bought = self.take(np.flatnonzero(known & (self.pieces > 0) & (self.revenue > 0)))
        returned = self.take(np.flatnonzero(known & ((self.pieces < 0) | (self.revenue < 0)) & (self.customer >= 0)))
        return _baskets(bought, moment, _returned(returned))

    def bought_between(self, start: int, end: int, known_before: int) -> tuple[I32, I32]:
        """Customers and products of the purchases in `[start, end)` known before `known_before`, sorted and unique.

        This looks past the moment `start`: it is for labels, and never for features.
        """
        kept = (self.time >= start) & (self.time < end) & (self.visible < known_before)
        kept &= (self.pieces > 0) & (self.revenue > 0) & (self.customer >= 0)
        customer, product = self.customer[kept], self.product[kept]
        order = np.lexsort((product, customer))
        customer, product = customer[order], product[order]
        first = run_starts(customer, product)
        return customer[first], product[first]


def _baskets(lines: PurchaseLog, moment: int, returned: Returned) -> Baskets:
    """Lines (sorted by customer, order, product) to baskets sorted by customer and time."""
    if len(lines.product) == 0:
        nothing, none = np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int64)
        return Baskets(moment, nothing, none, nothing, none, none, none, np.zeros(1, dtype=np.int64), returned)
    rows = run_starts(lines.customer, lines.order, lines.product)
    pieces, revenue = np.add.reduceat(lines.pieces, rows), np.add.reduceat(lines.revenue, rows)
    orders = run_starts(lines.customer, lines.order)
    times = np.minimum.reduceat(lines.time, orders)
    sizes = np.diff(np.append(np.searchsorted(rows, orders), len(rows)))
    # The order's own position breaks ties: orders of one customer at one time keep the order of their ids.
    by_time = np.lexsort((np.arange(len(orders)), times, lines.customer[orders]))
    starts = np.concatenate(([0], np.cumsum(sizes[by_time])))
    first_row = np.concatenate(([0], np.cumsum(sizes)))[by_time]
    basket = np.repeat(np.arange(len(orders), dtype=np.int64), sizes[by_time])
    at = np.repeat(first_row - starts[:-1], sizes[by_time]) + np.arange(len(rows))
    return Baskets(
        moment=moment,
        customer=lines.customer[rows][at],
        time=times[by_time][basket],
        product=lines.product[rows][at],
        pieces=pieces[at],
        revenue=revenue[at],
        basket=basket,
        basket_start=starts.astype(np.int64),
        returned=returned,
    )


def _returned(lines: PurchaseLog) -> Returned:
    """Pieces returned by customer and product; a return without a count of pieces is taken as one piece."""
    if len(lines.product) == 0:
        return Returned(lines.customer, lines.product, lines.pieces)
    order = np.lexsort((lines.product, lines.customer))
    customer, product = lines.customer[order], lines.product[order]
    pieces = np.where(lines.pieces < 0, -lines.pieces, 1_000)[order]
    first = run_starts(customer, product)
    return Returned(customer[first], product[first], np.add.reduceat(pieces, first))
