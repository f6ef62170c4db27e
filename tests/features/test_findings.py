from __future__ import annotations

import pytest

from regulars.features.findings import DataError, Finding, by_importance, near

BAD = Finding("orders", "quantity", "number", "bad_rows", "is no number", 1, 3, ("row 2: 'x'",), "a number", "Fix it.")
NOTE = Finding("orders", "", "returns", "note", "returns", 2, 3)
ERROR = Finding("support", "event", "missing_column", "error", "the column is missing", advice="Add it.")


@pytest.mark.parametrize(
    ("finding", "sentence"),
    [
        (BAD, "orders.quantity is no number in 1 of 3 rows (row 2: 'x'). Expected: a number. Fix it."),
        (NOTE, "orders: returns (2 of 3 rows)."),
        (ERROR, "support.event: the column is missing. Add it."),
    ],
)
def test_finding_is_a_sentence(finding: Finding, sentence: str) -> None:
    assert str(finding) == sentence


def test_errors_come_first_and_then_the_most_frequent_bad_rows() -> None:
    more = Finding("orders", "amount", "number", "bad_rows", "is no number", 2, 3)
    assert by_importance([NOTE, BAD, more, ERROR]) == (ERROR, more, BAD, NOTE)


def test_data_error_lists_its_findings() -> None:
    error = DataError([BAD, ERROR])
    assert str(error).splitlines() == ["the data cannot be used:", f"- {ERROR}", f"- {BAD}"]
    assert error.findings == (ERROR, BAD)


@pytest.mark.parametrize(
    ("name", "meant"),
    [("CustomerID", "customer_id"), ("order-id", "order_id"), ("ordered", "ordered_at"), ("weather", "")],
)
def test_near_names(name: str, meant: str) -> None:
    assert near(name, ["customer_id", "order_id", "ordered_at"]) == meant
