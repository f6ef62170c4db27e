"""Looks into a simulated shop while it lives: what everybody did on each day, and how each ticket was handled."""

from __future__ import annotations

from math import exp
from typing import Any, NamedTuple

import numpy as np

from regulars.datasets.simulate.arrays import Bools, Columns, Floats, Ints, compiled
from regulars.datasets.simulate.blocks import blocks_of
from regulars.datasets.simulate.campaigns import plan_campaigns
from regulars.datasets.simulate.outlook import AS_PLANNED, coming_contacts, coming_days, see_contacts
from regulars.datasets.simulate.parameters import ShopParameters
from regulars.datasets.simulate.process import History, run
from regulars.datasets.simulate.rates import (
    Person,
    Rules,
    Today,
    accessory_order_probability,
    buying_stages,
    gap_goes_on,
)
from regulars.datasets.simulate.shop import lay_foundation
from regulars.datasets.simulate.state import People, State, World
from regulars.datasets.simulate.traits import draw_traits

NOBODY, QUIET, REGULAR, ACCESSORY = -1, 0, 1, 2
"""What a customer did on a day; `NOBODY`: not there yet, or known to have left."""


class Sheet(NamedTuple):
    """What happened on each day, (days, customers); all of it but the grudges is the same for every oracle."""

    came: Any  # int8: NOBODY (not there yet, or known to have left), QUIET, or the kind of order
    contact: Bools  # whether under a contact's effect
    bought: Bools  # whether there was an order before
    quiet: Floats  # chance that an active customer does not order on the day


class Ahead(NamedTuple):
    """The days of the horizon after one moment if no order comes, (horizon, customers)."""

    day: int
    contact: Bools
    quiet: Floats


class Cases(NamedTuple):
    """The tickets that act, those of customer i at [first[i], first[i + 1]), by the time of their order."""

    first: Ints
    order: Floats
    opened: Floats
    closed: Floats
    bad: Bools
    complaint: Bools


class Watched(NamedTuple):
    """A simulated shop's whole inner life."""

    world: World
    sheet: Sheet
    ahead: tuple[Ahead, ...]
    cases: Cases
    orders: tuple[Ints, Floats]  # where each customer's begin, and their times
    grudge: Floats  # (moments, customers) at the start of each moment, before the day's tickets


class _Watcher:
    """Notes each day as it can be told from the states at its beginning and its end."""

    def __init__(self, world: World) -> None:
        size = (world.parameters.history_days, len(world.traits))
        self.world, self.ahead, self.grudge = world, [], []  # type: tuple[World, list[Ahead], list[Floats]]
        self.sheet = Sheet(
            np.full(size, NOBODY, np.int8), np.zeros(size, np.bool_), np.zeros(size, np.bool_), np.ones(size)
        )
        self.before: tuple[Ints, Floats, Ints, Bools] | None = None

    def __call__(self, state: State, day: int) -> None:
        world = self.world
        if self.before is not None and day <= world.parameters.history_days:
            self._note(state, day - 1, *self.before)
        if day in world.parameters.moments:
            self.ahead.append(_ahead(world, state, day))
            self.grudge.append(state.grudge.copy())
        self.before = state.orders.copy(), state.clock.copy(), state.gadget_day.copy(), state.announced.copy()

    def _note(self, state: State, day: int, orders: Ints, clock: Floats, gadget: Ints, announced: Bools) -> None:
        world, sheet = self.world, self.sheet
        contact = day - state.last_contact < world.rules.campaign_days
        here = (world.traits.sign_up_day <= day) & ~announced
        came = np.where(state.last_order == day, np.where(state.clock == 0, REGULAR, ACCESSORY), QUIET)
        sheet.came[day] = np.where(here & ((world.traits.sign_up_day < day) | (came > 0)), came, NOBODY)
        sheet.contact[day], sheet.bought[day] = contact, orders > 0
        calendar = world.calendar
        today = Today(int(calendar.day_of_year[day]), float(calendar.weekly[day]), float(calendar.yearly[day]))
        _quiet(world.rules, world.people, today, day, orders, clock, gadget, contact, sheet.quiet[day])


@compiled
def person_of(people: People, i: int) -> Person:
    rate, shape, season, leave, effect, birthday = people
    return Person(rate[i], shape[i], season[i], leave[i], effect[i], birthday[i])


@compiled
def _quiet(
    rules: Rules,
    people: People,
    today: Today,
    day: int,
    orders: Ints,
    clock: Floats,
    gadget: Ints,
    contact: Bools,
    out: Floats,
) -> None:
    for i in range(len(out)):
        person = person_of(people, i)
        stages = buying_stages(rules, person, today, orders[i], contact[i])
        none = gap_goes_on(people.shape[i], orders[i], clock[i], stages, exp(-stages))
        out[i] = none * (1 - accessory_order_probability(rules, gadget[i], day))


def _ahead(world: World, state: State, day: int) -> Ahead:
    """The days after a moment, contacts as planned, if no order comes."""
    horizon, n = world.rules.horizon_days, len(world.traits)
    contact, quiet = np.zeros((horizon, n), np.bool_), np.ones((horizon, n))
    three = np.empty((3, horizon), np.bool_)
    campaigns, days = coming_contacts(world, state, day), coming_days(world, day)
    for i in range(n):
        see_contacts(world.rules, campaigns, i, int(state.last_contact[i]) - day, three)
        contact[:, i] = three[AS_PLANNED]
    clock = state.clock.copy()
    for at in range(horizon):
        today = Today(int(days.day_of_year[at]), float(days.weekly[at]), float(days.yearly[at]))
        _quiet(
            world.rules, world.people, today, day + at, state.orders, clock, state.gadget_day, contact[at], quiet[at]
        )
        clock += _stages(world.rules, world.people, today, state.orders, contact[at])
    return Ahead(day, contact, quiet)


@compiled
def _stages(rules: Rules, people: People, today: Today, orders: Ints, contact: Bools) -> Floats:
    found = np.empty(len(orders))
    for i in range(len(orders)):
        person = person_of(people, i)
        found[i] = buying_stages(rules, person, today, orders[i], contact[i])
    return found


def watch(parameters: ShopParameters, seed: int) -> Watched:
    """Lives a shop of one block once more and looks inside; it is `simulate_shop`'s of the same arguments."""
    foundation = lay_foundation(parameters, seed)
    (block,) = blocks_of(parameters.customers)
    rng = block.streams(seed)
    traits = draw_traits(parameters, foundation.calendar, rng["traits"])
    world = World(parameters, foundation.calendar, traits, plan_campaigns(parameters, rng["plan"]))
    watcher = _Watcher(world)
    history = run(world, rng["process"], with_outlooks=False, watch=watcher)
    first, order = _by_customer(history.orders, len(traits))
    return Watched(
        world,
        watcher.sheet,
        tuple(watcher.ahead),
        _cases(history, len(traits)),
        (first, history.orders["time"][order]),
        np.array(watcher.grudge),
    )


def _by_customer(columns: Columns, n: int) -> tuple[Ints, Ints]:
    """Where each customer's rows begin once sorted by customer (and time, as they come), and the sorting."""
    order = np.argsort(columns["customer"], kind="stable")
    return np.concatenate(([0], np.cumsum(np.bincount(columns["customer"], minlength=n)))), order


def _cases(history: History, n: int) -> Cases:
    cases = history.cases
    first, order = _by_customer(cases, n)
    at = history.orders["time"][cases["order"]]
    columns = (at, cases["opened"], cases["closed"], cases["bad"], cases["complaint"])
    return Cases(first, *(column[order] for column in columns))
