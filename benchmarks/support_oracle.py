"""What the history of support is worth to one who knows the simulator: the truth with and without a sight of it.

The simulator's own chance of no order (`no_order_probability`) knows a customer's traits, orders, contacts and how each
of their tickets was handled. Here the same chance is worked out for others who know all of that except the tickets:

- `UNSEEN`: nothing is known of support. Tickets are drawn many times from the process that draws them (an order leads
  to one with the customer's own proneness, an agent handles it well or badly, ...), each history is weighted by how
  probable it makes what the customer did (who was badly treated and orders on is the rarer), and the chances are
  averaged. So it is the best forecast that there is without support, by Bayes' rule, and the difference of its log
  loss and the truth's is the oracle's gain.
- `TABLES`: the tickets are known as the support table shows them: when each was opened, whether it is a complaint, and,
  once it is closed, when. Whether it was badly handled is drawn by what the time to the closing says of it. What the
  truth gains over this cannot be had from the tables. (The table says more: late replies, reopened tickets, ratings.
  So this is a lower bound of what can be seen.)
- `NO_GRUDGE`: nobody was ever treated badly or well; what bad handling did to a customer is the truth less this.

All of them step through the functions of `datasets/simulate/rates.py`, as the process does, and `TRUE`, worked out here
in the same way, must be the simulator's own probability to the last digits.
"""

from __future__ import annotations

from math import exp, lgamma, log
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator
from support_watch import Cases, Sheet, Watched, person_of

from regulars.datasets.simulate.arrays import Bools, Floats, Ints, compiled
from regulars.datasets.simulate.process import AGENT_SKILL
from regulars.datasets.simulate.rates import Person, Rules, leaving_hazard
from regulars.datasets.simulate.state import People

TRUE, NO_GRUDGE, UNSEEN, TABLES = "true", "no_grudge", "unseen", "tables"
PATHS = {UNSEEN: 128, TABLES: 32}
"""Histories drawn for each customer."""


class Handling(NamedTuple):
    """How tickets come and how they end: the numbers of `process` and `service`."""

    problem_share: float
    complaint_share: float
    badly_handled_share: float
    bond: float


def chances(watched: Watched, oracle: str) -> Floats:
    """(moments, customers) chance of no order in the horizon after each moment; NaN before the sign-up.

    Args:
        watched: a shop.
        oracle: `TRUE`, `NO_GRUDGE`, `UNSEEN` or `TABLES`.
    """
    world = watched.world
    parameters, traits = world.parameters, world.traits
    days = np.array([ahead.day for ahead in watched.ahead])
    contact = np.array([ahead.contact for ahead in watched.ahead])
    quiet = np.array([ahead.quiet for ahead in watched.ahead])
    handling = Handling(*(getattr(parameters, name) for name in Handling._fields))
    mode = (TRUE, NO_GRUDGE, UNSEEN, TABLES).index(oracle)
    paths = PATHS.get(oracle, 1)
    found = np.full((len(days), len(traits)), np.nan)
    rng = np.random.default_rng(0)
    first, orders = watched.orders
    sheet = Sheet(*(np.ascontiguousarray(column.T) for column in watched.sheet))
    for each, day in [(days, -1)] if oracle != TABLES else [(days[m : m + 1], m) for m in range(len(days))]:
        rows = slice(None) if day < 0 else slice(day, day + 1)
        _chances(
            world.rules,
            world.people,
            traits.dropout,
            np.minimum(parameters.problem_share * traits.problem_proneness, 0.9),
            handling,
            sheet,
            watched.cases,
            first,
            orders,
            each,
            contact[rows],
            quiet[rows],
            mode,
            paths,
            found[rows],
            rng,
        )
    return found


@compiled
def _chances(
    rules: Rules,
    people: People,
    dropout: Floats,
    prone: Floats,
    handling: Handling,
    sheet: Sheet,
    cases: Cases,
    first: Ints,
    orders: Floats,
    days: Ints,
    contact: Bools,
    quiet: Floats,
    mode: int,
    paths: int,
    found: Floats,
    rng: Generator,
) -> None:
    moments = len(days)
    most = 4
    for i in range(len(dropout)):
        most = max(most, first[i + 1] - first[i], cases.first[i + 1] - cases.first[i])
    made, acts, change = np.empty(most), np.empty(most, np.int64), np.empty(most)
    none, all_of = np.empty(moments), np.empty(moments)
    for i in range(len(dropout)):
        none[:], all_of[:] = 0.0, 0.0
        for _path in range(paths):
            if mode == 0:
                n = _as_it_was(handling, cases, i, made, acts, change)
            elif mode == 1:
                n = 0
            elif mode == 2:
                n = _drawn(rng, handling, prone[i], orders[first[i] : first[i + 1]], made, acts, change)
            else:
                n = _as_told(rng, handling, cases, i, days[0], made, acts, change)
            _follow(
                rules,
                person_of(people, i),
                dropout[i],
                sheet.came[i],
                sheet.contact[i],
                sheet.bought[i],
                sheet.quiet[i],
                made[:n],
                acts[:n],
                change[:n],
                days,
                contact[:, :, i],
                quiet[:, :, i],
                none,
                all_of,
            )
        for m in range(moments):
            found[m, i] = none[m] / all_of[m] if all_of[m] > 0 else np.nan


