"""What the parameters say of buying and leaving shows in what happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from regulars.datasets.simulate import ShopParameters, SimulatedShop
from regulars.datasets.simulate.arrays import Bools
from regulars.datasets.simulate.process import run
from regulars.datasets.simulate.rates import Person, leaving_hazard
from regulars.datasets.simulate.state import World

WATCHED_DAYS = 60
COMPLAINING = ShopParameters(customers=4_000, problem_share=0.4, problem_shape=5, moment_every_days=10_000)


def _left_soon(make_world: Callable[[ShopParameters], World], support_effect: float) -> tuple[Bools, Bools]:
    """Of customers who leave in the days after a complaint was closed: when badly handled, when well handled."""
    parameters = replace(COMPLAINING, support_effect=support_effect)
    history = run(make_world(parameters), np.random.default_rng(3))
    cases = history.cases
    left, closed = history.left_day[cases["customer"]], cases["closed"]
    watched = cases["complaint"] & (left > closed + 1) & (closed < parameters.days - WATCHED_DAYS)
    soon = left < closed + WATCHED_DAYS
    return soon[watched & cases["bad"]], soon[watched & ~cases["bad"]]


def test_badly_handled_complaints_raise_leaving(make_world: Callable[[ShopParameters], World]) -> None:
    bad, well = _left_soon(make_world, support_effect=2.0)
    assert bad.mean() > 2 * well.mean()


def test_without_support_effect_they_do_not(make_world: Callable[[ShopParameters], World]) -> None:
    bad, well = _left_soon(make_world, support_effect=0.0)
    error = np.sqrt(bad.var() / len(bad) + well.var() / len(well))
    assert abs(bad.mean() - well.mean()) < 4 * error


@pytest.mark.parametrize(
    ("grudge", "factor"), [(1.0, np.exp(1.5)), (-0.2, np.exp(-0.3)), (9.0, np.exp(4.5)), (0.0, 1.0)]
)
def test_leaving_hazard_by_grudge(make_world: Callable[[ShopParameters], World], grudge: float, factor: float) -> None:
    """A bad complaint raises it, a well handled one (minus the bond) lowers it, and there is a most."""
    rules = make_world(ShopParameters(customers=20, support_effect=1.5)).rules
    person = Person(0.01, 1, 0.3, leave_hazard=0.002, campaign_effect=0.2, birthday=100)
    hazard = leaving_hazard(rules, person, orders=1, grudge=grudge, contact=False)
    assert hazard == pytest.approx(0.002 * factor)


def test_rate_of_tickets_and_of_bad_handling(shop: SimulatedShop) -> None:
    tickets, parameters = shop.truth["tickets"], shop.parameters
    orders = shop.truth["customers"]["orders"].sum()
    from_problems = tickets["is_complaint"].sum() / parameters.complaint_share / orders
    assert from_problems == pytest.approx(parameters.problem_share, rel=0.2)
    bad = tickets.loc[tickets["is_complaint"], "badly_handled"]
    assert abs(bad.mean() - parameters.badly_handled_share) < 4 * np.sqrt(0.21 / len(bad))


def test_bad_handling_is_seen_in_the_table(shop: SimulatedShop) -> None:
    rated = shop.support[shop.support["event"] == "rated"].merge(shop.truth["tickets"], on="ticket_id")
    score = rated.groupby("badly_handled")["satisfaction"].mean()
    assert score[True] < 2.5
    assert score[False] > 4
    reopened = set(shop.support.loc[shop.support["event"] == "reopened", "ticket_id"])
    bad = shop.truth["tickets"].set_index("ticket_id")["badly_handled"]
    assert bad[list(reopened)].all()


def test_seasons(shop: SimulatedShop) -> None:
    bought = shop.orders[shop.orders["quantity"] > 0].drop_duplicates("order_id")["ordered_at"]
    per_day = bought.dt.day_of_week.value_counts() / 1.0
    assert per_day[[5, 6]].mean() < 0.85 * per_day[[0, 1, 2, 3, 4]].mean()
    month = bought.dt.strftime("%Y-%m").value_counts()
    assert month["2024-12"] > 1.3 * (month["2024-10"] + month["2025-02"]) / 2
    assert month["2024-04"] > 1.2 * (month["2024-02"] + month["2024-07"]) / 2


def test_regular_buyers_have_even_gaps(shop: SimulatedShop) -> None:
    lines = (
        shop.orders[shop.orders["quantity"] > 0].drop_duplicates("order_id").sort_values(["customer_id", "ordered_at"])
    )
    gaps = lines.groupby("customer_id")["ordered_at"].diff().dt.total_seconds().div(86_400)
    by_customer = gaps.groupby(lines["customer_id"]).agg(["mean", "std", "count"])
    truth = shop.truth["customers"].set_index("customer_id")
    busy = by_customer[by_customer["count"] >= 12].join(truth)
    variation = (busy["std"] / busy["mean"]).groupby(busy["gap_shape"]).median()
    assert variation[3] < variation[2] < variation[1]
    known = by_customer[by_customer["count"] >= 8].join(truth)
    rank = known["mean"].rank().corr((1 / known["buying_rate_per_day"]).rank())
    assert rank > 0.8


def test_prospects_remain(shop: SimulatedShop) -> None:
    truth = shop.truth["customers"]
    share = (truth["orders"] == 0).mean()
    assert 0.03 < share < 0.15
    assert truth.loc[truth["orders"] == 0, "signed_up_without_order"].all()
