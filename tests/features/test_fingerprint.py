"""The same rows have the same fingerprint, and any other rows another."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from regulars.features.fingerprint import fingerprint
from regulars.features.reading import read_shop
from regulars.features.settings import Settings

ORDERS: dict[str, list[Any]] = {
    "customer_id": ["ann", "bob", "ann", "cem"],
    "order_id": ["1", "2", "3", "4"],
    "ordered_at": ["2024-01-05", "2024-01-06", "2024-02-01", "2024-02-02"],
    "product_id": ["tea", "pot", "tea", "cup"],
    "quantity": [1, 2, 3, 1],
    "unit_price": [4.0, 25.0, 4.0, 6.5],
    "channel": ["web", "shop", "web", "web"],
}
SUPPORT = {"customer_id": ["ann", "bob"], "occurred_at": ["2024-01-07", "2024-01-08"], "event": ["opened", "opened"]}


def print_of(orders: Mapping[str, Any] | Path, **others: Mapping[str, Any]) -> str:
    source = orders if isinstance(orders, Path) else {"orders": pd.DataFrame(orders)}
    if isinstance(source, dict):
        source |= {name: pd.DataFrame(table) for name, table in others.items()}
    shop = read_shop(source, Settings()).shop
    assert shop is not None
    return fingerprint(shop)


def changed(column: str, row: int, value: Any) -> dict[str, list[Any]]:
    return {**ORDERS, column: [value if i == row else old for i, old in enumerate(ORDERS[column])]}


def test_it_is_a_digest_and_the_same_each_time() -> None:
    first = print_of(ORDERS)

    assert len(bytes.fromhex(first)) == 32
    assert print_of(ORDERS) == first


def test_the_order_of_rows_and_columns_does_not_matter() -> None:
    backwards = {name: column[::-1] for name, column in reversed(ORDERS.items())}

    assert print_of(backwards) == print_of(ORDERS)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_file_does_not_matter(tmp_path: Path, ending: str) -> None:
    frame = pd.DataFrame(ORDERS)
    if ending == "csv":
        frame.to_csv(tmp_path / "orders.csv", index=False)
    else:
        frame.to_parquet(tmp_path / "orders.parquet", index=False)

    assert print_of(tmp_path) == print_of(ORDERS)


@pytest.mark.parametrize(
    ("column", "row", "value"),
    [
        ("customer_id", 3, "dan"),  # the code stays
        ("product_id", 1, "pan"),
        ("channel", 1, "shops"),
        ("ordered_at", 0, "2024-01-05T00:00:01"),
        ("quantity", 2, 4),
        ("unit_price", 0, 4.01),
        ("order_id", 3, "3"),
    ],
)
def test_another_value_is_another_fingerprint(column: str, row: int, value: Any) -> None:
    given = changed(column, row, value)
    if column == "order_id":
        given["customer_id"] = ["ann", "bob", "ann", "ann"]

    assert print_of(given) != print_of(ORDERS)


def test_another_row_column_or_table_is_another_fingerprint() -> None:
    fewer = {name: column[:3] for name, column in ORDERS.items()}
    without = {name: column for name, column in ORDERS.items() if name != "channel"}

    prints = {print_of(ORDERS), print_of(fewer), print_of(without), print_of(ORDERS, support=SUPPORT)}

    assert len(prints) == 4


def test_ids_do_not_run_into_each_other() -> None:
    one = {**ORDERS, "customer_id": ["a", "bc", "a", "a"]}
    other = {**ORDERS, "customer_id": ["ab", "c", "ab", "ab"]}

    assert print_of(one) != print_of(other)
