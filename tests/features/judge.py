"""Every feature a second time: plain loops over plain rows, one feature at a time, for one customer at one moment.

Slow and obvious on purpose. `VERDICTS` holds a function for each feature; those of windowed features take the window,
in days, as their second argument. A value that does not exist is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import isnan, nan
from statistics import median, stdev
from typing import NamedTuple

from tests.features.strategies import Item, Line, Rows, Sent, Word, Work

from regulars.features.settings import Settings
from regulars.features.shop import DAY, MONEY, NEVER, NONE, PIECES

YEAR = 365


class Order(NamedTuple):
    """The sold lines of one order; it is dated by the line that became known first."""

    time: int
    visible: int
    number: int
    sold: int


class Known:
    """What is known of one customer just before `t`, each table in the order in which its rows became known."""

    def __init__(self, rows: Rows, settings: Settings, customer: int, t: int) -> None:
        self.rows, self.settings, self.customer, self.t = rows, settings, customer, t
        self.lines: list[Line] = sorted(
            (row for row in rows.lines if row.customer == customer and row.visible < t),
            key=lambda row: (row.visible, row.time, row.order, row.product),
        )
        self.sales = [row for row in self.lines if row.revenue > 0]
        self.returns = [row for row in self.lines if row.revenue < 0]
        self.orders = self._orders()
        self.support: list[Work] = sorted(
            (row for row in rows.support if row.customer == customer and row.visible < t),
            key=lambda row: (row.visible, row.time, EVENTS.index(row.event), row.ticket, row.minutes, row.satisfaction),
        )
        self.contacts: list[Sent] = [
            row for row in rows.contacts if row.customer == customer and row.visible < t and not row.held_out
        ]
        self.advocacy: list[Word] = [row for row in rows.advocacy if row.customer == customer and row.visible < t]

    def _orders(self) -> list[Order]:
        found: dict[int, list[Line]] = {}
        for line in self.sales:
            found.setdefault(line.order, []).append(line)
        orders = [Order(all_[0].time, all_[0].visible, n, sum(x.revenue for x in all_)) for n, all_ in found.items()]
        return sorted(orders, key=lambda order: (order.visible, order.time, order.number))

    def within(self, time: int, window: int) -> bool:
        """Whether `time` lies in the last `window` days."""
        return self.t - window * DAY <= time < self.t

    def days_since(self, times: Sequence[int]) -> float:
        """Days since the latest of the times."""
        return (self.t - max(times)) / DAY if times else nan

    def order_days(self, window: int | None = None) -> list[int]:
        """The days with an order, in their order."""
        return sorted({o.time // DAY for o in self.orders if window is None or self.within(o.time, window)})

    def gaps(self) -> list[int]:
        """Days between the days with an order."""
        found = self.order_days()
        return [after - before for before, after in pairwise(found)]

    def firsts(self) -> list[Line]:
        """The sales in which a product became known as bought for the first time."""
        seen: set[int] = set()
        found = []
        for line in self.sales:
            if line.product != NONE and line.product not in seen:
                seen.add(line.product)
                found.append(line)
        return found

    def category(self, line: Line) -> int:
        """Category of a line's product: of the rows known when the line was, the one with the latest valid_from."""
        held: Item | None = None
        for row in sorted(self.rows.products, key=lambda row: (row.visible, row.time, self.rows.products.index(row))):
            undated = row.visible == NEVER
            if row.product != line.product or row.visible > line.visible:
                continue
            if undated and not self.settings.data.trust_undated:
                continue
            if held is None or row.time >= held.time:
                held = row
        return NONE if held is None else held.category

    def referred_lines(self) -> list[Line]:
        """The lines of those whom this customer was the first to refer, as far as both are known."""
        found = []
        for line in self.rows.lines:
            made = [
                row
                for row in self.rows.advocacy
                if row.kind == "referral"
                and row.new_customer == line.customer != NONE
                and row.customer != row.new_customer
                and row.visible < self.t
            ]
            first = min(made, key=lambda row: (row.visible, row.time, row.customer), default=None)
            if first is not None and first.customer == self.customer and line.visible < self.t:
                found.append(line)
        return found

    def complaints(self) -> list[Work]:
        """Complaints: the first row of each ticket that carries the mark, and each outside tickets."""
        seen: set[int] = set()
        found = []
        for row in self.support:
            if row.complaint == 1 and (row.ticket == NONE or row.ticket not in seen):
                seen.add(row.ticket)
                found.append(row)
        return found

    def bad(self) -> list[int]:
        """When something bad happened."""
        other = [row for row in self.support if row.event == "reopened" or row.satisfaction in (1, 2)]
        return [row.time for row in self.complaints() + other]

    def rated(self) -> list[Work]:
        """Support events with a rating."""
        return [row for row in self.support if row.satisfaction > 0]

    def tickets(self) -> list[Ticket]:
        """The known story of each ticket."""
        numbers = sorted({row.ticket for row in self.support if row.ticket != NONE})
        return [Ticket(number, [row for row in self.support if row.ticket == number]) for number in numbers]


