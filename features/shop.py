"""A shop in memory: its six tables as checked columns of integers.

This is what stands between the edge, where files are read and checked, and the event logs, which trust what they are
given. Every id is a position in a sorted list of ids, every moment a count of microseconds of the shop's wall time,
every amount a count of 1/10,000 of the currency unit. Integers are what makes a customer's features the same alone,
in a batch and on a cluster: sums of floats depend on the order in which they are added, sums of integers do not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
Text = NDArray[np.object_]

DAY = 86_400_000_000
"""Microseconds in a day."""
MONEY = 10_000
"""Units of money in one unit of the currency."""
PIECES = 1_000
"""Units of quantity in one piece, and of work in one minute."""
NEVER = np.iinfo(np.int64).min
"""Stands for 'no moment'; the integer behind NumPy's NaT."""
NONE = -1
"""Stands for 'no id', 'no word' and 'flag not given'."""

_FORMS = "2011-09-01 or 2011-09-01T08:00"
_WALL = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?", re.ASCII)
_ZONED = re.compile(r"\d\d:\d\d.*(Z|z|UTC|[+-]\d\d(:?\d\d)?)$", re.ASCII)
_FIRST_YEAR, _AFTER_LAST_YEAR = np.datetime64("1970-01-01", "us"), np.datetime64("2200-01-01", "us")


@cache
def days(count: float) -> int:
    """`count` days as a span of the time unit (microseconds)."""
    return round(count * DAY)


@dataclass(frozen=True)
class Rows:
    """Columns of equal length; `time` is when a row happened, `visible` (not before `time`) from when it was known."""

    time: I64
    visible: I64

    def __len__(self) -> int:
        return len(self.time)

    def take(self, rows: NDArray[Any]) -> Self:
        """The given rows (positions or a mask), as a new table."""
        return self.with_arrays({name: column[rows] for name, column in self.arrays().items()})

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Every column by name, in the order in which they are declared."""
        return {name: getattr(self, name) for name in _names(type(self))}  # type: ignore[arg-type]

    def with_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The table with these columns in place of its own."""
        return type(self)(**{**self.arrays(), **arrays})


@cache
def _names(rows: type[Rows]) -> tuple[str, ...]:
    return tuple(item.name for item in fields(rows))


@dataclass(frozen=True)
class OrderLines(Rows):
    """Order lines. Returns have negative quantity, revenue and margin; lines of zero value have all three zero.

    `margin` is revenue less the goods' cost: the line's own `unit_cost`, else the product's as known then, else the
    setting `money.gross_margin`. `discount` is not negative. Guests' lines have customer `NONE`.
    """

    customer: I32
    order: I64
    product: I32
    quantity: I64
    revenue: I64
    margin: I64
    discount: I64
    channel: I32


@dataclass(frozen=True)
class SupportEvents(Rows):
    """Support work. `event` is a position in `Support.EVENTS`; satisfaction 0 means not rated; minutes in 1/1,000."""

    customer: I32
    event: I32
    ticket: I64
    minutes: I64
    agent: I32
    channel: I32
    topic: I32
    is_complaint: I32
    satisfaction: I32


@dataclass(frozen=True)
class CustomerChanges(Rows):
    """What was known of each customer. `time` is `valid_from`; `NEVER` there and in `visible` marks one without it."""

    customer: I32
    signed_up_at: I64
    birth_date: I64
    country: I32
    segment: I32
    contact_allowed: I32
    account_owner: I32
    left_at: I64


@dataclass(frozen=True)
class ProductChanges(Rows):
    """What was known of each product. `time` as in `CustomerChanges`; name is a word, unit_cost -1 where not given."""

    product: I32
    name: I32
    category: I32
    unit_cost: I64
    service_interval_days: NDArray[np.float64]
    accessory_of: I32


@dataclass(frozen=True)
class ContactEvents(Rows):
    """Contacts. `held_out` is 1 for those deliberately not sent; `cost` is -1 where not given."""

    customer: I32
    campaign: I32
    play: I32
    held_out: I32
    cost: I64
    product: I32
    list_id: I32


@dataclass(frozen=True)
class AdvocacyEvents(Rows):
    """Referrals, reviews, case studies. `kind` is a position in `Advocacy.KINDS`; rating 0 means none."""

    customer: I32
    kind: I32
    new_customer: I32
    rating: I32


