"""MBG/CNBD-k: the likelihood against numeric integration, the answers against sums and a simulation."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.special import beta as beta_function
from scipy.special import betainc, betaln
from scipy.stats import gamma
from sklearn.base import clone
from tests.models.test_bgnbd import ODD_SHOPS

from regulars.models.bgnbd import BgNbd, summarise
from regulars.models.regular_buying import RegularBuying, buying_from_dict, loss_and_gradient

Floats = NDArray[np.float64]


def model(k: int, r: float, alpha: float, a: float, b: float) -> RegularBuying:
    return RegularBuying.from_dict(
        {"k": k, "prior_sd": 3.0, "max_iterations": 200, "r": r, "alpha": alpha, "a": a, "b": b}
    )


def simulate(until: Floats, seed: int, fitted: RegularBuying) -> list[list[float]]:
    """Times of repeat orders, customer by customer, straight from the story of the model: tick by tick."""
    rng = np.random.default_rng(seed)
    orders: list[list[float]] = []
    for end in until:
        rate, leaves = rng.gamma(fitted.r_, 1 / fitted.alpha_), rng.beta(fitted.a_, fitted.b_)
        time, times = 0.0, []
        while rng.random() >= leaves and rate > 0:
            time += rng.exponential(1 / rate, fitted.k).sum()
            if time > end:
                break
            times.append(time)
        orders.append(times)
    return orders


def known_of(orders: list[list[float]], now: Floats) -> tuple[Floats, Floats, Floats]:
    """Frequency and recency at `now`, and how many orders came after it."""
    seen = [[time for time in times if time <= day] for times, day in zip(orders, now, strict=True)]
    later = [len(times) - len(before) for times, before in zip(orders, seen, strict=True)]
    last = [times[-1] if times else 0.0 for times in seen]
    return np.array([float(len(times)) for times in seen]), np.array(last), np.array(later, np.float64)


def likelihood(k: int, parameters: tuple[float, ...], x: float, last: float, now: float) -> float:
    """The story's likelihood without the factor of the gaps, integrated over the rate."""
    r, alpha, a, b = parameters
    rates = gamma(r, scale=1 / alpha)

    def mean(weight: Any) -> float:
        # By quantiles, so that a density without bound at 0 does no harm.
        found = quad(lambda u: weight(rates.ppf(u)), 0, 1, limit=500, epsabs=0, epsrel=1e-9)
        return float(found[0])

    alive = mean(lambda rate: rate ** (k * x) * np.exp(-rate * last) * gamma.sf(now - last, k, scale=1 / rate))
    left = mean(lambda rate: rate ** (k * x) * np.exp(-rate * last))
    stays, leaves = beta_function(a, b + x + 1), beta_function(a + 1, b + x)
    return float((stays * alive + leaves * left) / beta_function(a, b))


@pytest.mark.parametrize("k", [1, 2, 4])
@pytest.mark.parametrize("parameters", [(0.8, 2.0, 0.8, 2.5), (3.0, 0.4, 0.2, 0.3)])
def test_likelihood_is_the_storys(k: int, parameters: tuple[float, ...]) -> None:
    x, last, now = np.array([0.0, 1, 1, 4, 0]), np.array([0.0, 3, 3, 2, 0]), np.array([5.0, 9, 9, 2.5, 1])
    weights = np.array([1.0, 2.0, 1.0, 0.5, 3.0])
    data = summarise(x, last, now, weights)
    r, alpha, a, b = parameters

    value, _ = loss_and_gradient(np.array([r, alpha / data.unit, a, b]), data, k)

    each = [likelihood(k, parameters, *row) for row in zip(x, last, now, strict=True)]
    expected = -(weights * np.log(each)).sum()
    # Counting time in units of the mean tenure multiplies each tick's density by the unit.
    assert value == pytest.approx(expected - k * (weights * x).sum() * np.log(data.unit), rel=1e-6)


@given(
    st.integers(1, 4),
    st.tuples(*[st.floats(-4, 4)] * 4),
    st.lists(st.tuples(st.integers(0, 30), st.floats(0, 1), st.floats(0.1, 500)), min_size=1, max_size=12),
)
def test_gradient_is_that_of_finite_differences(k: int, logs: tuple[float, ...], customers: list[Any]) -> None:
    x = np.array([float(row[0]) for row in customers])
    now = np.array([row[2] for row in customers])
    last = np.where(x > 0, now * [row[1] for row in customers], 0)
    data, values = summarise(x, last, now, np.ones(len(x))), np.exp(np.array(logs))

    _, gradient = loss_and_gradient(values, data, k)

    for place in range(4):
        step = np.zeros(4)
        step[place] = values[place] * 1e-5
        above, below = (loss_and_gradient(values + sign * step, data, k)[0] for sign in (1, -1))
        scale = abs(above) * 1e-9 / step[place]
        assert gradient[place] == pytest.approx((above - below) / (2 * step[place]), rel=1e-4, abs=1e-5 + scale)


