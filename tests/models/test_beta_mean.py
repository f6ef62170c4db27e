from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta

from regulars.models.beta_mean import beta_nodes


@pytest.mark.parametrize(("a", "b"), [(0.01, 0.5), (1.0, 1.0), (0.5, 0.5), (0.8, 2.5), (100.0, 2.0), (0.8, 5000.0)])
def test_moments_are_those_of_the_beta_distribution(a: float, b: float) -> None:
    nodes, weights = beta_nodes(a, b, 12)

    assert ((nodes >= 0) & (nodes <= 1)).all()
    for power in (0, 1, 2, 5, 20):
        assert (weights * nodes**power).sum() == pytest.approx(beta.moment(power, a, b) if power else 1.0, rel=1e-8)


def test_two_nodes_of_the_uniform_distribution_are_those_of_gauss_and_legendre() -> None:
    nodes, weights = beta_nodes(1.0, 1.0, 2)

    np.testing.assert_allclose(nodes, [0.5 - 0.5 / np.sqrt(3), 0.5 + 0.5 / np.sqrt(3)])
    np.testing.assert_allclose(weights, [0.5, 0.5])
