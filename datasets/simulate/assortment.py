"""The assortment: products with names, prices, times on sale, and a way to draw from those on sale on a day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from regulars.datasets.simulate.arrays import NEVER, Bools, Floats, Ints, compiled
from regulars.datasets.simulate.catalogue import (
    BRANDS,
    CATEGORIES,
    GRADES,
    KINDS,
    SEQUENCES,
    SERVICE_PROBABILITY,
    SERVICE_SHAPE,
    Kind,
    Rule,
    Sort,
)
from regulars.datasets.simulate.parameters import ShopParameters

_PRICE_STEPS = (0.7, 0.85, 1.0, 1.2, 1.5)


class Product(NamedTuple):
    """One product: `kind` is a position in the assortment's kinds, `main` that of the gadget it goes with, or -1."""

    name: str
    kind: int
    price: float
    main: int


@dataclass(frozen=True)
class Assortment:
    """Everything ever sold, as columns of length products; `rules` refer to positions in `kinds`.

    Days count from the start of the history; a product is on sale in [introduced, discontinued).
    """

    kinds: tuple[Kind, ...]
    rules: tuple[Rule, ...]
    rule_first: Ints
    rule_then: Ints
    names: tuple[str, ...]
    kind: Ints
    category: Ints
    price: Floats
    cost: Floats
    accessory_of: Ints
    accessory: Ints  # of a gadget: its accessory; else -1
    popularity: Floats
    introduced: Ints
    discontinued: Ints
    cost_change_day: Ints  # NEVER where the cost stays
    cost_factor: Floats  # from that day on

    def __len__(self) -> int:
        return len(self.names)

    def on_sale(self, product: Ints, day: Ints) -> Bools:
        """Which of the products could be bought on its day."""
        return (self.introduced[product] <= day) & (day < self.discontinued[product])

    def is_sort(self, *sorts: Sort) -> Bools:
        """Which products are of one of the sorts."""
        return np.array([kind.sort in sorts for kind in self.kinds])[self.kind]

    def unit_cost(self, product: Ints, day: Ints) -> Floats:
        """What one piece costs the shop on the day, in currency units."""
        factor = np.where(day >= self.cost_change_day[product], self.cost_factor[product], 1.0)
        return np.asarray(np.round(self.cost[product] * factor, 2))


class Shelf:
    """Draws products by popularity within groups (categories, or kinds), among those on sale."""

    def __init__(self, assortment: Assortment, group: Ints, member: Bools) -> None:
        products = np.flatnonzero(member)
        self._products = products[np.argsort(group[products], kind="stable")]
        self._on_sale = self._products, assortment.introduced, assortment.discontinued
        ordered = group[self._products]
        self._edges = np.concatenate(([0.0], np.cumsum(assortment.popularity[self._products])))
        groups = np.arange(group.max() + 1)
        self._low = self._edges[np.searchsorted(ordered, groups, side="left")]
        self._high = self._edges[np.searchsorted(ordered, groups, side="right")]
        self.has = self._high > self._low

    def draw(self, group: Ints, day: Ints, rng: Generator) -> Ints:
        """One product for each (group, day); -1 where the group is empty or twelve draws met nothing on sale."""
        drawn = np.full(len(group), -1)
        open_ = np.flatnonzero(self.has[group])
        for _ in range(12):
            if len(open_) == 0:
                break
            open_ = _take_from_shelf(
                self._edges, self._low, self._high, self._on_sale, group, day, open_, rng.random(len(open_)), drawn
            )
        return drawn


@compiled
def _take_from_shelf(
    edges: Floats,
    low: Floats,
    high: Floats,
    on_sale: tuple[Ints, Ints, Ints],
    group: Ints,
    day: Ints,
    open_: Ints,
    lots: Floats,
    drawn: Ints,
) -> Ints:
    """One draw for each of the rows `open_`, into `drawn` where it is on sale; the rows where it is not."""
    products, introduced, discontinued = on_sale
    again = np.empty(len(open_), np.int64)
    count = 0
    for at in range(len(open_)):
        row = open_[at]
        least, most = low[group[row]], high[group[row]]
        point = least + lots[at] * (most - least)
        place, beyond = 0, len(products)
        while beyond - place > 1:
            middle = (place + beyond) // 2
            if edges[middle] <= point:
                place = middle
            else:
                beyond = middle
        product = products[place]
        if introduced[product] <= day[row] < discontinued[product]:
            drawn[row] = product
        else:
            again[count] = row
            count += 1
    return again[:count]


