"""A table checked in parts says what it says as a whole, but for how a row is named."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

from regulars.features.parts import PartFound, add_up, bad_rows, check_columns, check_part
from regulars.features.reading import inspect
from regulars.features.settings import Settings
from regulars.features.tables import Orders

SETTINGS = Settings()
ORDERS = pa.table(
    {
        "customer_id": ["a", "b", None, "d", "e", "f"],
        "order_id": ["1", "2", "3", None, "5", "6"],
        "ordered_at": ["2024-01-03", "yesterday", "2024-02-01", "2024-01-01", "1066-10-14", "2024-03-01"],
        "amount": ["10", "1,5", "3", "4", "5", "6"],
        "channel": [None, "shop", None, None, None, None],
        "colour": ["red"] * 6,
    }
)


def parts(size: int) -> list[PartFound]:
    return [check_part("orders", "orders.csv", ORDERS.slice(at, size), SETTINGS) for at in range(0, len(ORDERS), size)]


@pytest.mark.parametrize("size", [1, 2, 4, 6])
def test_parts_add_up_to_the_whole(size: int) -> None:
    told = [PartFound.from_json(part.as_json()) for part in parts(size)]
    reading, findings = add_up(Orders, "orders.csv", ORDERS.column_names, told)
    whole = inspect({"orders": ORDERS}, SETTINGS)
    expected = whole.table("orders")
    assert expected is not None
    assert replace(reading, origin="frame") == expected
    plain = [[str(replace(one, examples=())) for one in found] for found in (findings, whole.of("bad_rows"))]
    assert sorted(plain[0]) == sorted(plain[1])


def test_a_row_is_named_by_its_ids_and_its_moment() -> None:
    _, findings = add_up(Orders, "orders.csv", ORDERS.column_names, parts(2))
    told = {finding.rule: finding for finding in findings}
    assert told["number"].examples == ("row of customer_id 'b', order_id '2', ordered_at 'yesterday': '1,5'",)
    assert told["missing"].examples == ("row of customer_id 'd', ordered_at '2024-01-01': empty",)
    assert str(told["moment_range"]).startswith("orders.ordered_at is outside of the years that can be in 1 of 6 rows")


def test_the_reasons_of_bad_rows_stand_beside_them() -> None:
    reasons = bad_rows("orders", "orders.csv", ORDERS, SETTINGS).to_pylist()
    assert reasons == [
        None,
        "ordered_at is no moment that can be read safely; amount is no number",
        None,
        "order_id is empty",
        "ordered_at is outside of the years that can be",
        None,
    ]


def test_columns_are_judged_without_rows() -> None:
    schema = pa.schema([("customer_id", pa.string()), ("OrderNo", pa.string()), ("ordered_at", pa.string())])
    found = check_columns("orders", "orders.csv", schema, SETTINGS)
    errors = [finding.column for finding in found if finding.severity == "error"]
    assert errors == ["order_id", "quantity", "unit_price", "amount"]
    assert "Rename 'OrderNo' to 'order_id'." in str(found[0])
    assert [finding.column for finding in found if finding.rule == "unknown_column"] == ["OrderNo"]


def test_no_rows_are_nothing_bad() -> None:
    reading, findings = add_up(Orders, "orders.csv", ORDERS.column_names, [])
    assert (reading.rows, reading.given, findings) == (0, (), [])


def test_an_order_under_two_customers_is_no_matter_of_a_part() -> None:
    shared = ORDERS.set_column(1, "order_id", [["1", "2", "3", "4", "1", "1"]])
    assert "two_customers" not in {finding.rule for finding in check_part("orders", "o", shared, SETTINGS).findings}
    assert not any(
        "two customers" in (reason or "") for reason in bad_rows("orders", "o", shared, SETTINGS).to_pylist()
    )
