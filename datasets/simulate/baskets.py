"""What is in the baskets: own favourites when they run out, what a sequence calls for, gadgets, impulse.

Orders are filled in rounds: every customer's first, then every customer's second, and so on, so that a round is a few
array operations and each basket knows the ones before it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from regulars.datasets.simulate.arrays import Bools, Columns, Floats, Ints, compiled
from regulars.datasets.simulate.assortment import Assortment, Shelf
from regulars.datasets.simulate.catalogue import CATEGORIES, OUTDOOR, Sort
from regulars.datasets.simulate.process import Events
from regulars.datasets.simulate.state import World
from regulars.datasets.simulate.traits import N_FAVOURITES

_OUTDOOR = np.isin(CATEGORIES, OUTDOOR)
_TASTE_TILT = 0.5  # of outdoor categories with the garden season, on the log scale
_RUNS_OUT, _RUNS_OUT_SPREAD = 0.85, 0.12  # share of the interval after which half of a favourite's users reorder
_LIFE_SPREAD = 0.3


@dataclass(frozen=True)
class Baskets:
    """Lines (order, product, quantity), favourites as they were at first, and wishes that sequences gave rise to."""

    lines: Columns
    favourites: Columns
    wishes: Columns


class Shelves:
    """The ways to draw a product."""

    def __init__(self, assortment: Assortment) -> None:
        by_category = assortment.category
        self.impulse = Shelf(assortment, by_category, assortment.is_sort(Sort.CONSUMABLE, Sort.OCCASIONAL))
        self.durable = Shelf(assortment, by_category, assortment.is_sort(Sort.DURABLE))
        self.gadget = Shelf(assortment, by_category, assortment.is_sort(Sort.GADGET))
        self.consumable = Shelf(assortment, by_category, assortment.is_sort(Sort.CONSUMABLE))
        self.variant = Shelf(assortment, assortment.kind, np.ones(len(assortment), dtype=np.bool_))


@dataclass(frozen=True)
class _Fixed:
    """What is the same in every round."""

    tilt: Floats  # (days, categories): factor on taste
    always_on_sale: Ints  # consumables that never went: what a basket holds that would be empty otherwise
    more_pieces: Floats  # by product: mean pieces beyond the first that a private customer takes
    lifetime: Floats  # by kind: days; 0 for what does not last

    @classmethod
    def of(cls, world: World, assortment: Assortment) -> _Fixed:
        """Of a world and what is sold in it."""
        steady = assortment.on_sale(np.arange(len(assortment)), np.zeros(len(assortment), dtype=np.int64))
        steady &= assortment.is_sort(Sort.CONSUMABLE) & (assortment.discontinued >= world.parameters.days)
        return cls(
            tilt=np.exp(_TASTE_TILT * world.calendar.garden[:, None] * _OUTDOOR),
            always_on_sale=np.flatnonzero(steady),
            more_pieces=0.5 * assortment.is_sort(Sort.CONSUMABLE) + 0.25 * assortment.is_sort(Sort.OCCASIONAL),
            lifetime=np.array([kind.days * (kind.sort in {Sort.DURABLE, Sort.GADGET}) for kind in assortment.kinds]),
        )


class Household:
    """What each customer has, uses and wants; changes from round to round."""

    def __init__(self, world: World, assortment: Assortment, shelves: Shelves, rng: Generator) -> None:
        n = len(world.traits)
        self.favourite, self.interval = _favourites(world, assortment, shelves, rng)
        since = rng.uniform(0, 1.5, self.interval.shape) * self.interval
        self.last_bought = world.traits.sign_up_day[:, None] - since
        self.wanted_from = np.full((n, len(assortment.rules)), np.inf)
        self.owned_until = np.full((n, len(assortment.kinds)), -np.inf, dtype=np.float32)
        self.gadget = np.full(n, -1)


def fill_baskets(world: World, assortment: Assortment, orders: Columns, suggested: Ints, rng: Generator) -> Baskets:
    """Lines of all orders. `suggested` holds the product of each campaign, or -1."""
    shelves, fixed = Shelves(assortment), _Fixed.of(world, assortment)
    household = Household(world, assortment, shelves, rng)
    rows = np.repeat(np.arange(len(world.traits)), N_FAVOURITES)
    favourites: Columns = {
        "customer": rows,
        "product": household.favourite.ravel().copy(),
        "interval": household.interval.ravel().copy(),
    }
    lines, wishes = Events(), Events()
    by_place = np.argsort(orders["place"], kind="stable")
    edges = np.flatnonzero(np.diff(orders["place"][by_place])) + 1
    for rows in np.split(by_place, edges):
        some = {name: column[rows] for name, column in orders.items()}
        one = _Round(world, assortment, shelves, fixed, household, some, rng)
        one.fill(suggested)
        position, product, quantity = one.lines()
        lines.add(order=rows[position], product=product, quantity=quantity)
        wishes.add(**one.remember(position, product))
    kept = favourites["product"] >= 0
    return Baskets(lines.columns(), {name: c[kept] for name, c in favourites.items()}, wishes.columns())


class _Round:
    """One order each of some customers. Positions refer to these orders."""

    def __init__(
        self,
        world: World,
        assortment: Assortment,
        shelves: Shelves,
        fixed: _Fixed,
        household: Household,
        orders: Columns,
        rng: Generator,
    ) -> None:
        self._world, self._assortment, self._shelves, self._fixed = world, assortment, shelves, fixed
        self._household, self._orders, self._rng = household, orders, rng
        self._customer: Ints = orders["customer"]
        self._time: Floats = orders["time"]
        self._day = np.floor(self._time).astype(np.int64)
        self._full = np.flatnonzero(~orders["is_accessory"])
        self._parts: list[tuple[Ints, Ints]] = []

    def fill(self, suggested: Ints) -> None:
        """Put everything into the baskets."""
        self._favourites()
        self._wishes()
        self._gadgets_and_accessories()
        parameters = self._world.parameters
        durable = self._full[self._rng.random(len(self._full)) < parameters.durable_share]
        self._put_unowned(durable, self._by_taste(self._shelves.durable, durable))
        impulse = np.repeat(self._full, self._rng.poisson(parameters.impulse_lines, len(self._full)))
        self._put(impulse, self._by_taste(self._shelves.impulse, impulse))
        self._suggestions(suggested)
        is_empty = np.ones(len(self._customer), dtype=np.bool_)
        for position, _ in self._parts:
            is_empty[position] = False
        empty = np.flatnonzero(is_empty)
        self._put(empty, self._rng.choice(self._fixed.always_on_sale, len(empty)))

    def lines(self) -> tuple[Ints, Ints, Ints]:
        """Position, product and quantity of each line; a product is in a basket once."""
        position = np.concatenate([part[0] for part in self._parts])
        product = np.concatenate([part[1] for part in self._parts])
        _, first = np.unique(position * len(self._assortment) + product, return_index=True)
        position, product = position[first], product[first]
        mean = self._fixed.more_pieces[product]
        mean *= np.where(self._world.traits.segment[self._customer[position]] == 1, 4.0, 1.0)
        return position, product, 1 + self._rng.poisson(mean)

    def remember(self, position: Ints, product: Ints) -> Columns:
        """Who owns what now, and the wishes that these lines give rise to."""
        assortment, household = self._assortment, self._household
        kind, customer, time = assortment.kind[product], self._customer[position], self._time[position]
        lasting = self._fixed.lifetime[kind] > 0
        years = self._fixed.lifetime[kind[lasting]] * np.exp(self._rng.normal(0, _LIFE_SPREAD, int(lasting.sum())))
        household.owned_until[customer[lasting], kind[lasting]] = time[lasting] + years
        wishes = Events()
        wishes.add(customer=customer[:0], rule=customer[:0], since=time[:0], wanted_from=time[:0])
        bought = np.bincount(kind, minlength=len(assortment.kinds))
        for at in np.flatnonzero(bought[assortment.rule_first]):
            rule = assortment.rules[at]
            found = np.flatnonzero(kind == assortment.rule_first[at])
            found = found[self._rng.random(len(found)) < rule.probability]
            due = time[found] + self._rng.gamma(rule.shape, rule.mean_days / rule.shape, len(found))
            household.wanted_from[customer[found], at] = due
            wishes.add(customer=customer[found], rule=np.full(len(found), at), since=time[found], wanted_from=due)
        return wishes.columns()

    def _put(self, position: Ints, product: Ints) -> None:
        found = product >= 0
        self._parts.append((position[found], product[found]))

    def _put_unowned(self, position: Ints, product: Ints) -> None:
        owned = self._household.owned_until[self._customer[position], self._assortment.kind[product]]
        self._put(position, np.where(owned > self._time[position], -1, product))

    def _by_taste(self, shelf: Shelf, position: Ints) -> Ints:
        """A product of a category that the customer likes, outdoors more in the garden season."""
        if len(position) == 0:
            return np.empty(0, dtype=np.int64)
        day, lots = self._day[position], self._rng.random(len(position))
        tilt = self._fixed.tilt
        category = _like(self._world.traits.taste, tilt, shelf.has, self._customer[position], day, lots)
        return shelf.draw(category, day, self._rng)

    def _favourites(self) -> None:
        """Favourites that run out; one that is no longer sold is replaced by another of its kind."""
        household, assortment = self._household, self._assortment
        customer = self._customer[self._full]
        passed = (self._time[self._full][:, None] - household.last_bought[customer]) / household.interval[customer]
        chance = 1 / (1 + np.exp(-np.clip((passed - _RUNS_OUT) / _RUNS_OUT_SPREAD, -30, 30)))
        due = (self._rng.random(chance.shape) < chance) & (household.favourite[customer] >= 0)
        row, column = np.nonzero(due)
        position, customer = self._full[row], customer[row]
        product, day = household.favourite[customer, column], self._day[position]
        gone = np.flatnonzero(~assortment.on_sale(product, day))
        product[gone] = self._shelves.variant.draw(assortment.kind[product[gone]], day[gone], self._rng)
        found = product >= 0
        household.favourite[customer[found], column[found]] = product[found]
        household.last_bought[customer, column] = self._time[position]
        self._put(position, product)

    def _wishes(self) -> None:
        """What a sequence or a service interval made the customer want meanwhile."""
        household = self._household
        customer = self._customer[self._full]
        row, rule = np.nonzero(household.wanted_from[customer] <= self._time[self._full][:, None])
        household.wanted_from[customer[row], rule] = np.inf
        position = self._full[row]
        product = self._shelves.variant.draw(self._assortment.rule_then[rule], self._day[position], self._rng)
        self._put_unowned(position, product)

    def _gadgets_and_accessories(self) -> None:
        """A gadget of a kind not yet owned where one turns up, and its accessory."""
        household = self._household
        position = np.flatnonzero(self._orders["has_gadget"])
        product = self._by_taste(self._shelves.gadget, position)
        for _ in range(4):
            kind = self._assortment.kind[product]
            again = np.flatnonzero(household.owned_until[self._customer[position], kind] > self._time[position])
            if len(again) == 0:
                break
            product[again] = self._by_taste(self._shelves.gadget, position[again])
        household.gadget[self._customer[position]] = product
        self._put(position, product)
        position = np.flatnonzero(self._orders["has_accessory"])
        main = household.gadget[self._customer[position]]
        self._put(position, np.where(main >= 0, self._assortment.accessory[main], -1))

    def _suggestions(self, suggested: Ints) -> None:
        """What the campaign suggested, by some of those under its effect."""
        if len(suggested) == 0:
            return
        campaign = self._orders["campaign"]
        product = np.where(campaign >= 0, suggested[campaign], -1)
        takes = self._rng.random(len(product)) < self._world.parameters.promotion_take
        position = np.flatnonzero(takes & (product >= 0))
        on_sale = self._assortment.on_sale(product[position], self._day[position])
        self._put_unowned(position[on_sale], product[position[on_sale]])


@compiled
def _like(taste: Floats, tilt: Floats, has: Bools, customer: Ints, day: Ints, lots: Floats) -> Ints:
    """A category for each lot, by the customer's taste times the tilt of the day, among those that have something."""
    found = np.empty(len(customer), np.int64)
    edges = np.empty(taste.shape[1])
    for at in range(len(customer)):
        total = 0.0
        for category in range(len(edges)):
            total += taste[customer[at], category] * tilt[day[at], category] * has[category]
            edges[category] = total
        point, place = lots[at] * total, 0
        while place < len(edges) - 1 and edges[place] <= point:
            place += 1
        found[at] = place
    return found


def _favourites(world: World, assortment: Assortment, shelves: Shelves, rng: Generator) -> tuple[Ints, Floats]:
    """Up to four favourite consumables per customer (-1: none), each with its own interval in days."""
    n = len(world.traits)
    edges = np.cumsum(world.traits.taste, axis=1)[:, None, :]
    category = (edges <= rng.random((n, N_FAVOURITES))[:, :, None] * edges[:, :, -1:]).sum(axis=2)
    day = np.repeat(world.traits.sign_up_day, N_FAVOURITES)
    product = shelves.consumable.draw(np.minimum(category, len(CATEGORIES) - 1).ravel(), day, rng)
    usual = np.array([kind.days for kind in assortment.kinds])[assortment.kind[product]]
    interval = (usual * np.exp(rng.normal(0, 0.35, len(product)))).reshape(n, N_FAVOURITES)
    count = 1 + rng.binomial(N_FAVOURITES - 1, 0.5, n)
    product = product.reshape(n, N_FAVOURITES)
    product[np.arange(N_FAVOURITES) >= count[:, None]] = -1
    duplicate = np.triu(product[:, :, None] == product[:, None, :], 1).any(axis=1)
    product[duplicate] = -1
    return product, np.maximum(interval, 1.0)
