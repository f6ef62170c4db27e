from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from regulars.features.reading import DataError, Finding, Reading, inspect, read_shop
from regulars.features.settings import DataSettings, Settings, ShopSettings
from regulars.features.shop import NEVER, NONE, Shop, as_time

PLAIN = Settings()
LENIENT = Settings(data=DataSettings(bad_rows="set_aside"))
Frames = dict[str, dict[str, list[Any]]]


def orders(**columns: Sequence[Any]) -> dict[str, list[Any]]:
    """Three good lines of three customers, with the given columns in place of theirs."""
    lines: dict[str, Sequence[Any]] = {
        "customer_id": ["a", "b", "c"],
        "order_id": ["1", "2", "3"],
        "ordered_at": ["2024-01-01", "2024-01-02", "2024-01-03"],
        "amount": ["10", "20", "30"],
    }
    return {name: list(values) for name, values in (lines | columns).items() if values}


SUPPORT: dict[str, list[Any]] = {
    "customer_id": ["a", "b", "c"],
    "occurred_at": ["2024-01-01", "2024-01-02", "2024-01-03"],
    "event": ["opened", "worked", "rated"],
}
CONTACTS: dict[str, list[Any]] = {
    "customer_id": ["a"],
    "contacted_at": ["2024-01-01"],
    "campaign": ["spring"],
    "play": ["retain"],
    "arm": ["held_out"],
}


def frames(**tables: dict[str, list[Any]]) -> dict[str, Any]:
    return {name: pa.table(columns) for name, columns in ({"orders": orders()} | tables).items()}


def bad(source: Any, settings: Settings = PLAIN) -> list[tuple[str, str, int]]:
    return [(finding.where, finding.rule, finding.count) for finding in inspect(source, settings).of("bad_rows")]


def shop_of(source: Any, settings: Settings = PLAIN) -> Shop:
    shop = read_shop(source, settings).shop
    assert shop is not None
    return shop


def same(left: Any, right: Any) -> bool:
    if left is None or right is None:
        return left is right
    if isinstance(left, np.ndarray):
        equal_nan = left.dtype.kind == "f"
        return left.dtype == right.dtype and np.array_equal(left, right, equal_nan=equal_nan)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, (frozenset, str)):
        return bool(left == right)
    return all(same(getattr(left, item.name), getattr(right, item.name)) for item in fields(left))


