"""Recency: how long ago things last happened."""

from __future__ import annotations

from regulars.features.define import Family, Values
from regulars.features.past import Past

recency = Family("recency", needs=("orders",), scalars=True)


@recency.feature(unit="days", empty="missing")
def days_since_last_order(past: Past) -> Values:
    """Days since the last order."""
    return past.orders.days_since_last()


@recency.feature(unit="days", empty="missing")
def days_since_last_return(past: Past) -> Values:
    """Days since something last came back."""
    return past.lines.days_since_last("returned")


@recency.feature(unit="days", empty="missing", needs=("orders.product_id",))
def days_since_new_product(past: Past) -> Values:
    """Days since a product was last bought for the first time."""
    return past.lines.days_since_last("new_product")


@recency.feature(unit="days", empty="missing")
def days_since_second_last_order(past: Past) -> Values:
    """Days since the order before the last one."""
    return past.orders.days_since(past.orders.nth_last_time(2))


@recency.feature(unit="days", empty="missing")
def days_since_third_last_order(past: Past) -> Values:
    """Days since the last order but two: how long their last three orders took."""
    return past.orders.days_since(past.orders.nth_last_time(3))
