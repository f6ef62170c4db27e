"""Maximum a posteriori fit of a few positive parameters.

Likelihoods of buying behaviour are flat in places: where nobody comes back, any rate small enough explains the data
equally well, and plain maximum likelihood walks off to zero or infinity. So the logarithm of every parameter has a wide
normal prior around a sensible centre. It weighs less than a customer or two: with data it cannot be seen, without data
it is the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Loss = Callable[[Floats], tuple[float, Floats]]

WIDEST = 3.0
"""Parameters stay within this many standard deviations of the prior, which keeps every power finite."""
STARTS = 5
TOLERANCE = 1e-5
"""Of the gradient, for a mean loss of about 1; losses far larger are not known any better."""


class PositiveFit(NamedTuple):
    """`values` in the order of the centre; `evaluations` counts calls of the loss."""

    values: Floats
    converged: bool
    evaluations: int


def log_posterior(loss: Loss, centre: Floats, prior_sd: float, total_weight: float) -> Loss:
    """The mean loss with its prior, as a function of `log(values / centre)`, with its gradient."""

    def objective(shift: Floats) -> tuple[float, Floats]:
        values = centre * np.exp(shift)
        value, gradient = loss(values)
        pull = shift / prior_sd**2
        return (value + 0.5 * float(shift @ pull)) / total_weight, (gradient * values + pull) / total_weight

    return objective


def fit_positive(loss: Loss, centre: Floats, prior_sd: float, total_weight: float, max_iterations: int) -> PositiveFit:
    """Minimise `loss` (a total negative log likelihood and its gradient by the positive values) plus the prior.

    Args:
        loss: maps the k values to (total loss, gradient of shape (k,)).
        centre: (k,) medians of the prior, which are also the start.
        prior_sd: standard deviation of the prior of each `log(value)`.
        total_weight: number of customers, so that tolerances mean the same for any number of them.
        max_iterations: of L-BFGS, for each of at most five starts; a later one begins where the last one stopped.
    """
    from scipy.optimize import minimize

    objective = log_posterior(loss, centre, prior_sd, total_weight)
    edge = WIDEST * prior_sd
    shift, evaluations, converged = np.zeros(len(centre)), 0, False
    for _ in range(STARTS):
        found = minimize(
            objective,
            shift,
            jac=True,
            method="L-BFGS-B",
            bounds=[(-edge, edge)] * len(centre),
            options={"maxiter": max_iterations, "ftol": 0.0, "gtol": 1e-7},
        )
        shift, evaluations = np.asarray(found.x, dtype=np.float64), evaluations + int(found.nfev)
        value, gradient = objective(shift)
        # At the edge only the part of the gradient that points inwards counts.
        inwards = shift - np.clip(shift - gradient, -edge, edge)
        converged = bool(np.abs(inwards).max() < TOLERANCE * max(1.0, abs(value)))
        if converged:
            break
    return PositiveFit(centre * np.exp(shift), converged, evaluations)
