"""Small shops and scores that can be checked by eye."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from regulars.features.asof import Moments
from regulars.features.context import ShopContext
from regulars.features.logs import Logs
from regulars.features.reading import read_shop
from regulars.features.settings import Settings
from regulars.features.shop import DAY, I32, Shop
from regulars.features.table import FeatureTable, feature_table
from regulars.models.curves import OrderCurves
from regulars.models.fitted import FittedModels, ValuePrediction
from regulars.models.hazard_rows import OrderLabels
from regulars.models.next_product_baselines import PopularProducts
from regulars.models.order_time_baselines import BgNbdOrderTimes
from regulars.models.recommendations import ProductList, Recommendations
from regulars.models.state import State, array_part, dict_part
from regulars.models.value import ValueLabels
from regulars.models.value_baselines import BaselineValue
from regulars.serving import bundle

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


class FakeOrderTimes:
    """Orders at a constant rate: the customer's own orders a month, and a little more where tickets are known."""

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor

    def predict_curves(self, table: FeatureTable) -> OrderCurves:
        assert len(table), "LightGBM has no answer for no rows"
        rate = self.factor * table.column("orders_per_month") / 30
        if "tickets_total" in table.names:
            rate = rate / (1 + table.column("tickets_total"))
        edges = np.array([0.0, 90.0, 730.0])
        return OrderCurves(edges, np.exp(-rate[:, None] * edges), rate)

    def reasons(self, table: FeatureTable, horizon_days: float, top: int = 3) -> list[list[str]]:
        since = table.column("days_since_last_order")
        return [[f"last order {days:.0f} days ago", "second", "third"][:top] for days in since]

    def state(self) -> State:
        return {"numbers": {"factor": self.factor}}

    @classmethod
    def from_state(cls, state: State) -> FakeOrderTimes:
        return cls(**dict_part(state, "numbers"))


class FakeValue:
    """Each order brings the same margin."""

    def __init__(self, margin: float = 10.0) -> None:
        self.margin = margin

    def predict(self, table: FeatureTable, curves: OrderCurves, horizon_days: float) -> ValuePrediction:
        expected = self.margin * curves.expected_orders(horizon_days)
        return ValuePrediction(expected, expected * 0.5, expected * 2)

    def state(self) -> State:
        return {"margin": np.array([self.margin]), "note": "each order brings the same"}

    @classmethod
    def from_state(cls, state: State) -> FakeValue:
        return cls(float(array_part(state, "margin")[0]))


class FakeProducts:
    """The same products for everybody, in a fixed order; those already bought are not new."""

    def __init__(self, products: list[str]) -> None:
        self.products = sorted(products)

    def recommend(self, shop: Shop, customers: I32, as_of: int, top: int = 10) -> Recommendations:
        ids = np.array(self.products, np.object_)
        every, new = ProductList.empty(len(customers), top), ProductList.empty(len(customers), top)
        lines = shop.orders
        for row, customer in enumerate(customers):
            mine = lines.product[(lines.customer == customer) & (lines.visible < as_of)]
            bought = [[shop.product_ids[code] for code in mine if code >= 0].count(name) for name in ids]
            for products, codes in ((every, range(len(ids))), (new, [at for at, n in enumerate(bought) if n == 0])):
                for place, code in enumerate(list(codes)[:top]):
                    products.product[row, place] = code
                    products.probability[row, place] = 0.5 / (1 + place)
                    products.expected_at[row, place] = as_of + DAY
                    products.times[row, place] = bought[code]
                    products.last_days[row, place] = 3.0 if bought[code] else np.nan
        return Recommendations(customers, as_of, ids, every, new)

    def state(self) -> State:
        return {"products": pa.table({"product_id": self.products}), "count": [len(self.products)]}

    @classmethod
    def from_state(cls, state: State) -> FakeProducts:
        table = state["products"]
        assert isinstance(table, pa.Table)
        return cls(table.column("product_id").to_pylist())


@pytest.fixture
def fake_models(monkeypatch: pytest.MonkeyPatch) -> FittedModels:
    """Models simple enough to work out by hand, which bundles may hold while the test runs."""
    models = FittedModels(FakeOrderTimes(), FakeValue(), FakeProducts(["cup", "tea", "urn"]))
    for role in bundle.COMPONENTS:
        kind = type(getattr(models, role))
        monkeypatch.setitem(bundle.COMPONENTS[role], kind.__name__, kind.__module__)
    return models


@pytest.fixture(scope="session")
def small_models() -> Callable[[Shop, int], FittedModels]:
    """The plainest of the product's own models, fitted on a small shop as known before a moment."""

    def fit(shop: Shop, as_of: int) -> FittedModels:
        logs = Logs(shop, Settings())
        everybody = Moments(np.arange(len(shop.customer_ids), dtype=np.int32), np.full(len(shop.customer_ids), as_of))
        table = feature_table(logs, everybody, ShopContext.of(logs, as_of))
        rows = len(table)
        nothing = np.full(rows, np.nan)
        came = OrderLabels(nothing, np.zeros(rows), np.zeros(rows), np.zeros(rows))
        brought = ValueLabels(np.zeros(rows), np.zeros(rows), np.zeros(rows, bool))
        times = BgNbdOrderTimes().fit(table, came)
        value = BaselineValue("last_year").fit(table, times.predict_curves(table), brought)
        return FittedModels(times, value, PopularProducts().fit(shop, as_of))

    return fit
