"""What is known of a customer's tickets after each support event: how many are open, since when, how they went.

A ticket is opened, perhaps replied to, closed, and perhaps reopened, which starts it anew. What happens to a ticket
that is in no state for it (a reply to a closed one, a second opening) changes nothing.

Events can become known late: a closing that is entered a week afterwards, when the ticket has been reopened. What was
known at a moment is the ticket's known events in the order in which they *happened*. So each event that becomes known
in its turn moves its ticket by one step, and one that comes late makes the ticket be told again from its beginning.
The customer's totals follow by what the ticket's own totals changed.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from regulars.features import kernels
from regulars.features.shop import I64, NEVER
from regulars.features.tables import Support

COLUMNS = ("tickets_open", "replies", "reply_wait", "closings", "resolution", "oldest_open", "last_resolution")
"""The columns: open tickets; first replies and the sum of the waits for them; closings and the sum of the times from
opening to them; when the oldest open ticket was opened (`NEVER`: none is); the time the last closing took (-1: none).
"""

_OPENED, _REPLIED, _CLOSED, _REOPENED = (
    Support.EVENTS.index(event) for event in (Support.OPENED, Support.REPLIED, Support.CLOSED, Support.REOPENED)
)
# What is known of one ticket. The first five are what the customer's totals are made of.
_IS_OPEN, _REPLIES, _WAIT, _CLOSINGS, _TAKEN, _SINCE, _ANSWERED, _CLOSED_AT, _LAST_TAKEN, _LATEST = range(10)
_SUMS = 5


@njit(cache=True, nogil=True)
def _begin(state: I64) -> None:
    state[:] = 0
    state[_CLOSED_AT] = NEVER
    state[_LATEST] = NEVER


@njit(cache=True, nogil=True)
def _step(state: I64, dated: int) -> None:
    """Moves a ticket by one event, given as time * 8 + event: sorted, that is the order in which things happened."""
    event, time = dated & 7, dated >> 3
    state[_LATEST] = dated
    is_open = state[_IS_OPEN] != 0
    if event in (_OPENED, _REOPENED) and not is_open:
        state[_IS_OPEN], state[_ANSWERED], state[_SINCE] = 1, 0, time
    elif event == _REPLIED and is_open and state[_ANSWERED] == 0:
        state[_ANSWERED] = 1
        state[_REPLIES] += 1
        state[_WAIT] += time - state[_SINCE]
    elif event == _CLOSED and is_open:
        state[_IS_OPEN], state[_CLOSED_AT], state[_LAST_TAKEN] = 0, time, time - state[_SINCE]
        state[_CLOSINGS] += 1
        state[_TAKEN] += state[_LAST_TAKEN]


@njit(cache=True, nogil=True)
def _tell_again(state: I64, row: int, previous: I64, dated: I64) -> None:
    """Tells a ticket from its beginning: all its events that are known at `row`, its latest row."""
    count, i = 0, row
    while i >= 0:
        count += 1
        i = previous[i]
    known = np.empty(count, np.int64)
    i = row
    for k in range(count):
        known[k] = dated[i]
        i = previous[i]
    kernels.sort(known)
    _begin(state)
    for k in range(count):
        _step(state, known[k])


@njit(cache=True, nogil=True)
def _keep_open(held: I64, count: int, place: I64, one: int, is_open: int) -> int:
    """Puts ticket `one` into the list of open tickets, or takes it out; returns how many there are."""
    if is_open != 0 and place[one] < 0:
        held[count], place[one] = one, count
        return count + 1
    if is_open == 0 and place[one] >= 0:
        other = held[count - 1]
        held[place[one]], place[other] = other, place[one]
        place[one] = -1
        return count - 1
    return count


@njit(cache=True, nogil=True)
def _closed_last(first: int, end: int, ticket: I64, states: I64) -> int:
    """Which of the tickets in the rows `first:end` was closed last (of equals that with the greatest code), or -1."""
    last = -1
    for i in range(first, end):
        one = int(ticket[i])
        if one >= 0 and states[one, _CLOSED_AT] != NEVER and (last < 0 or _later(states, one, last)):
            last = one
    return last


@njit(cache=True, nogil=True)
def _later(states: I64, one: int, other: int) -> bool:
    at, than = states[one, _CLOSED_AT], states[other, _CLOSED_AT]
    return bool(at > than or (at == than and one > other))


@njit(cache=True, nogil=True)
def ticket_columns(start: I64, ticket: I64, event: I64, time: I64, previous: I64, tickets: int) -> I64:
    """The state of each customer's tickets after each support event.

    Args:
        start: (keys + 1,) where each customer's rows begin; rows are in the order in which they became known.
        ticket: (n,) ticket codes below `tickets`, -1 for none.
        event: (n,) positions in `Support.EVENTS`.
        time: (n,) when each event happened.
        previous: (n,) position of the customer's previous row of the same ticket, -1 if there is none.
        tickets: how many tickets there are.

    Returns:
        (7, n), a row for each of `COLUMNS`.
    """
    columns = np.empty((7, len(time)), np.int64)
    states = np.zeros((tickets, 10), np.int64)
    place = np.full(tickets, -1)
    held = np.empty(tickets, np.int64)
    before, sums = np.zeros(_SUMS, np.int64), np.zeros(_SUMS, np.int64)
    dated = time * 8 + event
    for key in range(len(start) - 1):
        sums[:] = 0
        count, oldest, last = 0, NEVER, -1
        for i in range(start[key], start[key + 1]):
            one = int(ticket[i])
            if one >= 0:
                state = states[one]
                if previous[i] < 0:
                    _begin(state)
                before[:] = state[:_SUMS]
                was_open, since, closed_at = state[_IS_OPEN], state[_SINCE], state[_CLOSED_AT]
                late = dated[i] < state[_LATEST]
                if late:
                    _tell_again(state, i, previous, dated)
                else:
                    _step(state, dated[i])
                sums += state[:_SUMS] - before
                count = _keep_open(held, count, place, one, state[_IS_OPEN])
                if was_open != 0 and since == oldest:
                    oldest = _oldest(held, count, states)
                elif state[_IS_OPEN] != 0 and (oldest == NEVER or state[_SINCE] < oldest):
                    oldest = int(state[_SINCE])
                if one == last and late:
                    last = _closed_last(start[key], i + 1, ticket, states)
                elif state[_CLOSED_AT] != closed_at and (last < 0 or _later(states, one, last)):
                    last = one
            columns[:_SUMS, i] = sums
            columns[5, i] = oldest
            columns[6, i] = states[last, _LAST_TAKEN] if last >= 0 else -1
        for k in range(count):
            place[held[k]] = -1
    return columns


@njit(cache=True, nogil=True)
def _oldest(held: I64, count: int, states: I64) -> int:
    """When the oldest of the open tickets was opened, `NEVER` if none is open."""
    oldest = NEVER
    for k in range(count):
        since = int(states[held[k], _SINCE])
        if oldest == NEVER or since < oldest:
            oldest = since
    return oldest