@compiled
def _follow(
    rules: Rules,
    person: Person,
    dropout: float,
    came: Any,
    contact: Bools,
    bought: Bools,
    quiet: Floats,
    made: Floats,
    acts: Ints,
    change: Floats,
    days: Ints,
    contact_ahead: Bools,
    quiet_ahead: Floats,
    none: Floats,
    all_of: Floats,
) -> None:
    """One history of tickets: adds, for each moment, its weight to `all_of`, and that of no order to `none`.

    The weight is the chance of what the customer did, up to factors that every history of tickets shares.
    """
    here, gone, grudge, moment, known_left = 1.0, 0.0, 0.0, 0, False
    seen, bought_now = False, False
    for day in range(days[-1] + 1):
        if day == days[moment]:
            if seen:
                left = (
                    1.0
                    if known_left
                    else _no_order(
                        rules,
                        person,
                        day,
                        grudge,
                        made,
                        acts,
                        change,
                        bought_now,
                        contact_ahead[moment],
                        quiet_ahead[moment],
                    )
                )
                none[moment] += gone + here * left
                all_of[moment] += gone + here
            moment += 1
            if moment == len(days):
                break
        grudge *= rules.grudge_fades
        for at in range(len(acts)):
            if acts[at] == day:
                grudge += change[at]
        if came[day] < 0:
            known_left = seen
            continue
        if not seen:  # the day of the sign-up, on which nobody leaves
            seen = True
            bought_now = bool(came[day] > 0 or bought[day])
            if came[day] > 0 and not bought[day]:
                here, gone = 1 - dropout, dropout
                continue
        stays = exp(-leaving_hazard(rules, person, 1 if bought[day] else 0, grudge, contact[day]))
        gone += here * (1 - stays) * (1 - rules.announce_share)
        here *= stays
        bought_now = bool(bought[day] or came[day] > 0)
        if came[day] == 0:
            here *= quiet[day]
        elif came[day] == 1:
            here, gone = here * (1 - dropout), here * dropout
        else:
            gone = 0.0


@compiled
def _no_order(
    rules: Rules,
    person: Person,
    day: int,
    grudge: float,
    made: Floats,
    acts: Ints,
    change: Floats,
    bought: bool,
    contact: Bools,
    quiet: Floats,
) -> float:
    """Chance of no order in the horizon to an active customer, with the tickets of the orders before the day."""
    waiting, left = 1.0, 0.0
    for at in range(rules.horizon_days):
        grudge *= rules.grudge_fades
        for ticket in range(len(acts)):
            if acts[ticket] == day + at and made[ticket] < day:
                grudge += change[ticket]
        stays = exp(-leaving_hazard(rules, person, 1 if bought else 0, grudge, contact[at]))
        left += waiting * (1 - stays)
        waiting *= stays * quiet[at]
    return waiting + left


@compiled
def _change(handling: Handling, bad: bool, complaint: bool) -> float:
    """What a closed ticket adds to the grudge."""
    if bad:
        return 1.0 if complaint else 0.4
    return -handling.bond if complaint else 0.0


@compiled
def _as_it_was(handling: Handling, cases: Cases, i: int, made: Floats, acts: Ints, change: Floats) -> int:
    """The tickets of the customer as they were; returns how many."""
    n = 0
    for at in range(cases.first[i], cases.first[i + 1]):
        made[n], acts[n] = cases.order[at], int(cases.closed[at]) + 1
        change[n] = _change(handling, cases.bad[at], cases.complaint[at])
        n += 1
    return n


@compiled
def _took(rng: Generator, bad: bool) -> float:
    """A time from opening to closing, in days."""
    return rng.gamma(4.0, 2.0) + 1.0 if bad else rng.gamma(2.0, 0.6) + 0.05


@compiled
def _is_bad(rng: Generator, handling: Handling) -> bool:
    skill = AGENT_SKILL[rng.integers(0, len(AGENT_SKILL))]
    return bool(rng.random() < min(handling.badly_handled_share * skill, 1.0))


@compiled
def _drawn(
    rng: Generator, handling: Handling, prone: float, orders: Floats, made: Floats, acts: Ints, change: Floats
) -> int:
    """Tickets that the orders might have led to, drawn as the process draws them; returns how many."""
    n = 0
    for at in range(len(orders)):
        if rng.random() < prone:
            bad, complaint = _is_bad(rng, handling), rng.random() < handling.complaint_share
            made[n] = orders[at]
            acts[n] = int(orders[at] + rng.exponential(4.0) + _took(rng, bad)) + 1
            change[n] = _change(handling, bad, complaint)
            n += 1
    return n


@compiled
def _as_told(
    rng: Generator, handling: Handling, cases: Cases, i: int, day: int, made: Floats, acts: Ints, change: Floats
) -> int:
    """The tickets opened before the day as the support table tells of them, the rest drawn; returns how many."""
    n = 0
    for at in range(cases.first[i], cases.first[i + 1]):
        if cases.order[at] >= day:
            continue
        opened, closed, complaint = cases.opened[at], cases.closed[at], cases.complaint[at]
        if closed < day:
            bad = rng.random() < _bad_by_time(handling, closed - opened)
        else:
            if opened >= day:  # nobody knows of it yet
                continue
            while True:
                bad = _is_bad(rng, handling)
                closed = opened + _took(rng, bad)
                if closed >= day:
                    break
        made[n], acts[n] = cases.order[at], int(closed) + 1
        change[n] = _change(handling, bad, complaint)
        n += 1
    return n


@compiled
def _bad_by_time(handling: Handling, took: float) -> float:
    """Chance that a ticket was badly handled, by Bayes' rule from how long it took."""
    bad = handling.badly_handled_share * _gamma_density(took - 1.0, 4.0, 2.0)
    good = (1 - handling.badly_handled_share) * _gamma_density(took - 0.05, 2.0, 0.6)
    return bad / (bad + good)


@compiled
def _gamma_density(x: float, shape: float, scale: float) -> float:
    if x <= 0:
        return 0.0
    return exp((shape - 1) * log(x / scale) - x / scale - lgamma(shape)) / scale
