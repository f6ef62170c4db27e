"""The states of tickets, told event by event."""

from __future__ import annotations

import numpy as np
import pytest
from tests.features.strategies import NOW, SETTINGS, Work, rows, shop_of

from regulars.features.logs import Logs
from regulars.features.shop import DAY, NEVER
from regulars.features.tickets import COLUMNS


def told(*events: tuple[str, int, int] | tuple[str, int, int, int]) -> dict[str, list[int]]:
    """Columns after each event (name, day, ticket, day it became known), times in days."""
    given = [
        Work(0, name, NOW + when * DAY, NOW + (known[0] if known else when) * DAY, ticket)
        for name, when, ticket, *known in events
    ]
    log = Logs(shop_of(rows(support=given)), SETTINGS).support
    found = {name: log.columns[name].tolist() for name in COLUMNS}
    for name in ("reply_wait", "resolution", "last_resolution", "last_reply_wait"):
        found[name] = [value // DAY for value in found[name]]
    for name in ("oldest_open", "oldest_unanswered"):
        found[name] = [NEVER if value == NEVER else (value - NOW) // DAY for value in found[name]]
    return found


def test_one_ticket_from_opening_to_the_end() -> None:
    found = told(("opened", 1, 0), ("replied", 3, 0), ("replied", 4, 0), ("closed", 6, 0))
    assert found["tickets_open"] == [1, 1, 1, 0]
    assert found["oldest_open"] == [1, 1, 1, NEVER]
    assert (found["replies"], found["reply_wait"]) == ([0, 1, 1, 1], [0, 2, 2, 2])
    assert (found["closings"], found["resolution"], found["last_resolution"]) == (
        [0, 0, 0, 1],
        [0, 0, 0, 5],
        [-1, -1, -1, 5],
    )


def test_reopening_starts_anew() -> None:
    found = told(("opened", 1, 0), ("closed", 3, 0), ("reopened", 10, 0), ("replied", 11, 0), ("closed", 14, 0))
    assert found["tickets_open"] == [1, 0, 1, 1, 0]
    assert found["oldest_open"] == [1, NEVER, 10, 10, NEVER]
    assert found["reply_wait"] == [0, 0, 0, 1, 1]
    assert (found["resolution"], found["last_resolution"]) == ([0, 2, 2, 2, 6], [-1, 2, 2, 2, 4])


def test_the_oldest_of_several() -> None:
    found = told(
        ("opened", 1, 0), ("opened", 2, 1), ("opened", 3, 2), ("closed", 4, 1), ("closed", 5, 0), ("closed", 6, 2)
    )
    assert found["oldest_open"] == [1, 1, 1, 1, 3, NEVER]
    assert found["tickets_open"] == [1, 2, 3, 2, 1, 0]


@pytest.mark.parametrize("event", ["replied", "closed", "worked", "rated"])
def test_what_happens_to_no_open_ticket_changes_nothing(event: str) -> None:
    found = told((event, 1, 0), ("opened", 2, 0))
    assert (found["tickets_open"], found["replies"], found["closings"]) == ([0, 1], [0, 0], [0, 0])


def test_a_second_opening_changes_nothing() -> None:
    assert told(("opened", 1, 0), ("opened", 5, 0), ("closed", 6, 0))["resolution"] == [0, 0, 5]


def test_events_at_one_moment_happen_in_the_order_of_a_tickets_life() -> None:
    assert told(("closed", 1, 0), ("opened", 1, 0))["tickets_open"] == [1, 0]


def test_a_closing_entered_late_stands_before_the_reopening() -> None:
    found = told(("opened", 1, 0), ("reopened", 9, 0), ("closed", 4, 0, 12))
    assert found["tickets_open"] == [1, 1, 1]
    assert found["oldest_open"] == [1, 1, 9]
    assert (found["closings"], found["resolution"]) == ([0, 0, 1], [0, 0, 3])


def test_an_opening_entered_late_counts_from_when_it_was() -> None:
    found = told(("opened", 5, 0), ("closed", 8, 0), ("opened", 1, 0, 9))
    assert (found["resolution"], found["last_resolution"], found["tickets_open"]) == ([0, 3, 7], [-1, 3, 7], [1, 0, 0])


def test_a_reply_entered_late_can_be_the_first() -> None:
    assert told(("opened", 1, 0), ("replied", 5, 0), ("replied", 2, 0, 9))["reply_wait"] == [0, 4, 1]


def test_the_last_closing_can_be_another_when_the_story_changes() -> None:
    # Ticket 1 was closed on day 8, until it is heard that it had been closed on day 6 already.
    found = told(("opened", 1, 0), ("opened", 5, 1), ("closed", 7, 0), ("closed", 8, 1), ("closed", 6, 1, 9))
    assert found["last_resolution"] == [-1, -1, 6, 3, 6]


def test_a_ticket_of_two_customers_is_two_tickets() -> None:
    given = [Work(0, "opened", NOW, NOW, 0), Work(1, "closed", NOW + DAY, NOW + DAY, 0)]
    log = Logs(shop_of(rows(support=given)), SETTINGS).support
    assert log.columns["tickets_open"].tolist() == [1, 0]
    assert log.columns["closings"].tolist() == [0, 0]


def test_a_ticket_is_unanswered_until_the_first_reply_and_again_when_it_is_reopened() -> None:
    found = told(
        ("opened", 1, 0), ("opened", 2, 1), ("replied", 3, 0), ("closed", 4, 0), ("reopened", 5, 0), ("closed", 6, 1)
    )
    assert found["oldest_unanswered"] == [1, 1, 2, 2, 2, 5]


def test_a_reply_entered_late_answers_all_the_same() -> None:
    assert told(("opened", 1, 0), ("opened", 2, 1), ("replied", 2, 0, 9))["oldest_unanswered"] == [1, 1, 2]


def test_the_wait_for_the_first_reply_given_last() -> None:
    found = told(("opened", 1, 0), ("opened", 2, 1), ("replied", 3, 1), ("replied", 6, 0), ("replied", 7, 1))
    assert found["last_reply_wait"] == [-1, -1, 1, 5, 5]


def test_the_last_first_reply_can_be_another_when_the_story_changes() -> None:
    # Ticket 1 got its first reply on day 8, until it is heard that it had one on day 6 already.
    found = told(("opened", 1, 0), ("opened", 5, 1), ("replied", 7, 0), ("replied", 8, 1), ("replied", 6, 1, 9))
    assert found["last_reply_wait"] == [-1, -1, 6, 3, 6]


def test_work_outside_tickets_leaves_the_state() -> None:
    assert told(("opened", 1, 0), ("worked", 2, -1))["tickets_open"] == [1, 1]


def test_many_tickets_of_one_customer_are_told_fast() -> None:
    """A hundred thousand tickets under one id, each closed a while later: the oldest goes first."""
    size = 100_000
    given = [Work(0, "opened", NOW + i, NOW + i, i) for i in range(size)]
    given += [Work(0, "closed", NOW + i + 50, NOW + i + 50, i) for i in range(size)]
    log = Logs(shop_of(rows(support=given)), SETTINGS).support
    assert log.columns["tickets_open"].max() == 51  # of events at one moment, the opening is first
    assert np.all(log.columns["tickets_open"] >= 0)
    assert log.columns["closings"][-1] == size
