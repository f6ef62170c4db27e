from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from regulars.models.baselines import (
    BgNbdBaseline,
    ChurnFactorBaseline,
    GammaGammaBaseline,
    RecencyBaseline,
    RepeatOfLastYearBaseline,
)
from regulars.models.bgnbd import BgNbd
from regulars.models.gamma_gamma import GammaGamma

CHURN = [RecencyBaseline, ChurnFactorBaseline, BgNbdBaseline]
VALUE = [RepeatOfLastYearBaseline, GammaGammaBaseline]


@pytest.fixture
def features() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "days_since_last_order": [5.0, 400.0, 60.0, 90.0, 30.0, 200.0],
            "orders_total": [10, 1, 3, 1, 6, 2],
            "tenure_days": [305.0, 400.0, 160.0, 90.0, 230.0, 500.0],
            "usual_gap_days": [30.0, np.nan, 50.0, np.nan, 40.0, 300.0],
            "margin_total": [500.0, 20.0, 90.0, 35.0, -60.0, 44.0],
            "margin_365d": [500.0, 0.0, 90.0, 35.0, -60.0, 22.0],
        },
        index=[3, 1, 4, 15, 9, 2],
    )


CHURNED = [0, 1, 0, 1, 0, 1]


def test_recency_rises_with_days_since_the_last_order(features: pd.DataFrame) -> None:
    churn = RecencyBaseline().fit(features, CHURNED).predict_proba(features)[:, 1]

    assert list(np.argsort(churn)) == [0, 4, 2, 3, 5, 1]
    # Calibrated: the mean probability is the share that churned.
    assert churn.mean() == pytest.approx(0.5, abs=1e-3)


def test_churn_factor_is_days_since_the_last_order_over_the_usual_gap(features: pd.DataFrame) -> None:
    fitted = ChurnFactorBaseline().fit(features, CHURNED)

    # Without a gap of their own, the median of 30, 50, 40 and 300 stands in.
    assert fitted.shop_gap_ == 45.0
    np.testing.assert_allclose(fitted.score_of(features), [5 / 30, 400 / 45, 60 / 50, 90 / 45, 30 / 40, 200 / 300])


def test_churn_factor_where_nobody_has_a_gap_and_where_a_gap_is_minutes(features: pd.DataFrame) -> None:
    new = features.assign(usual_gap_days=np.nan)

    np.testing.assert_allclose(ChurnFactorBaseline().fit(new, CHURNED).score_of(new)[:2], [5 / 305, 1.0])
    hasty = features.assign(usual_gap_days=0.001)
    np.testing.assert_allclose(ChurnFactorBaseline().fit(hasty, CHURNED).score_of(hasty)[:2], [5, 400])


@pytest.mark.parametrize("baseline", [RecencyBaseline, ChurnFactorBaseline])
def test_the_line_never_falls(baseline: Any, features: pd.DataFrame) -> None:
    upside_down = baseline().fit(features, [1, 0, 1, 0, 1, 1]).predict_proba(features)[:, 1]

    np.testing.assert_allclose(upside_down, 4 / 6, atol=1e-3)


@pytest.mark.parametrize("outcome", [0, 1])
@pytest.mark.parametrize("baseline", CHURN)
def test_one_outcome_only_is_no_obstacle(baseline: Any, outcome: int, features: pd.DataFrame) -> None:
    churn = baseline().fit(features, [outcome] * 6).predict_proba(features)

    assert ((churn > 0) & (churn < 1)).all()


def test_bgnbd_baseline_is_the_models_probability(features: pd.DataFrame) -> None:
    fitted = BgNbdBaseline(horizon_days=60).fit(features, CHURNED)

    histories = ([9, 0, 2, 0, 5, 1], [300, 0, 100, 0, 200, 300], [305, 400, 160, 90, 230, 500])
    expected = BgNbd().fit(*histories).probability_of_no_order(*histories, horizon=60)
    np.testing.assert_allclose(fitted.predict_proba(features)[:, 1], expected)


