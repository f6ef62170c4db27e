"""Frequency: how often they order."""

from __future__ import annotations

from regulars.features.asof import ratio
from regulars.features.define import Family, Values
from regulars.features.past import Past
from regulars.features.shop import days

frequency = Family("frequency", needs=("orders",), scalars=True)


@frequency.feature(unit="orders", empty="0")
def orders_total(past: Past) -> Values:
    """Orders so far."""
    return past.orders.count()


@frequency.windowed(unit="orders", empty="0")
def orders(past: Past, last: int) -> Values:
    """Orders in the last {window} days."""
    return past.orders.count(last)


@frequency.feature(unit="lines", empty="0")
def lines_total(past: Past) -> Values:
    """Lines sold so far."""
    return past.lines.sum("sale")


@frequency.feature(unit="lines", empty="missing")
def lines_per_order(past: Past) -> Values:
    """Lines sold per order."""
    return ratio(past.lines.sum("sale"), past.orders.count())


@frequency.feature(unit="orders", empty="0")
def orders_decayed_60d(past: Past) -> Values:
    """Orders so far, each counting half as much for every 60 days of age."""
    return past.orders.decayed(None, days(60))


@frequency.feature(unit="orders", empty="0")
def orders_decayed_180d(past: Past) -> Values:
    """Orders so far, each counting half as much for every 180 days of age."""
    return past.orders.decayed(None, days(180))


@frequency.feature(unit="share", empty="missing")
def recent_orders_share(past: Past) -> Values:
    """Share of the last 180 days' orders that came in the last 90: above one half they order more often than before."""
    return ratio(past.orders.count(days(90)), past.orders.count(days(180)))


@frequency.feature(unit="ratio", empty="missing")
def basket_trend(past: Past) -> Values:
    """Lines sold per order of the last 90 days over those of all orders: below 1 their baskets shrink."""
    return ratio(ratio(past.lines.sum("sale", days(90)), past.orders.count(days(90))), lines_per_order(past))
