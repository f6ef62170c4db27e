from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from regulars.datasets.cdnow import load
from regulars.datasets.writing import LoadError

MASTER = """\
 00001 19970101  1   11.77
 00002 19970112  1   12.00
 00002 19970112  5   77.00
 00003 19970102  2    0.00
"""
SAMPLE = """\
 00004 0001 19970101  2   29.33
 00004 0001 19970118  2   29.73
"""


def orders(folder: Path) -> list[tuple[object, ...]]:
    table = pq.read_table(folder / "orders.parquet")
    columns = ("customer_id", "order_id", "quantity", "amount")
    return list(zip(*(table[name].to_pylist() for name in columns), strict=True))


@pytest.mark.parametrize("header", ["", "customer date CDs dollars\n"])
def test_the_master_file(tmp_path: Path, header: str) -> None:
    (tmp_path / "master.txt").write_text(header + MASTER)
    summary = load(tmp_path / "master.txt", tmp_path / "shop")
    assert orders(tmp_path / "shop") == [
        ("1", "1-19970101-1", 1, 11.77),
        ("2", "2-19970112-1", 1, 12.0),
        ("2", "2-19970112-2", 5, 77.0),
        ("3", "3-19970102-1", 2, 0.0),
    ]
    assert (summary.rows_read, summary.rows_kept) == (4, 4)


@pytest.mark.parametrize("header", ["", "customer sample_id date CDs dollars\n"])
def test_the_sample_keeps_the_masters_id(tmp_path: Path, header: str) -> None:
    (tmp_path / "sample.txt").write_text(header + SAMPLE)
    load(tmp_path / "sample.txt", tmp_path / "shop")
    assert orders(tmp_path / "shop") == [("4", "4-19970101-1", 2, 29.33), ("4", "4-19970118-1", 2, 29.73)]
    days = pq.read_table(tmp_path / "shop/orders.parquet")["ordered_at"].to_pylist()
    assert [str(day) for day in days] == ["1997-01-01 00:00:00", "1997-01-18 00:00:00"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no rows"),
        ("1 2\n", "line 1 has 2 values, not 4 or 5"),
        (MASTER + SAMPLE, "line 5 has 5 values, not 4"),
        ("1 19971301 1 2.0\n", "line 1: '1 19971301 1 2.0' cannot be read"),
        ("1 19970101 one 2.0\n", "brucehardie"),
    ],
)
def test_other_text_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(LoadError, match=message):
        load(tmp_path / "a.txt", tmp_path / "shop")


def test_the_shared_sample(tmp_path: Path, shared_data: Path) -> None:
    assert load(shared_data / "cdnow/sample.parquet", tmp_path / "shop").rows_kept == 6_919
    assert orders(tmp_path / "shop")[:2] == [("4", "4-19970101-1", 2, 29.33), ("4", "4-19970118-1", 2, 29.73)]
    assert len({customer for customer, *_ in orders(tmp_path / "shop")}) == 2_357
