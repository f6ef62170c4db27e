from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from regulars.features.shop import Shop, as_time
from regulars.serving.profiles import profiles

NOW = as_time("2024-03-01")


@pytest.mark.parametrize(
    ("rows", "allowed"),
    [
        ([(None, "true")], True),
        ([(None, None)], True),
        ([(None, "false")], False),
        ([("2024-01-01", "false")], False),
        ([("2024-01-01", "false"), ("2024-02-01", "true")], True),
        ([("2024-01-01", "false"), ("2024-02-01", None)], False),
        ([("2024-01-01", "true"), ("2024-03-01", "false")], True),
        ([("2024-01-01", "true"), ("2024-02-29", "false")], False),
        ([(None, "false"), ("2024-02-01", "true")], False),
    ],
)
def test_an_objection_stands_until_contact_is_allowed_again(
    make_shop: Callable[..., Shop], rows: Sequence[tuple[Any, ...]], allowed: bool
) -> None:
    given = ("customer_id valid_from contact_allowed", [("a", *row) for row in rows])
    assert profiles(make_shop([("a", "2024-01-01", "p", 10.0)], customers=given), NOW).allowed.tolist() == [allowed]


def test_owner_and_leaving(make_shop: Callable[..., Shop]) -> None:
    rows = [("a", "2024-01-01", "Ann", None), ("a", "2024-02-01", None, None), ("b", None, "Bob", "2024-02-01")]
    given = ("customer_id valid_from account_owner left_at", rows)
    found = profiles(make_shop([("a", "2024-01-01", "p", 10.0)], customers=given), NOW)
    assert found.owner.tolist() == ["Ann", "Bob"]
    assert found.allowed.tolist() == [True, False]
