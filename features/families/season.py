"""Season: what the same part of last year was like for this customer, and where in the year we are."""

from __future__ import annotations

import numpy as np

from regulars.features.define import Family, Values
from regulars.features.past import Past
from regulars.features.shop import MONEY, days

season = Family("season", needs=("orders",))

YEAR = 365


@season.windowed(unit="orders", empty="0", below=YEAR)
def orders_year_ago_next(past: Past, window: int) -> Values:
    """Orders in the {window} days that followed this day a year ago."""
    return past.orders.count(days(YEAR), until=days(YEAR) - window)


@season.feature(unit="currency", empty="0")
def revenue_year_ago_next_90d(past: Past) -> Values:
    """Revenue of the 90 days that followed this day a year ago."""
    return past.lines.sum("revenue", days(YEAR), until=days(YEAR - 90)) / MONEY


@season.feature(unit="days", empty="missing")
def days_to_anniversary(past: Past) -> Values:
    """Days until the first order has its next anniversary (of 365 days each)."""
    return YEAR - np.mod(past.orders.days_since_first(), YEAR)
