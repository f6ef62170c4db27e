"""The command line as its user meets it: what comes out of each command, on one small simulated shop."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from tests.cli.conftest import COMMAND, Give, start

from regulars.serving.columns import COLUMNS, LISTS
from regulars.serving.list_file import read_list
from regulars.serving.outreach import COLUMNS as LIST_COLUMNS
from regulars.training.records import CHOSEN_BY, COMPONENTS

TABLES = ("orders", "support", "customers", "products", "contacts", "advocacy")


def test_help_is_quick_because_nothing_heavy_is_imported() -> None:
    heavy = {"duckdb", "lightgbm", "matplotlib", "mlflow", "numba", "numpy", "pandas", "pyarrow", "sklearn"}
    code = f"import sys, regulars.cli.app; sys.exit(', '.join({heavy!r} & set(sys.modules)) or 0)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_command_shows_them_all(give: Give, tmp_path: Path) -> None:
    said = give(at=tmp_path)
    assert said.code == 2
    for command in ("simulate", "load", "check", "features", "train", "backtest", "score", "outreach", "report"):
        assert re.search(rf"^  {command} ", said.out + said.err, re.MULTILINE)


def test_simulate_writes_all_tables_and_their_truth(trained: Path) -> None:
    shop = trained / "shop"
    assert {path.stem for path in shop.glob("*.parquet")} == set(TABLES)
    assert any((shop / "truth").iterdir())
    assert (trained / "simulate.out").read_text() == ""


def test_check_prints_the_report(give: Give, trained: Path) -> None:
    said = give("check", "shop", at=trained)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("Readiness of shop: fair\n")
    assert "\x1b" not in said.out


def test_train_tells_its_steps_and_ends_with_its_result(trained: Path) -> None:
    told = (trained / "train.err").read_text().splitlines()
    assert all(line.startswith("· ") for line in told), told
    cutoffs = [line for line in told if line.startswith("· backtest at ")]
    assert len(cutoffs) == 8
    assert sum(line.endswith(": next products") for line in cutoffs) == 4
    assert (trained / "train.out").read_text() == (
        "regulars version 1: Promoted: it is the first model of this shop.\n"
    )
    assert {"manifest.json", "bundle.json"} <= {path.name for path in (trained / "champion").iterdir()}


def test_score_has_a_row_for_every_customer(give: Give, trained: Path, tmp_path: Path) -> None:
    said = give("score", "shop", "--out", tmp_path / "scores.parquet", "--top", "3", at=trained)
    assert said.code == 0
    assert said.out.startswith(f"250 customers in {tmp_path / 'scores.parquet'}: ")
    scores = pd.read_parquet(tmp_path / "scores.parquet")
    assert tuple(scores.columns) == COLUMNS
    everybody = pd.read_parquet(trained / "shop/customers.parquet")["customer_id"].unique()
    assert sorted(scores["customer_id"]) == sorted(everybody)
    empty = {name for name in COLUMNS if scores[name].isna().any()}
    assert empty <= {"next_order_at", "next_order_from", "next_order_to"}
    assert scores["churn_probability"].between(0, 1).all()
    assert scores["next_products"].map(len).max() == 3
    suggested = scores.loc[scores["next_products"].map(len) > 0, "next_products"].iloc[0][0]
    assert set(suggested) == {"product_id", "probability", "expected_at", "reason"}
    assert scores["reasons"].map(len).between(1, 3).all()


def test_score_says_where_the_settings_are_not_the_models(give: Give, trained: Path, tmp_path: Path) -> None:
    config = tmp_path / "other.toml"
    config.write_text("[churn]\nhorizon_days = 30\n", encoding="utf-8")
    said = give("score", "shop", "--config", config, "--model", "champion", "--out", tmp_path / "s.csv", at=trained)
    assert said.code == 0
    assert "[churn] of the settings is not what the model was trained with; the model's holds" in said.err
    assert "[money]" not in said.err


def test_csv_scores_are_the_parquet_ones(give: Give, trained: Path, tmp_path: Path) -> None:
    for name in ("scores.csv", "scores.parquet"):
        assert give("score", "shop", "--out", tmp_path / name, at=trained).code == 0
    text, proper = pd.read_csv(tmp_path / "scores.csv"), pd.read_parquet(tmp_path / "scores.parquet")
    assert b"\r" not in (tmp_path / "scores.csv").read_bytes()
    assert np.allclose(text["expected_margin"], proper["expected_margin"])
    assert [json.loads(cell) for cell in text["reasons"]] == [list(cell) for cell in proper["reasons"]]
    assert {name for name in LISTS if text[name].str.startswith("[").all()} == set(LISTS)


def test_a_folder_of_scores_is_the_file(give: Give, trained: Path, tmp_path: Path) -> None:
    said = [give("score", "shop", "--out", tmp_path / name, "--top", "2", at=trained) for name in ("s.parquet", "s")]
    assert [one.code for one in said] == [0, 0]
    assert said[1].out.replace(str(tmp_path / "s"), "") == said[0].out.replace(str(tmp_path / "s.parquet"), "")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "s"), pd.read_parquet(tmp_path / "s.parquet"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s", "s.parquet"]
    early = give("score", "shop", "--out", tmp_path / "none", "--as-of", "1999-01-01", at=trained)
    assert early.code == 1
    assert "no customer was known before 1999-01-01; the first order line is of" in early.err


def test_a_folder_that_is_not_of_parts_alone_is_left_as_it_is(give: Give, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for name in ("part-0000000000.parquet", "notes.txt"):
        (tmp_path / "mine" / name).touch()
    (tmp_path / "file").touch()
    told = {"mine": "holds something else than parts, notes.txt", "file": "is a file, not a folder of parts"}
    for name, why in told.items():
        said = give("score", "shop", "--out", tmp_path / name, at=trained)
        assert said.code == 2
        assert why in said.err
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == ["notes.txt", "part-0000000000.parquet"]


def test_a_model_is_named_in_four_ways(give: Give, trained: Path, tmp_path: Path) -> None:
    champion = trained / "champion"
    ways = {
        "store": ("score", "shop"),
        "alias": ("score", "shop", "--model", "models:/regulars@champion"),
        "version": ("score", "shop", "--model", "models:/regulars/1"),
        "folder": ("score", "shop", "--model", champion),
    }
    found = []
    for name, words in ways.items():
        said = give(*words, "--out", tmp_path / f"{name}.csv", at=trained)
        assert said.code == 0, said.err
        found.append((tmp_path / f"{name}.csv").read_bytes())
    assert len(set(found)) == 1


def test_regulars_model_stands_in_for_model(trained: Path, tmp_path: Path) -> None:
    words = ("score", trained / "shop", "--out", "scores.csv")
    assert start(*words, at=tmp_path, REGULARS_MODEL=str(trained / "champion")).code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["scores.csv"]


def test_outreach_writes_a_list_and_its_manifest(give: Give, trained: Path, tmp_path: Path) -> None:
    words = ("--budget", "40", "--seed", "3", "--out", tmp_path / "list.csv")
    assert give("outreach", "shop", *words, at=trained).code == 0
    rows, manifest = read_list(tmp_path / "list.csv"), json.loads((tmp_path / "list.manifest.json").read_text())
    assert tuple(rows.columns) == LIST_COLUMNS
    assert set(rows["arm"]) <= {"contact", "hold_out"}
    assert rows.loc[rows["arm"] == "contact", "cost"].sum() <= 40
    assert manifest["sha256"] == hashlib.sha256((tmp_path / "list.csv").read_bytes()).hexdigest()
    assert (manifest["rows"], manifest["seed"]) == (len(rows), 3)
    assert manifest["model_version"] == json.loads((trained / "champion/bundle.json").read_text())["version"]
    assert {path.name for path in tmp_path.iterdir()} == {"list.csv", "list.manifest.json"}


def test_outreach_from_scores_needs_no_model(give: Give, trained: Path, tmp_path: Path) -> None:
    shop = trained / "shop"
    give("score", shop, "--out", tmp_path / "scores.parquet", at=trained)
    give("outreach", shop, "--out", tmp_path / "anew.csv", at=trained)
    said = give("outreach", shop, "--scores", "scores.parquet", "--out", "list.csv", at=tmp_path)
    assert said.code == 0
    assert (tmp_path / "list.csv").read_bytes() == (tmp_path / "anew.csv").read_bytes()
    assert not (tmp_path / "mlflow.db").exists()


def test_report_is_one_page_that_asks_for_nothing(give: Give, trained: Path, tmp_path: Path) -> None:
    assert give("report", "shop", "--out", tmp_path / "report.html", at=trained).code == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.lower().startswith("<!doctype html>")
    assert not re.search(r"""(src|href)\s*=\s*["']?https?:""", page)
    assert "imulated" in page
    assert page.count("<figure") >= 5


