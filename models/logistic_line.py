"""Logistic regression on one number, for calibration: of a baseline's score, and of a probability when it is judged."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STEPS = 60
LONGEST_STEP = 4.0
STEEPEST = 1e4


def logit(probability: Floats) -> Floats:
    """Log odds."""
    return np.log(probability) - np.log1p(-probability)


def sigmoid(log_odds: Floats) -> Floats:
    """Probability; no overflow for any finite log odds."""
    small = np.exp(-np.abs(log_odds))
    return np.asarray(np.where(log_odds >= 0, 1.0, small) / (1 + small))


def logistic_line(score: Floats, outcome: Floats, weights: Floats, ridge: float = 0.0) -> tuple[Floats, Floats]:
    """Intercept and slope of `log odds = intercept + slope * score`, by Newton's method with bounded steps.

    Args:
        score: (n,).
        outcome: (n,) of 0 and 1.
        weights: (n,), or (s, n) for s fits at once.
        ridge: precision of a normal prior around (0, 0), after centring and scaling the score. Above 0 there is
            always a finite answer; at 0 there may be none (one outcome only, one score only, outcomes parted without
            error), and both numbers are NaN.

    Returns:
        Two arrays of shape () or (s,).
    """
    w = np.atleast_2d(weights)
    share = w.sum(axis=0) / w.sum()
    centre = float((share * score).sum())
    spread = float(np.sqrt((share * (score - centre) ** 2).sum()))
    x = (score - centre) / (spread if spread > 0 else 1.0)
    line = np.zeros((2, len(w)))
    step = np.full((2, len(w)), np.inf)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for _ in range(STEPS):
            step = newton_step(line, x, outcome, w, ridge)
            line = line + step
            if not (np.abs(step) > 1e-10).any():
                break
    good = np.isfinite(line).all(axis=0) & (np.abs(step) < 1e-6).all(axis=0) & (np.abs(line) < STEEPEST).all(axis=0)
    slope = np.where(good, line[1], np.nan) / (spread if spread > 0 else 1.0)
    intercept = np.where(good, line[0], np.nan) - slope * centre
    shape = weights.shape[:-1]
    return intercept.reshape(shape), slope.reshape(shape)


def newton_step(line: Floats, x: Floats, outcome: Floats, weights: Floats, ridge: float) -> Floats:
    """The next step (2, s) from the line (2, s); NaN where the curvature vanishes."""
    p = sigmoid(line[0][:, None] + line[1][:, None] * x)
    error, curve = weights * (outcome - p), weights * p * (1 - p)
    g0, g1 = error.sum(axis=1) - ridge * line[0], (error * x).sum(axis=1) - ridge * line[1]
    h00, h01, h11 = curve.sum(axis=1) + ridge, (curve * x).sum(axis=1), (curve * x * x).sum(axis=1) + ridge
    determinant = h00 * h11 - h01 * h01
    flat = determinant <= 1e-12 * h00 * h11
    step = np.array([h11 * g0 - h01 * g1, h00 * g1 - h01 * g0]) / np.where(flat, np.nan, determinant)
    return np.clip(step, -LONGEST_STEP, LONGEST_STEP)
