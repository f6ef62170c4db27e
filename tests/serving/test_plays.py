"""The plays as the docs tell them."""

from __future__ import annotations

from pathlib import Path

from regulars.serving.plays import PLAYS, Play

FLAGS = ("care", "offer", "personal", "selling")


def told(play: Play) -> tuple[str, float, float, float, list[str]]:
    kind = [flag for flag in FLAGS if getattr(play, flag)]
    return play.name, play.shift, play.every_days, play.within_days, kind


def row(line: str) -> tuple[str, float, float, float, list[str]]:
    name, _, shift, every, within, kind = (cell.strip() for cell in line.strip("|").split("|"))
    every_days, within_days = (float(cell.removesuffix(" days")) for cell in (every, within))
    return name, float(shift), every_days, within_days, sorted(kind.split(", ")) if kind else []


def test_the_docs_table_is_true_to_the_declarations(root: Path) -> None:
    lines = (root / "docs" / "outreach.md").read_text(encoding="utf-8").splitlines()
    start = lines.index("| play | for whom | prior shift | again after | act within | kind |") + 2
    assert [row(line) for line in lines[start : start + len(PLAYS)]] == [told(play) for play in PLAYS]
    assert lines[start + len(PLAYS)] == ""
