"""What customers are worth in the horizon."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from tests.models.promises import ValuePromises
from tests.models.shops import Training, made_shop

from regulars.features.shop import DAY
from regulars.models.curves import OrderCurves
from regulars.models.hazard_rows import EDGES
from regulars.models.value import ValueModel


class TestValueModelKeepsItsPromises(ValuePromises):
    def make(self, seed: int = 0, threads: int = 1) -> ValueModel:
        return ValueModel(horizon_days=30, rounds=8, least_rows=20, seed=seed, threads=threads)


class TestWithoutTreesItKeepsThem(ValuePromises):
    def make(self, seed: int = 0, threads: int = 1) -> ValueModel:
        return ValueModel(horizon_days=60, least_rows=10_000, seed=seed, threads=threads)


@pytest.fixture(scope="module")
def shop() -> Training:
    return made_shop(300)


@pytest.mark.parametrize("least_rows", [30, 10_000])
def test_the_interval_holds_the_share_it_says_on_other_customers(least_rows: int, shop: Training) -> None:
    model = ValueModel(rounds=30, least_rows=least_rows).fit(shop.table, shop.curves, shop.value)
    other = made_shop(600, seed=3)
    other = other.take(other.value.watched & (other.table.column("orders_total") > 0))

    found = model.predict(other.table, other.curves, 90)

    inside = (found.low - 1e-9 <= other.value.margin) & (other.value.margin <= found.high + 1e-9)
    # More than 80 % where the end of the interval is 'nothing at all', which happens to many at once.
    assert 0.74 <= inside.mean() <= 0.95


def test_expected_margin_is_orders_times_margin_where_no_margin_was_ever_positive() -> None:
    # Three customers with 2 orders each and a margin of -10 in all: the shop's margin of an order is -5.
    shop = made_shop(30)
    table = dataclasses.replace(shop.table, values=shop.table.values.copy())
    table.values[:, table.names.index("orders_total")] = 2
    for name in ("margin_total", "margin_365d"):
        table.values[:, table.names.index(name)] = -10
    model = ValueModel().fit(table, shop.curves, shop.value)

    found = model.predict(table, shop.curves, 90)

    assert model.shop_margin_ == -5
    # A future order is not expected to lose money: a tenth of the shop's margin of an order stands in.
    ahead = 0.5 * shop.curves.expected_orders(90)
    # Last year's loss counts as nothing, with a fifth of an order added. Where the shop is no year old, last year is as
    # long as its history.
    age = table.moment / DAY - table.context.first_day
    back, share = 0.2 * 0.5 * 90 / np.minimum(age, 365), model.last_year_share_
    np.testing.assert_allclose(found.expected, ahead ** (1 - share) * back**share)


def test_last_years_margin_has_a_say_where_it_foretold_what_came(shop: Training) -> None:
    orders = shop.curves.expected_orders(90)
    plain = ValueModel().fit(shop.table, shop.curves, shop.value)
    ahead = orders * plain._usual(shop.table, plain.prior_orders_)
    table = dataclasses.replace(shop.table, values=shop.table.values.copy())
    age = np.minimum(table.moment / DAY - table.context.first_day, 365)
    table.values[:, table.names.index("margin_365d")] = 9 * ahead / 90 * age  # nine times what lies ahead

    by_curves = ValueModel().fit(table, shop.curves, dataclasses.replace(shop.value, margin=ahead))
    by_both = ValueModel().fit(table, shop.curves, dataclasses.replace(shop.value, margin=3 * ahead))

    assert by_curves.last_year_share_ == 0
    assert by_both.last_year_share_ == 0.3
    names = tuple("m" if name == "margin_365d" else name for name in table.names)
    assert ValueModel().fit(dataclasses.replace(table, names=names), shop.curves, shop.value).last_year_share_ == 0


@pytest.mark.parametrize(("own", "prior"), [(True, 0.5), (False, 16.0)])
def test_how_far_a_customers_own_margin_is_believed_is_learnt(own: bool, prior: float, shop: Training) -> None:
    # One order each so far, worth 1 to 9; the next ones bring what the customer's own did, or what the shop's does.
    table = dataclasses.replace(shop.table, values=shop.table.values.copy())
    worth = 1.0 + table.customer % 9
    for name, values in (("orders_total", np.ones(len(worth))), ("margin_total", worth)):
        table.values[:, table.names.index(name)] = values
    labels = dataclasses.replace(shop.value, margin=shop.value.orders * (worth if own else np.median(worth)))

    model = ValueModel().fit(table, shop.curves, labels)

    assert model.prior_orders_ == prior
    model.last_year_share_ = 0.0
    usual = (worth + prior * model.shop_margin_) / (1 + prior)
    np.testing.assert_allclose(model.predict(table, shop.curves, 90).expected, shop.curves.expected_orders(90) * usual)


def test_twice_the_orders_bring_twice_the_margin(shop: Training) -> None:
    model = ValueModel().fit(shop.table, shop.curves, shop.value)
    rate = np.full(len(shop.table), 0.01)
    curves = OrderCurves(EDGES, np.exp(-rate[:, None] * EDGES), rate)  # a constant hazard at its own pace: 0.01 a day

    half, whole = model.predict(shop.table, curves, 90), model.predict(shop.table, curves, 180)

    np.testing.assert_allclose(whole.expected, 2 * half.expected, rtol=1e-9)


def test_one_wholesaler_does_not_move_the_shops_margin(shop: Training) -> None:
    usual = ValueModel().fit(shop.table, shop.curves, shop.value).shop_margin_
    table = dataclasses.replace(shop.table, values=shop.table.values.copy())
    table.values[table.customer == 0, table.names.index("margin_total")] = 1e7

    assert ValueModel().fit(table, shop.curves, shop.value).shop_margin_ == pytest.approx(usual, rel=0.05)


def test_nobody_watched_is_an_error(shop: Training) -> None:
    unwatched = dataclasses.replace(shop.value, watched=np.zeros(len(shop.table), bool))

    with pytest.raises(ValueError, match="no customer was watched for a whole horizon of 90 days"):
        ValueModel().fit(shop.table, shop.curves, unwatched)


def test_the_calendar_of_the_table_is_not_looked_at(shop: Training) -> None:
    names, values = (*shop.table.names, "day_of_year"), np.column_stack([shop.table.values, shop.value.margin])
    table = dataclasses.replace(shop.table, names=names, values=values)
    one, other = (ValueModel(rounds=8, least_rows=20).fit(x, shop.curves, shop.value) for x in (table, shop.table))
    found = one.predict(table, shop.curves, 90)
    np.testing.assert_array_equal(found.high, other.predict(shop.table, shop.curves, 90).high)
