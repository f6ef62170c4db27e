"""Rates and true probabilities a second time, for all customers at once, as docs/simulator.md writes them."""

from __future__ import annotations

import numpy as np

from regulars.datasets.simulate.arrays import Bools, Floats, Ints
from regulars.datasets.simulate.campaigns import play_of
from regulars.datasets.simulate.state import Agenda, State, World


def leave_probability(world: World, state: State, grudge: Floats, contact: Bools) -> Floats:
    p, traits = world.parameters, world.traits
    base = np.where(state.orders == 0, 1 / p.lost_interest_days, traits.leave_hazard)
    effect = p.support_effect * np.clip(grudge, -1, 3) - p.campaign_leave_weight * traits.campaign_effect * contact
    return np.asarray(1 - np.exp(-base * np.exp(effect)))


def stages(world: World, state: State, day: int, contact: Bools) -> Floats:
    p, traits, calendar = world.parameters, world.traits, world.calendar
    base = np.where(state.orders == 0, 1 / p.conversion_days, traits.rate * traits.shape)
    birthday = np.where((traits.birthday - calendar.day_of_year[day]) % 365 < 7, 1 + p.birthday_lift, 1.0)
    season = np.exp(traits.season_sensitivity * calendar.yearly[day] + traits.campaign_effect * contact)
    return np.asarray(base * calendar.weekly[day] * birthday * season)


def no_regular_order(world: World, state: State, clock: Floats, x: Floats) -> Floats:
    k = np.where(state.orders == 0, 1, world.traits.shape)
    before, after = (1 + a * (k >= 2) + a**2 / 2 * (k >= 3) for a in (clock, clock + x))
    return np.asarray(np.exp(-x) * after / before)


def accessory_order(world: World, gadget_day: Ints, day: int) -> Floats:
    p = world.parameters
    still = p.accessory_later * np.exp(-np.minimum(day - 1 - gadget_day, 10_000) / p.accessory_days)
    return np.asarray(still / (1 - p.accessory_later + still) * (1 - np.exp(-1 / p.accessory_days)))


def no_order(world: World, state: State, day: int, agenda: Agenda, last_contact: Ints, *, campaigns: bool) -> Floats:
    """Probability of no order in the horizon, given that the customer is active."""
    p, traits, plan = world.parameters, world.traits, world.plan
    n = len(traits)
    clock, grudge, contacted = state.clock.copy(), state.grudge.copy(), last_contact.copy()
    survival, left = np.ones(n), np.zeros(n)
    for today in range(day, day + p.horizon_days):
        grudge *= 0.5 ** (1 / p.grudge_half_life_days)
        for customer, closed, change in zip(agenda.customer, agenda.day, agenda.change, strict=True):
            if closed == today - 1:
                grudge[customer] += change
        for campaign in np.flatnonzero(plan.days == today) if campaigns else ():
            play, recency = play_of(int(campaign)), today - state.last_order
            reached = plan.drawn[campaign] & ~plan.held_out[campaign] & (play.low <= recency) & (recency < play.high)
            contacted[reached & traits.consents & (traits.consent_until > today)] = today
        contact = today - contacted < p.campaign_days
        leaves, x = leave_probability(world, state, grudge, contact), stages(world, state, today, contact)
        none = no_regular_order(world, state, clock, x) * (1 - accessory_order(world, state.gadget_day, today))
        left += survival * leaves
        survival *= (1 - leaves) * none
        clock += x
    return survival + left
