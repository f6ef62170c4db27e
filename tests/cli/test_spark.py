"""The commands on Spark, on a local cluster of two worker processes: row for row what one machine gives."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from tests.cli.conftest import Give, start

from regulars.features.batch import ids_of
from regulars.features.settings import Settings, ShopSettings, read_settings
from regulars.features.shop import as_time
from regulars.features.spark import id_of, open_tables, quiet, session
from regulars.features.spark_groups import features, survey
from regulars.features.spark_sample import take_sample
from regulars.serving.columns import COLUMNS

pytestmark = [pytest.mark.slow, pytest.mark.spark]
MASTER = "local-cluster[2,1,2048]"
ON_SPARK = ("--engine", "spark", "--master", MASTER)
ORDERS = ["customer_id", "order_id", "ordered_at", "amount"]


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    if find_spec("pyspark") is None:
        pytest.skip("needs PySpark, which is absent: make setup-spark")
    if "JAVA_HOME" not in os.environ and shutil.which("java") is None:
        pytest.skip("needs Java 17 or newer, which is absent: make setup-spark")
    with session(MASTER) as found:
        # Where the driver stands must not matter to any moment.
        found.conf.set("spark.sql.session.timeZone", "America/New_York")
        found.conf.set("spark.sql.shuffle.partitions", 4)  # the shops are small
        yield found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """A folder with a shop of 2,000 customers and the files of the example with web visits, a table of its own."""
    made = tmp_path_factory.mktemp("two-thousand")
    said = start("simulate", "--customers", "2000", "--seed", "11", "--out", "shop", at=made)
    assert said.code == 0, said.err
    for name in ("visits.py", "regulars.toml", "make_visits.py"):
        shutil.copy(root / "examples/web-visits" / name, made)
    subprocess.run([sys.executable, "make_visits.py", "shop"], cwd=made, check=True)
    return made


@pytest.fixture(scope="module")
def shop(place: Path) -> Path:
    return place / "shop"


def rows(path: Path, *by: str) -> pa.Table:
    return (
        pq.read_table(path).replace_schema_metadata(None).sort_by([(name, "ascending") for name in by]).combine_chunks()
    )


def write_orders(folder: Path, *lines: tuple[Any, ...], ending: str = ".csv") -> Path:
    folder.mkdir()
    frame = pd.DataFrame(lines, columns=ORDERS)
    if ending == ".csv":
        frame.to_csv(folder / "orders.csv", index=False)
    else:
        frame.to_parquet(folder / "orders.parquet")
    return folder


def test_features_are_those_of_one_machine(spark: Any, give: Give, place: Path, tmp_path: Path) -> None:
    moments = ("--as-of", "2024-12-31", "--as-of", "2025-04-01T12:00")
    local = give("features", "shop", *moments, "--out", tmp_path / "local.parquet", at=place)
    assert local.code == 0, local.err
    said = give("features", "shop", *ON_SPARK, *moments, "--out", tmp_path / "spark", at=place)
    assert (said.code, said.out) == (0, ""), said.err
    expected, found = (rows(tmp_path / name, "customer_id", "as_of") for name in ("local.parquet", "spark"))
    assert found.column_names == expected.column_names
    assert found.schema.field("as_of").type == pa.timestamp("us")
    assert [name for name in found.column_names if not found[name].equals(expected[name].cast(found[name].type))] == []
    assert len(found) > 3_000
    # There are four groups, so most of the referred are in another than who referred them.
    assert pc.max(found["referred_margin"]).as_py() > 0
    assert found.column_names[-1] == "visits_since_last_order"
    assert pc.max(found["pages_viewed_30d"]).as_py() > 0
    assert f"{len(found):,} rows of {found.num_columns - 2} features written" in said.err


def test_one_customer_with_a_million_lines(spark: Any, give: Give, shop: Path, tmp_path: Path) -> None:
    (tmp_path / "skewed").mkdir()
    rng, count = np.random.default_rng(0), 1_000_000
    minutes = np.sort(rng.integers(0, 2 * 365 * 1440, count))
    big = pa.table(
        {
            "customer_id": np.full(count, "giant"),
            "order_id": np.char.add("g", (minutes // 30).astype(str)),
            "ordered_at": np.datetime64("2023-01-01", "us") + minutes * np.timedelta64(60_000_000, "us"),
            "product_id": np.char.add("p", rng.integers(0, 500, count).astype(str)),
            "quantity": rng.integers(1, 5, count),
            "unit_price": rng.integers(100, 5_000, count) / 100,
        }
    )
    others = pq.read_table(shop / "orders.parquet").select(big.column_names)
    pq.write_table(pa.concat_tables([others, big.cast(others.schema)]), tmp_path / "skewed" / "orders.parquet")
    began = time.perf_counter()
    said = give("features", "skewed", *ON_SPARK, "--as-of", "2025-01-01", "--out", "spark", at=tmp_path)
    print(f"features of 2,000 customers and one with a million lines: {time.perf_counter() - began:.0f} s")  # noqa: T201
    assert said.code == 0, said.err
    local = give("features", "skewed", "--as-of", "2025-01-01", "--out", "local.parquet", at=tmp_path)
    assert local.code == 0, local.err
    expected, found = (rows(tmp_path / name, "customer_id") for name in ("local.parquet", "spark"))
    assert found.equals(expected.cast(found.schema))
    assert found.filter(pc.field("customer_id") == "giant")["lines_total"].to_pylist() == [count]


REFUSED = """\
refused: the data cannot be used:
- orders.amount is no number in 2 of 5 rows (row of customer_id 'b', order_id '2', ordered_at '01/02/2024': '1,5'; \
row of customer_id 'c', order_id '3', ordered_at '2024-01-03': 'x'). Expected: a number from -100,000,000,000 to \
100,000,000,000 (exclusive). Write numbers with a full stop as decimal point, without thousands separator or \
currency sign.
- orders.order_id is one order under two customers in 2 of 5 rows (order '1' is of 'a' and 'd'). Expected: one \
customer for all lines of an order (a guest's line is not a customer's). Number orders so that an order_id is used \
once, or fill in the missing customer_id.
- orders.ordered_at is no moment that can be read safely in 1 of 5 rows (row of customer_id 'b', order_id '2', \
ordered_at '01/02/2024': '01/02/2024'). Expected: a moment like 2011-09-01T08:00 (ISO 8601, with or without an \
offset), from 1970 to 2199. Write it as YYYY-MM-DD HH:MM:SS; a number, or a date with the day or the month first, \
could be read in two ways.
"""


def test_bad_rows_are_refused_in_one_message(spark: Any, give: Give, tmp_path: Path) -> None:
    lines = [("a", "1", "2024-01-01", "10"), ("b", "2", "01/02/2024", "1,5"), ("c", "3", "2024-01-03", "x")]
    write_orders(tmp_path / "shop", *lines, ("d", "1", "2024-01-01", "5"), ("e", "9", "2024-01-01", "5"))
    said = give("features", "shop", *ON_SPARK, "--out", "out", at=tmp_path)
    assert (said.code, said.out) == (1, "")
    assert said.err == REFUSED
    assert not (tmp_path / "out").exists()


CALLS = """
from regulars.features.define import Family
from regulars.features.tables import Column, EventTable, Kind

