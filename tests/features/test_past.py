from __future__ import annotations

import numpy as np
from tests.features.strategies import NOW, Line, Sent, Word, Work, rows, shop_of

from regulars.features.asof import Moments
from regulars.features.logs import Logs
from regulars.features.past import Past
from regulars.features.settings import Settings
from regulars.features.shop import DAY

SETTINGS = Settings.model_validate({"money": {"cost_per_support_minute": 0.5, "referral_share": 0.25}})


def day(number: int) -> int:
    return NOW + number * DAY


GIVEN = rows(
    [
        Line(0, 1, day(-40), day(-40), 0, 1_000, 100_000, 60_000),
        Line(0, 2, day(-5), day(-5), 0, 1_000, 300_000, 200_000),
        Line(0, 2, day(-4), day(-4), 1, 1_000, 50_000, 10_000),
        Line(1, 3, day(-3), day(-3), 0, 1_000, 100_000, 80_000),
    ],
    [Work(0, "worked", day(-30), day(-30), minutes=12_000), Work(0, "worked", day(-2), day(-2), minutes=8_000)],
    [Sent(0, day(-20), day(-20)), Sent(0, day(-5), day(-5)), Sent(0, day(-1), day(-1))],
    [Word(0, "referral", day(-10), day(-10), new_customer=1)],
)
PAST = Past(Logs(shop_of(GIVEN), SETTINGS), Moments(np.array([0, 1, 2], np.int32), np.full(3, NOW)))


def test_profit_is_margin_less_cost_to_serve_plus_a_share_of_the_referred() -> None:
    assert PAST.cost_to_serve().tolist() == [10, 0, 0]
    assert PAST.referred_margin().tolist() == [2, 0, 0]
    assert PAST.profit().tolist() == [27 - 10 + 2, 8, 0]
    assert PAST.profit(30 * DAY).tolist() == [21 - 10 + 2, 8, 0]  # the work of 30 days ago is in [t - 30 days, t)


def test_the_last_order_is_all_its_lines() -> None:
    assert PAST.last_order.sum("sold").tolist() == [350_000, 100_000, 0]
