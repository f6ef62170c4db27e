"""Who the customers are: the latent traits that never show in the shop's tables, drawn once per customer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from regulars.datasets.simulate.arrays import NEVER, Bools, Floats, Ints
from regulars.datasets.simulate.calendar import Calendar
from regulars.datasets.simulate.catalogue import CATEGORIES
from regulars.datasets.simulate.parameters import ShopParameters

SEGMENTS = ("private", "business")
_SEGMENT_EFFECT = np.array([0.10, -0.50])  # of campaigns, added to the mean
_SHAPE_EFFECT = np.array([0.15, 0.0, -0.45])  # of campaigns, by regularity: who buys like a clock is best left alone
_CATEGORY_WEIGHTS = np.array([0.10, 0.22, 0.12, 0.12, 0.10, 0.14, 0.13, 0.07])
N_FAVOURITES = 4


@dataclass(frozen=True)
class Traits:
    """Columns of length customers, in the order of sign-up."""

    sign_up_day: Ints
    prospect: Bools  # signs up without ordering
    referred: Bools
    segment: Ints  # position in SEGMENTS
    rate: Floats  # orders per day of the mean season
    shape: Ints  # Erlang shape of the gaps
    season_sensitivity: Floats
    leave_hazard: Floats  # per day, when nothing has happened
    dropout: Floats  # probability of never coming back, after each order
    announces: Bools  # would say so when leaving between orders
    campaign_effect: Floats
    problem_proneness: Floats
    return_proneness: Floats
    advocacy: Floats  # weight among possible referrers; independent of buying
    taste: Floats  # (customers, categories), rows add up to one
    birthday: Ints  # day of the year, 0 to 364
    consents: Bools  # at sign-up
    consent_until: Ints  # day of withdrawal

    def __len__(self) -> int:
        return len(self.rate)


def draw_traits(parameters: ShopParameters, calendar: Calendar, rng: Generator) -> Traits:
    """Everyone who will sign up before the end of the history."""
    n = parameters.customers
    sign_up = _sign_up_days(parameters, calendar, rng)
    referred = (rng.random(n) < parameters.referred_share) & (sign_up >= parameters.launch_days)
    segment = (rng.random(n) < 0.12).astype(np.int64)
    shape = rng.choice(3, n, p=np.array(parameters.regularity)) + 1
    effect = (
        parameters.campaign_effect
        + _SEGMENT_EFFECT[segment]
        + _SHAPE_EFFECT[shape - 1]
        + rng.normal(0, parameters.campaign_effect_sd, n)
    )
    weight = parameters.dropout_weight
    return Traits(
        sign_up_day=sign_up,
        prospect=rng.random(n) < parameters.prospect_share,
        referred=referred,
        segment=segment,
        rate=_gamma(parameters.rate_shape, n, rng) / parameters.gap_days * np.where(segment == 1, 1.3, 1.0),
        shape=shape,
        season_sensitivity=rng.normal(parameters.season_mean, parameters.season_sd, n),
        leave_hazard=_gamma(parameters.leave_shape, n, rng)
        / parameters.lifetime_days
        * np.where(referred, parameters.referred_stay, 1.0),
        dropout=rng.beta(weight * max(parameters.dropout_mean, 1e-9), weight * (1 - parameters.dropout_mean), n)
        * (not parameters.contract),
        announces=(rng.random(n) < parameters.announce_share) | parameters.contract,
        campaign_effect=effect,
        problem_proneness=_gamma(parameters.problem_shape, n, rng),
        return_proneness=_gamma(1.0, n, rng),
        advocacy=np.exp(rng.normal(0, 1.2, n)),
        taste=rng.dirichlet(6 * _CATEGORY_WEIGHTS / _CATEGORY_WEIGHTS.mean() / len(CATEGORIES), n),
        birthday=rng.integers(0, 365, n),
        consents=rng.random(n) < parameters.consent_share,
        consent_until=np.minimum(sign_up + rng.exponential(parameters.consent_lifetime_days, n), NEVER).astype(
            np.int64
        ),
    )


def _gamma(shape: float, size: int, rng: Generator) -> Floats:
    """Gamma with mean one."""
    return rng.gamma(shape, 1 / shape, size)


def _sign_up_days(parameters: ShopParameters, calendar: Calendar, rng: Generator) -> Ints:
    """A launch, then growth and season; ids are given in this order."""
    days = np.arange(parameters.history_days)
    steady = (1 + parameters.growth_per_year) ** (days / 365.25) * np.exp(0.25 * calendar.yearly[: len(days)])
    launch = (days < parameters.launch_days) * 1.0
    share = parameters.launch_share
    chance = (1 - share) * steady / steady.sum() + share * launch / max(launch.sum(), 1.0)
    return np.sort(rng.choice(days, parameters.customers, p=chance / chance.sum()))
