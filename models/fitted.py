"""The answers a shop needs, and what every model that gives one of them promises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from regulars.features.families.season import CALENDAR
from regulars.features.shop import I32, Shop
from regulars.features.table import FeatureTable
from regulars.models.contract_curves import ContractCurves
from regulars.models.curves import OrderCurves
from regulars.models.recommendations import Recommendations
from regulars.models.state import Stored

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class ValuePrediction:
    """Margin in the horizon, in currency units: expected (n,), and the ends of its 80 % interval (n,)."""

    expected: F64
    low: F64
    high: F64


class OrderTimes(Stored, Protocol):
    """When the next orders come."""

    def predict_curves(self, table: FeatureTable) -> OrderCurves:
        """One curve per row of the table."""
        ...

    def reasons(self, table: FeatureTable, horizon_days: float, top: int = 3) -> list[list[str]]:
        """For each row the strongest reasons for its churn probability, in words with numbers in them."""
        ...


class Value(Stored, Protocol):
    """What customers are worth in the horizon."""

    def predict(self, table: FeatureTable, curves: OrderCurves, horizon_days: float) -> ValuePrediction:
        """Margin of each row within the horizon."""
        ...


class Cancellations(Stored, Protocol):
    """When contracts are cancelled, where customers hold such."""

    def predict_curves(self, table: FeatureTable, contract_days: F64) -> ContractCurves:
        """One curve per row of the table, whose contracts have run for `contract_days` (n,)."""
        ...

    def reasons(self, table: FeatureTable, contract_days: F64, horizon_days: float, top: int = 3) -> list[list[str]]:
        """For each row the strongest reasons for its chance of cancelling, in words with numbers in them."""
        ...


class Products(Stored, Protocol):
    """What customers buy next."""

    def recommend(self, shop: Shop, customers: I32, as_of: int, top: int = 10) -> Recommendations:
        """Products they will buy, and products they will buy for the first time."""
        ...


@dataclass(frozen=True)
class FittedModels:
    """One model for each answer; each is the winner among its candidates, baselines included.

    `cancellations` is there where churn is cancelling a contract ([churn] by = "contract"), and tells it then.
    """

    order_times: OrderTimes
    value: Value
    products: Products
    cancellations: Cancellations | None = None


def without_calendar(names: tuple[str, ...]) -> tuple[str, ...]:
    """The columns that trees may see: what is true of every customer at a moment is not among them.

    From a single year a tree cannot tell the season from chance; a model that knows of seasons works them out itself.
    """
    return tuple(name for name in names if name not in CALENDAR)


def values_without_calendar(table: FeatureTable) -> NDArray[np.float64]:
    """(n, columns) the values of the columns of `without_calendar`."""
    seen = [place for place, name in enumerate(table.names) if name not in CALENDAR]
    return table.values if len(seen) == len(table.names) else table.values[:, seen]


def check_columns(table: FeatureTable, names: tuple[str, ...]) -> None:
    """Refuses a table whose columns are not `names`, in that order.

    Raises:
        ValueError: naming the columns that are missing and those that are too many.
    """
    if table.names == names:
        return
    missing = [name for name in names if name not in table.names]
    unknown = [name for name in table.names if name not in names]
    differences = [
        text
        for text, found in ((f"lacks {', '.join(missing)}", missing), (f"has unknown {', '.join(unknown)}", unknown))
        if found
    ]
    raise ValueError(
        f"the feature table {' and '.join(differences) or 'has its columns in another order'}; expected the "
        f"{len(names)} columns this model was fitted on. Use the same settings and tables, or fit again"
    )
