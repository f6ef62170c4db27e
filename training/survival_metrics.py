"""How good predicted dates are, where many customers have not ordered yet when the window ends.

A prediction is a survival curve: the probability of no order up to each day of a grid. An observation is the day of the
next order, or, without one, the last day that was seen (censored).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


class Curves(NamedTuple):
    """Survival curves from day 0 (where survival is 1) to the horizon; `days` (g,), `survival` (n, g)."""

    days: Floats
    survival: Floats


def checked_curves(survival: ArrayLike, grid: ArrayLike) -> Curves:
    """Curves with day 0 put before them where it is missing; refuses curves that rise or leave [0, 1]."""
    curves, days = np.asarray(survival, dtype=np.float64), np.asarray(grid, dtype=np.float64)
    if curves.ndim != 2 or days.shape != curves.shape[1:] or not len(days):
        raise ValueError(
            f"survival must be (customers, days of the grid), not {curves.shape} with a grid of {days.shape}"
        )
    if days[0] < 0 or not (np.diff(days) > 0).all():
        raise ValueError("grid must be rising days from 0 on")
    if days[0] > 0:
        days = np.concatenate(([0.0], days))
        curves = np.concatenate((np.ones((len(curves), 1)), curves), axis=1)
    valid = ((curves >= -1e-9) & (curves <= 1 + 1e-9)).all(axis=1) & (np.diff(curves, axis=1) <= 1e-9).all(axis=1)
    if not valid.all():
        raise ValueError(f"survival in row {int(np.argmin(valid))} rises, is NaN, or is not between 0 and 1")
    return Curves(days, curves)


def checked_times(observed_time: ArrayLike, is_event: ArrayLike, count: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Days and events of `count` customers; refuses negative or missing days."""
    time, event = np.asarray(observed_time, dtype=np.float64), np.asarray(is_event, dtype=np.bool_)
    if time.shape != (count,) or event.shape != (count,):
        raise ValueError(f"observed_time and is_event must have {count} rows, not {time.shape} and {event.shape}")
    if not (time >= 0).all():
        row = int(np.argmin(time >= 0))
        raise ValueError(f"observed_time in row {row} is {time[row]}; expected days, 0 or more")
    return time, event


