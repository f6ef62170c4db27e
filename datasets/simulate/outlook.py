"""True probabilities: what the model itself says, at a moment, of the horizon that follows.

The state at the moment is stepped forward day by day under the assumption that no order comes. Whatever happens to a
customer meanwhile is then known: the season, fading grudges, the tickets of earlier orders, the campaigns as planned.
So the probability of no order is an exact sum over days, not an estimate by trials.
"""

from __future__ import annotations

from math import exp
from typing import NamedTuple

import numpy as np

from regulars.datasets.simulate.arrays import Bools, Columns, Floats, Ints, compiled
from regulars.datasets.simulate.rates import (
    Person,
    Rules,
    Today,
    accessory_order_probability,
    buying_stages,
    gap_goes_on,
    leaving_hazard,
)
from regulars.datasets.simulate.state import Agenda, People, State, World, qualify

AS_PLANNED, CONTACTED, ALONE = range(3)
"""What may come of campaigns: as planned; contacted at the moment, and none afterwards; none at all."""


class Days(NamedTuple):
    """The calendar of the horizon."""

    day_of_year: Ints
    weekly: Floats
    yearly: Floats


class Campaigns(NamedTuple):
    """Planned campaigns of the horizon: days from the moment, and (campaigns, customers) whom they reach."""

    after: Ints
    reached: Bools


class _Tickets(NamedTuple):
    """Open tickets that act within the horizon, by customer and time: those of i are at [first[i], first[i + 1])."""

    first: Ints
    after: Ints  # days from the moment on which it begins to act
    change: Floats


def outlook(world: World, state: State, day: int, agenda: Agenda) -> Columns:
    """True state and probabilities at the start of `day`, of everyone who signed up before it.

    `no_order_probability` knows the traits and all that happened, but not who has left in silence: no forecast from the
    shop's tables can do better on average. `no_order_probability_latent` knows that too. The last two columns are
    probabilities of an order if the customer is contacted at the moment, and if not, with no campaign afterwards.
    """
    known = np.flatnonzero(world.traits.sign_up_day < day)
    as_planned, contacted, alone = no_order_if_active(world, state, day, agenda)[:, known]
    active, belief = state.left_day[known] > day, state.belief[known]
    return {
        "customer": known,
        "day": np.full(len(known), day),
        "active": active,
        "orders_before": state.orders[known],
        "active_probability": belief,
        "no_order_probability": 1 - belief * (1 - as_planned),
        "no_order_probability_latent": np.where(active, as_planned, 1.0),
        "order_probability_if_contacted": belief * (1 - contacted),
        "order_probability_if_left_alone": belief * (1 - alone),
    }


def no_order_if_active(world: World, state: State, day: int, agenda: Agenda) -> Floats:
    """Probability of no order in [day, day + horizon), given that the customer is active.

    Returns:
        Shape (3, customers): AS_PLANNED, CONTACTED, ALONE. NaN for those who have not signed up, 1 for those who said
        that they left.
    """
    asked = np.flatnonzero((world.traits.sign_up_day < day) & ~state.announced)
    found = np.where(state.announced, 1.0, np.full((3, len(state.announced)), np.nan))
    campaigns, tickets = coming_contacts(world, state, day), _open_tickets(world, agenda, day)
    _foretell(world.rules, world.people, coming_days(world, day), campaigns, tickets, state, day, asked, found)
    return found


def coming_days(world: World, day: int) -> Days:
    """The calendar of the horizon from a day on."""
    window, calendar = slice(day, day + world.rules.horizon_days), world.calendar
    return Days(calendar.day_of_year[window], calendar.weekly[window], calendar.yearly[window])


