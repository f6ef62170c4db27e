"""The columns of scores, said once: their names, their order, their types in Arrow, and what they may hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

_MOMENT = pa.timestamp("us")
_PRODUCTS = pa.list_(
    pa.struct(
        [
            ("product_id", pa.string()),
            ("probability", pa.float64()),
            ("expected_at", pa.string()),
            ("reason", pa.string()),
        ]
    )
)

TYPES: dict[str, Any] = {
    "customer_id": pa.string(),
    "as_of": _MOMENT,
    "model_version": pa.string(),
    "status": pa.string(),
    "stage": pa.string(),
    "churn_probability": pa.float64(),
    "churn_percentile": pa.float64(),
    "next_order_at": _MOMENT,
    "next_order_from": _MOMENT,
    "next_order_to": _MOMENT,
    "expected_orders": pa.float64(),
    "expected_margin": pa.float64(),
    "expected_margin_low": pa.float64(),
    "expected_margin_high": pa.float64(),
    "profit_to_date": pa.float64(),
    "cost_to_serve": pa.float64(),
    "next_products": _PRODUCTS,
    "next_new_products": _PRODUCTS,
    "reasons": pa.list_(pa.string()),
}
"""Type of each column, in order; the three moments of the next order are null beyond 730 days."""

COLUMNS = tuple(TYPES)
TEXTS = tuple(name for name, kind in TYPES.items() if kind == pa.string())
NUMBERS = tuple(name for name, kind in TYPES.items() if kind == pa.float64())
MOMENTS = tuple(name for name, kind in TYPES.items() if kind == _MOMENT)
LISTS = tuple(name for name, kind in TYPES.items() if pa.types.is_list(kind))
SCHEMA = pa.schema(list(TYPES.items()))


def checked(scores: pd.DataFrame) -> pd.DataFrame:
    """The scores themselves, once nothing in them is impossible.

    Raises:
        ValueError: naming column, customer and value, where a number is none, a probability is outside 0 to 1, an
            interval does not hold what it is around, or the reasons are missing.
    """
    for name in NUMBERS:
        _refuse(scores, name, ~np.isfinite(scores[name].to_numpy()), "a finite number")
    for name, most in (("churn_probability", 1.0), ("churn_percentile", 100.0), ("expected_orders", np.inf)):
        values = scores[name].to_numpy()
        _refuse(scores, name, (values < 0) | (values > most), f"0 to {most:g}")
    low, expected, high = (scores[f"expected_margin{end}"].to_numpy() for end in ("_low", "", "_high"))
    _refuse(scores, "expected_margin_low", low > expected, "expected_margin or less")
    _refuse(scores, "expected_margin_high", high < expected, "expected_margin or more")
    _refuse(scores, "reasons", (scores["reasons"].map(len) == 0).to_numpy(bool), "at least one reason")
    for name in ("next_products", "next_new_products"):
        bad = [not all(0 <= item["probability"] <= 1 for item in items) for items in scores[name]]
        _refuse(scores, name, np.array(bad, bool), "probabilities from 0 to 1")
    return scores


def _refuse(scores: pd.DataFrame, name: str, bad: NDArray[np.bool_], expected: str) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        who, value = scores["customer_id"].iloc[row], scores[name].iloc[row]
        raise ValueError(
            f"scores: {name} of customer {who!r} is {value!r} (and {int(bad.sum()) - 1} more rows like it); "
            f"expected {expected}. The model that answered is damaged or does not keep its promises; train it again"
        )
