"""The event logs of a shop: each table sorted and dressed with the columns that features add up.

Everything that needs a look at earlier rows (is this line the first of its order? has this customer bought this
product before?) is worked out here once, walking forwards in the order in which rows became known, so that no later
row can change it. `First` therefore always means the first to become known: a line that is entered late, with a date
before its order's other lines, joins the order and does not move it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from regulars.features import kernels_window
from regulars.features.asof import AsOf, Moments
from regulars.features.events import EventLog
from regulars.features.lazy import lazy
from regulars.features.settings import Settings
from regulars.features.shop import (
    I32,
    I64,
    NEVER,
    NONE,
    CustomerChanges,
    OrderLines,
    ProductChanges,
    Shop,
    SupportEvents,
    days,
)
from regulars.features.tables import Advocacy, Support
from regulars.features.tickets import COLUMNS, ticket_columns

Columns = dict[str, NDArray[np.integer] | NDArray[np.bool_]]

SUPPORT = ("event", "ticket", "minutes", "satisfaction", "complaint", "opened", "reopened", "rated", "outside")
CONTACTS = ("cost", "play")
ADVOCACY = ("referral", "review", "rating", "rated", "case_study")
HANDLING = ("complained", "bad", "waited", "complaint_waited", "slow_complaint")
SLOW_DAYS = 3
"""A complaint that is closed later than so many days after it came was handled slowly."""
ANSWER_DAYS = 14
"""An order within so many days of a contact answers it."""


class Logs:
    """Event logs of a shop, built when first asked for; the key is the customer where nothing else is said."""

    def __init__(self, shop: Shop, settings: Settings) -> None:
        self.shop = shop
        self.settings = settings
        self.keys = len(shop.customer_ids)
        self._own: dict[tuple[str, tuple[tuple[str, Any], ...]], EventLog] = {}

    @lazy
    def lines(self) -> EventLog:
        """Order lines of customers: what was sold (`sale`), what came back (`returned`), and their money."""
        return line_log(self.shop.orders, self.categories(), self.keys)

    @lazy
    def sales(self) -> EventLog:
        """The lines that were sold."""
        return self.lines.where(self.lines.columns["sale"] > 0)

    @lazy
    def returns(self) -> EventLog:
        """The lines that came back."""
        return self.lines.where(self.lines.columns["returned"] > 0)

    @lazy
    def orders(self) -> EventLog:
        """Orders: each at the time of its first line that is known."""
        return self.lines.where(self.lines.columns["order_start"] > 0)

    @lazy
    def sales_by_order(self) -> EventLog:
        """The lines that were sold, with the order as the key."""
        return self.sales.by("order", int(self.shop.orders.order.max(initial=-1)) + 1)

    @lazy
    def support(self) -> EventLog:
        """Support events, with the state of their tickets."""
        if self.shop.support is None:
            return EventLog.empty(self.keys, (*SUPPORT, *COLUMNS, *HANDLING))
        return support_log(self.shop.support, self.keys)

    @lazy
    def contacts(self) -> EventLog:
        """What was really sent; those held out heard nothing."""
        rows = self.shop.contacts
        if rows is None:
            return EventLog.empty(self.keys, CONTACTS)
        sent = rows.take(rows.held_out == 0)
        columns: Columns = {"cost": np.maximum(sent.cost, 0), "play": sent.play}
        return EventLog.build(self.keys, sent.customer, sent.time, sent.visible, columns)

    @lazy
    def answers(self) -> EventLog:
        """Contacts that an order followed within `ANSWER_DAYS`: at the contact's time, known once both are."""
        sent, orders = self.contacts, self.orders
        if not orders.in_time_order:
            by_time = np.lexsort((orders.time, orders.key))
            orders = EventLog(orders.start, orders.time[by_time], orders.visible[by_time], {})
        known = kernels_window.first_known_within(
            orders.start, orders.time, orders.visible, sent.key, sent.time, days(ANSWER_DAYS), NEVER
        )
        answered = known != NEVER
        visible = np.maximum(known, sent.visible)[answered]
        return EventLog.build(self.keys, sent.key[answered], sent.time[answered], visible, {})

    @lazy
    def births(self) -> EventLog:
        """Rows that say when a customer was born; undated ones count as always known where they are trusted."""
        rows = self.shop.customers
        if rows is None:
            return EventLog.empty(self.keys, ("birth_date",))
        rows = rows.take((rows.birth_date != NEVER) & ((rows.visible != NEVER) | self.settings.data.trust_undated))
        columns: Columns = {"birth_date": rows.birth_date}
        return EventLog.build(self.keys, rows.customer, _dated(rows.time), _dated(rows.visible), columns)

    @lazy
    def contracts(self) -> EventLog:
        """Rows of `customers` as they tell of contracts (see `features.contracts`); undated ones at their own dates."""
        rows = self.shop.customers
        if rows is None:
            return EventLog.empty(self.keys, ("left_at", "signed_up_at", "signed"))
        undated = rows.take(rows.visible == NEVER)
        dates = (rows.time, undated.signed_up_at, undated.left_at)
        parts = (rows, undated, undated)
        left = (rows.left_at, np.full(len(undated), NEVER), undated.left_at)
        signed = np.concatenate([part.signed_up_at for part in parts])
        columns: Columns = {"left_at": np.concatenate(left), "signed_up_at": signed, "signed": signed != NEVER}
        visible = np.concatenate([rows.visible, *dates[1:]])
        customer = np.concatenate([part.customer for part in parts])
        return EventLog.build(self.keys, customer, np.concatenate(dates), visible, columns)

    @lazy
    def recommendations(self) -> EventLog:
        """Referrals, keyed to the customer who was referred."""
        rows = self.shop.advocacy
        if rows is None:
            return EventLog.empty(self.keys, ())
        made = rows.take((rows.kind == Advocacy.KINDS.index(Advocacy.REFERRAL)) & (rows.customer != rows.new_customer))
        return EventLog.build(self.keys, made.new_customer, made.time, made.visible, {})

    @lazy
    def advocacy(self) -> EventLog:
        """Referrals, reviews and case studies."""
        rows = self.shop.advocacy
        if rows is None:
            return EventLog.empty(self.keys, ADVOCACY)
        review = rows.kind == Advocacy.KINDS.index(Advocacy.REVIEW)
        columns: Columns = {
            "referral": rows.kind == Advocacy.KINDS.index(Advocacy.REFERRAL),
            "review": review,
            "rating": rows.rating * review,
            "rated": review & (rows.rating > 0),
            "case_study": rows.kind == Advocacy.KINDS.index(Advocacy.CASE_STUDY),
        }
        return EventLog.build(self.keys, rows.customer, rows.time, rows.visible, columns)

    @lazy
    def referred(self) -> EventLog:
        """Order lines of the referred, keyed to who referred them first, visible once both are known."""
        lines = self.shop.orders
        referrer, known = self._referrers()
        if (referrer < 0).all():
            return EventLog.empty(self.keys, ("margin",))
        who = np.where(lines.customer >= 0, referrer[lines.customer], NONE)
        visible = np.maximum(lines.visible, np.where(who >= 0, known[lines.customer], NEVER))
        return EventLog.build(self.keys, who, lines.time, visible, {"margin": lines.margin})

    def own(self, title: str, equal: tuple[tuple[str, Any], ...] = ()) -> EventLog:
        """Events of a table that the shop declared itself, those whose columns equal the given values.

        Without the table nothing happens in it.

        Raises:
            OwnError: if nobody declares such a table or column, or a value is none that the column can have.
        """
        from regulars.features.own_logs import own_log, those_equal

        if (title, equal) not in self._own:
            if equal:
                log = self.own(title)
                self._own[title, equal] = log.where(those_equal(self, title, log, equal))
            else:
                self._own[title, equal] = own_log(self, title)
        return self._own[title, equal]

    def _referrers(self) -> tuple[I32, I64]:
        """Who referred each customer first, and from when that was known; nobody refers themselves.

        One entry more than there are customers: guests, whose code is -1, have nobody either.
        """
        referrer, known = np.full(self.keys + 1, NONE, np.int32), np.full(self.keys + 1, NEVER)
        rows = self.shop.advocacy
        if rows is not None:
            named = (rows.new_customer != NONE) & (rows.new_customer != rows.customer) & (rows.customer != NONE)
            if not named.any():
                return referrer, known
            made = rows.take(named & (rows.kind == Advocacy.KINDS.index(Advocacy.REFERRAL)))
            made = made.take(np.lexsort((made.customer, made.time, made.visible)))
            new, first = np.unique(made.new_customer, return_index=True)
            referrer[new], known[new] = made.customer[first], made.visible[first]
        return referrer, known

    def categories(self) -> I32:
        """Category of each order line's product as known when the line was, `NONE` where it was not."""
        products = self.shop.products
        if products is None:
            return np.full(len(self.shop.orders), NONE, np.int32)
        row = known_row(products, self.shop.orders.product, self.shop.orders.visible, self.settings.data.trust_undated)
        return np.where(row >= 0, products.category[row] if len(products) else NONE, NONE).astype(np.int32)


