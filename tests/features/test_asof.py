"""Each primitive on one log that can be read at a glance, then all of them against plain loops."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import median

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regulars.features.asof import AsOf, Moments, ratio
from regulars.features.events import EventLog
from regulars.features.shop import DAY, NEVER, NONE, days

# key 0: day (value, flag)   1 (5, 1)   4 (7, 0)   4 (2, 1)   9 (5, 0)
# key 1: nothing
# key 2: day 3 (8, 1), and, heard of on day 6 only: day 2 (9, 1)
ROWS = [(0, 1, 1, 5, 1), (0, 4, 4, 7, 0), (0, 4, 4, 2, 1), (0, 9, 9, 5, 0), (2, 3, 3, 8, 1), (2, 2, 6, 9, 1)]


def log_of(rows: list[tuple[int, int, int, int, int]], unit: int = DAY) -> EventLog:
    key, time, visible, value, flag = np.array(rows, np.int64).reshape(-1, 5).T
    return EventLog.build(3, key, time * unit, visible * unit, {"value": value, "flag": flag})


def at(key: int, day: float, rows: list[tuple[int, int, int, int, int]] = ROWS) -> AsOf:
    return AsOf(log_of(rows), Moments(np.array([key], np.int32), np.array([days(day)])))


def test_an_event_at_the_moment_is_the_future() -> None:
    assert [at(0, day).count()[0] for day in (1, 1.5, 4, 4.01, 9, 10)] == [0, 1, 1, 3, 3, 4]


def test_a_window_is_half_open() -> None:
    assert at(0, 10).count(days(6))[0] == 3  # [4, 10)
    assert at(0, 10).count(days(5.99))[0] == 1
    assert at(0, 10).sum("value", days(6))[0] == 7 + 2 + 5


def test_a_window_can_end_before_the_moment() -> None:
    assert at(0, 10).sum("value", until=days(1))[0] == 5 + 7 + 2  # before 9
    assert at(0, 10).count(days(9), until=days(6))[0] == 1  # [1, 4)


def test_a_window_cannot_end_before_it_begins() -> None:
    with pytest.raises(ValueError, match="cannot end"):
        at(0, 10).count(days(3), until=days(4))


def test_a_late_row_counts_from_when_it_is_known_at_the_time_it_happened() -> None:
    assert [at(2, day).count()[0] for day in (4, 6, 6.1)] == [1, 1, 2]
    assert at(2, 7).count(days(4))[0] == 1  # [3, 7): what happened on day 2 is out
    assert at(2, 7).count(days(5))[0] == 2
    assert at(2, 7).count(days(5), until=days(4))[0] == 1


def test_last_and_first() -> None:
    assert (at(0, 10).last("value")[0], at(0, 10).first("value")[0]) == (5, 5)
    assert at(0, 5).last("value")[0] == 7  # of equals the last in the order of the columns
    assert (at(2, 7).last("value")[0], at(2, 7).first("value")[0]) == (8, 9)
    assert (at(1, 7).last("value")[0], at(1, 7).first("value", 3)[0]) == (NONE, 3)


def test_the_last_that_is_flagged() -> None:
    assert at(0, 10).last_where("value", "flag")[0] == 2
    assert at(0, 10).days_since_last("flag")[0] == 6
    assert at(1, 10).last_where("value", "flag", -5)[0] == -5


def test_times_and_days_since() -> None:
    assert (at(0, 10).first_time()[0], at(0, 10).last_time()[0]) == (1 * DAY, 9 * DAY)
    assert (at(0, 10).days_since_first()[0], at(0, 10.5).days_since_last()[0]) == (9, 1.5)
    assert at(1, 10).last_time()[0] == NEVER
    assert np.isnan(at(1, 10).days_since_last()[0])


def test_a_state_is_the_one_that_became_known_last() -> None:
    assert (at(2, 7).current("value", 0)[0], at(2, 7).last("value")[0]) == (9, 8)
    assert at(1, 7).current("value", 4)[0] == 4


def test_the_largest() -> None:
    assert [at(0, day).largest("value")[0] for day in (1, 2, 5, 10)] == [0, 5, 7, 7]


def test_events_after_a_time() -> None:
    assert at(0, 10).count_after(np.array([4 * DAY]))[0] == 1
    assert at(0, 9).count_after(np.array([4 * DAY]))[0] == 0
    assert at(0, 10).count_after(np.array([NEVER]))[0] == 4
    assert at(2, 7).count_after(np.array([2 * DAY]))[0] == 1


def test_a_half_life() -> None:
    assert at(0, 5).decayed(None, days(1))[0] == 0.5**4 + 2 * 0.5
    assert at(0, 5).decayed("value", days(1))[0] == 5 * 0.5**4 + 9 * 0.5
    assert at(2, 7).decayed(None, days(1))[0] == 0.5**4 + 0.5**5
    assert at(1, 5).decayed(None, days(1))[0] == 0


def test_different_values() -> None:
    assert at(0, 10).distinct("value")[0] == 3
    assert at(0, 10).distinct("value", days(5))[0] == 1
    assert at(2, 7).distinct("value", days(4))[0] == 1
    assert at(0, 10, [(0, 1, 1, -1, 1), (0, 2, 2, 4, 1)]).distinct("value")[0] == 1


def test_gaps_between_days() -> None:
    gaps = at(0, 10).gaps()  # 3 and 5 days; the second event of day 4 makes no gap
    found = [float(x[0]) for x in (gaps.count, gaps.mean, gaps.median, gaps.spread, gaps.recent_mean)]
    assert found == [2, 4, 4, math.sqrt(2), 4]
    assert at(0, 10).gaps(days(6)).median[0] == 5
    assert np.isnan(at(0, 2).gaps().mean[0])
    assert np.isnan(at(0, 5).gaps().spread[0])
    assert at(2, 7).gaps().total[0] == 1


def test_the_last_three_gaps() -> None:
    rows = [(0, day, day, 0, 0) for day in (0, 10, 11, 13, 16)]
    gaps = at(0, 20, rows).gaps()
    assert (gaps.recent_mean[0], gaps.median[0], gaps.mean[0]) == (2, 2.5, 4)


def test_no_key_no_past() -> None:
    none = at(NONE, 10)
    assert (none.count()[0], none.count(days(5))[0], none.sum("value", until=days(1))[0]) == (0, 0, 0)
    assert (none.last("value")[0], none.last_time()[0], none.decayed(None, DAY)[0]) == (NONE, NEVER, 0)


def test_a_grid_has_the_times_of_one_key_together() -> None:
    grid = Moments.grid(np.array([2, 0]), [5, 6])
    assert (grid.key.tolist(), grid.time.tolist()) == ([2, 2, 0, 0], [5, 6, 5, 6])
    assert grid.take(np.array([3])).time.tolist() == [6]


@pytest.mark.parametrize(("above", "below", "expected"), [([1, 2], [2, 0], [0.5, np.nan]), ([0.0], [0.0], [np.nan])])
def test_ratio(above: list[float], below: list[float], expected: list[float]) -> None:
    np.testing.assert_array_equal(ratio(np.array(above), np.array(below)), expected)


def test_huge_sums_are_exact() -> None:
    rows = [(key, 1, 1, 2**61, 0) for key in (0, 1, 2) for _ in range(2)]  # the prefix of all keys wraps around
    assert at(2, 5, rows).sum("value")[0] == 2**62


hours = st.integers(0, 240)
some_rows = st.lists(
    st.tuples(st.integers(0, 2), hours, st.sampled_from([0, 0, 0, 5, 48]), st.integers(-1, 3), st.integers(0, 1)),
    max_size=14,
)


@given(some_rows, st.integers(0, 2), hours, st.sampled_from([30, 48, 100]), st.sampled_from([0, 24, 30]))
def test_plain_loops_agree(
    given_rows: list[tuple[int, int, int, int, int]], key: int, now: int, last: int, until: int
) -> None:
    hour = DAY // 24
    rows = sorted((k, time, time + late, value, flag) for k, time, late, value, flag in given_rows)
    rows.sort(key=lambda row: (row[2], row[1]))
    asked = AsOf(log_of(rows, hour), Moments(np.array([key], np.int32), np.array([now * hour])))
    known = [row for row in rows if row[0] == key and row[2] < now]
    within = [row for row in known if now - last <= row[1]]
    between = [row for row in within if row[1] < now - until]
    flagged = [row for row in known if row[4]]
    latest = max(known, key=lambda row: (row[1], known.index(row)), default=None)

    assert asked.count()[0] == len(known)
    assert asked.count(last * hour)[0] == len(within)
    assert asked.sum("value", last * hour, until * hour)[0] == sum(row[3] for row in between)
    assert asked.last_time("flag")[0] == max((row[1] * hour for row in flagged), default=NEVER)
    assert asked.first_time()[0] == min((row[1] * hour for row in known), default=NEVER)
    assert asked.largest("value", -9)[0] == max((row[3] for row in known), default=-9)
    assert asked.current("value", -9)[0] == (known[-1][3] if known else -9)
    assert asked.last("value", -9)[0] == (latest[3] if latest else -9)
    assert asked.count_after(np.array([30 * hour]))[0] == sum(row[1] > 30 for row in known)
    for rows_of, window in ((known, None), (within, last * hour)):
        assert asked.distinct("value", window)[0] == len({row[3] for row in rows_of} - {-1})
        when = sorted({row[1] // 24 for row in rows_of})
        gaps = [b - a for a, b in pairwise(when)]
        found = asked.gaps(window)
        assert [x[0] for x in (found.count, found.total, found.squares, found.recent)] == [
            len(gaps),
            sum(gaps),
            sum(gap * gap for gap in gaps),
            sum(gaps[-3:]),
        ]
        np.testing.assert_equal(found.median[0], median(gaps) if gaps else math.nan)
    decayed = sum(row[3] * 0.5 ** ((now - row[1]) / 36) for row in known)
    assert math.isclose(asked.decayed("value", 36 * hour)[0], decayed, rel_tol=1e-12, abs_tol=1e-12)