class Calls(EventTable):
    title = "calls"
    happened = "called_at"
    called_at = Column(Kind.TIME, "when", required=True)
    id = Column(Kind.ID, "which call")
    bucket = Column(Kind.TEXT, "of what kind")
    reason = Column(Kind.TEXT, "why they called")

mine = Family("mine", needs=("calls", "calls.id", "calls.bucket", "calls.reason"))

@mine.feature(unit="calls", empty="0")
def late_calls(past):
    '''Calls because something was late.'''
    return past.table("calls", reason="late", bucket="b").count()
"""


def test_bad_rows_are_set_aside_with_their_reasons(spark: Any, give: Give, tmp_path: Path) -> None:
    (tmp_path / "calls.py").write_text(CALLS)
    (tmp_path / "regulars.toml").write_text('[data]\nbad_rows = "set_aside"\n[features]\nown = ["calls.py"]\n')
    lines = [("a", "1", "2024-01-01", "10"), ("b", "2", "2024-01-02", "1,5"), ("b", "3", "2024-01-03", "7")]
    write_orders(tmp_path / "shop", *lines, ("c", "4", "2024-01-01", "5"), ("d", "4", "2024-01-01", "5"))
    calls = "customer_id,called_at,id,bucket,reason\nb,2024-01-02,1,b,late\na,soon,2,b,lost\nb,2024-01-03,3,c,late\n"
    (tmp_path / "shop" / "calls.csv").write_text(calls)
    said = give("features", "shop", *ON_SPARK, "--out", "spark", at=tmp_path)
    assert said.code == 0, said.err
    assert "set aside: orders.amount is no number in 1 of 5 rows" in said.err
    aside = set_aside(tmp_path, "orders")
    assert aside["customer_id"].tolist() == ["b", "c", "d"]
    assert aside["reason"].tolist() == ["amount is no number", *["order_id is one order under two customers"] * 2]
    call = set_aside(tmp_path, "calls").iloc[0]
    assert (call["_reason"], call["reason"]) == ("called_at is no moment that can be read safely", "lost")
    assert give("features", "shop", "--out", "local.parquet", at=tmp_path).code == 0
    expected, found = (rows(tmp_path / name, "customer_id") for name in ("local.parquet", "spark"))
    assert found.equals(expected.cast(found.schema))
    assert found["customer_id"].to_pylist() == ["a", "b"]
    assert found["late_calls"].to_pylist() == [0, 1]

    settings = read_settings(tmp_path / "regulars.toml")
    (tmp_path / "sample").mkdir()
    good = survey(open_tables(spark, str(tmp_path / "shop"), settings), settings).tables
    assert str(take_sample(good, 1, 0, tmp_path / "sample")).startswith("a sample of 1 of 2 customers (50.0%)")
    taken = {title: pq.read_table(tmp_path / "sample" / f"{title}.parquet") for title in ("orders", "calls")}
    (who,) = set(taken["orders"]["customer_id"].to_pylist())
    assert taken["calls"]["id"].to_pylist() == (["1", "3"] if who == "b" else [])


def set_aside(folder: Path, title: str) -> pd.DataFrame:
    files = sorted((folder / "shop-set-aside" / title).glob("*.csv"))
    return pd.concat([pd.read_csv(file, dtype=str) for file in files]).sort_values("customer_id")


ZONED = "2024-07-01T08:00:00+02:00"  # seven in the morning in London


@pytest.mark.parametrize(
    ("moment", "ending"),
    [
        (pd.Timestamp("2024-07-01T07:00"), ".parquet"),
        (pd.Timestamp(ZONED), ".parquet"),
        (pd.Timestamp("2024-07-01T06:00", tz="UTC"), ".parquet"),
        ("2024-07-01T07:00", ".csv"),
        (ZONED, ".csv"),
    ],
    ids=["wall", "zone", "utc", "text", "text with offset"],
)
def test_moments_are_the_shops_wall_time(spark: Any, tmp_path: Path, moment: pd.Timestamp | str, ending: str) -> None:
    london = Settings(shop=ShopSettings(time_zone="Europe/London"))
    write_orders(tmp_path / "shop", ("a", "1", moment, "10"), ending=ending)
    found = survey(open_tables(spark, str(tmp_path / "shop"), london), london)
    asked = features(found, london, [as_time("2024-07-01T07:00"), as_time("2024-07-01T19:00")], groups=1)
    told = asked.select("as_of", "days_since_last_order").collect()
    assert told == [(datetime(2024, 7, 1, 19), 0.5)]  # noqa: DTZ001


def test_tables_of_a_catalog(spark: Any, give: Give, tmp_path: Path) -> None:
    spark.sql(f"CREATE DATABASE cat_shop LOCATION 'file://{tmp_path}/warehouse'")
    lines = [(7.0, "1", "2024-01-01", 10.0), (12_345_678.0, "2", "2024-01-02", 5.0), (None, "3", "2024-01-02", 5.0)]
    spark.createDataFrame(
        lines, "customer_id double, order_id string, ordered_at string, amount double"
    ).createOrReplaceTempView("o")
    spark.sql("CREATE TABLE cat_shop.orders USING parquet AS SELECT * FROM o")
    words = (
        "SELECT ' 7.0' AS customer_id, '2024-01-03' AS occurred_at, 'opened' AS event, 't' AS ticket_id, NULL AS topic"
    )
    spark.sql(f"CREATE TABLE cat_shop.support USING parquet AS {words.replace('NULL', 'CAST(NULL AS STRING)')}")
    asked = (*ON_SPARK, "--as-of", "2024-02-01", "--out", "spark:cat_shop.found")
    said = give("features", "spark:cat_shop", *asked, at=tmp_path)
    assert said.code == 0, said.err
    found = spark.table("cat_shop.found").orderBy("customer_id").collect()
    assert [(row["customer_id"], row["tickets_total"]) for row in found] == [("12345678", 0.0), ("7", 1.0)]
    again = give("features", "spark:cat_shop", *asked, at=tmp_path)
    assert again.code == 1
    assert "already exists" in again.err
    assert "Exception" not in again.err


def test_an_id_has_one_form_in_every_type(spark: Any) -> None:
    doubles = [13085.0, 12_345_678.0, 1.5, -3.0, None]
    texts = [" 13085.00 ", "12345678", "1.5", "-3.0", "\t", "x.0"]
    for values, kind in ((doubles, "double"), (texts, "string"), ([13085, -3, None], "long")):
        frame = spark.createDataFrame([(value,) for value in values], f"customer_id {kind}")
        found = {row[0] for row in frame.select(id_of(frame, "customer_id")).collect()} - {None}
        assert sorted(found) == ids_of([pa.array(values)])


def test_training_takes_a_stated_sample_and_scores_are_those_of_one_machine(
    spark: Any, give: Give, place: Path, tmp_path: Path
) -> None:
    import mlflow

    said = give("train", "shop", *ON_SPARK, "--sample-customers", "150", at=place)
    assert said.code == 0, said.err
    assert "training on a sample of 150 of 2,000 customers (7.5%), whole histories, and " in said.err
    runs = mlflow.MlflowClient(f"sqlite:///{place}/mlflow.db")
    (parent,) = [run for run in runs.search_runs(["1"]) if "sample_of" in run.data.params]
    told_ = {name: parent.data.params[name] for name in ("sample_customers", "sample_of", "sample_share")}
    assert told_ == {"sample_customers": "150", "sample_of": "2000", "sample_share": "0.075"}
    bundle = json.loads((place / "champion/bundle.json").read_text())
    assert [module["name"] for module in bundle["own_features"]] == ["visits.py"]

    asked = ("--model", "champion", "--as-of", "2025-04-01", "--top", "5")
    local = give("score", "shop", *asked, "--out", tmp_path / "local.parquet", at=place)
    assert local.code == 0, local.err
    said = give("score", "shop", *ON_SPARK, *asked, "--out", tmp_path / "spark", at=place)
    assert said.code == 0, said.err
    expected, found = (rows(tmp_path / name, "customer_id") for name in ("local.parquet", "spark"))
    assert tuple(found.column_names) == COLUMNS
    assert [name for name in COLUMNS if found[name].to_pylist() != expected[name].to_pylist()] == []
    assert {"scored", "prospect"} <= set(found["status"].to_pylist())
    assert max(map(len, found["next_new_products"].to_pylist())) == 5
    assert said.out.replace(str(tmp_path / "spark"), "") == local.out.replace(str(tmp_path / "local.parquet"), "")


def test_what_is_not_there_is_told(spark: Any, give: Give, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    said = give("features", "empty", *ON_SPARK, "--out", "out", at=tmp_path)
    assert said.code == 1
    assert "orders: there is no such table in" in said.err
    write_orders(tmp_path / "shop", ("a", "1", "2024-01-01", "10"))
    said = give("features", "shop", *ON_SPARK, "--as-of", "2020-01-01", "--out", "out", at=tmp_path)
    assert (said.code, said.err.splitlines()[-1]) == (
        1,
        "refused: no customer was known before 2020-01-01; the first order line is of 2024-01-01",
    )
    (tmp_path / "there").mkdir()
    said = give("features", "shop", *ON_SPARK, "--out", "there", at=tmp_path)
    assert said.code == 2
    assert "there is there already" in said.err
    (tmp_path / "shop" / "orders.csv").write_text("customer_id,order_id,ordered_at,amount\na,1,2024-01-01\n")
    said = give("features", "shop", *ON_SPARK, "--out", "out", at=tmp_path)
    assert said.code == 1
    (line,) = said.err.splitlines()
    assert line.startswith("refused: Spark could not do it: ")
    assert "Malformed CSV record: a,1,2024-01-01" in line


def test_what_only_a_worker_finds_is_told_as_on_one_machine(spark: Any, give: Give, tmp_path: Path) -> None:
    rich = [("a", str(number), "2024-01-01", "99999999999") for number in range(5_000)]
    write_orders(tmp_path / "shop", *rich)
    local = give("features", "shop", "--out", "local.parquet", at=tmp_path)
    said = give("features", "shop", *ON_SPARK, "--out", "spark", at=tmp_path)
    assert (said.code, local.code) == (1, 1)
    assert "the revenue of all lines together is beyond what can be added up exactly" in local.err
    assert said.err.splitlines()[-2:] == local.err.splitlines()[-2:]


LATE = """
from regulars.features.define import Family

