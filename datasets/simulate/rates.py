"""The rates of buying and leaving of one customer on one day, compiled.

These are the only places where they are written. The simulation (`process`) and the true probabilities (`outlook`) both
step through them, so the truth cannot differ from the process that made the data.
"""

from __future__ import annotations

from math import exp
from typing import NamedTuple

from regulars.datasets.simulate.arrays import compiled

MAX_GRUDGE = 3.0
MIN_GRUDGE = -1.0
_FORGOTTEN = 60  # mean waits after which nobody wants an accessory: e^-60 is lost beside any number that it meets


class Rules(NamedTuple):
    """Numbers of the model; the names are those of the parameters."""

    lost_interest_days: float
    conversion_days: float
    support_effect: float
    grudge_fades: float  # factor a day
    campaign_leave_weight: float
    campaign_days: int
    birthday_lift: float
    accessory_later: float
    accessory_days: float
    announce_share: float
    horizon_days: int
    contract: bool


class Person(NamedTuple):
    """Traits of one customer; see `traits`."""

    rate: float
    shape: int
    season_sensitivity: float
    leave_hazard: float
    campaign_effect: float
    birthday: int


class Today(NamedTuple):
    """The calendar of one day; see `calendar`."""

    day_of_year: int
    weekly: float
    yearly: float


@compiled
def leaving_hazard(rules: Rules, person: Person, orders: int, grudge: float, contact: bool) -> float:
    """Hazard of leaving on the day, added up over its 24 hours; a probability is 1 - exp(-hazard)."""
    loose = orders == 0 and not rules.contract
    base = 1 / rules.lost_interest_days if loose else person.leave_hazard
    effect = rules.support_effect * min(max(grudge, MIN_GRUDGE), MAX_GRUDGE)
    if contact:
        effect -= rules.campaign_leave_weight * person.campaign_effect
    return base if effect == 0 else base * exp(effect)


@compiled
def buying_stages(rules: Rules, person: Person, today: Today, orders: int, contact: bool) -> float:
    """By how much the clock of the Erlang gap moves on this day."""
    base = 1 / rules.conversion_days if orders == 0 else person.rate * person.shape
    effect = person.season_sensitivity * today.yearly
    if contact:
        effect += person.campaign_effect
    to_birthday = person.birthday - today.day_of_year
    if to_birthday < 0:
        to_birthday += 365
    if 0 <= to_birthday < 7:
        base *= 1 + rules.birthday_lift
    return base * today.weekly * exp(effect)


@compiled
def gap_goes_on(shape: int, orders: int, clock: float, stages: float, decay: float) -> float:
    """Probability that the gap does not end while the clock moves by `stages`, given that it has not ended yet.

    The ratio of two Erlang survival functions, exp(-a) (1 + a [k >= 2] + a^2 / 2 [k >= 3]). `decay` is exp(-stages).
    """
    if shape == 1 or orders == 0:
        return decay
    after = clock + stages
    if shape == 2:
        return decay * (1 + after) / (1 + clock)
    return decay * (1 + after + 0.5 * after**2) / (1 + clock + 0.5 * clock**2)


@compiled
def accessory_wanted(rules: Rules, gadget_day: int, day: int) -> float:
    """Probability that the accessory of the last gadget is still wanted at the start of the day."""
    waited = day - 1 - gadget_day
    if waited > _FORGOTTEN * rules.accessory_days:
        return 0.0
    still = rules.accessory_later * exp(-waited / rules.accessory_days)
    return still / (1 - rules.accessory_later + still)


@compiled
def accessory_order_probability(rules: Rules, gadget_day: int, day: int) -> float:
    """Probability of an order for the accessory alone on the day."""
    wanted = accessory_wanted(rules, gadget_day, day)
    return wanted * (1 - exp(-1 / rules.accessory_days)) if wanted > 0 else 0.0
