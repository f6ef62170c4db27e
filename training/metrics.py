"""How good probabilities and forecasts of value are, one number for each question.

Every metric takes `truth`, `prediction` and `weights`. Weights of shape (s, n) give s results at once (see
`regulars.training.bootstrap`); none gives one float. A metric without a value (no churner at all, say) is NaN. Rows
with equal predictions are treated as one group, so no result depends on the order of the rows.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from regulars.models.logistic_line import logistic_line, logit

Floats = NDArray[np.float64]

CLIP = 1e-6
"""Probabilities are kept this far from 0 and 1 in the log loss and the calibration slope."""
TOP = 0.1


class Groups(NamedTuple):
    """Rows sorted by prediction, equal predictions together; `starts` (g,) are the groups' first positions."""

    order: NDArray[np.intp]
    starts: NDArray[np.intp]

    def sums(self, values: Floats) -> Floats:
        """Sums (..., g) of values (..., n) over each group, lowest prediction first."""
        return np.add.reduceat(values[..., self.order], self.starts, axis=-1)


def groups_of(prediction: Floats) -> Groups:
    """Groups of equal predictions; refuses NaN, which has no place in an order."""
    if np.isnan(prediction).any():
        raise ValueError(f"prediction in row {int(np.argmax(np.isnan(prediction)))} is NaN; expected a number")
    order = np.argsort(prediction, kind="stable")
    ordered = prediction[order]
    return Groups(order, np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1]))))


def checked(truth: ArrayLike, prediction: ArrayLike, weights: ArrayLike | None) -> tuple[Floats, Floats, Floats]:
    """The three as floats; refuses different lengths and no rows at all."""
    y, p = np.asarray(truth, dtype=np.float64), np.asarray(prediction, dtype=np.float64)
    if y.ndim != 1 or y.shape != p.shape or not len(y):
        raise ValueError(f"truth and prediction must be two columns of one length, with rows, not {y.shape}, {p.shape}")
    w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
    if w.shape[-1:] != y.shape:
        raise ValueError(f"weights must have {len(y)} columns, not shape {w.shape}")
    return y, p, w


def ratio(top: Floats, bottom: Floats) -> Floats:
    """`top / bottom`, NaN where the bottom is not positive."""
    good = bottom > 0
    # [()] makes a float of an array without dimensions, and leaves others alone.
    return cast(Floats, np.where(good, top / np.where(good, bottom, 1.0), np.nan)[()])


