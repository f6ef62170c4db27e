"""Support load: the work a customer costs, how it went, and what is open now."""

from __future__ import annotations

import numpy as np

from regulars.features.asof import F64, ratio, where
from regulars.features.define import Family, Values
from regulars.features.past import Past
from regulars.features.shop import DAY, I64, MONEY, NEVER, PIECES, days

support_load = Family("support_load", needs=("support",), scalars=True)


@support_load.feature(unit="tickets", empty="0")
def tickets_total(past: Past) -> Values:
    """Tickets opened so far."""
    return past.support.sum("opened")


@support_load.windowed(unit="tickets", empty="0")
def tickets(past: Past, last: int) -> Values:
    """Tickets opened in the last {window} days."""
    return past.support.sum("opened", last)


@support_load.windowed(unit="minutes", empty="0", needs=("support.minutes",))
def minutes(past: Past, last: int) -> Values:
    """Minutes of work in the last {window} days, on tickets or not."""
    return past.support.sum("minutes", last) / PIECES


@support_load.feature(unit="currency", empty="0", needs=("support.minutes",))
def cost_to_serve(past: Past) -> Values:
    """Cost of all minutes of work so far."""
    return past.cost_to_serve()


@support_load.feature(unit="minutes", empty="0", needs=("support.minutes",))
def minutes_outside_tickets(past: Past) -> Values:
    """Minutes of work so far that belong to no ticket."""
    return past.support.sum("outside") / PIECES


@support_load.feature(unit="tickets", empty="0", needs=("support.ticket_id",))
def tickets_open(past: Past) -> Values:
    """Tickets open now."""
    return past.support.current("tickets_open", 0)


@support_load.feature(unit="days", empty="missing", needs=("support.ticket_id",))
def oldest_open_ticket_days(past: Past) -> Values:
    """Days since the oldest ticket that is open now was opened (or reopened)."""
    return past.support.days_since(past.support.current("oldest_open", NEVER))


@support_load.feature(unit="tickets", empty="0", needs=("support.ticket_id",))
def reopened_365d(past: Past) -> Values:
    """Tickets reopened in the last 365 days."""
    return past.support.sum("reopened", days(365))


@support_load.feature(unit="days", empty="missing", needs=("support.ticket_id",))
def first_reply_days(past: Past) -> Values:
    """Mean time from opening (or reopening) a ticket to the first reply after it."""
    return ratio(past.support.current("reply_wait", 0), past.support.current("replies", 0)) / DAY


@support_load.feature(unit="days", empty="missing", needs=("support.ticket_id",))
def resolution_days(past: Past) -> Values:
    """Mean time from opening (or reopening) a ticket to closing it."""
    return ratio(past.support.current("resolution", 0), past.support.current("closings", 0)) / DAY


@support_load.feature(unit="days", empty="missing", needs=("support.ticket_id",))
def last_resolution_days(past: Past) -> Values:
    """Time from opening (or reopening) to closing of the ticket closed last."""
    taken = past.support.current("last_resolution", -1)
    return where(taken < 0, np.nan, taken / DAY)


@support_load.windowed(unit="complaints", empty="0", needs=("support.is_complaint",))
def complaints(past: Past, last: int) -> Values:
    """Tickets with a complaint, and complaints outside tickets, in the last {window} days."""
    return past.support.sum("complained", last)


@support_load.feature(unit="1 to 5", empty="missing", needs=("support.satisfaction",))
def satisfaction(past: Past) -> Values:
    """Mean satisfaction so far."""
    return ratio(past.support.sum("satisfaction"), past.support.sum("rated"))


@support_load.feature(unit="1 to 5", empty="missing", needs=("support.satisfaction",))
def last_satisfaction(past: Past) -> Values:
    """Satisfaction given last."""
    given = past.support.last_where("satisfaction", "rated", 0)
    return where(given > 0, given, np.nan)


@support_load.feature(unit="points", empty="missing", needs=("support.satisfaction",))
def satisfaction_trend(past: Past) -> Values:
    """Satisfaction given last less the mean of all."""
    return last_satisfaction(past) - satisfaction(past)


