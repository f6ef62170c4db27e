"""Small shops for tests: plain rows, by hand or generated, and the `Shop` they make.

Generated times stand on a coarse grid around `NOW`, and on the edges of windows, so that ties, duplicates and events
exactly at a moment or an edge are common. Any row can become known late.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from regulars.features.settings import Settings
from regulars.features.shop import (
    DAY,
    NEVER,
    NONE,
    AdvocacyEvents,
    ContactEvents,
    CustomerChanges,
    OrderLines,
    ProductChanges,
    Shop,
    SupportEvents,
)
from regulars.features.tables import TABLES, Advocacy, Support

NOW = 15_000 * DAY
WINDOWS = (30, 90, 400)
SETTINGS = Settings.model_validate({"features": {"windows_days": WINDOWS}})
CUSTOMERS, PRODUCTS, TICKETS, ORDERS = 3, 3, 3, 4
EVERYTHING = frozenset(
    name for table in TABLES for name in (table.title, *(f"{table.title}.{column.name}" for column in table.columns()))
)


class Line(NamedTuple):
    """An order line; money in 1/10,000, quantity in 1/1,000."""

    customer: int
    order: int
    time: int
    visible: int
    product: int = 0
    quantity: int = 1_000
    revenue: int = 10_000
    margin: int = 4_000
    discount: int = 0
    channel: int = NONE


class Work(NamedTuple):
    """A support event; minutes in 1/1,000."""

    customer: int
    event: str
    time: int
    visible: int
    ticket: int = NONE
    minutes: int = 0
    complaint: int = NONE
    satisfaction: int = 0


class Sent(NamedTuple):
    """A contact, or (held_out) none."""

    customer: int
    time: int
    visible: int
    held_out: int = 0


class Word(NamedTuple):
    """A referral, review or case study."""

    customer: int
    kind: str
    time: int
    visible: int
    new_customer: int = NONE
    rating: int = 0


class Item(NamedTuple):
    """A row of products; `NEVER` in both times: it holds now."""

    product: int
    category: int
    time: int
    visible: int


class Birth(NamedTuple):
    """A row of customers that says when one was born; `NEVER` in both times: it holds now."""

    customer: int
    birth_date: int
    time: int
    visible: int


class Rows(NamedTuple):
    """All rows of a shop."""

    lines: list[Line]
    support: list[Work]
    contacts: list[Sent]
    advocacy: list[Word]
    products: list[Item]
    births: list[Birth]


def rows(
    lines: Iterable[Line] = (),
    support: Iterable[Work] = (),
    contacts: Iterable[Sent] = (),
    advocacy: Iterable[Word] = (),
    products: Iterable[Item] = (),
    births: Iterable[Birth] = (),
) -> Rows:
    return Rows(list(lines), list(support), list(contacts), list(advocacy), list(products), list(births))


def shop_of(given: Rows, customers: int = CUSTOMERS, products: int = PRODUCTS) -> Shop:
    """The shop these rows make, with every table and column given."""
    lines, support, contacts = (
        _columns(given.lines, Line),
        _columns(given.support, Work),
        _columns(given.contacts, Sent),
    )
    advocacy, items = _columns(given.advocacy, Word), _columns(given.products, Item)
    return Shop(
        customer_ids=np.array([f"c{i}" for i in range(customers)], object),
        product_ids=np.array([f"p{i}" for i in range(products)], object),
        orders=OrderLines(
            lines["time"],
            lines["visible"],
            lines["customer"].astype(np.int32),
            lines["order"],
            lines["product"].astype(np.int32),
            lines["quantity"],
            lines["revenue"],
            lines["margin"],
            lines["discount"],
            lines["channel"].astype(np.int32),
        ),
        support=SupportEvents(
            support["time"],
            support["visible"],
            support["customer"].astype(np.int32),
            _positions(support["event"], Support.EVENTS),
            support["ticket"],
            support["minutes"],
            _nothing(support["time"]),
            _nothing(support["time"]),
            _nothing(support["time"]),
            support["complaint"].astype(np.int32),
            support["satisfaction"].astype(np.int32),
        ),
        customers=_customers(customers, _columns(given.births, Birth)),
        products=ProductChanges(
            items["time"],
            items["visible"],
            items["product"].astype(np.int32),
            _nothing(items["time"]),
            items["category"].astype(np.int32),
            _nothing(items["time"]).astype(np.int64),
            np.full(len(items["time"]), np.nan),
            _nothing(items["time"]),
        ),
        contacts=ContactEvents(
            contacts["time"],
            contacts["visible"],
            contacts["customer"].astype(np.int32),
            _nothing(contacts["time"]),
            _nothing(contacts["time"]),
            contacts["held_out"].astype(np.int32),
            _nothing(contacts["time"]).astype(np.int64),
            _nothing(contacts["time"]),
            _nothing(contacts["time"]),
        ),
        advocacy=AdvocacyEvents(
            advocacy["time"],
            advocacy["visible"],
            advocacy["customer"].astype(np.int32),
            _positions(advocacy["kind"], Advocacy.KINDS),
            advocacy["new_customer"].astype(np.int32),
            advocacy["rating"].astype(np.int32),
        ),
        given=EVERYTHING,
    )


def _customers(count: int, births: dict[str, np.ndarray]) -> CustomerChanges:
    """One row each, dated long before everything, and those that say when somebody was born."""
    long_ago = np.full(count, NOW - 5_000 * DAY)
    who, never = np.append(np.arange(count), births["customer"]), np.full(count + len(births["time"]), NEVER)
    nothing = np.full(len(who), NONE, np.int32)
    born = np.append(never[:count], births["birth_date"])
    return CustomerChanges(
        np.append(long_ago, births["time"]),
        np.append(long_ago, births["visible"]),
        who.astype(np.int32),
        np.append(long_ago, never[count:]),
        born,
        nothing,
        nothing,
        nothing,
        nothing,
        never,
    )


def _columns(given: Iterable[tuple[object, ...]], made: type) -> dict[str, np.ndarray]:
    found = list(given)
    names: tuple[str, ...] = made._fields  # type: ignore[attr-defined]
    columns = {name: [row[i] for row in found] for i, name in enumerate(names)}
    return {
        name: np.array(column, object if name in ("event", "kind") else np.int64) for name, column in columns.items()
    }


def _positions(words: np.ndarray, known: tuple[str, ...]) -> np.ndarray:
    return np.array([known.index(word) for word in words], np.int32)


def _nothing(like: np.ndarray) -> np.ndarray:
    return np.full(len(like), NONE, np.int32)


EDGES = sorted({0, *WINDOWS, 365, *(365 - window for window in WINDOWS if window < 365)})
# Mostly the last week, so that what is drawn for one customer meets; the first of a list is what Hypothesis likes best.
last_week = st.sampled_from([1, 2, 3, 4, 5, 6, 7, 0, -1])
days_ago = st.one_of(last_week, last_week, st.sampled_from(EDGES), st.integers(-60, 800))
times = st.builds(
    lambda day, hours, tick: NOW - day * DAY + hours * DAY // 4 + tick,
    days_ago,
    st.sampled_from([0, 0, 0, 1, 2]),
    st.sampled_from([0, 0, 0, -1, 1]),
)
delays = st.sampled_from([0, 0, 0, 0, 1, DAY // 4, 3 * DAY, 40 * DAY, 400 * DAY])
customers = st.sampled_from([0, 0, 0, 1, 2])


@st.composite
def order_lines(draw: st.DrawFn) -> Line:
    customer, time = draw(st.sampled_from([0, 0, 0, 1, 2, -1])), draw(times)
    # An order is one customer's; a line of zero value is neither sold nor returned.
    order = draw(st.integers(0, ORDERS - 1)) * (CUSTOMERS + 1) + customer + 1
    sign, revenue = draw(st.sampled_from([1, 1, 1, -1, 0])), draw(st.integers(1, 60_000))
    return Line(
        customer,
        order,
        time,
        time + draw(delays),
        draw(st.integers(-1, PRODUCTS - 1)),
        sign * draw(st.integers(1, 3_000)),
        sign * revenue,
        sign * draw(st.integers(-20_000, 30_000)),
        draw(st.sampled_from([0, 0, 1, 5_000])) if sign else 0,
        draw(st.integers(-1, 1)),
    )


@st.composite
def support_events(draw: st.DrawFn) -> Work:
    time, event = draw(times), draw(st.sampled_from(Support.EVENTS))
    return Work(
        draw(customers),
        event,
        time,
        time + draw(delays),
        draw(st.integers(-1, TICKETS - 1)),
        draw(st.sampled_from([0, 0, 1, 30_000])),
        draw(st.sampled_from([NONE, 0, 1])),
        draw(st.integers(0, 5)),
    )


@st.composite
def contacts_sent(draw: st.DrawFn) -> Sent:
    time = draw(times)
    return Sent(draw(customers), time, time + draw(delays), draw(st.sampled_from([0, 0, 0, 1])))


@st.composite
def words_spread(draw: st.DrawFn) -> Word:
    time, kind = draw(times), draw(st.sampled_from(Advocacy.KINDS))
    new_customer = draw(st.integers(-1, CUSTOMERS - 1)) if kind == Advocacy.REFERRAL else NONE
    rating = draw(st.integers(0, 5))
    return Word(draw(customers), kind, time, time + draw(delays), new_customer, rating)


@st.composite
def items_described(draw: st.DrawFn) -> Item:
    dated, time = draw(st.booleans()), draw(times)
    visible = time + draw(delays)
    product, category = draw(st.integers(0, PRODUCTS - 1)), draw(st.integers(-1, 1))
    return Item(product, category, time if dated else NEVER, visible if dated else NEVER)


@st.composite
def births_told(draw: st.DrawFn) -> Birth:
    dated, time = draw(st.booleans()), draw(times)
    birth_date = (NOW // DAY - draw(st.integers(7_000, 9_000))) * DAY
    visible = time + draw(delays)
    return Birth(draw(customers), birth_date, time if dated else NEVER, visible if dated else NEVER)


@st.composite
def shops(draw: st.DrawFn) -> Rows:
    """Rows of a shop with all tables, some of them empty; some rows are there twice."""
    lines = draw(st.lists(order_lines(), max_size=12))
    again = draw(st.lists(st.sampled_from(lines), max_size=2)) if lines else []
    return rows(
        lines + again,
        draw(st.lists(support_events(), max_size=12)),
        draw(st.lists(contacts_sent(), max_size=6)),
        draw(st.lists(words_spread(), max_size=6)),
        draw(st.lists(items_described(), max_size=4)),
        draw(st.lists(births_told(), max_size=3)),
    )
