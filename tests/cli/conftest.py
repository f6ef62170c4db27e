"""One small simulated shop, trained once for all tests of the command line, and a way to give commands."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from regulars.cli import app

COMMAND = Path(sys.executable).with_name("regulars")
ELSEWHERE = ("MLFLOW_TRACKING_URI", "REGULARS_MODEL", "REGULARS_CONFIG")
"""Variables that would lead a command away from the place where it is given."""


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


Give = Callable[..., Said]


@pytest.fixture
def give(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Give:
    """Gives a command within this process, in the folder `at`."""

    def command(*words: str | Path, at: Path) -> Said:
        monkeypatch.chdir(at)
        monkeypatch.setattr(sys, "argv", ["regulars", *map(str, words)])
        for name in ELSEWHERE:
            monkeypatch.delenv(name, raising=False)
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            app.main()
        said = capsys.readouterr()
        return Said(int(ended.value.code or 0), said.out, said.err)

    return command


def start(*words: str | Path, at: Path, **environment: str) -> Said:
    """Gives a command as a process of its own."""
    known = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    done = subprocess.run(
        [COMMAND, *map(str, words)], cwd=at, env=known | environment, capture_output=True, text=True, check=False
    )
    return Said(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder with a shop of 250 customers and its first training; several test processes share one.

    It holds shop/, mlflow.db, champion/, and what each command said in NAME.out and NAME.err. Tests only read it.
    """
    shared = tmp_path_factory.getbasetemp()
    place = (shared if worker_id == "master" else shared.parent) / "trained"
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "train.err").exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            _simulate_and_train(place)
    return place


def _simulate_and_train(place: Path) -> None:
    for name, words in {
        "simulate": ("simulate", "--customers", "250", "--seed", "7", "--out", "shop"),
        "train": ("train", "shop", "--seed", "7"),
    }.items():
        said = start(*words, at=place)
        assert said.code == 0, said.err
        (place / f"{name}.out").write_text(said.out, encoding="utf-8")
        (place / f"{name}.err").write_text(said.err, encoding="utf-8")
