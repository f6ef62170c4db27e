"""The life of the shop, day by day, for all customers at once: who buys, who complains, who leaves.

What is in the baskets does not act on the process and is drawn afterwards (`baskets`); what does act on it is drawn
here: that an order contains a gadget, whose accessory may bring the customer back within days, and that it leads to a
ticket, which well or badly handled changes the risk of leaving.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import exp
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from regulars.datasets.simulate.arrays import NEVER, Bools, Columns, Floats, Ints, compiled
from regulars.datasets.simulate.outlook import outlook
from regulars.datasets.simulate.rates import (
    Person,
    Rules,
    Today,
    accessory_order_probability,
    accessory_wanted,
    buying_stages,
    gap_goes_on,
    leaving_hazard,
)
from regulars.datasets.simulate.state import Agenda, People, State, World, first_state, send_campaign, settle_grudges

PATHS = 10
"""Lives that a true chance of cancelling is the mean of."""
_REGULAR, _FOR_ACCESSORY = 1, 2
AGENT_SKILL = np.array([0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6])  # share of badly handled tickets against the mean agent


@dataclass
class Events:
    """Columns of one kind of event, collected day by day."""

    parts: list[Columns] = field(default_factory=list)

    def add(self, **columns: Ints | Floats | Bools) -> None:
        """Append rows."""
        self.parts.append(dict(columns))

    def columns(self) -> Columns:
        """All rows so far, in the order in which they were added."""
        if not self.parts:
            return {}
        return {name: np.concatenate([part[name] for part in self.parts]) for name in self.parts[0]}


@dataclass(frozen=True)
class History:
    """What happened. Times are days since the start, with fractions; see `run` for the columns."""

    orders: Columns
    cases: Columns
    contacts: Columns
    outlooks: Columns
    left_day: Ints
    announced: Bools


def run(
    world: World, rng: Generator, *, with_outlooks: bool = True, watch: Callable[[State, int], None] | None = None
) -> History:
    """All days of the parameters, with or without the true probabilities at the parameters' moments.

    `watch` is shown the state at the start of each day, which it must not change.

    Orders: customer, time, place (0 for a customer's first), is_accessory (an order for the accessory alone),
    has_gadget, has_accessory, campaign (under whose effect, or -1). Cases: customer, order (row of orders), opened,
    closed, bad, complaint, agent. Contacts: customer, campaign, held_out.
    """
    (aside,) = rng.spawn(1)  # what the truth draws must not move the shop
    state = first_state(world, rng)
    agenda = Agenda()
    orders, cases, contacts, outlooks = Events(), Events(), Events(), Events()
    moments = set(world.parameters.moments) if with_outlooks else set()
    n_orders = 0
    for day in range(world.parameters.days):
        if watch is not None:
            watch(state, day)
        if day in moments:
            found = outlook(world, state, day, agenda)
            if world.parameters.contract:
                found["cancel_probability"] = cancel_probability(world, state, day, agenda, aside)[found["customer"]]
            outlooks.add(**found)
        settle_grudges(world, state, day, agenda)
        campaign, drawn = send_campaign(world, state, day)
        if campaign >= 0:
            held_out = world.plan.held_out[campaign, drawn]
            contacts.add(customer=drawn, campaign=np.full(len(drawn), campaign), held_out=held_out)
        new = _leave_and_buy(world, state, day, rng)
        orders.add(**new)
        cases.add(**_open_cases(world, new, n_orders, agenda, rng))
        n_orders += len(new["customer"])
    if not contacts.parts:
        contacts.add(customer=np.empty(0, np.int64), campaign=np.empty(0, np.int64), held_out=np.empty(0, np.bool_))
    return History(
        orders.columns(), cases.columns(), contacts.columns(), outlooks.columns(), state.left_day, state.announced
    )


def cancel_probability(world: World, state: State, day: int, agenda: Agenda, rng: Generator) -> Floats:
    """(customers,) probability that the contract is cancelled in [day, day + horizon); NaN for who has cancelled.

    Whoever still holds it cancels with the hazard of their own days, and these depend on orders and tickets to come.
    So the horizon is lived through `PATHS` times by customers who cannot leave, and the chance is the mean over those
    lives of 1 - exp(-hazard added up): exact but for the draw of lives, of which few are needed.
    """
    stays = np.zeros(len(state.left_day))
    for _ in range(PATHS):
        copied: dict[str, Any] = {name: column.copy() for name, column in state._asdict().items()}
        path = State(**copied | {"leave_threshold": np.full(len(stays), np.inf)})
        later = Agenda(agenda.customer, agenda.day, agenda.change)
        orders = 0
        for at in range(day, day + world.parameters.horizon_days):
            settle_grudges(world, path, at, later)
            send_campaign(world, path, at)
            new = _leave_and_buy(world, path, at, rng)
            _open_cases(world, new, orders, later, rng)
            orders += len(new["customer"])
        stays += np.exp(state.leave_clock - path.leave_clock)
    return np.where(state.announced, np.nan, 1 - stays / PATHS)


def _leave_and_buy(world: World, state: State, day: int, rng: Generator) -> Columns:
    """Customers leave at the first instant of the day, some saying so; of those who stayed, some order.

    Clocks and wishes for accessories follow, and beliefs fall by what silence tells.
    """
    calendar, traits = world.calendar, world.traits
    today = Today(int(calendar.day_of_year[day]), float(calendar.weekly[day]), float(calendar.yearly[day]))
    luck = rng.random(len(traits))
    comes = _pass_day(
        world.rules, world.people, traits.sign_up_day, traits.prospect, traits.announces, today, state, day, luck
    )
    customer = np.flatnonzero(comes)
    return _take_orders(world, state, day, customer, comes[customer] == _FOR_ACCESSORY, rng)


@compiled
def _pass_day(
    rules: Rules,
    people: People,
    sign_up_day: Ints,
    prospect: Bools,
    announces: Bools,
    today: Today,
    state: State,
    day: int,
    luck: Floats,
) -> NDArray[np.int8]:
    """Who comes on the day: 0 for nobody, else for a regular order or for an accessory alone."""
    rate, shape, season, leave, effect, birthday = people
    orders, clock, threshold, grudge, believed = state.orders, state.clock, state.threshold, state.grudge, state.belief
    leave_clock, leave_threshold, left_day = state.leave_clock, state.leave_threshold, state.left_day
    announced, last_contact, gadget_day = state.announced, state.last_contact, state.gadget_day
    comes = np.zeros(len(rate), np.int8)
    for i in range(len(comes)):
        if sign_up_day[i] >= day:
            comes[i] = _REGULAR if sign_up_day[i] == day and not prospect[i] else 0
            continue
        if announced[i]:
            continue
        person = Person(rate[i], shape[i], season[i], leave[i], effect[i], birthday[i])
        contact = day - last_contact[i] < rules.campaign_days

        hazard = leaving_hazard(rules, person, orders[i], grudge[i], contact)
        leave_clock[i] += hazard
        if left_day[i] > day and leave_clock[i] >= leave_threshold[i]:
            left_day[i] = day
            if announces[i]:
                announced[i], believed[i] = True, 0.0
                continue
        # Bayes' rule, for a day without a goodbye and without an order.
        belief, stays = believed[i], exp(-hazard)
        silent = 1 - belief * (1 - stays) * rules.announce_share
        belief *= stays

        stages = buying_stages(rules, person, today, orders[i], contact)
        by_accessory = accessory_order_probability(rules, gadget_day[i], day)
        none = gap_goes_on(shape[i], orders[i], clock[i], stages, exp(-stages)) * (1 - by_accessory)
        believed[i] = belief * none / (silent - belief * (1 - none))
        clock[i] += stages
        if left_day[i] > day:
            if clock[i] >= threshold[i]:
                comes[i] = _REGULAR
            elif luck[i] < by_accessory:
                comes[i] = _FOR_ACCESSORY
    return comes


def _take_orders(world: World, state: State, day: int, customer: Ints, is_accessory: Bools, rng: Generator) -> Columns:
    parameters, traits, n = world.parameters, world.traits, len(customer)
    regular = customer[~is_accessory]
    lots = rng.random((4, n))
    hours = rng.standard_normal((2, n))
    time = day + _time_of_day(lots[3], hours, rng.uniform(-0.4, 0.4, n))
    rules = world.rules, parameters.gadget_share, parameters.accessory_same_order
    place, has_gadget, has_accessory, campaign = _note_orders(rules, state, day, customer, is_accessory, lots)
    state.threshold[regular] = rng.gamma(traits.shape[regular], 1.0)
    drops_out = rng.random(len(regular)) < traits.dropout[regular]
    state.left_day[regular[drops_out]] = day + 1
    state.belief[regular] = 1 - traits.dropout[regular]
    return {
        "customer": customer,
        "time": time,
        "place": place,
        "is_accessory": is_accessory,
        "has_gadget": has_gadget,
        "has_accessory": has_accessory,
        "campaign": campaign,
    }


@compiled
def _note_orders(
    rules: tuple[Rules, float, float], state: State, day: int, customer: Ints, is_accessory: Bools, lots: Floats
) -> tuple[Ints, Bools, Bools, Ints]:
    """Place, has_gadget, has_accessory and campaign of the orders of a day; the state follows."""
    model, gadget_share, same_order = rules
    n = len(customer)
    place, campaign = np.empty(n, np.int64), np.empty(n, np.int64)
    has_gadget, has_accessory = np.empty(n, np.bool_), np.empty(n, np.bool_)
    for at in range(n):
        i = customer[at]
        wanted = lots[0, at] < accessory_wanted(model, state.gadget_day[i], day)
        has_gadget[at] = lots[1, at] < gadget_share and not is_accessory[at]
        at_once = has_gadget[at] and lots[2, at] < same_order
        has_accessory[at] = is_accessory[at] or (wanted and not has_gadget[at]) or at_once
        under_contact = day - state.last_contact[i] < model.campaign_days
        campaign[at] = state.last_campaign[i] if under_contact else -1
        state.gadget_day[i] = day if has_gadget[at] and not at_once else -NEVER
        place[at] = state.orders[i]
        state.orders[i] += 1
        state.last_order[i] = day
        state.belief[i] = 1.0
        if not is_accessory[at]:
            # An order for an accessory alone comes on top: the gap to the next regular order goes on.
            state.clock[i] = 0.0
    return place, has_gadget, has_accessory, campaign


def _time_of_day(lot: Floats, hours: Floats, shift: Floats) -> Floats:
    """Around noon or in the evening, as a fraction of a day."""
    hour = np.where(lot < 0.4, 19.5 + 1.6 * hours[0], 12.5 + 2.2 * hours[1])
    return np.asarray(np.clip(hour + shift, 6.5, 23.4) / 24)


def _open_cases(world: World, orders: Columns, first_row: int, agenda: Agenda, rng: Generator) -> Columns:
    """Tickets that the orders lead to, entered in the agenda for the day on which they are closed."""
    parameters, traits = world.parameters, world.traits
    chance = np.minimum(parameters.problem_share * traits.problem_proneness[orders["customer"]], 0.9)
    row = np.flatnonzero(rng.random(len(chance)) < chance)
    n = len(row)
    agent = rng.integers(0, len(AGENT_SKILL), n)
    bad = rng.random(n) < np.minimum(parameters.badly_handled_share * AGENT_SKILL[agent], 1.0)
    complaint = rng.random(n) < parameters.complaint_share
    customer, opened = orders["customer"][row], orders["time"][row] + rng.exponential(4.0, n)
    closed = opened + np.where(bad, rng.gamma(4.0, 2.0, n) + 1.0, rng.gamma(2.0, 0.6, n) + 0.05)
    change = np.where(bad, np.where(complaint, 1.0, 0.4), np.where(complaint, -parameters.bond, 0.0))
    agenda.add(customer, np.floor(closed).astype(np.int64), change)
    return {
        "customer": customer,
        "order": first_row + row,
        "opened": opened,
        "closed": closed,
        "bad": bad,
        "complaint": complaint,
        "agent": agent,
    }
