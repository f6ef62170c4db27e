"""The bench of next products at scale: its shop is drawn as it says, and a tiny race says what it should."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from regulars.features.reading import read_shop
from regulars.features.settings import Settings


@pytest.fixture(scope="module")
def shop(bench: Callable[[str], Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    shops = bench("next_product_shop")
    folder: Path = shops.shop_folder(tmp_path_factory.mktemp("shops"), shops.Size(400, 100, 12_000))
    return folder


def test_a_size_is_always_the_same_shop(bench: Callable[[str], Any], shop: Path, tmp_path: Path) -> None:
    shops = bench("next_product_shop")
    again = shops.shop_folder(tmp_path, shops.Size(400, 100, 12_000))
    files = [path.relative_to(shop) for path in sorted(shop.rglob("*.parquet"))]
    assert {path.name for path in files} == {"part-0000.parquet", "customers.parquet", "products.parquet"}
    assert all((again / path).read_bytes() == (shop / path).read_bytes() for path in files)


def test_it_is_like_a_shop(shop: Path) -> None:
    found = read_shop(shop, Settings()).shop
    assert found is not None
    lines = found.orders
    assert (len(found.customer_ids), len(found.product_ids)) == (400, 100)
    assert 9_000 < len(lines) < 15_000
    assert 0.01 < (lines.quantity < 0).mean() < 0.03
    sold = np.sort(np.bincount(lines.product))[::-1]
    assert sold[:10].sum() > 3 * sold[-50:].sum(), "few products sell often"
    bought = lines.take(lines.quantity > 0)
    pairs = np.unique(bought.customer.astype(np.int64) * 1_000 + bought.product)
    assert len(pairs) < 0.7 * len(bought), "people buy again"
    orders = np.bincount(np.unique(np.stack([bought.customer, bought.order]), axis=1)[0])
    assert np.median(orders) < orders.mean() / 1.3, "few order often"
    written = pq.read_table(shop / "orders" / "part-0000.parquet", columns=["ordered_at"])
    assert (np.diff(written["ordered_at"].to_numpy()) >= np.timedelta64(0)).all()


@pytest.mark.slow
def test_a_small_race(
    bench: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    race = bench("next_product_scale")
    monkeypatch.setattr(race, "BUILD", tmp_path)
    monkeypatch.setattr(race, "PEERS", tmp_path / "nothing")
    monkeypatch.setattr(race, "WARM", race.Size(150, 40, 3_000))
    words = {"customers": 9_000, "products": 60, "lines": 500_000, "sample": 300, "stop": 0.3, "threads": 2}
    assert race.main([word for name, value in words.items() for word in (f"--{name}", str(value))]) == 0
    said = capsys.readouterr().out
    assert "als and item-knn left out" in said
    assert "byte for byte the same" in said
    found = json.loads((tmp_path / "next_product_scale.json").read_text())
    assert found["fit"]["customers"] == 300
    assert found["recommend"]["customers"] > 8_500
    assert found["gone on with"]["kept"] > 0
    assert (tmp_path / "next_product_scale.md").read_text() in said


def test_the_peers_script_needs_nothing_of_ours(root: Path) -> None:
    """Regulars is not installed where implicit is."""
    told = "import sys, next_product_scale_peers; print(sorted(name for name in sys.modules if 'regulars' in name))"
    done = subprocess.run(
        [sys.executable, "-c", told], cwd=root / "benchmarks", capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
