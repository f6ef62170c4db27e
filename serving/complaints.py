"""Which customers have a complaint that is open, or were badly served lately, and who is to answer for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regulars.features.asof import F64
from regulars.features.shop import DAY, I64, NEVER, NONE, Shop, SupportEvents, Text, days
from regulars.features.tables import Support

RECENT = days(30)
"""A complaint outside tickets, which nothing closes, and a bad rating count for this long."""
BAD_RATING = 2
_OPENED, _REOPENED, _CLOSED = (
    Support.EVENTS.index(name) for name in (Support.OPENED, Support.REOPENED, Support.CLOSED)
)


@dataclass(frozen=True)
class Complaints:
    """One entry per customer of the shop: days since the complaint or bad rating (NaN: none), and its agent or ''."""

    age: F64
    agent: Text


def complaints(shop: Shop, as_of: int) -> Complaints:
    """Complaints that want an answer at `as_of`.

    A ticket on which the customer complained wants one until it is closed, and again when it is reopened; a complaint
    outside tickets, and a rating of 1 or 2 that no better one followed, want one for 30 days. The agent who worked on
    the ticket last answers for it.
    """
    size = len(shop.customer_ids)
    since, agent = np.full(size, NEVER), np.full(size, NONE, np.int64)
    if shop.support is not None:
        known = shop.support.take(shop.support.visible < as_of)
        known = known.take(np.lexsort((known.event, known.visible, known.time)))
        known = known.take(known.customer >= 0)
        for rows, marks in (_badly_rated(known, as_of, size), _outside(known, as_of), _open_tickets(known)):
            since[rows.customer] = marks
            agent[rows.customer] = rows.agent
    names = np.append(shop.words.get("support.agent", np.zeros(0, np.object_)), "")  # NONE (-1) is the appended ''
    age = np.where(since == NEVER, np.nan, (as_of - np.where(since == NEVER, as_of, since)) / DAY)
    return Complaints(age, names.astype(np.object_)[agent])


def _badly_rated(known: SupportEvents, as_of: int, size: int) -> tuple[SupportEvents, I64]:
    rated = known.take(known.satisfaction > 0)
    last = np.full(size, NONE, np.int64)
    last[rated.customer] = np.arange(len(rated))
    rows = rated.take(last[last >= 0])
    rows = rows.take((rows.satisfaction <= BAD_RATING) & (rows.time >= as_of - RECENT))
    return rows, rows.time


def _outside(known: SupportEvents, as_of: int) -> tuple[SupportEvents, I64]:
    rows = known.take((known.ticket == NONE) & (known.is_complaint == 1) & (known.time >= as_of - RECENT))
    return rows, rows.time


def _open_tickets(known: SupportEvents) -> tuple[SupportEvents, I64]:
    """The last row of each ticket with a complaint that is not closed (`agent`: the last one named), and its start."""
    rows = known.take(known.ticket != NONE)
    size = int(rows.ticket.max(initial=-1)) + 1
    complained, closed = np.zeros(size, bool), np.zeros(size, bool)
    complained[rows.ticket[rows.is_complaint == 1]] = True
    turns = np.isin(rows.event, (_OPENED, _REOPENED, _CLOSED))
    closed[rows.ticket[turns]] = rows.event[turns] == _CLOSED
    agent, first, last = np.full(size, NONE, np.int64), np.full(size, NEVER), np.full(size, NONE, np.int64)
    named = rows.agent != NONE
    agent[rows.ticket[named]] = rows.agent[named]
    first[rows.ticket[::-1]] = rows.time[::-1]
    last[rows.ticket] = np.arange(len(rows))
    ends = rows.take(np.sort(last[complained & ~closed]))
    shown = SupportEvents(**{**vars(ends), "agent": agent[ends.ticket].astype(np.int32)})
    return shown, first[ends.ticket]
