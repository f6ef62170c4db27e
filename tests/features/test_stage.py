"""Stages of a relationship, on customers whose orders can be read at a glance."""

from __future__ import annotations

import numpy as np
import pytest

from regulars.features.asof import Moments
from regulars.features.logs import Logs
from regulars.features.past import Past
from regulars.features.settings import Settings
from regulars.features.shop import DAY, NEVER, OrderLines, Shop
from regulars.features.stage import STAGES, lapse_days, stage_codes

NOW = 10_000
"""Day of the moment; orders are given as days before it. The horizon is 90 days, the lapse 360."""


def stage_of(*days_ago: float) -> str:
    """Stage of a customer with orders so many days before the moment."""
    count = len(days_ago)
    time = np.array([round((NOW - day) * DAY) for day in days_ago], np.int64)
    zeros, ones = np.zeros(count, np.int32), np.ones(count, np.int64)
    lines = OrderLines(time, time, zeros, np.arange(count), zeros, ones, ones, ones, 0 * ones, zeros - 1)
    shop = Shop(np.array(["A"], object), np.array(["tea"], object), lines)
    past = Past(Logs(shop, Settings()), Moments(np.array([0], np.int32), np.array([NOW * DAY])))
    return STAGES[int(stage_codes(past)[0])]


@pytest.mark.parametrize(
    ("orders", "stage"),
    [
        ((), "prospect"),
        ((-1,), "prospect"),  # tomorrow's order
        ((0,), "prospect"),  # an order at the moment is the future
        ((10,), "exploring"),
        ((40, 10), "exploring"),
        ((70, 40, 10), "expanding"),
        ((60, 50, 40, 30, 20, 10), "expanding"),  # six orders, in too short a time
        ((190, 150, 100, 70, 40, 10), "committed"),  # 180 days from first to last
        ((189, 150, 100, 70, 40, 10), "expanding"),  # 179 days
        ((90,), "exploring"),  # exactly one horizon is not overdue
        ((90.5,), "fading"),
        ((150, 120, 91), "fading"),  # usual gap 30: patience is one horizon
        ((220, 160, 100), "expanding"),  # usual gap 60: patience is 120 days
        ((241, 181, 121), "fading"),
        ((360,), "fading"),
        ((360.5,), "gone"),
        ((900, 600, 370), "gone"),  # usual gap 265, but lapsed all the same
    ],
)
def test_stage_follows_its_definition(orders: tuple[float, ...], stage: str) -> None:
    assert stage_of(*orders) == stage


def test_lapse_is_counted_in_horizons() -> None:
    settings = Settings.model_validate({"churn": {"horizon_days": 30, "lapse_horizons": 2.5}})
    assert lapse_days(settings) == 75


def test_no_rows_give_no_stages() -> None:
    empty = np.zeros(0, np.int64)
    shop = Shop(np.array(["A"], object), np.array([], object), OrderLines(*[empty] * 10))  # type: ignore[arg-type]
    past = Past(Logs(shop, Settings()), Moments(np.zeros(0, np.int32), empty + NEVER))
    assert len(stage_codes(past)) == 0
