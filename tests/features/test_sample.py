"""A sample of a shop's customers: whole histories of some, and nothing of the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from regulars.datasets.simulate import ShopParameters, simulate_shop, write_shop
from regulars.features.findings import DataError
from regulars.features.reading import read_shop
from regulars.features.sample import Sample, take_sample
from regulars.features.settings import Settings

ORDERS = pd.DataFrame(
    {
        "customer_id": [" ann", "bob", "ann ", "cyd", None, None, None, None],
        "order_id": ["1", "2", "3", "4", "g1", "g2", "g2", "g3"],
        "ordered_at": pd.to_datetime(["2024-01-01"] * 8),
        "product_id": ["tea", "cup", "pot", "tea", "tea", "cup", "pot", "urn"],
        "amount": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0],
    }
)
PRODUCTS = pd.DataFrame({"product_id": ["cup", "pot", "tea", "urn"], "category": ["china", "china", "food", "china"]})
ADVOCACY = pd.DataFrame(
    {
        "customer_id": ["ann", "bob", "dan"],
        "occurred_at": pd.to_datetime(["2024-02-01"] * 3),
        "kind": ["referral"] * 3,
        "new_customer_id": ["cyd", "cyd", "eve"],
    }
)


def taken(source: Any, customers: int, folder: Path, seed: int = 0) -> tuple[Sample, dict[str, pd.DataFrame]]:
    folder.mkdir()
    sample = take_sample(source, Settings(), customers, seed, folder)
    return sample, {path.stem: pq.read_table(path).to_pandas() for path in folder.iterdir()}


def test_histories_are_whole_and_ids_are_read_as_the_checks_read_them(tmp_path: Path) -> None:
    for seed in range(6):
        sample, found = taken({"orders": ORDERS, "products": PRODUCTS}, 1, tmp_path / str(seed), seed)
        assert (sample.customers, sample.of, sample.added) == (1, 3, 0)
        who = found["orders"]["customer_id"].dropna().str.strip().unique()
        assert len(who) == 1
        assert len(found["orders"]["customer_id"].dropna()) == (2 if who[0] == "ann" else 1)
        assert len(found["products"]) == 4, "products come whole"
        lines = found["orders"][found["orders"]["customer_id"].isna()].groupby("order_id").size()
        assert lines.get("g2", 2) == 2, "a guest's order is there whole or not at all"


def test_referrals_bring_others_along(tmp_path: Path) -> None:
    source = {"orders": ORDERS, "advocacy": ADVOCACY}
    seen = set()
    for seed in range(12):
        sample, found = taken(source, 1, tmp_path / str(seed), seed)
        who = set(found["orders"]["customer_id"].dropna().str.strip()) | set(found["advocacy"]["customer_id"])
        assert sample.of == 4, "eve is named by a referral alone, and so is nobody yet"
        if "dan" in who:
            assert who == {"dan"}
        elif "ann" in who or "bob" in who:
            assert who == {"ann", "bob", "cyd"}
            assert sample.added == 2
        else:
            assert who == {"cyd"}
        seen.add(frozenset(who))
    assert len(seen) == 3


def test_a_shop_smaller_than_the_sample_is_taken_whole(tmp_path: Path) -> None:
    sample, found = taken({"orders": ORDERS}, 10, tmp_path / "all")
    assert str(sample) == "all 3 customers, fewer than the sample may have"
    assert len(found["orders"]) == len(ORDERS)


def test_the_same_are_taken_again_and_others_with_another_seed(tmp_path: Path) -> None:
    write_shop(simulate_shop(ShopParameters(customers=300), 5), tmp_path / "shop")
    names = []
    for name, seed in (("one", 0), ("again", 0), ("other", 1)):
        sample, found = taken(tmp_path / "shop", 60, tmp_path / name, seed)
        assert str(sample).startswith("a sample of 60 of 300 customers (20.0%), whole histories")
        names.append(set(found["customers"]["customer_id"]))
        assert len(names[-1]) == 60 + sample.added
    assert names[0] == names[1] != names[2]
    whole, some = (read_shop(tmp_path / name, Settings()).shop for name in ("shop", "one"))
    assert whole is not None
    assert some is not None
    kept = [list(whole.customer_ids).index(name) for name in some.customer_ids]
    counts = [int((whole.orders.customer == code).sum()) for code in kept]
    assert counts == [int((some.orders.customer == code).sum()) for code in range(len(kept))]


def test_a_source_without_orders_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such table"):
        take_sample({"products": PRODUCTS}, Settings(), 10, 0, tmp_path)