def weighted_mean(values: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Mean of the known values, NaN ones left out: the statistic of any metric that has a value per customer."""
    row = np.asarray(values, dtype=np.float64)
    known = ~np.isnan(row)
    w = np.ones(len(row)) if weights is None else np.asarray(weights, dtype=np.float64)
    return ratio((w * np.where(known, row, 0.0)).sum(axis=-1), (w * known).sum(axis=-1))


def auc(truth: ArrayLike, prediction: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Probability that a positive ranks above a negative, ties counting half (Mann-Whitney). Shape () or (s,)."""
    y, p, w = checked(truth, prediction, weights)
    groups = groups_of(p)
    positive, negative = groups.sums(w * y), groups.sums(w * (1 - y))
    below = np.cumsum(negative, axis=-1) - 0.5 * negative
    return ratio((positive * below).sum(axis=-1), positive.sum(axis=-1) * negative.sum(axis=-1))


def average_precision(truth: ArrayLike, prediction: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Precision averaged over the steps of recall, without interpolation (scikit-learn's definition)."""
    y, p, w = checked(truth, prediction, weights)
    groups = groups_of(p)
    positive, everyone = groups.sums(w * y)[..., ::-1], groups.sums(w)[..., ::-1]
    found, listed = np.cumsum(positive, axis=-1), np.cumsum(everyone, axis=-1)
    precision = found / np.where(listed > 0, listed, 1.0)
    return ratio((positive * precision).sum(axis=-1), positive.sum(axis=-1))


def log_loss(truth: ArrayLike, prediction: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Mean negative log likelihood; probabilities are clipped to [1e-6, 1 - 1e-6]."""
    y, p, w = checked(truth, prediction, weights)
    p = np.clip(p, CLIP, 1 - CLIP)
    return weighted_mean(-y * np.log(p) - (1 - y) * np.log1p(-p), w)


def brier(truth: ArrayLike, prediction: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Mean squared difference between probability and outcome."""
    y, p, w = checked(truth, prediction, weights)
    return weighted_mean((p - y) ** 2, w)


def equal_count_bins(everyone: Floats, bins: int) -> NDArray[np.int64]:
    """Bin (..., g) of each group of equal predictions: where the middle of the group falls by weight."""
    middle = np.cumsum(everyone, axis=-1) - 0.5 * everyone
    share = middle / everyone.sum(axis=-1, keepdims=True)
    return np.asarray(np.minimum((share * bins).astype(np.int64), bins - 1))


def sums_by_bin(values: Floats, bin_of: NDArray[np.int64], bins: int) -> Floats:
    """Sums (..., bins) of values (..., g)."""
    rows = np.prod(values.shape[:-1], dtype=np.int64)
    place = bin_of.reshape(rows, -1) + bins * np.arange(rows)[:, None]
    sums = np.bincount(place.ravel(), values.ravel(), minlength=rows * bins).astype(np.float64)
    return sums.reshape(*values.shape[:-1], bins)


def calibration_error(
    truth: ArrayLike, prediction: ArrayLike, weights: ArrayLike | None = None, bins: int = 10
) -> Floats:
    """Expected calibration error: mean over bins of |share that came - mean probability|, weighted by the bin.

    Bins hold equally many rows (equal probabilities are never parted, so they may differ a little). Even perfect
    probabilities do not reach 0: compare with `calibration_noise_floor`.
    """
    y, p, w = checked(truth, prediction, weights)
    groups = groups_of(p)
    everyone = groups.sums(w)
    gap = sums_by_bin(groups.sums(w * (y - p)), equal_count_bins(everyone, bins), bins)
    return ratio(np.abs(gap).sum(axis=-1), everyone.sum(axis=-1))


def calibration_noise_floor(prediction: ArrayLike, bins: int = 10, samples: int = 1000, seed: int = 0) -> float:
    """What the calibration error of perfectly calibrated probabilities stays under in 95 of 100 cases.

    Outcomes are drawn from the probabilities themselves. A measured error below this is not distinguishable from none.
    """
    _, p, ones = checked(np.zeros(np.shape(prediction)), prediction, None)
    groups = groups_of(p)
    bin_of = equal_count_bins(groups.sums(ones), bins)
    rng = np.random.default_rng(seed)
    errors = []
    for _ in range(samples):
        gap = groups.sums((rng.random(len(p)) < p) - p)
        errors.append(np.abs(np.bincount(bin_of, gap, minlength=bins)).sum() / len(p))
    return float(np.quantile(errors, 0.95))


def calibration_slope(truth: ArrayLike, prediction: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Slope of a logistic regression of the outcome on the log odds predicted: 1 is right, below 1 too extreme.

    Source: Cox 1958, 'Two further applications of a model for binary regression'. NaN where there is no finite slope:
    one outcome only, one probability only, or outcomes that the probabilities part without error.
    """
    y, p, w = checked(truth, prediction, weights)
    return logistic_line(logit(np.clip(p, CLIP, 1 - CLIP)), y, w)[1][()]


def top_share(truth: Floats, prediction: Floats, weights: Floats) -> Floats:
    """Sum of truth over the tenth with the highest predictions; a group on the border counts in proportion."""
    groups = groups_of(prediction)
    value, everyone = groups.sums(weights * truth)[..., ::-1], groups.sums(weights)[..., ::-1]
    above = np.cumsum(everyone, axis=-1) - everyone
    room = TOP * everyone.sum(axis=-1, keepdims=True) - above
    inside = np.clip(room / np.where(everyone > 0, everyone, 1.0), 0.0, 1.0)
    return np.asarray((value * inside).sum(axis=-1))


def lift_top_decile(truth: ArrayLike, prediction: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """How many times more churners the riskiest tenth holds than a tenth drawn at random."""
    y, p, w = checked(truth, prediction, weights)
    return ratio(top_share(y, p, w), TOP * (w * y).sum(axis=-1))


def profit_caught_top_decile(truth: ArrayLike, prediction: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Share of all profit that came from the tenth predicted to be worth most; NaN where profit is not positive.

    May pass 1, because the others may lose money.
    """
    y, p, w = checked(truth, prediction, weights)
    return ratio(top_share(y, p, w), (w * y).sum(axis=-1))


def mae(truth: ArrayLike, prediction: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Mean absolute error."""
    y, p, w = checked(truth, prediction, weights)
    return weighted_mean(np.abs(p - y), w)


def weighted_ranks(values: Floats, weights: Floats) -> Floats:
    """Mean rank of each row (..., n), less a half, as if each row stood there `weight` times."""
    groups = groups_of(values)
    everyone = groups.sums(weights)
    middle = np.cumsum(everyone, axis=-1) - 0.5 * everyone
    group_of = np.empty(len(values), dtype=np.intp)
    group_of[groups.order] = np.repeat(np.arange(len(groups.starts)), np.diff(np.append(groups.starts, len(values))))
    return np.asarray(middle[..., group_of])


def rank_correlation(truth: ArrayLike, prediction: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Spearman's rank correlation, ties sharing their mean rank; NaN where either side is constant."""
    y, p, w = checked(truth, prediction, weights)
    total = w.sum(axis=-1, keepdims=True)
    a, b = (
        ranks - (w * ranks).sum(axis=-1, keepdims=True) / total
        for ranks in (weighted_ranks(y, w), weighted_ranks(p, w))
    )
    spread = (w * a * a).sum(axis=-1) * (w * b * b).sum(axis=-1)
    return ratio((w * a * b).sum(axis=-1), np.sqrt(spread))
