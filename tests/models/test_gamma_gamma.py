from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.stats import gamma

from regulars.models.gamma_gamma import GammaGamma, loss_and_gradient

Floats = NDArray[np.float64]


def density(p: float, q: float, scale: float, orders: int, mean: float) -> float:
    """Of a customer's mean, by integrating over the customer's own rate, as the model is told."""

    def given_rate(rate: float) -> float:
        own = gamma.pdf(mean, p * orders, scale=1 / (orders * rate))
        return float(own * gamma.pdf(rate, q, scale=1 / scale))

    return quad(given_rate, 0, 20, limit=200)[0]


def test_likelihood_is_that_of_the_story() -> None:
    p, q, scale = 3.0, 4.0, 6.0
    orders, mean = np.array([1.0, 3.0, 2.0]), np.array([2.0, 5.0, 1.0])
    parameters = np.array([p, q - 1, p * scale / (q - 1)])

    value, _ = loss_and_gradient(parameters, orders, mean, np.ones(3))

    # The loss leaves out 1 / mean of each customer, which no parameter changes.
    expected = -sum(np.log(density(p, q, scale, int(x), m) * m) for x, m in zip(orders, mean, strict=True))
    assert value == pytest.approx(expected, rel=1e-7)


@given(
    st.tuples(*[st.floats(-3, 3)] * 3),
    st.lists(st.tuples(st.integers(1, 30), st.floats(0.01, 100), st.floats(0.1, 3)), min_size=1, max_size=8),
)
def test_gradient_is_that_of_finite_differences(logs: tuple[float, ...], rows: list[Any]) -> None:
    orders, mean, weights = np.array(rows, dtype=np.float64).T
    values = np.exp(np.array(logs))

    _, gradient = loss_and_gradient(values, orders, mean, weights)

    for place in range(3):
        step = np.zeros(3)
        step[place] = values[place] * 1e-5
        above, below = (loss_and_gradient(values + sign * step, orders, mean, weights)[0] for sign in (1, -1))
        scale = abs(above) * 1e-9 / step[place]
        assert gradient[place] == pytest.approx((above - below) / (2 * step[place]), rel=1e-4, abs=1e-5 + scale)


def test_parameters_of_a_simulated_shop_are_found_again() -> None:
    rng = np.random.default_rng(0)
    rate = rng.gamma(4.0, 1 / 15.0, 5000)
    orders = rng.integers(1, 12, 5000)
    mean = rng.gamma(6.0 * orders) / (orders * rate)

    fitted = GammaGamma().fit(orders, mean)

    np.testing.assert_allclose([fitted.p_, fitted.q_, fitted.gamma_], [6.0, 4.0, 15.0], rtol=0.1)
    assert fitted.mean_value_ == pytest.approx(6 * 15 / 3, rel=0.05)
    assert fitted.converged_


def test_expected_value_by_hand() -> None:
    fitted = GammaGamma.from_dict(
        {"prior_sd": 3, "max_iterations": 200, "p": 2.0, "q": 5.0, "gamma": 20.0, "mean_value": 10.0}
    )

    # Weight of the customer's own mean: 2x / (2x + 4), that is 0, 1/3, 1/2, 4/5.
    got = fitted.expected_value([0, 1, 2, 8], [np.nan, 40.0, 0.0, -5.0])

    np.testing.assert_allclose(got, [10.0, 20.0, 5.0, 0.2 * 10 - 0.8 * 5])


def test_what_the_distribution_does_not_know_is_left_out_and_counted() -> None:
    full = GammaGamma().fit([1, 2, 0, 3, 4, 1], [10.0, 20.0, 5.0, -3.0, 0.0, np.nan])
    clean = GammaGamma().fit([1, 2], [10.0, 20.0])

    assert (full.fitted_on_, full.left_out_) == (2, 4)
    assert full.to_dict() == clean.to_dict()


@pytest.mark.parametrize(
    ("orders", "mean"),
    [([1], [25.0]), ([500], [25.0]), ([1] * 50, [25.0] * 50), ([1, 1, 1], [1e-6, 1.0, 1e9]), ([3, 4], [1e12, 1.1e12])],
)
def test_few_or_odd_customers_have_a_fit(orders: list[int], mean: list[float]) -> None:
    fitted = GammaGamma().fit(orders, mean)

    expected = fitted.expected_value([*orders, 0], [*mean, 0.0])
    assert fitted.converged_
    assert fitted.q_ > 1
    assert np.isfinite(expected).all()
    assert (expected > 0).all()


def test_the_unit_of_money_and_the_order_of_rows_do_not_matter() -> None:
    orders, mean = np.array([1, 4, 2, 9, 3]), np.array([10.0, 30.0, 22.0, 18.0, 90.0])

    euros = GammaGamma().fit(orders, mean).expected_value(orders, mean)

    np.testing.assert_allclose(GammaGamma().fit(orders, mean * 100).expected_value(orders, mean * 100), euros * 100)
    np.testing.assert_array_equal(GammaGamma().fit(orders[::-1], mean[::-1]).expected_value(orders, mean), euros)


def test_saving_and_loading() -> None:
    fitted = GammaGamma(prior_sd=2.0).fit([1, 4, 2], [10.0, 30.0, 5.0])

    assert GammaGamma.from_dict(json.loads(json.dumps(fitted.to_dict()))).to_dict() == fitted.to_dict()


@pytest.mark.parametrize(
    ("orders", "mean", "message"),
    [
        ([1, 2], [-1.0, 0.0], "none of 2 customers has an order and a positive mean_value"),
        ([], [], "none of 0 customers"),
        ([1, -2], [1.0, 1.0], r"orders in row 1 is -2.0"),
        ([1, 2], [1.0], r"one length"),
    ],
)
def test_impossible_values_are_refused(orders: list[int], mean: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GammaGamma().fit(orders, mean)


def test_a_missing_mean_is_refused_where_there_are_orders() -> None:
    with pytest.raises(ValueError, match="mean_value in row 1 is nan for 2 orders"):
        GammaGamma().fit([1], [1.0]).expected_value([0, 2], [np.nan, np.nan])


def test_estimates_of_cdnow(shared_data: Path) -> None:
    """Repeat orders of the calibration period, as in Fader, Hardie and Lee 2005b, 'RFM and CLV', table 1."""
    import pandas as pd

    orders = pd.read_parquet(shared_data / "cdnow" / "sample.parquet")
    orders = orders[pd.to_datetime(orders["date"]) <= pd.Timestamp("1997-09-30")]
    days = orders.groupby(["customer_id", "date"], as_index=False)["amount"].sum()
    repeats = days[days.groupby("customer_id").cumcount() > 0].groupby("customer_id")["amount"]

    fitted = GammaGamma(prior_sd=1000.0).fit(repeats.size(), repeats.mean())

    assert fitted.fitted_on_ == 946
    np.testing.assert_allclose([fitted.p_, fitted.q_, fitted.gamma_], [6.25, 3.74, 15.44], rtol=0.01)
