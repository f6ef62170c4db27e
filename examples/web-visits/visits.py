"""Features from visits to the shop's web site: an event table of one's own, and what it says of a customer.

`docs/own-features.md` walks through this file. It is named in the settings, `[features] own = ["visits.py"]`, and reads
`visits.csv` (or `visits.parquet`, ...) beside the shop's other tables.
"""

from __future__ import annotations

from regulars.features.asof import ratio
from regulars.features.define import Family, Values
from regulars.features.past import Past
from regulars.features.shop import PIECES
from regulars.features.tables import Column, EventTable, Kind


class Visits(EventTable):
    """Visits to the web site, as its log tells them."""

    title = "visits"
    happened = "visited_at"
    one_row = "one row per visit to the web site"
    without = "interest that does not end in an order is not seen"

    visited_at = Column(Kind.TIME, "when they came", required=True)
    pages = Column(Kind.NUMBER, "pages they looked at", low=0)
    page = Column(Kind.TEXT, "the page on which the visit ended")


web = Family("web", needs=("visits",))


@web.feature(unit="days", empty="missing")
def days_since_last_visit(past: Past) -> Values:
    """Days since the last visit to the web site."""
    return past.table("visits").days_since_last()


@web.windowed(unit="pages", empty="0", needs=("visits.pages",))
def pages_viewed(past: Past, last: int) -> Values:
    """Pages looked at in the last {window} days."""
    return past.table("visits").sum("pages", last) / PIECES


@web.feature(unit="share", empty="missing", needs=("visits.page",))
def left_at_checkout_share(past: Past) -> Values:
    """Share of the visits that ended at the checkout."""
    return ratio(past.table("visits", page="checkout").count(), past.table("visits").count())


@web.feature(unit="visits", empty="0")
def visits_since_last_order(past: Past) -> Values:
    """Visits after the last order; all of them where there is none."""
    return past.table("visits").count_after(past.orders.last_time())
