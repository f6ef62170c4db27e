from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import beta as beta_function
from scipy.special import betaln
from scipy.special import gamma as gamma_function
from scipy.stats import nbinom
from sklearn.base import clone

from regulars.models.bgnbd import BgNbd, loss_and_gradient, summarise

Floats = NDArray[np.float64]
ODD_SHOPS: dict[str, tuple[list[float], list[float], list[float]]] = {
    "one-time buyers only": ([0] * 1000, [0] * 1000, list(range(1000))),
    "one customer, today": ([0], [0], [0]),
    "one customer, one order": ([0], [0], [40]),
    "one customer, many orders": ([300], [364], [365]),
    "huge times": ([0, 1, 3], [0, 1e6, 2e6], [1e6, 1e6, 3e6]),
    "tiny times": ([0, 1, 3], [0, 1e-3, 1e-2], [1e-1, 1e-2, 1e-1]),
    "nobody ever leaves": (list(range(1, 50)), list(range(10, 500, 10)), list(range(10, 500, 10))),
    "everybody leaves at once": ([1] * 500, [0] * 500, [100] * 500),
    "all alike": ([5] * 200, [100] * 200, [120] * 200),
    "one who orders hourly": ([0, 1, 9000], [0, 20, 380], [300, 100, 400]),
}


def model(r: float, alpha: float, a: float, b: float) -> BgNbd:
    return BgNbd.from_dict({"prior_sd": 3.0, "max_iterations": 200, "r": r, "alpha": alpha, "a": a, "b": b})


def simulate(count: int, until: Floats, seed: int, fitted: BgNbd) -> tuple[Floats, Floats, list[list[float]]]:
    """Orders customer by customer, straight from the story of the model; each list holds times of repeat orders."""
    rng = np.random.default_rng(seed)
    orders: list[list[float]] = []
    for customer in range(count):
        rate, leaves = rng.gamma(fitted.r_, 1 / fitted.alpha_), rng.beta(fitted.a_, fitted.b_)
        time, times = 0.0, []
        while True:
            time += rng.exponential(1 / rate) if rate > 0 else np.inf
            if time > until[customer]:
                break
            times.append(time)
            if rng.random() < leaves:
                break
        orders.append(times)
    frequency = np.array([float(len(times)) for times in orders])
    recency = np.array([times[-1] if times else 0.0 for times in orders])
    return frequency, recency, orders


def likelihood(r: float, alpha: float, a: float, b: float, x: float, last: float, now: float) -> float:
    """Equation (6) of the paper, letter by letter."""
    start = gamma_function(r + x) * alpha**r / gamma_function(r)
    alive = beta_function(a, b + x) / beta_function(a, b) / (alpha + now) ** (r + x)
    left = beta_function(a + 1, b + x - 1) / beta_function(a, b) / (alpha + last) ** (r + x) if x > 0 else 0.0
    return float(start * (alive + left))


def cdnow_calibration(shared_data: Path) -> tuple[Any, Any, Any]:
    """Repeat days, recency and tenure in weeks over the first 39 weeks, as in the paper."""
    orders = pd.read_parquet(shared_data / "cdnow" / "sample.parquet")
    orders["date"] = pd.to_datetime(orders["date"])
    end = pd.Timestamp("1997-09-30")
    days = orders[orders["date"] <= end].drop_duplicates(["customer_id", "date"]).groupby("customer_id")["date"]
    first, last, count = days.min(), days.max(), days.size()
    return count - 1, (last - first).dt.days / 7, (end - first).dt.days / 7


@pytest.mark.parametrize("parameters", [(0.5, 2.0, 0.8, 2.5), (3.0, 0.4, 0.2, 0.3), (1.0, 1.0, 6.0, 1.5)])
def test_likelihood_is_the_papers(parameters: tuple[float, float, float, float]) -> None:
    x, last, now = np.array([0.0, 1, 1, 4, 0]), np.array([0.0, 3, 3, 2, 0]), np.array([5.0, 9, 9, 2.5, 1])
    weights = np.array([1.0, 2.0, 1.0, 0.5, 3.0])
    data = summarise(x, last, now, weights)
    r, alpha, a, b = parameters

    value, _ = loss_and_gradient(np.array([r, alpha / data.unit, a, b]), data)

    expected = -sum(w * np.log(likelihood(r, alpha, a, b, *row)) for *row, w in zip(x, last, now, weights, strict=True))
    # Counting time in units of the mean tenure multiplies the density of each repeat order by the unit.
    assert value == pytest.approx(expected - (weights * x).sum() * np.log(data.unit), rel=1e-12)