def test_a_small_shop_by_eye() -> None:
    lines: dict[str, list[Any]] = {
        "customer_id": ["b", "a", None],
        "order_id": ["2", "1", "3"],
        "ordered_at": ["2024-01-02 10:00:00", "2024-01-01", "2024-01-03"],
        "product_id": ["q", "p", "p"],
        "quantity": ["2", "1", "1"],
        "unit_price": ["1.5", "10", "10"],
        "channel": ["web", "shop", ""],
    }
    shop = shop_of(frames(orders=lines))
    assert shop.customer_ids.tolist() == ["a", "b"]
    assert shop.product_ids.tolist() == ["p", "q"]
    assert shop.orders.customer.tolist() == [NONE, 0, 1]
    assert shop.orders.time.tolist() == [as_time("2024-01-03"), as_time("2024-01-01"), as_time("2024-01-02T10:00")]
    assert shop.orders.visible.tolist() == shop.orders.time.tolist()
    assert shop.orders.order.tolist() == [2, 0, 1]
    assert shop.orders.product.tolist() == [0, 0, 1]
    assert shop.orders.quantity.tolist() == [1_000, 1_000, 2_000]
    assert shop.orders.revenue.tolist() == [100_000, 100_000, 30_000]
    assert shop.orders.margin.tolist() == [40_000, 40_000, 12_000]
    assert shop.orders.channel.tolist() == [NONE, 0, 1]
    assert shop.words["orders.channel"].tolist() == ["shop", "web"]
    assert shop.given == {"orders"} | {f"orders.{name}" for name in lines}
    assert shop.support is None


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"customer_id": ["a", "", None]}, []),
        ({"order_id": ["1", " ", "3"]}, [("orders.order_id", "missing", 1)]),
        ({"ordered_at": ["2024-01-01", "", "2024-01-03"]}, [("orders.ordered_at", "missing", 1)]),
        ({"ordered_at": ["2024-01-01", "01/02/2024", "5.1.2024"]}, [("orders.ordered_at", "moment", 2)]),
        ({"ordered_at": ["2024-01-01", "20240102", "1704153600"]}, [("orders.ordered_at", "moment", 2)]),
        ({"ordered_at": ["2024-01-01", "2024-02-30", "2024-1-2"]}, [("orders.ordered_at", "moment", 2)]),
        ({"ordered_at": ["2024-01-01", "epoch", "infinity"]}, [("orders.ordered_at", "moment", 2)]),
        ({"ordered_at": ["1969-12-31", "1970-01-01", "2200-01-01"]}, [("orders.ordered_at", "moment_range", 2)]),
        ({"amount": ["10", "x", "1,000.00"]}, [("orders.amount", "number", 2)]),
        ({"amount": ["nan", "inf", "-inf"]}, [("orders.amount", "number", 3)]),
        ({"amount": [10.0, float("inf"), float("nan")]}, [("orders.amount", "number", 2)]),
        ({"amount": ["10", "1e11", "-1e300"]}, [("orders.amount", "range", 2)]),
        ({"amount": ["10", None, "0"]}, [("orders.amount", "no_value", 1)]),
        (
            {"amount": [], "quantity": ["1", None, "1"], "unit_price": ["1", "1", ""]},
            [("orders.unit_price", "no_value", 2)],
        ),
        ({"quantity": ["1", "1e9", "2"]}, [("orders.quantity", "range", 1)]),
        (
            {"amount": [], "quantity": ["1", "9e8", "1"], "unit_price": ["1", "9e8", "1"]},
            [("orders.unit_price", "money_range", 1)],
        ),
        ({"unit_cost": ["-1", "0", "1"]}, [("orders.unit_cost", "range", 1)]),
        ({"discount": ["0", "-0.01", "1"]}, [("orders.discount", "range", 1)]),
        ({"quantity": ["9e8", "1", "1"], "unit_cost": ["9e8", "1", "1"]}, [("orders.unit_cost", "money_range", 1)]),
        ({"recorded_at": ["2024-01-01", "soon", None]}, [("orders.recorded_at", "moment", 1)]),
        ({"customer_id": [1.0, float("inf"), None]}, [("orders.customer_id", "id", 1)]),
        ({"order_id": ["1", "1", "2"]}, [("orders.order_id", "two_customers", 2)]),
        ({"customer_id": ["a", None, "c"], "order_id": ["1", "1", "2"]}, [("orders.order_id", "two_customers", 2)]),
        ({"customer_id": [None, None, "c"], "order_id": ["1", "1", "2"]}, []),
    ],
)
def test_bad_order_lines(columns: dict[str, list[Any]], expected: list[tuple[str, str, int]]) -> None:
    source = frames(orders=orders(**columns))
    assert bad(source) == expected
    if expected:
        with pytest.raises(DataError):
            read_shop(source, PLAIN)
    else:
        read_shop(source, PLAIN)


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        ({"support": SUPPORT | {"customer_id": ["a", None, ""]}}, [("support.customer_id", "missing", 2)]),
        (
            {"support": SUPPORT | {"event": ["OPENED", "lost", None]}},
            [("support.event", "missing", 1), ("support.event", "choice", 1)],
        ),
        ({"support": SUPPORT | {"minutes": ["-1", "5", None]}}, [("support.minutes", "range", 1)]),
        ({"support": SUPPORT | {"satisfaction": ["0", "1", "6"]}}, [("support.satisfaction", "range", 2)]),
        ({"support": SUPPORT | {"is_complaint": ["Yes", "maybe", "0"]}}, [("support.is_complaint", "flag", 1)]),
        ({"contacts": CONTACTS | {"play": [""]}}, [("contacts.play", "missing", 1)]),
        ({"contacts": CONTACTS | {"arm": ["control"]}}, [("contacts.arm", "choice", 1)]),
        (
            {"customers": {"customer_id": ["a", "b"], "birth_date": ["1950-02-01", "1850-01-01"]}},
            [("customers.birth_date", "moment_range", 1)],
        ),
        (
            {"advocacy": {"customer_id": ["a"], "occurred_at": ["2024-01-01"], "kind": ["like"]}},
            [("advocacy.kind", "choice", 1)],
        ),
        ({"products": {"product_id": ["p", None]}}, [("products.product_id", "missing", 1)]),
    ],
)
def test_bad_rows_of_other_tables(tables: Frames, expected: list[tuple[str, str, int]]) -> None:
    assert bad(frames(**tables)) == expected


