"""What was last known, by eye."""

from __future__ import annotations

import numpy as np

from regulars.features.known import last_known
from regulars.features.shop import I64, NEVER, NONE

#          row  0      1   2   3      4
KEY = np.array([0, 0, 0, 1, NONE], dtype=np.int32)
TIME: I64 = np.array([NEVER, 10, 20, NEVER, 5])
VISIBLE: I64 = np.array([NEVER, 10, 25, NEVER, 5])


def known(moment: int, *, undated: bool) -> list[int]:
    return [int(row) for row in last_known(KEY, TIME, VISIBLE, 3, moment, undated=undated)]


def test_the_last_row_known_before_the_moment() -> None:
    assert known(10, undated=True) == [0, 3, NONE]
    assert known(11, undated=True) == [1, 3, NONE]
    assert known(25, undated=True) == [1, 3, NONE]
    assert known(26, undated=True) == [2, 3, NONE]


def test_rows_without_a_date_count_only_where_they_are_trusted() -> None:
    assert known(10, undated=False) == [NONE, NONE, NONE]
    assert known(26, undated=False) == [2, NONE, NONE]


def test_of_two_rows_of_one_time_the_later_counts() -> None:
    key, time = np.zeros(2, dtype=np.int32), np.array([7, 7])
    assert last_known(key, time, time, 1, 8, undated=False).tolist() == [1]
