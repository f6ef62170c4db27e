"""What is read off a curve, against closed forms and numerical integration."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from regulars.models.curves import LAST_DAY, OrderCurves, from_hazards
from regulars.models.hazard_rows import EDGES

HAZARDS = arrays(np.float64, (3, len(EDGES) - 1), elements=st.floats(0, 1))


def constant(rate: float, pace: float = 0.0) -> OrderCurves:
    """One customer who orders with a constant hazard."""
    return OrderCurves(EDGES, np.exp(-rate * EDGES)[None, :], np.array([pace]))


@pytest.mark.parametrize("day", [0, 1, 7, 50, 90, 400.5, LAST_DAY])
def test_constant_hazard_in_closed_form(day: float) -> None:
    rate = 0.01
    curves = constant(rate, pace=rate)

    assert curves.churn(day) == pytest.approx(np.exp(-rate * day))
    # Orders at a constant rate from the start: a Poisson process.
    assert curves.expected_orders(day) == pytest.approx(rate * day)
    assert constant(rate).expected_orders(day) == pytest.approx(1 - np.exp(-rate * day))


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_quantiles_of_a_constant_hazard(probability: float) -> None:
    assert constant(0.01).quantile_days(probability) == pytest.approx(-np.log(1 - probability) / 0.01)


def test_between_edges_the_hazard_is_constant() -> None:
    edges = np.array([0.0, 10.0, 20.0])
    curves = OrderCurves(edges, np.array([[1.0, 0.5, 0.5]]), np.array([0.1]))

    assert curves.churn(5) == pytest.approx(np.sqrt(0.5))
    assert curves.churn(15) == pytest.approx(0.5)
    # Waiting takes (1 - 0.5) / log 2 * 10 days of the first ten and half of the next ten.
    assert curves.expected_orders(20) == pytest.approx(0.5 + 0.1 * (20 - 5 / np.log(2) - 5))
    assert curves.quantile_days(0.5) == pytest.approx(10)
    assert np.isnan(curves.quantile_days(0.51))


def test_who_does_not_come_back_within_the_curve_has_no_date() -> None:
    never = OrderCurves(EDGES, np.ones((1, len(EDGES))), np.zeros(1))

    assert np.isnan(never.quantile_days(0.5))
    assert never.churn(LAST_DAY) == 1
    assert never.expected_orders(LAST_DAY) == 0


@settings(max_examples=30)
@given(HAZARDS, st.floats(0, LAST_DAY), st.floats(0, 3))
def test_expected_orders_by_numerical_integration(hazards: np.ndarray, horizon: float, pace: float) -> None:
    curves = from_hazards(EDGES, hazards, np.full(3, pace))
    # A grid that holds every edge, and is fine after each, where a steep curve falls.
    fine = np.concatenate([[0], np.logspace(-9, 0, 1000)])
    grid = np.unique(np.concatenate([a + (b - a) * fine for a, b in pairwise(EDGES)]))
    grid = np.append(grid[grid < horizon], horizon)

    judged = 1 - curves.churn(horizon) + pace * np.trapezoid(1 - curves.survival_at(grid), grid, axis=1)

    np.testing.assert_allclose(curves.expected_orders(horizon), judged, rtol=1e-3, atol=1e-3)


@given(HAZARDS, st.floats(0.001, 0.999))
def test_a_quantile_is_where_the_curve_has_fallen_by_it(hazards: np.ndarray, probability: float) -> None:
    curves = from_hazards(EDGES, hazards, np.zeros(3))

    for row, day in enumerate(curves.quantile_days(probability)):
        mine = curves.take(np.array([row]))
        if np.isnan(day):
            assert mine.churn(LAST_DAY) > 1 - probability
        else:
            assert mine.churn(float(day))[0] == pytest.approx(1 - probability, rel=1e-6)


@given(HAZARDS)
def test_survival_is_the_product_of_what_each_interval_leaves(hazards: np.ndarray) -> None:
    survival = from_hazards(EDGES, hazards, np.zeros(3)).survival

    for row in range(3):
        left = 1.0
        for k, hazard in enumerate(hazards[row]):
            left *= 1 - min(max(hazard, 1e-9), 1 - 1e-9)
            assert survival[row, k + 1] == pytest.approx(left)


@given(HAZARDS, st.floats(0, LAST_DAY), st.floats(0, LAST_DAY))
def test_churn_falls_and_orders_rise_with_the_horizon(hazards: np.ndarray, one: float, other: float) -> None:
    curves = from_hazards(EDGES, hazards, np.full(3, 0.1))
    early, late = sorted((one, other))

    assert (curves.churn(late) <= curves.churn(early)).all()
    assert (curves.expected_orders(late) >= curves.expected_orders(early) - 1e-9).all()
    assert (curves.expected_orders(late) >= 1 - curves.churn(late)).all()


@pytest.mark.parametrize("horizon", [-1, LAST_DAY + 1, np.nan])
def test_a_horizon_off_the_curve_is_refused(horizon: float) -> None:
    with pytest.raises(ValueError, match="a horizon is 0 to 730 days, not"):
        constant(0.01).churn(horizon)


@pytest.mark.parametrize("probability", [0, 1, -0.5, np.nan])
def test_a_quantile_needs_a_probability(probability: float) -> None:
    with pytest.raises(ValueError, match="probability between 0 and 1, not"):
        constant(0.01).quantile_days(probability)


def test_rows_are_taken_and_counted() -> None:
    curves = OrderCurves(EDGES, np.vstack([np.exp(-rate * EDGES) for rate in (0.1, 0.01, 0.001)]), np.arange(3.0))

    assert len(curves) == 3
    np.testing.assert_array_equal(curves.take(np.array([2, 0])).pace, [2, 0])
    np.testing.assert_array_equal(curves.take(np.array([2, 0])).churn(30), curves.churn(30)[[2, 0]])