def test_explain_tells_one_customer(give: Give, trained: Path) -> None:
    who = pd.read_parquet(trained / "shop/orders.parquet")["customer_id"].dropna().iloc[0]
    said = give("explain", "shop", who, at=trained)
    assert said.code == 0
    assert who in said.out


def test_features_are_a_table_of_customers_and_moments(give: Give, trained: Path, tmp_path: Path) -> None:
    moments = ("--as-of", "2024-06-01", "--as-of", "2025-01-01", "--as-of", "2024-06-01")
    assert give("features", "shop", *moments, "--out", tmp_path / "f.csv", at=trained).code == 0
    table = pd.read_csv(tmp_path / "f.csv", parse_dates=["as_of"])
    assert list(table.columns[:2]) == ["customer_id", "as_of"]
    assert set(table["as_of"]) == {pd.Timestamp("2024-06-01"), pd.Timestamp("2025-01-01")}
    assert not table.duplicated(["customer_id", "as_of"]).any()


def test_features_are_described(give: Give, tmp_path: Path) -> None:
    said = give("features", "--describe", at=tmp_path)
    assert said.code == 0
    assert re.search(r"^days_since_last_order: .+ \(days; without events missing\)$", said.out, re.MULTILINE)


def test_backtest_writes_records(give: Give, trained: Path, tmp_path: Path) -> None:
    words = ("--cutoff", "2025-03-01", "--json", tmp_path / "records.json")
    said = give("backtest", "shop", *words, at=trained)
    assert said.code == 0, said.err
    records = json.loads((tmp_path / "records.json").read_text())
    fields = {"dataset", "component", "model", "is_baseline", "as_of", "metric", "value", "low", "high", "n"}
    assert all(set(record) == fields for record in records)
    assert {record["as_of"] for record in records} == {"2025-03-01"}
    for component, metric in ((name, CHOSEN_BY[name]) for name in COMPONENTS):
        judged = [one for one in records if (one["component"], one["metric"]) == (component, metric)]
        assert {one["is_baseline"] for one in judged} == {True, False}
        assert component in said.out


