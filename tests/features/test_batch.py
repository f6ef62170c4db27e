"""Features of some customers from raw frames: the same rows as in the whole shop, whatever the groups."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from regulars.datasets.simulate import ShopParameters, simulate_shop
from regulars.features.asof import AsOf, Moments
from regulars.features.batch import empty_shop, feature_names, features_of_frames, ids_of, shop_of_frames
from regulars.features.context import ShopContext
from regulars.features.findings import DataError
from regulars.features.logs import Logs
from regulars.features.reading import read_shop
from regulars.features.settings import Settings
from regulars.features.shop import DAY, Shop, as_time
from regulars.features.table import feature_table

SETTINGS = Settings()
NOW = as_time("2025-01-10")
KEYED = ("orders", "support", "customers", "contacts", "advocacy")
Tables = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def tables() -> Tables:
    return dict(simulate_shop(ShopParameters(customers=120), 3).tables)


@pytest.fixture(scope="module")
def shop(tables: Tables) -> Shop:
    found = read_shop(tables, SETTINGS).shop
    assert found is not None
    return found


def orders(*rows: tuple[str, str, str, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["customer_id", "order_id", "ordered_at", "amount"])


def group_of(customer: str, count: int) -> int:
    return sum(customer.encode()) % count


def some_of(tables: Mapping[str, pd.DataFrame], count: int, group: int) -> tuple[Tables, list[str]]:
    """The tables of one group of customers with what is lent to it, and the group's own customers."""
    mine = {
        title: frame[[group_of(who, count) == group for who in frame["customer_id"].fillna("")]]
        for title, frame in tables.items()
        if title in KEYED
    }
    own = sorted({who for frame in mine.values() for who in frame["customer_id"].dropna()})
    told = tables["advocacy"].dropna(subset=["new_customer_id"])
    referred = set(told.loc[told["customer_id"].isin(own), "new_customer_id"])
    foreign = tables["orders"][tables["orders"]["customer_id"].isin(referred - set(own))]
    others = told[told["new_customer_id"].isin(referred | set(own)) & ~told["customer_id"].isin(own)]
    lent = {
        "orders": pd.concat([mine["orders"].dropna(subset=["customer_id"]), foreign]),
        "advocacy": pd.concat([mine["advocacy"], others]),
    }
    return {**mine, **lent, "products": tables["products"]}, own


def test_the_whole_shop_is_the_feature_table(tables: Tables, shop: Shop) -> None:
    times = [shop.end - 90 * DAY, shop.end]
    found = features_of_frames(tables, SETTINGS, times).to_pandas()
    logs = Logs(shop, SETTINGS)
    moments = Moments.grid(np.arange(logs.keys), times)
    moments = moments.take(AsOf(logs.orders, moments).count() > 0)
    expected = feature_table(logs, moments, ShopContext.of(logs, times[-1])).frame(shop.customer_ids)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    assert found[["customer_id", "as_of"]].sort_values(["customer_id", "as_of"]).index.tolist() == list(
        range(len(found))
    )


def test_groups_equal_the_whole_shop(tables: Tables, shop: Shop) -> None:
    count = 4
    times = [shop.end - 90 * DAY, shop.end]
    whole = features_of_frames(tables, SETTINGS, times)
    parts = []
    for group in range(count):
        frames, own = some_of(tables, count, group)
        parts.append(features_of_frames(frames, SETTINGS, times, given=shop.given, own=own))
    found = pa.concat_tables(parts).sort_by([("customer_id", "ascending"), ("as_of", "ascending")]).combine_chunks()
    assert found.equals(whole.combine_chunks())
    assert pc.max(whole["referred_margin"]).as_py() > 0