@support_load.feature(unit="share", empty="missing", needs=("support.minutes",))
def service_share_of_margin(past: Past) -> Values:
    """Cost to serve of the last 365 days over the margin of the same time; missing without margin."""
    margin = past.lines.sum("margin", days(365)) / MONEY
    return where(margin > 0, ratio(past.cost_to_serve(days(365)), margin), np.nan)


@support_load.feature(unit="days", empty="missing")
def days_since_bad_experience(past: Past) -> Values:
    """Days since a complaint, a reopened ticket or a rating of 1 or 2."""
    return past.support.days_since_last("bad")


@support_load.feature(unit="0 or 1", empty="0")
def bad_since_last_order(past: Past) -> Values:
    """Whether the last bad experience came after the last order."""
    return (past.support.last_time("bad") > past.orders.last_time()).astype(float)


@support_load.feature(unit="minutes", empty="0", needs=("support.minutes",))
def minutes_outside_tickets_90d(past: Past) -> Values:
    """Minutes of work in the last 90 days that belong to no ticket."""
    return past.support.sum("outside", days(90)) / PIECES


@support_load.feature(unit="minutes", empty="0", needs=("support.minutes",))
def minutes_outside_tickets_365d(past: Past) -> Values:
    """Minutes of work in the last 365 days that belong to no ticket."""
    return past.support.sum("outside", days(365)) / PIECES


@support_load.feature(unit="tickets an order", empty="missing")
def tickets_per_order(past: Past) -> Values:
    """Tickets per order."""
    return ratio(past.support.sum("opened"), past.orders.count())


@support_load.feature(unit="days", empty="missing")
def days_since_last_ticket(past: Past) -> Values:
    """Days since a ticket was last opened."""
    return past.support.days_since_last("opened")


@support_load.feature(unit="days", empty="missing", needs=("support.ticket_id",))
def unanswered_days(past: Past) -> Values:
    """Days since the oldest open ticket without a reply was opened (or reopened); missing if nobody waits."""
    return past.support.days_since(past.support.current("oldest_unanswered", NEVER))


@support_load.feature(unit="days", empty="missing", needs=("support.ticket_id",))
def last_first_reply_days(past: Past) -> Values:
    """Time from opening (or reopening) a ticket to the first reply after it, for the first reply given last."""
    waited = past.support.current("last_reply_wait", -1)
    return where(waited < 0, np.nan, waited / DAY)


@support_load.feature(unit="days", empty="missing", needs=("support.ticket_id",))
def first_reply_days_365d(past: Past) -> Values:
    """Mean time to the first reply, of those that became known in the last 365 days."""
    return _mean_days(past.support.grown("reply_wait", days(365)), past.support.grown("replies", days(365)))


@support_load.feature(unit="days", empty="missing", needs=("support.ticket_id",))
def resolution_days_365d(past: Past) -> Values:
    """Mean time from opening (or reopening) to closing, of the closings that became known in the last 365 days."""
    return _mean_days(past.support.grown("resolution", days(365)), past.support.grown("closings", days(365)))


@support_load.feature(unit="days", empty="0", needs=("support.ticket_id",))
def waited_days_decayed_90d(past: Past) -> Values:
    """Days that they waited for tickets to be closed, each wait halved for every 90 days since."""
    return past.support.decayed("waited", days(90)) / DAY


@support_load.feature(unit="days", empty="0", needs=("support.ticket_id", "support.is_complaint"))
def complaint_days_decayed_90d(past: Past) -> Values:
    """Days that they waited for complaints to be closed, each wait halved for every 90 days since."""
    return past.support.decayed("complaint_waited", days(90)) / DAY


@support_load.feature(unit="complaints", empty="0", needs=("support.ticket_id", "support.is_complaint"))
def slow_complaints_decayed_90d(past: Past) -> Values:
    """Complaints that took more than 3 days to close, each halved for every 90 days since."""
    return past.support.decayed("slow_complaint", days(90))


@support_load.feature(unit="events", empty="0")
def bad_experiences_decayed_90d(past: Past) -> Values:
    """Complaints, reopened tickets and ratings of 1 or 2, each halved for every 90 days since."""
    return past.support.decayed("bad", days(90))


def _mean_days(time: I64, count: I64) -> F64:
    """`time / count` in days; missing where the count did not grow, as when a correction took back an earlier one."""
    return where(count > 0, ratio(time, count) / DAY, np.nan)
