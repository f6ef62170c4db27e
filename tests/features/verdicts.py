"""Where the judge files its verdicts, and the arithmetic they share."""

from __future__ import annotations

from collections.abc import Callable
from math import isnan, nan


def over(above: float, below: float) -> float:
    """A ratio, NaN where there is nothing to divide by."""
    return nan if below == 0 or isnan(below) else above / below


def half(times: float) -> float:
    """What is left of 1 after so many half-lives."""
    return float(0.5**times)


Verdict = Callable[..., float]
VERDICTS: dict[str, Verdict] = {}


def verdict(function: Verdict) -> Verdict:
    """Files a function under its name."""
    VERDICTS[function.__name__] = function
    return function
