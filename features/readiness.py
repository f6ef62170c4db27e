"""Is a shop ready? A report in plain words: what is there, what is missing, what that costs, what to do.

The thresholds are those that comparable products ask of their users (Microsoft Dynamics 365 Customer Insights,
Klaviyo); below them a model is still trained and says what it is worth. Only where the history does not hold a window
to learn from and one to judge by, there is nothing to train, and the report says why not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from regulars.features.contracts import cancellations, why_no_contracts
from regulars.features.horizons import PARTS, WINDOWS, judged_horizon
from regulars.features.own import own_of, tables_of
from regulars.features.reading import Reading
from regulars.features.settings import Settings
from regulars.features.shop import DAY, NEVER, NONE, Shop, as_datetime, days
from regulars.features.tables import Support

Mark = Literal["ok", "warn", "bad"]
Grade = Literal["good", "fair", "poor", "none"]

DYNAMICS = "Microsoft Dynamics 365 Customer Insights"
KLAVIYO = "Klaviyo"
HISTORY_DAYS = 365  # DYNAMICS: 12 months
LEAST_HISTORY_DAYS = 180  # KLAVIYO
CUSTOMERS = 1_000  # DYNAMICS: at least 500 to 1,000
LEAST_CUSTOMERS = 500  # KLAVIYO: buyers
HORIZONS = 2  # DYNAMICS: history of twice the window
MISSING = 0.2  # DYNAMICS: under 20 % missing
RECENT_DAYS = 30  # KLAVIYO
SEVERAL_ORDERS = 3  # KLAVIYO: some customers with so many
FAIR_WARNINGS = 2
MANY_LEFT = 0.15
"""Share of customers with a `left_at` from which contracts are thought of."""
FORETOLD = 0.5
"""Share of cancellations known at sign-up from which their dates are doubted."""
FEW_CANCELLATIONS = 30
"""Cancellations below which a shop is told that little can be learnt of them."""

COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("orders.product_id", "no next product, accessory or breadth of taste", "Add product_id to orders."),
    ("orders.discount", "what is bought only with a discount is not seen", "Add discount to orders."),
    ("support.minutes", "cost to serve stays at zero", "Add minutes to the `worked` events."),
    (
        "support.satisfaction",
        "who is unhappy shows in tickets alone",
        "Add satisfaction to `rated` events.",
    ),
    ("support.is_complaint", "complaints are not told from questions", "Add is_complaint to support."),
    ("customers.signed_up_at", "prospects have no age", "Add signed_up_at to customers."),
    ("customers.contact_allowed", "nobody is known to refuse contact", "Add contact_allowed to customers."),
    ("customers.account_owner", "lists have no owners, and their hours no bound", "Add account_owner to customers."),
    ("customers.birth_date", "no birthday greetings", "Add birth_date to customers."),
    ("customers.valid_from", "who customers are is no feature at past moments", "Add valid_from to customers."),
    ("products.category", "kinds of product are not told apart", "Add category to products."),
    ("products.service_interval_days", "no service reminders", "Add service_interval_days to products."),
    ("contacts.cost", "contacts cost what the settings say", "Add cost to contacts."),
)
"""What is lost without a column whose table is there, and what to do."""


@dataclass(frozen=True)
class Item:
    """One line of the report."""

    mark: Mark
    sentence: str
    advice: str = ""

    def __str__(self) -> str:
        return f"[{self.mark}] {self.sentence}" + (f" {self.advice}" if self.advice else "")


@dataclass(frozen=True)
class Section:
    """A part of the report."""

    title: str
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Readiness:
    """The report. `grade` counts the thresholds missed; `why_not` says why nothing can be trained, '' where it can."""

    grade: Grade
    why_not: str
    sections: tuple[Section, ...]

    @property
    def trainable(self) -> bool:
        """Whether anything can be trained."""
        return not self.why_not

    def text(self) -> str:
        """The whole report as plain text."""
        lines = [f"Readiness: {self.grade}" if self.trainable else f"Nothing can be trained: {self.why_not}"]
        for section in self.sections:
            lines += ["", section.title, *(f"  {item}" for item in section.items)]
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class _Buyers:
    """Customers with orders: how many orders each has, and when their first was."""

    orders: np.ndarray[tuple[int], np.dtype[np.int64]]
    first: np.ndarray[tuple[int], np.dtype[np.int64]]


def readiness(reading: Reading, settings: Settings, *, as_of: int | None = None) -> Readiness:
    """The report on a shop that was read.

    Args:
        reading: what `inspect` or `read_shop` gave.
        settings: the churn horizon and the settings that stand in for what is missing.
        as_of: the moment to judge recency from, and at which a training would stand, in microseconds of wall time; by
            default the last moment in any table.
    """
    found = _found(reading, settings)
    shop = reading.shop
    if shop is None or not len(shop.orders):
        errors = reading.of("error")
        why = str(errors[0]) if errors else "there is no order line that can be used."
        return Readiness("none", why, tuple(_filled([_there(reading), found])))
    buyers = _buyers(shop)
    end = shop.end if as_of is None else min(shop.end, as_of)
    enough = Section("Is it enough to learn from?", tuple(_enough(shop, buyers, settings, as_of)))
    missing = Section("What is missing, and what that costs", tuple(_missing(shop, settings)))
    # Rows that cannot be used come first: without them something else may seem to be missing.
    why_not = _refused(reading, settings) or _why_not(shop, buyers, settings, end)
    warnings = sum(item.mark != "ok" for item in enough.items)
    grade: Grade = "good" if not warnings else "fair" if warnings <= FAIR_WARNINGS else "poor"
    contracts = contracts_item(shop, settings, end)
    told = [_customers(shop, buyers), *([contracts] if contracts else [])]
    there = _there(reading, *told, *_own(shop, settings))
    sections = _filled([there, enough, missing, found])
    return Readiness("none" if why_not else grade, why_not, tuple(sections))


def _filled(sections: list[Section]) -> Iterator[Section]:
    yield from (section for section in sections if section.items)


def _day(time: int) -> str:
    return str(as_datetime(np.array([time]))[0].astype("datetime64[D]"))


def _there(reading: Reading, *more: Item) -> Section:
    items = []
    for table in reading.tables:
        used = "" if table.used == table.rows else f", {table.used:,} of them good"
        span = "" if table.first == NEVER else f", from {_day(table.first)} to {_day(table.last)}"
        columns = ", ".join(table.given) or "no column with values"
        mark: Mark = "ok" if table.used == table.rows else "warn"
        sentence = f"{table.title} ({table.origin}): {table.rows:,} rows{used}{span}; {columns}."
        items.append(Item(mark, sentence))
    return Section("What is there", (*items, *more))


def _buyers(shop: Shop) -> _Buyers:
    bought = (shop.orders.revenue > 0) & (shop.orders.customer != NONE)
    lines = shop.orders.take(bought)
    # One customer has any one order, so an order's first line says whose it is.
    _, first_line = np.unique(lines.order, return_index=True)
    customers, orders = np.unique(lines.customer[first_line], return_counts=True)
    first = np.full(len(shop.customer_ids), np.iinfo(np.int64).max)
    np.minimum.at(first, lines.customer, lines.time)
    return _Buyers(orders.astype(np.int64), first[customers])


def _customers(shop: Shop, buyers: _Buyers) -> Item:
    count = len(buyers.orders)
    again = float((buyers.orders > 1).mean()) if count else 0.0
    prospects = len(shop.customer_ids) - count
    beside = f", beside {prospects:,} who have not bought" if prospects else ""
    sentence = f"{count:,} customers with {int(buyers.orders.sum()):,} orders{beside}; {again:.0%} ordered again."
    return Item("ok" if count else "bad", sentence)


def contracts_item(shop: Shop, settings: Settings, end: int) -> Item | None:
    """How many customers left, and what churn is then; None where nobody did, or few did and nothing is made of it."""
    if shop.customers is None:
        return None
    known, foretold = cancellations(shop, end)
    left = len(np.unique(shop.customers.customer[shop.customers.left_at != NEVER]))
    share = left / max(len(shop.customer_ids), 1)
    sentence = f"{left:,} of {len(shop.customer_ids):,} customers have a left_at ({share:.0%})"
    if settings.churn.is_contract:
        if not known:
            return Item("bad", f"{sentence}, and no cancellation is known before {_day(end)}.", "Fill in left_at.")
        if foretold <= FORETOLD * known:
            advice = "Until there are more, chances of cancelling are little else than one rate for all."
            few = known < FEW_CANCELLATIONS
            return Item("warn" if few else "ok", f"{sentence}: churn is cancelling.", advice if few else "")
        sentence += ", many of them in rows as old as the sign-up, as if it had been known from the beginning."
        return Item("warn", sentence, "Date such rows by when that became known, or leave valid_from out.")
    if share < MANY_LEFT:
        return None
    advice = "If customers hold contracts, set [churn] by = 'contract': churn is then cancelling, and not silence."
    return Item("warn", f"{sentence}, and churn is no order within {settings.churn.horizon_days} days.", advice)


def _own(shop: Shop, settings: Settings) -> Iterator[Item]:
    """What the shop adds to the features, and what of that its tables do not allow."""
    for module in own_of(settings).modules:
        features = module.features(settings.features.windows_days)
        absent = [feature for feature in features if not shop.has(*feature.needs)]
        sentence = f"{module.name}: {len(features)} features of the shop's own"
        if not absent:
            yield Item("ok", f"{sentence}.")
        else:
            needs = sorted({need for feature in absent for need in feature.needs if not shop.has(need)})
            names = ", ".join(feature.name for feature in absent)
            yield Item("warn", f"{sentence}, of which {names} need {', '.join(needs)}.", "Bring what they need.")


def _enough(shop: Shop, buyers: _Buyers, settings: Settings, as_of: int | None) -> Iterator[Item]:
    yield _history(shop)
    yield _horizons(shop, settings)
    yield _count(len(buyers.orders))
    several = int((buyers.orders >= SEVERAL_ORDERS).sum())
    yield Item(
        "ok" if several else "warn",
        f"{several:,} customers have {SEVERAL_ORDERS} orders or more ({KLAVIYO} asks for some).",
        "" if several else "Nobody's rhythm is known yet; dates of next orders come from the whole shop.",
    )
    yield _recent(shop, as_of)
    if shop.has("orders.product_id"):
        yield _products(shop)


def _history(shop: Shop) -> Item:
    span = (shop.end - shop.first) // DAY
    asked = f"{DYNAMICS} asks for {HISTORY_DAYS}, {KLAVIYO} for {LEAST_HISTORY_DAYS}"
    mark: Mark = "ok" if span >= HISTORY_DAYS else "warn" if span >= LEAST_HISTORY_DAYS else "bad"
    advice = "" if mark == "ok" else "Without a whole year the season is unknown; add older orders if there are any."
    return Item(mark, f"{span:,} days of orders ({asked}).", advice)


def _horizons(shop: Shop, settings: Settings) -> Item:
    horizon = settings.churn.horizon_days
    enough = shop.end - shop.first >= days(HORIZONS * horizon)
    sentence = f"The history is {(shop.end - shop.first) / days(horizon):.1f} horizons of {horizon} days long"
    judged = judged_horizon(shop.first, shop.end, settings)
    mend = "Set a shorter [churn] horizon_days, or add older orders."
    advice = "" if enough else mend
    if judged not in (None, horizon):
        advice = (
            f"{mend} Until then models are learnt and judged on windows of {judged} days, and asked about {horizon}."
        )
    return Item("ok" if enough else "bad", f"{sentence} ({DYNAMICS} asks for {HORIZONS}).", advice)


def _count(customers: int) -> Item:
    asked = f"{DYNAMICS} asks for {LEAST_CUSTOMERS:,} to {CUSTOMERS:,}, {KLAVIYO} for {LEAST_CUSTOMERS:,}"
    mark: Mark = "ok" if customers >= CUSTOMERS else "warn" if customers >= LEAST_CUSTOMERS else "bad"
    advice = "" if mark == "ok" else "Intervals will be wide, and the baselines may stay the better models."
    return Item(mark, f"{customers:,} customers have bought ({asked}).", advice)


def _recent(shop: Shop, as_of: int | None) -> Item:
    now = max(int(rows.time.max()) for rows in shop.tables().values() if len(rows)) if as_of is None else as_of
    age = max(0, now - int(shop.orders.time.max())) // DAY
    recent = age <= RECENT_DAYS
    since = "the last moment in any table" if as_of is None else _day(as_of)
    sentence = f"The last order line is {age:,} days before {since} ({KLAVIYO} asks for one within {RECENT_DAYS})."
    return Item("ok" if recent else "warn", sentence, "" if recent else "Bring orders up to date before scoring.")


def _products(shop: Shop) -> Item:
    share = float((shop.orders.product == NONE).mean())
    few = share < MISSING
    sentence = f"{share:.0%} of order lines have no product ({DYNAMICS} asks for less than {MISSING:.0%} missing)."
    return Item("ok" if few else "warn", sentence, "" if few else "Fill in product_id.")


def _missing(shop: Shop, settings: Settings) -> Iterator[Item]:
    for table in tables_of(settings):
        if not shop.has(table.title):
            advice = f"Add {table.title} ({table.one_row}): {', '.join(table.required())}."
            yield Item("warn", f"There is no table {table.title}: {table.without}.", advice)
    for name, cost, advice in COLUMNS:
        table_title = name.partition(".")[0]
        if shop.has(table_title) and not shop.has(name):
            yield Item("warn", f"There is no {name}: {cost}.", advice)
    if not shop.has("orders.unit_cost") and not shop.has("products.unit_cost"):
        margin = f"every margin is taken as {settings.money.gross_margin:.0%} of revenue ([money] gross_margin)"
        yield Item("warn", f"No cost is known: {margin}.", "Add unit_cost to orders or products.")
    if shop.support is not None and not (shop.support.event == Support.EVENTS.index(Support.WORKED)).any():
        sentence = "There is no support event `worked`: the time that customers take is unknown."
        yield Item("warn", sentence, "Add one row with minutes for each piece of work.")
    if shop.contacts is not None and not shop.contacts.held_out.any():
        sentence = "No contact was held out: what contacts change cannot be learnt, and a stated prior is used."
        yield Item("warn", sentence, "Record the held-out arm; every list that `regulars outreach` writes has one.")


def _found(reading: Reading, settings: Settings) -> Section:
    refuse = settings.data.bad_rows == "refuse"
    items = []
    for finding in reading.findings:
        advice = ""
        if finding.severity == "bad_rows":
            advice = "Until then `regulars train` refuses; [data] bad_rows = 'set_aside' goes on without them."
            advice = advice if refuse else "These rows are set aside."
        bad = finding.severity == "error" or (finding.severity == "bad_rows" and refuse)
        mark: Mark = "bad" if bad else "ok" if finding.severity == "note" else "warn"
        items.append(Item(mark, str(finding), advice))
    return Section("What was found", tuple(items))


def _refused(reading: Reading, settings: Settings) -> str:
    """Why the tables are refused although there is a shop in them: '' where they are not."""
    if errors := reading.of("error"):
        return str(errors[0])
    bad = reading.of("bad_rows") if settings.data.bad_rows == "refuse" else ()
    return f"{bad[0]} Or set [data] bad_rows = 'set_aside' to go on without such rows." if bad else ""


def _why_not(shop: Shop, buyers: _Buyers, settings: Settings, end: int) -> str:
    """Why nothing can be learnt and judged: '' where two windows follow each other after two customers had bought.

    `end` is where the data ends, or the moment to stand at where that is earlier.
    """
    if not len(buyers.orders):
        return "no customer has an order with a value."
    if settings.churn.is_contract and (why := why_no_contracts(shop, end)):
        return why
    if len(buyers.orders) == 1:
        return "there is a single customer; churn is learnt from the differences between customers."
    span = max(0, end - shop.first) // DAY
    there = "there are" if end == shop.end else f"there are, until {_day(end)},"
    horizon, step = judged_horizon(shop.first, end, settings), settings.train.snapshot_every_days
    if horizon is None:
        shortest = min(WINDOWS * settings.churn.horizon_days + step, PARTS * step)
        return f"{there} {span} days of orders; {shortest} are needed to learn and to judge. Add older orders."
    before = int((buyers.first < end - days(WINDOWS * horizon)).sum())
    if before < 2:
        return (
            f"{there} {span} days of orders, and {before} customers had bought {WINDOWS * horizon} days before their"
            f" end; two are needed for a window of {horizon} days to learn from and one to judge what was learnt. Add"
            " older orders, or set a shorter [churn] horizon_days."
        )
    return ""
