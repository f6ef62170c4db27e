"""The judge of `judge`, on support, contacts, advocacy and profit."""

from __future__ import annotations

from math import nan

from tests.features.judge import YEAR, margin, margin_total, orders_per_month
from tests.features.known import Known, Ticket
from tests.features.strategies import Word
from tests.features.verdicts import half, over, verdict

from regulars.features.shop import DAY, MONEY, NEVER, NONE, PIECES

# support_load


@verdict
def tickets_total(k: Known) -> float:
    return sum(row.event == "opened" for row in k.support)


@verdict
def tickets(k: Known, window: int) -> float:
    return sum(row.event == "opened" and k.within(row.time, window) for row in k.support)


@verdict
def minutes(k: Known, window: int) -> float:
    return sum(row.minutes for row in k.support if k.within(row.time, window)) / PIECES


@verdict
def cost_to_serve(k: Known) -> float:
    return sum(row.minutes for row in k.support) / PIECES * k.settings.money.cost_per_support_minute


@verdict
def minutes_outside_tickets(k: Known) -> float:
    return sum(row.minutes for row in k.support if row.ticket == NONE) / PIECES


@verdict
def tickets_open(k: Known) -> float:
    return sum(ticket.since is not None for ticket in k.tickets())


@verdict
def oldest_open_ticket_days(k: Known) -> float:
    since = [ticket.since for ticket in k.tickets() if ticket.since is not None]
    return (k.t - min(since)) / DAY if since else nan


@verdict
def reopened_365d(k: Known) -> float:
    return sum(row.event == "reopened" and k.within(row.time, YEAR) for row in k.support)


@verdict
def first_reply_days(k: Known) -> float:
    waits = [wait for ticket in k.tickets() for wait in ticket.waits]
    return over(sum(waits), len(waits) * DAY)


@verdict
def resolution_days(k: Known) -> float:
    taken = [took for ticket in k.tickets() for _, took in ticket.taken]
    return over(sum(taken), len(taken) * DAY)


@verdict
def last_resolution_days(k: Known) -> float:
    last = max(
        ((*ticket.taken[-1], ticket.number) for ticket in k.tickets() if ticket.taken), key=by_closing, default=None
    )
    return nan if last is None else last[1] / DAY


def by_closing(closing: tuple[int, int, int]) -> tuple[int, int]:
    """Of tickets closed at one moment the one with the greater number is the last."""
    closed_at, _, ticket = closing
    return closed_at, ticket


@verdict
def complaints(k: Known, window: int) -> float:
    return sum(k.within(row.time, window) for row in k.complaints())


@verdict
def satisfaction(k: Known) -> float:
    return over(sum(row.satisfaction for row in k.rated()), len(k.rated()))


@verdict
def last_satisfaction(k: Known) -> float:
    last = None
    for row in k.rated():
        if last is None or row.time >= last.time:
            last = row
    return nan if last is None else last.satisfaction


@verdict
def satisfaction_trend(k: Known) -> float:
    return last_satisfaction(k) - satisfaction(k)


@verdict
def service_share_of_margin(k: Known) -> float:
    earned = margin(k, YEAR)
    return minutes(k, YEAR) * k.settings.money.cost_per_support_minute / earned if earned > 0 else nan


@verdict
def days_since_bad_experience(k: Known) -> float:
    return k.days_since(k.bad())


@verdict
def bad_since_last_order(k: Known) -> float:
    last_order = max((order.time for order in k.orders), default=NEVER)
    return float(any(time > last_order for time in k.bad()))


@verdict
def minutes_outside_tickets_90d(k: Known) -> float:
    return minutes_outside(k, 90)


@verdict
def minutes_outside_tickets_365d(k: Known) -> float:
    return minutes_outside(k, YEAR)


def minutes_outside(k: Known, window: int) -> float:
    return sum(row.minutes for row in k.support if row.ticket == NONE and k.within(row.time, window)) / PIECES


@verdict
def tickets_per_order(k: Known) -> float:
    return over(tickets_total(k), len(k.orders))


@verdict
def days_since_last_ticket(k: Known) -> float:
    return k.days_since([row.time for row in k.support if row.event == "opened"])


@verdict
def unanswered_days(k: Known) -> float:
    since = [ticket.since for ticket in k.tickets() if ticket.since is not None and not ticket.answered]
    return (k.t - min(since)) / DAY if since else nan


@verdict
def last_first_reply_days(k: Known) -> float:
    last = max(
        ((*ticket.replied[-1], ticket.number) for ticket in k.tickets() if ticket.replied), key=by_closing, default=None
    )
    return nan if last is None else last[1] / DAY