def test_the_message_names_table_column_row_value_expectation_and_advice(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text(
        'customer_id,order_id,ordered_at,amount\na,1,2024-01-05,10\nb,2,05/01/2024,20\nc,3,2024-01-06,"1.000,50"\n'
    )
    with pytest.raises(DataError) as caught:
        read_shop(tmp_path, PLAIN)
    moment, number = str(caught.value).splitlines()[1:]
    assert moment.startswith(
        "- orders.ordered_at is no moment that can be read safely in 1 of 3 rows (row 2: '05/01/2024')"
    )
    assert "Expected: a moment like 2011-09-01T08:00 (ISO 8601" in moment
    assert "Write it as YYYY-MM-DD HH:MM:SS" in moment
    assert number.startswith("- orders.amount is no number in 1 of 3 rows (row 3: '1.000,50').")
    assert "Expected: a number from -100,000,000,000 to 100,000,000,000" in number
    assert "full stop as decimal point" in number


def test_numbers_as_moments_are_refused_with_advice() -> None:
    [finding] = inspect(frames(orders=orders(ordered_at=[1704067200, 1704067201, None])), PLAIN).of("bad_rows")[:1]
    assert (finding.column, finding.rule, finding.count) == ("ordered_at", "moment", 2)
    assert finding.examples == ("row 1: '1704067200'", "row 2: '1704067201'")
    assert "a number" in finding.advice


@pytest.mark.parametrize(
    ("columns", "where", "words"),
    [
        (
            {"CustomerID": ["a", "b", "c"], "customer_id": []},
            "orders.customer_id",
            "Rename 'CustomerID' to 'customer_id'",
        ),
        ({"amount": []}, "orders.amount", "Either amount, or quantity and unit_price, is needed."),
        (
            {"amount": [], "quantity": ["1", "1", "1"]},
            "orders.unit_price",
            "found: customer_id, order_id, ordered_at, quantity",
        ),
    ],
)
def test_missing_columns(columns: dict[str, list[Any]], where: str, words: str) -> None:
    reading = inspect(frames(orders=orders(**columns)), PLAIN)
    assert reading.shop is None
    [finding] = [finding for finding in reading.of("error") if finding.where == where]
    assert words in str(finding)


def test_a_broken_side_table_refuses_the_run_but_not_the_inspection() -> None:
    source = frames(support={"customer_id": ["a"], "occurred_at": ["2024-01-01"]})
    with pytest.raises(DataError, match=r"support.event: the column is missing"):
        read_shop(source, LENIENT)
    shop = inspect(source, PLAIN).shop
    assert shop is not None
    assert shop.support is None


def test_no_orders_no_customers_and_no_good_rows() -> None:
    with pytest.raises(DataError, match=r"orders: there is no such table in the frames; found: support"):
        read_shop({"support": pa.table(SUPPORT)}, PLAIN)
    with pytest.raises(DataError, match="there is no customer"):
        read_shop(frames(orders=orders(customer_id=[None, None, None])), PLAIN)
    with pytest.raises(DataError, match="no row can be used"):
        read_shop(frames(orders=orders(amount=["x", "x", "x"])), LENIENT)


def test_a_prospect_needs_no_order() -> None:
    empty = pa.table({name: pa.array([], pa.string()) for name in orders()})
    shop = shop_of({"orders": empty, "customers": pa.table({"customer_id": ["a"]})})
    assert shop.customer_ids.tolist() == ["a"]
    assert len(shop.orders) == 0


def test_beyond_what_can_be_added_up() -> None:
    lines = 5_000
    many = {
        "customer_id": ["a"] * lines,
        "order_id": ["1"] * lines,
        "ordered_at": ["2024-01-01"] * lines,
        "amount": ["9.9e10"] * lines,
    }
    reading = inspect(frames(orders=many), PLAIN)
    assert reading.shop is None
    assert {finding.rule for finding in reading.of("error")} == {"total"}


def test_bad_rows_are_set_aside_with_their_reasons(tmp_path: Path) -> None:
    source = frames(
        orders=orders(amount=["x", "20", "30"], ordered_at=["soon", "2024-01-02", "2024-01-03"], note=["n", "", "a,b"])
    )
    reading = read_shop(source, LENIENT, set_aside=tmp_path / "aside")
    assert reading.files == (tmp_path / "aside" / "orders.csv",)
    assert [path.name for path in (tmp_path / "aside").iterdir()] == ["orders.csv"]
    with reading.files[0].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows == [
        {
            "row": "1",
            "reason": "ordered_at is no moment that can be read safely; amount is no number",
            "customer_id": "a",
            "order_id": "1",
            "ordered_at": "soon",
            "amount": "x",
            "note": "n",
        }
    ]
    assert reading.shop is not None
    assert reading.shop.customer_ids.tolist() == ["b", "c"]
    table = reading.table("orders")
    assert table is not None
    assert (table.rows, table.used, table.unknown) == (3, 2, ("note",))
    assert [finding.rule for finding in reading.of("bad_rows")] == ["moment", "number"]


def test_nothing_is_written_where_bad_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        read_shop(frames(orders=orders(amount=["x", "20", "30"])), PLAIN, set_aside=tmp_path)
    assert not list(tmp_path.iterdir())


def test_all_lines_of_a_shared_order_are_set_aside() -> None:
    lines = {
        "customer_id": ["a", "b", "a", "a"],
        "order_id": ["1", "1", "1", "2"],
        "ordered_at": ["2024-01-01"] * 4,
        "amount": ["1"] * 4,
    }
    shop = read_shop(frames(orders=lines), LENIENT).shop
    assert shop is not None
    assert len(shop.orders) == 1


def test_row_numbers_in_a_large_file(tmp_path: Path) -> None:
    rows = 150_000
    table = pa.table(
        {
            "customer_id": pa.array(np.arange(rows)),
            "order_id": pa.array(np.arange(rows)),
            "ordered_at": pa.array(["2024-01-01"] * rows),
            "amount": pa.array([None if row in {7, 123_456, 149_999} else "1" for row in range(rows)]),
        }
    )
    parquet.write_table(table, tmp_path / "orders.parquet", row_group_size=20_000)
    [finding] = inspect(tmp_path, PLAIN).of("bad_rows")
    assert finding.examples == ("row 8: empty", "row 123457: empty", "row 150000: empty")
    csv_folder = tmp_path / "csv"
    csv_folder.mkdir()
    table.to_pandas().to_csv(csv_folder / "orders.csv", index=False)
    [finding] = inspect(csv_folder, PLAIN).of("bad_rows")
    assert finding.examples == ("row 8: empty", "row 123457: empty", "row 150000: empty")


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([13085, 2, 3], ["13085", "2", "3"]),
        ([13085.0, None, 3.0], ["13085", "3"]),
        (["13085.0", " 2 ", "3\t"], ["13085", "2", "3"]),
        (["007", "7", "7.5"], ["007", "7", "7.5"]),
        (["", " ", "é"], ["é"]),
    ],
)
def test_ids_are_text(ids: list[Any], expected: list[str]) -> None:
    assert shop_of(frames(orders=orders(customer_id=ids))).customer_ids.tolist() == expected


