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

COLUMNS = (
    "tickets_open",
    "replies",
    "reply_wait",
    "closings",
    "resolution",
    "oldest_open",
    "last_resolution",
    "oldest_unanswered",
    "last_reply_wait",
)
"""The columns: open tickets; first replies and the sum of the waits for them; closings and the sum of the times from
opening to them; when the oldest open ticket was opened (`NEVER`: none is); the time the last closing took (-1: none);
when the oldest open ticket without a reply was opened (`NEVER`: none is); the wait for the last first reply (-1: none).
"""

_OPENED, _REPLIED, _CLOSED, _REOPENED = (
    Support.EVENTS.index(event) for event in (Support.OPENED, Support.REPLIED, Support.CLOSED, Support.REOPENED)
)
# What is known of one ticket. The first five are what the customer's totals are made of.
_IS_OPEN, _REPLIES, _WAIT, _CLOSINGS, _TAKEN, _SINCE, _ANSWERED, _LATEST = range(8)
_CLOSED_AT, _LAST_TAKEN, _REPLIED_AT, _LAST_WAIT = range(8, 12)
_SUMS, _STATES = 5, 12
_OPEN, _UNANSWERED = range(2)  # lists of tickets of which the oldest is wanted


@njit(cache=True, nogil=True)
def _begin(state: I64) -> None:
    for k in range(_STATES):
        state[k] = 0
    state[_CLOSED_AT] = NEVER
    state[_REPLIED_AT] = NEVER
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
        state[_REPLIED_AT], state[_LAST_WAIT] = time, time - state[_SINCE]
        state[_REPLIES] += 1
        state[_WAIT] += state[_LAST_WAIT]
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
def _move(state: I64, was: I64, row: int, previous: I64, dated: I64) -> bool:
    """Moves a ticket by the event in `row`; fills `was` with what it was before. Returns whether the event was late."""
    if previous[row] < 0:
        _begin(state)
    for k in range(_STATES):
        was[k] = state[k]
    late = bool(dated[row] < state[_LATEST])
    if late:
        _tell_again(state, row, previous, dated)
    else:
        _step(state, dated[row])
    return late


@njit(cache=True, nogil=True)
def _keep(held: I64, count: int, place: I64, one: int, belongs: bool) -> int:
    """Puts ticket `one` into a list of tickets, or takes it out; returns how many there are."""
    if belongs and place[one] < 0:
        held[count], place[one] = one, count
        return count + 1
    if not belongs and place[one] >= 0:
        other = held[count - 1]
        held[place[one]], place[other] = other, place[one]
        place[one] = -1
        return count - 1
    return count


@njit(cache=True, nogil=True)
def _oldest(held: I64, count: int, states: I64) -> int:
    """When the oldest of the listed tickets was opened, `NEVER` if none is listed."""
    oldest = NEVER
    for k in range(count):
        since = int(states[held[k], _SINCE])
        if oldest == NEVER or since < oldest:
            oldest = since
    return oldest


@njit(cache=True, nogil=True)
def _earlier(one: int, other: int) -> int:
    """The earlier of two times, of which the first may be `NEVER`."""
    return other if one == NEVER else min(one, other)


@njit(cache=True, nogil=True)
def _belongs(which: int, state: I64) -> bool:
    """Whether a ticket is open; or is open and without a reply."""
    return bool(state[_IS_OPEN] != 0 and (which == _OPEN or state[_ANSWERED] == 0))


@njit(cache=True, nogil=True)
def _last_of(at: int, first: int, end: int, ticket: I64, states: I64) -> int:
    """The ticket in the rows `first:end` whose state `at` is the latest (of equals the greatest code), or -1."""
    last: int = kernels.ZERO - 1
    for i in range(first, end):
        one = int(ticket[i])
        if one >= 0 and states[one, at] != NEVER and (last < 0 or _later(at, states, one, last)):
            last = one
    return last


@njit(cache=True, nogil=True)
def _later(at: int, states: I64, one: int, other: int) -> bool:
    this, than = states[one, at], states[other, at]
    return bool(this > than or (this == than and one > other))


# Loops and no array arithmetic here: that takes seconds to compile.
@njit(cache=True, nogil=True)
def _add(sums: I64, state: I64, was: I64) -> None:
    for k in range(_SUMS):
        sums[k] += state[k] - was[k]


@njit(cache=True, nogil=True)
def _write(columns: I64, row: int, sums: I64, oldest: I64, last: I64, states: I64) -> None:
    for k in range(_SUMS):
        columns[k, row] = sums[k]
    columns[5, row], columns[7, row] = oldest[0], oldest[1]
    columns[6, row] = states[last[0], _LAST_TAKEN] if last[0] >= 0 else -1
    columns[8, row] = states[last[1], _LAST_WAIT] if last[1] >= 0 else -1


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
        (9, n), a row for each of `COLUMNS`.
    """
    columns = np.empty((9, len(time)), np.int64)
    states, was = np.zeros((tickets, _STATES), np.int64), np.zeros(_STATES, np.int64)
    held, place = np.empty((2, tickets), np.int64), np.full((2, tickets), -1)
    sums, count = np.zeros(_SUMS, np.int64), np.zeros(2, np.int64)
    oldest, last = np.zeros(2, np.int64), np.zeros(2, np.int64)
    dated = time * 8 + event
    for key in range(len(start) - 1):
        sums.fill(0)
        for which in range(2):
            count[which], oldest[which], last[which] = 0, NEVER, -1
        for i in range(start[key], start[key + 1]):
            one = int(ticket[i])
            if one >= 0:
                state = states[one]
                late = _move(state, was, i, previous, dated)
                _add(sums, state, was)
                for which in range(2):
                    count[which] = _keep(held[which], count[which], place[which], one, _belongs(which, state))
                    if _belongs(which, was) and was[_SINCE] == oldest[which]:
                        oldest[which] = _oldest(held[which], count[which], states)
                    elif _belongs(which, state):
                        oldest[which] = _earlier(oldest[which], state[_SINCE])
                    at = _CLOSED_AT if which == 0 else _REPLIED_AT
                    if one == last[which] and late:
                        last[which] = _last_of(at, start[key], i + 1, ticket, states)
                    elif state[at] != was[at] and (last[which] < 0 or _later(at, states, one, last[which])):
                        last[which] = one
            _write(columns, i, sums, oldest, last, states)
        for which in range(2):
            for k in range(count[which]):
                place[which, held[which, k]] = -1
    return columns
