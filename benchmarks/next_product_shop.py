"""A shop of any size for `next_product_scale.py`, drawn block by block from seeds: the same size is the same shop.

Like a shop in what makes recommending slow or hard: few products are sold often and most are sold rarely (Zipf), every
product stands in a category, customers keep to a few categories and buy a good part of what they buy again, most order
seldom and some very often, baskets differ in size, one line in fifty comes back. A block of customers is one Parquet
file of `orders/`, in the order of time; the file names no order of ids. Beside it: products with their categories,
customers with segment and country, all dated before the first order.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

Array = NDArray[Any]

FIRST, DAYS = np.datetime64("2022-01-01", "us"), 3 * 365
"""First day of the data, and how many days there are."""
BLOCK_LINES = 2_000_000
"""Order lines of a block, about."""
BASKET = 3.4
"""Mean lines of an order."""
TAIL = 1.8
"""How heavy the tail of orders a customer is (Lomax)."""
MOST_ORDERS = 400
ZIPF = 0.9
"""Power by which a product's sales fall with its rank."""
SHELF = 60
"""Mean products of a category."""
FAVOURITES, SHELVES = 10, 4
"""Products that a customer buys again and again, and categories that they keep to."""
AGAIN, WITHIN = 0.45, 0.35
"""Shares of lines that are one of the favourites, and that are of one's own categories; the others are any product."""
RETURNED = 50
COUNTRIES, SEGMENTS = ("at", "ch", "de", "fr", "it", "nl"), ("new", "regular", "trade")


class Size(NamedTuple):
    """How large a shop is."""

    customers: int
    products: int
    lines: int

    def __str__(self) -> str:
        return f"{self.customers:,} customers, {self.products:,} products, {self.lines:,} lines"

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"products-{self.customers}-{self.products}-{self.lines}"


class Goods(NamedTuple):
    """Products by popularity, and those of each category, the most popular first: `start` where each begins."""

    chance: Array
    shelf: Array
    start: Array
    order: Array
    price: Array


def shop_folder(root: Path, size: Size) -> Path:
    """The folder of a shop of that size; made where there is none yet."""
    folder = root / size.name
    if not (folder / "products.parquet").exists():
        begun = time.perf_counter()
        made = write_shop(folder, size)
        print(f"{folder.name}: {made:,} order lines made in {time.perf_counter() - begun:.0f} s", flush=True)
    return folder


def write_shop(folder: Path, size: Size) -> int:
    """Write the tables; returns the number of order lines, about `size.lines`."""
    (folder / "orders").mkdir(parents=True, exist_ok=True)
    goods = _goods(size.products)
    blocks = max(round(size.lines / BLOCK_LINES), 1)
    edges = np.linspace(0, size.customers, blocks + 1).astype(np.int64)
    lines, orders = 0, 0
    for block in range(blocks):
        rng = np.random.default_rng((block, *size))
        customers = np.arange(edges[block], edges[block + 1])
        table, orders = _block(customers, size, goods, orders, rng)
        pq.write_table(table, folder / "orders" / f"part-{block:04d}.parquet", compression="lz4")
        lines += len(table)
    rng = np.random.default_rng((0xC0FFEE, *size))
    everybody = np.arange(size.customers)
    start = np.full(size.customers, FIRST)
    about = {
        "customer_id": _ids("C", _scattered(everybody)),
        "valid_from": start,
        "segment": np.array(SEGMENTS)[rng.choice(len(SEGMENTS), size.customers, p=(0.5, 0.4, 0.1))],
        "country": np.array(COUNTRIES)[rng.integers(0, len(COUNTRIES), size.customers)],
    }
    pq.write_table(pa.table(about), folder / "customers.parquet", compression="lz4")
    # Last, because it tells that all is there.
    named = {
        "product_id": _ids("P", np.arange(size.products)),
        "valid_from": np.full(size.products, FIRST),
        "category": _ids("S", goods.shelf),
    }
    pq.write_table(pa.table(named), folder / "products.parquet", compression="lz4")
    return lines


