"""The named value baselines as value models."""

from __future__ import annotations

import numpy as np
import pytest
from tests.models.promises import ValuePromises
from tests.models.shops import Training, made_shop

from regulars.features.shop import DAY
from regulars.models.value_baselines import BaselineValue


class TestGammaGammaKeepsItsPromises(ValuePromises):
    exact_columns = False

    def make(self, seed: int = 0, threads: int = 1) -> BaselineValue:
        return BaselineValue("gamma_gamma", 30)


class TestLastYearKeepsItsPromises(ValuePromises):
    exact_columns = False
    reads = "margin_365d"

    def make(self, seed: int = 0, threads: int = 1) -> BaselineValue:
        return BaselineValue("last_year", 60)


@pytest.fixture(scope="module")
def shop() -> Training:
    return made_shop(200)


def test_last_year_is_scaled_to_the_horizon(shop: Training) -> None:
    found = BaselineValue("last_year", 90).fit(shop.table, shop.curves, shop.value)

    expected = found.predict(shop.table, shop.curves, 73).expected

    # Where the shop is no year old, last year is as long as its history.
    age = shop.table.moment / DAY - shop.table.context.first_day
    assert (age < 365).any()
    assert (age > 365).any()
    np.testing.assert_allclose(expected, shop.table.column("margin_365d") * 73 / np.minimum(age, 365))


def test_the_interval_is_what_came_over_what_was_expected(shop: Training) -> None:
    model = BaselineValue("last_year", 90).fit(shop.table, shop.curves, shop.value)
    watched = shop.take(shop.value.watched & (shop.table.column("margin_365d") > 1))

    found = model.predict(watched.table, watched.curves, 90)

    inside = (found.low <= watched.value.margin) & (watched.value.margin <= found.high)
    assert inside.mean() >= 0.75