@verdict
def first_reply_days_365d(k: Known) -> float:
    now, then = ([wait for ticket in known.tickets() for wait in ticket.waits] for known in (k, k.earlier(YEAR)))
    return mean_of_the_new(now, then)


@verdict
def resolution_days_365d(k: Known) -> float:
    now, then = ([took for ticket in known.tickets() for _, took in ticket.taken] for known in (k, k.earlier(YEAR)))
    return mean_of_the_new(now, then)


@verdict
def waited_days_decayed_90d(k: Known) -> float:
    return sum(took * half((k.t - time) / (90 * DAY)) for time, took, _ in closings_as_told(k)) / DAY


@verdict
def complaint_days_decayed_90d(k: Known) -> float:
    told = closings_as_told(k)
    return sum(took * half((k.t - time) / (90 * DAY)) for time, took, complained in told if complained) / DAY


@verdict
def slow_complaints_decayed_90d(k: Known) -> float:
    told = closings_as_told(k)
    return sum(half((k.t - time) / (90 * DAY)) for time, took, complained in told if complained and took > 3 * DAY)


@verdict
def bad_experiences_decayed_90d(k: Known) -> float:
    # One row may be bad in two ways; it is one experience.
    complaints = {id(row) for row in k.complaints()}
    return sum(
        half((k.t - row.time) / (90 * DAY))
        for row in k.support
        if id(row) in complaints or row.event == "reopened" or row.satisfaction in (1, 2)
    )


def closings_as_told(k: Known) -> list[tuple[int, int, bool]]:
    """Each row that told of a closing or corrected one: its time, by how much, and whether it is a complaint's."""
    found = []
    for place, row in enumerate(k.support):
        if row.ticket != NONE:
            known = [other for other in k.support[: place + 1] if other.ticket == row.ticket]
            now, before = (sum(took for _, took in Ticket(row.ticket, rows).taken) for rows in (known, known[:-1]))
            if now != before:
                found.append((row.time, now - before, any(other.complaint == 1 for other in known)))
    return found


def mean_of_the_new(now: list[int], then: list[int]) -> float:
    return (sum(now) - sum(then)) / (len(now) - len(then)) / DAY if len(now) > len(then) else nan


# contacts


@verdict
def contacted(k: Known, window: int) -> float:
    return sum(k.within(row.time, window) for row in k.contacts)


@verdict
def days_since_contact(k: Known) -> float:
    return k.days_since([row.time for row in k.contacts])


@verdict
def ignored_in_a_row(k: Known) -> float:
    return sum(all(order.time < row.time for order in k.orders) for row in k.contacts)


@verdict
def contacts_decayed_30d(k: Known) -> float:
    return sum(half((k.t - row.time) / (30 * DAY)) for row in k.contacts)


@verdict
def answered_share(k: Known) -> float:
    over_by_now = [row for row in k.contacts if row.time + 14 * DAY < k.t]
    return over(sum(k.answered(row, 14) for row in over_by_now), len(over_by_now))


# advocacy


@verdict
def referrals_made(k: Known) -> float:
    return sum(row.kind == "referral" for row in k.advocacy)


@verdict
def referred_margin(k: Known) -> float:
    return sum(line.margin for line in k.referred_lines()) / MONEY * k.settings.money.referral_share


@verdict
def reviews_written(k: Known) -> float:
    return sum(row.kind == "review" for row in k.advocacy)


@verdict
def review_rating(k: Known) -> float:
    ratings = [row.rating for row in k.advocacy if row.kind == "review" and row.rating > 0]
    return over(sum(ratings), len(ratings))


@verdict
def days_since_advocacy(k: Known) -> float:
    return k.days_since([row.time for row in k.advocacy])


@verdict
def case_studies(k: Known) -> float:
    return sum(row.kind == "case_study" for row in k.advocacy)


@verdict
def was_referred(k: Known) -> float:
    return float(any(by_others(row, k) for row in k.rows.advocacy))


def by_others(row: Word, k: Known) -> bool:
    return row.kind == "referral" and row.new_customer == k.customer != row.customer and row.visible < k.t


# profit


@verdict
def profit_total(k: Known) -> float:
    return margin_total(k) - cost_to_serve(k) + referred_margin(k)


@verdict
def profit_in(k: Known, window: int) -> float:
    served = minutes(k, window) * k.settings.money.cost_per_support_minute
    referred = sum(line.margin for line in k.referred_lines() if k.within(line.time, window)) / MONEY
    return margin(k, window) - served + referred * k.settings.money.referral_share


@verdict
def profit_per_order(k: Known) -> float:
    return over(profit_total(k), len(k.orders))


@verdict
def profit_per_month(k: Known) -> float:
    return over(profit_total(k), len(k.orders)) * orders_per_month(k)
