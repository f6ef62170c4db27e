"""Contacts: what they were sent, and whether they answered with an order."""

from __future__ import annotations

from regulars.features.define import Family, Values
from regulars.features.past import Past

contacts = Family("contacts", needs=("contacts",))


@contacts.windowed(unit="contacts", empty="0")
def contacted(past: Past, last: int) -> Values:
    """Contacts sent in the last {window} days."""
    return past.contacts.count(last)


@contacts.feature(unit="days", empty="missing")
def days_since_contact(past: Past) -> Values:
    """Days since the last contact."""
    return past.contacts.days_since_last()


@contacts.feature(unit="contacts", empty="0")
def ignored_in_a_row(past: Past) -> Values:
    """Contacts sent after the last order; all of them where there is none."""
    return past.contacts.count_after(past.orders.last_time())
