"""The true probabilities are those of the process that made the data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

from regulars.datasets.simulate import ShopParameters, SimulatedShop, process
from regulars.datasets.simulate.arrays import NEVER
from regulars.datasets.simulate.outlook import AS_PLANNED, no_order_if_active
from regulars.datasets.simulate.process import run
from regulars.datasets.simulate.state import Agenda, State, World, first_state, send_campaign, settle_grudges

PLAIN = ShopParameters(
    customers=50,
    regularity=(1, 0, 0),
    season_mean=0,
    season_sd=0,
    weekend_factor=1,
    birthday_lift=0,
    support_effect=0,
    gadget_share=0,
    campaign_every_days=0,
)


def test_plain_customers_have_the_closed_form(make_world: Callable[[ShopParameters], World]) -> None:
    """Constant hazards of ordering r and leaving m: e^{-(r + m) H}, and leaving first on one of H days."""
    world, horizon = make_world(PLAIN), PLAIN.horizon_days
    state = first_state(world, np.random.default_rng(0))
    world.traits.sign_up_day[:] = 100
    state.orders[:], state.last_order[:] = 1, 100
    rate, leave = world.traits.rate, world.traits.leave_hazard
    days = np.arange(horizon)[:, None]
    expected = np.exp(-(rate + leave) * horizon) + (np.exp(-(rate + leave) * days) * -np.expm1(-leave)).sum(axis=0)
    got = no_order_if_active(world, state, 110, Agenda())[AS_PLANNED]
    np.testing.assert_allclose(got, expected, rtol=1e-10)


@dataclass(frozen=True)
class Case:
    """A customer in a state in which one part of the model matters much."""

    shape: int = 1
    clock: float = 0.3
    orders: int = 2
    leave_hazard: float = 0.004
    grudge: float = 0.0
    ticket_closes: float = 0.0  # what a ticket that is closed in ten days adds to the grudge
    effect: float = 0.0
    since_gadget: int = 10_000
    since_contact: int = 10_000
    campaigns: int = 0


CASES = {
    "leaves": Case(leave_hazard=0.02),
    "regular": Case(shape=3, clock=1.5),
    "holds a grudge": Case(grudge=1.2),
    "ticket still open": Case(ticket_closes=1.0),
    "wants an accessory": Case(since_gadget=2),
    "dislikes a contact": Case(effect=-0.9, since_contact=3),
    "likes campaigns": Case(effect=0.9, campaigns=20),
    "prospect": Case(orders=0, clock=0.0),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_clones_live_as_foretold(make_world: Callable[[ShopParameters], World], case: Case) -> None:
    """Many customers in one state go through the process; the share without an order is the probability."""
    day, n, rng = 300, 40_000, np.random.default_rng(4)
    parameters = ShopParameters(customers=n, campaign_every_days=case.campaigns, consent_share=1)
    world, state = _clones(make_world(parameters), case, day, rng)
    agenda = Agenda(np.arange(n), np.full(n, day + 10), np.full(n, case.ticket_closes))
    foretold = no_order_if_active(world, state, day, agenda)[AS_PLANNED]
    ordered = np.zeros(n, dtype=np.bool_)
    for today in range(day, day + parameters.horizon_days):
        settle_grudges(world, state, today, agenda)
        send_campaign(world, state, today)
        ordered[process._leave_and_buy(world, state, today, rng)["customer"]] = True
    error = np.sqrt((foretold * (1 - foretold)).sum()) / n
    assert abs((~ordered).mean() - foretold.mean()) < 4 * error
    # The Bayes filter, which the process keeps, knows how many of the silent are still there.
    silent = ~ordered & ~state.announced
    active, belief = (state.left_day == NEVER)[silent], state.belief[silent]
    assert abs(active.mean() - belief.mean()) < 4 * np.sqrt((belief * (1 - belief)).mean() / silent.sum())
    assert belief.mean() < 0.95


def _clones(world: World, case: Case, day: int, rng: np.random.Generator) -> tuple[World, State]:
    n = len(world.traits)
    traits = replace(
        world.traits,
        sign_up_day=np.full(n, day - 100),
        rate=np.full(n, 0.012),
        shape=np.full(n, case.shape),
        leave_hazard=np.full(n, case.leave_hazard),
        campaign_effect=np.full(n, case.effect),
        announces=rng.random(n) < world.parameters.announce_share,
    )
    state = first_state(world, rng)
    state.orders[:], state.last_order[:], state.clock[:] = case.orders, day - 45 if case.orders else -NEVER, case.clock
    gaps = rng.gamma(case.shape if case.orders else 1, 1.0, 60 * n)
    state.threshold[:] = gaps[gaps > case.clock][:n]
    state.grudge[:], state.gadget_day[:], state.last_contact[:] = (
        case.grudge,
        day - case.since_gadget,
        day - case.since_contact,
    )
    return replace(world, traits=traits), state


@pytest.mark.parametrize("column", ["no_order_probability", "no_order_probability_latent", "active_probability"])
def test_probabilities_are_calibrated(shop: SimulatedShop, column: str) -> None:
    """Observed less expected, in standard deviations: over each moment, and over each band of probability."""
    churn = shop.truth["churn"]
    happened = churn["active" if column == "active_probability" else "no_order"]
    band = np.floor(churn[column] * 10).clip(0, 9)
    for groups in (churn["as_of"], churn["as_of"].astype(str) + band.astype(str), churn["orders_before"].clip(0, 5)):
        table = pd.DataFrame(
            {"p": churn[column], "y": happened.astype(float), "v": churn[column] * (1 - churn[column])}
        )
        total = table.groupby(groups.to_numpy()).sum()
        total = total[total["v"] > 3]
        z = (total["y"] - total["p"]) / np.sqrt(total["v"])
        assert z.abs().max() < 4.5
        if groups is churn["as_of"]:
            assert z.abs().max() < 3.5


def test_who_knows_more_forecasts_better(shop: SimulatedShop) -> None:
    churn = shop.truth["churn"]
    buyers = churn[churn["orders_before"] > 0]
    rate = buyers["no_order"].mean()
    base = -(rate * np.log(rate) + (1 - rate) * np.log(1 - rate))
    losses = [_log_loss(buyers["no_order"], buyers[c]) for c in ("no_order_probability", "no_order_probability_latent")]
    assert losses[1] < losses[0] < 0.8 * base
    assert 0.45 < rate < 0.75


def test_moments_end_at_the_end_and_cover_those_known_then(shop: SimulatedShop) -> None:
    churn = shop.truth["churn"]
    assert churn["as_of"].max() == pd.Timestamp(shop.parameters.end)
    assert not churn.duplicated(["customer_id", "as_of"]).any()
    signed_up = shop.customers.groupby("customer_id")["signed_up_at"].first()
    for moment, rows in churn.groupby("as_of"):
        assert set(rows["customer_id"]) == set(signed_up.index[signed_up < moment])


def test_outcomes_are_those_of_the_tables(shop: SimulatedShop) -> None:
    churn = shop.truth["churn"]
    lines = pd.concat([shop.orders, shop.truth["future_orders"]])
    bought = lines[lines["quantity"] > 0]
    for moment in churn["as_of"].unique():
        rows = churn[churn["as_of"] == moment]
        window = bought[(bought["ordered_at"] >= moment) & (bought["ordered_at"] < moment + pd.Timedelta(days=90))]
        orders = window.groupby("customer_id")["order_id"].nunique()
        np.testing.assert_array_equal(rows["orders_within"], rows["customer_id"].map(orders).fillna(0))
        assert (rows["no_order"] == (rows["orders_within"] == 0)).all()


def test_some_are_best_left_alone(shop: SimulatedShop) -> None:
    churn = shop.truth["churn"].merge(shop.truth["customers"], on="customer_id")
    gain = churn["order_probability_if_contacted"] - churn["order_probability_if_left_alone"]
    liked, disliked = churn["campaign_effect"] > 0.1, churn["campaign_effect"] < -0.1
    assert (gain[liked] >= -1e-12).all()
    assert (gain[disliked] <= 1e-12).all()
    assert 0.05 < (gain[churn["orders_before"] > 0] < -0.001).mean() < 0.4
    assert gain[liked].mean() > 0.015


def test_contact_effect_shows_in_the_arms(make_world: Callable[[ShopParameters], World]) -> None:
    """Contacted less held out, for those who like campaigns and those who do not."""
    parameters = ShopParameters(customers=6_000, hold_out_share=0.5, campaign_effect_sd=0.6)
    world = make_world(parameters)
    history = run(world, np.random.default_rng(6))
    contacts, orders = history.contacts, history.orders
    start = world.plan.days[contacts["campaign"]]
    # A customer's orders sorted by (customer, time): how many lie in the campaign's window.
    key = np.sort(orders["customer"] * 10_000.0 + orders["time"])
    low = np.searchsorted(key, contacts["customer"] * 10_000.0 + start)
    high = np.searchsorted(key, contacts["customer"] * 10_000.0 + start + parameters.campaign_days)
    bought = high - low
    effect = world.traits.campaign_effect[contacts["customer"]]
    for group, sign in ((effect > 0.4, 1), (effect < -0.3, -1)):
        sent, held = bought[group & ~contacts["held_out"]], bought[group & contacts["held_out"]]
        error = np.sqrt(sent.var() / len(sent) + held.var() / len(held))
        assert sign * (sent.mean() - held.mean()) > 3 * error


def _log_loss(happened: pd.Series, probability: pd.Series) -> float:
    p = probability.clip(1e-9, 1 - 1e-9)
    return float(-np.where(happened, np.log(p), np.log(1 - p)).mean())
