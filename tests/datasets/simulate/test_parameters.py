from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from regulars.datasets.simulate import ShopParameters


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"customers": 0}, "customers is 0"),
        ({"guest_share": 1.2}, "guest_share is 1.2; expected a share"),
        ({"support_effect": -1.0}, "support_effect is -1.0; expected a number that is not negative"),
        ({"gap_days": 0.0}, "gap_days is 0"),
        ({"accessory_later": 1.0}, "accessory_later is 1.0; expected a probability below 1"),
        ({"history_days": 100}, "at least two horizons"),
        ({"regularity": (0.5, 0.1, 0.1)}, "regularity adds up to"),
    ],
)
def test_refuses_what_makes_no_shop(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ShopParameters(**wrong)


def test_moments_are_counted_back_from_the_end() -> None:
    parameters = ShopParameters(history_days=400, moment_every_days=100)
    assert parameters.moments == (200, 300, 400)
    assert parameters.start == dt.date(2024, 5, 26)
    assert parameters.as_dict()["end"] == "2025-06-30"
