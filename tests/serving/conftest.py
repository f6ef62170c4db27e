"""Small shops and scores that can be checked by eye."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from regulars.features.reading import read_shop
from regulars.features.settings import Settings
from regulars.features.shop import Shop

Table = dict[str, list[Any]]
MakeShop = Callable[..., Shop]
MakeScores = Callable[..., pd.DataFrame]


def table(names: str, rows: Sequence[tuple[Any, ...]]) -> Table:
    """Columns from rows of texts (None: empty)."""
    return {name: [row[at] for row in rows] for at, name in enumerate(names.split())}


@pytest.fixture(scope="session")
def make_shop() -> MakeShop:
    """A shop from orders as (customer, day, product, amount) and other tables as (column names, rows)."""

    made: dict[str, Shop] = {}

    def make(orders: Sequence[tuple[str, str, str, float]], **tables: tuple[str, Sequence[tuple[Any, ...]]]) -> Shop:
        key = repr((orders, tables))  # generated examples ask for the same shop many times
        if key in made:
            return made[key]
        lines = [(customer, f"{customer}-{day}", day, product, 1, amount) for customer, day, product, amount in orders]
        source = {"orders": pa.table(table("customer_id order_id ordered_at product_id quantity unit_price", lines))}
        source |= {title: pa.table(table(*given)) for title, given in tables.items()}
        shop = read_shop(source, Settings()).shop
        assert shop is not None
        return made.setdefault(key, shop)

    return make


@pytest.fixture(scope="session")
def make_scores() -> MakeScores:
    """Scores of customers, plain ones unless columns say otherwise."""

    def make(customers: Sequence[str], **columns: Any) -> pd.DataFrame:
        plain: dict[str, Any] = {
            "customer_id": list(customers),
            "status": "scored",
            "stage": "committed",
            "churn_probability": 0.5,
            "expected_margin": 50.0,
            "profit_to_date": 100.0,
            "cost_to_serve": 10.0,
            "next_products": [[] for _ in customers],
            "next_new_products": [[] for _ in customers],
        }
        return pd.DataFrame(plain | columns)

    return make
