"""BG/NBD: when a customer buys again, and whether there is still a customer.

While alive, a customer buys at random with a rate of their own; rates differ between customers like a gamma
distribution (r, alpha). After each order the customer leaves for good with a probability of their own; those differ
like a beta distribution (a, b). Four numbers describe a shop, and three a customer: repeat orders, time of the last,
time now.

Source: Fader, Hardie and Lee 2005, 'Counting Your Customers the Easy Way: An Alternative to the Pareto/NBD Model',
Marketing Science 24(2). Their equation (10) for expected orders divides by `a - 1` and needs a hypergeometric function
that overflows or has no value where a + b < 1. Here the same expectation is taken in another order. Given that the
customer is alive, rate and chance of leaving are independent, gamma(r + x, alpha + T) and beta(a, b + x), so

    E[orders in t | alive] = E_p[(1 - (1 + p z)^-(r + x)) / p],    z = t / (alpha + T),

the mean of a bounded smooth function, which quadrature gives to about twelve digits for every a, b > 0 and any x.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, gammaln, psi
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from regulars.models.beta_mean import beta_nodes
from regulars.models.positive_fit import fit_positive

Floats = NDArray[np.float64]

PRIOR_SHAPES = {"r": 1.0, "a": 1.0, "b": 2.5}
"""Centres of the prior; the centre of alpha is the mean tenure."""
RESOLUTION = 0.01
"""Days to which times are rounded before equal customers are counted together."""
FINEST = 1e-4
"""Of the longest tenure, down to a power of ten: the rounding where that is finer. Times may be in years."""
BLOCK = 1024
"""Customers whose nodes are looked at together; more would take memory, fewer time."""
# The pole at p = -1/z decides how many nodes are needed: (largest z, nodes).
NODES = ((0.5, 16), (2.0, 32), (10.0, 64), (50.0, 192), (np.inf, 512))


@dataclass(frozen=True)
class Histories:
    """Customers summed up, equal ones counted together. Times in units of the mean tenure.

    `orders` (g,) are the distinct numbers of repeat orders with their weights; `single_*` are customers with none;
    `which` (m,) is the position in `orders` of each repeat customer's number.
    """

    orders: Floats
    orders_weight: Floats
    single_tenure: Floats
    single_weight: Floats
    which: NDArray[np.intp]
    recency: Floats
    tenure: Floats
    weight: Floats
    unit: float

    @property
    def total_weight(self) -> float:
        """Sum of the weights of all customers."""
        return float(self.orders_weight.sum())


def summarise(frequency: Floats, recency: Floats, tenure: Floats, weights: Floats) -> Histories:
    """Count equal customers together; the result does not depend on the order of the rows."""
    known = weights > 0
    longest = float(tenure[known].max())
    finest = float(10.0 ** np.floor(np.log10(max(FINEST * longest, 1e-290))))
    step = min(RESOLUTION, finest) if longest > 0 else RESOLUTION
    rows = np.column_stack((frequency, np.round(recency / step), np.round(tenure / step)))[known]
    order = np.lexsort((weights[known], rows[:, 2], rows[:, 1], rows[:, 0]))
    rows, sorted_weights = rows[order], weights[known][order]
    starts = np.flatnonzero(np.concatenate(([True], (rows[1:] != rows[:-1]).any(axis=1))))
    rows, weight = rows[starts], np.add.reduceat(sorted_weights, starts)
    unit = float((weight * rows[:, 2]).sum() / weight.sum()) * step or 1.0
    times = rows[:, 1:] * (step / unit)
    orders, which = np.unique(rows[:, 0], return_inverse=True)
    repeat = rows[:, 0] > 0
    return Histories(
        orders=orders,
        orders_weight=np.bincount(which, weight).astype(np.float64),
        single_tenure=times[~repeat, 1],
        single_weight=weight[~repeat],
        which=which[repeat],
        recency=times[repeat, 0],
        tenure=times[repeat, 1],
        weight=weight[repeat],
        unit=unit,
    )


def total(*factors: Floats) -> float:
    """Sum of the product. Not `@`: BLAS may use threads, which changes the last digits and, on long vectors, waits."""
    product = factors[0]
    for factor in factors[1:]:
        product = product * factor
    return float(product.sum())


def loss_and_gradient(parameters: Floats, data: Histories) -> tuple[float, Floats]:
    """Total negative log likelihood (Fader, Hardie and Lee 2005, equation 6) and its gradient by (r, alpha, a, b).

    alpha is in the unit of the histories. The likelihood is (alive at T) + (left after the last order); `odds` is the
    logarithm of the second over the first.
    """
    r, alpha, a, b = parameters
    x, x_weight = data.orders, data.orders_weight
    # b + x - 1 may be negative where x is 0; those rows have no 'left' term, and are not looked up.
    before_leaving = np.where(x > 0, b + x - 1, 1.0)
    shape = (r + x)[data.which]
    now, last, single = alpha + data.tenure, alpha + data.recency, alpha + data.single_tenure
    log_now, log_last, log_single = np.log(now), np.log(last), np.log(single)
    odds = np.log(a / before_leaving)[data.which] + shape * (log_now - log_last)
    small = np.exp(-np.abs(odds))
    left = data.weight * np.where(odds > 0, 1.0, small) / (1 + small)
    alive = data.weight - left
    log_sum = np.maximum(odds, 0.0) + np.log1p(small)

    counting = gammaln(r + x) - gammaln(r) + gammaln(a + b) - gammaln(a + b + x) + gammaln(b + x) - gammaln(b)
    by_total = psi(a + b) - psi(a + b + x)
    value = (
        total(x_weight, counting)
        + r * np.log(alpha) * data.total_weight
        - r * total(data.single_weight, log_single)
        + total(data.weight, log_sum - shape * log_now)
    )
    by_r = (
        total(x_weight, psi(r + x) - psi(r))
        + np.log(alpha) * data.total_weight
        - total(data.single_weight, log_single)
        - total(alive * log_now + left * log_last)
    )
    by_alpha = (
        r / alpha * data.total_weight - r * total(data.single_weight / single) - total(shape, alive / now + left / last)
    )
    by_a = total(x_weight, by_total) + total(left) / a
    by_b = total(x_weight, by_total + psi(b + x) - psi(b)) - total(left / before_leaving[data.which])
    return -float(value), -np.array([by_r, by_alpha, by_a, by_b])


def checked_histories(frequency: ArrayLike, recency: ArrayLike, tenure: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """The three arrays as floats of one length, or a `ValueError` that names the first impossible row."""
    x, last, now = (np.asarray(column, dtype=np.float64) for column in (frequency, recency, tenure))
    if x.ndim != 1 or not x.shape == last.shape == now.shape:
        raise ValueError(
            "frequency, recency and tenure must be one-dimensional and of one length, "
            f"not of shapes {x.shape}, {last.shape} and {now.shape}"
        )
    rules = (
        ("frequency", x, "a whole number of repeat orders, 0 or more", (x >= 0) & (x == np.floor(x)) & np.isfinite(x)),
        ("tenure", now, "days since the first order, 0 or more", (now >= 0) & np.isfinite(now)),
        ("recency", last, "days from the first to the last order, between 0 and tenure", (last >= 0) & (last <= now)),
        ("recency", last, "0 where there is no repeat order", (x > 0) | (last == 0)),
    )
    for name, values, expected, good in rules:
        if not good.all():
            row = int(np.argmin(good))
            raise ValueError(f"{name} in row {row} is {values[row]}; expected {expected}")
    return x, last, now


def checked_weights(weights: ArrayLike | None, count: int) -> Floats:
    """Weights of customers, ones by default; refuses negative ones and a sum of zero."""
    values = np.ones(count) if weights is None else np.asarray(weights, dtype=np.float64)
    if values.shape != (count,) or not np.isfinite(values).all() or (values < 0).any():
        raise ValueError(f"weights must be {count} finite numbers, none of them negative")
    if not values.any():
        raise ValueError("there is no customer to fit on; give at least one row with a weight above 0")
    return values


class BgNbd(BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """BG/NBD model of repeat orders, fitted by maximum a posteriori with a weak prior, so that it always converges.

    All times are in days (any unit will do, if it is the same one everywhere).

    Args:
        prior_sd: standard deviation of the prior of the logarithm of each parameter.
        max_iterations: of the optimiser.

    Attributes:
        r_, alpha_: shape, and rate in days, of the gamma distribution of order rates.
        a_, b_: of the beta distribution of the chance to leave after an order.
        converged_: whether the gradient vanished.
        evaluations_: how often the likelihood was computed.

    >>> model = BgNbd().fit(frequency=[0, 2, 5], recency=[0, 30, 100], tenure=[90, 90, 120])
    >>> model.probability_of_no_order([5], [100], [120], horizon=30).shape
    (1,)
    """

    def __init__(self, prior_sd: float = 3.0, max_iterations: int = 200) -> None:
        self.prior_sd = prior_sd
        self.max_iterations = max_iterations

    def fit(
        self, frequency: ArrayLike, recency: ArrayLike, tenure: ArrayLike, weights: ArrayLike | None = None
    ) -> Self:
        """Fit on n customers; arrays of shape (n,).

        Args:
            frequency: number of repeat orders (the first one does not count).
            recency: days from first to last order; 0 without a repeat order.
            tenure: days from first order to now.
            weights: of customers; ones by default.

        Raises:
            ValueError: where a row is impossible, naming it, or where there is no row.
        """
        x, last, now = checked_histories(frequency, recency, tenure)
        data = summarise(x, last, now, checked_weights(weights, len(x)))
        centre = np.array([PRIOR_SHAPES["r"], 1.0, PRIOR_SHAPES["a"], PRIOR_SHAPES["b"]])
        found = fit_positive(
            lambda values: self._loss(values, data),
            centre,
            self.prior_sd,
            data.total_weight,
            self.max_iterations,
        )
        self.r_, alpha, self.a_, self.b_ = (float(value) for value in found.values)
        self.alpha_ = alpha * data.unit
        self.converged_, self.evaluations_ = found.converged, found.evaluations
        return self

    def _loss(self, parameters: Floats, data: Histories) -> tuple[float, Floats]:
        return loss_and_gradient(parameters, data)

    def p_alive(self, frequency: ArrayLike, recency: ArrayLike, tenure: ArrayLike) -> Floats:
        """Probability (n,) that the customer has not left yet. Without repeat orders it is 1: not a churn score."""
        return self._alive(*self._checked(frequency, recency, tenure))

    def probability_of_no_order(
        self, frequency: ArrayLike, recency: ArrayLike, tenure: ArrayLike, horizon: ArrayLike
    ) -> Floats:
        """Probability of no order in (T, T + horizon], given the history; exact.

        Customers leave only after an order, so whoever is alive at T stays so until the next one, and waits for it with
        rate gamma(r + x, alpha + T): `1 - p_alive * (1 - ((alpha + T) / (alpha + T + horizon))^(r + x))`.

        Args:
            frequency: number of repeat orders (n,).
            recency: days from first to last order (n,).
            tenure: days from first order to now (n,).
            horizon: days; a scalar or (n,) gives (n,), (h,) as a row of shape (1, h), or (n, h), gives (n, h).
        """
        x, last, now = self._checked(frequency, recency, tenure)
        days = checked_horizon(horizon, len(x))
        alive, shape, elapsed = (
            column.reshape((-1,) + (1,) * (days.ndim - 1))
            for column in (self._alive(x, last, now), self.r_ + x, self.alpha_ + now)
        )
        return np.asarray(1 + alive * np.expm1(-shape * np.log1p(days / elapsed)))

    def expected_orders(
        self, frequency: ArrayLike, recency: ArrayLike, tenure: ArrayLike, horizon: ArrayLike
    ) -> Floats:
        """Expected orders in (T, T + horizon], given the history. Arguments and shapes as `probability_of_no_order`.

        A customer without history, (0, 0, 0), gives the expectation for a new one.
        """
        x, last, now = self._checked(frequency, recency, tenure)
        days = checked_horizon(horizon, len(x))
        rows = np.broadcast_to(np.arange(len(x)).reshape((-1,) + (1,) * (days.ndim - 1)), days.shape).ravel()
        if_alive = self._expected_if_alive(x[rows], last[rows], now[rows], days.ravel())
        return (self._alive(x, last, now)[rows] * if_alive).reshape(days.shape)

    def to_dict(self) -> dict[str, float]:
        """Settings and parameters as plain numbers, for JSON."""
        check_is_fitted(self, "r_")
        fitted = {"r": self.r_, "alpha": self.alpha_, "a": self.a_, "b": self.b_}
        return {**self.get_params(), **fitted}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Self:
        """The fitted model that `to_dict` described."""
        model = cls(**{name: saved[name] for name in cls().get_params()})
        model.r_, model.alpha_, model.a_, model.b_ = (float(saved[name]) for name in ("r", "alpha", "a", "b"))
        return model

    def _checked(self, frequency: ArrayLike, recency: ArrayLike, tenure: ArrayLike) -> tuple[Floats, Floats, Floats]:
        check_is_fitted(self, "r_")
        return checked_histories(frequency, recency, tenure)

    def _alive(self, x: Floats, last: Floats, now: Floats) -> Floats:
        repeats = np.maximum(x, 1)
        grown = (self.r_ + x) * (np.log(self.alpha_ + now) - np.log(self.alpha_ + last))
        odds = np.log(self.a_) - np.log(self.b_ + repeats - 1) + grown
        return np.where(x > 0, expit(-odds), 1.0)

    def _expected_if_alive(self, x: Floats, last: Floats, now: Floats, days: Floats) -> Floats:
        """Mean over the chance of leaving `p`; all are (n,). When the last order was says nothing of who is alive."""
        del last
        expected = np.zeros(len(x))
        shape, reach = self.r_ + x, days / (self.alpha_ + now)
        lowest = 0.0
        for highest, count in NODES:
            rows = np.flatnonzero((reach > lowest) & (reach <= highest))
            lowest = highest
            if not len(rows):
                continue
            orders, which = np.unique(x[rows], return_inverse=True)
            rule = np.array([beta_nodes(self.a_, self.b_ + float(number), count) for number in orders])
            for begin in range(0, len(rows), BLOCK):
                some, rules = rows[begin : begin + BLOCK], rule[which[begin : begin + BLOCK]].transpose(1, 2, 0)
                # Sums that run on, not `sum`: a row's nodes are added in the same order in any batch.
                terms = rules[1] * orders_before_leaving(rules[0], shape[some], reach[some])
                expected[some] = np.cumsum(terms, axis=0)[-1]
        return expected


def orders_before_leaving(p: Floats, shape: Floats, reach: Floats) -> Floats:
    """`(1 - (1 + p * reach)^-shape) / p`, and its limit `shape * reach` where p is too small to divide by."""
    tiny = p * reach < 1e-12
    safe = np.where(tiny, 1.0, p)
    return np.where(tiny, shape * reach, -np.expm1(-shape * np.log1p(safe * reach)) / safe)


def checked_horizon(horizon: ArrayLike, count: int) -> Floats:
    """Horizons in days, broadcast to (count,) or (count, h); refuses negative ones and other shapes."""
    days = np.asarray(horizon, dtype=np.float64)
    if not (np.isfinite(days).all() and (days >= 0).all()):
        raise ValueError("horizon must be a finite number of days, 0 or more")
    shape = (count,) if days.ndim < 2 else (count, days.shape[1])
    try:
        return np.broadcast_to(days, shape)
    except ValueError as error:
        raise ValueError(
            f"horizon has shape {days.shape}; expected a scalar, ({count},), (1, h) or ({count}, h)"
        ) from error
