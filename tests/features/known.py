"""What one customer's plain rows say just before a moment: the facts that the judge of features works with."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import nan
from typing import NamedTuple

from tests.features.strategies import Item, Line, Rows, Sent, Word, Work

from regulars.features.settings import Settings
from regulars.features.shop import DAY, NEVER, NONE


class Order(NamedTuple):
    """The sold lines of one order; it is dated by the line that became known first."""

    time: int
    visible: int
    number: int
    sold: int
    channel: int


class Known:
    """What is known of one customer just before `t`, each table in the order in which its rows became known."""

    def __init__(self, rows: Rows, settings: Settings, customer: int, t: int) -> None:
        self.rows, self.settings, self.customer, self.t = rows, settings, customer, t
        self.lines: list[Line] = sorted(
            (row for row in rows.lines if row.customer == customer and row.visible < t),
            key=lambda row: (row.visible, row.time, row.order, row.product, row.channel),
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
        orders = [
            Order(all_[0].time, all_[0].visible, number, sum(line.revenue for line in all_), all_[0].channel)
            for number, all_ in found.items()
        ]
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
        for row in sorted(self.rows.products, key=lambda row: (row.visible, row.time)):  # equals stay in their order
            undated = row.visible == NEVER
            if row.product != line.product or row.visible > line.visible:
                continue
            if undated and not self.settings.data.trust_undated:
                continue
            if held is None or row.time >= held.time:
                held = row
        return NONE if held is None else held.category

    def answered(self, contact: Sent, days: int) -> bool:
        """Whether an order followed the contact within so many days."""
        return any(contact.time <= order.time < contact.time + days * DAY for order in self.orders)

    def birth_date(self) -> int:
        """The date of birth that was told last, `NEVER` if none was."""
        told = [
            row
            for row in self.rows.births
            if row.customer == self.customer
            and row.visible < self.t
            and (row.visible != NEVER or self.settings.data.trust_undated)
        ]
        return max(told, key=lambda row: (row.visible, row.time, row.birth_date)).birth_date if told else NEVER

    def earlier(self, window: int) -> Known:
        """What was known so many days before."""
        return Known(self.rows, self.settings, self.customer, self.t - window * DAY)

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
        self.replied: list[tuple[int, int]] = []  # when first replied to, and how long that took
        self.answered = False
        self.taken: list[tuple[int, int]] = []  # when closed, and how long that took
        for row in sorted(events, key=lambda row: (row.time, EVENTS.index(row.event))):
            if row.event in ("opened", "reopened") and self.since is None:
                self.since, self.answered = row.time, False
            elif row.event == "replied" and self.since is not None and not self.answered:
                self.answered = True
                self.replied.append((row.time, row.time - self.since))
                self.waits.append(row.time - self.since)
            elif row.event == "closed" and self.since is not None:
                self.taken.append((row.time, row.time - self.since))
                self.since = None
