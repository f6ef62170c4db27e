from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from regulars.datasets.simulate import ShopParameters, SimulatedShop, simulate_shop, write_shop
from regulars.datasets.writing import LoadError
from regulars.features.reading import read_shop
from regulars.features.settings import Settings

TABLES = {"orders", "support", "customers", "products", "contacts", "advocacy"}


@pytest.fixture(scope="module")
def small() -> SimulatedShop:
    return simulate_shop(ShopParameters(customers=40, history_days=300), seed=5)


@pytest.mark.parametrize("file_format", ["parquet", "csv"])
def test_what_is_written_can_be_read(small: SimulatedShop, tmp_path: Path, file_format: Any) -> None:
    folder = write_shop(small, tmp_path / "deep" / "shop", file_format)
    assert {path.name for path in folder.iterdir()} == {f"{name}.{file_format}" for name in TABLES} | {"truth"}
    said = json.loads((folder / "truth" / "parameters.json").read_text(encoding="utf-8"))
    assert said["simulated"] is True
    assert said["seed"] == 5
    assert said["parameters"]["customers"] == 40
    reading = read_shop(folder, Settings())
    assert reading.of("error", "bad_rows") == ()
    assert reading.shop is not None
    assert len(reading.shop.orders) == len(small.orders)


def test_truth_comes_back_as_it_was(small: SimulatedShop, tmp_path: Path) -> None:
    folder = write_shop(small, tmp_path / "shop")
    for name, frame in small.truth.items():
        back = pd.read_parquet(folder / "truth" / f"{name}.parquet")
        assert list(back.columns) == list(frame.columns)
        assert len(back) == len(frame)


def test_full_folder_is_refused_and_left_alone(small: SimulatedShop, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(LoadError, match="not empty"):
        write_shop(small, tmp_path)
    with pytest.raises(LoadError, match="holds no simulated shop"):
        write_shop(small, tmp_path, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_simulated_shop_is_replaced_when_asked(small: SimulatedShop, tmp_path: Path) -> None:
    folder = write_shop(small, tmp_path / "shop", "csv")
    write_shop(small, folder, "parquet", overwrite=True)
    assert not list(folder.glob("*.csv"))
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]


def test_unknown_format_is_refused(small: SimulatedShop, tmp_path: Path) -> None:
    wrong: Any = "xlsx"
    with pytest.raises(ValueError, match="expected one of parquet, csv"):
        write_shop(small, tmp_path / "shop", wrong)
    assert not (tmp_path / "shop").exists()
