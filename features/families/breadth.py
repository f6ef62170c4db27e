"""Breadth: how much of the assortment they buy."""

from __future__ import annotations

from regulars.features.asof import ratio
from regulars.features.define import Family, Values
from regulars.features.past import Past
from regulars.features.shop import days

breadth = Family("breadth", needs=("orders", "orders.product_id"), scalars=True)


@breadth.feature(unit="products", empty="0")
def products_total(past: Past) -> Values:
    """Different products bought so far."""
    return past.lines.sum("new_product")


@breadth.windowed(unit="products", empty="0")
def products(past: Past, last: int) -> Values:
    """Different products bought in the last {window} days."""
    return past.lines.distinct("bought", last)


@breadth.feature(unit="share", empty="missing")
def new_product_share(past: Past) -> Values:
    """Share of the lines sold that were a product new to the customer."""
    return ratio(past.lines.sum("new_product"), past.lines.sum("sale"))


@breadth.feature(unit="categories", empty="0", needs=("products.category",))
def categories_total(past: Past) -> Values:
    """Different categories bought so far."""
    return past.lines.distinct("bought_category")


@breadth.feature(unit="categories", empty="0", needs=("products.category",))
def categories_365d(past: Past) -> Values:
    """Different categories bought in the last 365 days."""
    return past.lines.distinct("bought_category", days(365))


@breadth.feature(unit="share", empty="missing")
def new_product_share_90d(past: Past) -> Values:
    """Share of the lines sold in the last 90 days that were a product new to the customer."""
    return ratio(past.lines.sum("new_product", days(90)), past.lines.sum("sale", days(90)))


@breadth.feature(unit="share", empty="missing")
def rebought_share(past: Past) -> Values:
    """Share of their products that they bought more than once (on two lines or more)."""
    return ratio(past.lines.seen("bought", 2), past.lines.sum("new_product"))


@breadth.feature(unit="share", empty="missing")
def top_product_share(past: Past) -> Values:
    """Share of the lines sold that were the product they bought most."""
    return ratio(past.lines.most_of("bought"), past.lines.sum("sale"))


@breadth.feature(unit="share", empty="missing", needs=("products.category",))
def top_category_share(past: Past) -> Values:
    """Share of the lines sold that were of the category they bought most."""
    return ratio(past.lines.most_of("bought_category"), past.lines.sum("sale"))