mine = Family("mine")

@mine.feature(unit="days", empty="missing")
def short_by_one(past):
    '''A number too few.'''
    return past.orders.days_since_last()[1:]
"""


def test_an_own_feature_that_fails_is_told_as_on_one_machine(spark: Any, give: Give, tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text(LATE)
    (tmp_path / "regulars.toml").write_text('[features]\nown = ["late.py"]\n')
    write_orders(tmp_path / "shop", ("a", "1", "2024-01-01", "10"))
    local = give("features", "shop", "--out", "local.parquet", at=tmp_path)
    said = give("features", "shop", *ON_SPARK, "--out", "spark", at=tmp_path)
    assert (said.code, local.code) == (1, 1)
    assert "refused: late.py: feature short_by_one gives the shape (0,); expected are 1 numbers" in local.err
    assert said.err.splitlines()[-1] == f"refused: Spark could not do it: {local.err.splitlines()[-1][9:]}"


def test_workers_are_two_processes(spark: Any) -> None:
    def who(_: Any) -> Iterator[pa.RecordBatch]:
        time.sleep(2)  # so that neither does the work of both
        yield pa.RecordBatch.from_pydict({"executor": [os.getppid()]})

    with quiet():
        found = spark.range(0, 2, 1, 2).mapInArrow(who, "executor long").collect()
    assert len({row["executor"] for row in found} - {os.getpid()}) == 2
