"""When contracts ended after a moment: by eye, and against plain rows lived through one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.features.strategies import CUSTOMERS, SETTINGS
from tests.features.test_contracts import DATED, Row, contract_shop, days_of, facts_of, time_of, told_rows

from regulars.features.asof import Moments
from regulars.features.logs import Logs
from regulars.training.labels import Outcomes

FAR = 10_000.0


def days_to_leaving(told: list[Row], day: float, until: float = FAR) -> float:
    outcomes = Outcomes(Logs(contract_shop(told), SETTINGS), time_of(until))
    return float(outcomes.days_to_leaving(Moments(np.array([0], np.int32), np.array([time_of(day)])))[0])


NOTICE = [Row(0, signed=0), Row(20, left=50)]


@pytest.mark.parametrize(
    ("told", "day", "expected"),
    [
        (DATED, 10, 40),
        (DATED, 50, 0),  # just now is the future
        (DATED, 81, math.nan),
        (NOTICE, 10, 40),
        (NOTICE, 30, 20),
        ([*NOTICE, Row(30)], 10, math.nan),  # taken back
        ([*NOTICE, Row(30, left=70)], 10, 60),  # put off
        ([*NOTICE, Row(40, left=50)], 10, 40),  # said again
        ([Row(0, signed=0), Row(40, left=20)], 10, 10),  # known late
        ([Row(0, signed=0), Row(40, left=20)], 30, 0),  # had left already, and nobody knew
        ([Row(0, signed=0), Row(40, left=20), Row(60)], 50, 0),
        ([Row(0, signed=0), Row(40, left=20), Row(60)], 61, math.nan),
        ([Row(None, signed=0, left=50)], 10, 40),
        ([*DATED, Row(90, left=95)], 10, 40),
        ([*DATED, Row(90, left=95)], 85, 10),
        ([], 10, math.nan),
    ],
)
def test_days_to_the_end_of_the_contract(told: list[Row], day: float, expected: float) -> None:
    np.testing.assert_equal(days_to_leaving(told, day), expected)


def test_what_is_not_known_or_has_not_happened_yet_does_not_count() -> None:
    assert math.isnan(days_to_leaving(DATED, 10, until=50))
    assert days_to_leaving(DATED, 10, until=50.5) == 40
    assert math.isnan(days_to_leaving(NOTICE, 10, until=50)), "given notice, but still there"
    assert math.isnan(days_to_leaving([Row(0), Row(40, left=20, late=9)], 10, until=49))
    assert days_to_leaving([Row(0), Row(40, left=20, late=9)], 10, until=50) == 10


@given(told_rows, days_of, st.sampled_from([0.0, 3.0, FAR]))
def test_rows_lived_through_one_by_one_agree(told: list[Row], day: float, until: float) -> None:
    moments = Moments.grid(np.arange(CUSTOMERS), [time_of(day)])
    found = Outcomes(Logs(contract_shop(told), SETTINGS), time_of(until)).days_to_leaving(moments)
    for customer in range(CUSTOMERS):
        facts = [fact for fact in facts_of(told, customer) if fact.known < until]
        by_day = {fact.since: fact for fact in facts}  # of one day the last holds
        holding = [by_day[since] for since in sorted(by_day)]
        spells = []
        for place, fact in enumerate(holding):
            following = holding[place + 1].since if place + 1 < len(holding) else math.inf
            if -math.inf < fact.left < min(following, until):
                back = [one.since for one in holding[place + 1 :] if not -math.inf < one.left <= one.since]
                spells.append((fact.left, back[0] if back else math.inf))
        gone = [back for left, back in spells if left < day]
        coming = [left for left, _ in spells if left >= day]
        expected = min(coming) - day if coming else math.nan
        latest = max((left for left, _ in spells if left < day), default=None)
        if gone and any(back > day for left, back in spells if left == latest):
            expected = 0.0
        np.testing.assert_equal(found[customer], expected)


@given(told_rows, days_of)
def test_nothing_from_until_on_is_used(told: list[Row], day: float) -> None:
    moments = Moments.grid(np.arange(CUSTOMERS), [time_of(day)])
    kept = [row for row in told if row.since is None or row.since + row.late < 2]
    kept = [row if row.since is not None else row._replace(left=None) if (row.left or 0) >= 2 else row for row in kept]
    kept = [
        row for row in kept if row.since is not None or row.signed is None or row.signed < 2 or row.left is not None
    ]
    whole, part = (Outcomes(Logs(contract_shop(some), SETTINGS), time_of(2)) for some in (told, kept))
    assert whole.days_to_leaving(moments).tobytes() == part.days_to_leaving(moments).tobytes()