def _dated(times: I64) -> I64:
    """The times, those that are not given becoming the beginning of time."""
    return np.where(times == NEVER, NEVER + 1, times)


def known_row(rows: ProductChanges | CustomerChanges, asked: I32, moment: I64, trust_undated: bool) -> I64:
    """For each (product or customer, moment): the position of its row that held then, or -1.

    That is the row with the latest `valid_from` among those that were known at the moment or before it. Rows without
    `valid_from` say what is true now, and are left out unless `trust_undated`.
    """
    kept = np.flatnonzero((rows.visible != NEVER) | trust_undated)
    rows = rows.take(kept)
    key = rows.product if isinstance(rows, ProductChanges) else rows.customer
    size = int(max(key.max(initial=-1), asked.max(initial=-1))) + 1
    log = EventLog.build(size, key, _dated(rows.time), _dated(rows.visible), {"row": kept})
    return AsOf(log, Moments(asked, moment + 1)).last("row")


def line_log(lines: OrderLines, category: I32, keys: int) -> EventLog:
    """Order lines as a log, with the flags and amounts that features add up.

    Columns: order, product, category, channel, quantity, revenue, margin, discount; sale, returned (0/1); sold (revenue
    of sales), refunded (revenue given back, positive); order_start (1 on the first known line of each order);
    new_product (1 when the customer buys a product for the first time); given (discount of sales), discounted (1 on
    sales with one), order_discounted (1 on the first known one of those in each order); bought, bought_category
    (product and category of sales, else `NONE`), pieces (quantity of sales).
    """
    columns: Columns = {
        "order": lines.order,
        "product": lines.product,
        "category": category,
        "channel": lines.channel,
        "quantity": lines.quantity,
        "revenue": lines.revenue,
        "margin": lines.margin,
        "discount": lines.discount,
    }
    log = EventLog.build(keys, lines.customer, lines.time, lines.visible, columns)
    made = log.columns
    made.derive(
        sale=lambda: (made["revenue"] > 0).astype(np.int64),
        returned=lambda: (made["revenue"] < 0).astype(np.int64),
        sold=lambda: np.maximum(made["revenue"], 0),
        refunded=lambda: np.maximum(-made["revenue"], 0),
        order_start=lambda: log.first_of("order", "sale", negative=0),
        given=lambda: made["discount"] * made["sale"],
        discounted=lambda: (made["given"] > 0).astype(np.int64),
        order_discounted=lambda: log.first_of("order", "discounted", negative=0),
        new_product=lambda: log.first_of("product", "sale", negative=0),
        bought=lambda: np.where(made["revenue"] > 0, made["product"], NONE),
        bought_category=lambda: np.where(made["revenue"] > 0, made["category"], NONE),
        pieces=lambda: made["quantity"] * made["sale"],
    )
    return log


