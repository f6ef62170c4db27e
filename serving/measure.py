"""What a list earned: the contacted against the held out, from the shop's orders since the list's moment.

Everybody on the list is compared in the arm in which they were drawn, sent or not: leaving out whoever was not reached
would leave out other people in one arm than in the other. Plays of which nobody is ever held out (complaints, which are
answered and not experimented with) have nothing to be compared with and are left out, with their cost.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError, field_validator

from regulars.features.events import EventLog
from regulars.features.logs import Logs
from regulars.features.settings import Settings
from regulars.features.shop import DAY, I64, MONEY, Shop, as_datetime, as_time, days
from regulars.serving.arms import Compared, Listed, compare_all, compare_plays
from regulars.serving.list_file import manifest_path, read_list
from regulars.serving.outreach import CONTACT, HOLD_OUT

Flags = NDArray[np.bool_]
_NEEDED = ("customer_id", "play", "arm", "cost")


class ListError(ValueError):
    """A list that cannot be measured; the message says why and what to do."""


class _Churn(BaseModel):
    horizon_days: int


class _Settings(BaseModel):
    churn: _Churn


class Manifest(BaseModel):
    """What is read of a list's manifest."""

    list_id: str
    as_of: str
    contacts: int
    hold_outs: int
    never_held_out: list[str]
    sha256: str
    settings: _Settings

    @field_validator("as_of")
    @classmethod
    def moment(cls, value: str) -> str:
        """Only what is a moment."""
        as_time(value)
        return value


@dataclass(frozen=True)
class SentList:
    """A list as it stands in its file; `changed` where that is no longer the file that was written."""

    rows: pd.DataFrame
    manifest: Manifest
    changed: bool


