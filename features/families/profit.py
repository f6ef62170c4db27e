"""Profit: margin less the cost to serve, plus a stated share of what they referred."""

from __future__ import annotations

import numpy as np

from regulars.features.asof import ratio
from regulars.features.define import Family, Values
from regulars.features.past import Past

profit = Family("profit", needs=("orders", "support"), scalars=True)


@profit.feature(unit="currency", empty="0")
def profit_total(past: Past) -> Values:
    """Profit so far."""
    return past.profit()


@profit.windowed(unit="currency", empty="0")
def profit_in(past: Past, last: int) -> Values:
    """Profit of the last {window} days."""
    return past.profit(last)


@profit.feature(unit="currency", empty="missing")
def profit_per_order(past: Past) -> Values:
    """Profit so far per order."""
    return ratio(past.profit(), past.orders.count())


@profit.feature(unit="currency a month", empty="missing")
def profit_per_month(past: Past) -> Values:
    """Profit so far per 30 days since the first order, less than 30 counting as 30."""
    return ratio(past.profit(), np.maximum(past.orders.days_since_first() / 30, 1))
