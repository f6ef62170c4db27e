"""Past campaigns: who is drawn and who is held out is decided by lot in advance, who qualifies on the day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from regulars.datasets.simulate.arrays import Bools, Ints
from regulars.datasets.simulate.parameters import ShopParameters


class Play(NamedTuple):
    """Who qualifies: customers whose last order is at least `low` and less than `high` days ago."""

    name: str
    low: int
    high: int


PLAYS = (Play("next_product", 0, 90), Play("retain", 40, 160), Play("win_back", 150, 420))


def play_of(campaign: int) -> Play:
    """The campaigns take turns."""
    return PLAYS[campaign % len(PLAYS)]


@dataclass(frozen=True)
class CampaignPlan:
    """One campaign at the start of each of `days`; the lots are (campaigns, customers)."""

    days: Ints
    drawn: Bools
    held_out: Bools

    def on(self, day: int) -> int:
        """The campaign of the day, or -1."""
        at = int(np.searchsorted(self.days, day))
        return at if at < len(self.days) and self.days[at] == day else -1


def campaign_days(parameters: ShopParameters) -> Ints:
    """Days on which a campaign goes out: every `campaign_every_days` from the third month on; none where that is 0."""
    every = parameters.campaign_every_days
    return np.arange(75, parameters.days, every) if every else np.empty(0, dtype=np.int64)


def plan_campaigns(parameters: ShopParameters, rng: Generator) -> CampaignPlan:
    """The lots of the parameters' customers on the days of the campaigns."""
    days = campaign_days(parameters)
    size = (len(days), parameters.customers)
    return CampaignPlan(
        days=days,
        drawn=rng.random(size, dtype=np.float32) < parameters.campaign_share,
        held_out=rng.random(size, dtype=np.float32) < parameters.hold_out_share,
    )
