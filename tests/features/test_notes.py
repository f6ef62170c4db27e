from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from regulars.features.reading import inspect
from regulars.features.settings import Settings

ORDERS: dict[str, list[Any]] = {
    "customer_id": ["a", "a", "b", None],
    "order_id": ["1", "1", "2", "3"],
    "ordered_at": ["2024-01-01", "2024-01-01", "2024-01-02", "2024-01-03"],
    "product_id": ["p", "p", "q", "p"],
    "amount": ["10", "10", "-5", "0"],
}


def notes(**tables: dict[str, list[Any]]) -> dict[tuple[str, str], str]:
    reading = inspect(
        {title: pa.table(columns) for title, columns in ({"orders": ORDERS} | tables).items()}, Settings()
    )
    assert not reading.of("error", "bad_rows")
    return {(finding.where, finding.rule): str(finding) for finding in reading.findings}


def test_lines() -> None:
    found = notes()
    assert set(found) == {
        ("orders", "identical"),
        ("orders.customer_id", "guests"),
        ("orders", "zero_value"),
        ("orders", "returns"),
    }
    assert found["orders", "identical"].startswith("orders: lines the same as another in everything (1 of 4 rows).")
    assert found["orders.customer_id", "guests"].startswith("orders.customer_id: lines of guests (1 of 4 rows).")
    assert found["orders", "returns"] == "orders: returns (1 of 4 rows)."
    assert "(1 of 4 rows)" in found["orders", "zero_value"]


@pytest.mark.parametrize(
    ("title", "columns", "key", "words"),
    [
        (
            "orders",
            ORDERS | {"Currency": ["EUR", "USD"] * 2},
            ("orders.Currency", "unknown_column"),
            "nothing reads; it is ignored. All lines are taken as of one currency.",
        ),
        ("orders", ORDERS | {"chanel": ["web"] * 4}, ("orders.chanel", "unknown_column"), "If 'channel' is meant"),
        (
            "orders",
            {name: values for name, values in ORDERS.items() if name != "amount"}
            | {"quantity": ["1"] * 4, "unit_price": ["2"] * 4, "discount": ["2", "2.01", "9", None]},
            ("orders.discount", "discount"),
            "(2 of 4 rows). Write the money taken off the line, not a percentage.",
        ),
        (
            "support",
            {"customer_id": ["a", "y", "z"], "occurred_at": ["2024-01-01"] * 3, "event": ["opened"] * 3},
            ("support.customer_id", "prospects"),
            "2 of 3 customers have no order and are not in customers",
        ),
        ("products", {"product_id": ["p"]}, ("orders.product_id", "unlisted"), "1 of 2 products that were sold"),
        (
            "customers",
            {"customer_id": ["a", "b"], "valid_from": ["2024-01-01", None]},
            ("customers.valid_from", "undated"),
            "(1 of 2 rows)",
        ),
        (
            "customers",
            {"customer_id": ["a", "b"], "signed_up_at": ["2024-01-01"] * 2, "left_at": ["2023-12-31", "2024-01-01"]},
            ("customers.left_at", "left_before_sign_up"),
            "rows in which they left before they signed up (1 of 2 rows). They count as gone.",
        ),
        (
            "orders",
            ORDERS | {"recorded_at": ["2024-01-03T23:59:59", "2024-01-04", "2024-01-05", None]},
            ("orders.recorded_at", "recorded_late"),
            "(2 of 4 rows)",
        ),
    ],
)
def test_oddities(title: str, columns: dict[str, list[Any]], key: tuple[str, str], words: str) -> None:
    assert words in notes(**{title: columns})[key]


@pytest.mark.parametrize(
    ("left", "told"),
    [
        ([("2023-12-31", "2023-12-31")], "1 of 1 customers who left have ordered since. They are left alone."),
        ([("2023-12-31", "2023-12-31"), ("2024-01-01", None)], ""),  # they are back
        ([(None, "2023-12-01")], "1 of 1 customers"),
        ([("2024-01-01", "2024-01-01")], ""),  # the order of the day on which they leave
        ([("2023-12-31", "2024-06-01")], ""),
    ],
)
def test_orders_of_customers_who_left(left: list[tuple[str | None, str | None]], told: str) -> None:
    since, until = zip(*left, strict=True)
    found = notes(customers={"customer_id": ["a"] * len(left), "valid_from": [*since], "left_at": [*until]})
    assert told in found.get(("customers.left_at", "ordered_since"), "")
    assert (("customers.left_at", "ordered_since") in found) == bool(told)


@pytest.mark.parametrize(("missing", "noted"), [(range(10, 20), True), (range(10, 15), False)])
def test_a_long_time_without_a_line(missing: range, noted: bool) -> None:
    days = [day for day in range(60) if day not in missing]
    found = notes(
        orders={
            "customer_id": ["a"] * len(days),
            "order_id": [str(day) for day in days],
            "ordered_at": [str(np.datetime64("2024-01-01") + day) for day in days],
            "amount": ["1"] * len(days),
        }
    )
    assert (("orders.ordered_at", "gap") in found) == noted
    if noted:
        assert "no line at all between 2024-01-10 and 2024-01-21 (11 days)" in found["orders.ordered_at", "gap"]
