"""The world of a shop, and the state of every customer at the start of a day.

Each day, in this order: yesterday's closed tickets begin to act; a campaign may go out; customers may leave; those who
stayed may buy. The rates are in `rates`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from regulars.datasets.simulate.arrays import NEVER, Bools, Floats, Ints
from regulars.datasets.simulate.calendar import Calendar
from regulars.datasets.simulate.campaigns import CampaignPlan, play_of
from regulars.datasets.simulate.parameters import ShopParameters
from regulars.datasets.simulate.rates import Rules
from regulars.datasets.simulate.traits import Traits


@dataclass
class Agenda:
    """Tickets that do not act yet: the day on which each is closed, and what it then adds to a customer's grudge."""

    customer: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    day: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    change: Floats = field(default_factory=lambda: np.empty(0))

    def add(self, customer: Ints, day: Ints, change: Floats) -> None:
        """Enters tickets."""
        self.customer = np.concatenate((self.customer, customer))
        self.day = np.concatenate((self.day, day))
        self.change = np.concatenate((self.change, change))

    def take(self, day: int) -> tuple[Ints, Floats]:
        """Customers and changes of the tickets closed on the day, which leave the agenda."""
        due = self.day == day
        taken = self.customer[due], self.change[due]
        self.customer, self.day, self.change = self.customer[~due], self.day[~due], self.change[~due]
        return taken


class People(NamedTuple):
    """Traits as columns of length customers, in the order of `rates.Person`."""

    rate: Floats
    shape: Ints
    season_sensitivity: Floats
    leave_hazard: Floats
    campaign_effect: Floats
    birthday: Ints


@dataclass(frozen=True)
class World:
    """What never changes while the days pass; the properties are the same for compiled code."""

    parameters: ShopParameters
    calendar: Calendar
    traits: Traits
    plan: CampaignPlan

    @cached_property
    def rules(self) -> Rules:
        """Numbers of the model."""
        known = {name: getattr(self.parameters, name) for name in Rules._fields if name != "grudge_fades"}
        known |= {"announce_share": 1.0} if self.parameters.contract else {}
        return Rules(grudge_fades=0.5 ** (1 / self.parameters.grudge_half_life_days), **known)

    @cached_property
    def people(self) -> People:
        """Traits that act on the process."""
        return People(*(getattr(self.traits, name) for name in People._fields))

    @cached_property
    def campaign(self) -> Ints:
        """The campaign of each day; -1: none."""
        campaign = np.full(self.parameters.days, -1)
        campaign[self.plan.days] = np.arange(len(self.plan.days))
        return campaign


class State(NamedTuple):
    """Columns of length customers, which change from day to day."""

    orders: Ints  # so far
    last_order: Ints  # day; -NEVER before the first
    clock: Floats  # stages of the Erlang gap passed since the last regular order, in expectation
    threshold: Floats  # the clock at which the next regular order comes
    leave_clock: Floats  # leaving hazard added up
    leave_threshold: Floats
    left_day: Ints  # first day without the customer; NEVER while active
    announced: Bools  # said that they left; nothing else about them changes any more
    grudge: Floats  # badly handled complaints, fading
    last_contact: Ints  # day
    last_campaign: Ints
    gadget_day: Ints  # of the last gadget whose accessory may still be wanted; -NEVER if none
    belief: Floats  # probability of being active to one who knows the traits and all that happened, save silent leaving


def first_state(world: World, rng: Generator) -> State:
    """Everyone before their first day."""
    n = len(world.traits)
    never = np.full(n, -NEVER)
    return State(
        orders=np.zeros(n, dtype=np.int64),
        last_order=never.copy(),
        clock=np.zeros(n),
        threshold=rng.exponential(1.0, n),
        leave_clock=np.zeros(n),
        leave_threshold=rng.exponential(1.0, n),
        left_day=np.full(n, NEVER),
        announced=np.zeros(n, dtype=np.bool_),
        grudge=np.zeros(n),
        last_contact=never.copy(),
        last_campaign=np.full(n, -1),
        gadget_day=never.copy(),
        belief=np.ones(n),
    )


def settle_grudges(world: World, state: State, day: int, agenda: Agenda) -> None:
    """Grudges fade by a day, and yesterday's closed tickets are added."""
    np.multiply(state.grudge, world.rules.grudge_fades, out=state.grudge)
    np.add.at(state.grudge, *agenda.take(day - 1))


def send_campaign(world: World, state: State, day: int) -> tuple[int, Ints]:
    """The day's campaign (-1: none) and the customers drawn for it; those not held out are contacted."""
    campaign = int(world.campaign[day])
    if campaign < 0:
        return campaign, np.empty(0, dtype=np.int64)
    drawn = np.flatnonzero(qualify(world, state, campaign, day) & world.plan.drawn[campaign])
    contacted = drawn[~world.plan.held_out[campaign, drawn]]
    state.last_contact[contacted] = day
    state.last_campaign[contacted] = campaign
    return campaign, drawn


def qualify(world: World, state: State, campaign: int, day: int) -> Bools:
    """Customers who may be drawn for a campaign on the day, if no order comes before it."""
    traits, play = world.traits, play_of(campaign)
    recency = day - state.last_order
    return np.asarray(
        (recency >= play.low)
        & (recency < play.high)
        & traits.consents
        & (traits.consent_until > day)
        & ~state.announced
    )
