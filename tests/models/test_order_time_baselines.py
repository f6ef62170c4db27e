"""The churn baselines as curves."""

from __future__ import annotations

import numpy as np
import pytest
from tests.models.promises import OrderTimePromises
from tests.models.shops import Training, made_shop

from regulars.models.bgnbd import BgNbd
from regulars.models.hazard_rows import EDGES, histories
from regulars.models.order_time_baselines import BgNbdOrderTimes, ScoreOrderTimes, UsualGapOrderTimes


class TestRecencyKeepsItsPromises(OrderTimePromises):
    exact_columns = False

    def make(self, seed: int = 0, threads: int = 1) -> ScoreOrderTimes:
        return ScoreOrderTimes("recency")


class TestChurnFactorKeepsItsPromises(OrderTimePromises):
    exact_columns = False

    def make(self, seed: int = 0, threads: int = 1) -> ScoreOrderTimes:
        return ScoreOrderTimes("churn_factor", horizon_days=60)


class TestBgNbdKeepsItsPromises(OrderTimePromises):
    exact_columns = False

    def make(self, seed: int = 0, threads: int = 1) -> BgNbdOrderTimes:
        return BgNbdOrderTimes()


class TestUsualGapKeepsItsPromises(OrderTimePromises):
    exact_columns = False

    def make(self, seed: int = 0, threads: int = 1) -> UsualGapOrderTimes:
        return UsualGapOrderTimes()


@pytest.fixture(scope="module")
def shop() -> Training:
    return made_shop(200)


def test_a_score_is_met_at_its_horizon_and_stretched_by_a_constant_hazard(shop: Training) -> None:
    curves = ScoreOrderTimes("recency", 90).fit(shop.table, shop.orders).predict_curves(shop.table)

    watched = shop.orders.observed_days >= 90
    bought = shop.table.column("orders_total") > 0
    churned = ~(shop.orders.days_to_next < 90)
    # A logistic line with an intercept meets the level it was fitted on.
    assert curves.churn(90)[watched & bought].mean() == pytest.approx(churned[watched & bought].mean(), abs=1e-3)
    np.testing.assert_allclose(curves.churn(180), np.maximum(curves.churn(90), 1e-9) ** 2)


def test_a_score_needs_a_whole_horizon(shop: Training) -> None:
    with pytest.raises(ValueError, match="no customer was watched for a whole horizon of 200 days"):
        ScoreOrderTimes("recency", 200).fit(shop.table, shop.orders)


def test_bgnbd_curve_is_the_exact_probability_and_its_orders_the_models(shop: Training) -> None:
    curves = BgNbdOrderTimes().fit(shop.table, shop.orders).predict_curves(shop.table)

    newest = (shop.table.moment == shop.table.moment.max()) & (shop.table.column("orders_total") > 0)
    model = BgNbd().fit(*histories(shop.table.take(newest)))
    told = histories(shop.table)
    for day in EDGES[1:]:
        np.testing.assert_allclose(curves.churn(float(day)), model.probability_of_no_order(*told, horizon=day))
    np.testing.assert_allclose(
        curves.expected_orders(180), model.expected_orders(*told, horizon=180), rtol=1e-6, atol=1e-9
    )


def test_the_usual_gap_names_the_day_one_gap_after_the_last_order(shop: Training) -> None:
    model = UsualGapOrderTimes().fit(shop.table, shop.orders)
    gaps, since = shop.table.column("usual_gap_days"), shop.table.column("days_since_last_order")

    median = model.predict_curves(shop.table).quantile_days(0.5)

    # Who is overdue is expected at once, who has a single order after the shop's median gap.
    gap = np.where(np.isnan(gaps), np.nanmedian(gaps), gaps)
    expected = np.maximum(gap - np.nan_to_num(since), 1.0)
    np.testing.assert_allclose(median, np.where(expected <= 730, expected, np.nan))
