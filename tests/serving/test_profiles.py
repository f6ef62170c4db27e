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


SIGNED = ("2023-01-01", None, "true")
LEFT = ("2023-06-01", "2023-06-01", "false")
NOTICE = ("2023-05-01", "2023-06-01", "true")


@pytest.mark.parametrize(
    ("rows", "allowed"),
    [
        ([SIGNED, LEFT], False),
        ([SIGNED, LEFT, ("2023-09-01", None, "true")], True),  # they are back, and agree
        ([SIGNED, LEFT, ("2023-09-01", "2024-06-01", "true")], True),  # until some day
        ([SIGNED, LEFT, ("2023-09-01", None, None)], False),  # what they agreed to ended when they left
        ([SIGNED, NOTICE, ("2023-09-01", None, None)], False),
        ([SIGNED, NOTICE, ("2023-09-01", None, None), ("2023-09-02", None, "true")], True),
        ([SIGNED, LEFT, ("2023-09-01", "2023-06-01", "true")], False),  # a row about something else: still gone
        ([SIGNED, LEFT, ("2024-03-01", None, "true")], False),  # not known yet
        ([SIGNED, LEFT, ("2023-09-01", None, "true"), ("2024-02-01", "2024-02-01", "true")], False),  # left again
        ([SIGNED, ("2023-05-01", "2024-03-01", "true")], True),  # notice, and the end is still to come
        ([SIGNED, NOTICE, ("2023-05-20", None, None)], True),  # taken back before they left
        ([SIGNED, NOTICE, ("2023-05-20", "2024-06-01", None)], True),  # or put off
        ([SIGNED, NOTICE, ("2023-05-20", "2023-05-25", None)], False),  # or sooner
        # Told in June that they had left in March: the row of May knew nothing of it.
        ([SIGNED, ("2023-05-01", None, "true"), ("2023-06-01", "2023-03-01", "true")], False),
        ([SIGNED, LEFT, ("2023-06-01", None, "true")], False),  # which of the two is later cannot be told
        ([(None, "2023-06-01", "true")], False),
        ([SIGNED, (None, "2023-06-01", None)], False),
        ([(None, "2023-06-01", None), ("2023-09-01", None, "true")], True),
        ([SIGNED, LEFT, (None, None, "true")], False),  # since when is not said
    ],
)
def test_who_has_left_is_left_alone_until_they_are_back_and_agree(
    make_shop: Callable[..., Shop], rows: Sequence[tuple[Any, ...]], allowed: bool
) -> None:
    given = ("customer_id valid_from left_at contact_allowed", [("a", *row) for row in rows])
    shop = make_shop([("a", "2023-01-01", "p", 10.0)], customers=given)
    assert profiles(shop, NOW).allowed.tolist() == [allowed]


def test_without_a_column_of_consent_who_is_back_is_welcome(make_shop: Callable[..., Shop]) -> None:
    rows = [("a", "2023-06-01", "2023-06-01"), ("a", "2023-09-01", None), ("b", "2023-06-01", "2023-06-01")]
    given = ("customer_id valid_from left_at", rows)
    shop = make_shop([("a", "2023-01-01", "p", 10.0)], customers=given)
    assert profiles(shop, NOW).allowed.tolist() == [True, False]