@dataclass(frozen=True)
class OwnEvents(Rows):
    """Events of a table that the shop declared itself (`tables.EventTable`); `columns` as in `own_encoding`."""

    customer: I32
    columns: Mapping[str, I64]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Every column by name: time, visible, customer, then those of the table."""
        return {"time": self.time, "visible": self.visible, "customer": self.customer, **self.columns}

    def with_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The table with these columns in place of its own."""
        columns = {name: arrays.get(name, column) for name, column in self.columns.items()}
        three: dict[str, Any] = {
            name: arrays.get(name, getattr(self, name)) for name in ("time", "visible", "customer")
        }
        return replace(self, **three, columns=columns)


@dataclass(frozen=True)
class Shop:
    """A shop's data, checked. Tables that the shop does not have are None, and so are never mistaken for empty ones.

    `customer_ids` and `product_ids` are sorted and unique; a code is a position in them. `words` holds, for each
    grouping column named 'table.column', the sorted words behind its codes. `given` names the 'table.column's that
    were really there, so that a feature is absent where its column is, and not filled with zeros. `own` holds the event
    tables that the shop declared itself and brought, by title. `first` and `end`
    bound the data: `end` is just after the last order line, and the natural moment to stand at.
    """

    customer_ids: Text
    product_ids: Text
    orders: OrderLines
    support: SupportEvents | None = None
    customers: CustomerChanges | None = None
    products: ProductChanges | None = None
    contacts: ContactEvents | None = None
    advocacy: AdvocacyEvents | None = None
    own: Mapping[str, OwnEvents] = field(default_factory=dict)
    words: Mapping[str, Text] = field(default_factory=dict)
    given: frozenset[str] = frozenset()

    @property
    def first(self) -> int:
        """Time of the first order line."""
        return int(self.orders.time.min()) if len(self.orders) else 0

    @property
    def end(self) -> int:
        """The day after the last order line, at midnight: everything that is there has happened before it."""
        return (int(self.orders.time.max()) // DAY + 1) * DAY if len(self.orders) else 0

    def tables(self) -> dict[str, Rows]:
        """The tables that are there, by title: of the six, then its own."""
        six = ("orders", "support", "customers", "products", "contacts", "advocacy")
        return {name: getattr(self, name) for name in six if getattr(self, name) is not None} | dict(self.own)

    def with_tables(self, tables: Mapping[str, Rows]) -> Self:
        """The shop with these tables in place of those of the same titles."""
        changed: dict[str, Any] = {name: rows for name, rows in tables.items() if name not in self.own}
        own: Any = {name: tables.get(name, rows) for name, rows in self.own.items()}
        return replace(self, **changed, own=own)

    def has(self, *names: str) -> bool:
        """Whether every table ('support') or column ('orders.product_id') named was given."""
        return all(name in self.given for name in names)


def as_time(moment: Any) -> int:
    """A moment in the shop's wall time ('2011-09-01', a datetime, a Timestamp) as microseconds.

    Raises:
        ValueError: for something that is no moment, or a moment with a time zone (give wall time), or one outside of
            the years 1970 to 2199, in which the tables' own moments lie.
    """
    if getattr(moment, "tzinfo", None) is not None or (isinstance(moment, str) and _ZONED.search(moment)):
        raise ValueError(f"{moment!r} has a time zone; a moment is given in the shop's wall time, without one")
    # NumPy takes '20240701' for a year, and so is asked only about texts that have one meaning.
    if isinstance(moment, str) and not _WALL.fullmatch(moment):
        raise ValueError(f"{moment!r} is no moment: write it as {_FORMS}")
    try:
        value = np.datetime64(moment, "us")
    except (TypeError, ValueError) as error:
        raise ValueError(f"{moment!r} is no moment: write it as {_FORMS} ({error})") from error
    if np.isnat(value):
        raise ValueError(f"{moment!r} is no moment: write it as {_FORMS}")
    if not _FIRST_YEAR <= value < _AFTER_LAST_YEAR:
        raise ValueError(f"{moment!r} is outside of the years 1970 to 2199")
    return int(value.astype(np.int64))


def iso(moment: int) -> str:
    """A moment as ISO text, the day alone where it is midnight."""
    return str(np.datetime64(moment, "us").astype("datetime64[s]")).removesuffix("T00:00:00")


def as_datetime(times: I64) -> NDArray[np.datetime64]:
    """Microseconds back to NumPy's datetime64, `NEVER` becoming NaT."""
    return np.asarray(times, dtype=np.int64).view("datetime64[us]")
