"""Gamma-Gamma: what a customer's order is worth on average, when only a few orders have been seen.

Every order of a customer varies around the customer's own mean, and the means vary between customers; both like gamma
distributions. What is expected of the next order is therefore a weighted mean of the customer's average and the shop's:
the more orders, the more the customer's own counts. It is assumed that worth and number of orders are unrelated.

Source: Fader and Hardie 2013, 'The Gamma-Gamma Model of Monetary Value' (brucehardie.com/notes/025). The shop's mean,
`p * gamma / (q - 1)`, exists only where q > 1, so the fit keeps to that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, psi
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from regulars.models.positive_fit import fit_positive

Floats = NDArray[np.float64]

PRIOR_P, PRIOR_Q_LESS_1 = 4.0, 3.0
"""Centres of the prior; the centre of the shop's mean is the mean of the data."""


def loss_and_gradient(parameters: Floats, orders: Floats, value: Floats, weights: Floats) -> tuple[float, Floats]:
    """Total negative log likelihood (Fader and Hardie 2013, equation 1a) and its gradient by (p, q - 1, mean).

    gamma is `mean * (q - 1) / p`. Terms that do not depend on the parameters are left out.

    Args:
        parameters: p, q - 1 and the shop's mean value of an order, all positive.
        orders: (n,) number of orders behind each mean, 1 or more.
        value: (n,) mean value of an order, positive.
        weights: (n,) of customers.
    """
    p, excess, mean = parameters
    q, gamma = 1 + excess, mean * excess / p
    px, total = p * orders, gamma + orders * value
    log_gamma, log_spent, log_total = np.log(gamma), np.log(orders * value), np.log(total)
    likelihood = gammaln(px + q) - gammaln(px) - gammaln(q) + q * log_gamma + px * log_spent - (px + q) * log_total
    by_gamma = q / gamma - (px + q) / total
    by_q = psi(px + q) - psi(q) + log_gamma - log_total
    by_p = orders * (psi(px + q) - psi(px) + log_spent - log_total)
    # gamma depends on all three parameters.
    gradient = (by_p - by_gamma * gamma / p, by_q + by_gamma * mean / p, by_gamma * excess / p)
    return -float((weights * likelihood).sum()), -np.array([float((weights * part).sum()) for part in gradient])


class GammaGamma(BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """Expected value of an order, shrunk to the shop's mean; fitted by maximum a posteriori with a weak prior.

    Values may be revenue or margin, in any currency unit. Customers without orders or with a mean of zero or less are
    left out of the fit and counted, because the distribution knows no such values; prediction takes them.

    Args:
        prior_sd: standard deviation of the prior of the logarithm of each parameter.
        max_iterations: of the optimiser.

    Attributes:
        p_, q_, gamma_: shape of orders; shape and scale of customers.
        mean_value_: the shop's expected value of an order, `p * gamma / (q - 1)`.
        fitted_on_, left_out_: numbers of rows used, and not used.
        converged_: whether the gradient vanished.

    >>> model = GammaGamma().fit(orders=[1, 4, 2], mean_value=[10.0, 30.0, -5.0])
    >>> model.left_out_
    1
    """

    def __init__(self, prior_sd: float = 3.0, max_iterations: int = 200) -> None:
        self.prior_sd = prior_sd
        self.max_iterations = max_iterations

    def fit(self, orders: ArrayLike, mean_value: ArrayLike, weights: ArrayLike | None = None) -> Self:
        """Fit on n customers; arrays of shape (n,).

        Args:
            orders: number of orders behind each mean.
            mean_value: mean value of these orders.
            weights: of customers; ones by default.

        Raises:
            ValueError: where shapes differ, or no row has an order and a positive mean.
        """
        x, value = checked_values(orders, mean_value)
        weight = np.ones(len(x)) if weights is None else np.asarray(weights, dtype=np.float64)
        if weight.shape != x.shape or (weight < 0).any():
            raise ValueError(f"weights must be {len(x)} numbers, none of them negative")
        usable = (x > 0) & (value > 0) & np.isfinite(value) & (weight > 0)
        self.fitted_on_, self.left_out_ = int(usable.sum()), int((~usable).sum())
        if not self.fitted_on_:
            raise ValueError(
                f"none of {len(x)} customers has an order and a positive mean_value; expected at least one. "
                "Check the sign and the unit of the values"
            )
        # Sorted, so that the caller's order does not reach the last digits.
        order = np.lexsort((weight[usable], value[usable], x[usable]))
        x, value, weight = x[usable][order], value[usable][order], weight[usable][order]
        unit = float((weight * value).sum() / weight.sum())
        found = fit_positive(
            lambda values: loss_and_gradient(values, x, value / unit, weight),
            np.array([PRIOR_P, PRIOR_Q_LESS_1, 1.0]),
            self.prior_sd,
            float(weight.sum()),
            self.max_iterations,
        )
        p, excess, mean = (float(number) for number in found.values)
        self.p_, self.q_, self.mean_value_ = p, 1 + excess, mean * unit
        self.gamma_ = self.mean_value_ * excess / p
        self.converged_ = found.converged
        return self

    def expected_value(self, orders: ArrayLike, mean_value: ArrayLike) -> Floats:
        """Expected value (n,) of a customer's next order (Fader and Hardie 2013, equation 5).

        `(1 - w) * shop's mean + w * customer's mean` with `w = p x / (p x + q - 1)`. Zero and negative means are
        shrunk by the same rule; where there is no order, the mean value is not read, and may be NaN.
        """
        check_is_fitted(self, "p_")
        x, value = checked_values(orders, mean_value)
        if not np.isfinite(value[x > 0]).all():
            row = int(np.flatnonzero((x > 0) & ~np.isfinite(value))[0])
            raise ValueError(f"mean_value in row {row} is {value[row]} for {x[row]:g} orders; expected a finite number")
        own = self.p_ * x / (self.p_ * x + self.q_ - 1)
        return np.asarray((1 - own) * self.mean_value_ + own * np.where(x > 0, value, 0.0))

    def to_dict(self) -> dict[str, float]:
        """Settings and parameters as plain numbers, for JSON."""
        check_is_fitted(self, "p_")
        fitted = {"p": self.p_, "q": self.q_, "gamma": self.gamma_, "mean_value": self.mean_value_}
        return {"prior_sd": self.prior_sd, "max_iterations": self.max_iterations, **fitted}

    @classmethod
    def from_dict(cls, saved: Mapping[str, float]) -> Self:
        """The fitted model that `to_dict` described."""
        model = cls(prior_sd=float(saved["prior_sd"]), max_iterations=int(saved["max_iterations"]))
        model.p_, model.q_, model.gamma_ = (float(saved[name]) for name in ("p", "q", "gamma"))
        model.mean_value_ = float(saved["mean_value"])
        return model


def checked_values(orders: ArrayLike, mean_value: ArrayLike) -> tuple[Floats, Floats]:
    """Both arrays as floats of one length; refuses negative or missing numbers of orders."""
    x, value = np.asarray(orders, dtype=np.float64), np.asarray(mean_value, dtype=np.float64)
    if x.ndim != 1 or x.shape != value.shape:
        raise ValueError(
            f"orders and mean_value must be one-dimensional and of one length, not {x.shape}, {value.shape}"
        )
    if not (x >= 0).all():
        row = int(np.argmin(x >= 0))
        raise ValueError(f"orders in row {row} is {x[row]}; expected 0 or more")
    return x, value
