"""Money is judged by `decimal`, the cost of a product at a moment by a search through all its rows."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from regulars.features.reading import read_shop
from regulars.features.settings import DataSettings, MoneySettings, Settings
from regulars.features.shop import OrderLines, Shop

EXACT = Context(prec=80)
NINE = Decimal("1e-9")


def read(lines: dict[str, list[Any]], products: dict[str, list[Any]] | None = None, **options: Any) -> Shop:
    count = len(next(iter(lines.values())))
    columns = {
        "customer_id": [f"{row:03}" for row in range(count)],
        "order_id": [str(row) for row in range(count)],
        "ordered_at": ["2024-06-01"] * count,
    }
    source = {"orders": pa.table(columns | lines)} | ({"products": pa.table(products)} if products else {})
    shop = read_shop(source, Settings(**options)).shop
    assert shop is not None
    return shop


def values(orders: OrderLines) -> list[tuple[int, int, int]]:
    return list(zip(orders.quantity.tolist(), orders.revenue.tolist(), orders.margin.tolist(), strict=True))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        # (thousandths of a piece, revenue, margin), money in 1/10,000; margin is 40 % where no cost is known
        ({"amount": "10"}, (1_000, 100_000, 40_000)),
        ({"amount": "10", "quantity": "4"}, (4_000, 100_000, 40_000)),
        ({"amount": "10", "quantity": "4", "unit_price": "99"}, (4_000, 100_000, 40_000)),
        ({"amount": "10", "discount": "3"}, (1_000, 100_000, 40_000)),
        ({"quantity": "3", "unit_price": "0.1"}, (3_000, 3_000, 1_200)),
        ({"quantity": "2", "unit_price": "10", "discount": "5"}, (2_000, 150_000, 60_000)),
        ({"quantity": "2", "unit_price": "10", "discount": "25"}, (0, 0, 0)),
        ({"quantity": "-2", "unit_price": "10"}, (-2_000, -200_000, -80_000)),
        ({"quantity": "-2", "unit_price": "10", "discount": "5"}, (-2_000, -150_000, -60_000)),
        ({"quantity": "-2", "unit_price": "10", "discount": "25"}, (0, 0, 0)),
        ({"quantity": "2", "unit_price": "-10"}, (-2_000, -200_000, -80_000)),
        ({"amount": "-10"}, (-1_000, -100_000, -40_000)),
        ({"amount": "-10", "quantity": "2"}, (-2_000, -100_000, -40_000)),
        ({"amount": "10", "quantity": "-2"}, (-2_000, -100_000, -40_000)),
        ({"amount": "0", "quantity": "2"}, (0, 0, 0)),
        ({"amount": "5", "quantity": "0"}, (0, 0, 0)),
        ({"amount": "0.00004"}, (0, 0, 0)),
        ({"amount": "0.00005"}, (1_000, 1, 0)),
        ({"amount": "10", "quantity": "2", "unit_cost": "3"}, (2_000, 100_000, 40_000)),
        ({"amount": "10", "quantity": "2", "unit_cost": "6"}, (2_000, 100_000, -20_000)),
        ({"amount": "-10", "quantity": "2", "unit_cost": "6"}, (-2_000, -100_000, 20_000)),
    ],
)
def test_the_value_of_a_line(line: dict[str, str], expected: tuple[int, int, int]) -> None:
    assert values(read({name: [value] for name, value in line.items()}).orders) == [expected]


def test_values_are_chosen_line_by_line() -> None:
    shop = read({"quantity": ["2", None, "1"], "unit_price": ["5", None, "8"], "amount": [None, "7", "9"]})
    assert shop.orders.revenue.tolist() == [100_000, 70_000, 90_000]
    assert shop.orders.quantity.tolist() == [2_000, 1_000, 1_000]


def units(value: Decimal, scale: int) -> int:
    return int((EXACT.multiply(value, Decimal(scale))).quantize(Decimal(1), ROUND_HALF_UP, EXACT))


def nine(value: float) -> Decimal:
    return Decimal(repr(value)).quantize(NINE, ROUND_HALF_UP, EXACT)


@settings(max_examples=12)
@given(
    lines=st.lists(
        st.tuples(
            st.one_of(st.integers(1, 50).map(float), st.floats(0.001, 1e4)),
            st.one_of(st.floats(0, 1e6), st.decimals(0, 100, places=5).map(float)),
            st.floats(0, 1e5),
        ),
        min_size=1,
        max_size=20,
    )
)
@example(lines=[(3.0, 0.1, 0.2), (1.0, 0.00005, 0.0), (1.0, 1.00005, 0.00015), (0.5, 0.0001, 0.0), (7.0, 1e-7, 0.0)])
def test_money_is_exact(lines: list[tuple[float, float, float]]) -> None:
    quantity, price, cost = (list(column) for column in zip(*lines, strict=True))
    exact = [(nine(q), nine(p), nine(c)) for q, p, c in lines]
    expected = []
    for q, p, c in exact:
        revenue, pieces = EXACT.multiply(q, p), units(q, 1_000)
        margin = units(EXACT.subtract(revenue, EXACT.multiply(q, c)), 10_000)
        there = pieces and units(revenue, 10_000)
        expected.append((pieces, units(revenue, 10_000), margin) if there else (0, 0, 0))
    as_numbers = read({"quantity": quantity, "unit_price": price, "unit_cost": cost})
    as_text = read({"quantity": list(map(repr, quantity)), "unit_price": list(map(repr, price)), "unit_cost": cost})
    assert values(as_numbers.orders) == expected
    assert values(as_text.orders) == expected


@settings(max_examples=10)
@given(share=st.decimals(0, 1, places=4), amounts=st.lists(st.decimals("0.0001", "9e10", places=4), min_size=1))
def test_the_margin_that_stands_in_is_exact(share: Decimal, amounts: list[Decimal]) -> None:
    shop = read({"amount": list(map(str, amounts))}, money=MoneySettings(gross_margin=float(share)))
    assert shop.orders.margin.tolist() == [units(EXACT.multiply(amount, share), 10_000) for amount in amounts]


PRODUCTS: dict[str, list[Any]] = {
    "product_id": ["p", "p", "p", "q"],
    "valid_from": ["2024-01-01", "2024-03-01", "2024-01-15", None],
    "recorded_at": [None, None, "2024-05-01", None],
    "unit_cost": ["1", "2", "9", "5"],
}


@pytest.mark.parametrize(
    ("product", "moment", "trust", "margin"),
    [
        ("p", "2023-12-31", False, 40_000),  # nothing known yet: 40 % of 10
        ("p", "2024-01-01", False, 90_000),
        ("p", "2024-02-01", False, 90_000),  # the row from 15 January is entered in May
        ("p", "2024-03-01", False, 80_000),
        ("p", "2024-06-01", False, 80_000),  # entered late, it does not replace what has been true since March
        ("q", "2024-06-01", False, 40_000),
        ("q", "2024-06-01", True, 50_000),
        ("q", "1999-06-01", True, 50_000),
        ("r", "2024-06-01", True, 40_000),
        (None, "2024-06-01", True, 40_000),
    ],
)
def test_a_product_costs_what_was_known_then(product: str | None, moment: str, trust: bool, margin: int) -> None:
    lines: dict[str, list[Any]] = {"product_id": [product, "z"], "ordered_at": [moment, moment], "amount": ["10", "0"]}
    shop = read(lines, PRODUCTS, data=DataSettings(trust_undated=trust))
    assert shop.orders.margin.tolist() == [margin, 0]


def test_the_lines_own_cost_comes_first() -> None:
    lines: dict[str, list[Any]] = {"product_id": ["p", "p"], "amount": ["10", "10"], "unit_cost": ["4", None]}
    assert read(lines, PRODUCTS).orders.margin.tolist() == [60_000, 80_000]


def test_a_product_cost_beyond_all_range_is_found() -> None:
    products = {"product_id": ["p"], "valid_from": ["2024-01-01"], "unit_cost": ["9e10"]}
    with pytest.raises(ValueError, match="the margin of all lines together"):
        read({"product_id": ["p"], "amount": ["10"], "quantity": ["9e8"]}, products)


def test_integer_columns_of_the_other_tables() -> None:
    lines: dict[str, list[Any]] = {"amount": ["1"]}
    source = {
        "orders": pa.table({"customer_id": ["a"], "order_id": ["1"], "ordered_at": ["2024-01-01"]} | lines),
        "support": pa.table(
            {
                "customer_id": ["a", "a", "a"],
                "occurred_at": ["2024-01-01", "2024-01-02", "2024-01-03"],
                "event": ["worked", "Rated", "opened"],
                "minutes": ["2.0005", None, None],
                "satisfaction": [None, "4.5", None],
                "is_complaint": [None, "No", "TRUE"],
                "ticket_id": ["t2", "t1", None],
            }
        ),
        "products": pa.table({"product_id": ["p"], "unit_cost": ["0.12345"], "service_interval_days": ["90.5"]}),
        "advocacy": pa.table(
            {"customer_id": ["a"], "occurred_at": ["2024-01-01"], "kind": ["review"], "rating": ["4"]}
        ),
    }
    shop = read_shop(source, Settings()).shop
    assert shop is not None
    assert shop.support is not None
    assert shop.support.event.tolist() == [2, 5, 0]
    assert shop.support.minutes.tolist() == [2_001, 0, 0]
    assert shop.support.satisfaction.tolist() == [0, 5, 0]
    assert shop.support.is_complaint.tolist() == [-1, 0, 1]
    assert shop.support.ticket.tolist() == [1, 0, -1]
    assert shop.products is not None
    assert shop.products.unit_cost.tolist() == [1_235]
    assert shop.products.service_interval_days.tolist() == [90.5]
    assert shop.advocacy is not None
    assert (shop.advocacy.kind.tolist(), shop.advocacy.rating.tolist()) == ([1], [4])
    assert "support.ticket_id" not in shop.words
    assert "orders.order_id" not in shop.words
