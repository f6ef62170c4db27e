"""Recommendations as lists of plain values, with a reason for each product in words."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from regulars.features.shop import I32, I64, NEVER, Shop, Text
from regulars.models.fitted import Products
from regulars.models.recommendations import ProductList, Recommendations

Suggestion = dict[str, Any]
"""`product_id`, `probability`, `expected_at` (ISO text) and `reason`."""


@runtime_checkable
class GivesReasons(Protocol):
    """A product model that says itself why each product is there."""

    def reasons(self, shop: Shop, found: Recommendations) -> tuple[Text, Text]:
        """Text for each product of `found.all` and of `found.new`, (customers, top)."""
        ...


def both_lists(
    model: Products, shop: Shop, customers: I32, as_of: int, top: int, bought: NDArray[np.bool_]
) -> tuple[list[list[Suggestion]], list[list[Suggestion]]]:
    """For each customer the products they will buy, and those they will buy for the first time, best first.

    Args:
        model: is asked; where it gives no reasons, the customer's own history is the reason.
        shop: the customers' tables.
        customers: codes.
        as_of: the moment, in microseconds.
        top: products at most in each list.
        bought: (customers,) whether anything was ever ordered, which decides what a new product's reason is.
    """
    found = model.recommend(shop, customers, as_of, top)
    every, new = _plain_reasons(found.all, bought), _plain_reasons(found.new, bought)
    if isinstance(model, GivesReasons):
        every, new = model.reasons(shop, found)
    return _suggestions(found, found.all, every), _suggestions(found, found.new, new)


def _suggestions(found: Recommendations, products: ProductList, reasons: Text) -> list[list[Suggestion]]:
    ids, there, dates = found.ids(products.product), products.product >= 0, iso(products.expected_at)
    out = []
    for row, some in enumerate(there):
        columns = (ids, products.probability, dates, reasons)
        cells = zip(*(column[row][some].tolist() for column in columns), strict=True)
        out.append(
            [
                {"product_id": str(product), "probability": chance, "expected_at": at, "reason": reason}
                for product, chance, at, reason in cells
            ]
        )
    return out


def _plain_reasons(products: ProductList, bought: NDArray[np.bool_]) -> Text:
    out = np.full(products.product.shape, "", np.object_)
    for row, place in zip(*np.nonzero(products.product >= 0), strict=True):
        times, last, gap = (part[row, place] for part in (products.times, products.last_days, products.gap_days))
        out[row, place] = _reason(times, last, gap, bool(bought[row]))
    return out


def iso(moments: I64) -> Text:
    """Moments as ISO text to the second, None where there is none."""
    text = np.datetime_as_string(moments.view("datetime64[us]").astype("datetime64[s]")).astype(np.object_)
    text[moments == NEVER] = None
    return text


def _reason(times: float, last: float, gap: float, known: bool) -> str:
    """Why this product, from what the customer's history holds of it; a model may not say when (NaN)."""
    if times >= 1:
        often = "once" if times < 2 else f"{times:.0f} times"
        rhythm = f", every {gap:.0f} days" if gap >= 1 else ""
        return f"bought {often}{rhythm}{_last(last)}"
    return "never bought; customers with a similar history buy it" if known else "much bought in the shop"


def _last(days: float) -> str:
    if np.isnan(days):
        return ""
    whole = int(days)
    return ", last today" if whole == 0 else f", last {whole} day{'s' if whole > 1 else ''} ago"
