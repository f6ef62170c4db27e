"""One shop of the default parameters, simulated once for all tests, and worlds that have not begun."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from regulars.datasets.simulate import ShopParameters, SimulatedShop, simulate_shop
from regulars.datasets.simulate.calendar import make_calendar
from regulars.datasets.simulate.campaigns import plan_campaigns
from regulars.datasets.simulate.state import World
from regulars.datasets.simulate.traits import draw_traits


@pytest.fixture(scope="session")
def shop() -> SimulatedShop:
    return simulate_shop(ShopParameters(customers=4_000), seed=11)


def _world(parameters: ShopParameters) -> World:
    rng = np.random.default_rng(2)
    calendar = make_calendar(parameters)
    traits = draw_traits(parameters, calendar, rng)
    return World(parameters, calendar, traits, plan_campaigns(parameters, rng))


@pytest.fixture(scope="session")
def make_world() -> Callable[[ShopParameters], World]:
    return _world
