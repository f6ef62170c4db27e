"""Dates and ties of people that do not act on the process: when they signed up, who referred whom, who reviews."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from regulars.datasets.simulate.arrays import NEVER, Bools, Columns, Floats, Ints
from regulars.datasets.simulate.process import History
from regulars.datasets.simulate.traits import Traits

CLUB_AFTER = 8  # orders until a private customer joins the club


def first_order_times(traits: Traits, history: History) -> Floats:
    """Time of each customer's first order; infinite without one."""
    first = np.full(len(traits), np.inf)
    is_first = history.orders["place"] == 0
    first[history.orders["customer"][is_first]] = history.orders["time"][is_first]
    return first


def sign_up_times(traits: Traits, first_order: Floats, rng: Generator) -> Floats:
    """Some minutes before the first order, or on the day for those who sign up without one."""
    n = len(traits)
    at_order = first_order - rng.uniform(4, 20, n) / 1440
    alone = traits.sign_up_day + rng.uniform(7, 23, n) / 24
    return np.asarray(np.where(traits.prospect, alone, at_order))


def club_times(traits: Traits, history: History) -> Floats:
    """When private customers joined the club, an hour after their eighth order; infinite for the others."""
    joined = np.full(len(traits), np.inf)
    orders = history.orders
    row = (orders["place"] == CLUB_AFTER - 1) & (traits.segment[orders["customer"]] == 0)
    joined[orders["customer"][row]] = orders["time"][row] + 1 / 24
    return joined


def referrers(traits: Traits, history: History, signed_up: Floats, first_order: Floats, rng: Generator) -> Ints:
    """Who brought each referred customer: someone active then, drawn by advocacy; -1 for the others.

    Drawn by rejection; who meets nobody active in 200 draws has no referrer in the tables.
    """
    referrer = np.full(len(traits), -1)
    edges = np.cumsum(traits.advocacy)
    open_ = np.flatnonzero(traits.referred)
    for _ in range(200):
        drawn = np.searchsorted(edges, rng.random(len(open_)) * edges[-1], side="right")
        drawn = np.minimum(drawn, len(traits) - 1)
        good = (first_order[drawn] < signed_up[open_]) & (history.left_day[drawn] > signed_up[open_])
        referrer[open_[good]] = drawn[good]
        open_ = open_[~good]
        if len(open_) == 0:
            break
    return referrer


def reviews(traits: Traits, history: History, rng: Generator) -> Columns:
    """Customer, time, rating (0 for a case study), is_case_study; the badly served rate lower."""
    orders, cases = history.orders, history.cases
    served_badly = np.zeros(len(traits), dtype=np.bool_)
    served_badly[cases["customer"][cases["bad"]]] = True
    customer = orders["customer"]
    writes: Bools = rng.random(len(customer)) < np.minimum(0.02 * traits.advocacy[customer], 0.5)
    shows: Bools = (traits.segment[customer] == 1) & (rng.random(len(customer)) < 0.003 * traits.advocacy[customer])
    row = np.concatenate((np.flatnonzero(writes), np.flatnonzero(shows)))
    is_case = np.arange(len(row)) >= writes.sum()
    rating = np.clip(np.round(rng.normal(np.where(served_badly[customer[row]], 3.3, 4.4), 0.8)), 1, 5)
    return {
        "customer": customer[row],
        "time": orders["time"][row] + 2 + rng.exponential(6.0, len(row)),
        "rating": np.where(is_case, 0, rating),
        "is_case_study": is_case,
    }


def goodbye_days(history: History) -> Ints:
    """Day on which a customer said that they left; NEVER for those who did not."""
    return np.where(history.announced, history.left_day, NEVER)