def test_codes_are_shared_between_tables() -> None:
    shop = shop_of(
        frames(
            orders=orders(product_id=["p", "q", "p"]),
            support=SUPPORT | {"customer_id": ["d", "a", "a"]},
            products={"product_id": ["p", "z"], "accessory_of": [None, "y"], "category": ["tools", None]},
            contacts=CONTACTS | {"product_id": ["x"], "list_id": ["L1"]},
            advocacy={
                "customer_id": ["a"],
                "occurred_at": ["2024-01-01"],
                "kind": ["referral"],
                "new_customer_id": ["e"],
            },
        )
    )
    assert shop.customer_ids.tolist() == ["a", "b", "c", "d", "e"]
    assert shop.product_ids.tolist() == ["p", "q", "x", "y", "z"]
    assert shop.advocacy is not None
    assert shop.advocacy.new_customer.tolist() == [4]
    assert shop.products is not None
    assert shop.products.accessory_of.tolist() == [NONE, 3]
    assert shop.products.time.tolist() == [NEVER, NEVER]
    assert shop.contacts is not None
    assert (shop.contacts.held_out.tolist(), shop.contacts.cost.tolist()) == ([1], [NONE])
    assert shop.words["contacts.list_id"].tolist() == ["L1"]
    assert shop.words["products.category"].tolist() == ["tools"]


