"""How far ahead a history allows to judge."""

from __future__ import annotations

import pytest

from regulars.features.horizons import judged_horizon, judged_settings
from regulars.features.settings import Settings
from regulars.features.shop import days


@pytest.mark.parametrize(
    ("span", "horizon", "judged"),
    [
        (210, 90, 90),  # two windows, and a snapshot before them
        (209, 90, 60),  # a third of the history, in whole snapshots
        (273, 273, 90),
        (90, 90, 30),
        (89, 90, None),
        (50, 10, 10),
        (49, 10, None),
        (3_000, 730, 730),
    ],
)
def test_windows_that_fit(span: int, horizon: int, judged: int | None) -> None:
    settings = Settings.model_validate({"churn": {"horizon_days": horizon}})
    first = days(1_000)

    assert judged_horizon(first, first + days(span), settings) == judged
    found = judged_settings(first, first + days(span), settings)
    assert found.churn.horizon_days == (judged or horizon)
    assert (found is settings) == (judged in (None, horizon))


def test_a_window_of_products_that_was_asked_for_stays() -> None:
    settings = Settings.model_validate({"churn": {"horizon_days": 273}, "next_product": {"horizon_days": 30}})

    assert judged_settings(0, days(273), settings).product_horizon_days == 30
    assert (
        judged_settings(0, days(273), Settings.model_validate({"churn": {"horizon_days": 273}})).product_horizon_days
        == 90
    )
