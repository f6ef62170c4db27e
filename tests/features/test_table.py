from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.features.strategies import NOW, SETTINGS, Line, rows, shop_of

from regulars.features.asof import Moments
from regulars.features.context import ShopContext
from regulars.features.logs import Logs
from regulars.features.shop import DAY
from regulars.features.table import FeatureTable, feature_table, features_of

SHOP = shop_of(rows([Line(0, 0, NOW - DAY, NOW - DAY), Line(2, 1, NOW - 9 * DAY, NOW - 9 * DAY)]))


def table() -> FeatureTable:
    logs = Logs(SHOP, SETTINGS)
    return feature_table(logs, Moments.grid(np.array([0, 2]), [NOW, NOW - 5 * DAY]), ShopContext.of(logs, NOW))


def test_a_row_for_each_moment_and_a_column_for_each_feature() -> None:
    found = table()
    assert found.values.shape == (4, len(features_of(SHOP, SETTINGS)))
    assert found.column("orders_total").tolist() == [1, 0, 1, 1]
    assert found.column("days_since_last_order").tolist()[2:] == [9, 4]


def test_an_unknown_column_is_named_with_those_there_are() -> None:
    with pytest.raises(KeyError, match=r"no column 'orders_7d'; it has .*orders_30d"):
        table().column("orders_7d")


def test_rows_can_be_taken() -> None:
    part = table().take(np.array([2]))
    assert (len(part), part.customer.tolist(), part.column("orders_total").tolist()) == (1, [2], [1])


def test_the_frame_names_customers_and_moments() -> None:
    frame = table().frame(SHOP.customer_ids)
    assert list(frame.columns[:3]) == ["customer_id", "as_of", "days_since_last_order"]
    assert frame["customer_id"].tolist() == ["c0", "c0", "c2", "c2"]
    assert str(frame["as_of"][0]) == "2011-01-26 00:00:00"


def test_a_feature_is_absent_where_its_table_or_column_is() -> None:
    poor = replace(SHOP, support=None, given=frozenset({"orders", "contacts"}))
    families = {feature.family for feature in features_of(poor, SETTINGS)}
    assert families == {"recency", "frequency", "tenure", "money", "rhythm", "season", "contacts", "stage"}
    assert "discount_share" not in {feature.name for feature in features_of(poor, SETTINGS)}


def test_some_features_only() -> None:
    logs = Logs(SHOP, SETTINGS)
    chosen = [feature for feature in features_of(SHOP, SETTINGS) if feature.name == "orders_total"]
    found = feature_table(logs, Moments.grid(np.array([0]), [NOW]), ShopContext.of(logs, NOW), chosen)
    assert (found.names, found.values.tolist()) == (("orders_total",), [[1.0]])


def test_no_moments_no_rows() -> None:
    logs = Logs(SHOP, SETTINGS)
    found = feature_table(logs, Moments.grid(np.array([], np.int32), [NOW]), ShopContext.of(logs, NOW))
    assert found.values.shape == (0, len(found.names))


def test_one_value_a_row_whatever_the_layout_of_the_moments() -> None:
    """Moments that are a view with gaps give the same."""
    logs, grid = Logs(SHOP, SETTINGS), Moments.grid(np.array([0, 2]), [NOW, NOW - 5 * DAY])
    found = feature_table(logs, Moments(grid.key[::2], grid.time[::2]), ShopContext.of(logs, NOW))
    np.testing.assert_array_equal(found.values, table().values[::2])
