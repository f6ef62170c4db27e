"""Choosing whom to contact with what: one optimisation.

Every option is a customer with a play; it has a gain, a cost, and takes some minutes of the customer's owner. At most
one option a customer is chosen, within the budget, the places of each play and the minutes of each owner, so that the
sum of the gains is as large as possible. That is an integer programme. With a million customers it is solved by prices:
money, a play's places and an owner's minutes each get the price at which no more is asked for than there is (the
Lagrange dual, minimised price by price), and each customer's best option at these prices is taken. What prices leave
undecided, ties and whole numbers, is settled by one walk over the options from the best down, and one more that swaps
an option for a better one where there is room. The value of the dual bounds what any choice could gain, so the loss is
known.

An option that is held out takes no money, place or minute, since nothing is sent; it is chosen where it would have
been if it were not held out, at the same prices and with the same room left, so both arms are alike.

Source: Fisher (1981), The Lagrangian relaxation method for solving integer programming problems, Management Science
27(1); Kellerer, Pferschy and Pisinger (2004), Knapsack Problems, chapter 11 (multiple choice).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
Codes = NDArray[np.int64]
Flags = NDArray[np.bool_]

UNIT = 10_000
"""Costs are added up as whole numbers of 1/10,000 of the currency unit, so that a sum cannot creep over the budget."""
_STEPS, _ROUNDS = 40, 8


@dataclass(frozen=True)
class Options:
    """What may be chosen, one entry an option, those of one customer together (`customer` never falls).

    `gain` in currency units, positive; `cost` in 1/10,000 of it; `minutes` of `owner` (-1: nobody's) in 1/1,000;
    `tie` decides between equals; `held_out` options are chosen like others and take nothing.
    """

    customer: Codes
    play: Codes
    gain: F64
    cost: Codes
    minutes: Codes
    owner: Codes
    tie: F64
    held_out: Flags

    def __len__(self) -> int:
        return len(self.customer)

    def take(self, rows: NDArray[Any]) -> Options:
        """The given options."""
        return replace(self, **{name: getattr(self, name)[rows] for name in self.__dataclass_fields__})


@dataclass(frozen=True)
class Limits:
    """What there is: `budget` in 1/10,000 (infinity: no bound), places of each play, 1/1,000 minutes of each owner."""

    budget: float
    places: F64
    minutes: F64

    def less(self, used: Options) -> Limits:
        """What is left after the given options, of which the held out took nothing."""
        sent = used.take(~used.held_out)
        own = sent.owner >= 0
        return Limits(
            self.budget - float(sent.cost.sum()),
            self.places - np.bincount(sent.play, minlength=len(self.places)),
            self.minutes - np.bincount(sent.owner[own], sent.minutes[own], len(self.minutes)),
        )


@dataclass(frozen=True)
class Choice:
    """Positions of the chosen options, rising, and the most that the sent ones could have gained under any choice."""

    chosen: Codes
    bound: float


@dataclass(frozen=True)
class _Prices:
    money: float
    places: F64
    minutes: F64


def choose(options: Options, limits: Limits) -> Choice:
    """The options to take; with limits that bind nowhere, each customer's best.

    Raises:
        ValueError: if an option's gain is not positive, or a customer's options are not together.
    """
    if len(options) == 0:
        return Choice(np.zeros(0, np.int64), 0.0)
    if not (options.gain > 0).all() or (np.diff(options.customer) < 0).any():
        raise ValueError("options need a positive gain, and the options of one customer to stand together")
    crowd = _Crowd(options)
    best = crowd.asks(_Prices(0.0, np.zeros(len(limits.places)), np.zeros(len(limits.minutes))))
    if _within(limits.less(options.take(best))):
        sent = best[~options.held_out[best]]
        return Choice(best, float(options.gain[sent].sum()))
    prices, bound = _dual(_Crowd(options.take(~options.held_out)), limits)
    return Choice(_walk(options, limits, crowd.reduced(prices)), bound)


def _within(left: Limits) -> bool:
    return left.budget >= 0 and bool((left.places >= 0).all() and (left.minutes >= 0).all())


class _Crowd:
    """The customers with their options, and what they ask for at given prices."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._group = np.cumsum(np.diff(options.customer, prepend=-1) > 0)

    def reduced(self, prices: _Prices) -> F64:
        """Gain less what the option takes, at its price."""
        given = self.options
        minute = np.append(prices.minutes, 0.0)[given.owner]  # owner -1 is the appended 0
        return given.gain - prices.money * given.cost - prices.places[given.play] - minute * given.minutes

    def asks(self, prices: _Prices) -> Codes:
        """Position of each customer's best option where it is worth more than nothing; the earliest of equals."""
        reduced = self.reduced(prices)
        worth = np.flatnonzero(reduced > 0)
        if len(worth) == 0:
            return worth
        group, gain = self._group[worth], reduced[worth]
        starts = np.flatnonzero(np.diff(group, prepend=-1))
        best = np.maximum.reduceat(gain, starts)
        at_best = np.flatnonzero(gain == np.repeat(best, np.diff(np.append(starts, len(group)))))
        return worth[at_best[np.diff(group[at_best], prepend=-1) > 0]]

    def bound(self, prices: _Prices, limits: Limits) -> float:
        """Value of the dual at the prices."""
        rent = prices.money * limits.budget if prices.money > 0 else 0.0
        for price, amount in ((prices.places, limits.places), (prices.minutes, limits.minutes)):
            rent += float((price[price > 0] * amount[price > 0]).sum())
        return rent + float(self.reduced(prices)[self.asks(prices)].sum())


def _dual(crowd: _Crowd, limits: Limits) -> tuple[_Prices, float]:
    """Prices that minimise the dual one kind after the other, until they rest or the rounds are over; its value.

    A price's best value, the others kept, is where use falls to what there is. Owners are disjoint, so their prices
    are found side by side; so are the plays', whose interplay the rounds settle.
    """
    given = crowd.options
    prices = _Prices(0.0, np.zeros(len(limits.places)), np.zeros(len(limits.minutes)))

    def money(price: F64) -> F64:
        return np.array([float(given.cost[crowd.asks(replace(prices, money=float(price[0])))].sum())])

    def places(price: F64) -> F64:
        asked = crowd.asks(replace(prices, places=price))
        return np.bincount(given.play[asked], minlength=len(price)).astype(np.float64)

    def minutes(price: F64) -> F64:
        asked = crowd.asks(replace(prices, minutes=price))
        asked = asked[given.owner[asked] >= 0]
        return np.bincount(given.owner[asked], given.minutes[asked], len(price)).astype(np.float64)

    for _ in range(_ROUNDS):
        before = prices
        highest = _highest(given.gain, given.cost)
        prices = replace(prices, money=float(_clear(money, np.array([limits.budget]), highest)[0]))
        prices = replace(prices, places=_clear(places, limits.places, _highest(given.gain, np.ones(len(given)))))
        prices = replace(prices, minutes=_clear(minutes, limits.minutes, _highest(given.gain, given.minutes)))
        if _close(before, prices):
            break
    return prices, crowd.bound(prices, limits)


def _highest(gain: F64, taken: NDArray[Any]) -> float:
    """The price of one of what is taken at which nobody asks for any."""
    return float((gain[taken > 0] / taken[taken > 0]).max(initial=0.0))


def _close(one: _Prices, two: _Prices) -> bool:
    same = np.isclose(one.money, two.money, rtol=1e-6) and np.allclose(one.places, two.places, rtol=1e-6)
    return bool(same and np.allclose(one.minutes, two.minutes, rtol=1e-6))


def _clear(use: Callable[[F64], F64], amount: F64, highest: float) -> F64:
    """The lowest prices in [0, highest] at which use is within the amounts; 0 where it is for nothing."""
    bound = np.isfinite(amount)
    low, high = np.zeros(len(amount)), np.where(bound, highest, 0.0)
    if not bound.any() or (use(low) <= amount).all():
        return low
    for _ in range(_STEPS):
        middle = (low + high) / 2
        fits = use(middle) <= amount
        low, high = np.where(fits, low, middle), np.where(fits, middle, high)
    return np.where(use(low) <= amount, low, high)


def _walk(options: Options, limits: Limits, reduced: F64) -> Codes:
    """From the best reduced gain down, each customer's first option with room; then swaps for a better one."""
    room = _Room(limits)
    taken: dict[int, int] = {}
    columns = (options.customer, options.play, options.cost, options.minutes, options.owner, options.held_out)
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    for at in np.lexsort((options.tie, -reduced)).tolist():
        if rows[at][0] not in taken and room.holds(rows[at]):
            taken[rows[at][0]] = at
    gain = options.gain.tolist()
    for at in np.lexsort((options.tie, -options.gain)).tolist():
        now = taken.get(rows[at][0])
        if now is None or gain[now] >= gain[at]:
            continue
        room.give_back(rows[now])
        if room.holds(rows[at]):
            taken[rows[at][0]] = at
        else:
            room.holds(rows[now])
    return np.array(sorted(taken.values()), np.int64)


class _Room:
    """What is left of the limits, in a walk over options (customer, play, cost, minutes, owner, held out)."""

    def __init__(self, limits: Limits) -> None:
        self.budget = limits.budget
        self.places = limits.places.tolist()
        self.minutes = limits.minutes.tolist()

    def holds(self, option: tuple[Any, ...]) -> bool:
        """Whether there is room for the option; if so it is taken, unless it is held out."""
        _, play, cost, minutes, owner, held_out = option
        fits = cost <= self.budget and self.places[play] >= 1 and (owner < 0 or minutes <= self.minutes[owner])
        if fits and not held_out:
            self._take(option, 1)
        return bool(fits)

    def give_back(self, option: tuple[Any, ...]) -> None:
        """Undoes taking the option."""
        if not option[-1]:
            self._take(option, -1)

    def _take(self, option: tuple[Any, ...], sign: int) -> None:
        _, play, cost, minutes, owner, _ = option
        self.budget -= sign * cost
        self.places[play] -= sign
        if owner >= 0:
            self.minutes[owner] -= sign * minutes
