"""Recommendations as lists of plain values, with a reason for each product in words."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from regulars.features.shop import I64, NEVER, Text
from regulars.models.recommendations import ProductList, Recommendations

Suggestion = dict[str, Any]
"""`product_id`, `probability`, `expected_at` (ISO text) and `reason`."""


def suggestions(found: Recommendations, products: ProductList, has_orders: NDArray[np.bool_]) -> list[list[Suggestion]]:
    """For each customer their products, best first.

    Args:
        found: whose products they are.
        products: `found.all` or `found.new`.
        has_orders: (customers,) true where anything was ever ordered, which decides what a new product's reason is.
    """
    ids, there, dates = found.ids(products.product), products.product >= 0, iso(products.expected_at)
    columns = (ids, products.probability, dates, products.times, products.last_days, products.gap_days)
    out = []
    for row, known in enumerate(has_orders.tolist()):
        cells = zip(*(column[row][there[row]].tolist() for column in columns), strict=True)
        out.append(
            [
                {
                    "product_id": str(product),
                    "probability": chance,
                    "expected_at": at,
                    "reason": _reason(times, last, gap, known),
                }
                for product, chance, at, times, last, gap in cells
            ]
        )
    return out


def iso(moments: I64) -> Text:
    """Moments as ISO text to the second, None where there is none."""
    text = np.datetime_as_string(moments.view("datetime64[us]").astype("datetime64[s]")).astype(np.object_)
    text[moments == NEVER] = None
    return text


def _reason(times: float, last: float, gap: float, known: bool) -> str:
    if times >= 2:
        rhythm = f", every {gap:.0f} days" if gap >= 1 else ""
        return f"bought {times:.0f} times{rhythm}; last {_ago(last)}"
    if times >= 1:
        return f"bought once, {_ago(last)}"
    if known:
        return "never bought; customers with a similar history buy it"
    return "much bought in the shop"


def _ago(days: float) -> str:
    whole = int(days)
    return "today" if whole == 0 else f"{whole} day{'s' if whole > 1 else ''} ago"
