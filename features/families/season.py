"""Season: what the same part of last year was like for this customer, and where in the year we are."""

from __future__ import annotations

import numpy as np

from regulars.features.asof import ratio
from regulars.features.calendar import day_of_year as day_in_year
from regulars.features.calendar import days_to_birthday as days_until_birthday
from regulars.features.define import Family, Values
from regulars.features.past import Past
from regulars.features.shop import MONEY, NEVER, days

season = Family("season", needs=("orders",), scalars=True)

YEAR = 365
CALENDAR = ("day_of_year",)
"""What is true of the moment and not of the customer. Models are not trained on it: those that know of seasons work
them out for the days they ask about, and the others are not to learn them from a single year (see `models.order_time`).
"""


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


@season.feature(unit="share", empty="missing")
def year_ago_share_next_90d(past: Past) -> Values:
    """Share of the last 365 days' orders that came in the 90 days that followed this day a year ago."""
    return ratio(past.orders.count(days(YEAR), until=days(YEAR - 90)), past.orders.count(days(YEAR)))


@season.feature(unit="days", empty="missing", needs=("customers.birth_date",))
def days_to_birthday(past: Past) -> Values:
    """Whole days until the next birthday, 0 on the day.

    A date of birth counts from when it is known; in a row without `valid_from`, only with `[data] trust_undated`.
    """
    return days_until_birthday(past.births.current("birth_date", NEVER), past.moments.time)


@season.feature(unit="day", empty="set")
def day_of_year(past: Past) -> Values:
    """The day of the year of the moment, 1 on 1 January. Models are not trained on it: they work out the season."""
    return day_in_year(past.moments.time)
