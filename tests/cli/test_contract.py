"""A shop whose customers hold contracts, from its tables to its report, by the command line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from tests.cli.conftest import Give, start

from regulars.serving.columns import COLUMNS

SETTINGS = '[churn]\nby = "contract"\n'


def test_without_a_cancellation_it_is_refused_and_says_what_to_do(give: Give, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "shop", tmp_path / "shop")
    (tmp_path / "shop" / "customers.parquet").unlink()
    (tmp_path / "regulars.toml").write_text(SETTINGS, encoding="utf-8")
    for words in (("train", "shop"), ("backtest", "shop", "--json", "out.json")):
        said = give(*words, at=tmp_path)
        assert said.code == 1
        assert "customers.left_at: no cancellation is known before 2025-06-30" in said.err
        assert "set [churn] by = 'orders'" in said.err
    assert "no cancellation is known" in give("check", "shop", at=tmp_path).err


def test_check_thinks_of_contracts_where_many_have_left(give: Give, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "shop", tmp_path / "shop")
    people = pd.read_parquet(tmp_path / "shop" / "customers.parquet")
    gone = people.groupby("customer_id")["signed_up_at"].transform("min") + pd.Timedelta(days=100)
    people["left_at"] = gone.where(people["customer_id"].str[-1].isin(list("123")))
    people["valid_from"] = people["valid_from"].where(people["left_at"].isna(), people["left_at"])
    people.to_parquet(tmp_path / "shop" / "customers.parquet")
    told = give("check", "shop", at=tmp_path).out
    assert "customers have a left_at (30%), and churn is no order within 90 days." in told
    assert "set [churn] by = 'contract'" in told
    (tmp_path / "regulars.toml").write_text(SETTINGS, encoding="utf-8")
    assert "customers have a left_at (30%): churn is cancelling." in give("check", "shop", at=tmp_path).out


@pytest.mark.slow
def test_from_the_tables_to_the_report(give: Give, tmp_path: Path) -> None:
    words = ("simulate", "--customers", "250", "--seed", "7", "--contract", "--no-truth", "--out", "shop")
    assert start(*words, at=tmp_path).code == 0
    (tmp_path / "regulars.toml").write_text(SETTINGS, encoding="utf-8")
    trained = start("train", "shop", "--seed", "7", at=tmp_path)
    assert trained.code == 0, trained.err
    assert "· Cancelling: " in trained.err

    assert give("score", "shop", "--out", "scores.parquet", at=tmp_path).code == 0
    scores = pd.read_parquet(tmp_path / "scores.parquet").set_index("customer_id")
    assert ("customer_id", *scores.columns) == COLUMNS
    people = pd.read_parquet(tmp_path / "shop" / "customers.parquet").groupby("customer_id")["left_at"].max()
    gone = people.index[people.notna()]
    assert len(gone) > 20
    assert (scores.loc[gone, "status"] == "suppressed").all()
    assert (scores.loc[gone, "churn_probability"] == 1).all()
    assert set(scores["status"]) <= {"scored", "too_new", "suppressed"}
    assert scores.loc[people.index[people.isna()], "churn_probability"].between(0.001, 0.6).all()
    assert not scores["reasons"].map(lambda told: any("chance of none" in text for text in told)).any()

    listed = ("--scores", "scores.parquet", "--budget", "200", "--seed", "1")
    assert give("outreach", "shop", *listed, "--out", "list.csv", at=tmp_path).code == 0
    rows = pd.read_csv(tmp_path / "list.csv")
    kept = rows[rows["play"] == "retain"]
    assert len(kept) > 3
    assert kept["reason"].str.startswith("The chance that they cancel in the next 90 days is ").all()
    assert not rows["customer_id"].isin(gone).any()

    # Elsewhere than beside the settings the scores still say that churn is cancelling, as one file or in parts.
    (tmp_path / "elsewhere").mkdir()
    assert give("score", "shop", "--out", "scores", at=tmp_path).code == 0
    for name in ("scores.parquet", "scores"):
        where = ("../shop", "--scores", f"../{name}", *listed[2:], "--out", f"{name}.csv")
        said = give("outreach", *where, at=tmp_path / "elsewhere")
        assert "[churn] of the settings is not what the scores were made with; the scores' holds" in said.err
        pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "elsewhere" / f"{name}.csv"), rows)

    assert give("report", "shop", *listed, "--out", "report.html", at=tmp_path).code == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "contracts are expected to be cancelled" in page
    assert "Leaving means: cancelling the contract within 90 days" in page
    assert "Who cancels" in page

    said = give("explain", "shop", kept["customer_id"].iloc[0], at=tmp_path)
    assert "Chance that they cancel within 90 days: " in said.out
