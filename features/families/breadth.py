"""Breadth: how much of the assortment they buy."""

from __future__ import annotations

from regulars.features.asof import ratio
from regulars.features.define import Family, Values
from regulars.features.past import Past

breadth = Family("breadth", needs=("orders", "orders.product_id"))


@breadth.feature(unit="products", empty="0")
def products_total(past: Past) -> Values:
    """Different products bought so far."""
    return past.lines.sum("new_product")


@breadth.windowed(unit="products", empty="0")
def products(past: Past, last: int) -> Values:
    """Different products bought in the last {window} days."""
    return past.sales.distinct("product", last)


@breadth.feature(unit="share", empty="missing")
def new_product_share(past: Past) -> Values:
    """Share of the lines sold that were a product new to the customer."""
    return ratio(past.lines.sum("new_product"), past.sales.count())


@breadth.feature(unit="categories", empty="0", needs=("products.category",))
def categories_total(past: Past) -> Values:
    """Different categories bought so far."""
    return past.sales.distinct("category")
