from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from regulars.features.findings import DataError
from regulars.features.reading import inspect, read_shop
from regulars.features.settings import Settings
from regulars.features.sources import as_arrow, open_source

CSV = "customer_id,order_id,ordered_at,amount\na,1,2024-01-01,10\nb,2,2024-01-02,20\n"
TABLE = pa.table({"customer_id": ["a"], "order_id": ["1"], "ordered_at": ["2024-01-01"], "amount": ["1"]})


def error_of(source: Any) -> str:
    with pytest.raises(DataError) as caught:
        read_shop(source, Settings())
    return str(caught.value)


def customers_of(source: Any) -> list[str]:
    shop = read_shop(source, Settings()).shop
    assert shop is not None
    return [str(name) for name in shop.customer_ids]


@pytest.mark.parametrize(
    "text",
    [
        CSV,
        CSV.replace("\n", "\r\n"),
        "\ufeff" + CSV,
        CSV.rstrip("\n"),
        'amount,note,"customer_id",order_id,ordered_at\n1,"two\nlines, ""quoted""",a,1,2024-01-01\n2,,b,2,2024-01-02\n',
    ],
    ids=["plain", "windows", "mark", "no last line end", "quoted"],
)
@pytest.mark.parametrize("packed", [False, True])
def test_csv(tmp_path: Path, text: str, packed: bool) -> None:
    if packed:
        (tmp_path / "orders.csv.gz").write_bytes(gzip.compress(text.encode()))
    else:
        (tmp_path / "orders.csv").write_bytes(text.encode())
    assert customers_of(tmp_path) == ["a", "b"]
    assert customers_of(str(tmp_path)) == ["a", "b"]


@pytest.mark.parametrize("name", ["shop[1]", "it's", "50*off?", 'say "hi"', "ü"])
def test_names_of_folders_are_taken_as_they_are(tmp_path: Path, name: str) -> None:
    for folder, customer in ((tmp_path / name, "a"), (tmp_path / "shop1", "z"), (tmp_path / "50 off!", "z")):
        folder.mkdir()
        (folder / "orders.csv").write_text(CSV.replace("a,", f"{customer},"))
    assert customers_of(tmp_path / name) == ["a", "b"]
    (tmp_path / name / "orders.csv").unlink()
    parquet.write_table(TABLE, tmp_path / name / "orders.parquet")
    assert customers_of(tmp_path / name) == ["a"]


@pytest.mark.parametrize("column", ["it's", 'say "hi"', "a;b", "number of the row", "row", "bad", "gross", "reason"])
def test_names_of_columns_are_taken_as_they_are(tmp_path: Path, column: str) -> None:
    extra = TABLE.append_column(column, pa.array(["x"]))
    assert customers_of({"orders": extra}) == ["a"]
    broken = extra.set_column(3, "amount", pa.array(["ten"]))
    lenient = Settings.model_validate({"data": {"bad_rows": "set_aside"}})
    both = pa.concat_tables([extra, broken])
    reading = read_shop({"orders": both.set_column(1, "order_id", pa.array(["1", "2"]))}, lenient, set_aside=tmp_path)
    header, row = reading.files[0].read_text().splitlines()
    assert header.startswith("row,reason,customer_id")
    assert row.startswith("2,amount is no number,a,2")
    assert row.endswith(",x")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "orders.csv is empty"),
        (b"customer_id,order_id,order_id\n", "names 'order_id' more than once"),
        (CSV.replace(",", ";").encode(), "write the file with commas"),
        (CSV.encode() + b"c,3,2024-01-03,5,6,7\n", "orders.csv cannot be read"),
        (CSV.encode().replace(b"b,", "é,".encode("latin-1")), "as UTF-8"),
        (b"customer_id,\xe9\n", "not UTF-8"),
    ],
)
def test_csv_that_cannot_be_read(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "orders.csv").write_bytes(content)
    assert words in error_of(tmp_path)


def test_files_that_are_not_what_their_name_says(tmp_path: Path) -> None:
    (tmp_path / "orders.parquet").write_text(CSV)
    assert "orders: orders.parquet cannot be read" in error_of(tmp_path)
    (tmp_path / "orders.csv.gz").write_text(CSV)
    assert "there are orders.csv.gz and orders.parquet" in error_of(tmp_path)
    (tmp_path / "orders.parquet").unlink()
    assert "orders: orders.csv.gz cannot be read" in error_of(tmp_path)
    assert "orders.csv.gz is no DuckDB file" in error_of(tmp_path / "orders.csv.gz")


