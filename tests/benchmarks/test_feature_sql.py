"""The order-based features beside hand-written SQL, which is a second implementation that works on sets of rows.

The shop is a generated one of 20,000 lines with edges added: customers all of whose orders, returns and gifts lie on a
cutoff or the edge of a window, or a microsecond beside it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from regulars.features.asof import AsOf, Moments
from regulars.features.context import ShopContext
from regulars.features.logs import Logs
from regulars.features.reading import read_shop
from regulars.features.settings import Settings
from regulars.features.shop import DAY, as_time
from regulars.features.table import feature_table, features_of

# The last is not at midnight, and the year before it has a 29 February.
CUTOFFS = [as_time(moment) for moment in ("2023-12-01", "2024-11-01", "2024-12-17T13:45:00.000001")]
BEFORE = (0, 30, 90, 180, 185, 275, 335, 365)
"""Days from a cutoff back to the edges of windows."""
CUSTOMERS, EVENTS = 400, 12


def benchmark(root: Path, name: str) -> ModuleType:
    """A module of the benchmarks, which are scripts and no package."""
    folder = str(root / "benchmarks")
    if folder not in sys.path:
        sys.path.append(folder)
    return import_module(name)


def one_of(random: np.random.Generator, choices: Sequence[Any]) -> Any:
    """Any of the choices."""
    return choices[int(random.integers(len(choices)))]


def edge_lines(seed: int) -> pd.DataFrame:
    """Order lines on the edges; an order may go on later, and has one channel."""
    random = np.random.default_rng(seed)
    edges = [t - days * DAY + beside for t in CUTOFFS for days in BEFORE for beside in (-1, 0, 1)]
    edges += [t // DAY * DAY - days * DAY for t in CUTOFFS for days in (0, 1, 2, 365)]
    rows = []
    for who in range(CUSTOMERS):
        for event in range(random.integers(1, EVENTS + 1)):
            moment = one_of(random, edges)
            channel = one_of(random, ["web", "shop", None])
            for line in range(random.integers(1, 4)):
                moment += one_of(random, [0, 0, 0, 1, DAY // 3, 40 * DAY]) if line else 0
                quantity = one_of(random, [1, 1, 2, 3, -1, 0])
                price = one_of(random, [0.0, 0.01, 1.25, 10.0, 99.99])
                discount = one_of(random, [None, 0.0, 0.5, 20.0]) if quantity > 0 else 0.0
                product, cost = one_of(random, [None, "PA", "PB", "PC"]), one_of(random, [None, 0.5, 3.75])
                named = None if who == 0 else f"E{who:04d}"
                rows.append((named, f"E{who}-{event}", moment, product, quantity, price, cost, discount, channel))
    names = ("customer_id", "order_id", "moment", "product_id", "quantity", "unit_price", "unit_cost", "discount")
    return pd.DataFrame(rows, columns=[*names, "channel"])


@pytest.fixture(scope="module")
def orders(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of order lines."""
    folder = tmp_path_factory.mktemp("shop")
    benchmark(root, "feature_data").write_shop(folder, 20_000, 1_500)
    path = folder / "edges" / "orders.parquet"
    path.parent.mkdir()
    added = edge_lines(seed=7)
    columns = "customer_id, order_id, product_id, quantity, unit_price, unit_cost, discount, channel"
    with duckdb.connect() as connection:
        connection.register("added", added)
        connection.execute(
            f"COPY (SELECT {columns}, ordered_at FROM '{folder / 'orders.parquet'}' UNION ALL"
            f" SELECT {columns}, make_timestamp(moment) FROM added) TO '{path}' (FORMAT parquet)"
        )
    return path


@pytest.fixture(scope="module")
def ours(orders: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our features of everybody with an order."""
    shop = read_shop(orders.parent, Settings()).shop
    assert shop is not None
    logs = Logs(shop, Settings())
    moments = Moments.grid(np.arange(logs.keys), CUTOFFS)
    moments = moments.take(AsOf(logs.orders, moments).count() > 0)
    path = tmp_path_factory.mktemp("ours") / "features.parquet"
    feature_table(logs, moments, ShopContext.of(logs, CUTOFFS[-1])).frame(shop.customer_ids).to_parquet(path)
    return path


@pytest.mark.slow
def test_the_shop_has_what_goes_wrong(orders: Path) -> None:
    with duckdb.connect() as connection:
        lines = f"FROM '{orders}'"
        counts = connection.execute(
            "SELECT count(*) FILTER (quantity < 0), count(*) FILTER (quantity * unit_price = 0),"
            " count(*) FILTER (discount > quantity * unit_price AND quantity > 0),"
            " count(*) FILTER (customer_id IS NULL), count(*) FILTER (product_id IS NULL),"
            f" count(*) FILTER (epoch_us(ordered_at) IN {tuple(CUTOFFS)}) {lines}"
        ).fetchall()[0]
        shared = "SELECT customer_id, ordered_at FROM (SELECT DISTINCT customer_id, order_id, ordered_at"
        ties = connection.execute(
            f"SELECT count(*) FROM ({shared} {lines}) GROUP BY ALL HAVING count(*) > 1)"
        ).fetchall()[0]
    assert min(*counts, *ties) > 5


@pytest.mark.slow
@pytest.mark.parametrize("way", ["plain", "tuned"])
def test_every_order_based_feature_is_what_sql_says(
    root: Path, orders: Path, ours: Path, tmp_path: Path, way: str
) -> None:
    sql = benchmark(root, "feature_sql")
    shop = read_shop(orders.parent, Settings()).shop
    assert shop is not None
    names = [feature.name for feature in features_of(shop, Settings())]
    unsaid = set(names) - set(sql.FEATURES) - set(sql.LEFT_OUT)
    assert not unsaid, f"say {unsaid} as SQL in benchmarks/feature_sql.py, or in LEFT_OUT why not"
    columns = [name for name in sql.FEATURES if name in names]
    rows = sql.write(way, str(orders), CUTOFFS, tmp_path, columns)
    assert rows > 3_000
    assert sql.disagreements(ours, tmp_path, CUTOFFS) == []


@pytest.mark.slow
def test_what_differs_is_named(root: Path, orders: Path, ours: Path, tmp_path: Path) -> None:
    sql = benchmark(root, "feature_sql")
    frame = pd.read_parquet(ours)
    row = frame.index == frame.index[frame["customer_id"] == "E0003"][0]
    frame.loc[row, "orders_total"] += 1
    frame.loc[row, "revenue_total"] *= 1 + 1e-8
    frame.loc[row, "margin_total"] *= 1 + 1e-12
    frame.loc[row, "tenure_days"] = np.nan
    changed = tmp_path / "changed.parquet"
    frame[frame["customer_id"] != "E0005"].to_parquet(changed)
    found = sql.disagreements(changed, ours, CUTOFFS)
    assert {sentence.split(" of ")[0] for sentence in found} == {
        "orders_total",
        "revenue_total",
        "tenure_days",
        "only_theirs",
    }
    assert any(sentence.startswith("orders_total of E0003 at 20") and "(1 such rows)" in sentence for sentence in found)
