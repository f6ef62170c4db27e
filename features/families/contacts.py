"""Contacts: what they were sent, and whether they answered with an order."""

from __future__ import annotations

from regulars.features.asof import ratio
from regulars.features.define import Family, Values
from regulars.features.logs import ANSWER_DAYS
from regulars.features.past import Past
from regulars.features.shop import days

contacts = Family("contacts", needs=("contacts",), scalars=True)


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


@contacts.feature(unit="contacts", empty="0")
def contacts_decayed_30d(past: Past) -> Values:
    """Fatigue: contacts so far, each counting half as much for every 30 days of age."""
    return past.contacts.decayed(None, days(30))


@contacts.feature(unit="share", empty="missing")
def answered_share(past: Past) -> Values:
    """Share of the contacts of more than 14 days ago that an order followed within 14 days."""
    over = days(ANSWER_DAYS)
    return ratio(past.answers.count(until=over), past.contacts.count(until=over))
