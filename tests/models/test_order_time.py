"""The model of when orders come."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from tests.models.promises import OrderTimePromises
from tests.models.shops import HISTORY_DAYS, Training, made_shop

from regulars.features.shop import DAY
from regulars.features.table import FeatureTable
from regulars.models.curves import LAST_DAY
from regulars.models.hazard_rows import ADDED, EDGES, SEASONAL, HazardRows, bgnbd_hazards, unfold
from regulars.models.order_time import OrderTimeModel, tree_weight
from regulars.models.shop_level import ShopLevel


class TestOrderTimeModelKeepsItsPromises(OrderTimePromises):
    def make(self, seed: int = 0, threads: int = 1) -> OrderTimeModel:
        return OrderTimeModel(rounds=8, least_rows=20, seed=seed, threads=threads)


class TestWithoutTheSeasonItKeepsThem(OrderTimePromises):
    def make(self, seed: int = 0, threads: int = 1) -> OrderTimeModel:
        return OrderTimeModel(rounds=8, least_rows=20, seasonal=False, seed=seed, threads=threads)


@pytest.fixture(scope="module")
def shop() -> Training:
    return made_shop(300)


@pytest.fixture(scope="module")
def fitted(shop: Training) -> OrderTimeModel:
    return OrderTimeModel(rounds=30, least_rows=20).fit(shop.table, shop.orders)


def with_calendar(table: FeatureTable) -> FeatureTable:
    """The table with the day of the year in front, set so that it gives away who is who."""
    names, values = ("day_of_year", *table.names), np.column_stack([table.customer, table.values])
    return dataclasses.replace(table, names=names, values=values)


def test_the_calendar_of_the_table_is_not_looked_at(shop: Training, fitted: OrderTimeModel) -> None:
    table = with_calendar(shop.table)
    again = OrderTimeModel(rounds=30, least_rows=20).fit(table, shop.orders)
    np.testing.assert_array_equal(
        again.predict_curves(table).expected_orders(90), fitted.predict_curves(shop.table).expected_orders(90)
    )
    assert again.reasons(table.take(np.arange(9)), 90) == fitted.reasons(shop.table.take(np.arange(9)), 90)
    assert again.importance() == fitted.importance()


def rows(came: int, count: int) -> HazardRows:
    nothing = np.zeros(count, np.intp)
    return HazardRows(nothing, nothing, np.arange(count) < came)


@pytest.mark.parametrize(
    ("came", "count", "years", "expected"),
    [
        (300, 1000, 2.0, 0.5),
        (300, 1000, 5.0, 0.5),
        (300, 1000, 1.0, 0.25),
        (2700, 9000, 3.0, 0.9),
        (0, 1000, 2.0, 0.0),
        (50, 50, 2.0, 0.0),
    ],
)
def test_trees_are_believed_as_far_as_there_are_orders_and_years(
    came: int, count: int, years: float, expected: float
) -> None:
    assert tree_weight(rows(came, count), years) == pytest.approx(expected)


@pytest.mark.parametrize(("history", "expected"), [(200, 0.0), (365, 0.0), (547.5, 0.5), (730, 1.0), (1500, 1.0)])
def test_the_season_is_believed_as_far_as_there_is_a_second_year(
    history: float, expected: float, shop: Training
) -> None:
    context = dataclasses.replace(shop.table.context, first_day=int(shop.table.context.as_of // DAY - history))
    table = dataclasses.replace(shop.table, context=context)

    model = OrderTimeModel(rounds=2).fit(table, shop.orders)

    assert model.season_weight_ == pytest.approx(expected, abs=0.002)
    assert (model.flat_ is None) == (expected == 1)
    assert (model.season_ is None) == (expected == 0)
    assert OrderTimeModel(rounds=2, seasonal=False).fit(table, shop.orders).season_ is None


def test_where_nothing_can_be_told_apart_it_is_bgnbd() -> None:
    nobody = made_shop(60, reorders="nobody")
    model = OrderTimeModel().fit(nobody.table, nobody.orders)

    # The table's series of orders is of another shop, and says nothing here.
    model.level_ = ShopLevel.unchanged()
    survival = model.predict_curves(nobody.table).survival

    assert model.tree_weight_ == 0
    hazards = bgnbd_hazards(model.bgnbd_, nobody.table)
    np.testing.assert_allclose(survival[:, 1:], np.cumprod(1 - hazards, axis=1))
    assert model.importance() == dict.fromkeys((*model.names_, *ADDED, *SEASONAL), 0.0)


@pytest.mark.parametrize("horizon", [0.0, 1, 7, 40, 90, 91, 365, LAST_DAY])
def test_churn_at_one_horizon_is_that_of_the_whole_curve(
    shop: Training, fitted: OrderTimeModel, horizon: float
) -> None:
    churn = fitted.predict_proba(shop.table, horizon)[:, 1]

    np.testing.assert_array_equal(churn, fitted.predict_curves(shop.table).churn(horizon))


def test_it_meets_the_level_and_ranks_better_than_chance(shop: Training, fitted: OrderTimeModel) -> None:
    test = made_shop(300, seed=5)
    whole = test.take((test.table.column("orders_total") > 0) & (test.orders.observed_days >= 90))
    churned = ~(whole.orders.days_to_next < 90)

    churn = fitted.predict_proba(whole.table, 90)[:, 1]

    assert churn.mean() == pytest.approx(churned.mean(), abs=0.1)
    ranks = np.argsort(np.argsort(churn))
    lost, kept = churned.sum(), (~churned).sum()
    area = (ranks[churned].sum() - lost * (lost - 1) / 2) / (lost * kept)
    assert area > 0.8


@pytest.mark.parametrize(("history", "share"), [(365, 1.0), (547.5, 0.5), (730, 0.0)])
def test_the_level_leans_on_bgnbd_as_far_as_the_season_is_unknown(history: float, share: float, shop: Training) -> None:
    context = dataclasses.replace(shop.table.context, first_day=int(shop.table.context.as_of // DAY - history))
    table = dataclasses.replace(shop.table, context=context)
    model = OrderTimeModel(rounds=10, least_rows=20).fit(table, shop.orders)
    model.level_ = ShopLevel.unchanged()
    newest = table.take((table.moment == table.moment.max()) & (table.column("orders_total") > 0))

    level = model.predict_curves(newest).churn(90).mean()

    shift, model.level_shift_ = model.level_shift_, 0.0
    alone = model.predict_curves(newest).churn(90).mean()
    by_bgnbd = np.prod(1 - bgnbd_hazards(model.bgnbd_, newest)[:, EDGES[1:] <= 90], axis=1).mean()
    assert abs(by_bgnbd - alone) > 1e-3, "there is something to lean on"
    assert (shift == 0) == (share == 0)
    assert level == pytest.approx(alone + share * (by_bgnbd - alone), abs=0.2 * abs(by_bgnbd - alone))


def test_pace_is_that_of_the_customers(shop: Training, fitted: OrderTimeModel) -> None:
    came = shop.orders.further_days > 0
    pace = fitted.predict_curves(shop.table.take(came)).pace

    assert fitted.pace_ is not None
    # Where many orders followed, the pace is quicker.
    rate = shop.orders.further_orders[came] / shop.orders.further_days[came]
    quick = (rate > np.median(rate)) & (shop.orders.further_days[came] > 60)
    slow = (rate < np.median(rate)) & (shop.orders.further_days[came] > 60)
    assert pace[quick].mean() > 1.2 * pace[slow].mean()


def test_importance_is_shares_largest_first(fitted: OrderTimeModel) -> None:
    shares = list(fitted.importance().values())

    assert sum(shares) == pytest.approx(1)
    assert shares == sorted(shares, reverse=True)


def test_a_seed_changes_the_trees(shop: Training, fitted: OrderTimeModel) -> None:
    other = OrderTimeModel(rounds=30, least_rows=20, seed=1).fit(shop.table, shop.orders)

    assert not np.array_equal(other.predict_curves(shop.table).survival, fitted.predict_curves(shop.table).survival)


def test_without_any_order_it_refuses(shop: Training) -> None:
    waiting = shop.take(shop.table.column("orders_total") == 0)

    with pytest.raises(ValueError, match="no customer with an order before any training moment"):
        OrderTimeModel().fit(waiting.table, waiting.orders)


def test_the_freshest_moments_teach_too(shop: Training) -> None:
    assert HISTORY_DAYS > 90
    fresh = shop.take(shop.orders.observed_days == 30)

    assert len(unfold(fresh.orders).row) > 0


def test_columns_in_another_order_are_refused(shop: Training, fitted: OrderTimeModel) -> None:
    turned = dataclasses.replace(shop.table, names=shop.table.names[::-1], values=shop.table.values[:, ::-1])

    with pytest.raises(ValueError, match="columns in another order"):
        fitted.predict_curves(turned)
