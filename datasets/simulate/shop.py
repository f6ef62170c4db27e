"""Puts a simulated shop together: draw the people, live through the days, fill the baskets, write the tables."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.random import Generator

from regulars.datasets.simulate import truth
from regulars.datasets.simulate.arrays import Ints
from regulars.datasets.simulate.assortment import Assortment, Shelf, make_assortment
from regulars.datasets.simulate.baskets import fill_baskets
from regulars.datasets.simulate.calendar import make_calendar
from regulars.datasets.simulate.campaigns import CampaignPlan, plan_campaigns
from regulars.datasets.simulate.catalogue import Sort
from regulars.datasets.simulate.lines import all_lines
from regulars.datasets.simulate.parameters import ShopParameters
from regulars.datasets.simulate.people import (
    club_times,
    first_order_times,
    goodbye_days,
    referrers,
    reviews,
    sign_up_times,
)
from regulars.datasets.simulate.process import run
from regulars.datasets.simulate.service import support_events, with_questions
from regulars.datasets.simulate.state import World
from regulars.datasets.simulate.tables import (
    advocacy_frame,
    contacts_frame,
    customers_frame,
    make_clock,
    orders_frame,
    products_frame,
    support_frame,
)
from regulars.datasets.simulate.traits import draw_traits

_STREAMS = ("assortment", "traits", "plan", "process", "suggestions", "baskets", "lines", "service", "people", "tables")
_HAPPENED = {
    "orders": "ordered_at",
    "support": "occurred_at",
    "customers": "valid_from",
    "products": "valid_from",
    "contacts": "contacted_at",
    "advocacy": "occurred_at",
}


@dataclass(frozen=True)
class SimulatedShop:
    """The six tables up to the end of the history, and the truth frames of docs/simulator.md by name."""

    parameters: ShopParameters
    seed: int
    orders: pd.DataFrame
    support: pd.DataFrame
    customers: pd.DataFrame
    products: pd.DataFrame
    contacts: pd.DataFrame
    advocacy: pd.DataFrame
    truth: dict[str, pd.DataFrame] = field(repr=False)

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The six tables by name."""
        return {name: getattr(self, name) for name in _HAPPENED}


def simulate_shop(parameters: ShopParameters, seed: int) -> SimulatedShop:
    """A shop drawn from the model of docs/simulator.md; the same parameters and seed give the same shop.

    Args:
        parameters: size, time span and every rate of the model.
        seed: not negative. Each part of the model has its own stream of random numbers, so that a change to one part
            leaves the draws of the others alone.
    """
    streams = np.random.SeedSequence(seed).spawn(len(_STREAMS))
    rng = {name: np.random.default_rng(stream) for name, stream in zip(_STREAMS, streams, strict=True)}
    clock, calendar = make_clock(parameters), make_calendar(parameters)
    assortment = make_assortment(parameters, rng["assortment"])
    traits = draw_traits(parameters, calendar, rng["traits"])
    world = World(parameters, calendar, traits, plan_campaigns(parameters, rng["plan"]))
    history = run(world, rng["process"])

    suggested = _suggested_products(world.plan, assortment, rng["suggestions"])
    baskets = fill_baskets(world, assortment, history.orders, suggested, rng["baskets"])
    lines = all_lines(parameters, assortment, traits, history.orders, baskets.lines, rng["lines"])
    tickets = with_questions(parameters, history.orders, history.cases, rng["service"])
    support = support_events(parameters, traits, history.left_day, tickets, rng["service"])
    first_order = first_order_times(traits, history)
    signed_up = sign_up_times(traits, first_order, rng["people"])
    referrer = referrers(traits, history, signed_up, first_order, rng["people"])
    reviewed = reviews(traits, history, rng["people"])
    club, goodbye = club_times(traits, history), goodbye_days(history)

    tables = {
        "orders": orders_frame(clock, lines),
        "support": support_frame(clock, support),
        "customers": customers_frame(clock, traits, signed_up, club, goodbye, rng["tables"]),
        "products": products_frame(parameters, clock, assortment),
        "contacts": contacts_frame(parameters, clock, world.plan, history.contacts, suggested),
        "advocacy": advocacy_frame(clock, referrer, signed_up, reviewed),
    }
    end = pd.Timestamp(parameters.end)
    past = {name: frame[frame[_HAPPENED[name]] < end].reset_index(drop=True) for name, frame in tables.items()}
    hidden = {
        "customers": truth.customers_truth(parameters, clock, traits, history, referrer, lines, support),
        "churn": truth.churn_truth(parameters, clock, history, lines),
        "tickets": truth.tickets_truth(clock, history, tickets, lines),
        "seasons": truth.seasons_truth(clock, calendar),
        "future_orders": tables["orders"][tables["orders"]["ordered_at"] >= end].reset_index(drop=True),
        **truth.assortment_truth(parameters, clock, assortment),
        **truth.baskets_truth(clock, assortment, baskets),
    }
    return SimulatedShop(parameters, seed, **past, truth=hidden)


def _suggested_products(plan: CampaignPlan, assortment: Assortment, rng: Generator) -> Ints:
    """The product of each next-product campaign, popular and on sale on its day; -1 for the other campaigns."""
    shelf = Shelf(
        assortment, np.zeros(len(assortment), dtype=np.int64), assortment.is_sort(Sort.DURABLE, Sort.OCCASIONAL)
    )
    product = shelf.draw(np.zeros(len(plan.days), dtype=np.int64), plan.days, rng)
    suggests = np.array([plan.play(at).name == "next_product" for at in range(len(plan.days))], dtype=np.bool_)
    return np.where(suggests, product, -1)
