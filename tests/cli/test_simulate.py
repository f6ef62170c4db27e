"""`regulars simulate` in parts, as its user meets it: what is told on the way, and what `check` makes of it."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console
from tests.cli.conftest import Give

from regulars.cli import progress
from regulars.datasets.simulate import blocks


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shops of more than 40 customers come in blocks; a line is told after each."""
    monkeypatch.setattr(blocks, "BLOCK_CUSTOMERS", 40)
    monkeypatch.setattr(progress, "EVERY_SECONDS", 0.0)


def test_a_shop_in_parts(give: Give, small_blocks: None, tmp_path: Path) -> None:
    said = give("simulate", "--customers", "100", "--out", "shop", at=tmp_path)
    assert (said.code, said.out) == (0, "")
    lines = said.err.splitlines()
    assert lines[0] == "· simulating 100 customers"
    assert lines[1] == "· simulating: 0 of 100 customers"
    assert lines[2].startswith("· simulating: 33 of 100 customers, about ")
    assert lines[3].startswith("· simulating: 66 of 100 customers, about ")
    assert lines[4].startswith("· orders: ")
    assert lines[-1] == "· written to shop; what is true of it is in shop/truth"
    assert len(list((tmp_path / "shop" / "orders").iterdir())) == 3

    checked = give("check", "shop", at=tmp_path)
    assert checked.code == 0
    assert checked.out.startswith("Readiness of shop: ")


def test_without_truth(give: Give, small_blocks: None, tmp_path: Path) -> None:
    said = give("simulate", "--customers", "50", "--no-truth", "--out", "shop", at=tmp_path)
    assert said.code == 0
    assert said.err.endswith("· written to shop\n")
    assert [path.name for path in (tmp_path / "shop" / "truth").iterdir()] == ["parameters.json"]


def test_a_terminal_sees_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(progress, "console", Console(file=screen, force_terminal=True, width=120))
    with progress.progress("simulating", "customers") as advance:
        advance(40, 100)
        advance(100, 100)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    assert "100/100 customers" in shown


def test_lines_come_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.progress("simulating", "customers") as advance:
        for done in range(1, 101):
            advance(done, 100)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("seconds", "told"), [(0.4, "0 s"), (89, "89 s"), (91, "2 min"), (7_000, "117 min")])
def test_spans(seconds: float, told: str) -> None:
    assert progress._span(seconds) == told
