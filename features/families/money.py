"""Money: revenue, margin, discounts, returns."""

from __future__ import annotations

import numpy as np

from regulars.features.asof import ratio, where
from regulars.features.define import Family, Values
from regulars.features.past import Past
from regulars.features.shop import MONEY, PIECES, days

money = Family("money", needs=("orders",), scalars=True)


@money.windowed(unit="currency", empty="0")
def revenue(past: Past, last: int) -> Values:
    """Revenue of the last {window} days, returns taken off."""
    return past.lines.sum("revenue", last) / MONEY


@money.windowed(unit="currency", empty="0")
def margin(past: Past, last: int) -> Values:
    """Margin of the last {window} days, returns taken off."""
    return past.lines.sum("margin", last) / MONEY


@money.feature(unit="currency", empty="0")
def revenue_total(past: Past) -> Values:
    """Revenue so far, returns taken off."""
    return past.lines.sum("revenue") / MONEY


@money.feature(unit="currency", empty="0")
def margin_total(past: Past) -> Values:
    """Margin so far, returns taken off."""
    return past.lines.sum("margin") / MONEY


@money.feature(unit="currency", empty="missing")
def revenue_per_order(past: Past) -> Values:
    """Revenue per order, before returns."""
    return ratio(past.lines.sum("sold"), past.orders.count()) / MONEY


@money.feature(unit="currency", empty="missing")
def margin_per_order(past: Past) -> Values:
    """Margin per order, returns taken off."""
    return ratio(past.lines.sum("margin"), past.orders.count()) / MONEY


@money.feature(unit="currency", empty="missing")
def last_order_revenue(past: Past) -> Values:
    """Revenue of the last order."""
    return where(past.last_order.count() > 0, past.last_order.sum("sold") / MONEY, np.nan)


@money.feature(unit="currency", empty="0")
def dearest_line(past: Past) -> Values:
    """Revenue of the dearest line they bought so far."""
    return past.lines.largest("sold") / MONEY


@money.feature(unit="ratio", empty="missing")
def last_order_to_usual(past: Past) -> Values:
    """Revenue of the last order over the customer's usual revenue per order."""
    return ratio(last_order_revenue(past), revenue_per_order(past))


@money.feature(unit="share", empty="missing")
def returned_share(past: Past) -> Values:
    """Share of the revenue that came back."""
    return ratio(past.lines.sum("refunded"), past.lines.sum("sold"))


@money.feature(unit="share", empty="missing", needs=("orders.discount",))
def discount_share(past: Past) -> Values:
    """Discounts over what would have been paid without them."""
    given = past.lines.sum("given")
    return ratio(given, given + past.lines.sum("sold"))


@money.feature(unit="currency", empty="missing")
def revenue_per_piece(past: Past) -> Values:
    """Mean price of a piece they buy."""
    return ratio(past.lines.sum("sold"), past.lines.sum("pieces")) * PIECES / MONEY


@money.feature(unit="share", empty="missing")
def recent_revenue_share(past: Past) -> Values:
    """Share of the last 365 days' revenue (before returns) that came in the last 90: even buying makes it a quarter."""
    return ratio(past.lines.sum("sold", days(90)), past.lines.sum("sold", days(365)))


@money.feature(unit="ratio", empty="missing")
def order_value_trend(past: Past) -> Values:
    """Revenue per order of the last 180 days over that of all orders, before returns: below 1 their orders shrink."""
    lately = ratio(past.lines.sum("sold", days(180)), past.orders.count(days(180))) / MONEY
    return ratio(lately, revenue_per_order(past))


@money.feature(unit="ratio", empty="missing")
def largest_order_to_usual(past: Past) -> Values:
    """Revenue of the largest order over the usual revenue per order: 1 where all orders are alike."""
    return ratio(past.lines.most_of("order", "sold") / MONEY, revenue_per_order(past))


@money.feature(unit="share", empty="missing")
def returned_share_365d(past: Past) -> Values:
    """What came back in the last 365 days over the revenue of the same time."""
    return ratio(past.lines.sum("refunded", days(365)), past.lines.sum("sold", days(365)))


@money.feature(unit="share", empty="missing", needs=("orders.discount",))
def discount_share_365d(past: Past) -> Values:
    """Discounts of the last 365 days over what would have been paid in that time without them."""
    given = past.lines.sum("given", days(365))
    return ratio(given, given + past.lines.sum("sold", days(365)))


@money.feature(unit="share", empty="missing", needs=("orders.discount",))
def discounted_orders_share(past: Past) -> Values:
    """Share of the orders that held a line with a discount."""
    return ratio(past.lines.sum("order_discounted"), past.orders.count())


@money.feature(unit="share", empty="missing", needs=("orders.unit_cost",))
def margin_rate(past: Past) -> Values:
    """Margin over revenue, returns taken off both; missing without revenue."""
    revenue_left = past.lines.sum("revenue")
    return where(revenue_left > 0, ratio(past.lines.sum("margin"), revenue_left), np.nan)
