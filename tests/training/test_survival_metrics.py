from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from regulars.training.bootstrap import bootstrap_interval
from regulars.training.survival_metrics import censored_crps, interval_coverage_km, kaplan_meier, pit_values

Floats = NDArray[np.float64]


def fine_crps(survival: Floats, grid: Floats, time: float, event: bool) -> float:
    """The definition, summed over a fine grid of days."""
    edges = np.linspace(0, grid[-1], 200_001)
    days = (edges[1:] + edges[:-1]) / 2
    curve = np.interp(days, np.concatenate(([0.0], grid)), np.concatenate(([1.0], survival)))
    squared = np.where(days < time, (1 - curve) ** 2, curve**2 if event else 0.0)
    return float(squared.sum() * (edges[1] - edges[0]))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5), st.floats(0, 130), st.booleans())
def test_crps_is_the_integral_of_its_definition(falls: list[float], time: float, event: bool) -> None:
    survival = np.cumprod(np.array(falls))
    grid = np.linspace(20, 100, len(falls)) if len(falls) > 1 else np.array([100.0])

    got = censored_crps(survival[None], grid, [time], [event])[0]

    assert got == pytest.approx(fine_crps(survival, grid, min(time, 100.0), event and time <= 100), abs=1e-3)


def test_crps_by_hand() -> None:
    # Nothing until day 10, then certain by day 20: F is a straight line from 0 to 1 between them.
    survival = np.array([[1.0, 0.0, 0.0]] * 4)
    grid = [10.0, 20.0, 30.0]

    got = censored_crps(survival, grid, [15.0, 20.0, 30.0, 5.0], [True, True, False, False])

    # Ordered in the middle: 2 x integral of (u/10)^2 over 5 days; at its end; too late; nothing said yet.
    np.testing.assert_allclose(got, [2 * 5 * 0.25 / 3, 10 / 3, 10 / 3 + 10, 0])


def test_crps_is_least_for_the_true_distribution() -> None:
    rng = np.random.default_rng(0)
    time = rng.exponential(40, 20_000)
    grid = np.linspace(1, 90, 90)
    scores = [
        censored_crps(np.tile(np.exp(-grid / mean), (len(time), 1)), grid, np.minimum(time, 90), time < 90).mean()
        for mean in (30, 36, 40, 44, 52)
    ]

    assert int(np.argmin(scores)) == 2


def test_kaplan_meier_of_a_textbook_example() -> None:
    # Events at 1, 3, 3 and 5; censored at 2, 3 and 6.
    got = kaplan_meier([3, 1, 2, 3, 3, 5, 6], [1, 1, 0, 1, 0, 1, 0])

    np.testing.assert_array_equal(got.times, [1, 2, 3, 5, 6])
    np.testing.assert_array_equal(got.at_risk, [7, 6, 5, 2, 1])
    np.testing.assert_allclose(got.survival, np.cumprod([6 / 7, 1, 3 / 5, 1 / 2, 1]))


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans(), st.integers(0, 3)), min_size=1, max_size=20))
def test_kaplan_meier_with_weights_is_that_of_copies(drawn: list[tuple[int, bool, int]]) -> None:
    time, event, weights = (np.array(column) for column in zip(*drawn, strict=True))

    got = kaplan_meier(time, event, weights)

    alive, copies = 1.0, np.repeat(np.column_stack((time, event)), weights, axis=0)
    for at, survival in zip(got.times, got.survival, strict=True):
        risk = (copies[:, 0] >= at).sum()
        alive *= 1 - ((copies[:, 0] == at) & (copies[:, 1] == 1)).sum() / risk if risk else 1
        assert survival == pytest.approx(alive)


def test_pit_is_the_predicted_probability_of_an_order_by_then() -> None:
    survival = [[0.8, 0.4], [0.5, 0.5], [0.8, 0.4]]

    np.testing.assert_allclose(pit_values(survival, [10, 20], [15.0, 5.0, 99.0]), [0.4, 0.25, 0.6])


@pytest.mark.parametrize("factor", [1.0, 0.5, 2.0])
def test_coverage_of_exponential_orders_with_censoring(factor: float) -> None:
    rng = np.random.default_rng(0)
    mean = rng.uniform(10, 60, 20_000)
    order = rng.exponential(mean)
    end = rng.uniform(30, 200, 20_000)
    seen, event = np.minimum(order, end), order <= end
    pit = -np.expm1(-seen / (mean * factor))

    got = float(interval_coverage_km(pit, event))

    # Of an exponential time: 0.8 where the mean is predicted right.
    assert got == pytest.approx(0.9**factor - 0.1**factor, abs=0.01)


def test_coverage_by_eye_and_where_it_cannot_be_known() -> None:
    assert interval_coverage_km([0.05, 0.1, 0.1, 0.5, 0.9], [1, 1, 1, 1, 1]) == pytest.approx(0.6)
    assert np.isnan(interval_coverage_km([0.3, 0.6, 0.7], [1, 0, 0]))
    assert interval_coverage_km([0.3, 0.6, 0.7], [1, 1, 1]) == pytest.approx(1.0)
    assert interval_coverage_km([0.95, 0.97], [1, 1]) == pytest.approx(0.0)


def test_coverage_can_be_resampled() -> None:
    rng = np.random.default_rng(0)
    value, low, high = bootstrap_interval(interval_coverage_km, rng.random(500), rng.random(500) < 0.7)

    assert low < value < high
    assert high - low < 0.2


@pytest.mark.parametrize(
    ("survival", "grid", "time", "message"),
    [
        ([[0.5, 0.6]], [1, 2], [1], "survival in row 0 rises"),
        ([[0.5, np.nan]], [1, 2], [1], "survival in row 0"),
        ([[1.5, 0.5]], [1, 2], [1], "survival in row 0"),
        ([[0.5, 0.4]], [2, 1], [1], "rising days"),
        ([[0.5, 0.4]], [1], [1], "survival must be"),
        ([[0.5, 0.4]], [1, 2], [-1], "observed_time in row 0 is -1"),
        ([[0.5, 0.4]], [1, 2], [1, 2], "must have 1 rows"),
    ],
)
def test_impossible_curves_are_refused(survival: Any, grid: Any, time: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        censored_crps(survival, grid, time, np.ones(len(time)))
