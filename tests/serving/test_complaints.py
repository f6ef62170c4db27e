from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from regulars.features.shop import Shop, as_time
from regulars.serving.complaints import complaints

NAMES = "customer_id occurred_at event ticket_id is_complaint satisfaction agent"
NOW = as_time("2024-03-01")


def told(make_shop: Callable[..., Shop], rows: Sequence[tuple[Any, ...]]) -> tuple[Any, str]:
    shop = make_shop([("a", "2024-01-01", "p", 10.0)], support=(NAMES, rows))
    found = complaints(shop, NOW)
    return found.age[0], str(found.agent[0])


OPENED = ("a", "2024-02-20", "opened", "t", "true", None, "Ann")
CLOSED = ("a", "2024-02-25", "closed", "t", None, None, "Bob")
REOPENED = ("a", "2024-02-26", "reopened", "t", None, None, None)
BAD, GOOD = (
    ("a", day, "rated", "t", None, rating, "Ann") for day, rating in (("2024-02-20", "2"), ("2024-02-21", "3"))
)


@pytest.mark.parametrize(
    ("rows", "age", "agent"),
    [
        ([OPENED], 10, "Ann"),
        ([OPENED, ("a", "2024-02-25", "worked", "t", None, None, "Bob")], 10, "Bob"),
        ([OPENED, CLOSED], np.nan, ""),
        ([OPENED, ("a", "2024-03-01", "closed", "t", None, None, "Bob")], 10, "Ann"),
        ([OPENED, CLOSED, REOPENED], 10, "Bob"),
        ([("a", "2024-02-20", "opened", "t", "false", None, "Ann")], np.nan, ""),
        ([("a", "2024-02-20", "worked", None, "true", None, "Ann")], 10, "Ann"),
        ([("a", "2024-01-20", "worked", None, "true", None, "Ann")], np.nan, ""),
        ([BAD], 10, "Ann"),
        ([GOOD], np.nan, ""),
        ([BAD, GOOD], np.nan, ""),
    ],
)
def test_what_wants_an_answer(
    make_shop: Callable[..., Shop], rows: Sequence[tuple[Any, ...]], age: float, agent: str
) -> None:
    assert told(make_shop, rows) == (pytest.approx(age, nan_ok=True), agent)


def test_a_shop_without_support_has_none(make_shop: Callable[..., Shop]) -> None:
    found = complaints(make_shop([("a", "2024-01-01", "p", 10.0)]), NOW)
    assert np.isnan(found.age).all()
    assert found.agent.tolist() == [""]