def test_without_what_is_lent_a_referrer_is_short_of_it(tables: Tables, shop: Shop) -> None:
    whole = features_of_frames(tables, SETTINGS, [shop.end])
    parts = []
    for group in range(2):
        frames, own = some_of(tables, 2, group)
        frames["orders"] = frames["orders"][frames["orders"]["customer_id"].isin(own)]
        parts.append(features_of_frames(frames, SETTINGS, [shop.end], given=shop.given, own=own))
    assert pc.sum(pa.concat_tables(parts)["referred_margin"]).as_py() < pc.sum(whole["referred_margin"]).as_py()


def test_who_referred_first_counts_although_they_are_of_another_group() -> None:
    advocacy = pd.DataFrame(
        [("a", "2024-01-01", "referral", "n"), ("b", "2024-01-02", "referral", "n")],
        columns=["customer_id", "occurred_at", "kind", "new_customer_id"],
    )
    lines = orders(("a", "1", "2024-01-01", 10), ("b", "2", "2024-01-01", 10), ("n", "3", "2024-02-01", 100))
    frames = {"orders": lines, "advocacy": advocacy}
    found = features_of_frames(frames, SETTINGS, [NOW], own=["b"]).to_pylist()
    assert [(row["customer_id"], row["referred_margin"]) for row in found] == [("b", 0)]
    without = features_of_frames({**frames, "advocacy": advocacy[1:]}, SETTINGS, [NOW], own=["b"]).to_pylist()
    assert without[0]["referred_margin"] == 100 * 0.4 * 0.5


def test_a_column_that_the_whole_shop_has_is_there_in_every_group() -> None:
    given = frozenset({"orders", "orders.discount", "support", "support.satisfaction"})
    found = features_of_frames({"orders": orders(("a", "1", "2024-12-01", 10))}, SETTINGS, [NOW], given=given)
    assert tuple(found.column_names) == ("customer_id", "as_of", *feature_names(given, SETTINGS))
    row = found.to_pylist()[0]
    assert (row["discount_share"], row["satisfaction"], row["tickets_total"]) == (0, None, 0)
    assert (
        "discount_share"
        not in features_of_frames({"orders": orders(("a", "1", "2024-12-01", 10))}, SETTINGS, [NOW]).column_names
    )


def test_moments_are_sorted_and_once_each() -> None:
    frames = {"orders": orders(("a", "1", "2024-12-01", 10))}
    found = features_of_frames(frames, SETTINGS, [NOW, NOW - DAY, NOW])
    assert found["as_of"].cast(pa.int64()).to_pylist() == [NOW - DAY, NOW]


def test_nobody_gives_no_rows_of_the_same_columns() -> None:
    given = frozenset({"orders", "support"})
    somebody = features_of_frames({"orders": orders(("a", "1", "2024-12-01", 10))}, SETTINGS, [NOW], given=given)
    nobody = features_of_frames({"orders": orders()}, SETTINGS, [NOW], given=given)
    assert (len(nobody), nobody.schema) == (0, somebody.schema)
    guests = orders(("", "1", "2024-12-01", 10))
    assert len(features_of_frames({"orders": guests}, SETTINGS, [NOW], given=given)) == 0
    assert shop_of_frames({"orders": guests}, SETTINGS) is None


def test_a_bad_row_is_refused() -> None:
    with pytest.raises(DataError, match=r"orders\.ordered_at is no moment that can be read safely in 1 of 1 rows"):
        features_of_frames({"orders": orders(("a", "1", "01/12/2024", 10))}, SETTINGS, [NOW])


def test_ids_are_those_that_reading_gives() -> None:
    columns = [
        pa.array([13085.0, None, float("nan"), 1.5, 12345678.0]),
        pa.array([" 13085.00 ", "x", "", None]),
        pa.array([5, 5]),
    ]
    assert ids_of(columns) == ["1.5", "12345678", "13085", "5", "x"]


def test_an_empty_shop_is_asked_for_what_it_was_given() -> None:
    shop = empty_shop(frozenset({"orders", "contacts"}))
    assert (len(shop.customer_ids), shop.has("contacts"), shop.has("support")) == (0, True, False)