def test_settings_are_read_from_the_file_that_is_named(give: Give, trained: Path, tmp_path: Path) -> None:
    config = tmp_path / "euro.toml"
    config.write_text('[shop]\ncurrency = "EUR"\n[outreach]\nhold_out_share = 0.0\n')
    said = give("outreach", "shop", "--model", "champion", "--config", config, "--out", tmp_path / "l.csv", at=trained)
    assert said.code == 0
    assert " and 0 held out " in said.out
    assert "EUR" in said.out


def test_csv_and_duckdb_hold_the_same_shop(give: Give, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "csv").mkdir()
    with duckdb.connect(tmp_path / "shop.duckdb") as base:
        for title in TABLES:
            source = f"'{trained}/shop/{title}.parquet'"
            base.execute(f"CREATE TABLE {title} AS SELECT * FROM {source}")
            base.execute(f"COPY {title} TO '{tmp_path}/csv/{title}.csv' (HEADER)")
    found = []
    for place in (trained / "shop", tmp_path / "csv", tmp_path / "shop.duckdb"):
        said = give("score", place, "--model", trained / "champion", "--out", tmp_path / "scores.csv", at=tmp_path)
        assert said.code == 0, said.err
        found.append((tmp_path / "scores.csv").read_bytes())
    assert len(set(found)) == 1


def test_a_reader_that_stops_early_is_no_error(trained: Path) -> None:
    script = f"'{COMMAND}' check shop | head -n 1"
    done = subprocess.run(["bash", "-c", script], cwd=trained, capture_output=True, text=True, check=False)
    assert done.stdout == "Readiness of shop: fair\n"
    assert "Traceback" not in done.stderr


def test_load_reads_public_data(give: Give, tmp_path: Path) -> None:
    (tmp_path / "cdnow.txt").write_text("00001 19970101 1 11.77\n00002 19970112 5 77.00\n00001 19970318 2 20.76\n")
    said = give("load", "cdnow", "cdnow.txt", "--out", "shop", at=tmp_path)
    assert (said.code, said.out) == (0, "")
    assert len(pd.read_parquet(tmp_path / "shop/orders.parquet")) == 3
    assert give("load", "cdnow", "cdnow.txt", "--out", "shop", at=tmp_path).code == 1


@pytest.mark.slow
def test_a_second_training_keeps_or_promotes_and_says_why(give: Give, trained: Path, tmp_path: Path) -> None:
    place = tmp_path / "again"
    shutil.copytree(trained / "shop", place / "shop")
    for as_of in ("2025-04-01", None):
        words = ("--as-of", as_of) if as_of else ()
        said = start("train", "shop", "--seed", "1", *words, at=place)
        assert said.code == 0, said.err
    assert re.fullmatch(r"regulars version 2: (Promoted|Kept|Not promoted).*\n", said.out), said.out
    told = json.loads((place / "champion/bundle.json").read_text())["trained_as_of"]
    assert told.startswith("2025-06-30" if ": Promoted" in said.out else "2025-04-01")


def test_a_sample_that_is_too_small_is_told_as_such(give: Give, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "shop").symlink_to(trained / "shop")
    said = give("train", "shop", "--sample-customers", "1", at=tmp_path)
    assert said.code == 1
    assert "a sample of fewer than 500 customers tells little, and what it promotes is the champion" in said.err
    assert "This was asked of a sample of 1 of" in said.err
    assert "a larger --sample-customers may do." in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]
