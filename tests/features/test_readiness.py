from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from regulars.features.readiness import Readiness, readiness
from regulars.features.reading import inspect
from regulars.features.settings import Settings
from regulars.features.shop import as_time

PLAIN = Settings()


def shop(customers: int, span: int, orders: int = 3) -> dict[str, list[Any]]:
    """`orders` orders of each customer, spread evenly from 2024-01-01 over `span` days."""
    days = np.linspace(0, span - 1, orders).round().astype(int)
    first = np.datetime64("2024-01-01")
    return {
        "customer_id": [f"c{customer}" for customer in range(customers) for _ in days],
        "order_id": [f"{customer}-{day}" for customer in range(customers) for day in days],
        "ordered_at": [str(first + int(day)) for _ in range(customers) for day in days],
        "amount": ["10"] * (customers * orders),
        "product_id": ["p"] * (customers * orders),
    }


def report(settings: Settings = PLAIN, **tables: dict[str, list[Any]]) -> Readiness:
    source = {title: pa.table(columns) for title, columns in tables.items()}
    return readiness(inspect(source, settings), settings)


def lines(found: Readiness, section: str) -> list[str]:
    return [str(item) for part in found.sections if part.title == section for item in part.items]


@pytest.mark.parametrize(
    ("orders", "grade"),
    [
        (shop(1_000, 400), "good"),
        (shop(500, 400), "fair"),
        (shop(500, 220), "fair"),
        (shop(100, 220, orders=2), "poor"),
    ],
)
def test_grades(orders: dict[str, list[Any]], grade: str) -> None:
    found = report(orders=orders)
    assert (found.grade, found.trainable, found.why_not) == (grade, True, "")


def test_thresholds_name_their_source() -> None:
    enough = lines(report(orders=shop(600, 200)), "Is it enough to learn from?")
    assert enough[0].startswith("[warn] 200 days of orders (Microsoft Dynamics 365 Customer Insights asks for 365")
    assert enough[1].startswith("[ok] The history is 2.2 horizons of 90 days long")
    assert enough[2].startswith("[warn] 600 customers have bought")
    assert enough[3] == "[ok] 600 customers have 3 orders or more (Klaviyo asks for some)."


def test_what_is_there_and_what_is_missing() -> None:
    found = report(orders=shop(10, 220))
    there = lines(found, "What is there")
    assert there[0].startswith("[ok] orders (frame): 30 rows, from 2024-01-01 to 2024-08-07; customer_id, order_id")
    assert there[1] == "[ok] 10 customers with 30 orders; 100% ordered again."
    missing = "\n".join(lines(found, "What is missing, and what that costs"))
    assert "There is no table support: cost to serve is unknown" in missing
    assert "No cost is known: every margin is taken as 40% of revenue" in missing
    assert "orders.product_id" not in missing
    assert found.text().startswith("Readiness: fair\n") or found.text().startswith("Readiness: poor\n")


def test_an_old_last_order_is_noticed() -> None:
    reading = inspect({"orders": pa.table(shop(10, 200))}, PLAIN)
    fresh = readiness(reading, PLAIN, as_of=as_time("2024-07-20"))
    stale = readiness(reading, PLAIN, as_of=as_time("2024-09-20"))
    assert "[ok] The last order line is 2 days before 2024-07-20" in fresh.text()
    assert "[warn] The last order line is 64 days before 2024-09-20" in stale.text()


@pytest.mark.parametrize(
    ("orders", "words"),
    [
        (shop(1, 400), "a single customer"),
        (shop(10, 89), "there are 89 days of orders; 90 are needed"),
        (shop(10, 400) | {"amount": ["0"] * 30}, "no customer has an order with a value"),
        (shop(10, 400) | {"amount": ["x"] * 30}, "orders"),
        ({"customer": ["a"]}, "the column is missing"),
    ],
)
def test_nothing_can_be_trained(orders: dict[str, list[Any]], words: str) -> None:
    found = report(orders=orders)
    assert not found.trainable
    assert found.grade == "none"
    assert words in found.why_not
    assert found.text().startswith("Nothing can be trained: ")


def test_a_short_history_is_judged_by_shorter_windows() -> None:
    short = Settings.model_validate({"churn": {"horizon_days": 20}})
    assert report(short, orders=shop(10, 80)).trainable
    found = report(orders=shop(10, 100))
    assert found.trainable
    assert "Until then models are learnt and judged on windows of 30 days, and asked about 90." in found.text()


def test_bad_rows_count_against_the_shop_only_where_they_stop_it() -> None:
    orders = shop(10, 200)
    orders["amount"][0] = "x"
    lenient = Settings.model_validate({"data": {"bad_rows": "set_aside"}})
    [strict, *_] = lines(report(orders=orders), "What was found")
    [kept, *_] = lines(report(lenient, orders=orders), "What was found")
    assert strict.startswith("[bad] orders.amount is no number in 1 of 30 rows (row 1: 'x')")
    assert kept.startswith("[warn] orders.amount is no number")


def test_no_source_is_a_report_too(tmp_path: Path) -> None:
    found = readiness(inspect(tmp_path / "nowhere", PLAIN), PLAIN)
    assert not found.trainable
    assert "there is no folder or file" in found.text()
