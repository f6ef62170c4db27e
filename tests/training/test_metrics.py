from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score
from sklearn.metrics import log_loss as sklearn_log_loss

from regulars.training import metrics

Floats = NDArray[np.float64]
PROBABILITY = [
    metrics.auc,
    metrics.average_precision,
    metrics.log_loss,
    metrics.brier,
    metrics.calibration_error,
    metrics.calibration_slope,
    metrics.lift_top_decile,
]
VALUE = [metrics.mae, metrics.rank_correlation, metrics.profit_caught_top_decile]

# Few distinct probabilities, so that ties are common.
rows = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 12), st.integers(1, 3)), min_size=2, max_size=40).filter(
    lambda drawn: len({row[0] for row in drawn}) == 2
)


def columns(drawn: list[tuple[int, int, int]]) -> tuple[Floats, Floats, Floats]:
    y, p, w = np.array(drawn, dtype=np.float64).T
    return y, p / 12, w


@given(rows)
def test_metrics_are_those_of_scikit_learn(drawn: list[tuple[int, int, int]]) -> None:
    y, p, w = columns(drawn)

    assert metrics.auc(y, p, w) == pytest.approx(roc_auc_score(y, p, sample_weight=w))
    assert metrics.average_precision(y, p, w) == pytest.approx(average_precision_score(y, p, sample_weight=w))
    assert metrics.brier(y, p, w) == pytest.approx(brier_score_loss(y, p, sample_weight=w))
    clipped = np.clip(p, 1e-6, 1 - 1e-6)
    assert metrics.log_loss(y, p, w) == pytest.approx(sklearn_log_loss(y, clipped, sample_weight=w))


@given(rows, st.integers(1, 12))
def test_calibration_error_is_that_of_filling_bins_one_by_one(drawn: list[tuple[int, int, int]], bins: int) -> None:
    y, p, w = columns(drawn)
    total, below = w.sum(), 0.0
    gaps = dict.fromkeys(range(bins), 0.0)
    for probability in sorted(set(p)):
        mine = p == probability
        middle = (below + w[mine].sum() / 2) / total
        gaps[min(int(middle * bins), bins - 1)] += float((w[mine] * (y[mine] - probability)).sum())
        below += w[mine].sum()

    assert metrics.calibration_error(y, p, w, bins=bins) == pytest.approx(sum(map(abs, gaps.values())) / total)


@given(rows)
def test_lift_is_the_mean_over_all_orders_of_ties(drawn: list[tuple[int, int, int]]) -> None:
    y, p, w = columns(drawn)
    # Ten copies of each make the top tenth whole; ties in proportion: each copy of a tied row has the same chance.
    truth, score = np.repeat(y, 10 * w.astype(int)), np.repeat(p, 10 * w.astype(int))
    room, caught = len(truth) / 10, 0.0
    for probability in sorted(set(p), reverse=True):
        tied = truth[score == probability]
        taken = min(room, len(tied))
        caught, room = caught + taken * tied.mean(), room - taken

    assert metrics.lift_top_decile(y, p, w) == pytest.approx(caught / (0.1 * truth.sum()))


@given(rows)
def test_rank_correlation_is_that_of_scipy(drawn: list[tuple[int, int, int]]) -> None:
    y, p, w = columns(drawn)
    y = y + np.arange(len(y)) % 3

    got = metrics.rank_correlation(y, p, w)

    copies = w.astype(int)
    if len(set(p)) == 1 or len(set(y)) == 1:
        assert np.isnan(got)
    else:
        assert got == pytest.approx(spearmanr(np.repeat(y, copies), np.repeat(p, copies)).statistic, abs=1e-12)


@pytest.mark.parametrize("metric", [*PROBABILITY, *VALUE])
def test_weights_of_many_samples_are_samples_one_by_one(metric: Callable[..., Any]) -> None:
    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 2, 80).astype(float), np.round(rng.random(80), 2)
    weights = rng.integers(0, 3, (6, 80)).astype(float)

    together = metric(y, p, weights)

    assert together.shape == (6,)
    for sample, value in zip(weights, together, strict=True):
        copies = sample.astype(int)
        assert value == pytest.approx(float(metric(y, p, sample)), rel=1e-9)
        assert value == pytest.approx(float(metric(np.repeat(y, copies), np.repeat(p, copies))), rel=1e-7)


