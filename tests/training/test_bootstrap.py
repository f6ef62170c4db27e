from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from regulars.training.bootstrap import bootstrap_interval, paired_difference_interval, resampled_weights
from regulars.training.metrics import auc, log_loss, weighted_mean


def test_interval_of_a_mean_is_that_of_theory() -> None:
    values = np.random.default_rng(0).normal(10, 2, 400)

    value, low, high = bootstrap_interval(weighted_mean, values, samples=4000, seed=1)

    error = 1.96 * values.std() / 20
    assert value == pytest.approx(values.mean())
    assert (low, high) == pytest.approx((value - error, value + error), abs=0.03)


def test_samples_are_those_of_drawing_rows() -> None:
    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 2, 50), rng.random(50)

    got = bootstrap_interval(auc, y, p, samples=300, seed=9)

    draws = np.random.default_rng(9).integers(0, 50, (300, 50))
    low, high = np.quantile([float(auc(y[rows], p[rows])) for rows in draws], [0.025, 0.975])
    assert (got.low, got.high) == pytest.approx((low, high))


def test_samples_do_not_depend_on_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.concatenate(list(resampled_weights(7, 10, 3)))
    monkeypatch.setattr("regulars.training.bootstrap.CHUNK", 21)

    parts = list(resampled_weights(7, 10, 3))

    assert [len(part) for part in parts] == [3, 3, 3, 1]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    np.testing.assert_array_equal(whole.sum(axis=1), 7)


def test_rows_of_one_customer_are_drawn_together() -> None:
    customers = np.array([5, 5, 9, 5, 2])

    weights = np.concatenate(list(resampled_weights(5, 40, 0, customers)))

    np.testing.assert_array_equal(weights[:, 0], weights[:, 1])
    np.testing.assert_array_equal(weights[:, 0], weights[:, 3])
    np.testing.assert_array_equal(weights[:, [0, 2, 4]].sum(axis=1), 3)
    # Ten rows of each customer say no more than one.
    values = np.random.default_rng(0).normal(size=30)
    once = bootstrap_interval(weighted_mean, values)
    ten = bootstrap_interval(weighted_mean, np.repeat(values, 10), customers=np.repeat(np.arange(30), 10))
    assert ten == pytest.approx(once)


def test_paired_difference_is_narrow_where_models_agree() -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(0.05, 0.95, 500)
    y = (rng.random(500) < p).astype(float)
    worse = np.clip(p + 0.03, 0, 1)

    difference = paired_difference_interval(log_loss, y, p, worse)
    alone = bootstrap_interval(log_loss, y, p)

    assert difference.value == pytest.approx(float(log_loss(y, p)) - float(log_loss(y, worse)))
    assert difference.high - difference.low < (alone.high - alone.low) / 3
    assert paired_difference_interval(auc, y, p, p) == (0, 0, 0)


def test_same_seed_same_interval() -> None:
    values = np.arange(20.0)

    assert bootstrap_interval(weighted_mean, values, seed=4) == bootstrap_interval(weighted_mean, values, seed=4)
    assert bootstrap_interval(weighted_mean, values, seed=4) != bootstrap_interval(weighted_mean, values, seed=5)


def test_samples_without_a_value_are_left_out() -> None:
    # One churner of three: about 30 % of the samples have none.
    value, low, high = bootstrap_interval(auc, [0, 0, 1], [0.1, 0.9, 0.5])

    assert (value, low, high) == (0.5, 0.0, 1.0)


@pytest.mark.parametrize(("truth", "prediction"), [([1, 1], [0.1, 0.2]), ([], [])])
def test_no_value_at_all_is_nan(truth: Any, prediction: Any) -> None:
    assert np.isnan(bootstrap_interval(auc, truth, prediction)).all()


def test_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        bootstrap_interval(auc, [1, 0], [0.5])
