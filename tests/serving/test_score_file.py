"""Scores as files: what was told can be read back, and a file is there whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from regulars.features.context import ShopContext
from regulars.features.logs import Logs
from regulars.features.settings import ChurnSettings, Settings
from regulars.features.shop import Shop, as_time
from regulars.models.fitted import FittedModels
from regulars.serving import score_file
from regulars.serving.columns import COLUMNS, LISTS, NUMBERS, SCHEMA
from regulars.serving.score_file import as_arrow, churn_of, read_scores, write_scores
from regulars.serving.scoring import score

NOW = as_time("2024-06-01")


@pytest.fixture
def scores(make_shop: Callable[..., Shop], fake_models: FittedModels) -> pd.DataFrame:
    orders = [("=a", "2024-01-05", "tea", 10.0), ("=a", "2024-05-05", "cup", 30.0), ("b", "2021-03-01", "tea", 10.0)]
    shop = make_shop(orders)
    return score(shop, fake_models, ShopContext.of(Logs(shop, Settings()), NOW), Settings(), NOW, "v1")


def test_csv_holds_lists_as_json(scores: pd.DataFrame, tmp_path: Path) -> None:
    write_scores(scores, tmp_path / "scores.csv")
    text = (tmp_path / "scores.csv").read_bytes().decode()
    assert text.startswith(",".join(COLUMNS) + "\n")
    assert "\r" not in text
    again = pd.read_csv(tmp_path / "scores.csv")
    assert again["customer_id"].tolist() == ["=a", "b"]
    assert again["as_of"].unique().tolist() == ["2024-06-01T00:00:00"]
    assert again["next_order_to"].isna().tolist() == [False, True]
    for name in LISTS:
        assert [json.loads(cell) for cell in again[name]] == scores[name].tolist()
    for name in NUMBERS:
        assert again[name].tolist() == scores[name].tolist()  # every digit


def test_parquet_holds_proper_types(scores: pd.DataFrame, tmp_path: Path) -> None:
    write_scores(scores, tmp_path / "scores.parquet")
    table = pq.read_table(tmp_path / "scores.parquet")
    assert table.schema.equals(SCHEMA)
    assert table.column("next_products").to_pylist() == scores["next_products"].tolist()
    assert table.column("next_order_to").is_null().to_pylist() == [False, True]


def test_no_customers_still_have_types(scores: pd.DataFrame, tmp_path: Path) -> None:
    write_scores(scores.iloc[:0], tmp_path / "scores.parquet")
    assert pq.read_table(tmp_path / "scores.parquet").schema.equals(SCHEMA)


def test_other_endings_and_other_frames_are_refused(scores: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"written as .csv or .parquet"):
        write_scores(scores, tmp_path / "scores.xlsx")
    with pytest.raises(ValueError, match=r"columns \['status'\] are missing"):
        write_scores(scores.drop(columns="status"), tmp_path / "scores.csv")


def test_a_failure_leaves_the_old_file(scores: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> pa.Table:
        raise OSError("disk full")

    path = tmp_path / "scores.parquet"
    write_scores(scores, path)
    before = path.read_bytes()
    monkeypatch.setattr(score_file, "as_arrow", fail)
    with pytest.raises(OSError, match="disk full"):
        write_scores(scores, path)
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["scores.parquet"]


def test_parquet_tells_what_churn_was(scores: pd.DataFrame, tmp_path: Path) -> None:
    churn = ChurnSettings(by="contract", horizon_days=30)
    for name in ("scores.parquet", "scores.csv"):
        write_scores(scores, tmp_path / name, churn)
    write_scores(scores, tmp_path / "silent.parquet")
    told = [churn_of(tmp_path / name) for name in ("scores.parquet", "scores.csv", "silent.parquet")]
    assert told == [churn, None, None]


def test_a_folder_of_parts_is_read_as_one_file(scores: pd.DataFrame, tmp_path: Path) -> None:
    folder = tmp_path / "scores"
    folder.mkdir()
    with pytest.raises(ValueError, match="or folder of parts"):
        read_scores(folder)
    for at in range(len(scores)):
        pq.write_table(as_arrow(scores.iloc[[at]], ChurnSettings(by="contract")), folder / f"part-{at:010d}.parquet")
    write_scores(scores, tmp_path / "scores.parquet")
    pd.testing.assert_frame_equal(read_scores(folder), read_scores(tmp_path / "scores.parquet"))
    assert churn_of(folder) == ChurnSettings(by="contract")