@dataclass(frozen=True)
class Measured:
    """What a list earned from `as_of` up to `until`.

    Attributes:
        list_id: which list.
        as_of: its moment, in microseconds.
        until: where watching ended, in microseconds.
        horizon_days: how long the list was expected to act.
        currency: of all money.
        plays: each play, the largest first.
        total: the list as a whole.
        left_out: customers of plays never held out, by play.
        unsent: whether the contacts table has a list_id, and this list's nowhere.
        notes: what is to be known when reading the figures.
    """

    list_id: str
    as_of: int
    until: int
    horizon_days: int
    currency: str
    plays: tuple[Compared, ...]
    total: Compared
    left_out: Mapping[str, int]
    unsent: bool
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Everything as JSON values: moments as ISO text, null where there are too few to tell."""
        told = {"list_id": self.list_id, "as_of": _iso(self.as_of), "until": _iso(self.until)}
        rest = {"horizon_days": self.horizon_days, "currency": self.currency, "left_out": dict(self.left_out)}
        rest |= {"unsent": self.unsent}
        found = {"total": _row(self.total), "plays": [_row(play) for play in self.plays], "notes": list(self.notes)}
        return {**told, **rest, "verdict": self.verdict, **found}

    @property
    def verdict(self) -> str:
        """What the list as a whole earned, in a sentence."""
        if self.unsent:
            return f"contacts knows nobody who was sent {self.list_id}: if it was not sent, the figures are chance."
        if self.total.too_few:
            return f"Too few to tell what the list earned: {self.total.too_few}."
        value, low, high = self.total.earned
        told = f"{value:,.0f} {self.currency} after the cost of the contacts (95 %: {low:,.0f} to {high:,.0f})"
        if low > 0:
            return f"The list earned {told}."
        if high < 0:
            return f"The list cost more than it brought: {told}."
        return f"Whether the list earned anything cannot be told yet: {told}."


def read_sent_list(path: Path) -> SentList:
    """A list and its manifest, as `regulars outreach` wrote them.

    Raises:
        ListError: if one of them is missing or is something else, or if customers were added or taken away.
    """
    told = manifest_path(path)
    for file in (path, told):
        if not file.is_file():
            raise ListError(f"{file} is missing; give the list that `regulars outreach` wrote, beside its manifest")
    try:
        manifest = Manifest.model_validate_json(told.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise ListError(f"{told} is no manifest of a list: {place}: {first['msg']}") from error
    rows = _read_rows(path)
    counted = {arm: int((rows["arm"] == arm).sum()) for arm in (CONTACT, HOLD_OUT)}
    if counted != {CONTACT: manifest.contacts, HOLD_OUT: manifest.hold_outs}:
        raise ListError(
            f"{path} has {counted[CONTACT]:,} to contact and {counted[HOLD_OUT]:,} held out, its manifest "
            f"{manifest.contacts:,} and {manifest.hold_outs:,}; with rows added or taken away the arms are no longer "
            "alike. Give the list as it was written"
        )
    return SentList(rows, manifest, hashlib.sha256(path.read_bytes()).hexdigest() != manifest.sha256)


def _read_rows(path: Path) -> pd.DataFrame:
    try:
        rows = read_list(path)
    except (ValueError, KeyError) as error:  # Arrow's and pandas' own errors are ValueErrors
        raise ListError(f"{path} cannot be read as a list ({str(error).strip().partition(chr(10))[0]})") from error
    if missing := [name for name in _NEEDED if name not in rows.columns]:
        raise ListError(f"{path}: the columns {missing} are missing; give a list that `regulars outreach` wrote")
    strange = ~rows["arm"].isin([CONTACT, HOLD_OUT])
    if strange.any():
        row = int(np.argmax(strange))
        raise ListError(f"{path}: arm of row {row + 1} is {rows['arm'].iloc[row]!r}; expected {CONTACT} or {HOLD_OUT}")
    if rows["customer_id"].duplicated().any():
        twice = rows.loc[rows["customer_id"].duplicated(), "customer_id"].iloc[0]
        raise ListError(f"{path}: customer_id {twice!r} is there more than once; expected one row per customer")
    return rows


def measure(sent: SentList, shop: Shop, settings: Settings, until: int | None = None) -> Measured:
    """What the list earned.

    Args:
        sent: the list.
        shop: the tables, with what happened since; rows known before `until` count, by when they happened.
        settings: money where the tables do not say, and the currency.
        until: where watching ends, in microseconds; None: the end of the data.

    Raises:
        ListError: if nothing can be known of the time after the list, or the tables know none of its customers.
    """
    manifest = sent.manifest
    as_of, end = as_time(manifest.as_of), shop.end if until is None else min(until, shop.end)
    if end <= as_of:
        raise ListError(
            f"the list is of {_iso(as_of)}, and what is looked at ends at {_iso(end)} (the data at {_iso(shop.end)}): "
            "there is nothing to measure yet"
        )
    never = sent.rows["play"].isin(manifest.never_held_out)
    known = sent.rows["customer_id"].isin(shop.customer_ids)
    rows = sent.rows[~never & known]
    if not len(rows):
        raise ListError("no customer of the list that could be held out is in the tables; give the list's own tables")
    left_out = sent.rows.loc[never, "play"].value_counts()
    code = np.searchsorted(shop.customer_ids, rows["customer_id"].to_numpy(object))
    listed = _listed(rows, code, Logs(shop, settings), as_of, end)
    reached = _reached(shop, manifest.list_id, code)
    notes = [*_odd_file(sent, int((~never & ~known).sum())), *_odd_window(manifest, as_of, end, until)]
    return Measured(
        list_id=manifest.list_id,
        as_of=as_of,
        until=end,
        horizon_days=manifest.settings.churn.horizon_days,
        currency=settings.shop.currency,
        plays=tuple(compare_plays(listed)),
        total=compare_all(listed),
        left_out={str(play): int(count) for play, count in left_out.sort_index().items()},
        unsent=reached is not None and not reached.any(),
        notes=(*notes, *_odd_sending(shop, reached, listed.contacted)),
    )


def _listed(rows: pd.DataFrame, code: I64, logs: Logs, as_of: int, until: int) -> Listed:
    orders, margin = _within(logs.orders, None, as_of, until), _within(logs.lines, "margin", as_of, until)
    return Listed(
        rows["play"].to_numpy(object),
        (rows["arm"] == CONTACT).to_numpy(bool),
        orders[code].astype(np.float64),
        margin[code] / MONEY,
        rows["cost"].to_numpy(np.float64),
    )


def _within(log: EventLog, column: str | None, as_of: int, until: int) -> I64:
    """(keys,) sum of the column, or number of rows, in [as_of, until), as known before `until`."""
    rows = (log.time >= as_of) & (log.time < until) & (log.visible < until)
    total = np.zeros(len(log.start) - 1, np.int64)
    np.add.at(total, log.key[rows], log.values(column)[rows])
    return total


def _odd_file(sent: SentList, unknown: int) -> list[str]:
    notes = []
    if sent.changed:
        notes.append(
            "the list's file was changed after it was written; its rows are all there and are taken as they are"
        )
    if unknown:
        notes.append(f"{unknown:,} customers of the list are no longer in the tables and are left out")
    return notes


def _odd_window(manifest: Manifest, as_of: int, end: int, asked: int | None) -> list[str]:
    notes = []
    if asked is not None and asked > end:
        notes.append(f"the data ends at {_iso(end)}, before {_iso(asked)}; it is measured up to there")
    horizon = manifest.settings.churn.horizon_days
    over = as_of + days(horizon)
    if end < over:
        watched = (end - as_of) / DAY
        notes.append(
            f"the list's {horizon} days are not over before {_iso(over)}: {watched:.0f} are watched, and this is what "
            "came so far"
        )
    if end > over:
        notes.append(
            f"the list's {horizon} days were over at {_iso(over)}; what came later is in the figures and blurs them, "
            f"and `--until {_iso(over)}` leaves it out"
        )
    return notes


def _reached(shop: Shop, list_id: str, code: I64) -> Flags | None:
    """(n,) who was sent something of the list, as the contacts table tells; None where it cannot tell."""
    if shop.contacts is None or not shop.has("contacts.list_id"):
        return None
    of_list = np.flatnonzero(shop.words["contacts.list_id"] == list_id)
    rows = shop.contacts.take(np.isin(shop.contacts.list_id, of_list) & (shop.contacts.held_out == 0))
    return np.isin(code, rows.customer)


def _odd_sending(shop: Shop, reached: Flags | None, contacted: Flags) -> list[str]:
    """What the contacts table says against the list having been sent as it was written."""
    if reached is None:
        untold = "contacts has no list_id, so whether this list was sent is not known; it is taken as sent"
        return [untold] if shop.contacts is not None else []
    if not reached.any():
        return []  # the verdict says so
    notes = []
    if missed := int((contacted & ~reached).sum()):
        notes.append(
            f"{missed:,} of {int(contacted.sum()):,} to contact were not sent anything, as contacts tells; they are "
            "compared as they were drawn, and what a contact brought is understated"
        )
    if spoilt := int((~contacted & reached).sum()):
        notes.append(f"{spoilt:,} held out were sent something all the same; what a contact brought is understated")
    return notes


def _row(found: Compared) -> dict[str, Any]:
    cells = asdict(found)
    arms = {name: dict(zip(("contacted", "held_out"), cells.pop(name), strict=True)) for name in ("orders", "margin")}
    intervals = {name: cells.pop(name)._asdict() for name in ("more", "earned")}
    return {**cells, **{name: _without_nan(parts) for name, parts in (arms | intervals).items()}}


def _without_nan(parts: Mapping[str, float]) -> dict[str, float | None]:
    return {name: None if math.isnan(value) else value for name, value in parts.items()}


def _iso(moment: int) -> str:
    text = str(as_datetime(np.array([moment]))[0].astype("datetime64[s]"))
    return text.removesuffix("T00:00:00")
