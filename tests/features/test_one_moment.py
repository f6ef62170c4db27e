"""A single moment is answered with scalars, and they are the numbers that arrays give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regulars.features.asof import AsOf, Moments, pick, ratio, where
from regulars.features.events import EventLog
from regulars.features.shop import DAY, NONE, days

QUESTIONS: dict[str, Callable[[AsOf], Any]] = {
    "position": lambda past: past.position(),
    "count": lambda past: past.count(),
    "count in a window": lambda past: past.count(days(7)),
    "count until": lambda past: past.count(until=days(2)),
    "sum": lambda past: past.sum("value"),
    "sum in a window": lambda past: past.sum("value", days(7), until=days(2)),
    "count after": lambda past: past.count_after(past.last_time("flag")),
    "current": lambda past: past.current("value", -7),
    "last": lambda past: past.last("value"),
    "last where": lambda past: past.last_where("value", "flag", -3),
    "first": lambda past: past.first("value"),
    "first time": lambda past: past.first_time(),
    "days since last": lambda past: past.days_since_last("flag"),
    "days since first": lambda past: past.days_since_first(),
    "largest": lambda past: past.largest("value"),
    "decayed": lambda past: past.decayed("value", days(3)),
    "distinct": lambda past: past.distinct("value"),
    "distinct in a window": lambda past: past.distinct("value", days(7)),
    "gaps": lambda past: past.gaps().median,
    "spread of gaps": lambda past: past.gaps().spread,
    "recent gaps": lambda past: past.gaps().recent_mean,
    "gaps in a window": lambda past: past.gaps(days(7)).mean,
    "nth last time": lambda past: past.nth_last_time(2),
    "seen": lambda past: past.seen("value", 2),
    "most of": lambda past: past.most_of("value", "flag"),
    "grown": lambda past: past.grown("value", days(4)),
    "longest gap": lambda past: past.rhythm().longest,
    "unevenness": lambda past: past.rhythm().unevenness,
    "shorter gaps": lambda past: past.shorter_gaps(3)[0],
    "gaps looked at": lambda past: past.shorter_gaps(3)[1],
}

EVENTS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 12), st.integers(0, 4), st.integers(-1, 3), st.integers(0, 1))
)


@given(EVENTS, st.booleans(), st.integers(NONE, 2), st.integers(0, 18 * 4))
def test_scalars_are_what_arrays_hold(
    rows: list[tuple[int, int, int, int, int]], late: bool, key: int, quarters: int
) -> None:
    who, day, lag, value, flag = np.array(rows, np.int64).reshape(-1, 5).T
    visible = (day + lag * late) * DAY
    log = EventLog.build(3, who, day * DAY, visible, {"value": value, "flag": flag})
    moment = quarters * DAY // 4
    array = AsOf(log, Moments(np.array([key], np.int32), np.array([moment])))
    one = AsOf(log, Moments.one(np.int32(key), np.int64(moment)))
    for name, ask in QUESTIONS.items():
        alone, held = ask(one), ask(array)
        assert isinstance(alone, np.generic), name
        assert held.shape == (1,), name
        assert np.asarray(alone, held.dtype).tobytes() == held.tobytes(), name


def test_it_is_one_pair() -> None:
    assert len(Moments.one(np.int32(3), np.int64(4))) == 1


@pytest.mark.parametrize("row", [-1, 0, 2])
def test_steps(row: int) -> None:
    values, one, many = np.array([5, 6, 7]), np.int64(row), np.array([row])
    assert pick(values, one, 9) == pick(values, many, 9)[0]
    np.testing.assert_equal(ratio(np.int64(3), one), ratio(np.array([3]), many)[0])
    assert where(one > 0, one, np.int64(8)) == where(many > 0, many, 8)[0]
