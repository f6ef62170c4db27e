"""BG/NBD always has a fit: the data on which lifetimes' users had none, and whatever else can be thought of.

The issues are those of github.com/CamDavidsonPilon/lifetimes. None of them brings its data along, so each case is data
of the kind that it describes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from regulars.models.bgnbd import PRIOR_SHAPES, BgNbd, loss_and_gradient, summarise
from regulars.models.positive_fit import log_posterior

Floats = NDArray[np.float64]
Customers = tuple[Floats, Floats, Floats]
"""Frequency, recency, tenure."""

CENTRE = np.array([PRIOR_SHAPES["r"], 1.0, PRIOR_SHAPES["a"], PRIOR_SHAPES["b"]])
EDGE = 9.0
"""Of the logarithm of a parameter over its centre: three standard deviations of the prior, where the fit ends."""
NUDGE = 0.03
"""Of the logarithm of a parameter: what is at the top is not bettered by so much in any direction."""


def check(customers: Customers, weights: Floats | None = None) -> BgNbd:
    """The model of the customers, after a look at all that must be true of it, whoever they are."""
    frequency, recency, tenure = customers
    fitted = BgNbd().fit(*customers, weights)
    parameters = np.array([fitted.r_, fitted.alpha_, fitted.a_, fitted.b_])
    assert fitted.converged_
    assert np.isfinite(parameters).all()
    assert (parameters > 0).all()
    data = summarise(frequency, recency, tenure, np.ones(len(frequency)) if weights is None else weights)
    objective = log_posterior(lambda values: loss_and_gradient(values, data), CENTRE, 3.0, data.total_weight)
    there = np.log(parameters / np.array([1, data.unit, 1, 1]) / CENTRE)
    best = objective(there)[0]
    assert np.isfinite(best)
    for step in (*np.eye(4), -np.eye(4)[0], -np.eye(4)[1], -np.eye(4)[2], -np.eye(4)[3]):
        assert objective(np.clip(there + NUDGE * step, -EDGE, EDGE))[0] > best - 1e-6 * max(1.0, abs(best))
    usual = float(tenure.mean()) or 1.0
    horizon = np.array([[usual / 100, usual, 100 * usual]])
    orders, none = (ask(*customers, horizon) for ask in (fitted.expected_orders, fitted.probability_of_no_order))
    alive = fitted.p_alive(*customers)
    assert np.isfinite(orders).all()
    assert (orders >= 0).all()
    assert (np.diff(orders, axis=1) >= 0).all()
    assert ((none >= 0) & (none <= 1) & (none >= 1 - orders - 1e-9)).all()
    assert ((alive >= 0) & (alive <= 1)).all()
    return fitted


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def bought_once(count: int = 3000) -> Customers:
    """Everybody ordered once, as in the majority of #324."""
    return np.zeros(count), np.zeros(count), np.floor(rng().uniform(0, 900, count))


def bought_once_mostly() -> Customers:
    """Most bought once; with those in the data, no fit was found (#336)."""
    frequency = np.where(rng().random(3000) < 0.9, 0.0, rng().integers(1, 4, 3000))
    tenure = np.floor(rng().uniform(5, 900, 3000))
    return frequency, np.where(frequency > 0, np.floor(tenure * rng().random(3000)), 0), tenure


def repeaters_only() -> Customers:
    """Those who bought once are left out, as tutorials advise and #451 asks about."""
    tenure = np.floor(rng().uniform(5, 900, 3000))
    return rng().integers(1, 9, 3000).astype(float), np.floor(tenure * rng().uniform(0.1, 1, 3000)), tenure


def panel_of_daily_buyers() -> Customers:
    """Two thirds known for 497 to 501 days, 177 days with an order in the mean and up to 501 (#405)."""
    tenure = np.where(rng().random(4_000) < 2 / 3, rng().integers(497, 502, 4_000), rng().integers(0, 497, 4_000))
    recency = np.floor(tenure * rng().beta(4, 0.4, 4_000))
    frequency = rng().binomial(recency.astype(int), rng().beta(0.8, 1, 4_000)).astype(float)
    return frequency, np.where(frequency > 0, recency, 0), tenure.astype(float)


def everybody_every_day() -> Customers:
    """Who never misses a day: frequency, recency and tenure are one number, for all (as in #304, of Pareto/NBD)."""
    days = np.full(500, 365.0)
    return days, days, days


def huge_frequencies() -> Customers:
    """Frequencies in the hundreds and thousands, where powers overflow (#113, #332; #25, of Pareto/NBD)."""
    frequency = np.floor(10 ** rng().uniform(0, 6, 200))
    tenure = rng().uniform(100, 2000, 200)
    return frequency, tenure * rng().random(200), tenure


def few_extreme_customers() -> Customers:
    """20 of 20,000 order a hundred times as often as the rest (#335)."""
    often = np.arange(20_000) < 20
    tenure = rng().uniform(30, 700, 20_000)
    frequency = np.where(often, 700.0, rng().poisson(0.02 * tenure * rng().random(20_000)))
    return frequency, np.where(frequency > 0, tenure * rng().random(20_000), 0), tenure