def test_repeat_of_last_year(features: pd.DataFrame) -> None:
    value = RepeatOfLastYearBaseline(horizon_days=73).fit(features, np.zeros(6)).predict(features)

    np.testing.assert_allclose(value, [100.0, 0.0, 18.0, 7.0, -12.0, 4.4])


def test_gamma_gamma_baseline_is_orders_times_margin(features: pd.DataFrame) -> None:
    fitted = GammaGammaBaseline(horizon_days=60).fit(features, np.zeros(6))

    histories = ([9, 0, 2, 0, 5, 1], [300, 0, 100, 0, 200, 300], [305, 400, 160, 90, 230, 500])
    margins = ([10, 1, 3, 1, 6, 2], [50.0, 20.0, 30.0, 35.0, -10.0, 22.0])
    orders = BgNbd().fit(*histories).expected_orders(*histories, horizon=60)
    np.testing.assert_allclose(fitted.predict(features), orders * GammaGamma().fit(*margins).expected_value(*margins))
    assert fitted.predict(features)[4] < 0


@pytest.mark.parametrize("baseline", CHURN)
def test_promises_of_a_churn_baseline(baseline: Any, features: pd.DataFrame) -> None:
    before = features.copy()
    fitted = baseline().fit(features, CHURNED)
    both = fitted.predict_proba(features)

    np.testing.assert_allclose(both.sum(axis=1), 1)
    np.testing.assert_array_equal(fitted.predict(features), both[:, 1] >= 0.5)
    np.testing.assert_array_equal(fitted.predict_proba(features.iloc[[3]]), both[[3]])
    shuffle = [5, 2, 0, 1, 4, 3]
    again = clone(fitted).fit(features.iloc[shuffle], np.array(CHURNED)[shuffle])
    np.testing.assert_array_equal(again.predict_proba(features), both)
    loaded = baseline.from_dict(json.loads(json.dumps(fitted.to_dict())))
    np.testing.assert_array_equal(loaded.predict_proba(features), both)
    pd.testing.assert_frame_equal(features, before)


@pytest.mark.parametrize("baseline", VALUE)
def test_promises_of_a_value_baseline(baseline: Any, features: pd.DataFrame) -> None:
    before = features.copy()
    fitted = baseline(horizon_days=30.0).fit(features, np.zeros(6))
    value = fitted.predict(features)

    np.testing.assert_array_equal(fitted.predict(features.iloc[[3]]), value[[3]])
    loaded = baseline.from_dict(json.loads(json.dumps(fitted.to_dict())))
    np.testing.assert_array_equal(loaded.predict(features), value)
    assert clone(fitted).get_params() == fitted.get_params()
    pd.testing.assert_frame_equal(features, before)


def test_weights_count_like_copies(features: pd.DataFrame) -> None:
    twice = pd.concat([features, features.iloc[:2]])

    weighted = RecencyBaseline().fit(features, CHURNED, sample_weight=[2, 2, 1, 1, 1, 1])

    copied = RecencyBaseline().fit(twice, [*CHURNED, *CHURNED[:2]])
    np.testing.assert_allclose(weighted.predict_proba(features), copied.predict_proba(features), rtol=1e-6)


def test_errors_name_column_and_row(features: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="no column 'days_since_last_order'"):
        RecencyBaseline().fit(features.drop(columns="days_since_last_order"), CHURNED)
    with pytest.raises(ValueError, match="days_since_last_order is missing in row 1"):
        RecencyBaseline().fit(features.assign(days_since_last_order=[1, np.nan, 1, 1, 1, 1]), CHURNED)
    with pytest.raises(ValueError, match="orders_total in row 2 is 0; expected a customer with at least one order"):
        BgNbdBaseline().fit(features.assign(orders_total=[1, 1, 0, 1, 1, 1]), CHURNED)
    with pytest.raises(ValueError, match="churned must be 6 values of 0 or 1"):
        RecencyBaseline().fit(features, [0, 1, 2, 0, 1, 0])
