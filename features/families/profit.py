"""Profit: margin less the cost to serve, plus a stated share of what they referred."""

from __future__ import annotations

from regulars.features.define import Family, Values
from regulars.features.past import Past

profit = Family("profit", needs=("orders", "support"))


@profit.feature(unit="currency", empty="0")
def profit_total(past: Past) -> Values:
    """Profit so far."""
    return past.profit()


@profit.windowed(unit="currency", empty="0")
def profit_in(past: Past, last: int) -> Values:
    """Profit of the last {window} days."""
    return past.profit(last)