@given(
    st.tuples(*[st.floats(-4, 4)] * 4),
    st.lists(st.tuples(st.integers(0, 30), st.floats(0, 1), st.floats(0.1, 500)), min_size=1, max_size=12),
)
def test_gradient_is_that_of_finite_differences(logs: tuple[float, ...], customers: list[Any]) -> None:
    x = np.array([float(row[0]) for row in customers])
    now = np.array([row[2] for row in customers])
    last = np.where(x > 0, now * [row[1] for row in customers], 0)
    data, values = summarise(x, last, now, np.ones(len(x))), np.exp(np.array(logs))

    _, gradient = loss_and_gradient(values, data)

    for place in range(4):
        step = np.zeros(4)
        step[place] = values[place] * 1e-5
        above, below = (loss_and_gradient(values + sign * step, data)[0] for sign in (1, -1))
        scale = abs(above) * 1e-9 / step[place]
        assert gradient[place] == pytest.approx((above - below) / (2 * step[place]), rel=1e-4, abs=1e-5 + scale)


def test_published_estimates_of_cdnow_are_found_again(shared_data: Path) -> None:
    histories = cdnow_calibration(shared_data)

    free = BgNbd(prior_sd=1000.0).fit(*histories)
    default = BgNbd().fit(*histories)

    # Fader, Hardie and Lee 2005, table 2, in weeks.
    np.testing.assert_allclose([free.r_, free.alpha_, free.a_, free.b_], [0.243, 4.414, 0.793, 2.426], atol=6e-4)
    assert free.converged_
    # The prior moves nothing by more than a hundredth, far within the error of the estimates.
    np.testing.assert_allclose(
        [default.r_, default.alpha_, default.a_, default.b_], [0.243, 4.414, 0.793, 2.426], rtol=0.01
    )


def test_parameters_of_a_simulated_shop_are_found_again() -> None:
    truth = model(0.8, 30.0, 0.6, 2.0)
    tenure = np.random.default_rng(1).uniform(50, 700, 6000)
    frequency, recency, _ = simulate(6000, tenure, 2, truth)

    fitted = BgNbd().fit(frequency, recency, tenure)

    np.testing.assert_allclose([fitted.r_, fitted.alpha_, fitted.a_, fitted.b_], [0.8, 30.0, 0.6, 2.0], rtol=0.15)


@pytest.mark.parametrize("shop", ODD_SHOPS)
def test_every_shop_has_a_fit_and_finite_answers(shop: str) -> None:
    histories = ODD_SHOPS[shop]

    fitted = BgNbd().fit(*histories)

    assert fitted.converged_
    assert min(fitted.r_, fitted.alpha_, fitted.a_, fitted.b_) > 0
    orders = fitted.expected_orders(*histories, horizon=[[1.0, 90.0, 3650.0]])
    none = fitted.probability_of_no_order(*histories, horizon=[[1.0, 90.0, 3650.0]])
    assert np.isfinite(orders).all()
    assert (np.diff(orders, axis=1) >= 0).all()
    assert ((none >= 0) & (none <= 1) & (none >= 1 - orders - 1e-12)).all()


@given(
    st.lists(st.tuples(st.integers(0, 200), st.floats(0, 1), st.floats(0, 1e5)), min_size=1, max_size=6),
)
@settings(max_examples=50)
def test_any_few_customers_have_a_fit(customers: list[tuple[int, float, float]]) -> None:
    x = np.array([row[0] for row in customers])
    now = np.array([row[2] for row in customers])
    last = np.where(x > 0, now * [row[1] for row in customers], 0)

    fitted = BgNbd().fit(x, last, now)

    assert fitted.converged_
    assert np.isfinite(fitted.expected_orders(x, last, now, 90)).all()


