"""Bad input through the command line: a sentence and exit code 1 or 2, no traceback, and nothing half-written."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.cli.conftest import Give, Said

from regulars.cli import learning

Tables = dict[str, pd.DataFrame]
Spoil = Callable[[Tables], Tables]


@pytest.fixture(scope="session")
def tables(trained: Path) -> Tables:
    return {path.stem: pd.read_parquet(path) for path in sorted((trained / "shop").glob("*.parquet"))}


@pytest.fixture
def place(tables: Tables, tmp_path: Path) -> Callable[[Spoil], Path]:
    """Writes the tables, spoilt, to a folder shop/ and returns the folder it is in."""

    def write(spoil: Spoil) -> Path:
        (tmp_path / "shop").mkdir()
        for title, frame in spoil(dict(tables)).items():
            frame.to_parquet(tmp_path / "shop" / f"{title}.parquet", index=False)
        return tmp_path

    return write


def refused(said: Said, code: int, *words: str) -> None:
    assert said.code == code, said.err
    assert "Traceback" not in said.err
    for word in words:
        assert word in said.err


def orders(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Spoil:
    return lambda tables: tables | {"orders": change(tables["orders"].copy())}


def day_first(lines: pd.DataFrame) -> pd.DataFrame:
    return lines.assign(ordered_at=lines["ordered_at"].dt.strftime("%d/%m/%Y"))


def shared_order(lines: pd.DataFrame) -> pd.DataFrame:
    return lines.assign(order_id=lines["order_id"].where(lines.index > 40, "same"))


def without_markup(lines: pd.DataFrame) -> pd.DataFrame:
    return lines.assign(quantity=lines["quantity"].astype(str).where(lines.index > 0, "[/red]"))


SPOILT: dict[str, tuple[Spoil, str]] = {
    "no orders": (lambda tables: {k: v for k, v in tables.items() if k != "orders"}, "there is no such table"),
    "a column is missing": (orders(lambda lines: lines.drop(columns="ordered_at")), "orders.ordered_at"),
    "no order line": (lambda tables: {"orders": tables["orders"].iloc[:0]}, "there is no customer"),
    "guests only": (lambda tables: {"orders": tables["orders"].assign(customer_id=None)}, "there is no customer"),
    "the day first": (orders(day_first), "is no moment that can be read safely"),
    "an order under two customers": (orders(shared_order), "one order under two customers"),
    "text like markup": (orders(without_markup), "'[/red]'"),
    "a support table without events": (
        lambda tables: tables | {"support": tables["support"].drop(columns="event")},
        "support.event",
    ),
}


@pytest.mark.parametrize("name", SPOILT)
def test_tables_that_cannot_be_used(name: str, place: Callable[[Spoil], Path], give: Give, trained: Path) -> None:
    spoil, words = SPOILT[name]
    at = place(spoil)
    said = give("check", "shop", at=at)
    refused(said, 1, "nothing can be trained on shop")
    assert words in said.out
    for command in ("score", "outreach", "features"):
        model = () if command == "features" else ("--model", trained / "champion")
        refused(give(command, "shop", "--out", "out.csv", *model, at=at), 1, words)
    refused(give("backtest", "shop", "--json", "out.json", at=at), 1, words)
    assert [path.name for path in at.iterdir()] == ["shop"]


UNTRAINABLE: dict[str, tuple[Spoil, str]] = {
    "one customer": (
        orders(lambda lines: lines[lines["customer_id"] == lines["customer_id"].dropna().iloc[0]]),
        "a single customer",
    ),
    "two months": (
        orders(lambda lines: lines[lines["ordered_at"] >= lines["ordered_at"].max() - pd.Timedelta(days=60)]),
        "60 days of orders; 90 are needed to learn and to judge",
    ),
}


@pytest.mark.parametrize("name", UNTRAINABLE)
def test_too_little_to_learn_from_can_still_be_scored(
    name: str, place: Callable[[Spoil], Path], give: Give, trained: Path
) -> None:
    spoil, words = UNTRAINABLE[name]
    at = place(lambda tables: {"orders": spoil(tables)["orders"]})
    refused(give("check", "shop", at=at), 1, words)
    refused(give("backtest", "shop", "--json", "x.json", at=at), 1, words)
    said = give("score", "shop", "--model", trained / "champion", "--out", "scores.csv", at=at)
    assert said.code == 0
    assert "which is not here; it is taken as nothing having happened there" in said.err
    assert "Warning" not in said.err


def empty(tables: Tables) -> Tables:
    return {title: frame if title == "orders" else frame.iloc[:0] for title, frame in tables.items()}


def only_in_support(tables: Tables) -> Tables:
    one = tables["support"].head(1).assign(customer_id="only in support")
    return tables | {"support": pd.concat([tables["support"], one])}


def amounts(tables: Tables) -> Tables:
    lines = tables["orders"]
    paid = lines["quantity"] * lines["unit_price"] - lines["discount"]
    return {"orders": lines[["customer_id", "order_id", "ordered_at"]].assign(amount=paid)}


def returns_only_for_some(tables: Tables) -> Tables:
    lines = tables["orders"]
    half = lines["customer_id"].rank(method="dense") % 2 == 0
    return tables | {"orders": lines.assign(quantity=lines["quantity"].where(half, -lines["quantity"].abs()))}


def mixed_zones(tables: Tables) -> Tables:
    lines = tables["orders"]
    text = lines["ordered_at"].astype(str)
    return tables | {"orders": lines.assign(ordered_at=text.where(lines.index % 2 == 0, text + "+02:00"))}


STRANGE = '<script>alert(1)</script>,\n"é[/red]\r=1+1 '


def strange_ids(tables: Tables) -> Tables:
    lines = tables["orders"]
    named = lines.assign(customer_id=STRANGE + lines["customer_id"], product_id=STRANGE + lines["product_id"])
    return {"orders": named.assign(customer_id=named["customer_id"].where(named.index > 0, "NA"))}


ODD = {
    "empty tables beside orders": empty,
    "customers in support only": only_in_support,
    "amounts and nothing else": amounts,
    "returns without orders": returns_only_for_some,
    "moments with and without a zone": mixed_zones,
    "ids with markup, commas and line breaks": strange_ids,
}


QUICK = ("empty tables beside orders", "ids with markup, commas and line breaks")


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in ODD]
)
def test_odd_but_usable_tables_are_answered(
    name: str, tables: Tables, place: Callable[[Spoil], Path], give: Give, trained: Path
) -> None:
    at, model = place(ODD[name]), ("--model", trained / "champion")
    for ending in ("parquet", "csv"):
        said = give("score", "shop", *model, "--out", f"scores.{ending}", at=at)
        assert said.code == 0, said.err
    spoilt = ODD[name](dict(tables))
    everybody = {who for frame in spoilt.values() if "customer_id" in frame for who in frame["customer_id"].dropna()}
    assert set(pd.read_parquet(at / "scores.parquet")["customer_id"]) == everybody
    lists = {}
    for ending in ("parquet", "csv"):
        lists[ending] = give("outreach", "shop", "--scores", f"scores.{ending}", "--out", f"{ending}.csv", at=at)
        assert lists[ending].code == 0, lists[ending].err
    assert (at / "parquet.csv").read_bytes() == (at / "csv.csv").read_bytes()
    assert give("report", "shop", *model, "--out", "report.html", at=at).code == 0
    assert "<script>alert" not in (at / "report.html").read_text(encoding="utf-8")
    for who in sorted(everybody)[:2]:
        assert give("explain", "shop", who, *model, at=at).code == 0


WRONG_USE: dict[str, tuple[tuple[str, ...], str]] = {
    "no such folder": (("check", "nowhere"), "nowhere does not exist"),
    "no such command": (("improve", "shop"), "No such command"),
    "no such option": (("check", "shop", "--fast"), "No such option"),
    "a word for a moment": (("score", "shop", "--out", "x.csv", "--as-of", "tomorrow"), "is no moment"),
    "digits for a moment": (("score", "shop", "--out", "x.csv", "--as-of", "20240701"), "is no moment"),
    "a moment with a zone": (("train", "shop", "--as-of", "2024-07-01T00:00+02:00"), "has a time zone"),
    "a year far away": (("train", "shop", "--as-of", "9999-01-01"), "outside of the years"),
    "a cutoff that is none": (("backtest", "shop", "--json", "x.json", "--cutoff", "soon"), "--cutoff"),
    "an ending nobody reads": (("outreach", "shop", "--out", "x.xlsx"), ".parquet or .csv"),
    "a report that is no page": (("report", "shop", "--out", "x.pdf"), ".html"),
    "a folder for a file": (("score", "shop", "--out", "folder.csv"), "is a folder"),
    "a file for a folder": (("score", "shop", "--out", "shop/orders.parquet/x.csv"), "is a file"),
    "a file for a new shop's place": (("simulate", "--out", "shop/orders.parquet/x"), "is a file"),
    "a negative budget": (("outreach", "shop", "--out", "x.csv", "--budget", "-1"), "--budget"),
    "no number for a budget": (("outreach", "shop", "--out", "x.csv", "--budget", "nan"), "--budget"),
    "an endless budget": (("outreach", "shop", "--out", "x.csv", "--budget", "inf"), "--budget"),
    "a negative seed": (("simulate", "--out", "x", "--seed", "-1"), "--seed"),
    "no process": (("simulate", "--out", "x", "--jobs", "0"), "--jobs"),
    "a large shop as CSV": (
        ("simulate", "--out", "x", "--customers", "30000", "--format", "csv"),
        "CSV holds up to 25,000 customers",
    ),
    "no product": (("score", "shop", "--out", "x.csv", "--top", "0"), "--top"),
    "scores that are not there": (
        ("outreach", "shop", "--out", "x.csv", "--scores", "none.csv"),
        "none.csv is no file",
    ),
    "neither folder nor description": (("features",), "give DIR and --out"),
    "settings that are not there": (("check", "shop", "--config", "none.toml"), "no such settings file"),
    "a folder for settings": (("check", "shop", "--config", "shop"), "cannot be read"),
    "a misspelt setting": (("check", "shop", "--config", "misspelt.toml"), "perhaps horizon_days is meant"),
    "settings in Latin-1": (("check", "shop", "--config", "latin.toml"), "not UTF-8"),
}


@pytest.mark.parametrize("name", WRONG_USE)
def test_wrong_use_is_told_in_a_line(name: str, give: Give, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "shop").symlink_to(trained / "shop")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "misspelt.toml").write_text("[churn]\nhorizont_days = 30\n")
    (tmp_path / "latin.toml").write_bytes(b'[shop]\ncurrency = "\xa3"\n')
    there = {path.name for path in tmp_path.iterdir()}
    words, told = WRONG_USE[name]
    said = give(*words, at=tmp_path)
    refused(said, 2, told)
    assert said.err.splitlines()[-1].startswith("Error: ")
    assert {path.name for path in tmp_path.iterdir()} == there


def test_a_place_that_cannot_be_written_is_told_before_the_work(
    give: Give, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The super-user, under whom tests may run, may write everywhere.
    monkeypatch.setattr("os.access", lambda path, mode: mode == os.R_OK)
    refused(give("score", trained / "shop", "--out", "x.csv", at=tmp_path), 2, "may not be written to")
    refused(give("train", trained / "shop", at=tmp_path), 2, "may not be written to")


def test_a_full_disk_ends_with_a_sentence(
    give: Give, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: pd.DataFrame, *_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device", "x.csv")

    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    said = give("features", trained / "shop", "--out", "x.csv", at=tmp_path)
    refused(said, 1, "refused: x.csv: No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_our_own_fault_is_not_called_a_refusal(
    give: Give, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*_: Any) -> None:
        raise ValueError("operands could not be broadcast together")

    monkeypatch.setattr(learning, "_ready", wrong)
    with pytest.raises(ValueError, match="broadcast"):
        give("backtest", trained / "shop", "--json", "x.json", at=tmp_path)


def test_before_the_first_order_nobody_is_known(give: Give, trained: Path, tmp_path: Path) -> None:
    early = ("--as-of", "2010-01-01")
    model = ("--model", trained / "champion")
    for words in (("score", *model), ("outreach", *model), ("features",)):
        command, *more = words
        said = give(command, trained / "shop", *more, *early, "--out", tmp_path / "x.csv", at=tmp_path)
        refused(said, 1, "no customer was known before 2010-01-01")
    refused(give("explain", trained / "shop", "C000001", *model, *early, at=tmp_path), 1, "is not known before")
    refused(give("train", trained / "shop", *early, at=tmp_path), 1, "0 days of orders")
    assert not (tmp_path / "champion").exists()
    for cutoff, told in (("2023-01-20", "judge a later cutoff"), ("2025-06-01", "judge an earlier cutoff")):
        said = give("backtest", trained / "shop", "--json", "x.json", "--cutoff", cutoff, at=tmp_path)
        refused(said, 1, told)


def test_long_after_the_end_is_told(give: Give, trained: Path, tmp_path: Path) -> None:
    words = ("--model", trained / "champion", "--as-of", "2027-01-01", "--out", tmp_path / "x.csv")
    said = give("score", trained / "shop", *words, at=tmp_path)
    assert said.code == 0
    assert "the data ends at 2025-06-30" in said.err


BROKEN: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a changed file": (lambda folder: (folder / "settings.json").write_text("{}"), "was changed or damaged"),
    "a missing file": (lambda folder: (folder / "prospects.json").unlink(), "prospects.json is missing"),
    "a file too many": (lambda folder: (folder / "more.json").write_text("{}"), "is not in the manifest"),
    "no manifest": (lambda folder: (folder / "manifest.json").unlink(), "there is no manifest.json"),
    "half a manifest": (lambda folder: (folder / "manifest.json").write_text('{"files"'), "is no manifest"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_bundles_are_refused(name: str, give: Give, trained: Path, tmp_path: Path) -> None:
    spoil, words = BROKEN[name]
    shutil.copytree(trained / "champion", tmp_path / "champion")
    spoil(tmp_path / "champion")
    said = give("score", trained / "shop", "--model", "champion", "--out", "x.csv", at=tmp_path)
    refused(said, 1, words)
    assert not (tmp_path / "x.csv").exists()


@pytest.mark.parametrize("ref", ["nowhere", "models:/regulars@champion", "models:/", "runs:/x/y", "s3://bucket/model"])
def test_references_that_mean_nothing_are_refused(ref: str, give: Give, trained: Path, tmp_path: Path) -> None:
    refused(give("score", trained / "shop", "--model", ref, "--out", "x.csv", at=tmp_path), 1, "refused: ")
    assert list(tmp_path.iterdir()) == []


def test_scores_that_are_none_are_refused(give: Give, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    (tmp_path / "nothing.csv").write_text("")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "bytes.parquet").write_bytes(b"PAR1")
    for name in ("other.csv", "nothing.csv", "bytes.csv", "bytes.parquet"):
        said = give("outreach", trained / "shop", "--scores", name, "--out", "x.csv", at=tmp_path)
        refused(said, 1, f"refused: {name}: ")
    assert not (tmp_path / "x.csv").exists()


def test_scores_of_another_shop_are_refused(give: Give, trained: Path, tmp_path: Path) -> None:
    give("score", trained / "shop", "--model", trained / "champion", "--out", "scores.parquet", at=tmp_path)
    scores = pd.read_parquet(tmp_path / "scores.parquet")
    scores.assign(customer_id="other-" + scores["customer_id"]).to_parquet(tmp_path / "other.parquet")
    said = give("outreach", trained / "shop", "--scores", "other.parquet", "--out", "x.csv", at=tmp_path)
    refused(said, 1, "250 customers of the scores are not in the tables, such as 'other-")


def test_a_store_that_cannot_be_used_is_told(give: Give, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "regulars.toml").write_text('[mlflow]\ntracking_uri = "gopher://nowhere"\n')
    refused(give("train", trained / "shop", at=tmp_path), 1, "the MLflow store gopher://nowhere cannot be used")


def test_bad_rows_are_set_aside_where_the_settings_say_so(
    place: Callable[[Spoil], Path], give: Give, trained: Path
) -> None:
    at = place(orders(without_markup))
    (at / "regulars.toml").write_text('[data]\nbad_rows = "set_aside"\n')
    said = give("score", "shop", "--model", trained / "champion", "--out", "scores.csv", at=at)
    assert said.code == 0, said.err
    assert "· set aside: orders.quantity is no number in 1 of" in said.err
    assert "'[/red]'" in said.err
    assert len(pd.read_csv(at / "shop-set-aside/orders.csv")) == 1


def test_public_data_that_is_none_is_refused(give: Give, tmp_path: Path) -> None:
    (tmp_path / "junk").write_bytes(b"\x00\xff junk")
    for name in ("online-retail-ii", "cdnow", "tafeng"):
        refused(give("load", name, "junk", "--out", "shop", at=tmp_path), 1, "refused: ")
    refused(give("load", "nothing", "junk", "--out", "shop", at=tmp_path), 2)
    assert {path.name for path in tmp_path.iterdir()} == {"junk"}


def test_a_folder_with_something_in_it_is_left_alone(give: Give, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    refused(give("simulate", "--customers", "5", "--out", "mine", at=tmp_path), 1, "not empty")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter.txt"]


def test_the_manifest_of_a_list_is_json_without_infinities(give: Give, trained: Path, tmp_path: Path) -> None:
    words = ("--model", trained / "champion", "--out", "x.parquet")
    assert give("outreach", trained / "shop", *words, at=tmp_path).code == 0

    def never(constant: str) -> None:
        raise AssertionError(constant)

    json.loads((tmp_path / "x.manifest.json").read_text(), parse_constant=never)