def support_log(rows: SupportEvents, keys: int) -> EventLog:
    """Support events, with the state of the customer's tickets after each (see `tickets`).

    Further columns: `complained` (1 on the first known complaint of each ticket, and on each outside tickets), `bad`
    (1 on such a complaint, a reopening, a rating of 1 or 2), `outside` (minutes outside tickets), `waited` (by how much
    the row makes the time from opening tickets to closing them more; that is a closing, or a correction of one),
    `complaint_waited` (the same of tickets that are known to be complaints by then), `slow_complaint` (1 where that is
    more than `SLOW_DAYS`).
    """
    columns: Columns = {
        "event": rows.event,
        "ticket": rows.ticket,
        "minutes": rows.minutes,
        "satisfaction": rows.satisfaction,
        "complaint": rows.is_complaint == 1,
        "opened": rows.event == Support.EVENTS.index(Support.OPENED),
        "reopened": rows.event == Support.EVENTS.index(Support.REOPENED),
        "rated": rows.satisfaction > 0,
        "outside": np.where(rows.ticket < 0, rows.minutes, 0),
    }
    log = EventLog.build(keys, rows.customer, rows.time, rows.visible, columns)
    tickets = int(rows.ticket.max(initial=-1)) + 1
    ticket, event = log.columns["ticket"], log.columns["event"]
    states = ticket_columns(log.start, ticket, event, log.time, log.previous_same("ticket"), tickets)
    complained = log.first_of("ticket", "complaint", negative=1)
    badly_rated = log.columns["rated"] * (log.columns["satisfaction"] <= 2)
    bad = np.sign(badly_rated + complained + log.columns["reopened"])
    made = log.columns
    made.derive(**dict(zip(COLUMNS, states, strict=True)), complained=complained, bad=bad)
    made.derive(
        waited=lambda: kernels_window.growth(log.start, made["resolution"]),
        complaint_waited=lambda: made["waited"] * (log.running_same("ticket", "complaint") > 0),
        slow_complaint=lambda: (made["complaint_waited"] > days(SLOW_DAYS)).astype(np.int64),
    )
    return log
