"""Tables from a real PostgreSQL server; `tests/server.py` says where it comes from."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from tests.server import PASSWORD, Server, Shop, connect

from regulars.datasets.simulate import ShopParameters, simulate_shop, write_shop
from regulars.features import postgres
from regulars.features.asof import Moments
from regulars.features.context import ShopContext
from regulars.features.database import Database
from regulars.features.findings import DataError
from regulars.features.fingerprint import fingerprint
from regulars.features.logs import Logs
from regulars.features.postgres_values import EARLIEST, EPOCH, LATEST_DAY, plain_column
from regulars.features.reading import Reading, inspect, read_shop
from regulars.features.settings import Settings
from regulars.features.shop import MONEY, as_time
from regulars.features.sources import open_source
from regulars.features.table import feature_table
from regulars.features.tables import Support

BERLIN = Settings.model_validate({"shop": {"time_zone": "Europe/Berlin"}, "data": {"bad_rows": "set_aside"}})
LINES = """
CREATE TABLE orders (customer_id text, order_id bigint, ordered_at timestamptz, amount numeric);
INSERT INTO orders VALUES ('a', 1, '2024-01-01 12:00+00', 10), ('b', 2, '2024-07-01 12:00+00', 20)
"""


def error_of(source: Any) -> str:
    with pytest.raises(DataError) as caught:
        read_shop(source, Settings())
    said = str(caught.value)
    assert not any(word in said for word in (PASSWORD, quote(PASSWORD, safe="")))
    return said


def said_of(reading: Reading, *severities: str) -> dict[str, str]:
    return {f"{finding.where} {finding.rule}": str(finding) for finding in reading.of(*severities)}


# What a server holds where others have text and doubles: the same shop, in other types.
AWKWARD = {
    "orders": """
        CREATE TABLE orders AS SELECT customer_id::citext, order_id::varchar(40),
          ordered_at AT TIME ZONE 'Europe/Berlin' AS ordered_at, product_id::char(12), quantity::numeric(9, 3),
          unit_price::numeric, unit_cost::numeric(18, 9), discount::numeric, channel, 'x'::text AS note
        FROM plain_orders""",
    "support": """
        CREATE VIEW support AS SELECT customer_id, occurred_at AT TIME ZONE 'Europe/Berlin' AS occurred_at,
          event::happened, ticket_id, minutes::float8, agent::varchar, channel, topic, is_complaint::text,
          satisfaction::smallint FROM plain_support""",
    "customers": "CREATE MATERIALIZED VIEW customers AS SELECT * FROM plain_customers",
    "products": "CREATE VIEW products AS SELECT * FROM plain_products",
    "contacts": "CREATE VIEW contacts AS SELECT * FROM plain_contacts",
    "advocacy": "CREATE VIEW advocacy AS SELECT * FROM plain_advocacy",
}


def test_a_server_gives_the_same_features_as_files(database: Shop, tmp_path: Path) -> None:
    folder = write_shop(simulate_shop(ShopParameters(customers=60), 3), tmp_path / "shop")
    happened = ", ".join(f"'{event}'" for event in Support.EVENTS)
    database.run("CREATE EXTENSION citext", f"CREATE TYPE happened AS ENUM ({happened})")
    for title, statement in AWKWARD.items():
        database.store(f"plain_{title}", parquet.read_table(folder / f"{title}.parquet"))
        database.run(statement)
    tables = []
    for source in (folder, database.url):
        shop = read_shop(source, BERLIN).shop
        assert shop is not None
        logs = Logs(shop, BERLIN)
        moments = Moments.grid(np.arange(logs.keys), [shop.end - 90 * 86_400_000_000, shop.end])
        frame = feature_table(logs, moments, ShopContext.of(logs, shop.end)).frame(shop.customer_ids)
        tables.append((fingerprint(shop), frame))
    (print_, frame), (their_print, their_frame) = tables
    assert their_print == print_
    pd.testing.assert_frame_equal(their_frame, frame, check_exact=True)


def test_values_of_every_type_by_eye(database: Shop) -> None:
    database.run(
        "CREATE DOMAIN pieces AS int CHECK (value <> 7)",
        "CREATE TYPE way AS ENUM ('web', 'in store')",
        """CREATE TABLE orders (
          id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer_id uuid, order_id numeric(12, 2),
          ordered_at timestamptz, product_id bigint, quantity pieces, unit_price money, unit_cost numeric(30, 15),
          discount real, channel way, recorded_at date, tags text[], note json)""",
        """INSERT INTO orders (customer_id, order_id, ordered_at, product_id, quantity, unit_price, unit_cost, discount,
          channel, recorded_at, tags) VALUES
          ('11111111-2222-3333-4444-555555555555', 7.00, '2024-01-01 12:00+00', 9007199254740993, 2, 1234.5, 0.1, 0.1,
           'in store', '2024-01-05', '{a}'),
          (NULL, 8, '2024-07-01 12:00:00.000001+05:30', NULL, 1, 0, NULL, NULL, NULL, NULL, NULL)""",
    )
    reading = read_shop(database.url, BERLIN)
    shop = reading.shop
    assert shop is not None
    assert shop.customer_ids.tolist() == ["11111111-2222-3333-4444-555555555555"]
    assert shop.product_ids.tolist() == ["9007199254740993"]
    lines = shop.orders.take(np.argsort(shop.orders.time))
    times = [as_time("2024-01-01T13:00"), as_time("2024-07-01T08:30:00.000001")]
    assert lines.time.tolist() == times
    assert lines.visible.tolist() == [as_time("2024-01-05"), times[1]]
    assert lines.revenue.tolist() == [round((2 * 1234.5 - 0.1) * MONEY), 0]
    assert lines.margin.tolist() == [round((2 * 1234.5 - 0.1 - 0.2) * MONEY), 0]
    assert shop.words["orders.channel"].tolist() == ["in store"]
    (orders,) = reading.tables
    assert (orders.origin, orders.unknown) == (f"{database.name}, table public.orders", ("id", "tags", "note"))


def test_bad_rows_are_named_by_their_key(database: Shop, tmp_path: Path) -> None:
    database.run(
        """CREATE TABLE orders (customer_id text, order_id text, line int, ordered_at timestamptz, amount numeric,
          recorded_at date, colour text, PRIMARY KEY (order_id, line));
        INSERT INTO orders VALUES
          ('a', 'x', 1, '2024-01-01', 1, '2024-01-01', 'red'), ('a', 'x', 2, 'infinity', 1, NULL, 'red'),
          ('a', 'y', 1, '-infinity', 1, NULL, 'red'), ('a', 'y', 2, NULL, 1, NULL, 'red'),
          ('a', 'z', 1, '2024-01-02', 'NaN', NULL, 'red'), ('a', 'z', 2, '2024-01-02', 1e30, '5000000-01-01', 'red'),
          ('a', 'z', 3, '290000-01-01', 1, '-infinity', 'red')"""
    )
    reading = inspect(database.url, BERLIN)
    said = said_of(reading, "bad_rows")
    assert (
        "(the row with order_id x, line 2: 'infinity'; the row with order_id y, line 1: '-infinity')"
        in (said["orders.ordered_at moment"])
    )
    assert "(the row with order_id y, line 2: empty)" in said["orders.ordered_at missing"]
    assert "(the row with order_id z, line 1: 'NaN')" in said["orders.amount number"]
    assert "(the row with order_id z, line 2: '1000000000000000000000000000000')" in said["orders.amount range"]
    assert "line 2: 'infinity'; the row with order_id z, line 3: '-infinity'" in said["orders.recorded_at moment"]
    assert "line 3: '290000-01-01 00:00:00+00')" in said["orders.ordered_at moment_range"]
    read_shop(database.url, BERLIN, set_aside=tmp_path)
    table = pd.read_csv(tmp_path / "orders.csv")
    assert table["row"].tolist() == [2, 3, 4, 5, 6, 7]
    assert table["line"].tolist() == [2, 1, 2, 1, 2, 3]
    assert set(table["colour"]) == {"(not read)"}


def test_what_the_driver_makes_of_infinity_is_infinity() -> None:
    most, least = 2**63 - 1, -(2**63)
    moved = [least + EPOCH["int64"] - 1, least + EPOCH["int64"], EARLIEST["timestamp"], 0, None]
    for type_ in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
        found = plain_column(pa.array(moved, pa.int64()).cast(type_))
        assert found.type == type_
        assert found.cast(pa.int64()).to_pylist() == [most, -most, EARLIEST["timestamp"], 0, None]
    days = [-(2**31) + EPOCH["int32"] - 1, -(2**31) + EPOCH["int32"], LATEST_DAY, LATEST_DAY + 1, None]
    found = plain_column(pa.array(days, pa.int32()).cast(pa.date32()))
    assert found.cast(pa.int32()).to_pylist() == [2**31 - 1, -(2**31) + 1, LATEST_DAY, 2**31 - 1, None]


def test_rows_without_key_are_counted(database: Shop) -> None:
    database.run(LINES, "INSERT INTO orders VALUES ('a', NULL, '2024-01-01', 1)")
    assert "(row 3: empty)" in error_of(database.url)


def test_every_sort_of_table_is_one(database: Shop) -> None:
    database.run(
        "CREATE TABLE orders (customer_id text, order_id text, ordered_at timestamp, amount int)"
        " PARTITION BY RANGE (ordered_at)",
        "CREATE TABLE y1 PARTITION OF orders FOR VALUES FROM ('2023-01-01') TO ('2024-01-01')",
        "CREATE TABLE y2 PARTITION OF orders FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')",
        "INSERT INTO orders VALUES ('a', 1, '2023-05-01', 5), ('b', 2, '2024-05-01', 5)",
        "CREATE MATERIALIZED VIEW customers AS SELECT 'c' AS customer_id",
        "CREATE UNLOGGED TABLE support (customer_id text, occurred_at date, event text)",
    )
    reading = read_shop(database.url, Settings())
    assert reading.shop is not None
    assert reading.shop.customer_ids.tolist() == ["a", "b", "c"]
    assert {table.title: table.rows for table in reading.tables} == {"orders": 2, "support": 0, "customers": 1}


def test_one_state_is_read_whatever_is_written_meanwhile(database: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    database.run(LINES, "CREATE VIEW support AS SELECT 'a' AS customer_id, ordered_at AS occurred_at, 'opened' AS event"
                 " FROM orders")  # fmt: skip
    said = []

    def write(sentence: str) -> None:
        said.append(sentence)
        database.run("INSERT INTO orders VALUES ('c', 3, '2024-01-03', 1)")

    monkeypatch.setattr(postgres, "SILENCE", -1.0)
    reading = read_shop(Database.parse(database.url, progress=write), Settings())
    assert [table.rows for table in reading.tables] == [2, 2]
    assert said == [f"{title}: 2 rows read from {database.name}" for title in ("orders", "support")]
    assert [table.rows for table in read_shop(database.url, Settings()).tables] == [4, 4]


def test_nothing_can_be_written(database: Shop) -> None:
    database.run(
        LINES,
        "CREATE FUNCTION spoil() RETURNS text LANGUAGE plpgsql AS $$ BEGIN DELETE FROM orders; RETURN 'a'; END $$",
        "CREATE VIEW customers AS SELECT spoil() AS customer_id",
    )
    assert "cannot execute DELETE in a read-only transaction" in error_of(database.url)


def test_a_table_comes_in_pieces_and_in_order(database: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database.run(
        "CREATE VIEW orders AS SELECT 'c' || g % 100 AS customer_id, g AS order_id, g::numeric AS amount,"
        " timestamp '2024-01-01' + g * interval '1 minute' AS ordered_at FROM generate_series(1, 20000) g"
    )
    monkeypatch.setattr(postgres, "BATCH_BYTES", 100_000)
    with open_source(database.url, 1) as source:
        relation = source.tables["orders"].relation
        rows = source.connection.execute(f"SELECT order_id FROM {relation}").fetchall()
        file = source.connection.execute(f"SELECT DISTINCT filename FROM {relation[:-1]}, filename = true)").fetchall()
        pieces = parquet.ParquetFile(file[0][0]).metadata
        assert [row[0] for row in rows] == list(range(1, 20_001))
        assert pieces.num_row_groups > 3
        assert max(pieces.row_group(i).num_rows for i in range(pieces.num_row_groups)) < 10_000
    assert not Path(file[0][0]).exists()


FROM_VIEW = "CREATE VIEW {0} AS SELECT 'a' AS customer_id, g AS {1}, timestamp '2024-01-01' AS {2}, {3} AS {4}"
SERIES = " FROM generate_series(1, 50000) g"


def test_a_table_that_breaks_in_the_middle_is_refused_and_the_others_are_read(database: Shop) -> None:
    fails = FROM_VIEW.format("support", "ticket_id", "occurred_at", "(1 / (40000 - g))::text", "event")
    database.run(LINES, fails + SERIES)
    reading = inspect(database.url, Settings())
    assert [table.title for table in reading.tables] == ["orders"]
    (told,) = said_of(reading, "error").values()
    assert "table public.support of postgresql://" in told
    assert "cannot be read (division by zero)" in told


def test_a_connection_that_is_lost_is_told(database: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = "CASE WHEN g = 40000 THEN pg_terminate_backend(pg_backend_pid())::int ELSE 1 END"
    database.run(FROM_VIEW.format("orders", "order_id", "ordered_at", ends, "amount") + SERIES)
    monkeypatch.setattr(postgres, "BATCH_BYTES", 100_000)
    said = error_of(database.url)
    assert "was lost while orders was read, after" in said
    assert "after 0 rows" not in said
    assert "Try again; nothing was kept." in said


def test_what_a_user_may_not_read(postgres_server: Server, database: Shop) -> None:
    user = f"{database.name}_user"
    database.run(
        LINES,
        "CREATE TABLE customers (customer_id text, birth_date date, country text)",
        "CREATE TABLE products (product_id text, name text)",
        "CREATE TABLE support (customer_id text, occurred_at date, event text)",
        f"CREATE ROLE {user} LOGIN PASSWORD 'pw'",
    )
    try:
        scheme, _, host = database.url.partition("://")
        as_user = f"{scheme}://{user}:pw@{host.rpartition('@')[2]}"
        assert "permission denied for customer_id, order_id, ordered_at" in error_of(as_user)
        database.run(
            f"GRANT SELECT ON orders TO {user}",
            f"GRANT SELECT (customer_id, country) ON customers TO {user}",
            f"GRANT SELECT (name) ON products TO {user}",
        )
        reading = inspect(as_user, Settings())
        errors = said_of(reading, "error")
        assert "permission denied for product_id" in errors["products unreadable"]
        assert "permission denied for customer_id, occurred_at, event" in errors["support unreadable"]
        assert "may not be read by this user" in said_of(reading, "note")["customers.birth_date closed_column"]
        database.run("DROP TABLE products, support", "REVOKE USAGE ON SCHEMA public FROM PUBLIC")
        assert "there is no such table in the search path" in error_of(as_user)
        assert "permission denied for schema public" in error_of(database.url_with("schema=public", as_user))
    finally:
        database.run(f"DROP OWNED BY {user}", f"DROP ROLE {user}")


def test_names_are_taken_as_they_are(database: Shop) -> None:
    schema = "We\"ird'; DROP TABLE x; --%$1"
    quoted = '"' + schema.replace('"', '""') + '"'
    database.run(
        f"CREATE SCHEMA {quoted}",
        f"SET search_path = {quoted}; {LINES}",
        f"""ALTER TABLE {quoted}.orders ADD "it's" int, ADD "a ""b"" c" int, ADD "Amount" int, ADD "bad" int""",
        f"CREATE TABLE {quoted}.customer (customer_id text)",
    )
    reading = read_shop(database.url_with(f"schema={quote(schema, safe='')}"), Settings())
    # DuckDB takes Amount for amount, so it cannot be told apart.
    assert reading.tables[0].unknown == ("it's", 'a "b" c', "bad")
    assert "there is 'customer'. If it is meant, call it 'customers'." in said_of(reading, "note")["customers name"]


def test_the_schema_is_the_search_paths_or_the_one_that_is_named(database: Shop) -> None:
    said = error_of(database.url)
    assert "found: no table at all" in said
    database.run("CREATE TABLE order_lines (a int)", f"CREATE SCHEMA sales; SET search_path = sales; {LINES}")
    said = error_of(database.url)
    assert "found: order_lines" in said
    assert "There is one in schema 'sales'; if it is meant, add ?schema=sales to the URL." in said
    for parameter in ("schema=sales", "options=-csearch_path%3Dsales"):
        reading = read_shop(database.url_with(parameter), Settings())
        assert reading.tables[0].origin.endswith("table sales.orders")
    assert "there is no such table in schema 'nowhere'" in error_of(database.url_with("schema=nowhere"))
    # What is missing is told from the names alone: this view would never end.
    database.run(
        "CREATE VIEW orders AS SELECT g AS customer_id, g AS orderid, now() AS ordered_at, 1 AS amount"
        " FROM generate_series(1, 1000000000000) g"
    )
    said = error_of(database.url)
    assert "orders.order_id: the column is missing" in said
    assert "Rename 'orderid' to 'order_id'." in said


def test_a_database_in_latin_1(postgres_server: Server) -> None:
    options = "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    with postgres_server.new_database(options) as database:
        database.run(LINES, "SET client_encoding = 'UTF8'", "UPDATE orders SET customer_id = 'Zoë' WHERE order_id = 1")
        shop = read_shop(database.url, Settings()).shop
        assert shop is not None
        assert shop.customer_ids.tolist() == ["Zoë", "b"]


def test_a_password_may_come_from_elsewhere(
    postgres_server: Server, database: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if postgres_server.socket is None:
        pytest.skip("the server is not ours, so its password is not known")
    database.run(LINES)
    without = database.url.replace(f":{quote(PASSWORD, safe='')}@", "@")
    port = without.rpartition("/")[0].rpartition(":")[2]
    local = f"postgresql://ann@/{database.name}?host={postgres_server.socket}&port={port}"
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pgpass"))
    assert "Give the right password: in the URL, in PGPASSWORD, or in ~/.pgpass." in error_of(without)
    (tmp_path / "pgpass").write_text(_pgpass())
    (tmp_path / "pgpass").chmod(0o600)
    for url in (without, local):
        assert read_shop(url, Settings()).tables[0].rows == 2
    (tmp_path / "pgpass").unlink()
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert read_shop(local, Settings()).tables[0].rows == 2


def _pgpass() -> str:
    return "*:*:*:ann:" + PASSWORD.replace("\\", "\\\\").replace(":", "\\:") + "\n"


def test_servers_that_cannot_be_reached(postgres_server: Server, database: Shop) -> None:
    if postgres_server.socket is None:
        pytest.skip("the server is not ours, so its password is not known")
    right = quote(PASSWORD, safe="")
    port = database.url.rpartition("/")[0].rpartition(":")[2]
    cases = {
        database.url.replace(right, "wr0ng-one"): "Give the right password",
        f"{database.url}_not": "Name a database and a user that are there",
        database.url.replace(f":{port}/", ":1/"): "Start the server, or correct host and port",
        database.url.replace("127.0.0.1", "nowhere.invalid"): "Start the server, or correct host and port",
        f"{database.url}?mode=require": "Look for a misspelt parameter",
    }
    for url, advice in cases.items():
        said = error_of(url)
        assert "cannot be reached (" in said
        assert advice in said
        assert "wr0ng" not in said


def test_without_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "adbc_driver_postgresql", None)
    said = error_of("postgresql://ann:pw@db/shop")
    assert "reading postgresql://ann@db/shop needs the package adbc_driver_postgresql" in said
    assert "pip install 'regulars[postgres]'" in said


@pytest.fixture(scope="module")
def kept(postgres_server: Server) -> Iterator[Shop]:
    with postgres_server.new_database() as made:
        made.run("CREATE TABLE support (customer_id text, occurred_at date, event text)")
        yield made


ROW = st.tuples(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6) | st.none(),
    st.integers(0, 84_000 * 86_400_000_000 - 1).map(lambda us: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(0, 0, us))
    | st.none(),
    st.decimals(-(10**20), 10**20, allow_nan=False, places=12) | st.none(),
    st.floats(allow_nan=True, allow_infinity=True) | st.none(),
    st.integers(-(2**63), 2**63 - 1) | st.none(),
    st.booleans() | st.none(),
    st.dates(date(1, 1, 1), date(9999, 12, 31)) | st.none(),
)
NAMES = {
    "customer_id": ("text", pa.string()),
    "ordered_at": ("timestamptz", pa.timestamp("us", "UTC")),
    "amount": ("numeric", pa.string()),
    "unit_price": ("float8", pa.float64()),
    "order_id": ("int8", pa.int64()),
    "channel": ("bool", pa.bool_()),
    "recorded_at": ("date", pa.date32()),
}


@settings(max_examples=20)
@given(rows=st.lists(ROW, max_size=8))
def test_whatever_is_stored_arrives(kept: Shop, rows: list[tuple[Any, ...]]) -> None:
    columns = {name: [row[i] for row in rows] for i, name in enumerate(NAMES)}
    columns["amount"] = [None if one is None else f"{one:f}" for one in columns["amount"]]
    stored = pa.table({name: pa.array(columns[name], type_) for name, (_, type_) in NAMES.items()})
    casts = ", ".join(f"{name}::{type_}" for name, (type_, _) in NAMES.items())
    with connect(kept.url) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest("stored", stored, mode="create", temporary=True)
        cursor.executescript(f"DROP TABLE IF EXISTS orders; CREATE TABLE orders AS SELECT {casts} FROM stored")
    with open_source(kept.url, 1) as source:
        query = f"SELECT {', '.join(NAMES)} FROM {source.tables['orders'].relation}"
        arrived = source.connection.sql(query).to_arrow_table()
    amounts = [None if one is None else Decimal(one) for one in arrived["amount"].to_pylist()]
    assert amounts == [row[2] for row in rows]
    for name in NAMES.keys() - {"amount"}:
        # repr: NaN is NaN.
        assert repr(arrived[name].to_pylist()) == repr(stored[name].to_pylist())


PEAK = """
import resource, sys
from regulars.features.sources import open_source
with open_source(sys.argv[1], 1) as source:
    rows = source.connection.execute("SELECT count(*) FROM " + source.tables["orders"].relation).fetchall()[0][0]
print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_table(database: Shop, root: Path) -> None:
    peaks = []
    for rows in (200_000, 3_000_000):
        database.run(
            "DROP VIEW IF EXISTS orders",
            "CREATE VIEW orders AS SELECT lpad(g::text, 60, 'c') AS customer_id, g AS order_id, now() AS ordered_at,"
            f" g::numeric AS amount, lpad(g::text, 60, 'p') AS product_id FROM generate_series(1, {rows}) g",
        )
        words = [sys.executable, "-c", PEAK, database.url]
        done = subprocess.run(words, cwd=root, env={"PYTHONPATH": "src"}, capture_output=True, text=True, check=True)
        counted, peak = map(int, done.stdout.split())
        assert counted == rows
        peaks.append(peak / 1024)
    # The larger table is 500 MB and more; what it may cost beyond the smaller is some batches.
    assert peaks[1] - peaks[0] < 120, peaks