def small_sample() -> Customers:
    """A dozen customers, of whom little can be said (#335)."""
    return bought_once_mostly()[0][:12], bought_once_mostly()[1][:12], bought_once_mostly()[2][:12]


def long_cohort() -> Customers:
    """Joined in one month, 1,257 to 1,287 days ago; 70 % never came back, and a + b falls below 1 (#442)."""
    tenure = rng().integers(1257, 1288, 3000).astype(float)
    frequency = np.where(rng().random(3000) < 0.7, 0.0, np.floor(rng().pareto(0.6, 3000).clip(1, 500)))
    return frequency, np.where(frequency > 0, np.floor(tenure * rng().beta(0.3, 0.3, 3000)), 0), tenure


def short_history() -> Customers:
    """77 days in all (#424, of MBG/NBD)."""
    tenure = rng().integers(0, 78, 3000).astype(float)
    frequency = np.minimum(rng().poisson(0.6, 3000), tenure)
    return frequency, np.where(frequency > 0, np.floor(tenure * rng().random(3000)), 0), tenure


def joined_today() -> Customers:
    """Tenure 0 and recency 0 among others, which #125 asks about, and orders within the first day."""
    frequency = np.tile([0.0, 0, 2, 3], 200)
    return frequency, np.tile([0.0, 0, 0, 15], 200), np.tile([0.0, 20, 30, 40], 200)


def hardly_anybody_leaves() -> Customers:
    """Slow regulars: alpha in the hundreds, a and b next to nothing (#271)."""
    tenure = rng().uniform(200, 1500, 3000)
    frequency = rng().poisson(tenure * rng().gamma(0.6, 1 / 320, 3000)).astype(float)
    return frequency, np.where(frequency > 0, tenure * rng().beta(frequency + 1, 1), 0), tenure


def all_leave_at_once() -> Customers:
    """One more order on the day of the first, and then none ever."""
    return np.ones(500), np.zeros(500), np.full(500, 400.0)


def alike() -> Customers:
    """One customer, 300 times."""
    return np.full(300, 4.0), np.full(300, 90.0), np.full(300, 120.0)


def one() -> Customers:
    """One customer."""
    return np.array([7.0]), np.array([100.0]), np.array([300.0])


SHOPS: tuple[Callable[[], Customers], ...] = (
    bought_once,
    bought_once_mostly,
    repeaters_only,
    panel_of_daily_buyers,
    everybody_every_day,
    huge_frequencies,
    few_extreme_customers,
    small_sample,
    long_cohort,
    short_history,
    joined_today,
    hardly_anybody_leaves,
    all_leave_at_once,
    alike,
    one,
)


@pytest.mark.parametrize("shop", SHOPS, ids=lambda shop: shop.__name__)
def test_data_of_the_kinds_that_lifetimes_could_not_fit(shop: Callable[[], Customers]) -> None:
    check(shop())


@pytest.mark.parametrize("unit", [86_400.0, 24.0, 1 / 7, 1 / 365.25, 1e-6], ids=str)
@pytest.mark.parametrize("shop", SHOPS, ids=lambda shop: shop.__name__)
def test_the_unit_of_time_scales_alpha_and_leaves_chances_alone(shop: Callable[[], Customers], unit: float) -> None:
    """Large values of time were no fit in #396; who orders monthly may count in seconds or in years."""
    frequency, recency, tenure = (column[:2000] for column in shop())

    days, other = BgNbd().fit(frequency, recency, tenure), BgNbd().fit(frequency, recency * unit, tenure * unit)

    assert other.converged_
    np.testing.assert_allclose(
        [other.r_, other.alpha_ / unit, other.a_, other.b_], [days.r_, days.alpha_, days.a_, days.b_], rtol=0.01
    )
    np.testing.assert_allclose(
        other.probability_of_no_order(frequency, recency * unit, tenure * unit, 90 * unit),
        days.probability_of_no_order(frequency, recency, tenure, 90),
        atol=2e-3,
    )


COUNTS = st.one_of(st.just(0), st.integers(0, 5), st.integers(0, 10_000_000))
SHARES = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1))
CUSTOMER = st.tuples(COUNTS, SHARES, SHARES, st.floats(0.01, 1000))
"""Frequency, recency as a share of the tenure, tenure as a share of the longest, weight."""


@given(st.lists(CUSTOMER, min_size=1, max_size=12), st.floats(-9, 12))
@settings(max_examples=40)
def test_whoever_the_customers_are_and_however_long_ago(
    customers: list[tuple[int, float, float, float]], magnitude: float
) -> None:
    frequency, share, length, weight = (np.array(column, dtype=np.float64) for column in zip(*customers, strict=True))
    tenure = length * 10**magnitude

    check((frequency, np.where(frequency > 0, share * tenure, 0.0), tenure), weight)
