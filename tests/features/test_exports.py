"""What two exports of one shop do not agree on."""

from __future__ import annotations

from typing import Any

import pandas as pd

from regulars.features.exports import rewritten
from regulars.features.reading import read_shop
from regulars.features.settings import Settings
from regulars.features.shop import Shop

ORDERS = pd.DataFrame(
    {
        "customer_id": ["ann", "bob", "cat", "ann"],
        "order_id": ["1", "2", "3", "4"],
        "ordered_at": ["2024-01-01 10:00", "2024-01-02 10:00", "2024-01-03 10:00", "2024-01-05 10:00"],
        "amount": [10.0, 20.0, 30.0, 40.0],
        "channel": ["web", "web", "shop", "web"],
    }
)


def shop_of(**tables: Any) -> Shop:
    shop = read_shop(tables, Settings()).shop
    assert shop is not None
    return shop


def told(earlier: pd.DataFrame, later: pd.DataFrame) -> list[tuple[str, str, int, int]]:
    return [(one.where, one.how, one.rows, one.of) for one in rewritten(shop_of(orders=earlier), shop_of(orders=later))]


def test_more_orders_of_more_people_on_later_days_are_no_news_of_the_past() -> None:
    newer = pd.DataFrame(
        {
            "customer_id": ["abe", "ann"],
            "order_id": ["0", "5"],
            "ordered_at": ["2024-01-06", "2024-01-07"],
            "amount": [1.0, 2.0],
            "channel": ["app", "web"],
        }
    )
    assert told(ORDERS, pd.concat([newer, ORDERS])) == []


def test_values_written_over_are_told_by_column() -> None:
    later = ORDERS.assign(channel=["web", "lost", "shop", "web"], amount=[10.0, 20.0, 31.0, 99.0])
    assert told(ORDERS, later) == [("orders.revenue", "changed", 1, 3), ("orders.channel", "changed", 1, 3)]


def test_rows_that_appear_or_vanish_are_told() -> None:
    assert told(ORDERS.drop(index=1), ORDERS) == [("orders", "appeared", 1, 3)]
    assert told(ORDERS, ORDERS.drop(index=1)) == [("orders", "vanished", 1, 3)]
    late = ORDERS.assign(recorded_at=["2024-01-01 10:00", "2024-01-09", "2024-01-03 10:00", "2024-01-05 10:00"])
    assert told(ORDERS.drop(index=1), late) == []