# Customers who have no repeat order, when a + b < 1, are where the published formula has no value.
@pytest.mark.parametrize(
    "parameters", [(0.3, 20.0, 0.7, 2.0), (0.4, 5.0, 0.2, 0.3), (2.0, 50.0, 1.0, 1.0), (5.0, 3.0, 4.0, 0.5)]
)
@pytest.mark.parametrize("customer", [(0.0, 0.0, 30.0), (1.0, 5.0, 30.0), (6.0, 80.0, 90.0), (250.0, 699.0, 700.0)])
@pytest.mark.parametrize("horizon", [0.0, 1.0, 20.0, 90.0, 360.0, 2000.0])
def test_expected_orders_are_the_sum_over_the_first_the_second_and_so_on(
    parameters: tuple[float, float, float, float], customer: tuple[float, float, float], horizon: float
) -> None:
    r, alpha, a, b = parameters
    x, last, now = customer

    # The k-th order comes if the time is long enough for k and if the customer did not leave after any before it.
    k = np.arange(1, 60_000)
    enough_time = nbinom.sf(k - 1, r + x, 1 / (1 + horizon / (alpha + now)))
    still_there = np.exp(betaln(a, b + x + k - 1) - betaln(a, b + x))
    alive = (enough_time * still_there).sum()
    fitted = model(*parameters)

    got = fitted.expected_orders([x], [last], [now], horizon)[0]

    assert got == pytest.approx(float(fitted.p_alive([x], [last], [now])[0] * alive), rel=1e-10, abs=1e-14)


@pytest.mark.parametrize(
    ("parameters", "customer", "horizon", "expected"),
    [
        # 50 digits, from the published equation (10) with mpmath's hypergeometric function.
        ((0.243, 4.414, 0.793, 2.426), (2.0, 30.43, 38.86), 39.0, 1.2260281747671444),
    ],
)
def test_expected_orders_are_those_of_the_published_equation(
    parameters: tuple[float, float, float, float], customer: tuple[float, float, float], horizon: float, expected: float
) -> None:
    x, last, now = customer
    assert model(*parameters).expected_orders([x], [last], [now], horizon)[0] == pytest.approx(expected, rel=1e-10)


def test_predictions_are_what_a_simulation_of_the_same_customers_gives() -> None:
    truth = model(1.2, 20.0, 0.6, 1.8)
    now, horizon = 60.0, 45.0
    frequency, recency, orders = simulate(40_000, np.full(40_000, now + horizon), 5, truth)
    seen = [[time for time in times if time <= now] for times in orders]
    later = np.array([len(times) - len(before) for times, before in zip(orders, seen, strict=True)])
    frequency = np.array([float(len(times)) for times in seen])
    recency = np.array([times[-1] if times else 0.0 for times in seen])
    tenure = np.full(len(seen), now)

    none = truth.probability_of_no_order(frequency, recency, tenure, horizon)
    expected = truth.expected_orders(frequency, recency, tenure, horizon)

    # In each group of like customers, and so for each branch of the formulas.
    for group in (frequency == 0, frequency == 1, (frequency > 1) & (recency < 40), (frequency > 1) & (recency >= 40)):
        error = 4 / np.sqrt(group.sum())
        assert none[group].mean() == pytest.approx((later[group] == 0).mean(), abs=0.5 * error)
        assert expected[group].mean() == pytest.approx(later[group].mean(), abs=later[group].std() * error)


def test_small_example_by_hand() -> None:
    fitted = model(1.0, 10.0, 1.0, 1.0)

    # x = 1, last order at 10, now 30: left over alive = 1/(1+1-1) * (40/20)^2 = 4.
    assert fitted.p_alive([1], [10], [30])[0] == pytest.approx(0.2)
    # alive and no order in 40 days: (40/80)^2 = 1/4.
    assert fitted.probability_of_no_order([1], [10], [30], 40)[0] == pytest.approx(0.8 + 0.2 / 4)
    assert fitted.p_alive([0], [0], [1000])[0] == 1.0


def test_horizons_are_a_number_or_one_for_each_customer_or_a_grid() -> None:
    fitted = model(0.5, 20.0, 0.7, 2.0)
    customers: tuple[list[int], list[int], list[int]] = ([0, 3], [0, 40], [50, 60])

    for answer in (fitted.expected_orders, fitted.probability_of_no_order):
        grid = answer(*customers, horizon=[[30.0, 60.0, 90.0]])
        assert grid.shape == (2, 3)
        np.testing.assert_array_equal(grid[:, 0], answer(*customers, horizon=30))
        np.testing.assert_array_equal(grid[[0, 1], [0, 2]], answer(*customers, horizon=[30.0, 90.0]))
        np.testing.assert_array_equal(grid, answer(*customers, horizon=np.tile([30.0, 60.0, 90.0], (2, 1))))