def make_assortment(parameters: ShopParameters, rng: Generator) -> Assortment:
    """Products of every kind, the accessories of gadgets, and one service kit for every kind that wants service."""
    kinds, rules = _with_derived_kinds()
    place = {kind.noun: at for at, kind in enumerate(kinds)}
    products = _products(kinds, place, parameters, rng)
    kind = np.array([product.kind for product in products])
    price = np.array([product.price for product in products])
    main = np.array([product.main for product in products])
    accessory = np.full(len(products), -1)
    accessory[main[main >= 0]] = np.flatnonzero(main >= 0)
    introduced, discontinued = _times_on_sale(kind, kinds, main, parameters, rng)
    margin = np.clip(np.array([item.margin for item in kinds])[kind] + rng.normal(0, 0.03, len(products)), 0.05, 0.7)
    changes = rng.random(len(products)) < 0.3
    return Assortment(
        kinds=kinds,
        rules=rules,
        rule_first=np.array([place[rule.first] for rule in rules]),
        rule_then=np.array([place[rule.then] for rule in rules]),
        names=tuple(product.name for product in products),
        kind=kind,
        category=np.array([CATEGORIES.index(item.category) for item in kinds])[kind],
        price=price,
        cost=np.round(price * (1 - margin), 2),
        accessory_of=main,
        accessory=accessory,
        popularity=_popularity(kind, kinds, parameters, rng),
        introduced=introduced,
        discontinued=discontinued,
        cost_change_day=np.where(changes, introduced + rng.integers(120, 600, len(products)), NEVER),
        cost_factor=rng.uniform(0.97, 1.10, len(products)),
    )


def _with_derived_kinds() -> tuple[tuple[Kind, ...], tuple[Rule, ...]]:
    """The catalogue's kinds, then the accessories' and service kits', and the rules that lead to them."""
    accessories = [
        Kind(kind.accessory, kind.category, Sort.ACCESSORY, 0.18 * kind.price, 0.45, returned=0.04)
        for kind in KINDS
        if kind.sort is Sort.GADGET
    ]
    serviced = [kind for kind in KINDS if kind.service_days]
    kits = [
        Kind(f"{kind.noun} Service Kit", kind.category, Sort.SERVICE, 0.12 * kind.price, 0.50, returned=0.01)
        for kind in serviced
    ]
    service_rules = [
        Rule(kind.noun, f"{kind.noun} Service Kit", SERVICE_PROBABILITY, kind.service_days, SERVICE_SHAPE)
        for kind in serviced
    ]
    return (*KINDS, *accessories, *kits), (*SEQUENCES, *service_rules)


def _products(
    kinds: tuple[Kind, ...], place: dict[str, int], parameters: ShopParameters, rng: Generator
) -> list[Product]:
    products: list[Product] = []
    for at, kind in enumerate(kinds):
        if kind.sort is Sort.SERVICE:
            products.append(Product(f"Original {kind.noun}", at, _shelf_price(kind.price), -1))
        elif kind.sort is not Sort.ACCESSORY:
            products.extend(_variants(kind, at, parameters.variants_per_kind, rng))
    for main, product in enumerate(list(products)):
        kind = kinds[product.kind]
        if kind.sort is Sort.GADGET:
            name = f"{kind.accessory} for {product.name}"
            products.append(Product(name, place[kind.accessory], _shelf_price(0.18 * product.price), main))
    return products


def _variants(kind: Kind, at: int, count: int, rng: Generator) -> list[Product]:
    brands = rng.permutation(len(BRANDS))
    grades = GRADES[kind.sort]
    variants = []
    for number in range(count):
        series = f" {number // len(grades) + 1}" if number >= len(grades) else ""
        name = f"{BRANDS[brands[number % len(BRANDS)]]} {kind.noun} {grades[number % len(grades)]}{series}"
        price = kind.price * _PRICE_STEPS[number % len(_PRICE_STEPS)] * rng.uniform(0.92, 1.08)
        variants.append(Product(name, at, _shelf_price(price), -1))
    return variants


def _shelf_price(price: float) -> float:
    """The nearest price that ends in .99 (or .49 below ten)."""
    return max(round(price), 1) - 0.01 if price >= 10 else max(round(price * 2), 1) / 2 - 0.01


def _popularity(kind: Ints, kinds: tuple[Kind, ...], parameters: ShopParameters, rng: Generator) -> Floats:
    """Zipf weights within a kind, times the kind's own weight and a log-normal one."""
    rank = np.empty(len(kind))
    for one in np.unique(kind):
        members = np.flatnonzero(kind == one)
        rank[members] = rng.permutation(len(members)) + 1
    weight = np.array([item.weight for item in kinds]) * np.exp(rng.normal(0, 0.4, len(kinds)))
    return np.asarray(weight[kind] * rank**-parameters.popularity_exponent)


def _times_on_sale(
    kind: Ints, kinds: tuple[Kind, ...], main: Ints, parameters: ShopParameters, rng: Generator
) -> tuple[Ints, Ints]:
    """Days of introduction and end. A kind's first product is always on sale; an accessory lives with its gadget."""
    count, days = len(kind), parameters.days
    first = np.concatenate(([True], kind[1:] != kind[:-1])) | (np.array([k.sort for k in kinds])[kind] == Sort.SERVICE)
    late = (rng.random(count) < parameters.new_product_share) & ~first
    introduced = np.where(late, rng.integers(1, parameters.history_days, count), 0)
    ends = (rng.random(count) < parameters.discontinued_share) & ~first
    discontinued = np.where(ends, introduced + 120 + rng.integers(0, days, count), NEVER)
    paired = main >= 0
    introduced[paired] = introduced[main[paired]]
    discontinued[paired] = NEVER  # an accessory stays on sale for those who have its gadget
    return introduced, discontinued
