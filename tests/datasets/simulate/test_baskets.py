"""Sequences, accessories, favourites and durables show in the baskets as the truth frames say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from regulars.datasets.simulate import ShopParameters, SimulatedShop, simulate_shop


@pytest.fixture(scope="module")
def lines(shop: SimulatedShop) -> pd.DataFrame:
    """Customers' bought lines with kind and sort of product."""
    bought = shop.orders[(shop.orders["quantity"] > 0) & shop.orders["customer_id"].notna()]
    products = shop.truth["products"].set_index("product_id")
    return bought.assign(
        kind=bought["product_id"].map(products["kind"]), sort=bought["product_id"].map(products["sort"])
    )


def test_accessories_follow_within_days(shop: SimulatedShop, lines: pd.DataFrame) -> None:
    truth = shop.truth["accessories"]
    early = lines["ordered_at"] < pd.Timestamp(shop.parameters.end) - pd.Timedelta(days=40)
    gadgets = lines[early].merge(truth, on="product_id")
    bought = lines[["customer_id", "product_id", "ordered_at"]].set_axis(["customer_id", "accessory_id", "at"], axis=1)
    pairs = gadgets.merge(bought, on=["customer_id", "accessory_id"], how="left")
    delay = (pairs["at"] - pairs["ordered_at"]).dt.total_seconds() / 86_400
    n = len(gadgets)
    for share, expected in (
        ((delay == 0).sum() / n, truth["probability_same_order"].iloc[0]),
        (((delay > 0) & (delay < 40)).sum() / n, truth["probability_later"].iloc[0]),
    ):
        assert abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / n)
    later = delay[(delay > 0) & (delay < 40)]
    assert later.median() < 8
    anyone = bought["accessory_id"].isin(truth["accessory_id"]).sum() / len(truth) / lines["customer_id"].nunique()
    assert (delay.between(0, 40).sum() / n) / anyone > 10


def test_sequences_lead_to_the_next_kind(shop: SimulatedShop, lines: pd.DataFrame) -> None:
    """Owners of a mower buy a chainsaw afterwards far more often than other customers do."""
    mower = lines[lines["kind"] == "Lawn Mower"].groupby("customer_id")["ordered_at"].min()
    saw = lines[lines["kind"] == "Chainsaw"].groupby("customer_id")["ordered_at"].min()
    everyone = pd.Index(lines["customer_id"].unique())
    others = everyone.difference(mower.index)
    after = saw.reindex(mower.index) > mower
    assert after.mean() > 5 * saw.reindex(others).notna().mean()
    delay = (saw.reindex(mower.index) - mower)[after].dt.days
    assert 60 < delay.median() < 300


def test_wishes_arise_with_the_stated_probability(shop: SimulatedShop) -> None:
    rules, wishes = shop.truth["sequences"], shop.truth["wishes"]
    delay = (wishes["wanted_from"] - wishes["bought_at"]).dt.total_seconds() / 86_400
    mean = delay.groupby([wishes["first_kind"], wishes["then_kind"]]).agg(["mean", "count"])
    known = rules.set_index(["first_kind", "then_kind"]).join(mean)
    known = known[known["count"] > 50]
    assert len(known) > 5
    spread: pd.Series = known["mean_delay_days"] / np.sqrt(known["delay_shape"] * known["count"])
    assert ((known["mean"] - known["mean_delay_days"]).abs() < 4 * spread).all()


def test_favourites_are_bought_again_at_their_own_interval(shop: SimulatedShop, lines: pd.DataFrame) -> None:
    ordered = lines.sort_values("ordered_at")
    gap = ordered.groupby(["customer_id", "product_id"])["ordered_at"].diff().dt.total_seconds() / 86_400
    again = ordered.assign(gap=gap).dropna(subset="gap")
    known = again.merge(shop.truth["favourites"], on=["customer_id", "product_id"])
    assert len(known) > 3_000
    assert (known["gap"] < 0.5 * known["interval_days"]).mean() < 0.05
    strangers = len(again) - len(known)
    assert strangers < 0.5 * len(again)


def test_durables_are_not_bought_again_soon(lines: pd.DataFrame) -> None:
    durable = lines[lines["sort"].isin(["durable", "gadget"])]
    owners = durable.groupby(["customer_id", "kind"])["order_id"].nunique()
    assert (owners > 1).mean() < 0.05
    consumable = lines[lines["sort"] == "consumable"].groupby(["customer_id", "kind"])["order_id"].nunique()
    assert (consumable > 1).mean() > 0.3


def test_share_of_returns(shop: SimulatedShop) -> None:
    share = shop.truth["products"].set_index("product_id")["return_share"]
    orders = shop.orders
    bought = orders[
        (orders["quantity"] > 0) & (orders["ordered_at"] < orders["ordered_at"].max() - pd.Timedelta(days=60))
    ]
    back = orders[orders["quantity"] < 0].merge(bought[["order_id", "product_id"]], on=["order_id", "product_id"])
    expected = bought["product_id"].map(share).sum()
    assert len(back) == pytest.approx(expected, rel=0.12)


def test_no_returns_and_no_guests_where_there_are_to_be_none() -> None:
    shop = simulate_shop(ShopParameters(customers=100, history_days=300, return_factor=0, guest_share=0), seed=0)
    assert (shop.orders["quantity"] > 0).all()
    assert shop.orders["customer_id"].notna().all()


def test_costs_prices_and_discounts(shop: SimulatedShop) -> None:
    orders = shop.orders[shop.orders["quantity"] > 0]
    value = orders["unit_price"] * orders["quantity"]
    margin = value - orders["discount"] - orders["unit_cost"] * orders["quantity"]
    assert (orders["unit_price"] > 0).all()
    assert (orders["unit_cost"] > 0).all()
    assert 0.15 < margin.sum() / value.sum() < 0.4
    assert (orders["discount"] > 0).mean() == pytest.approx(shop.parameters.discount_share, rel=0.1)
    guests = orders.groupby("order_id")["customer_id"].first().isna().mean()
    assert guests == pytest.approx(shop.parameters.guest_share, rel=0.15)
