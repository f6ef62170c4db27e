"""The tables of a simulated shop: complete, consistent, and the same for the same seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from regulars.datasets.simulate import ShopParameters, SimulatedShop, simulate_shop
from regulars.features.reading import read_shop
from regulars.features.settings import Settings
from regulars.features.tables import TABLES, Kind, Table

SMALL = ShopParameters(customers=60, history_days=400)
NOT_MADE = {"recorded_at", "amount"}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: str(table.title))
def test_tables_have_the_declared_columns_and_words(shop: SimulatedShop, table: type[Table]) -> None:
    frame = shop.tables[table.title]
    assert set(frame.columns) == {column.name for column in table.columns()} - NOT_MADE
    for column in table.columns():
        if column.required and column.name != "customer_id":
            assert frame[column.name].notna().all()
        if column.kind is Kind.CHOICE:
            assert set(frame[column.name].unique()) == set(column.choices)


def test_the_edge_takes_every_row() -> None:
    reading = read_shop(simulate_shop(SMALL, seed=1).tables, Settings())
    assert reading.of("error", "bad_rows") == ()
    assert reading.shop is not None
    assert len(reading.shop.customer_ids) == SMALL.customers


def test_same_seed_same_shop() -> None:
    one, two, other = (simulate_shop(SMALL, seed) for seed in (3, 3, 4))
    for mine, yours in ((one.tables, two.tables), (one.truth, two.truth)):
        for name, frame in mine.items():
            assert_frame_equal(frame, yours[name])
    assert not one.orders.equals(other.orders)


@pytest.mark.parametrize("customers", [1, 2, 7])
def test_tiny_shops_have_all_tables(customers: int) -> None:
    shop = simulate_shop(ShopParameters(customers=customers, history_days=200), seed=0)
    assert shop.customers["customer_id"].nunique() == customers
    assert len(shop.truth["customers"]) == customers


def test_a_shop_without_orders_is_still_a_shop() -> None:
    nobody = ShopParameters(customers=3, prospect_share=1, conversion_days=1e9, guest_share=0)
    shop = simulate_shop(nobody, seed=0)
    assert len(shop.orders) == 0
    assert list(shop.orders.columns) == list(simulate_shop(SMALL, seed=0).orders.columns)


def test_nothing_of_the_tables_is_at_or_after_the_end(shop: SimulatedShop) -> None:
    end = pd.Timestamp(shop.parameters.end)
    for table in TABLES:
        assert shop.tables[table.title][table.happened].max() < end
    assert shop.truth["future_orders"]["ordered_at"].min() >= end


def test_references_are_resolved(shop: SimulatedShop) -> None:
    customers, products = set(shop.customers["customer_id"]), set(shop.products["product_id"])
    assert len(customers) == shop.parameters.customers
    for frame in (shop.orders, shop.support, shop.contacts, shop.advocacy):
        assert set(frame["customer_id"].dropna()) <= customers
    for column in (shop.orders["product_id"], shop.contacts["product_id"], shop.products["accessory_of"]):
        assert set(column.dropna()) <= products
    new = shop.advocacy["new_customer_id"].dropna()
    assert set(new) <= customers
    assert new.is_unique
    assert set(shop.support["ticket_id"].dropna()) <= set(shop.truth["tickets"]["ticket_id"])
    assert not shop.orders.drop_duplicates(["order_id", "customer_id"])["order_id"].duplicated().any()


def test_nobody_orders_after_leaving_or_before_signing_up(shop: SimulatedShop) -> None:
    left, signed_up = _by_customer(shop.truth["customers"], "left_at"), _by_customer(shop.customers, "signed_up_at")
    lines = pd.concat([shop.orders, shop.truth["future_orders"]])
    bought = lines[(lines["quantity"] > 0) & lines["customer_id"].notna()]
    bought = bought[bought["customer_id"].isin(list(signed_up))]
    gone = bought["customer_id"].map(left)
    assert gone.notna().mean() > 0.2
    assert not (bought["ordered_at"] >= gone).any()
    assert (bought["ordered_at"] > bought["customer_id"].map(signed_up)).all()


def test_tickets_run_forward(shop: SimulatedShop) -> None:
    times = shop.support.pivot_table(index="ticket_id", columns="event", values="occurred_at", aggfunc=["min", "max"])
    first, last = times["min"], times["max"]
    for early, late in (("opened", "replied"), ("replied", "closed"), ("closed", "reopened"), ("closed", "rated")):
        known = first[early].notna() & last[late].notna()
        assert known.any()
        assert (first[early][known] < last[late][known]).all()
    ordered = shop.orders[shop.orders["quantity"] > 0].groupby("order_id")["ordered_at"].min()
    tickets = shop.truth["tickets"].merge(ordered.rename("ordered_at"), left_on="order_id", right_index=True)
    assert (tickets["opened_at"] >= tickets["ordered_at"]).all()


def test_returns_come_after_their_order_and_never_exceed_it(shop: SimulatedShop) -> None:
    keys = ["order_id", "product_id"]
    bought = (
        shop.orders[shop.orders["quantity"] > 0].groupby(keys).agg(first=("ordered_at", "min"), n=("quantity", "sum"))
    )
    back = shop.orders[shop.orders["quantity"] < 0].groupby(keys).agg(last=("ordered_at", "max"), n=("quantity", "sum"))
    both = back.join(bought.rename(columns={"n": "n_bought"}), how="left")
    assert len(both) > 100
    assert (both["last"] > both["first"]).all()
    assert (-both["n"] <= both["n_bought"]).all()


def test_referrers_are_customers_at_the_time(shop: SimulatedShop) -> None:
    referrals = shop.advocacy[shop.advocacy["kind"] == "referral"]
    first = shop.orders[shop.orders["quantity"] > 0].groupby("customer_id")["ordered_at"].min()
    left = _by_customer(shop.truth["customers"], "left_at")
    assert (referrals["customer_id"].map(first) < referrals["occurred_at"]).all()
    assert not (referrals["customer_id"].map(left) <= referrals["occurred_at"]).any()
    assert 0.06 < len(referrals) / shop.parameters.customers < 0.14


def test_contacts_respect_consent_and_hold_out_the_stated_share(shop: SimulatedShop) -> None:
    contacts = shop.contacts.sort_values("contacted_at")
    known = pd.merge_asof(
        contacts,
        shop.customers.sort_values("valid_from")[["customer_id", "valid_from", "contact_allowed", "left_at"]],
        left_on="contacted_at",
        right_on="valid_from",
        by="customer_id",
    )
    assert known["contact_allowed"].all()
    assert known["left_at"].isna().all()
    share, n = shop.parameters.hold_out_share, len(contacts)
    held_out = (contacts["arm"] == "held_out").mean()
    assert abs(held_out - share) < 4 * np.sqrt(share * (1 - share) / n)
    assert not contacts.duplicated(["customer_id", "list_id"]).any()
    assert set(contacts.loc[contacts["product_id"].notna(), "play"]) == {"next_product"}


def test_customers_rows_tell_changes(shop: SimulatedShop) -> None:
    customers = shop.customers
    assert not customers.duplicated(["customer_id", "valid_from"]).any()
    last = customers.groupby("customer_id").tail(1)
    assert 0.02 < (last["segment"] == "club").mean() < 0.5
    allowed = customers.groupby("customer_id")["contact_allowed"]
    assert (allowed.first() & ~allowed.last()).mean() > 0.01
    announced = shop.truth["customers"].set_index("customer_id")["announced"]
    gone = last.set_index("customer_id")["left_at"].dropna()
    assert announced[gone.index].all()
    assert not last.loc[last["left_at"].notna(), "contact_allowed"].any()


def test_products_come_and_go(shop: SimulatedShop) -> None:
    products = shop.truth["products"].set_index("product_id")
    lines = shop.orders[shop.orders["quantity"] > 0]
    begins, ends = (
        lines["product_id"].map(products["introduced_at"]),
        lines["product_id"].map(products["discontinued_at"]),
    )
    assert (lines["ordered_at"] >= begins).all()
    assert not (lines["ordered_at"] >= ends).any()
    assert 300 <= len(products) <= 500
    assert shop.products["name"].notna().all()
    assert shop.products.drop_duplicates("product_id")["name"].is_unique
    assert shop.products["product_id"].duplicated().any()


def test_profit_adds_up(shop: SimulatedShop) -> None:
    lines = shop.orders
    margin = (lines["unit_price"] - lines["unit_cost"]) * lines["quantity"] - lines["discount"]
    minutes = shop.support.groupby("customer_id")["minutes"].sum()
    truth = shop.truth["customers"].set_index("customer_id")
    expected = margin.groupby(lines["customer_id"]).sum().reindex(truth.index, fill_value=0.0)
    expected -= shop.parameters.cost_per_minute * minutes.reindex(truth.index, fill_value=0.0)
    np.testing.assert_allclose(truth["profit"], expected, atol=0.02)
    assert 0.01 < (truth["profit"] < 0).mean() < 0.3


def test_everything_scales_with_customers() -> None:
    few, many = (len(simulate_shop(replace(SMALL, customers=n), seed=0).orders) for n in (200, 800))
    assert 3 < many / few < 5


def _by_customer(frame: pd.DataFrame, column: str) -> Mapping[str, pd.Timestamp]:
    return dict(frame.groupby("customer_id")[column].first())