def survival_at(curves: Curves, time: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """Survival (n,) on each customer's day, linear between grid days, and the grid position before that day."""
    last = len(curves.days) - 1
    before = np.clip(np.searchsorted(curves.days, time, side="right") - 1, 0, max(last - 1, 0))
    after = np.minimum(before + 1, last)
    rows = np.arange(len(time))
    span = curves.days[after] - curves.days[before]
    share = np.clip((time - curves.days[before]) / np.where(span > 0, span, 1.0), 0.0, 1.0)
    left, right = curves.survival[rows, before], curves.survival[rows, after]
    return left + share * (right - left), before


def squared_area(left: Floats, right: Floats, width: Floats) -> Floats:
    """Integral of the square of a straight line from `left` to `right`."""
    return width * (left * left + left * right + right * right) / 3


def area_until(values: Floats, days: Floats, value_then: Floats, then: Floats, before: NDArray[np.intp]) -> Floats:
    """Integral (n,) of the squared curves (n, g) from day 0 to each customer's day `then`."""
    rows = np.arange(len(then))
    steps = squared_area(values[:, :-1], values[:, 1:], np.diff(days))
    whole = np.concatenate((np.zeros((len(then), 1)), np.cumsum(steps, axis=1)), axis=1)
    return whole[rows, before] + squared_area(values[rows, before], value_then, then - days[before])


def censored_crps(survival: ArrayLike, grid: ArrayLike, observed_time: ArrayLike, is_event: ArrayLike) -> Floats:
    """Continuous ranked probability score of each customer's curve, in days; lower is better. Shape (n,).

    With the distribution function F and the horizon H, the last day of the grid: for an order on day y, the integral
    of F^2 over [0, y] plus that of (1 - F)^2 over [y, H]; for a customer censored on day c, that of F^2 over [0, c].
    It equals the Brier score of 'has ordered by day u', integrated over the days u that were seen. It is proper where
    everything in the window was seen or was censored at its end; who is censored earlier is scored on the days seen.
    Curves are linear between grid days. Orders after H count as none up to H.

    Source: Avati et al. 2020, 'Countdown Regression: Sharp and Calibrated Survival Predictions' (Survival-CRPS),
    stopped at the horizon.

    Args:
        survival: (n, g) probability of no order up to each day of the grid.
        grid: (g,) rising days; day 0 with survival 1 is added where it is missing.
        observed_time: (n,) days to the order, or to the end of what was seen.
        is_event: (n,) whether there was an order.
    """
    curves = checked_curves(survival, grid)
    time, event = checked_times(observed_time, is_event, len(curves.survival))
    horizon = curves.days[-1]
    event = event & (time <= horizon)
    time = np.minimum(time, horizon)
    then, before = survival_at(curves, time)
    too_early = area_until(1 - curves.survival, curves.days, 1 - then, time, before)
    steps = squared_area(curves.survival[:, :-1], curves.survival[:, 1:], np.diff(curves.days))
    too_late = steps.sum(axis=1) - area_until(curves.survival, curves.days, then, time, before)
    return too_early + np.where(event, too_late, 0.0)


class KaplanMeier(NamedTuple):
    """`survival` (..., g) just after each of the distinct `times` (g,); `at_risk` (..., g) just before."""

    times: Floats
    survival: Floats
    at_risk: Floats


def kaplan_meier(time: ArrayLike, is_event: ArrayLike, weights: ArrayLike | None = None) -> KaplanMeier:
    """Product-limit estimate (Kaplan and Meier 1958); events come before censoring at the same time.

    Args:
        time: (n,) of the event or of censoring.
        is_event: (n,).
        weights: (n,), or (s, n) for s estimates at once.
    """
    t, event = checked_times(time, is_event, np.size(time))
    w = np.ones(len(t)) if weights is None else np.asarray(weights, dtype=np.float64)
    order = np.argsort(t, kind="stable")
    times, starts = np.unique(t[order], return_index=True)
    died = np.add.reduceat((w * event)[..., order], starts, axis=-1)
    left = np.add.reduceat(w[..., order], starts, axis=-1)
    at_risk = np.cumsum(left[..., ::-1], axis=-1)[..., ::-1]
    survival = np.asarray(np.cumprod(1 - died / np.where(at_risk > 0, at_risk, 1.0), axis=-1), dtype=np.float64)
    return KaplanMeier(times, survival, at_risk)


def pit_values(survival: ArrayLike, grid: ArrayLike, observed_time: ArrayLike) -> Floats:
    """Predicted probability (n,) of an order by the observed day: the probability integral transform.

    For calibrated curves these are uniform, and right-censored where the day is. Days after the grid count as its last.
    """
    curves = checked_curves(survival, grid)
    time, _ = checked_times(observed_time, np.zeros(np.shape(observed_time)), len(curves.survival))
    return 1 - survival_at(curves, time)[0]


def interval_coverage_km(
    pit: ArrayLike,
    is_event: ArrayLike,
    weights: ArrayLike | None = None,
    low: float = 0.1,
    high: float = 0.9,
) -> Floats:
    """Share of next orders that fall between two predicted quantiles, censoring allowed for. Shape () or (s,).

    The interval of 80 % from `low` to `high` holds the order when `low <= PIT < high`. PIT values of customers who
    have not ordered are known from below only, so the share is `S(low) - S(high)` with the Kaplan-Meier estimate of
    `S(u) = P(PIT >= u)`; a calibrated model has `high - low`. NaN where nobody was seen as far as `high`, so that the
    interval's end cannot be judged.

    Args:
        pit: (n,) from `pit_values`.
        is_event: (n,) whether the order was seen.
        weights: (n,) or (s, n).
        low: lower probability of the interval.
        high: upper probability of the interval.
    """
    estimate = kaplan_meier(pit, is_event, weights)
    return np.asarray(survival_before(estimate, low) - survival_before(estimate, high))


def survival_before(estimate: KaplanMeier, point: float) -> Floats:
    """Probability (...,) of reaching `point`; NaN where the last ones seen were censored before it."""
    steps = int(np.searchsorted(estimate.times, point, side="left"))
    if steps == 0:
        return np.ones(estimate.survival.shape[:-1])
    reached = estimate.survival[..., steps - 1]
    anyone = (
        estimate.at_risk[..., steps] > 0 if steps < len(estimate.times) else np.zeros(reached.shape, dtype=np.bool_)
    )
    return np.where(anyone | (reached <= 0), reached, np.nan)
