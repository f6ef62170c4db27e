"""The six tables a shop brings, each column said once, and the base of those it adds.

Only `Orders` is required. The names here are the contract with every shop: the checks at the edge (`reading`), the
readiness report and the documentation are all derived from these declarations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar


class Kind(StrEnum):
    """What a column holds, and so how it is read and checked."""

    ID = "id"  # text; numbers are taken as their text, so 13085 and '13085' are one customer
    TIME = "time"  # a moment, in the shop's wall time; a moment with a time zone is converted to it
    DATE = "date"  # a calendar day
    MONEY = "money"  # currency units
    NUMBER = "number"  # any finite number
    TEXT = "text"  # a word that groups: country, segment, channel
    FLAG = "flag"  # true or false
    CHOICE = "choice"  # one of `Column.choices`


@dataclass
class Column:
    """One column of a table: `low` and `high` bound its numbers, `choices` its words; `name` is its attribute's."""

    kind: Kind
    meaning: str
    required: bool = False
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    name: str = field(default="", init=False)

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return self.name


class Table:
    """Base of the table declarations; `title` is the file's name, `happened` the column that dates a row."""

    title: ClassVar[str]
    happened: ClassVar[str]
    one_row: ClassVar[str]
    without: ClassVar[str]  # what a shop misses without this table

    recorded_at = Column(Kind.TIME, "when the row was entered; it is visible from the later of its two times")

    @classmethod
    def columns(cls) -> Iterator[Column]:
        """The declared columns, in the order they were written, `recorded_at` last."""
        yield from (value for value in vars(cls).values() if isinstance(value, Column))
        yield Table.recorded_at

    @classmethod
    def required(cls) -> tuple[str, ...]:
        """Names of the columns without which the table cannot be used."""
        return tuple(column.name for column in cls.columns() if column.required)


class Orders(Table):
    """Order lines. Quantity and price, or amount: one of the two is needed."""

    title = "orders"
    happened = "ordered_at"
    one_row = "one row per order line"
    without = "nothing can be trained"

    customer_id = Column(Kind.ID, "who bought; empty for a guest, whose line counts for products only", required=True)
    order_id = Column(Kind.ID, "lines of one order share it; never under two customers", required=True)
    ordered_at = Column(Kind.TIME, "when it was ordered; for a return, when it came back", required=True)
    product_id = Column(Kind.ID, "what was bought")
    quantity = Column(Kind.NUMBER, "pieces; negative for a return")
    unit_price = Column(Kind.MONEY, "price of one piece, before `discount`")
    amount = Column(Kind.MONEY, "what was paid for the line, discount already taken; used in place of quantity x price")
    unit_cost = Column(Kind.MONEY, "what one piece cost the shop", low=0)
    discount = Column(Kind.MONEY, "money taken off the line", low=0)
    channel = Column(Kind.TEXT, "where it was sold")


class Support(Table):
    """Everything that took somebody's time: tickets from opened to closed, and time spent outside tickets."""

    title = "support"
    happened = "occurred_at"
    one_row = "one row per thing that happened"
    without = "cost to serve is unknown, so profit is margin alone and support load cannot warn of leaving"

    OPENED, REPLIED, WORKED, CLOSED, REOPENED, RATED = EVENTS = (
        "opened",
        "replied",
        "worked",
        "closed",
        "reopened",
        "rated",
    )

    customer_id = Column(Kind.ID, "whose ticket, call or visit", required=True)
    occurred_at = Column(Kind.TIME, "when it happened", required=True)
    event = Column(Kind.CHOICE, "what happened; `worked` with `minutes` is time spent", required=True, choices=EVENTS)
    ticket_id = Column(Kind.ID, "events of one ticket share it; empty for work outside tickets")
    minutes = Column(Kind.NUMBER, "minutes of work", low=0)
    agent = Column(Kind.TEXT, "who worked")
    channel = Column(Kind.TEXT, "by which way it came")
    topic = Column(Kind.TEXT, "what it was about")
    is_complaint = Column(Kind.FLAG, "whether the customer complained")
    satisfaction = Column(Kind.NUMBER, "1 (worst) to 5 (best)", low=1, high=5)


