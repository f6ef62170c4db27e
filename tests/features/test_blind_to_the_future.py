"""Features know nothing of what comes: it can be added, removed and changed, and not one bit of them moves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.features.strategies import CUSTOMERS, NOW, SETTINGS, Rows, shop_of, shops

from regulars.features.asof import Moments
from regulars.features.context import ShopContext
from regulars.features.leaks import find_leaks
from regulars.features.logs import Logs
from regulars.features.reading import read_shop
from regulars.features.shop import DAY, Shop, as_time
from regulars.features.table import FeatureTable, feature_table
from regulars.features.tables import Advocacy

moments = st.sampled_from([NOW, NOW + 1, NOW - 30 * DAY, NOW - 365 * DAY, NOW + 50 * DAY])
EVERYBODY = np.arange(CUSTOMERS, dtype=np.int32)


def table_of(shop: Shop, asked: Moments, as_of: int) -> FeatureTable:
    logs = Logs(shop, SETTINGS)
    return feature_table(logs, asked, ShopContext.of(logs, as_of))


def bits(table: FeatureTable) -> list[bytes]:
    return [row.tobytes() for row in table.values]


@settings(max_examples=50)
@given(shops(), moments, st.integers(0, 2**32))
def test_no_feature_sees_the_future(rows: Rows, moment: int, seed: int) -> None:
    assert find_leaks(shop_of(rows), SETTINGS, [moment], np.random.default_rng(seed)) == []


@given(shops(), moments, st.data())
def test_any_single_row_of_the_future_can_go(rows: Rows, moment: int, data: st.DataObject) -> None:
    coming = [(name, row) for name in Rows._fields for row in getattr(rows, name) if row.visible >= moment]
    if not coming:
        return
    name, gone = data.draw(st.sampled_from(coming))
    kept = list(getattr(rows, name))
    kept.remove(gone)
    without = rows._replace(**{name: kept})
    asked = Moments.grid(EVERYBODY, [moment])
    assert bits(table_of(shop_of(rows), asked, moment)) == bits(table_of(shop_of(without), asked, moment))


@settings(max_examples=40)
@given(shops(), st.permutations(range(2 * CUSTOMERS)))
def test_one_moment_equals_the_batch_in_any_order(rows: Rows, order: list[int]) -> None:
    asked = Moments.grid(EVERYBODY, [NOW, NOW - 90 * DAY])
    shop = shop_of(rows)
    together = bits(table_of(shop, asked, NOW))
    assert bits(table_of(shop, asked.take(np.array(order)), NOW)) == [together[i] for i in order]
    assert [bits(table_of(shop, asked.take(np.array([i])), NOW))[0] for i in range(len(asked))] == together


@given(shops(), st.integers(0, CUSTOMERS - 1))
def test_one_customer_alone_equals_the_batch(rows: Rows, customer: int) -> None:
    shop, asked = shop_of(rows), Moments(np.array([customer], np.int32), np.array([NOW]))
    assert bits(table_of(alone(shop, customer), asked, NOW)) == bits(table_of(shop, asked, NOW))


def alone(shop: Shop, customer: int) -> Shop:
    """The shop cut down to one customer and the rows of others that are about them.

    These are what those did whom the customer referred, who else referred them, and who referred the customer.
    """
    assert shop.support is not None
    assert shop.contacts is not None
    assert shop.advocacy is not None
    referral = shop.advocacy.kind == Advocacy.KINDS.index(Advocacy.REFERRAL)
    referred = shop.advocacy.new_customer[referral & (shop.advocacy.customer == customer)]
    named = np.isin(shop.advocacy.new_customer, [customer, *referred])
    theirs = (shop.advocacy.customer == customer) | named
    return replace(
        shop,
        orders=shop.orders.take(np.isin(shop.orders.customer, [customer, *referred[referred >= 0]])),
        support=shop.support.take(shop.support.customer == customer),
        contacts=shop.contacts.take(shop.contacts.customer == customer),
        advocacy=shop.advocacy.take(theirs),
    )


# From the tables on: what is read of a shop must not depend on rows that are known later either.

AS_OF = pd.Timestamp("2024-03-01")


def frames(seed: int) -> dict[str, pd.DataFrame]:
    """A year of a shop around `AS_OF`, with late rows, costs and categories that change, and newcomers."""
    rng = np.random.default_rng(seed)
    size = 120

    def when() -> Any:
        return pd.Timestamp("2023-09-01") + pd.to_timedelta(rng.integers(0, 365 * 4, size) / 4, "D")

    customer = rng.integers(0, 12, size)
    ordered, customer_id = when(), np.char.add("c", (customer + 10).astype(str))
    orders = pd.DataFrame(
        {
            "customer_id": customer_id,
            "order_id": np.char.add(customer_id, rng.integers(100, 108, size).astype(str)),
            "ordered_at": ordered,
            "product_id": np.char.add("p", rng.integers(0, 5, size).astype(str)),
            "quantity": rng.choice([1, 2, 3, -1], size),
            "unit_price": rng.integers(100, 900, size) / 100,
            "recorded_at": ordered + pd.to_timedelta(rng.choice([0, 0, 0, 20], size), "D"),
        }
    )
    changes = when()[:30]
    products = pd.DataFrame(
        {
            "product_id": np.char.add("p", rng.integers(0, 5, 30).astype(str)),
            "valid_from": changes,
            "recorded_at": changes + pd.to_timedelta(rng.choice([0, 15], 30), "D"),
            "category": rng.choice(["tea", "pots", "cups"], 30),
            "unit_cost": rng.integers(50, 400, 30) / 100,
        }
    )
    support = pd.DataFrame(
        {
            "customer_id": customer_id,
            "occurred_at": when(),
            "event": rng.choice(["opened", "replied", "worked", "closed", "reopened", "rated"], size),
            "ticket_id": np.char.add(customer_id, rng.choice(["x", "y"], size)),
            "minutes": rng.integers(1, 30, size),
            "satisfaction": rng.choice([1.0, 3.0, 5.0, np.nan], size),
        }
    )
    return {"orders": orders, "products": products, "support": support}


def known_before(frame: pd.DataFrame, moment: pd.Timestamp) -> pd.DataFrame:
    happened = next(name for name in ("ordered_at", "occurred_at", "valid_from") if name in frame)
    dates = frame[[name for name in (happened, "recorded_at") if name in frame]]
    return frame[dates.max(axis=1) < moment]


@pytest.mark.parametrize("seed", range(4))
def test_the_tables_future_changes_nothing_read_before_it(seed: int) -> None:
    whole = frames(seed)
    past = {name: known_before(frame, AS_OF) for name, frame in whole.items()}
    assert all(0 < len(past[name]) < len(whole[name]) for name in whole)
    found = []
    for given_frames in (whole, past):
        shop = read_shop(given_frames, SETTINGS).shop
        assert shop is not None
        ids = sorted(past["orders"]["customer_id"].unique())
        codes = np.searchsorted(shop.customer_ids, np.array(ids, object)).astype(np.int32)
        found.append(table_of(shop, Moments(codes, np.full(len(codes), as_time(AS_OF))), as_time(AS_OF)))
    assert found[0].names == found[1].names
    np.testing.assert_array_equal(found[0].values, found[1].values)
    assert bits(found[0]) == bits(found[1])