def test_a_column_without_values_is_not_given() -> None:
    reading = read_shop(frames(orders=orders(product_id=["", None, " "])), PLAIN)
    assert reading.shop is not None
    assert not reading.shop.has("orders.product_id")
    table = reading.table("orders")
    assert table is not None
    assert table.empty == ("product_id",)


def test_visibility() -> None:
    source = frames(
        orders=orders(recorded_at=["2024-01-05", None, "2023-01-01"]),
        customers={
            "customer_id": ["a", "b", "c", "d"],
            "valid_from": [None, None, "2024-01-01", "2024-01-01"],
            "recorded_at": [None, "2024-01-05", "2024-01-02", "2023-01-01"],
        },
    )
    shop = shop_of(source)
    assert shop.orders.visible.tolist() == [as_time("2024-01-05"), as_time("2024-01-02"), as_time("2024-01-03")]
    assert shop.customers is not None
    assert shop.customers.time.tolist() == [NEVER, as_time("2024-01-05"), as_time("2024-01-01"), as_time("2024-01-01")]
    assert shop.customers.visible.tolist() == [
        NEVER,
        as_time("2024-01-05"),
        as_time("2024-01-02"),
        as_time("2024-01-01"),
    ]


@pytest.mark.parametrize(
    ("text", "wall"),
    [
        ("2024-01-05", "2024-01-05T00:00"),
        ("2024-01-05T10:20", "2024-01-05T10:20"),
        ("2024-01-05 10:20:30.123456789", "2024-01-05T10:20:30.123456"),
        ("2024-01-05 10:20:30Z", "2024-01-05T10:20:30"),
        ("2024-07-05T10:20:30z", "2024-07-05T11:20:30"),
        ("2024-07-05 10:20:30 UTC", "2024-07-05T11:20:30"),
        ("2024-07-05 10:20:30 -0500", "2024-07-05T16:20:30"),
        ("2024-07-05T10:20+05:30", "2024-07-05T05:50"),
        ("2024-03-31T00:59:59Z", "2024-03-31T00:59:59"),
        ("2024-03-31T01:00:00Z", "2024-03-31T02:00:00"),
        ("2024-10-27T00:30:00Z", "2024-10-27T01:30:00"),
        ("2024-10-27T01:30:00Z", "2024-10-27T01:30:00"),
    ],
)
def test_moments_become_wall_time_row_by_row(text: str, wall: str) -> None:
    london = Settings(shop=ShopSettings(time_zone="Europe/London"))
    shop = shop_of(frames(orders=orders(ordered_at=["2024-07-01 12:00:00", text, text])), london)
    assert shop.orders.time.tolist() == [as_time("2024-07-01T12:00"), as_time(wall), as_time(wall)]


