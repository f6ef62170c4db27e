"""The support table: what is seen of tickets, and work outside tickets."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from regulars.datasets.simulate.arrays import Bools, Columns, Floats, Ints
from regulars.datasets.simulate.parameters import ShopParameters
from regulars.datasets.simulate.process import AGENT_SKILL, Events
from regulars.datasets.simulate.traits import Traits

AGENTS = ("Anke", "Bruno", "Carla", "Dario", "Elif", "Franz", "Greta")
WAYS = ("email", "phone", "chat")
COMPLAINTS = ("late delivery", "damaged goods", "wrong item", "faulty product", "wrong invoice")
QUESTIONS = ("how to use", "spare part", "invoice copy", "delivery date", "advice")
TOPICS = (*COMPLAINTS, *QUESTIONS)
EVENTS = ("opened", "replied", "worked", "closed", "reopened", "rated")
_OPENED, _REPLIED, _WORKED, _CLOSED, _REOPENED, _RATED = range(len(EVENTS))
NONE = -1

if len(AGENTS) != len(AGENT_SKILL):
    raise AssertionError("every agent needs a name and a skill")


def with_questions(parameters: ShopParameters, orders: Columns, cases: Columns, rng: Generator) -> Columns:
    """The tickets of the process and, beside them, questions that have no effect; columns as of the process's cases."""
    row = np.flatnonzero(rng.random(len(orders["time"])) < parameters.question_share)
    n = len(row)
    opened = orders["time"][row] + rng.exponential(20.0, n)
    questions: Columns = {
        "customer": orders["customer"][row],
        "order": row,
        "opened": opened,
        "closed": opened + rng.gamma(2.0, 0.4, n) + 0.05,
        "bad": np.zeros(n, dtype=np.bool_),
        "complaint": np.zeros(n, dtype=np.bool_),
        "agent": rng.integers(0, len(AGENTS), n),
    }
    both = {name: np.concatenate((column, questions[name])) for name, column in cases.items()}
    by_time = np.argsort(both["opened"], kind="stable")
    return {name: column[by_time] for name, column in both.items()}


def support_events(
    parameters: ShopParameters, traits: Traits, left_day: Ints, tickets: Columns, rng: Generator
) -> Columns:
    """Rows of the support table by time; -1 stands for what does not apply.

    Columns: customer, time, event, ticket, minutes, agent, way, topic, complaint, satisfaction. A ticket is opened,
    answered, worked on and closed; badly handled, it is answered late and often closed too early and reopened.
    """
    events = Events()
    _ticket_events(events, tickets, rng)
    _work_outside_tickets(events, parameters, traits, left_day, rng)
    columns = events.columns()
    by_time = np.lexsort((columns["event"], columns["ticket"], columns["time"]))
    return {name: column[by_time] for name, column in columns.items()}


def _ticket_events(events: Events, tickets: Columns, rng: Generator) -> None:
    n = len(tickets["opened"])
    every, bad, complaint = np.ones(n, dtype=np.bool_), tickets["bad"], tickets["complaint"]
    opened, closed = tickets["opened"], tickets["closed"]
    took = closed - opened
    agent, way = tickets["agent"], rng.integers(0, len(WAYS), n)
    topic = np.where(
        complaint, rng.integers(0, len(COMPLAINTS), n), len(COMPLAINTS) + rng.integers(0, len(QUESTIONS), n)
    )

    def add(event: int, mask: Bools, at: Floats, minutes: Floats | None = None, rating: Floats | None = None) -> None:
        at_opening = event == _OPENED
        rows = np.flatnonzero(mask)
        none = np.full(len(rows), NONE)
        events.add(
            customer=tickets["customer"][rows],
            time=at[rows],
            event=np.full(len(rows), event),
            ticket=rows,
            minutes=none * 1.0 if minutes is None else minutes[rows],
            agent=none if event in {_OPENED, _RATED, _REOPENED} else agent[rows],
            way=way[rows],
            topic=topic[rows] if at_opening else none,
            complaint=complaint[rows].astype(np.int64) if at_opening else none,
            satisfaction=none * 1.0 if rating is None else rating[rows],
        )

    reopened = bad & (rng.random(n) < 0.5)
    add(_OPENED, every, opened)
    add(_REPLIED, every, opened + took * np.where(bad, 0.45, 0.25), _minutes(6, n, rng))
    add(_WORKED, every, opened + took * 0.6, _minutes(np.where(bad, 28.0, 14.0), n, rng))
    add(_CLOSED, reopened, opened + took * 0.65)
    add(_REOPENED, reopened, opened + took * 0.75)
    add(_REPLIED, reopened, opened + took * 0.85, _minutes(8, n, rng))
    add(_WORKED, reopened, opened + took * 0.95, _minutes(22, n, rng))
    add(_CLOSED, every, closed)
    rating = np.clip(np.round(rng.normal(np.where(bad, 1.9, 4.4), 0.8)), 1, 5)
    add(_RATED, rng.random(n) < 0.45, closed + 0.02 + rng.exponential(1.0, n), rating=rating)


def _work_outside_tickets(
    events: Events, parameters: ShopParameters, traits: Traits, left_day: Ints, rng: Generator
) -> None:
    """Calls, visits and chased invoices: monthly for business customers, rarely for others, more for the prone."""
    span = np.clip(np.minimum(left_day, parameters.days) - traits.sign_up_day - 1, 0, None)
    per_day = np.where(traits.segment == 1, 1 / 30, 1 / 400) * (0.3 + 0.7 * traits.problem_proneness)
    customer = np.repeat(np.arange(len(traits)), rng.poisson(per_day * span))
    n = len(customer)
    day = traits.sign_up_day[customer] + 1 + np.floor(rng.random(n) * span[customer])
    none = np.full(n, NONE)
    events.add(
        customer=customer,
        time=day + rng.uniform(8, 17, n) / 24,
        event=np.full(n, _WORKED),
        ticket=none,
        minutes=_minutes(18, n, rng),
        agent=rng.integers(0, len(AGENTS), n),
        way=np.full(n, WAYS.index("phone")),
        topic=none,
        complaint=none,
        satisfaction=none * 1.0,
    )


def _minutes(mean: float | Floats, size: int, rng: Generator) -> Floats:
    """Log-normal minutes with about this mean, in tenths."""
    return np.asarray(np.round(np.maximum(mean * np.exp(rng.normal(-0.18, 0.6, size)), 0.5), 1))