class Customers(Table):
    """Who the customers are, one row each or one row per change."""

    title = "customers"
    happened = "valid_from"
    one_row = "one row per customer, or per change"
    without = "no prospects, birthdays, consent, owners, segments or countries"

    customer_id = Column(Kind.ID, "who", required=True)
    valid_from = Column(Kind.TIME, "since when the row holds; without it the row says what is true now")
    signed_up_at = Column(Kind.TIME, "when the customer or prospect became known")
    birth_date = Column(Kind.DATE, "birthday")
    country = Column(Kind.TEXT, "where they live")
    segment = Column(Kind.TEXT, "the shop's own grouping")
    contact_allowed = Column(Kind.FLAG, "false: must not be contacted; empty counts as allowed")
    account_owner = Column(Kind.TEXT, "the person who looks after them")
    left_at = Column(Kind.TIME, "when their contract ended, or will; empty in a later row: they are back")


class Products(Table):
    """What is sold, one row each or one row per change."""

    title = "products"
    happened = "valid_from"
    one_row = "one row per product, or per change"
    without = "no product names, categories, costs, service intervals or stated accessories"

    product_id = Column(Kind.ID, "what", required=True)
    valid_from = Column(Kind.TIME, "since when the row holds; without it the row says what is true now")
    name = Column(Kind.TEXT, "as people call it")
    category = Column(Kind.TEXT, "the shelf it stands on")
    unit_cost = Column(Kind.MONEY, "what one piece costs the shop", low=0)
    service_interval_days = Column(Kind.NUMBER, "days after which it wants a service or a refill", low=0)
    accessory_of = Column(Kind.ID, "the product it goes with")


class Contacts(Table):
    """What was sent, and to whom it was deliberately not sent."""

    title = "contacts"
    happened = "contacted_at"
    one_row = "one row per message sent or held out"
    without = "what a contact changes is a stated prior, and fatigue is unknown"

    CONTACTED, HELD_OUT = ARMS = ("contacted", "held_out")

    customer_id = Column(Kind.ID, "to whom", required=True)
    contacted_at = Column(Kind.TIME, "when", required=True)
    campaign = Column(Kind.TEXT, "which campaign", required=True)
    play = Column(Kind.TEXT, "which play: retain, win_back, ...", required=True)
    arm = Column(Kind.CHOICE, "sent, or held out at random", required=True, choices=ARMS)
    cost = Column(Kind.MONEY, "what it cost", low=0)
    product_id = Column(Kind.ID, "what was suggested")
    list_id = Column(Kind.ID, "the outreach list it came from")


class Advocacy(Table):
    """What customers did for the shop beyond buying."""

    title = "advocacy"
    happened = "occurred_at"
    one_row = "one row per referral, review or case study"
    without = "who brings others is not seen, and may be dropped as unprofitable"

    REFERRAL, REVIEW, CASE_STUDY = KINDS = ("referral", "review", "case_study")

    customer_id = Column(Kind.ID, "who recommended", required=True)
    occurred_at = Column(Kind.TIME, "when", required=True)
    kind = Column(Kind.CHOICE, "how", required=True, choices=KINDS)
    new_customer_id = Column(Kind.ID, "who came because of it")
    rating = Column(Kind.NUMBER, "stars of a review, 1 to 5", low=1, high=5)


class EventTable(Table):
    """Base of the event tables that a shop declares itself, in the files that `[features] own` names.

    A subclass says `title` (the file's name), `happened` (its column that dates a row) and its columns, as above;
    `customer_id` and `recorded_at` are there without being declared.

        class Visits(EventTable):
            title = "visits"
            happened = "visited_at"

            visited_at = Column(Kind.TIME, "when they came to the web site", required=True)
            pages = Column(Kind.NUMBER, "pages they looked at", low=0)
    """

    one_row = "one row per event"
    without = "the features that read it are absent"

    customer_id = Column(Kind.ID, "whose event", required=True)

    @classmethod
    def columns(cls) -> Iterator[Column]:
        """The customer, the declared columns in the order they were written, `recorded_at` last."""
        if "customer_id" not in vars(cls):
            yield EventTable.customer_id
        yield from super().columns()

    @classmethod
    def values(cls) -> tuple[Column, ...]:
        """The columns that features read: all but whose the event is and when."""
        return tuple(one for one in cls.columns() if one.name not in {"customer_id", cls.happened, "recorded_at"})


TABLES: tuple[type[Table], ...] = (Orders, Support, Customers, Products, Contacts, Advocacy)
