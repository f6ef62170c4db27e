from __future__ import annotations

import gzip
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from regulars.datasets.online_retail_ii import BAD_DEBT, CONTRADICTION, HEADER, OVERLAP, load
from regulars.datasets.writing import LoadError

LINES = """\
1,85048,BALL,12,2010-12-01 07:45:00,6.95,13085,France
1,post,POSTAGE,1,2010-12-01 07:45:00,18,13085,France
C2,85048,BALL,-2,2010-12-02 08:00:00,6.95,13085.0,Spain
3,15056bl, BIG   BALL ,1,2010-12-02 09:00:00,1.5,,France
4,15056BL,damages,-5,2010-12-02 09:30:00,0,,France
C5,M,Manual,1,2010-12-02 10:00:00,373.57,,France
A6,B,Adjust bad debt,1,2010-12-02 10:00:00,-50,,France
7,DCGS0058,"GUM, ""MISO"" MINT",1,2010-12-02 11:00:00,0.8,12345,EIRE
8,gift_0001_30,Voucher,1,2010-12-02 12:00:00,30,12345,EIRE
"""


def write(folder: Path, lines: str, header: str = HEADER) -> Path:
    file = folder / "lines.csv"
    file.write_text(f"{header}\n{lines}", encoding="utf-8")
    return file


def rows(file: Path, *columns: str) -> list[tuple[object, ...]]:
    table = pq.read_table(file)
    return list(zip(*(table[column].to_pylist() for column in columns), strict=True))


def test_lines_become_orders_returns_and_guests(tmp_path: Path) -> None:
    summary = load(write(tmp_path, LINES), tmp_path / "shop")
    columns = ("customer_id", "order_id", "product_id", "quantity", "unit_price")
    assert rows(tmp_path / "shop/orders.parquet", *columns) == [
        ("13085", "1", "85048", 12, 6.95),
        ("13085", "1", None, 1, 18),
        ("13085", "C2", "85048", -2, 6.95),
        (None, "3", "15056BL", 1, 1.5),
        (None, "4", "15056BL", -5, 0),
        ("12345", "7", "DCGS0058", 1, 0.8),
        ("12345", "8", None, 1, 30),
    ]
    assert rows(tmp_path / "shop/orders.parquet", "ordered_at")[0] == (datetime(2010, 12, 1, 7, 45),)  # noqa: DTZ001
    assert (summary.rows_read, summary.rows_kept) == (9, 7)
    assert summary.removed == {OVERLAP: 0, BAD_DEBT: 1, CONTRADICTION: 1}
    assert summary.tables == {"orders": 7, "products": 3, "customers": 2}


def test_products_are_named_by_what_was_sold_and_customers_live_where_they_last_did(tmp_path: Path) -> None:
    load(write(tmp_path, LINES), tmp_path / "shop")
    assert rows(tmp_path / "shop/products.parquet", "product_id", "name") == [
        ("15056BL", "BIG BALL"),
        ("85048", "BALL"),
        ("DCGS0058", 'GUM, "MISO" MINT'),
    ]
    countries = rows(tmp_path / "shop/customers.parquet", "customer_id", "country")
    assert countries == [("12345", "EIRE"), ("13085", "Spain")]


def test_the_days_in_both_sheets_count_once(tmp_path: Path) -> None:
    day = "2010-12-03 10:00:00,1,5,UK"
    shared = f"2,A1,X,1,{day}\n2,A1,X,1,{day}\n3,A1,X,1,2010-12-09 10:00:00,1,5,UK\n"
    first, second = "1,A1,X,1,2010-11-01 10:00:00,1,5,UK\n" + shared, shared + "4,A1,X,1,2010-12-09 20:00:00,1,5,UK\n"
    summary = load(write(tmp_path, first + second), tmp_path / "shop")
    assert [order for (order,) in rows(tmp_path / "shop/orders.parquet", "order_id")] == ["1", "2", "2", "3", "4"]
    assert summary.removed[OVERLAP] == 3


def test_a_compressed_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    file = tmp_path / "lines.csv.gz"
    file.write_bytes(gzip.compress(f"\ufeff{HEADER}\n{LINES}".encode()))
    assert load(file, tmp_path / "shop").rows_kept == 7


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.xlsx", b"PK", "save its sheets as one CSV"),
        ("a.csv", b"InvoiceNo,StockCode\n1,2\n", "Customer ID,Country"),
        ("a.csv.gz", b"no gzip", "not a CSV file"),
        ("a.csv", f"{HEADER}\n".encode(), "no lines below"),
        ("a.csv", f"{HEADER}\n1,A,X,1,01/12/2010 07:45,1,5,UK\n".encode(), "row 1 .* '01/12/2010 07:45' .as 2009"),
        ("a.csv", f"{HEADER}\n1,A,X,1.5,2010-12-01 07:45:00,1,5,UK\n".encode(), "Quantity '1.5'"),
        ("a.csv", f"{HEADER}\n1,A,X\n".encode(), "a.csv"),
    ],
)
def test_what_is_not_this_data_is_refused_and_leaves_nothing(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(LoadError, match=message):
        load(file, tmp_path / "shop")
    assert list(tmp_path.iterdir()) == [file]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Path:
    out = tmp_path_factory.mktemp("real") / "shop"
    summary = load(shared_data / "online_retail_ii/online_retail_II.csv.gz", out)
    assert summary.rows_read == 1_044_847
    assert summary.removed == {OVERLAP: 0, BAD_DEBT: 6, CONTRADICTION: 1}
    return out


@pytest.mark.slow
@pytest.mark.parametrize(("cutoff", "customers", "gone"), [("2011-09-01", 5_249, 0.573), ("2011-06-01", 4_933, 0.671)])
def test_customers_and_churn_at_the_reference_cutoffs(real: Path, cutoff: str, customers: int, gone: float) -> None:
    found = duckdb.execute(
        """with bought as (select customer_id, ordered_at - cast($cutoff as timestamp) as since
             from read_parquet($file) where customer_id is not null and quantity > 0 and unit_price > 0),
           spans as (select bool_or(since < interval 0 days) as before,
             bool_or(since >= interval 0 days and since < interval 90 days) as after from bought group by customer_id)
           select count(*), avg(1 - cast(after as integer)) from spans where before""",
        {"cutoff": cutoff, "file": str(real / "orders.parquet")},
    ).fetchone()
    assert found is not None
    assert found[0] == customers
    assert found[1] == pytest.approx(gone, abs=0.0005)
