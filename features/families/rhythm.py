"""Rhythm: the usual gap between orders, how steady it is, and how overdue the next one is."""

from __future__ import annotations

import numpy as np

from regulars.features.asof import ratio, where
from regulars.features.define import Family, Values
from regulars.features.past import Past
from regulars.features.shop import days

rhythm = Family("rhythm", needs=("orders",), scalars=True)


@rhythm.feature(unit="days", empty="missing")
def usual_gap_days(past: Past) -> Values:
    """Median gap between days with an order."""
    return past.orders.gaps().median


@rhythm.feature(unit="days", empty="missing")
def mean_gap_days(past: Past) -> Values:
    """Mean gap between days with an order."""
    return past.orders.gaps().mean


@rhythm.feature(unit="ratio", empty="missing")
def gap_spread(past: Past) -> Values:
    """Standard deviation of the gaps over their mean: 0 for a clockwork, 1 for chance."""
    gaps = past.orders.gaps()
    return ratio(gaps.spread, gaps.mean)


@rhythm.feature(unit="ratio", empty="missing")
def churn_factor(past: Past) -> Values:
    """Days since the last order over the usual gap: above 1 the next order is overdue."""
    return ratio(past.orders.days_since_last(), past.orders.gaps().median)


@rhythm.feature(unit="standard deviations", empty="missing")
def overdue(past: Past) -> Values:
    """Days since the last order beyond the mean gap, in standard deviations of the gaps."""
    gaps = past.orders.gaps()
    return ratio(past.orders.days_since_last() - gaps.mean, gaps.spread)


@rhythm.feature(unit="ratio", empty="missing")
def gap_trend(past: Past) -> Values:
    """Mean of the last three gaps over the mean of all: above 1 they order less often than they did."""
    gaps = past.orders.gaps()
    return ratio(gaps.recent_mean, gaps.mean)


@rhythm.feature(unit="days", empty="0")
def order_days_total(past: Past) -> Values:
    """Days with an order so far."""
    return past.orders.gaps().count + (past.orders.count() > 0)


@rhythm.feature(unit="days", empty="0")
def order_days_365d(past: Past) -> Values:
    """Days with an order in the last 365 days."""
    return past.orders.gaps(days(365)).count + (past.orders.count(days(365)) > 0)


@rhythm.feature(unit="days", empty="missing")
def longest_gap_days(past: Past) -> Values:
    """Longest gap between days with an order."""
    longest = past.orders.rhythm().longest
    return where(longest > 0, longest, np.nan)


@rhythm.feature(unit="ratio", empty="missing")
def wait_to_longest_gap(past: Past) -> Values:
    """Days since the last order over the longest gap: above 1 they have never stayed away so long."""
    return ratio(past.orders.days_since_last(), past.orders.rhythm().longest)


@rhythm.feature(unit="share", empty="missing")
def shorter_gaps_share(past: Past) -> Values:
    """Share of the last 20 gaps that were shorter than the calendar days since the last order."""
    return ratio(*past.orders.shorter_gaps(20))


@rhythm.feature(unit="ratio", empty="missing")
def gap_unevenness(past: Past) -> Values:
    """Unevenness of neighbouring gaps.

    Three times the mean of (difference / sum) squared: 0 for a clockwork, 1 for chance, more for bursts. A slow change
    of pace, which widens the spread, hardly counts.
    """
    # The local variation of Shinomoto, Shima and Tanji 2003, Neural Computation 15, pages 2823-2842.
    return past.orders.rhythm().unevenness
