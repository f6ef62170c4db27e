"""The event logs of a shop: each table sorted and dressed with the columns that features add up.

Everything that needs a look at earlier rows (is this line the first of its order? has this customer bought this
product before?) is worked out here once, walking forwards, so that no later row can change it.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from regulars.features import kernels
from regulars.features.events import EventLog
from regulars.features.settings import Settings
from regulars.features.shop import I32, I64, NEVER, NONE, OrderLines, ProductChanges, Shop
from regulars.features.tables import Advocacy, Support


class Logs:
    """Event logs of a shop, built when first asked for; the key is the customer."""

    def __init__(self, shop: Shop, settings: Settings) -> None:
        self.shop = shop
        self.settings = settings
        self.keys = len(shop.customer_ids)

    @cached_property
    def lines(self) -> EventLog:
        """Order lines of customers: what was sold (`sale`), what came back (`returned`), and their money."""
        return line_log(self.shop.orders, self.categories(), self.keys, self.shop.orders.customer)

    @cached_property
    def sales(self) -> EventLog:
        """The lines that were sold."""
        return self.lines.where(self.lines.columns["sale"] > 0)

    @cached_property
    def returns(self) -> EventLog:
        """The lines that came back."""
        return self.lines.where(self.lines.columns["returned"] > 0)

    @cached_property
    def orders(self) -> EventLog:
        """Orders: each at the time of its first line that is known."""
        return self.lines.where(self.lines.columns["order_start"] > 0)

    @cached_property
    def support(self) -> EventLog:
        """Support events, with the state of their tickets."""
        return support_log(self.shop, self.keys)

    @cached_property
    def contacts(self) -> EventLog:
        """What was really sent; those held out heard nothing."""
        rows = self.shop.contacts
        if rows is None:
            return empty_log(self.keys)
        sent = rows.take(rows.held_out == 0)
        columns: dict[str, NDArray[np.integer]] = {"cost": np.maximum(sent.cost, 0), "play": sent.play}
        return EventLog.build(self.keys, sent.customer, sent.time, sent.visible, columns)

    @cached_property
    def advocacy(self) -> EventLog:
        """Referrals, reviews and case studies."""
        rows = self.shop.advocacy
        if rows is None:
            return empty_log(self.keys)
        columns: dict[str, NDArray[np.integer]] = {
            "referral": rows.kind == Advocacy.KINDS.index(Advocacy.REFERRAL),
            "review": rows.kind == Advocacy.KINDS.index(Advocacy.REVIEW),
            "rating": rows.rating,
        }
        return EventLog.build(self.keys, rows.customer, rows.time, rows.visible, columns)

    @cached_property
    def referred(self) -> EventLog:
        """Order lines of the referred, keyed to who referred them first, visible once both are known."""
        rows, lines = self.shop.advocacy, self.shop.orders
        if rows is None:
            return empty_log(self.keys)
        made = rows.take((rows.kind == Advocacy.KINDS.index(Advocacy.REFERRAL)) & (rows.new_customer != NONE))
        referrer = np.full(self.keys, NONE, np.int32)
        known = np.full(self.keys, NEVER)
        for row in np.lexsort((made.customer, made.time, made.visible))[::-1]:  # the earliest is written last
            referrer[made.new_customer[row]] = made.customer[row]
            known[made.new_customer[row]] = made.visible[row]
        who = np.where(lines.customer >= 0, referrer[lines.customer], NONE)
        visible = np.maximum(lines.visible, np.where(lines.customer >= 0, known[lines.customer], NEVER))
        return EventLog.build(self.keys, who, lines.time, visible, {"margin": lines.margin})

    @cached_property
    def profile(self) -> EventLog:
        """Dated rows of the customers table, and signing up and leaving, which carry their own dates."""
        return profile_log(self.shop, self.keys, self.settings.data.trust_undated)

    def categories(self) -> I32:
        """Category of each order line's product as known when the line was, `NONE` where it was not."""
        products = self.shop.products
        if products is None:
            return np.full(len(self.shop.orders), NONE, np.int32)
        row = known_row(products, self.shop.orders.product, self.shop.orders.visible, self.settings.data.trust_undated)
        return np.where(row >= 0, products.category[row], NONE).astype(np.int32)


def empty_log(keys: int) -> EventLog:
    """A log in which nothing happens."""
    return EventLog(np.zeros(keys + 1, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64), {})


