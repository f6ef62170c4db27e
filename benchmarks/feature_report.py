"""What `features.py` measured, as a table for people, as JSON, and as Markdown for the docs."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

FLOORS = {"floor_table": "DuckDB reads and sorts, a table", "floor_arrow": "DuckDB reads and sorts, Arrow"}
HEAD = ("what", "lines", "customers", "cutoffs", "columns", "seconds", "CPU s", "GB", "x floor", "x ours")


@dataclass
class Measured:
    """One thing at one size; a run's figures are those of `feature_steps.py`."""

    what: str
    lines: int
    customers: int
    cutoffs: int
    runs: list[dict[str, Any]] = field(default_factory=list)

    def add(self, run: dict[str, Any]) -> None:
        """One more run."""
        self.runs.append(run)

    def figure(self, name: str) -> float:
        """Median over the runs."""
        return median(run[name] for run in self.runs)

    @property
    def seconds(self) -> float:
        """Median wall seconds."""
        return self.figure("seconds")

    @property
    def size(self) -> tuple[int, int]:
        """What it may be compared with."""
        return self.lines, self.customers

    def span(self) -> str:
        """Median wall seconds, and the range where there are several runs."""
        every = [run["seconds"] for run in self.runs]
        return f"{self.seconds:.1f}" + (f" [{min(every):.1f}, {max(every):.1f}]" if len(every) > 1 else "")

    def __str__(self) -> str:
        return f"{self.what}, {self.lines:,} lines, {self.cutoffs} cutoffs: {self.span()} s"


class Report:
    """All that was measured in one run."""

    def __init__(self, threads: int) -> None:
        libraries = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "numba", "numpy", "pandas"))
        load = os.getloadavg()[0]
        self.machine = (
            f"{threads} threads on {os.cpu_count()} cores ({platform.machine()}), load {load:.1f} before the first run;"
            f" Python {platform.python_version()}, {libraries}"
        )
        self.rows: list[Measured] = []
        self.judged: list[str] = []
        self.disagreements: list[str] = []
        self.left_out: list[str] = []
        self.notes: list[str] = []
        self.one: dict[str, dict[str, float]] = {}

    def add(self, *measured: Measured) -> None:
        """More rows of the table."""
        self.rows += measured

    def judge(self, who: str, found: list[str]) -> None:
        """What one judge said differently."""
        self.judged.append(who)
        self.disagreements += [f"{who}: {sentence}" for sentence in found]

    def floor(self, size: tuple[int, int]) -> float | None:
        """Median seconds of the faster way to read and sort."""
        return min((row.seconds for row in self.rows if row.what in FLOORS and row.size == size), default=None)

    def ours(self, row: Measured) -> Measured | None:
        """Ours at the size and cutoffs of a row."""
        alike = (one for one in self.rows if one.what == "ours" and one.size == row.size)
        return next((one for one in alike if one.cutoffs == row.cutoffs), None)

    def cells(self) -> Iterator[tuple[str, ...]]:
        """The table, without its head."""
        for row in self.rows:
            floor, ours = self.floor(row.size), self.ours(row)
            yield (
                FLOORS.get(row.what, row.what),
                f"{row.lines:,}",
                f"{row.customers:,}",
                str(row.cutoffs or ""),
                str(row.runs[-1].get("columns", "")),
                row.span(),
                f"{row.figure('processor_seconds'):.1f}",
                f"{row.figure('peak_gb'):.1f}",
                f"{row.seconds / floor:.1f}" if floor else "",
                f"{row.seconds / ours.seconds:.1f}" if ours else "",
            )

    def sentences(self) -> Iterator[str]:
        """What the figures come to."""
        for row in self.rows:
            if row.what == "ours" and row.size in {one.size for one in self.rows if one.what in FLOORS}:
                yield from self.standing(row)
        yield from self.marginal()
        yield f"judged by {', '.join(self.judged)}: " + (
            "; ".join(self.disagreements[:10]) if self.disagreements else "no number differs"
        )
        if self.left_out:
            yield f"made by ours and not by SQL: {', '.join(self.left_out)}"
        yield from self.notes
        for way, found in self.one.items():
            yield (
                f"one customer, {way}: median {found['median_ms']:.2f} ms, 95th percentile {found['p95_ms']:.2f} ms,"
                f" processor {found['processor_ms']:.2f} ms, {found['columns']:.0f} columns"
            )

    def standing(self, ours: Measured) -> Iterator[str]:
        """How ours stands to the floor and to SQL, by the wall and by the processor."""
        cutoffs = f"{ours.cutoffs} cutoff{'s' if ours.cutoffs > 1 else ''}"
        floor = min(
            (row for row in self.rows if row.what in FLOORS and row.size == ours.size), key=lambda row: row.seconds
        )
        wanted = 2 if ours.cutoffs == 1 else 4
        verdict = "within" if ours.seconds <= wanted * floor.seconds else "NOT within"
        yield f"{cutoffs}: {_times(ours, floor)} the time of reading and sorting, {verdict} the {wanted} wanted"
        for other in self.rows:
            if other.what.startswith("sql") and (other.size, other.cutoffs) == (ours.size, ours.cutoffs):
                yield f"{cutoffs}: {other.what} takes {_times(other, ours)} as long as ours"
        yield f"{cutoffs}: ours with the start of the process {ours.figure('process_seconds'):.1f} s"

    def marginal(self) -> Iterator[str]:
        """Seconds of one more cutoff, where there are figures at one and at several."""
        for many in self.rows:
            for single in self.rows:
                same = (many.what, many.size, 1) == (single.what, single.size, single.cutoffs)
                if same and many.cutoffs > 1:
                    more = (many.seconds - single.seconds) / (many.cutoffs - 1)
                    yield f"{many.what}: one more cutoff takes {more:.2f} s"

    def text(self) -> str:
        """The table and the sentences, for a terminal."""
        table = [HEAD, *self.cells()]
        widths = [max(len(row[i]) for row in table) for i in range(len(HEAD))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in table]
        return "\n".join([*lines, "", *self.sentences()])

    def markdown(self) -> str:
        """The same for the docs."""
        rows = [HEAD, ("---",) * len(HEAD), *self.cells()]
        table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
        return "\n".join([table, "", *(f"- {sentence}" for sentence in (self.machine, *self.sentences())), ""])

    def write(self, folder: Path) -> None:
        """features.json and features.md."""
        whole = {
            "machine": self.machine,
            "rows": [vars(row) for row in self.rows],
            "sentences": list(self.sentences()),
            "judged": self.judged,
            "disagreements": self.disagreements,
            "left_out": self.left_out,
            "one": self.one,
        }
        (folder / "features.json").write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
        (folder / "features.md").write_text(self.markdown(), encoding="utf-8")


def _times(one: Measured, other: Measured) -> str:
    """How many times as long one takes as the other."""
    processor = one.figure("processor_seconds") / other.figure("processor_seconds")
    return f"{one.seconds / other.seconds:.1f} times ({processor:.1f} in processor seconds)"
