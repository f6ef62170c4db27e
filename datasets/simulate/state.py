"""The state of every customer at the start of a day, and what the state says of the day if nothing is bought.

These are the only places where the rates of buying and leaving are written. The simulation (`process`) and the true
probabilities (`outlook`) both step through them, so the truth cannot differ from the process that made the data.

Each day, in this order: yesterday's closed tickets begin to act; a campaign may go out; customers may leave; those who
stayed may buy.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, fields

import numpy as np
from numpy.random import Generator

from regulars.datasets.simulate.arrays import NEVER, Bools, Floats, Ints
from regulars.datasets.simulate.calendar import Calendar
from regulars.datasets.simulate.campaigns import CampaignPlan, play_of
from regulars.datasets.simulate.parameters import ShopParameters
from regulars.datasets.simulate.traits import Traits

Agenda = defaultdict[int, list[tuple[Ints, Floats]]]
"""By day: tickets closed on it, as customers and what each adds to their grudge."""

MAX_GRUDGE = 3.0
MIN_GRUDGE = -1.0


@dataclass(frozen=True)
class World:
    """What never changes while the days pass."""

    parameters: ShopParameters
    calendar: Calendar
    traits: Traits
    plan: CampaignPlan


@dataclass
class State:
    """Columns of length customers. It changes from day to day; `copy` before looking ahead."""

    orders: Ints  # so far
    last_order: Ints  # day; -NEVER before the first
    clock: Floats  # stages of the Erlang gap passed since the last regular order, in expectation
    threshold: Floats  # the clock at which the next regular order comes
    leave_clock: Floats  # leaving hazard added up
    leave_threshold: Floats
    left_day: Ints  # first day without the customer; NEVER while active
    announced: Bools  # said that they left
    grudge: Floats  # badly handled complaints, fading
    last_contact: Ints  # day
    last_campaign: Ints
    gadget_day: Ints  # of the last gadget whose accessory may still be wanted; -NEVER if none
    belief: Floats  # probability of being active to one who knows the traits and all that happened, save silent leaving

    def copy(self) -> State:
        """An independent copy."""
        return State(**{item.name: getattr(self, item.name).copy() for item in fields(self)})


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
    state.grudge *= 0.5 ** (1 / world.parameters.grudge_half_life_days)
    for customers, change in agenda.get(day - 1, ()):
        np.add.at(state.grudge, customers, change)


def send_campaign(world: World, state: State, day: int) -> tuple[int, Ints]:
    """The day's campaign (-1: none) and the customers drawn for it; those not held out are contacted."""
    campaign = world.plan.on(day)
    if campaign < 0:
        return campaign, np.empty(0, dtype=np.int64)
    traits, play = world.traits, play_of(campaign)
    recency = day - state.last_order
    drawn = np.flatnonzero(
        world.plan.drawn[campaign]
        & (recency >= play.low)
        & (recency < play.high)
        & traits.consents
        & (traits.consent_until > day)
        & ~state.announced
    )
    contacted = drawn[~world.plan.held_out[campaign, drawn]]
    state.last_contact[contacted] = day
    state.last_campaign[contacted] = campaign
    return campaign, drawn


def leaving_hazard(world: World, state: State, day: int) -> Floats:
    """Hazard of leaving on the day, added up over its 24 hours; a probability is 1 - exp(-hazard)."""
    parameters, traits = world.parameters, world.traits
    base = np.where(state.orders == 0, 1 / parameters.lost_interest_days, traits.leave_hazard)
    grudge = parameters.support_effect * np.clip(state.grudge, MIN_GRUDGE, MAX_GRUDGE)
    contact = -parameters.campaign_leave_weight * traits.campaign_effect * _under_contact(world, state, day)
    return np.asarray(base * np.exp(grudge + contact))


def buying_stages(world: World, state: State, day: int) -> Floats:
    """By how much the clock of the Erlang gap moves on this day."""
    parameters, traits, calendar = world.parameters, world.traits, world.calendar
    base = np.where(state.orders == 0, 1 / parameters.conversion_days, traits.rate * traits.shape)
    season = traits.season_sensitivity * calendar.yearly[day]
    contact = traits.campaign_effect * _under_contact(world, state, day)
    to_birthday = (traits.birthday - calendar.day_of_year[day]) % 365
    birthday = 1 + parameters.birthday_lift * (to_birthday < 7)
    return np.asarray(base * calendar.weekly[day] * birthday * np.exp(season + contact))


def regular_order_probability(state: State, shape: Ints, stages: Floats) -> Floats:
    """Probability that the gap ends while the clock moves by `stages`, given that it has not ended yet.

    One minus the ratio of two Erlang survival functions, exp(-a) (1 + a [k >= 2] + a^2 / 2 [k >= 3]).
    """
    shape = np.where(state.orders == 0, 1, shape)
    before, after = _polynomial(state.clock, shape), _polynomial(state.clock + stages, shape)
    return np.asarray(1 - np.exp(-stages) * after / before)


def accessory_wanted(world: World, state: State, day: int) -> Floats:
    """Probability that the accessory of the last gadget is still wanted at the start of the day."""
    parameters = world.parameters
    waited = np.minimum(day - 1 - state.gadget_day, 10_000)
    still = parameters.accessory_later * np.exp(-waited / parameters.accessory_days)
    return np.asarray(still / (1 - parameters.accessory_later + still))


def accessory_order_probability(world: World, state: State, day: int) -> Floats:
    """Probability of an order for the accessory alone on the day."""
    return np.asarray(accessory_wanted(world, state, day) * -np.expm1(-1 / world.parameters.accessory_days))


def _polynomial(clock: Floats, shape: Ints) -> Floats:
    return np.asarray(1 + (shape >= 2) * clock + (shape >= 3) * 0.5 * clock**2)


def _under_contact(world: World, state: State, day: int) -> Bools:
    return np.asarray(day - state.last_contact < world.parameters.campaign_days)
