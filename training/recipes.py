"""Recipes: the models and baselines that answer each question, and how each is fitted.

A recipe is compared, not a file: it is fitted anew at every cutoff of a backtest, and once more on everything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from regulars.features.settings import Settings
from regulars.features.shop import Shop
from regulars.models.cancellation import CancellationModel
from regulars.models.cancellation_baselines import TenureCancellations
from regulars.models.curves import OrderCurves
from regulars.models.fitted import OrderTimes, Products, Value
from regulars.models.next_product import NextProductModel
from regulars.models.next_product_baselines import PersonalTopProducts, PopularProducts
from regulars.models.order_time import OrderTimeModel
from regulars.models.order_time_baselines import BgNbdOrderTimes, ScoreOrderTimes, UsualGapOrderTimes
from regulars.models.value import ValueModel
from regulars.models.value_baselines import BaselineValue
from regulars.training.snapshots import TrainingSet, some_customers

VALUE_ROWS_AT_MOST = 15_000
"""Their curves have to be predicted first, which costs more than the fit."""
OURS: Mapping[str, str] = {
    "order_times": "order_time",
    "value": "value",
    "next_product": "next_product",
    "cancellation": "cancellation",
}
"""The recipe that is not a baseline, by component."""

NO_DIFFERENCE = ("threads", "mine")
"""Parameters that leave the answers as they are."""


@dataclass(frozen=True)
class Recipe:
    """How a model is made: `make()` gives an unfitted one, `text` tells one recipe from another."""

    name: str
    make: Callable[[], Any]
    is_baseline: bool
    judged_on_churn: bool = True

    @property
    def text(self) -> str:
        """The name and the parameters that matter."""
        parameters = {name: value for name, value in self.make().get_params().items() if name not in NO_DIFFERENCE}
        return f"{self.name} {parameters}"


def order_time_recipes(settings: Settings, seed: int, threads: int) -> list[Recipe]:
    """Answers to 'when is the next order'."""
    horizon = settings.churn.horizon_days
    return [
        Recipe("order_time", lambda: OrderTimeModel(seed=seed, threads=threads), False),
        Recipe("bgnbd", BgNbdOrderTimes, True),
        Recipe("recency", lambda: ScoreOrderTimes("recency", horizon), True),
        Recipe("churn_factor", lambda: ScoreOrderTimes("churn_factor", horizon), True),
        Recipe("usual_gap", UsualGapOrderTimes, True, judged_on_churn=False),
    ]


def value_recipes(settings: Settings, seed: int, threads: int, columns: tuple[str, ...]) -> list[Recipe]:
    """Answers to 'what are they worth'; last year's margin only where there is such a column."""
    horizon = settings.churn.horizon_days
    found = [
        Recipe("value", lambda: ValueModel(horizon_days=horizon, seed=seed, threads=threads), False),
        Recipe("gamma_gamma", lambda: BaselineValue("gamma_gamma", horizon), True),
    ]
    if "margin_365d" in columns:
        found.append(Recipe("last_year", lambda: BaselineValue("last_year", horizon), True))
    return found


def product_recipes(settings: Settings, seed: int, threads: int, *, mine: bool = True) -> list[Recipe]:
    """Answers to 'what do they buy next'; pairings are for people to read, and need not be mined for a backtest."""
    horizon, trusted = settings.product_horizon_days, settings.data.trust_undated

    def ours() -> NextProductModel:
        return NextProductModel(horizon_days=horizon, mine=mine, trust_undated=trusted, seed=seed, threads=threads)

    return [
        Recipe("next_product", ours, False),
        Recipe("personal_top", lambda: PersonalTopProducts(horizon_days=horizon), True),
        Recipe("popular", lambda: PopularProducts(horizon_days=horizon), True),
    ]


def cancellation_recipes(seed: int) -> list[Recipe]:
    """Answers to 'who cancels'."""
    return [
        Recipe("cancellation", lambda: CancellationModel(seed=seed), False),
        Recipe("life_table", TenureCancellations, True),
        Recipe("constant_rate", lambda: TenureCancellations(by_tenure=False), True),
    ]


def fit_order_times(recipe: Recipe, rows: TrainingSet) -> OrderTimes:
    """The recipe fitted."""
    fitted: OrderTimes = recipe.make().fit(rows.table, rows.orders)
    return fitted


def value_rows(rows: TrainingSet) -> TrainingSet:
    """The rows that value models learn from: watched for a whole horizon, and a random share where there are many."""
    watched = np.flatnonzero(rows.value.watched)
    kept = watched[some_customers(rows.table.customer[watched], VALUE_ROWS_AT_MOST)]
    return TrainingSet(rows.until, rows.table.take(kept), rows.orders.take(kept), rows.value.take(kept))


def fit_value(recipe: Recipe, rows: TrainingSet, curves: OrderCurves) -> Value | None:
    """The recipe fitted, None where the data cannot carry it (no customer with a positive margin)."""
    try:
        fitted: Value = recipe.make().fit(rows.table, curves, rows.value)
    except ValueError:
        if recipe.is_baseline:
            return None
        raise
    return fitted


def fit_products(recipe: Recipe, shop: Shop, until: int) -> Products:
    """The recipe fitted on what was known before `until`."""
    fitted: Products = recipe.make().fit(shop, until)
    return fitted
