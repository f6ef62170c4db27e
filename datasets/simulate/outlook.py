"""True probabilities: what the model itself says, at a moment, of the horizon that follows.

The state at the moment is stepped forward day by day under the assumption that no order comes. Whatever happens to a
customer meanwhile is then known: the season, fading grudges, the tickets of earlier orders, the campaigns as planned.
So the probability of no order is an exact sum over days, not an estimate by trials.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from regulars.datasets.simulate.arrays import Columns, Floats
from regulars.datasets.simulate.campaigns import CampaignPlan
from regulars.datasets.simulate.state import (
    Agenda,
    State,
    World,
    accessory_order_probability,
    buying_stages,
    leaving_hazard,
    regular_order_probability,
    send_campaign,
    settle_grudges,
)


def outlook(world: World, state: State, day: int, agenda: Agenda) -> Columns:
    """True state and probabilities at the start of `day`, of everyone who signed up before it.

    `no_order_probability` knows the traits and all that happened, but not who has left in silence: no forecast from the
    shop's tables can do better on average. `no_order_probability_latent` knows that too. The last two columns are
    probabilities of an order if the customer is contacted at the moment, and if not, with no campaign afterwards.
    """
    known = np.flatnonzero(world.traits.sign_up_day < day)
    active = state.left_day > day
    as_planned = no_order_if_active(world, state.copy(), day, agenda)
    quiet = replace(world, plan=CampaignPlan(np.empty(0, dtype=np.int64), world.plan.drawn, world.plan.held_out))
    alone, contacted = state.copy(), state.copy()
    contacted.last_contact[:] = day
    columns = {
        "active": active,
        "orders_before": state.orders,
        "active_probability": state.belief,
        "no_order_probability": 1 - state.belief * (1 - as_planned),
        "no_order_probability_latent": np.where(active, as_planned, 1.0),
        "order_probability_if_contacted": state.belief * (1 - no_order_if_active(quiet, contacted, day, agenda)),
        "order_probability_if_left_alone": state.belief * (1 - no_order_if_active(quiet, alone, day, agenda)),
    }
    return {"customer": known, "day": np.full(len(known), day)} | {name: c[known] for name, c in columns.items()}


def no_order_if_active(world: World, state: State, day: int, agenda: Agenda) -> Floats:
    """Probability of no order in [day, day + horizon), given that the customer is active. Uses up `state`."""
    waiting = np.ones(len(world.traits))  # active, and without an order so far
    left = np.zeros(len(world.traits))
    for today in range(day, day + world.parameters.horizon_days):
        settle_grudges(world, state, today, agenda)
        send_campaign(world, state, today)
        leaves = -np.expm1(-leaving_hazard(world, state, today))
        left += waiting * leaves
        stages = buying_stages(world, state, today)
        none = (1 - regular_order_probability(state, world.traits.shape, stages)) * (
            1 - accessory_order_probability(world, state, today)
        )
        state.clock += stages
        waiting *= (1 - leaves) * none
    return waiting + left