def known_row(products: ProductChanges, product: I32, moment: I64, trust_undated: bool) -> I64:
    """For each (product, moment): the position of the product's row that was known then, or -1.

    Rows without `valid_from` say what is true now, and are left out unless `trust_undated`.
    """
    undated = products.visible == NEVER
    kept = np.flatnonzero(~undated | trust_undated)
    if len(kept) == 0:
        return np.full(len(product), -1, np.int64)
    order = kept[np.lexsort((products.time[kept], products.visible[kept], products.product[kept]))]
    size = int(max(products.product.max(initial=-1), product.max(initial=-1))) + 1
    start = np.concatenate([[0], np.cumsum(np.bincount(products.product[order], minlength=size))])
    key = np.maximum(product, 0).astype(np.int64)
    end = kernels.count_before(start, products.visible[order], key, moment + 1)
    found = (end > start[key]) & (product >= 0)
    return np.where(found, order[np.maximum(end - 1, 0)], -1)


def line_log(lines: OrderLines, category: I32, keys: int, key: NDArray[np.integer]) -> EventLog:
    """Order lines as a log, with the flags and amounts that features add up.

    Columns: order, product, category, quantity, revenue, margin, discount; sale, returned (0/1); sold (revenue of
    sales), refunded (revenue given back, positive); order_start (1 on the first known line of each order);
    basket (revenue of the order up to this line); new_product (1 when the customer buys a product for the first time).
    """
    sale, returned = (lines.revenue > 0).astype(np.int64), (lines.revenue < 0).astype(np.int64)
    columns: dict[str, NDArray[np.integer]] = {
        "order": lines.order,
        "product": lines.product,
        "category": category,
        "channel": lines.channel,
        "quantity": lines.quantity,
        "revenue": lines.revenue,
        "margin": lines.margin,
        "discount": lines.discount,
        "sale": sale,
        "returned": returned,
        "sold": lines.revenue * sale,
        "refunded": -lines.revenue * returned,
    }
    log = EventLog.build(keys, key, lines.time, lines.visible, columns)
    _add_order_columns(log)
    return log


def _add_order_columns(log: EventLog) -> None:
    columns = log.columns
    sale = columns["sale"]
    sold = log.where(sale > 0)
    at = np.flatnonzero(sale)
    for name in ("order_start", "basket", "new_product"):
        columns[name] = np.zeros(len(log), np.int64)
    same_order = sold.previous_same("order")
    columns["order_start"][at] = same_order < 0
    columns["basket"][at] = kernels.running_group_sum(same_order, sold.columns["revenue"])
    columns["new_product"][at] = (sold.previous_same("product") < 0) & (sold.columns["product"] >= 0)


def support_log(shop: Shop, keys: int) -> EventLog:
    """Support events with the state of their tickets after each (see `kernels.ticket_states`)."""
    rows = shop.support
    if rows is None:
        return empty_log(keys)
    columns: dict[str, NDArray[np.integer]] = {
        "event": rows.event,
        "ticket": rows.ticket,
        "minutes": rows.minutes,
        "satisfaction": rows.satisfaction,
        "complained": (rows.is_complaint == 1) & (rows.event == Support.EVENTS.index(Support.OPENED)),
        "opened": rows.event == Support.EVENTS.index(Support.OPENED),
        "reopened": rows.event == Support.EVENTS.index(Support.REOPENED),
        "rated": rows.satisfaction > 0,
        "outside": np.where(rows.ticket < 0, rows.minutes, 0),
    }
    log = EventLog.build(keys, rows.customer, rows.time, rows.visible, columns)
    states = np.zeros((6, len(log)), np.int64)
    tickets = int(rows.ticket.max(initial=-1)) + 1
    kernels.ticket_states(log.start, log.time, log.columns["ticket"], log.columns["event"], tickets, states)
    names = ("open_change", "oldest_open", "first_reply", "reply_wait", "resolved", "resolution")
    log.columns.update(zip(names, states, strict=True))
    badly_rated = log.columns["rated"] * (log.columns["satisfaction"] <= 2)  # noqa: PLR2004 (1 and 2 of 5 are bad)
    bad = (badly_rated + log.columns["complained"] + log.columns["reopened"]) > 0
    log.columns["bad"] = bad.astype(np.int64)
    return log


def profile_log(shop: Shop, keys: int, trust_undated: bool) -> EventLog:
    """What was known of customers themselves; undated rows only where they are trusted, from the beginning of time."""
    rows = shop.customers
    if rows is None:
        return empty_log(keys)
    undated = rows.visible == NEVER
    kept = rows.take(~undated | trust_undated)
    start_of_time = np.where(kept.visible == NEVER, NEVER + 1, kept.visible)
    columns: dict[str, NDArray[np.integer]] = {
        "birth_date": kept.birth_date,
        "country": kept.country,
        "segment": kept.segment,
        "contact_allowed": kept.contact_allowed,
        "account_owner": kept.account_owner,
    }
    return EventLog.build(keys, kept.customer, start_of_time, start_of_time, columns)
