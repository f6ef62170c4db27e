"""Puts a simulated shop together: draw the people, live through the days, fill the baskets, write the tables."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.random import Generator

from regulars.datasets.simulate import truth
from regulars.datasets.simulate.arrays import Bools, Columns, Ints
from regulars.datasets.simulate.assortment import Assortment, Shelf, make_assortment
from regulars.datasets.simulate.baskets import fill_baskets
from regulars.datasets.simulate.blocks import BLOCK_CUSTOMERS, Block, blocks_of, shop_streams
from regulars.datasets.simulate.calendar import Calendar, make_calendar
from regulars.datasets.simulate.campaigns import campaign_days, plan_campaigns, play_of
from regulars.datasets.simulate.catalogue import Sort
from regulars.datasets.simulate.lines import all_lines
from regulars.datasets.simulate.notation import Notation
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
    orders_frame,
    products_frame,
    support_frame,
)
from regulars.datasets.simulate.traits import draw_traits

_HAPPENED = {
    "orders": "ordered_at",
    "support": "occurred_at",
    "customers": "valid_from",
    "products": "valid_from",
    "contacts": "contacted_at",
    "advocacy": "occurred_at",
}
TABLES = tuple(_HAPPENED)
"""The six tables, in the order in which they are told."""


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
        return {name: getattr(self, name) for name in TABLES}


@dataclass(frozen=True)
class Foundation:
    """What all blocks of a shop stand on."""

    parameters: ShopParameters
    seed: int
    calendar: Calendar
    assortment: Assortment
    suggested: Ints  # product of each campaign, or -1


@dataclass(frozen=True)
class Frames:
    """Tables up to the end of the history, and truth frames, by name."""

    tables: dict[str, pd.DataFrame]
    truth: dict[str, pd.DataFrame]


def simulate_shop(parameters: ShopParameters, seed: int, *, block_customers: int = BLOCK_CUSTOMERS) -> SimulatedShop:
    """A shop drawn from the model of docs/simulator.md; the same arguments give the same shop.

    It is held in memory; `write_simulated_shop` writes the same shop of any size without that.

    Args:
        parameters: size, time span and every rate of the model.
        seed: not negative. Each part of the model has its own stream of random numbers, so that a change to one part
            leaves the draws of the others alone.
        block_customers: at most so many customers in a block (see `blocks`).
    """
    foundation = lay_foundation(parameters, seed)
    whole = whole_frames(foundation)
    parts = [block_frames(foundation, block) for block in blocks_of(parameters.customers, block_customers)]
    tables = _joined([part.tables for part in parts]) | whole.tables
    return SimulatedShop(parameters, seed, **tables, truth=_joined([part.truth for part in parts]) | whole.truth)


def lay_foundation(parameters: ShopParameters, seed: int) -> Foundation:
    """What belongs to the whole shop, from the shop's own streams."""
    rng = shop_streams(seed)
    assortment = make_assortment(parameters, rng["assortment"])
    suggested = _suggested_products(campaign_days(parameters), assortment, rng["suggestions"])
    return Foundation(parameters, seed, make_calendar(parameters), assortment, suggested)


def whole_frames(foundation: Foundation) -> Frames:
    """The table and the truth frames that are not by customer."""
    parameters, assortment = foundation.parameters, foundation.assortment
    (only,) = blocks_of(1)
    notation = Notation.of(parameters, only)
    products = products_frame(parameters, notation, assortment)
    return Frames(
        {"products": _past("products", products, parameters)},
        {
            "seasons": truth.seasons_truth(notation, foundation.calendar),
            **truth.assortment_truth(parameters, notation, assortment),
        },
    )


def block_frames(foundation: Foundation, block: Block, *, with_truth: bool = True) -> Frames:
    """What is by customer, of the customers of one block; without truth, its frames are left out and cost nothing."""
    parameters = replace(foundation.parameters, customers=block.customers)
    assortment, suggested, rng = foundation.assortment, foundation.suggested, block.streams(foundation.seed)
    notation = Notation.of(parameters, block)
    traits = draw_traits(parameters, foundation.calendar, rng["traits"])
    world = World(parameters, foundation.calendar, traits, plan_campaigns(parameters, rng["plan"]))
    history = run(world, rng["process"], with_outlooks=with_truth)

    baskets = fill_baskets(world, assortment, history.orders, suggested, rng["baskets"])
    lines = all_lines(parameters, assortment, traits, history.orders, baskets.lines, rng["lines"])
    tickets = with_questions(parameters, history.orders, history.cases, rng["service"])
    support = support_events(parameters, traits, history.left_day, tickets, rng["service"])
    first_order = first_order_times(traits, history)
    signed_up = sign_up_times(traits, first_order, rng["people"])
    referrer = referrers(traits, history, signed_up, first_order, rng["people"])
    reviewed = reviews(traits, history, rng["people"])
    club, goodbye = club_times(traits, history), goodbye_days(history)

    known = notation.is_past(lines["time"])
    tables = {
        "orders": orders_frame(notation, _rows(lines, known)),
        "support": support_frame(notation, _rows(support, notation.is_past(support["time"]))),
        "customers": customers_frame(notation, traits, signed_up, club, goodbye, rng["tables"]),
        "contacts": contacts_frame(parameters, notation, world.plan, history.contacts, suggested),
        "advocacy": advocacy_frame(notation, referrer, signed_up, reviewed),
    }
    past = {name: _past(name, frame, parameters) for name, frame in tables.items()}
    if not with_truth:
        return Frames(past, {})
    hidden = {
        "customers": truth.customers_truth(parameters, notation, traits, history, referrer, lines, support),
        "churn": truth.churn_truth(parameters, notation, history, lines),
        "tickets": truth.tickets_truth(notation, history, tickets, lines),
        "future_orders": orders_frame(notation, _rows(lines, ~known)),
        **truth.baskets_truth(notation, assortment, baskets),
    }
    return Frames(past, hidden)


def _past(name: str, frame: pd.DataFrame, parameters: ShopParameters) -> pd.DataFrame:
    """The rows of a table that happened before the end of the history."""
    known = frame[_HAPPENED[name]] < pd.Timestamp(parameters.end)
    return frame if known.all() else frame[known].reset_index(drop=True)


def _rows(columns: Columns, mask: Bools) -> Columns:
    return {name: column[mask] for name, column in columns.items()}


def _joined(parts: list[dict[str, pd.DataFrame]]) -> dict[str, pd.DataFrame]:
    if len(parts) == 1:
        return parts[0]
    return {name: pd.concat([part[name] for part in parts], ignore_index=True) for name in parts[0]}


def _suggested_products(days: Ints, assortment: Assortment, rng: Generator) -> Ints:
    """The product of each next-product campaign, popular and on sale on its day; -1 for the other campaigns."""
    shelf = Shelf(
        assortment, np.zeros(len(assortment), dtype=np.int64), assortment.is_sort(Sort.DURABLE, Sort.OCCASIONAL)
    )
    product = shelf.draw(np.zeros(len(days), dtype=np.int64), days, rng)
    suggests = np.array([play_of(at).name == "next_product" for at in range(len(days))], dtype=np.bool_)
    return np.where(suggests, product, -1)