EVENTS = ("opened", "replied", "worked", "closed", "reopened", "rated")


class Ticket:
    """A ticket's known events told in the order in which they happened."""

    def __init__(self, number: int, events: list[Work]) -> None:
        self.number = number
        self.since: int | None = None
        self.waits: list[int] = []
        self.taken: list[tuple[int, int]] = []  # when closed, and how long that took
        answered = False
        for row in sorted(events, key=lambda row: (row.time, EVENTS.index(row.event))):
            if row.event in ("opened", "reopened") and self.since is None:
                self.since, answered = row.time, False
            elif row.event == "replied" and self.since is not None and not answered:
                answered = True
                self.waits.append(row.time - self.since)
            elif row.event == "closed" and self.since is not None:
                self.taken.append((row.time, row.time - self.since))
                self.since = None


def over(above: float, below: float) -> float:
    """A ratio, NaN where there is nothing to divide by."""
    return nan if below == 0 or isnan(below) else above / below


def half(times: float) -> float:
    """What is left of 1 after so many half-lives."""
    return float(0.5**times)


Verdict = Callable[..., float]
VERDICTS: dict[str, Verdict] = {}


def verdict(function: Verdict) -> Verdict:
    """Files a function under its name."""
    VERDICTS[function.__name__] = function
    return function


# recency


@verdict
def days_since_last_order(k: Known) -> float:
    return k.days_since([order.time for order in k.orders])


@verdict
def days_since_last_return(k: Known) -> float:
    return k.days_since([line.time for line in k.returns])


@verdict
def days_since_new_product(k: Known) -> float:
    return k.days_since([line.time for line in k.firsts()])


# frequency


@verdict
def orders_total(k: Known) -> float:
    return len(k.orders)


@verdict
def orders(k: Known, window: int) -> float:
    return sum(k.within(order.time, window) for order in k.orders)


@verdict
def lines_total(k: Known) -> float:
    return len(k.sales)


@verdict
def lines_per_order(k: Known) -> float:
    return over(len(k.sales), len(k.orders))


@verdict
def orders_decayed_60d(k: Known) -> float:
    return sum(half((k.t - order.time) / (60 * DAY)) for order in k.orders)


@verdict
def orders_decayed_180d(k: Known) -> float:
    return sum(half((k.t - order.time) / (180 * DAY)) for order in k.orders)


# tenure


@verdict
def tenure_days(k: Known) -> float:
    return (k.t - min(order.time for order in k.orders)) / DAY if k.orders else nan


@verdict
def active_span_share(k: Known) -> float:
    if not k.orders:
        return nan
    first, last = min(order.time for order in k.orders), max(order.time for order in k.orders)
    return (last - first) / (k.t - first)


@verdict
def orders_per_month(k: Known) -> float:
    return over(len(k.orders), max(tenure_days(k) / 30, 1)) if k.orders else nan


# money


@verdict
def revenue(k: Known, window: int) -> float:
    return sum(line.revenue for line in k.lines if k.within(line.time, window)) / MONEY


@verdict
def margin(k: Known, window: int) -> float:
    return sum(line.margin for line in k.lines if k.within(line.time, window)) / MONEY


