from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from regulars.models.logistic_line import logistic_line, logit, sigmoid


def test_line_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    score, weights = rng.normal(50, 9, 400), rng.integers(0, 4, 400).astype(float)
    outcome = (rng.random(400) < sigmoid(0.2 * (score - 52))).astype(float)

    intercept, slope = logistic_line(score, outcome, weights)

    judge = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(score[:, None], outcome, weights)
    assert slope == pytest.approx(judge.coef_[0, 0], rel=1e-4)
    assert intercept == pytest.approx(judge.intercept_[0], rel=1e-4)


def test_many_fits_at_once_are_those_one_by_one() -> None:
    rng = np.random.default_rng(0)
    score, outcome = rng.normal(size=60), rng.integers(0, 2, 60).astype(float)
    weights = rng.integers(0, 3, (5, 60)).astype(float)

    together = np.array(logistic_line(score, outcome, weights))

    np.testing.assert_allclose(together.T, [logistic_line(score, outcome, w) for w in weights], rtol=1e-9)


@pytest.mark.parametrize(
    ("score", "outcome"),
    [([1.0, 2, 3], [1.0, 1, 1]), ([1.0, 2, 3], [0.0, 0, 1]), ([2.0, 2, 2], [0.0, 1, 1]), ([5.0], [1.0])],
    ids=["one outcome", "parted", "one score", "one row"],
)
def test_no_finite_line_is_nan_and_a_ridge_always_has_one(score: list[float], outcome: list[float]) -> None:
    x, y, w = np.array(score), np.array(outcome), np.ones(len(score))

    assert np.isnan(logistic_line(x, y, w)).all()
    assert np.isfinite(logistic_line(x, y, w, ridge=1e-3)).all()


def test_sigmoid_and_logit_undo_each_other_without_overflow() -> None:
    np.testing.assert_allclose(logit(sigmoid(np.array([-30.0, -1.0, 0.0, 2.0]))), [-30.0, -1.0, 0.0, 2.0])
    np.testing.assert_array_equal(sigmoid(np.array([-1e5, 1e5])), [0.0, 1.0])
