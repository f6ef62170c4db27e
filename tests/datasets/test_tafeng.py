from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from regulars.datasets.tafeng import load
from regulars.datasets.writing import LoadError


def write(folder: Path, lines: list[tuple[int, int, int, str]]) -> Path:
    names = ("user_id", "order_number", "product_id", "part")
    pq.write_table(pa.table(dict(zip(names, map(list, zip(*lines, strict=True)), strict=True))), folder / "a.parquet")
    return folder / "a.parquet"


def orders(folder: Path) -> list[tuple[object, ...]]:
    table = pq.read_table(folder / "orders.parquet")
    names = ("customer_id", "order_id", "product_id")
    days = [f"{moment:%Y-%m-%d}" for moment in table["ordered_at"].to_pylist()]
    return list(zip(*(table[name].to_pylist() for name in names), days, strict=True))


def test_dates_are_right_aligned(tmp_path: Path) -> None:
    lines = [(1, 1, 7, "history"), (1, 2, 8, "history"), (1, 2, 9, "history"), (1, 3, 7, "future")]
    lines += [(2, 1, 7, "history"), (2, 2, 9, "future"), (3, 1, 5, "history")]
    summary = load(write(tmp_path, lines), tmp_path / "shop")
    assert orders(tmp_path / "shop") == [
        ("1", "1-1", "7", "2001-02-14"),
        ("1", "1-2", "8", "2001-02-21"),
        ("1", "1-2", "9", "2001-02-21"),
        ("1", "1-3", "7", "2001-02-28"),
        ("2", "2-1", "7", "2001-02-21"),
        ("2", "2-2", "9", "2001-02-28"),
        ("3", "3-1", "5", "2001-02-21"),
    ]
    assert summary.rows_kept == 7


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([(1, 1, 7, "past")], "part is 'past'"),
        ([(1, 1, 7, "history"), (1, 2, 7, "future"), (1, 3, 7, "future")], "user 1 has more than one future basket"),
        ([(1, 3, 7, "history"), (1, 2, 7, "future")], "user 1"),
    ],
)
def test_other_splits_are_refused(tmp_path: Path, lines: list[tuple[int, int, int, str]], message: str) -> None:
    with pytest.raises(LoadError, match=message):
        load(write(tmp_path, lines), tmp_path / "shop")


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_text("nothing")
    with pytest.raises(LoadError, match="user_id, order_number"):
        load(tmp_path / "a.parquet", tmp_path / "shop")
    pq.write_table(pa.table({"user": [1]}), tmp_path / "b.parquet")
    with pytest.raises(LoadError, match="user_id, order_number"):
        load(tmp_path / "b.parquet", tmp_path / "shop")


def test_the_shared_split(tmp_path: Path, shared_data: Path) -> None:
    assert load(shared_data / "tafeng/baskets.parquet", tmp_path / "shop").rows_kept == 571_933
    last = {customer for customer, _, _, day in orders(tmp_path / "shop") if day == "2001-02-28"}
    assert len(last) == 13_858
