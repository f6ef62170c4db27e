"""The primitives that look up running columns, on logs that can be read at a glance, then against plain loops."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from regulars.features.asof import AsOf, Moments
from regulars.features.events import EventLog
from regulars.features.shop import DAY, NEVER, NONE

Row = tuple[int, int, int, int, int]  # key, when it happened, when it became known, group, amount

# key 0, day by day: 1 (group 5, 10), 1 (5, 1), 4 (7, 20), 8 (5, 2), 20 (none, 90)
# key 2: day 3 (5, 4), and, heard of on day 30 only: day 1 (5, 6) and day 2 (7, 1)
ROWS = [(0, 1, 1, 5, 10), (0, 1, 1, 5, 1), (0, 4, 4, 7, 20), (0, 8, 8, 5, 2), (0, 20, 20, NONE, 90)]
LATE = [(2, 3, 3, 5, 4), (2, 1, 30, 5, 6), (2, 2, 30, 7, 1)]


def log_of(rows: list[Row], unit: int = DAY) -> EventLog:
    key, time, visible, group, amount = np.array(rows, np.int64).reshape(-1, 5).T
    return EventLog.build(3, key, time * unit, visible * unit, {"group": group, "amount": amount})


def at(key: int, day: int, rows: list[Row] = ROWS) -> AsOf:
    return AsOf(log_of(rows), Moments(np.array([key], np.int32), np.array([day * DAY])))


def test_the_events_before_the_last() -> None:
    assert [at(0, 9).nth_last_time(nth)[0] // DAY for nth in (1, 2, 3, 4)] == [8, 4, 1, 1]
    assert (at(0, 9).nth_last_time(5)[0], at(1, 9).nth_last_time(1)[0], at(0, 1).nth_last_time(1)[0]) == (NEVER,) * 3


def test_an_event_heard_of_late_is_put_in_its_place() -> None:
    rows = ROWS + LATE
    assert at(2, 30, rows).nth_last_time(2)[0] == NEVER
    assert [at(2, 31, rows).nth_last_time(nth)[0] // DAY for nth in (1, 2, 3)] == [3, 2, 1]


def test_values_seen_again() -> None:
    assert [at(0, 21).seen("group", times)[0] for times in (1, 2, 3, 4)] == [2, 1, 1, 0]
    assert at(0, 1).seen("group")[0] == 0
    assert at(2, 31, ROWS + LATE).seen("group", 2)[0] == 1


def test_the_largest_group() -> None:
    assert (at(0, 21).most_of("group")[0], at(0, 21).most_of("group", "amount")[0]) == (3, 20)
    assert at(2, 31, ROWS + LATE).most_of("group", "amount")[0] == 10
    assert (at(1, 21).most_of("group")[0], at(NONE, 21).most_of("group")[0]) == (0, 0)


def test_what_a_total_grew_by() -> None:
    totals = [(0, day, day, 0, total) for day, total in ((1, 10), (4, 12), (9, 20))]
    assert [at(0, 10, totals).grown("amount", days * DAY)[0] for days in (1, 5, 6, 9, 90)] == [8, 8, 10, 20, 20]
    assert at(1, 10, totals).grown("amount", DAY)[0] == 0


def test_days_and_the_longest_gap() -> None:
    found = at(0, 21).rhythm()  # gaps of 3, 4 and 12 days
    assert (found.days[0], found.longest[0]) == (4, 12)
    assert math.isclose(found.unevenness[0], 3 * (1 / 49 + 64 / 256) / 2, abs_tol=1e-6)
    assert np.isnan(at(0, 5).rhythm().unevenness[0])
    assert (at(1, 5).rhythm().days[0], at(0, 2).rhythm().longest[0]) == (0, 0)


def test_a_clockwork_is_even() -> None:
    assert at(0, 99, [(0, day, day, 0, 0) for day in range(0, 60, 7)]).rhythm().unevenness[0] == 0


def test_gaps_shorter_than_the_wait() -> None:
    assert [at(0, day).shorter_gaps(9)[0][0] for day in (11, 12, 13, 20)] == [0, 1, 2, 2]  # 3, 4, 5, 12 days after 8
    assert [x[0] for x in at(0, 99).shorter_gaps(9)] == [3, 3]
    assert [x[0] for x in at(0, 24).shorter_gaps(2)] == [0, 2]  # 4 and 12 days; 4 days after 20
    assert [x[0] for x in at(1, 24).shorter_gaps(2)] == [0, 0]


hours = st.integers(0, 400)
some_rows = st.lists(
    st.tuples(st.integers(0, 1), hours, st.sampled_from([0, 0, 0, 5, 48, 200]), st.integers(-1, 2), st.integers(0, 9)),
    max_size=24,
)


@settings(max_examples=200)
@given(some_rows, st.booleans(), st.integers(0, 1), hours, st.integers(1, 4))
def test_plain_loops_agree(given_rows: list[Row], late: bool, key: int, now: int, most: int) -> None:
    hour = DAY // 24
    rows = sorted((k, when, when + delay * late, group, amount) for k, when, delay, group, amount in given_rows)
    asked = AsOf(log_of(rows, hour), Moments(np.array([key], np.int32), np.array([now * hour])))
    known = [row for row in rows if row[0] == key and row[2] < now]
    times, groups = sorted(row[1] for row in known), Counter(row[3] for row in known if row[3] >= 0)
    sums = [sum(row[4] for row in known if row[3] == group) for group in groups]
    days = sorted({time // 24 for time in times})
    gaps = [after - before for before, after in pairwise(days)]
    uneven = [3_000_000 * (a - b) ** 2 // (a + b) ** 2 for a, b in pairwise(gaps)]

    assert asked.nth_last_time(most)[0] == (times[-most] * hour if len(times) >= most else NEVER)
    assert asked.seen("group", most)[0] == sum(count >= most for count in groups.values())
    assert asked.most_of("group")[0] == max(groups.values(), default=0)
    assert asked.most_of("group", "amount")[0] == max(sums, default=0)
    found = asked.rhythm()
    assert (found.days[0], found.longest[0], found.uneven[0]) == (len(days), max(gaps, default=0), sum(uneven))
    shorter, count = asked.shorter_gaps(most)
    wait = now // 24 - days[-1] if days else 0
    assert (shorter[0], count[0]) == (sum(gap < wait for gap in gaps[-most:]), min(len(gaps), most))


def test_a_customer_with_a_million_lines_costs_no_more_than_others() -> None:
    """Half of the rows are heard of late, over twenty years of days: each answer is looked up, not walked to."""
    size = 1_000_000
    when = np.sort(np.random.default_rng(1).integers(0, 7_300 * 24, size)) * (DAY // 24)
    known = when + np.arange(size) % 2 * 3 * DAY
    log = EventLog.build(1, np.zeros(size, np.int32), when, known, {"group": np.arange(size) % 50})
    asked = AsOf(log, Moments.grid(np.zeros(1, np.int32), np.arange(1, 13) * 600 * DAY))
    assert asked.rhythm().days[-1] == len(np.unique(when[known < 7_200 * DAY] // DAY))
    assert asked.seen("group", 2).tolist() == [50] * 12
    assert asked.shorter_gaps(20)[1].tolist() == [20] * 12