def test_nothing_there(tmp_path: Path) -> None:
    assert "there is no folder or file" in error_of(tmp_path / "nowhere")
    assert inspect(tmp_path / "nowhere", Settings()).shop is None
    (tmp_path / "orders").mkdir()
    assert "there is no Parquet file in orders/" in error_of(tmp_path)


def test_misnamed_tables_are_pointed_out(tmp_path: Path) -> None:
    (tmp_path / "Order.csv").write_text(CSV)
    reading = inspect(tmp_path, Settings())
    assert "orders: there is 'Order.csv'. If it is meant, call it 'orders'." in [str(item) for item in reading.findings]
    assert "orders: there is no such table" in str(reading.findings[0])
    assert "found: no table at all (beside Order.csv). Expected" in str(reading.findings[0])
    for name in ("Orders.CSV", "Sales.csv", *(f"z{i}.csv" for i in range(4))):
        (tmp_path / name).write_text(CSV)
    reading = inspect(tmp_path, Settings())
    assert "(beside Order.csv, Orders.CSV, Sales.csv, z0.csv, z1.csv, ...)" in str(reading.findings[0])
    assert "orders: there is 'Orders.CSV'. If it is meant, call it 'orders'." in map(str, reading.findings)


def test_a_file_in_place_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text(CSV)
    assert f"Give {tmp_path}, the folder it is in." in error_of(tmp_path / "orders.csv")


def test_parts_name_the_file_of_a_row(tmp_path: Path) -> None:
    folder = tmp_path / "orders" / "year=2024"
    folder.mkdir(parents=True)
    parquet.write_table(TABLE, folder / "part-0.parquet")
    worse = pa.concat_tables([TABLE, TABLE.set_column(3, "amount", pa.array(["ten"]))])
    parquet.write_table(worse, folder / "part-1.parquet")
    (folder / "_SUCCESS").touch()
    [finding] = inspect(tmp_path, Settings()).of("bad_rows")
    assert finding.examples == ("row 2 of orders/year=2024/part-1.parquet: 'ten'",)
    assert not inspect(tmp_path, Settings()).tables[0].unknown


def test_duckdb_files_and_folders_with_one(tmp_path: Path) -> None:
    with duckdb.connect(tmp_path / "shop.duckdb") as connection:
        connection.register("brought", TABLE)
        connection.execute("CREATE TABLE lines AS SELECT * FROM brought")
        connection.execute("CREATE VIEW orders AS SELECT * FROM lines")
    before = (tmp_path / "shop.duckdb").read_bytes()
    assert customers_of(tmp_path / "shop.duckdb") == ["a"]
    assert customers_of(tmp_path) == ["a"]
    assert (tmp_path / "shop.duckdb").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shop.duckdb"]


@pytest.mark.parametrize(
    "frame",
    [
        TABLE,
        TABLE.to_pandas(),
        TABLE.to_pandas().astype("category"),
        TABLE.to_pandas().set_index("amount", drop=False),
        TABLE.to_batches()[0],
        pa.RecordBatchReader.from_batches(TABLE.schema, TABLE.to_batches()),
    ],
    ids=["arrow", "pandas", "category", "indexed", "batch", "reader"],
)
def test_frames(frame: Any) -> None:
    assert customers_of({"orders": frame, "support": None}) == ["a"]


def test_what_is_no_frame() -> None:
    assert "orders: the frame cannot be read (list is no table)" in error_of({"orders": [1, 2]})
    twice = pd.concat([TABLE.to_pandas(), TABLE.to_pandas()], axis=1)
    assert "the frame names 'customer_id', 'order_id', 'ordered_at', 'amount' more than once" in error_of(
        {"orders": twice}
    )


def test_missing_values_of_a_frame_are_nothing() -> None:
    frame = pd.DataFrame({"id": [1.0, float("nan")], "word": ["a", None], "flag": pd.array([True, pd.NA])})
    assert as_arrow(frame).to_pydict() == {"id": [1.0, None], "word": ["a", None], "flag": [True, None]}


def test_extensions_are_neither_fetched_nor_loaded() -> None:
    with open_source({"orders": TABLE}, 1) as source:
        query = "SELECT name, value FROM duckdb_settings() WHERE name LIKE 'auto%known_extensions' ORDER BY name"
        values = source.connection.execute(query).fetchall()
    assert values == [("autoinstall_known_extensions", "false"), ("autoload_known_extensions", "false")]