def coming_contacts(world: World, state: State, day: int) -> Campaigns:
    """The planned campaigns of the horizon, and whom they reach if no order comes."""
    plan = world.plan
    after = np.flatnonzero(world.campaign[day : day + world.rules.horizon_days] >= 0)
    reached = np.zeros((len(after), len(world.traits)), dtype=np.bool_)
    for row, at in enumerate(after):
        campaign = int(world.campaign[day + at])
        reached[row] = qualify(world, state, campaign, day + int(at)) & plan.drawn[campaign] & ~plan.held_out[campaign]
    return Campaigns(after, reached)


def _open_tickets(world: World, agenda: Agenda, day: int) -> _Tickets:
    order = np.lexsort((agenda.day, agenda.customer))
    first = np.concatenate(([0], np.cumsum(np.bincount(agenda.customer, minlength=len(world.traits)))))
    return _Tickets(first, agenda.day[order] + 1 - day, agenda.change[order])


@compiled
def _foretell(
    rules: Rules,
    people: People,
    days: Days,
    campaigns: Campaigns,
    tickets: _Tickets,
    state: State,
    day: int,
    asked: Ints,
    found: Floats,
) -> None:
    rate, shape, season, leave, effect, birthday = people
    orders, clock, grudges, gadget_day = state.orders, state.clock, state.grudge, state.gadget_day
    horizon = rules.horizon_days
    contact = np.empty((3, horizon), np.bool_)
    grudge, no_accessory = np.empty(horizon), np.empty(horizon)
    stays, stages, decay = np.empty((2, horizon)), np.empty((2, horizon)), np.empty((2, horizon))
    for i in asked:
        person = Person(rate[i], shape[i], season[i], leave[i], effect[i], birthday[i])
        see_contacts(rules, campaigns, i, state.last_contact[i] - day, contact)
        _see_grudges(rules, tickets, i, grudges[i], grudge)
        for at in range(horizon):
            no_accessory[at] = 1 - accessory_order_probability(rules, gadget_day[i], day + at)
            today = Today(days.day_of_year[at], days.weekly[at], days.yearly[at])
            in_contact = contact[0, at] + contact[1, at] + contact[2, at]
            for with_contact in range(in_contact == 3, 1 + (in_contact > 0)):
                step = buying_stages(rules, person, today, orders[i], with_contact == 1)
                hazard = leaving_hazard(rules, person, orders[i], grudge[at], with_contact == 1)
                stages[with_contact, at], decay[with_contact, at] = step, exp(-step)
                stays[with_contact, at] = exp(-hazard)
        for future in range(3):
            waiting, left, passed = 1.0, 0.0, clock[i]  # waiting: active, and without an order so far
            for at in range(horizon):
                with_contact = 1 if contact[future, at] else 0
                step = stages[with_contact, at]
                left += waiting * (1 - stays[with_contact, at])
                goes_on = gap_goes_on(shape[i], orders[i], passed, step, decay[with_contact, at])
                waiting *= stays[with_contact, at] * goes_on * no_accessory[at]
                passed += step
            found[future, i] = waiting + left


@compiled
def see_contacts(rules: Rules, campaigns: Campaigns, i: int, last: int, contact: Bools) -> None:
    """Under whose effect each day of a future is; `last` is the last contact before, in days from the moment."""
    planned, campaign = last, 0
    for at in range(rules.horizon_days):
        if campaign < len(campaigns.after) and campaigns.after[campaign] == at:
            planned = at if campaigns.reached[campaign, i] else planned
            campaign += 1
        contact[AS_PLANNED, at] = at - planned < rules.campaign_days
        contact[CONTACTED, at] = at < rules.campaign_days
        contact[ALONE, at] = at - last < rules.campaign_days


@compiled
def _see_grudges(rules: Rules, tickets: _Tickets, i: int, now: float, grudge: Floats) -> None:
    """The grudge of each day, as it fades and tickets are closed."""
    ticket = tickets.first[i]
    for at in range(rules.horizon_days):
        now *= rules.grudge_fades
        while ticket < tickets.first[i + 1] and tickets.after[ticket] == at:
            now += tickets.change[ticket]
            ticket += 1
        grudge[at] = now