@settings(max_examples=8, deadline=None)
@given(
    zone=st.sampled_from(["Europe/London", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia"]),
    seconds=st.lists(st.integers(100_000, 2_145_000_000), min_size=3, max_size=3),
)
def test_zones_agree_with_zoneinfo(zone: str, seconds: list[int]) -> None:
    moments = [datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=count) for count in seconds]
    wall = [moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for moment in moments]
    elsewhere = Settings(shop=ShopSettings(time_zone=zone))
    as_text = shop_of(frames(orders=orders(ordered_at=[moment.isoformat() for moment in moments])), elsewhere)
    as_stamp = shop_of({"orders": pd.DataFrame(orders(ordered_at=moments))}, elsewhere)
    assert as_text.orders.time.tolist() == [as_time(moment) for moment in wall]
    assert same(as_text, as_stamp)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC"])
def test_stamps_of_every_unit(unit: Literal["s", "ms", "us", "ns"], zone: str | None) -> None:
    moments = pd.DatetimeIndex(["2024-01-05 10:00", "2024-01-06 00:00", pd.NaT]).as_unit(unit).tz_localize(zone)
    shop = shop_of({"orders": pd.DataFrame(orders(recorded_at=list(moments)) | {"ordered_at": moments[[0, 1, 1]]})})
    assert shop.orders.time.tolist() == [as_time("2024-01-05T10:00"), as_time("2024-01-06"), as_time("2024-01-06")]


def test_a_date_column_is_midnight() -> None:
    days = pa.array(["2024-01-01", "2024-01-02", "2024-01-03"]).cast(pa.date32())
    source = {"orders": pa.table(orders()).set_column(2, "ordered_at", days)}
    assert same(shop_of(source), shop_of(frames()))


def test_mixed_objects_of_a_frame_are_read_one_by_one() -> None:
    moments = [datetime(2024, 1, 1), datetime(2024, 7, 1, tzinfo=UTC), "2024-07-02"]  # noqa: DTZ001
    frame = pd.DataFrame(orders() | {"customer_id": [13085, "A1", None], "ordered_at": moments}, dtype=object)
    before = frame.copy(deep=True)
    shop = shop_of({"orders": frame}, Settings(shop=ShopSettings(time_zone="Europe/London")))
    assert shop.customer_ids.tolist() == ["13085", "A1"]
    assert sorted(shop.orders.time) == [as_time("2024-01-01"), as_time("2024-07-01T01:00"), as_time("2024-07-02")]
    pd.testing.assert_frame_equal(frame, before)


LINES = st.lists(
    st.fixed_dictionaries(
        {
            "customer": st.sampled_from(["a", "b", "ü", None]),
            "order": st.integers(1, 4),
            "day": st.integers(1, 28),
            "product": st.sampled_from(["p", "q", None]),
            "quantity": st.integers(-3, 3),
            "price": st.decimals(0, 20, places=2),
            "recorded": st.sampled_from(["2024-01-05", "2024-02-05T10:00:00", None]),
        }
    ),
    min_size=1,
    max_size=8,
)


def _table(lines: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {
        "customer_id": [line["customer"] for line in lines],
        "order_id": [f"{line['customer']}{line['order']}" for line in lines],
        "ordered_at": [datetime(2024, 1, line["day"], 8) for line in lines],  # noqa: DTZ001
        "product_id": [line["product"] for line in lines],
        "quantity": [line["quantity"] for line in lines],
        "unit_price": [float(line["price"]) for line in lines],
        "recorded_at": [line["recorded"] for line in lines],
    }


def _support(lines: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {
        "customer_id": [line["customer"] or "z" for line in lines],
        "occurred_at": [datetime(2024, 1, line["day"], 9) for line in lines],  # noqa: DTZ001
        "event": ["worked" for _ in lines],
        "minutes": [float(line["price"]) for line in lines],
    }


@settings(max_examples=10, deadline=None)
@given(lines=LINES, random=st.randoms(use_true_random=False))
def test_the_order_of_rows_in_a_file_changes_nothing(lines: list[dict[str, Any]], random: Any) -> None:
    def read(rows: list[dict[str, Any]]) -> Reading:
        return inspect({"orders": pd.DataFrame(_table(rows)), "support": pd.DataFrame(_support(rows))}, PLAIN)

    shuffled = list(lines)
    random.shuffle(shuffled)
    assert same(read(lines).shop, read(shuffled).shop)


@settings(max_examples=4, deadline=None)
@given(lines=LINES)
def test_every_form_gives_the_same_shop(lines: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> None:
    tables = {"orders": pd.DataFrame(_table(lines)), "support": pd.DataFrame(_support(lines))}
    folder = tmp_path_factory.mktemp("forms")
    for form in ("csv", "gz", "parquet", "parts"):
        (folder / form).mkdir()
    for title, frame in tables.items():
        frame.to_csv(folder / "csv" / f"{title}.csv", index=False)
        frame.to_csv(folder / "gz" / f"{title}.csv.gz", index=False)
        frame.to_parquet(folder / "parquet" / f"{title}.parquet")
        (folder / "parts" / title).mkdir()
        half = len(frame) // 2
        frame[:half].to_parquet(folder / "parts" / title / "part-0.parquet")
        frame[half:].to_parquet(folder / "parts" / title / "part-1.parquet")
    with duckdb.connect(folder / "all.db") as connection:
        for title, frame in tables.items():
            connection.register("brought", pa.Table.from_pandas(frame))
            connection.execute(f"CREATE TABLE {title} AS SELECT * FROM brought")
    expected = inspect(tables, PLAIN)
    for source in (*(folder / form for form in ("csv", "gz", "parquet", "parts")), folder / "all.db"):
        reading = inspect(source, PLAIN)
        assert same(reading.shop, expected.shop), source
        assert _told(reading.findings) == _told(expected.findings)


def _told(findings: Sequence[Finding]) -> list[tuple[str, str, int]]:
    return [(finding.where, finding.rule, finding.count) for finding in findings]
