"""MBG/CNBD-k: when a customer buys again, where customers buy in a rhythm.

BG/NBD (`models.bgnbd`) supposes that a customer orders at random: however long ago the last order is, the next one is
as likely today as ever. Whose shampoo lasts a month orders in a rhythm, and silence says more: after two months they
are gone. Here a clock ticks at random with a rate of the customer's own, gamma(r, alpha), and every k-th tick is an
order, so that gaps are Erlang-k: the larger k, the more even. After each order, the first one too, the customer leaves
for good with a probability of their own, beta(a, b). With k = 1 it is the MBG/NBD of Batislam, Denizel and Filiztekin.

Sources: Reutterer, Platzer and Schroeder 2021, 'Leveraging purchase regularity for predicting customer behavior the
easy way', International Journal of Research in Marketing 38(1), pages 194-215 (the model); Wheat and Morrison 1990,
'Estimating Purchase Regularity with Two Interpurchase Times', Journal of Marketing Research 27(1), pages 87-93 (k).

Their expected orders are an approximation. Here they are the sum over the next order, the one after and so on, of the
chance that the time is long enough for it and that the customer did not leave before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, betaln, gammaln, psi

from regulars.models.bgnbd import (
    BgNbd,
    Histories,
    checked_horizon,
    total,
)

Floats = NDArray[np.float64]

EXACT_ORDERS = 128
"""So many of the coming orders are summed one by one; of later ones every second, then every third and so on."""
MOST_ORDERS = 10**9
"""No more are counted; where times are of another unit than days, say."""
NEGLIGIBLE = 1e-7
"""Orders; the sum ends where the next order adds less."""


def coefficients(ticks: Floats, short: Floats, k: int) -> Floats:
    """(k, n) C(ticks + j - 1, j) short^j for j = 0 to k - 1: how likely j ticks are since the last order, relatively.

    Args:
        ticks: (n,) r + k x, the shape of the customer's rate.
        short: (n,) time since the last order over alpha + T.
        k: ticks an order.
    """
    found = np.ones((k, len(ticks)))
    for j in range(1, k):
        found[j] = found[j - 1] * (ticks + j - 1) / j * short
    return found


def loss_and_gradient(parameters: Floats, data: Histories, k: int) -> tuple[float, Floats]:
    """Total negative log likelihood of repeat orders and waits, and its gradient by (r, alpha, a, b).

    alpha is in the unit of the histories. The gaps between a customer's orders add a factor that depends on k alone,
    and are left out. The likelihood is (alive at T, and no order since the last) + (left after the last order).
    """
    r, alpha, a, b = parameters
    single = np.zeros(len(data.single_tenure))
    which = np.concatenate([data.which, np.zeros(len(single), np.intp)])
    last, now = np.concatenate([data.recency, single]), np.concatenate([data.tenure, data.single_tenure])
    weight = np.concatenate([data.weight, data.single_weight])
    # Customers with none are the first of the distinct numbers of orders, where there are any.
    x, x_weight = data.orders, data.orders_weight
    repeats, shape = x[which], (r + k * x)[which]
    log_last, log_now = np.log(alpha + last), np.log(alpha + now)
    terms = coefficients(shape, (now - last) / (alpha + now), k)
    log_power, many = shape * (log_last - log_now), terms.sum(axis=0)
    silent = np.exp(log_power + np.log(many))
    either = a + (b + repeats) * silent

    counting = gammaln(r + k * x) - gammaln(r) + betaln(a, b + x) - betaln(a, b) - np.log(a + b + x)
    value = (
        total(x_weight, counting)
        + r * np.log(alpha) * data.total_weight
        + total(weight, np.log(either) - shape * log_last)
    )
    alive = weight * (b + repeats) / either
    slope = np.zeros(len(shape))
    for j in range(1, k):
        slope += terms[j] * sum(1 / (shape + i) for i in range(j))
    silent_by_shape = silent * (log_last - log_now) + np.exp(log_power) * slope
    # By alpha: the density of the k-th tick at z = (alpha + last) / (alpha + now) times dz / dalpha.
    tick = np.exp(log_power) * terms[-1] * (shape + k - 1)
    silent_by_alpha = tick * (now - last) / ((alpha + last) * (alpha + now))
    by_r = (
        total(x_weight, psi(r + k * x) - psi(r))
        + np.log(alpha) * data.total_weight
        - total(weight, log_last)
        + total(alive, silent_by_shape)
    )
    by_alpha = r / alpha * data.total_weight - total(weight * shape / (alpha + last)) + total(alive, silent_by_alpha)
    by_total = psi(a + b) - psi(a + b + x + 1)
    by_a = total(x_weight, by_total) + total(weight / either)
    by_b = total(x_weight, by_total + psi(b + x) - psi(b)) + total(weight * silent / either)
    return -float(value), -np.array([by_r, by_alpha, by_a, by_b])


class RegularBuying(BgNbd):
    """MBG/CNBD-k model of repeat orders, fitted like `BgNbd` and asked like it.

    Args:
        k: how even gaps are: 1 where orders come at random, 2 to 4 where they come in a rhythm.
        prior_sd: standard deviation of the prior of the logarithm of each parameter.
        max_iterations: of the optimiser.

    Attributes:
        r_, alpha_: shape, and rate in days, of the gamma distribution of rates of ticks, k of which make an order.
        a_, b_: of the beta distribution of the chance to leave after an order.
        converged_: whether the gradient vanished.
        evaluations_: how often the likelihood was computed.

    >>> model = RegularBuying(k=2).fit(frequency=[0, 2, 5], recency=[0, 30, 100], tenure=[90, 90, 120])
    >>> model.probability_of_no_order([5], [100], [120], horizon=30).shape
    (1,)
    """

    def __init__(self, k: int = 2, prior_sd: float = 3.0, max_iterations: int = 200) -> None:
        super().__init__(prior_sd, max_iterations)
        self.k = k

    def _loss(self, parameters: Floats, data: Histories) -> tuple[float, Floats]:
        return loss_and_gradient(parameters, data, self.k)

    def probability_of_no_order(
        self, frequency: ArrayLike, recency: ArrayLike, tenure: ArrayLike, horizon: ArrayLike
    ) -> Floats:
        """Probability of no order in (T, T + horizon], given the history; exact. Shapes as of `BgNbd`."""
        x, last, now = self._checked(frequency, recency, tenure)
        days = checked_horizon(horizon, len(x))
        x, last, now = (column.reshape((-1,) + (1,) * (days.ndim - 1)) for column in (x, last, now))
        left = self.a_ + np.zeros_like(days)
        still = (self.b_ + x) * self._silent(x, last, now)
        later = (self.b_ + x) * self._silent(x, last, now + days)
        return np.asarray((left + later) / (left + still))

    def _silent(self, x: Floats, last: Floats, now: Floats) -> Floats:
        """The chance of no order after the last one until `now`, of somebody who did not leave; any one shape."""
        shape, last, now = np.broadcast_arrays(self.r_ + self.k * x, last, now)
        many = coefficients(shape.ravel(), ((now - last) / (self.alpha_ + now)).ravel(), self.k).sum(axis=0)
        log_power = shape * (np.log(self.alpha_ + last) - np.log(self.alpha_ + now))
        return np.asarray(np.exp(log_power + np.log(many.reshape(shape.shape))))

    def _alive(self, x: Floats, last: Floats, now: Floats) -> Floats:
        still = (self.b_ + x) * self._silent(x, last, now)
        return np.asarray(still / (self.a_ + still))

    def _expected_if_alive(self, x: Floats, last: Floats, now: Floats, days: Floats) -> Floats:
        """Sum over the coming orders; all are (n,).

        Exact where fewer than `EXACT_ORDERS` can be expected, and to a few thousandths where more.
        """
        expected = np.zeros(len(x))
        ahead = np.flatnonzero(days > 0)
        expected[ahead] = self._coming_orders(x[ahead], last[ahead], now[ahead], days[ahead])
        return expected

    def _coming_orders(self, x: Floats, last: Floats, now: Floats, days: Floats) -> Floats:
        k, shape = self.k, self.r_ + self.k * x
        phase = coefficients(shape, (now - last) / (self.alpha_ + now), k)
        phase /= phase.sum(axis=0)
        reach = days / (self.alpha_ + now + days)
        coming = ComingTicks(shape, reach, -np.log1p(days / (self.alpha_ + now)), k)
        expected, stays, live = np.zeros(len(x)), np.ones(len(x)), np.arange(len(x))
        for order in range(1, EXACT_ORDERS + 1):
            adds = stays * (phase * coming.chance).sum(axis=0)
            expected[live] += adds
            stays = stays * (self.b_ + x[live] + order) / (self.a_ + self.b_ + x[live] + order)
            on = adds > NEGLIGIBLE
            live, stays, phase, coming = live[on], stays[on], phase[:, on], coming.after(on)
            if not len(live):
                return expected
        order = EXACT_ORDERS + 1
        while len(live) and order < MOST_ORDERS:
            step = 2 * order // EXACT_ORDERS
            middle = order + (step - 1) / 2
            left_over = np.exp(betaln(self.a_, self.b_ + x[live] + middle) - betaln(self.a_, self.b_ + x[live] + 1))
            chances = [betainc(k * middle - j, shape[live] + j, reach[live]) for j in range(k)]
            adds = left_over * (phase * np.array(chances)).sum(axis=0)
            expected[live] += step * adds
            on = step * adds > NEGLIGIBLE
            live, phase, order = live[on], phase[:, on], order + step
        return expected


class ComingTicks:
    """(k, n) `chance` of the ticks that the next order still needs, by how many came since the last one.

    With j ticks behind the customer, the rate is gamma(shape + j, .), so the number of coming ticks is negative
    binomial; `after` goes on to the order after the next, by subtracting the chances of the k counts between.
    """

    def __init__(self, shape: Floats, reach: Floats, log_rest: Floats, k: int) -> None:
        self.k, self.log_reach = k, np.log(reach)
        self.size = np.array([shape + j for j in range(k)])
        self.count = np.array([np.full(len(shape), float(k - j)) for j in range(k)])
        self.chance = betainc(self.count, self.size, reach)
        self.log_exactly = (
            self.count * self.log_reach + self.size * log_rest - np.log(self.count) - betaln(self.count, self.size)
        )

    def after(self, rows: NDArray[np.bool_]) -> Self:
        """The same of the order after, for some of the rows."""
        self.log_reach = self.log_reach[rows]
        for name in ("size", "count", "chance", "log_exactly"):
            setattr(self, name, getattr(self, name)[:, rows])
        for _ in range(self.k):
            self.chance = np.maximum(self.chance - np.exp(self.log_exactly), 0.0)
            self.log_exactly = self.log_exactly + self.log_reach + np.log((self.count + self.size) / (self.count + 1))
            self.count = self.count + 1
        return self


def buying_from_dict(saved: Mapping[str, Any]) -> BgNbd:
    """The fitted model whose `to_dict` this is."""
    return RegularBuying.from_dict(saved) if "k" in saved else BgNbd.from_dict(saved)