@pytest.mark.parametrize("parameters", [(0.5, 20.0, 0.7, 2.0), (2.0, 50.0, 0.3, 0.4)])
def test_without_a_rhythm_it_is_bgnbd_with_one_more_chance_to_leave(parameters: tuple[float, ...]) -> None:
    r, alpha, a, b = parameters
    # The first order's chance is one more that was not taken: b + 1 for BG/NBD, of those who came again.
    chance = BgNbd.from_dict({"prior_sd": 3, "max_iterations": 200, "r": r, "alpha": alpha, "a": a, "b": b + 1})
    rng = np.random.default_rng(0)
    x, now = rng.integers(1, 60, 200), rng.uniform(1, 700, 200)
    told, horizons = (x, now * rng.random(200), now), np.array([[1.0, 90.0, 400.0]])
    even = model(1, *parameters)

    np.testing.assert_allclose(even.p_alive(*told), chance.p_alive(*told), rtol=1e-9)
    for ours, theirs in (
        (even.probability_of_no_order, chance.probability_of_no_order),
        (even.expected_orders, chance.expected_orders),
    ):
        np.testing.assert_allclose(ours(*told, horizons), theirs(*told, horizons), rtol=1e-4, atol=1e-6)


def test_small_example_by_hand() -> None:
    fitted = model(2, 1.0, 10.0, 1.0, 1.0)

    # No repeat order, now 10: z = 10/20; no two ticks: z (1 + 1 * (1 - z)) = 3/4. Still there: 3/4 against 1 who left.
    assert fitted.p_alive([0], [0], [10])[0] == pytest.approx(3 / 7)
    # In 20 days more z = 1/4, and no two ticks: 1/4 (1 + 3/4) = 7/16.
    assert fitted.probability_of_no_order([0], [0], [10], 20)[0] == pytest.approx((1 + 7 / 16) / (1 + 3 / 4))


def test_parameters_of_a_simulated_shop_are_found_again() -> None:
    truth = model(3, 1.2, 10.0, 0.6, 2.0)
    tenure = np.random.default_rng(1).uniform(50, 400, 5000)
    frequency, recency, _ = known_of(simulate(tenure, 2, truth), tenure)

    fitted = RegularBuying(k=3).fit(frequency, recency, tenure)

    np.testing.assert_allclose([fitted.r_, fitted.alpha_, fitted.a_, fitted.b_], [1.2, 10.0, 0.6, 2.0], rtol=0.15)


def test_predictions_are_what_a_simulation_of_the_same_customers_gives() -> None:
    truth = model(3, 1.2, 6.0, 0.6, 1.8)
    now, horizon = np.full(30_000, 60.0), 45.0
    frequency, recency, later = known_of(simulate(now + horizon, 5, truth), now)

    none = truth.probability_of_no_order(frequency, recency, now, horizon)
    expected = truth.expected_orders(frequency, recency, now, horizon)

    for group in (frequency == 0, frequency == 1, (frequency > 1) & (recency < 40), (frequency > 1) & (recency >= 40)):
        error = 4 / np.sqrt(group.sum())
        assert none[group].mean() == pytest.approx((later[group] == 0).mean(), abs=0.5 * error)
        assert expected[group].mean() == pytest.approx(later[group].mean(), abs=later[group].std() * error)


def test_silence_says_more_the_more_even_gaps_are() -> None:
    # Ten orders, one in ten days; then nothing for two months.
    alive = [model(k, 2.0, 20.0 / k, 0.5, 4.0).p_alive([10], [100], [160])[0] for k in (1, 2, 4)]

    assert alive[0] > alive[1] > alive[2]
    early = [model(k, 2.0, 20.0 / k, 0.5, 4.0).probability_of_no_order([10], [100], [100], 3)[0] for k in (1, 2, 4)]
    assert early[0] < early[1] < early[2], "right after an order the next one takes its time"


@pytest.mark.parametrize("k", [1, 2, 3, 4])
@pytest.mark.parametrize("customer", [(0.0, 0.0, 30.0), (1.0, 5.0, 30.0), (6.0, 80.0, 90.0), (250.0, 699.0, 700.0)])
@pytest.mark.parametrize(("horizon", "close"), [(1.0, 1e-6), (90.0, 1e-6), (360.0, 1e-3), (5000.0, 1e-2)])
def test_expected_orders_are_the_sum_over_the_first_the_second_and_so_on(
    k: int, customer: tuple[float, float, float], horizon: float, close: float
) -> None:
    x, last, now = customer
    fitted = model(k, 0.6, 20.0 / k, 0.4, 3.0)
    size, until = fitted.r_ + k * x + np.arange(k)[:, None], horizon / (fitted.alpha_ + now + horizon)
    # How many ticks came since the last order, given that they were fewer than k: weights of j = 0, 1, ...
    short = (now - last) / (fitted.alpha_ + now)
    behind = np.array([np.prod([(size[0, 0] + i) / (i + 1) * short for i in range(j)]) for j in range(k)])
    n = np.arange(1, 40_000)
    enough = (behind[:, None] / behind.sum() * betainc(k * n - np.arange(k)[:, None], size, until)).sum(axis=0)
    still_there = np.exp(betaln(0.4, 3.0 + x + n) - betaln(0.4, 3.0 + x + 1))
    wanted = float(fitted.p_alive([x], [last], [now])[0] * (enough * still_there).sum())

    assert fitted.expected_orders([x], [last], [now], horizon)[0] == pytest.approx(wanted, rel=close, abs=1e-6)
    assert fitted.expected_orders([x], [last], [now], 0.0)[0] == 0


