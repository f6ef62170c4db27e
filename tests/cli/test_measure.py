"""measure and serve, as their user meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Give

from regulars.cli import serving
from regulars.serving.list_file import read_list


@pytest.fixture
def listed(give: Give, trained: Path, tmp_path: Path) -> Path:
    """A folder with a list of the trained shop, half of it held out."""
    (tmp_path / "regulars.toml").write_text("[outreach]\nhold_out_share = 0.5\n", encoding="utf-8")
    model = ("--model", trained / "champion")
    said = give("outreach", trained / "shop", "--as-of", "2025-03-01", *model, "--out", "list.csv", at=tmp_path)
    assert said.code == 0, said.err
    return tmp_path


def test_measure_tells_what_the_list_earned(give: Give, trained: Path, listed: Path) -> None:
    given = ("measure", trained / "shop", "--list", "list.csv", "--until", "2025-05-30", "--out", "earned/it.json")
    said = give(*given, at=listed)
    assert said.code == 0, said.err
    rows = read_list(listed / "list.csv")
    compared = rows[rows["play"] != "complaint_follow_up"]
    arms = [int((compared["arm"] == arm).sum()) for arm in ("contact", "hold_out")]
    told = json.loads((listed / "earned" / "it.json").read_text())
    assert [told["total"]["contacted"], told["total"]["held_out"]] == arms
    assert {play["play"] for play in told["plays"]} == set(compared["play"])
    assert told["total"]["cost"] == pytest.approx(compared["cost"].sum())
    lines = said.out.splitlines()
    assert "2025-03-01 to 2025-05-30, GBP: contacted against held out" in lines[0]
    assert lines[-1] == told["verdict"]  # nobody was really sent this list
    assert "contacts knows nobody who was sent" in told["verdict"]
    assert (
        sum(line.strip().startswith(("all ", *compared["play"].unique())) for line in lines) == len(told["plays"]) + 1
    )


def test_a_list_without_its_manifest_is_refused(give: Give, trained: Path, listed: Path) -> None:
    (listed / "list.manifest.json").unlink()
    said = give("measure", trained / "shop", "--list", "list.csv", at=listed)
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("refused: list.manifest.json is missing")


@pytest.mark.parametrize("words", [("--until", "soon"), ("--out", "it.csv")])
def test_wrong_use_is_told_before_any_work(give: Give, trained: Path, tmp_path: Path, words: tuple[str, str]) -> None:
    said = give("measure", trained / "shop", "--list", "list.csv", *words, at=tmp_path)
    assert said.code == 2
    assert words[0] in said.err


def test_serve_says_what_is_not_installed(
    give: Give, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "find_spec", lambda name: None)
    said = give("serve", "--model", trained / "champion", at=tmp_path)
    assert said.code == 1
    assert said.err == "refused: serving needs fastapi and uvicorn: pip install 'regulars[serve]'\n"


def test_serve_without_a_model_is_refused(give: Give, tmp_path: Path) -> None:
    said = give("serve", "--model", "nowhere", at=tmp_path)
    assert said.code == 1
    assert "'nowhere' is no bundle" in said.err
