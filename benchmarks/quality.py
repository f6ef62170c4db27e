"""Churn, next order and value out of time, ours beside the peers: `python benchmarks/quality.py`.

Every model stands at a cutoff, sees what was known before it, and is asked about everybody who had ordered; the window
behind the cutoff says who was right. Ours is what `regulars train` fits with default settings at that cutoff. After
the metrics of each model comes ours less theirs, with the 95 % interval of the paired bootstrap over customers.

Answers are kept in build/bench/quality by question and model, and made again where what they depend on has changed, so
the whole can be run in parts:

    python benchmarks/quality.py online-retail-ii --horizons 90 --cutoffs 2011-06-01 2011-09-01 --models ours lifetimes
    python benchmarks/quality.py --table

The first prints the tables of what was asked, and also takes cutoffs that are not in `quality_data.CUTOFFS`. A word of
`--models` stands for all models that begin with it. The second makes no answers, and puts all that are there into
build/bench/quality.json and quality.md, as a run of everything does.
Peers need environments of their own: see quality_peers.py; those whose environment is not there are left out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import quality_ours
import quality_report
from quality_data import (
    BUILD,
    CUTOFFS,
    ROOT,
    Question,
    Scene,
    digest,
    folder_of,
    logs_of,
    oracle_frame,
    questions,
    truth_frame,
    write_inputs,
)
from quality_judge import judge
from quality_peers import PEERS

HERE = Path(__file__).resolve().parent
LIFETIMES = BUILD / "quality-peers" / "bin" / "python"
PYMC = BUILD / "quality-pymc" / "bin" / "python"
PYTHON = {"lifetimes": LIFETIMES, "catboost": LIFETIMES, "pymc": PYMC}
"""Interpreters of peers by the first word of their name; the others run in our own environment."""
FOREVER = 1_200
"""Seconds that a peer may take."""


class Run:
    """Answers to one question, made where they are missing."""

    def __init__(self, question: Question) -> None:
        self.question = question
        question.folder.mkdir(parents=True, exist_ok=True)
        self._scene: Scene | None = None

    @property
    def scene(self) -> Scene:
        """The question's data, read when first needed."""
        if self._scene is None:
            asked = self.question
            self._scene = Scene.of(logs_of(asked.dataset), asked.moment, asked.settings)
        return self._scene

    def is_fresh(self, name: str, key: str) -> bool:
        """Whether the answer that is there was made of the same code and data."""
        told = self.question.folder / f"{name}.json"
        return told.exists() and json.loads(told.read_text(encoding="utf-8"))["key"] == key

    def keep(self, name: str, key: str, **told: Any) -> None:
        """Writes down what an answer was made of and what it took."""
        (self.question.folder / f"{name}.json").write_text(json.dumps({"key": key, **told}), encoding="utf-8")

    def data(self) -> None:
        """The truth, and what peers may see."""
        features = digest(
            ROOT / "features", ROOT / "datasets", HERE / "quality_data.py", *_files(self.question.dataset)
        )
        if not self.is_fresh("data", features):
            with Clock() as clock:
                truth = truth_frame(self.scene)
                truth.to_parquet(self.question.folder / "truth.parquet")
                oracle = oracle_frame(self.question, truth)
                if oracle is not None:
                    oracle.to_parquet(self.question.folder / "oracle.parquet")
                write_inputs(self.question, self.scene)
            self.keep("data", features, **clock.told)
            self.say("data", clock.told)

    def ours(self) -> None:
        """Our recipes and the baselines that the package has."""
        key = _our_key(self.question)
        if self.is_fresh("ours", key):
            return
        with Clock() as clock:
            self._write(quality_ours.answers(self.scene))
        (self.question.folder / "chosen.json").unlink(missing_ok=True)
        self.keep("ours", key, **clock.told)
        self.say("ours", clock.told)

    def choice(self) -> None:
        """Which recipes `train` would take at the cutoff."""
        key = _our_key(self.question)
        if self.is_fresh("chosen", key):
            return
        with Clock() as clock:
            winners = quality_ours.chosen(self.scene.logs, self.question.moment, self.scene.settings)
            if winners["order_times"] != "order_time":
                self._write(quality_ours.answers(self.scene, by=winners["order_times"]))
        self.keep("chosen", key, winners=winners, **clock.told)
        self.say(f"choice: {winners}", clock.told)

    def _write(self, answers: quality_ours.Answers) -> None:
        for name, (frame, survival) in quality_ours.frames(self.scene, answers).items():
            frame.to_parquet(self.question.folder / f"{name}.parquet")
            if survival is not None:
                np.save(self.question.folder / f"{name}.npy", survival.astype(np.float32))

    def peer(self, name: str) -> None:
        """A peer, in a process and, where it needs one, an environment of its own."""
        python = PYTHON.get(name.split("_", maxsplit=1)[0], Path(sys.executable))
        if not python.exists():
            print(f"  {name} is left out: there is no {python.relative_to(ROOT)} (see quality_peers.py)")
            return
        key = digest(HERE / "quality_peers.py", *sorted(self.question.inputs.glob("*.*")))
        if self.is_fresh(name, key):
            return
        command = [str(python), str(HERE / "quality_peers.py"), name, str(self.question.inputs)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=FOREVER)
        except subprocess.TimeoutExpired:
            print(f"  {name} took more than {FOREVER} s and is left out")
            return
        if done.returncode:
            print(f"  {name} failed and is left out: {done.stderr.strip().splitlines()[-1:]}", flush=True)
            return
        told = json.loads(done.stdout.strip().splitlines()[-1])
        (self.question.inputs / f"{name}.parquet").replace(self.question.folder / f"{name}.parquet")
        self.keep(name, key, **told)
        self.say(f"{name} {told['note']}".rstrip(), told)

    def say(self, what: str, told: dict[str, Any]) -> None:
        """A line on the screen."""
        print(f"  {what}: {told['seconds']:.1f} s ({told['cpu_seconds']:.1f} s of processor)", flush=True)


