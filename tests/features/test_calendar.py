"""The calendar."""

from __future__ import annotations

import numpy as np
import pytest

from regulars.features.calendar import day_of_year, days_to_birthday
from regulars.features.shop import NEVER, as_time


@pytest.mark.parametrize(
    ("born", "today", "days"),
    [
        ("1980-03-01", "2024-03-01", 0),
        ("1980-03-03", "2024-03-01", 2),
        ("1980-02-29", "2024-02-28", 1),
        ("1980-02-29", "2023-02-28", 1),
        ("1980-02-28", "2023-03-01", 364),
        ("1980-01-01", "2023-12-31", 1),
    ],
)
def test_days_to_the_birthday(born: str, today: str, days: int) -> None:
    found = days_to_birthday(np.array([as_time(born), NEVER]), as_time(today))
    assert found[0] == days
    assert np.isnan(found[1])


def test_each_moment_has_its_own_birthday_to_wait_for() -> None:
    born = np.full(3, as_time("1990-06-10"))
    moments = np.array([as_time(text) for text in ("2024-06-09T23:59", "2024-06-10T12:00", "2024-06-11")])
    assert days_to_birthday(born, moments).tolist() == [1, 0, 364]


def test_the_day_of_the_year() -> None:
    moments = [as_time(text) for text in ("2023-01-01", "2023-12-31T23:59", "2024-12-31", "2024-03-01")]
    assert day_of_year(np.array(moments)).tolist() == [1, 365, 366, 61]
