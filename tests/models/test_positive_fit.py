from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from regulars.models.positive_fit import fit_positive

Floats = NDArray[np.float64]


def poisson_loss(count: float, exposure: float) -> object:
    def loss(values: Floats) -> tuple[float, Floats]:
        return float(exposure * values[0] - count * np.log(values[0])), np.array([exposure - count / values[0]])

    return loss


def test_with_much_data_the_fit_is_the_maximum_of_the_likelihood() -> None:
    found = fit_positive(poisson_loss(3e6, 1e6), np.array([1.0]), 3.0, 1e6, 200)  # type: ignore[arg-type]

    assert found.converged
    assert found.values[0] == pytest.approx(3.0, rel=1e-5)


def test_without_information_the_fit_is_the_centre() -> None:
    found = fit_positive(lambda values: (0.0, np.zeros(2)), np.array([0.5, 7.0]), 3.0, 1.0, 200)

    assert found.converged
    np.testing.assert_allclose(found.values, [0.5, 7.0])


def test_a_likelihood_that_rises_forever_ends_where_the_prior_says() -> None:
    # Nothing happened in a long time: the likelihood alone goes to 0.
    found = fit_positive(poisson_loss(0, 1e9), np.array([1.0]), 3.0, 1.0, 200)  # type: ignore[arg-type]

    assert found.converged
    assert 0 < found.values[0] < 1e-3
