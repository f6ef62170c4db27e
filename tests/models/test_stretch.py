"""How far apart chances lie."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from regulars.models.hazard_rows import EDGES, HazardRows
from regulars.models.stretch import BELIEVED, Stretch

INTERVALS = len(EDGES) - 1


def drawn(true: np.ndarray, seed: int = 0) -> HazardRows:
    """Rows whose orders are drawn by the true log odds, spread over the intervals."""
    rng = np.random.default_rng(seed)
    rows = np.arange(len(true))
    return HazardRows(rows, rows % INTERVALS, rng.random(len(true)) < expit(true))


@pytest.mark.parametrize("shrunk", [0.5, 0.8, 1.0])
def test_it_goes_half_the_way_to_what_came(shrunk: float) -> None:
    true = np.random.default_rng(1).normal(0, 2, 60_000)

    found = Stretch.fit(shrunk * true, drawn(true))

    assert found.slope == pytest.approx(BELIEVED * (1 / shrunk - 1), abs=0.03)
    assert np.abs(found.offsets).max() < 0.05


def test_a_handful_of_rows_says_little() -> None:
    true = np.random.default_rng(1).normal(0, 2, 30)

    found = Stretch.fit(0.1 * true, drawn(true))

    assert abs(found.slope * 0.1 * true.std()) < 0.1


def test_log_odds_that_are_all_the_same_are_left_alone() -> None:
    found = Stretch.fit(np.zeros(100), drawn(np.ones(100)))

    np.testing.assert_array_equal(found.of(np.array([-1.0, 3.0]), 0), [-1.0, 3.0])


def test_it_stretches_around_the_middle() -> None:
    line = Stretch(1.0, 0.25, np.arange(INTERVALS) / 10)

    assert line.of(np.array([1.0, 5.0, -3.0]), 2).tolist() == pytest.approx([1.2, 6.2, -3.8])
    again = Stretch.from_dict(line.to_dict())
    assert again.of(np.array([5.0]), 3) == line.of(np.array([5.0]), 3)