def test_a_customer_alone_has_the_answer_of_the_batch() -> None:
    fitted = model(0.5, 20.0, 0.7, 2.0)
    rng = np.random.default_rng(3)
    tenure = rng.uniform(0, 800, 300)
    frequency = rng.integers(0, 40, 300)
    recency = np.where(frequency > 0, tenure * rng.random(300), 0)

    batch = fitted.expected_orders(frequency, recency, tenure, 90)

    alone = [
        fitted.expected_orders([x], [last], [now], 90)[0]
        for x, last, now in zip(frequency, recency, tenure, strict=True)
    ]
    np.testing.assert_array_equal(batch, alone)


def test_order_of_rows_and_counting_equal_customers_together_change_nothing() -> None:
    rng = np.random.default_rng(0)
    tenure = rng.integers(10, 60, 400).astype(float)
    frequency = rng.integers(0, 4, 400)
    recency = np.where(frequency > 0, np.floor(tenure * rng.random(400)), 0)
    shuffle = rng.permutation(400)
    rows, counts = np.unique(np.column_stack((frequency, recency, tenure)), axis=0, return_counts=True)

    fitted = BgNbd().fit(frequency, recency, tenure)

    assert BgNbd().fit(frequency[shuffle], recency[shuffle], tenure[shuffle]).to_dict() == fitted.to_dict()
    assert BgNbd().fit(rows[:, 0], rows[:, 1], rows[:, 2], counts).to_dict() == fitted.to_dict()


def test_the_unit_of_time_only_scales_alpha() -> None:
    frequency, recency, tenure = np.array([0, 2, 5, 1]), np.array([0.0, 14, 35, 7]), np.array([70.0, 21, 42, 70])

    days, weeks = BgNbd().fit(frequency, recency, tenure), BgNbd().fit(frequency, recency / 7, tenure / 7)

    assert days.alpha_ == pytest.approx(7 * weeks.alpha_, rel=0.01)
    assert days.r_ == pytest.approx(weeks.r_, rel=0.01)


def test_saving_refitting_and_cloning() -> None:
    fitted = BgNbd(prior_sd=2.0).fit([0, 2, 5], [0, 30, 100], [90, 90, 120])
    first = fitted.to_dict()

    loaded = BgNbd.from_dict(json.loads(json.dumps(first)))

    assert loaded.to_dict() == first
    assert loaded.get_params() == fitted.get_params() == clone(fitted).get_params()
    fitted.fit([0, 1], [0, 3], [900, 90]).fit([0, 2, 5], [0, 30, 100], [90, 90, 120])
    assert fitted.to_dict() == first


@pytest.mark.parametrize(
    ("histories", "message"),
    [
        (([1, -1], [1, 0], [2, 2]), r"frequency in row 1 is -1.0; expected a whole number"),
        (([1.5], [1], [2]), r"frequency in row 0 is 1.5"),
        (([np.nan], [1], [2]), r"frequency in row 0 is nan"),
        (([0], [0], [np.inf]), r"tenure in row 0 is inf"),
        (([1], [3], [2]), r"recency in row 0 is 3.0; expected days .* between 0 and tenure"),
        (([0], [1], [2]), r"recency in row 0 is 1.0; expected 0 where there is no repeat order"),
        (([0, 1], [0], [2]), r"one length, not of shapes \(2,\), \(1,\) and \(1,\)"),
        (([], [], []), r"there is no customer"),
    ],
)
def test_impossible_histories_are_refused(histories: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BgNbd().fit(*histories)


@pytest.mark.parametrize("weights", [[-1.0], [np.nan], [1.0, 1.0], [0.0]])
def test_impossible_weights_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weight"):
        BgNbd().fit([0], [0], [1], weights=weights)


@pytest.mark.parametrize("horizon", [-1.0, np.nan, [1.0, 2.0, 3.0]])
def test_impossible_horizons_are_refused(horizon: Any) -> None:
    with pytest.raises(ValueError, match="horizon"):
        model(1, 1, 1, 1).expected_orders([0, 1], [0, 1], [1, 1], horizon)