@pytest.mark.parametrize("metric", [*PROBABILITY, *VALUE])
def test_order_of_rows_does_not_matter_and_nothing_is_changed(metric: Callable[..., Any]) -> None:
    rng = np.random.default_rng(1)
    y, p = rng.integers(0, 2, 60).astype(float), np.round(rng.random(60), 1)
    before, shuffle = p.copy(), rng.permutation(60)

    assert metric(y, p) == pytest.approx(float(metric(y[shuffle], p[shuffle])), rel=1e-9)
    assert isinstance(metric(y, p), float)
    np.testing.assert_array_equal(p, before)


def test_small_examples_by_eye() -> None:
    y, p = [0, 1, 0, 1], [0.1, 0.2, 0.3, 0.8]

    assert metrics.auc(y, p) == 0.75
    assert metrics.average_precision(y, p) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert metrics.brier(y, p) == pytest.approx((0.01 + 0.64 + 0.09 + 0.04) / 4)
    # Two bins: 0.3 expected and 1 came; 1.1 expected and 1 came.
    assert metrics.calibration_error(y, p, bins=2) == pytest.approx((0.7 + 0.1) / 4)
    assert metrics.mae([1.0, -2.0], [2.0, 1.0]) == 2.0
    # The top tenth of ten customers is one: 60 of a profit of 100.
    worth = [60.0, 50, -10, 0, 0, 0, 0, 0, 0, 0]
    assert metrics.profit_caught_top_decile(worth, np.arange(10)[::-1]) == pytest.approx(0.6)


def test_log_loss_of_a_certain_mistake_is_large_and_finite() -> None:
    assert metrics.log_loss([1, 0], [0.0, 0.0]) == pytest.approx(-np.log(1e-6) / 2, rel=1e-5)


@pytest.mark.parametrize(
    ("metric", "truth", "prediction"),
    [
        (metrics.auc, [1, 1], [0.2, 0.4]),
        (metrics.average_precision, [0, 0], [0.2, 0.4]),
        (metrics.lift_top_decile, [0, 0], [0.2, 0.4]),
        (metrics.calibration_slope, [1, 1], [0.2, 0.4]),
        (metrics.calibration_slope, [0, 1], [0.4, 0.4]),
        (metrics.profit_caught_top_decile, [-5.0, 2.0], [1.0, 2.0]),
        (metrics.rank_correlation, [1.0, 2.0], [3.0, 3.0]),
    ],
)
def test_a_metric_without_a_value_is_nan(
    metric: Callable[..., Any], truth: list[float], prediction: list[float]
) -> None:
    assert np.isnan(metric(truth, prediction))


def test_slope_tells_whether_probabilities_are_too_extreme() -> None:
    rng = np.random.default_rng(0)
    odds = rng.normal(0, 1.5, 20_000)
    y = (rng.random(20_000) < 1 / (1 + np.exp(-odds))).astype(float)

    slopes = [metrics.calibration_slope(y, 1 / (1 + np.exp(-odds * factor))) for factor in (1, 2, 0.5)]

    np.testing.assert_allclose(slopes, [1, 0.5, 2], rtol=0.05)


def test_noise_floor_is_passed_by_one_calibrated_forecast_in_twenty() -> None:
    rng = np.random.default_rng(3)
    p = rng.random(400)

    floor = metrics.calibration_noise_floor(p, samples=2000)

    errors = np.array([metrics.calibration_error(rng.random(400) < p, p) for _ in range(2000)])
    assert (errors > floor).mean() == pytest.approx(0.05, abs=0.015)
    assert floor == metrics.calibration_noise_floor(p, samples=2000)
    assert metrics.calibration_noise_floor(np.repeat(p, 16), samples=500) == pytest.approx(floor / 4, rel=0.1)


def test_mean_leaves_out_what_is_not_known() -> None:
    assert metrics.weighted_mean([1.0, np.nan, 4.0]) == 2.5
    assert metrics.weighted_mean([1.0, np.nan, 4.0], [3.0, 9.0, 0.0]) == 1.0
    assert np.isnan(metrics.weighted_mean([np.nan]))


def test_errors_say_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="prediction in row 1 is NaN"):
        metrics.auc([0, 1], [0.5, np.nan])
    with pytest.raises(ValueError, match="one length"):
        metrics.auc([0, 1], [0.5])
    with pytest.raises(ValueError, match="with rows"):
        metrics.log_loss([], [])
    with pytest.raises(ValueError, match="weights must have 2 columns"):
        metrics.brier([0, 1], [0.5, 0.5], [1.0])