def _goods(products: int) -> Goods:
    rng = np.random.default_rng((1, products))
    chance = (np.arange(products) + 1.0) ** -ZIPF
    chance = rng.permutation(chance / chance.sum())
    shelf = rng.integers(0, max(products // SHELF, 1), products)
    order = np.lexsort((-chance, shelf))
    start = np.searchsorted(shelf[order], np.arange(shelf.max() + 2))
    return Goods(np.cumsum(chance), shelf, start, order, np.round(rng.lognormal(2.0, 1.0, products) + 0.5, 2))


def _any_product(count: int, goods: Goods, rng: np.random.Generator) -> Array:
    found = np.searchsorted(goods.chance, rng.random(count) * goods.chance[-1], side="right")
    return np.minimum(found, len(goods.chance) - 1)


def _of_shelf(shelf: Array, goods: Goods, rng: np.random.Generator) -> Array:
    """A product of each category, the first places oftener (about Zipf's law)."""
    begin, size = goods.start[shelf], goods.start[shelf + 1] - goods.start[shelf]
    place = np.floor(np.exp(rng.random(len(shelf)) * np.log(size + 1.0)) - 1.0).astype(np.int64)
    return goods.order[begin + np.clip(place, 0, np.maximum(size - 1, 0))]


def _block(
    customers: Array, size: Size, goods: Goods, orders_before: int, rng: np.random.Generator
) -> tuple[pa.Table, int]:
    """The order lines of some customers in the order of time, and the number of orders so far."""
    count = len(customers)
    shelves = goods.shelf[_any_product(count * SHELVES, goods, rng)].reshape(count, SHELVES)
    liked = shelves[np.arange(count)[:, None], rng.integers(0, SHELVES, (count, FAVOURITES))]
    favourites = _of_shelf(liked.ravel(), goods, rng).reshape(count, FAVOURITES)
    often = max(size.lines / size.customers / BASKET - 1, 0.1) * (TAIL - 1) * 1.08
    orders = np.minimum(1 + np.floor(often * rng.pareto(TAIL, count)), MOST_ORDERS).astype(np.int64)
    came = DAYS * np.maximum(1.3 * rng.random(count) - 0.4, 0.0)
    span = np.minimum(30 + rng.exponential(700, count), DAYS - came)
    who = np.repeat(np.arange(count), orders)
    moment = came[who] + span[who] * rng.random(len(who))
    sizes = np.minimum(rng.geometric(1 / BASKET, len(who)), 60)
    line_order = np.repeat(np.arange(len(who)), sizes)
    owner = who[line_order]
    kind = rng.random(len(owner))
    product = _any_product(len(owner), goods, rng)
    own = kind < AGAIN
    product[own] = favourites[owner[own], rng.integers(0, FAVOURITES, own.sum())]
    near = (kind >= AGAIN) & (kind < AGAIN + WITHIN)
    product[near] = _of_shelf(shelves[owner[near], rng.integers(0, SHELVES, near.sum())], goods, rng)
    seconds = np.round(moment[line_order] * 86_400).astype(np.int64)
    pieces = rng.geometric(0.7, len(owner))
    back = np.flatnonzero(rng.random(len(owner)) < 1 / RETURNED)
    rows = np.concatenate([np.arange(len(owner)), back])
    later = np.concatenate([np.zeros(len(owner), np.int64), rng.integers(86_400, 20 * 86_400, len(back))])
    sign = np.concatenate([np.ones(len(owner), np.int64), np.full(len(back), -1)])
    when = seconds[rows] + later
    kept = when < DAYS * 86_400
    rows, when, sign = rows[kept], when[kept], sign[kept]
    order = np.lexsort((product[rows], line_order[rows], when))
    rows, when, sign = rows[order], when[order], sign[order]
    columns = {
        "customer_id": _ids("C", _scattered(customers)[owner[rows]]),
        "order_id": _ids("O", orders_before + line_order[rows]),
        "ordered_at": FIRST + when.astype("timedelta64[s]").astype("timedelta64[us]"),
        "product_id": _ids("P", product[rows]),
        "quantity": pieces[rows] * sign,
        "unit_price": goods.price[product[rows]],
    }
    return pa.table(columns), orders_before + len(who)


def _scattered(customers: Array) -> Array:
    """Numbers of customers that stand in no order of blocks or time."""
    return (customers.astype(np.int64) * 7_919_999 + 13) % 100_000_007


def _ids(letter: str, numbers: Array) -> pa.Array:
    """Ids as text, each written once."""
    unique, at = np.unique(numbers, return_inverse=True)
    words = pa.array(np.char.add(letter, np.char.zfill(unique.astype(str), 9)))
    return pa.DictionaryArray.from_arrays(pa.array(at.astype(np.int32)), words).cast(pa.string())
