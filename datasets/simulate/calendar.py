"""Seasons: the weekly and yearly curves by simulated day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from regulars.datasets.simulate.arrays import Floats, Ints
from regulars.datasets.simulate.parameters import ShopParameters

_YEAR = 365.25
_SPRING, _GIFTS, _GARDEN = 115, 338, 140  # days of the year at which the bumps peak


@dataclass(frozen=True)
class Calendar:
    """Curves of length days, from the first day of the history to one horizon behind its end."""

    day_of_year: Ints  # 0 is 1 January
    weekday: Ints  # 0 is Monday
    weekly: Floats  # factor with mean one over a week
    yearly: Floats  # mean zero and standard deviation one over a year
    garden: Floats  # the same, for what is bought outdoors


def make_calendar(parameters: ShopParameters) -> Calendar:
    """The curves of the parameters' days."""
    dates = np.datetime64(parameters.start, "D") + np.arange(parameters.days)
    day_of_year = (dates - dates.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64)
    weekday = (dates.astype(np.int64) + 3) % 7  # 1 January 1970 was a Thursday
    factor = np.where(np.arange(7) >= 5, parameters.weekend_factor, 1.0)
    return Calendar(
        day_of_year=day_of_year,
        weekday=weekday,
        weekly=(factor / factor.mean())[weekday],
        yearly=_standardised(lambda day: 0.8 * _bump(day, _SPRING, 6) + 1.2 * _bump(day, _GIFTS, 25), day_of_year),
        garden=_standardised(lambda day: _bump(day, _GARDEN, 3), day_of_year),
    )


def _bump(day_of_year: Ints, peak: int, sharpness: float) -> Floats:
    """A von Mises bump of height one."""
    return np.asarray(np.exp(sharpness * (np.cos(2 * np.pi * (day_of_year - peak) / _YEAR) - 1)))


def _standardised(curve: Callable[[Ints], Floats], day_of_year: Ints) -> Floats:
    year = curve(np.arange(365))
    return np.asarray((curve(day_of_year) - year.mean()) / year.std())