@verdict
def revenue_total(k: Known) -> float:
    return sum(line.revenue for line in k.lines) / MONEY


@verdict
def margin_total(k: Known) -> float:
    return sum(line.margin for line in k.lines) / MONEY


@verdict
def revenue_per_order(k: Known) -> float:
    return over(sum(line.revenue for line in k.sales) / MONEY, len(k.orders))


@verdict
def margin_per_order(k: Known) -> float:
    return over(margin_total(k), len(k.orders))


@verdict
def last_order_revenue(k: Known) -> float:
    last = None
    for order in k.orders:
        if last is None or order.time >= last.time:
            last = order
    return nan if last is None else last.sold / MONEY


@verdict
def dearest_line(k: Known) -> float:
    return max((line.revenue for line in k.sales), default=0) / MONEY


@verdict
def last_order_to_usual(k: Known) -> float:
    return over(last_order_revenue(k), revenue_per_order(k))


@verdict
def returned_share(k: Known) -> float:
    return over(-sum(line.revenue for line in k.returns), sum(line.revenue for line in k.sales))


@verdict
def discount_share(k: Known) -> float:
    given = sum(line.discount for line in k.sales)
    return over(given, given + sum(line.revenue for line in k.sales))


@verdict
def revenue_per_piece(k: Known) -> float:
    pieces = sum(line.quantity for line in k.sales) / PIECES
    return over(sum(line.revenue for line in k.sales) / MONEY, pieces)


# rhythm


@verdict
def usual_gap_days(k: Known) -> float:
    return median(k.gaps()) if k.gaps() else nan


@verdict
def mean_gap_days(k: Known) -> float:
    return over(sum(k.gaps()), len(k.gaps()))


@verdict
def gap_spread(k: Known) -> float:
    return over(stdev(k.gaps()), mean_gap_days(k)) if len(k.gaps()) > 1 else nan


@verdict
def churn_factor(k: Known) -> float:
    return over(days_since_last_order(k), usual_gap_days(k))


@verdict
def overdue(k: Known) -> float:
    if len(k.gaps()) < 2:
        return nan
    return over(days_since_last_order(k) - mean_gap_days(k), stdev(k.gaps()))


@verdict
def gap_trend(k: Known) -> float:
    last_three = k.gaps()[-3:]
    return over(over(sum(last_three), len(last_three)), mean_gap_days(k))


@verdict
def order_days_total(k: Known) -> float:
    return len(k.order_days())


@verdict
def order_days_365d(k: Known) -> float:
    return len(k.order_days(YEAR))


# breadth


@verdict
def products_total(k: Known) -> float:
    return len({line.product for line in k.sales} - {NONE})


@verdict
def products(k: Known, window: int) -> float:
    return len({line.product for line in k.sales if k.within(line.time, window)} - {NONE})


@verdict
def new_product_share(k: Known) -> float:
    return over(len(k.firsts()), len(k.sales))


@verdict
def categories_total(k: Known) -> float:
    return len({k.category(line) for line in k.sales} - {NONE})


# season


@verdict
def orders_year_ago_next(k: Known, window: int) -> float:
    year_ago = k.t - YEAR * DAY
    return sum(year_ago <= order.time < year_ago + window * DAY for order in k.orders)


@verdict
def revenue_year_ago_next_90d(k: Known) -> float:
    year_ago = k.t - YEAR * DAY
    return sum(line.revenue for line in k.lines if year_ago <= line.time < year_ago + 90 * DAY) / MONEY


@verdict
def days_to_anniversary(k: Known) -> float:
    if not k.orders:
        return nan
    anniversary = min(order.time for order in k.orders)
    while anniversary <= k.t:
        anniversary += YEAR * DAY
    return (anniversary - k.t) / DAY


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


# profit


@verdict
def profit_total(k: Known) -> float:
    return margin_total(k) - cost_to_serve(k) + referred_margin(k)


@verdict
def profit_in(k: Known, window: int) -> float:
    served = minutes(k, window) * k.settings.money.cost_per_support_minute
    referred = sum(line.margin for line in k.referred_lines() if k.within(line.time, window)) / MONEY
    return margin(k, window) - served + referred * k.settings.money.referral_share
