"""What was known of customers at given moments: the one argument of every feature."""

from __future__ import annotations

from typing import Any

import numpy as np

from regulars.features.asof import F64, AsOf, Moments
from regulars.features.lazy import lazy
from regulars.features.logs import Logs
from regulars.features.settings import Settings
from regulars.features.shop import MONEY, PIECES


class Past:
    """The logs of a shop, seen from moments; each attribute answers questions about the time before them only."""

    def __init__(self, logs: Logs, moments: Moments) -> None:
        self._logs = logs
        self._own: dict[tuple[str, tuple[tuple[str, Any], ...]], AsOf] = {}
        self.moments = moments
        self.asked: set[str] = set()

    @property
    def settings(self) -> Settings:
        """The shop's settings."""
        return self._logs.settings

    @lazy
    def lines(self) -> AsOf:
        """Order lines, sales and returns."""
        return AsOf(self._logs.lines, self.moments)

    @lazy
    def sales(self) -> AsOf:
        """Lines that were sold."""
        return AsOf(self._logs.sales, self.moments)

    @lazy
    def returns(self) -> AsOf:
        """Lines that came back."""
        return AsOf(self._logs.returns, self.moments)

    @lazy
    def orders(self) -> AsOf:
        """Orders, each at its first line."""
        return AsOf(self._logs.orders, self.moments)

    @lazy
    def support(self) -> AsOf:
        """Support events."""
        return AsOf(self._logs.support, self.moments)

    @lazy
    def contacts(self) -> AsOf:
        """Contacts that were sent."""
        return AsOf(self._logs.contacts, self.moments)

    @lazy
    def answers(self) -> AsOf:
        """Contacts that were answered with an order."""
        return AsOf(self._logs.answers, self.moments)

    @lazy
    def births(self) -> AsOf:
        """Dates of birth, as they became known."""
        return AsOf(self._logs.births, self.moments)

    @lazy
    def recommendations(self) -> AsOf:
        """Referrals by which others brought them."""
        return AsOf(self._logs.recommendations, self.moments)

    @lazy
    def advocacy(self) -> AsOf:
        """Referrals, reviews, case studies."""
        return AsOf(self._logs.advocacy, self.moments)

    @lazy
    def referred(self) -> AsOf:
        """Order lines of the customers they referred."""
        return AsOf(self._logs.referred, self.moments)

    @lazy
    def last_order(self) -> AsOf:
        """Lines that were sold in each customer's last order."""
        order = self.orders.last("order").astype(np.int32)
        return AsOf(self._logs.sales_by_order, Moments(order, self.moments.time))

    def table(self, title: str, **equal: Any) -> AsOf:
        """Events of a table that the shop declared itself; `asked` notes the title.

        Args:
            title: of the table.
            equal: keep the events whose columns equal these: a word, `True` or `False`, a number as it is in the file.
        """
        self.asked.add(title)
        which = (title, tuple(sorted(equal.items())))
        if which not in self._own:
            self._own[which] = AsOf(self._logs.own(title, which[1]), self.moments)
        return self._own[which]

    def cost_to_serve(self, last: int | None = None) -> F64:
        """Cost of the minutes spent on each customer, in currency units."""
        return self.support.sum("minutes", last) / PIECES * self.settings.money.cost_per_support_minute

    def referred_margin(self, last: int | None = None) -> F64:
        """The stated share of the margin of those they referred, in currency units."""
        return self.referred.sum("margin", last) / MONEY * self.settings.money.referral_share

    def profit(self, last: int | None = None) -> F64:
        """Margin less cost to serve plus the stated share of referred margin, in currency units."""
        return self.lines.sum("margin", last) / MONEY - self.cost_to_serve(last) + self.referred_margin(last)
