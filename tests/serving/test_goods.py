from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from regulars.features.shop import Shop, as_time
from regulars.serving.goods import suggested_goods

NOW = as_time("2024-06-01")
PRODUCTS = (
    "product_id name accessory_of service_interval_days",
    [("dock", "A dock", "laptop", None), ("laptop", "A laptop", None, "90"), ("cable", None, "player", None)],
)


def test_the_accessory_of_what_was_bought_lately_and_is_not_owned(
    make_shop: Callable[..., Shop], make_scores: Callable[..., pd.DataFrame]
) -> None:
    orders = [
        ("a", "2024-05-20", "laptop", 500.0),
        ("b", "2024-05-20", "laptop", 500.0),
        ("b", "2024-05-21", "dock", 50.0),
        ("c", "2024-03-20", "laptop", 500.0),
        ("d", "2024-06-01", "laptop", 500.0),
    ]
    found = suggested_goods(make_scores("abcd"), make_shop(orders, products=PRODUCTS), np.arange(4), NOW)
    assert found.accessory.tolist() == ["dock", "", "", ""]
    assert found.bought.tolist() == ["laptop", "", "", ""]
    assert [found.name("dock"), found.name("cable")] == ["A dock", "cable"]


def test_a_service_is_due_with_every_interval(
    make_shop: Callable[..., Shop], make_scores: Callable[..., pd.DataFrame]
) -> None:
    days = {"a": "2024-03-10", "b": "2023-12-12", "c": "2023-01-01"}
    orders = [(customer, day, "laptop", 500.0) for customer, day in days.items()]
    found = suggested_goods(make_scores("abc"), make_shop(orders, products=PRODUCTS), np.arange(3), NOW)
    assert found.service.tolist() == ["laptop", "laptop", ""]
    assert found.service_due.tolist() == [7, 8, pytest.approx(np.nan, nan_ok=True)]


def test_the_models_suggestions_and_new_stock(
    make_shop: Callable[..., Shop], make_scores: Callable[..., pd.DataFrame]
) -> None:
    orders = [("a", "2024-01-01", "old", 5.0), ("b", "2024-05-01", "fresh", 5.0), ("a", "2024-05-01", "other", 1.0)]
    first = [{"product_id": "old", "probability": 0.4, "expected_at": "2024-06-11", "reason": "It is their usual."}]
    new = [
        {"product_id": "old", "probability": 0.2, "expected_at": None, "reason": "x"},
        {"product_id": "fresh", "probability": 0.1, "expected_at": None, "reason": "y"},
    ]
    scores = make_scores("ab", next_products=[first, []], next_new_products=[new, None])
    found = suggested_goods(scores, make_shop(orders), np.arange(2), NOW)
    assert found.next.tolist() == ["old", ""]
    assert found.next_chance[0] == 0.4
    assert found.next_due.tolist() == [10, pytest.approx(np.nan, nan_ok=True)]
    assert found.new.tolist() == ["old", ""]
    assert found.stock.tolist() == ["fresh", ""]