class Clock:
    """Seconds of the wall and of the processor."""

    def __enter__(self) -> Clock:
        self._begun, self._used = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.told = {"seconds": time.perf_counter() - self._begun, "cpu_seconds": time.process_time() - self._used}


def _files(dataset: str) -> list[Path]:
    return sorted(folder_of(dataset).rglob("*.parquet"))


def _our_key(question: Question) -> str:
    code = [ROOT / name for name in ("features", "models", "training")]
    return digest(*code, HERE / "quality_ours.py", *_files(question.dataset))


OURS = ("ours", "choice")


def names_of(words: list[str]) -> list[str]:
    """Models that begin with one of the words; all by default."""
    every = [*OURS, *PEERS]
    found = [name for name in every if not words or any(name.startswith(word) for word in words)]
    if unknown := [word for word in words if not any(name.startswith(word) for name in every)]:
        raise SystemExit(f"no model begins with {unknown}; there are {every}")
    return found


def answer(question: Question, names: list[str]) -> None:
    """Asks the models about a question."""
    print(f"{question}", flush=True)
    run = Run(question)
    run.data()
    for name in names:
        if name == "ours":
            run.ours()
        elif name == "choice":
            run.choice()
        else:
            run.peer(name)


def answered() -> list[Question]:
    """Questions to which there are answers."""
    paths = sorted((BUILD / "quality").glob("*/*-days/*/order_time.parquet"))
    return [Question(p.parts[-4], int(p.parts[-3].split("-")[0]), p.parts[-2]) for p in paths]


def main() -> None:
    """Answers what is asked, and writes the tables of all answers that are there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="*", help=f"among {', '.join(CUTOFFS)}; default: all")
    parser.add_argument("--horizons", type=int, nargs="+", help="days; default: the data set's")
    parser.add_argument("--cutoffs", nargs="+", help="dates; default: the data set's for each horizon")
    parser.add_argument("--models", nargs="+", default=[], help=f"beginnings of {', '.join([*OURS, *PEERS])}")
    parser.add_argument("--table", action="store_true", help="make no answers, only tables of those that are there")
    asked = parser.parse_args()
    found = [] if asked.table else _asked(asked)
    names = names_of(asked.models)
    for question in found:
        answer(question, names)
    whole = asked.table or not (asked.datasets or asked.horizons or asked.cutoffs or asked.models)
    records = [record for question in (answered() if whole else found) for record in judge(question)]
    text = quality_report.markdown(records) + quality_report.times(_times(answered() if whole else found))
    print(text)
    if whole:
        (BUILD / "quality.json").write_text(json.dumps(records, indent=1), encoding="utf-8")
        (BUILD / "quality.md").write_text(text, encoding="utf-8")


def _times(found: list[Question]) -> dict[str, list[tuple[float, float]]]:
    """Seconds of the wall and of the processor that each part took, over the questions."""
    times: dict[str, list[tuple[float, float]]] = {}
    for question in found:
        for path in sorted(question.folder.glob("*.json")):
            told = json.loads(path.read_text(encoding="utf-8"))
            if "seconds" in told:
                times.setdefault(path.stem, []).append((told["seconds"], told["cpu_seconds"]))
    return times


def _asked(asked: argparse.Namespace) -> list[Question]:
    datasets = asked.datasets or list(CUTOFFS)
    return [question for dataset in datasets for question in questions(dataset, asked.horizons, asked.cutoffs)]


if __name__ == "__main__":
    main()