@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("shop", ODD_SHOPS)
def test_every_shop_has_a_fit_and_finite_answers(shop: str, k: int) -> None:
    histories = ODD_SHOPS[shop]

    fitted = RegularBuying(k).fit(*histories)

    assert min(fitted.r_, fitted.alpha_, fitted.a_, fitted.b_) > 0
    orders = fitted.expected_orders(*histories, horizon=[[1.0, 90.0, 3650.0]])
    none = fitted.probability_of_no_order(*histories, horizon=[[1.0, 90.0, 3650.0]])
    assert np.isfinite(orders).all()
    assert (np.diff(orders, axis=1) >= -1e-6 - 1e-2 * orders[:, 1:]).all()
    assert ((none >= 0) & (none <= 1 + 1e-12) & (none >= 1 - orders - 1e-6)).all()
    assert (np.diff(none, axis=1) <= 1e-12).all()


@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.integers(0, 200), st.floats(0, 1), st.floats(0, 1e5)), min_size=1, max_size=6),
)
@settings(max_examples=40, deadline=None)
def test_any_few_customers_have_a_fit(k: int, customers: list[tuple[int, float, float]]) -> None:
    x = np.array([row[0] for row in customers])
    now = np.array([row[2] for row in customers])
    last = np.where(x > 0, now * [row[1] for row in customers], 0)

    fitted = RegularBuying(k).fit(x, last, now)

    none = fitted.probability_of_no_order(x, last, now, [[7.0, 90.0]])
    assert ((none >= 0) & (none <= 1 + 1e-12)).all()
    assert np.isfinite(fitted.expected_orders(x, last, now, 90)).all()


def test_horizons_are_a_number_or_one_for_each_customer_or_a_grid() -> None:
    fitted = model(2, 0.5, 20.0, 0.7, 2.0)
    customers: tuple[list[int], list[int], list[int]] = ([0, 3], [0, 40], [50, 60])

    for answer in (fitted.expected_orders, fitted.probability_of_no_order):
        grid = answer(*customers, horizon=[[30.0, 60.0, 90.0]])
        assert grid.shape == (2, 3)
        np.testing.assert_array_equal(grid[:, 0], answer(*customers, horizon=30))
        np.testing.assert_array_equal(grid[[0, 1], [0, 2]], answer(*customers, horizon=[30.0, 90.0]))


def test_a_customer_alone_has_the_answer_of_the_batch() -> None:
    fitted = model(3, 0.5, 7.0, 0.7, 2.0)
    rng = np.random.default_rng(3)
    tenure, frequency = rng.uniform(0, 800, 200), rng.integers(0, 40, 200)
    recency = np.where(frequency > 0, tenure * rng.random(200), 0)

    for answer in (fitted.expected_orders, fitted.probability_of_no_order):
        alone = [answer([x], [last], [now], 90)[0] for x, last, now in zip(frequency, recency, tenure, strict=True)]
        np.testing.assert_array_equal(answer(frequency, recency, tenure, 90), alone)


def test_order_of_rows_and_weights_change_nothing() -> None:
    rng = np.random.default_rng(0)
    tenure, frequency = rng.integers(10, 60, 400).astype(float), rng.integers(0, 4, 400)
    recency = np.where(frequency > 0, np.floor(tenure * rng.random(400)), 0)
    shuffle = rng.permutation(400)
    rows, counts = np.unique(np.column_stack((frequency, recency, tenure)), axis=0, return_counts=True)

    fitted = RegularBuying().fit(frequency, recency, tenure).to_dict()

    assert RegularBuying().fit(frequency[shuffle], recency[shuffle], tenure[shuffle]).to_dict() == fitted
    assert RegularBuying().fit(rows[:, 0], rows[:, 1], rows[:, 2], counts).to_dict() == fitted


def test_saving_and_cloning() -> None:
    fitted = RegularBuying(k=3, prior_sd=2.0).fit([0, 2, 5], [0, 30, 100], [90, 90, 120])
    chance = BgNbd().fit([0, 2, 5], [0, 30, 100], [90, 90, 120])

    loaded = buying_from_dict(json.loads(json.dumps(fitted.to_dict())))

    assert isinstance(loaded, RegularBuying)
    assert loaded.to_dict() == fitted.to_dict()
    assert loaded.get_params() == clone(fitted).get_params()
    assert isinstance(buying_from_dict(chance.to_dict()), BgNbd)


def test_impossible_histories_are_refused() -> None:
    with pytest.raises(ValueError, match=r"recency in row 0 is 3.0"):
        RegularBuying().fit([1], [3], [2])
    with pytest.raises(ValueError, match="horizon"):
        model(2, 1, 1, 1, 1).expected_orders([0], [0], [1], -1.0)
