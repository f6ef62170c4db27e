from __future__ import annotations

from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from regulars.features.events import EventLog
from regulars.features.shop import NEVER

# key, time, visible, value
ROWS = [(1, 5, 5, 7), (0, 9, 9, 1), (1, 2, 8, 3), (1, 5, 5, 4), (-1, 1, 1, 2), (0, NEVER, NEVER, 6)]


def log_of(rows: list[tuple[int, int, int, int]], keys: int = 3) -> EventLog:
    key, time, visible, value = np.array(rows, np.int64).reshape(-1, 4).T
    return EventLog.build(keys, key, time, visible, {"value": value})


def test_rows_stand_by_key_then_as_they_became_known() -> None:
    log = log_of(ROWS)
    assert log.start.tolist() == [0, 1, 4, 4]
    assert log.key.tolist() == [0, 1, 1, 1]
    assert log.visible.tolist() == [9, 5, 5, 8]
    assert log.columns["value"].tolist() == [1, 4, 7, 3]


def test_guests_and_what_never_happened_are_left_out() -> None:
    assert len(log_of(ROWS)) == 4


def test_a_log_is_in_time_order_without_late_rows() -> None:
    assert not log_of(ROWS).in_time_order
    assert log_of(ROWS[:2]).in_time_order


def test_rows_can_be_chosen() -> None:
    log = log_of(ROWS)
    chosen = log.where(log.columns["value"] > 3)
    assert (chosen.start.tolist(), chosen.columns["value"].tolist()) == ([0, 0, 2, 2], [4, 7])


def test_another_key() -> None:
    log = log_of([(0, 1, 1, 2), (0, 3, 3, 0), (0, 5, 5, 2), (1, 2, 2, 1)])
    by_value = log.by("value", 4)
    assert (by_value.start.tolist(), by_value.time.tolist()) == ([0, 1, 2, 4, 4], [3, 2, 1, 5])


def test_sums_in_the_order_of_entering_and_of_leaving() -> None:
    log = log_of(ROWS)
    assert log.prefix("value").tolist() == [0, 1, 5, 12, 15]
    assert log.prefix(None).tolist() == [0, 1, 2, 3, 4]
    # A window of 2: the late row (happened at 2, known at 8) leaves as it enters, at 8; the two of 5 at 7.
    assert log.leave_order(2).at.tolist() == [11, 7, 7, 8]
    assert log.prefix("value", 2).tolist() == [0, 1, 5, 12, 15]
    # A window of 30: it leaves at 32, before those of 5.
    assert log.leave_order(30).at.tolist() == [39, 32, 35, 35]
    assert log.prefix("value", 30).tolist() == [0, 1, 4, 8, 15]


def test_the_previous_row_with_the_same_value() -> None:
    log = log_of([(0, 1, 1, 5), (0, 2, 2, 6), (0, 3, 3, 5), (1, 4, 4, 5), (0, 9, 9, 5)])
    assert log.previous_same("value").tolist() == [-1, -1, 0, 2, -1]


def test_the_extreme_row_so_far() -> None:
    log = log_of([(0, 5, 5, 1), (0, 2, 6, 9), (0, 5, 7, 0), (1, 1, 1, 3)])
    assert log.extreme_row(None, None, greatest=True).tolist() == [0, 0, 2, 3]
    assert log.extreme_row(None, None, greatest=False).tolist() == [0, 1, 1, 3]
    assert log.extreme_row("value", None, greatest=True).tolist() == [0, 1, 1, 3]
    assert log.extreme_row(None, "value", greatest=True).tolist() == [0, 0, 0, 3]


def test_nothing_happens_in_an_empty_log() -> None:
    log = EventLog.empty(2, ("value",))
    assert (len(log), log.start.tolist(), log.prefix("value").tolist()) == (0, [0, 0, 0], [0])
    assert log_of([]).start.tolist() == [0, 0, 0, 0]
    assert log.previous_same("value").tolist() == []


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 3), st.integers(0, 2))), st.randoms())
def test_ties_have_one_order(rows: list[tuple[int, int, int, int]], random: Random) -> None:
    shuffled = random.sample(rows, len(rows))
    one, other = log_of(rows), log_of(shuffled)
    for name in ("start", "time", "visible", "key"):
        assert np.array_equal(getattr(one, name), getattr(other, name))
    assert np.array_equal(one.columns["value"], other.columns["value"])
