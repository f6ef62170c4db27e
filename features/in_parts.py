"""Something about every customer of a shop of any size, written as Parquet on the way.

Customers are worked on in order of their ids, some tens of thousands at a time; each such chunk becomes a part of its
own, written whole or not at all. What is finished stays if the run is stopped: the same call goes on where it ended,
as long as source, settings and what is asked for are the same. Nothing a row holds depends on the chunks. While one run
writes, a second one into the same folder is refused, for its parts would be mixed with the first one's.

Memory is bounded by the order lines of one batch (`LINES`): where there are more than twice as many, they are staged
on disk first, by customers.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from regulars.features.findings import DataError, Finding
from regulars.features.own import own_of
from regulars.features.plain import NotPlainError
from regulars.features.scan import Batch, Scan, open_scan
from regulars.features.settings import Settings
from regulars.features.sources import Where

LINES = 6_000_000
"""Order lines held in memory at a time."""
CHUNK_LINES = 200_000
"""Order lines worked on by one thread at a time."""

Progress = Callable[[int, int], None]
"""Called with customers done and customers in all."""
Chunk = Callable[[Batch, int, int], pa.Table]
"""The rows of the customers of a batch from the first code up to the second."""
_PLAN = "plan.json"
_STAGED = "lines"


class NobodyError(ValueError):
    """There was nobody to tell anything about."""


class BusyError(OSError):
    """Another run is writing into the folder."""


class Asked(Protocol):
    """What is asked for: how the rows of a chunk of customers are made."""

    @property
    def titles(self) -> frozenset[str]:
        """The tables that are read."""
        ...

    @property
    def plan(self) -> Any:
        """What it depends on beside source and settings, as JSON values: a run goes on only with the same."""
        ...

    def of(self, scan: Scan) -> Chunk:
        """How rows are made of this shop; several threads call it at a time."""
        ...

    def nobody(self, scan: Scan) -> str:
        """What is said if there is no row at all."""
        ...


@dataclass(frozen=True)
class Job:
    """A piece of work in parts: what is read, and how much of it at a time."""

    source: Where
    settings: Settings
    set_aside: Path | None = None
    progress: Progress | None = None
    lines: int = LINES
    chunk_lines: int = CHUNK_LINES

    def write(self, asked: Asked, out: Path) -> list[Finding]:
        """Writes the rows of all customers as a folder of parts, and returns what is wrong with rows set aside.

        The parts are in order, and so are their rows. A folder `.OUT.unfinished` beside `out` holds what is finished
        until everything is; a later call for the same goes on from it. A folder that is there is replaced at the end.

        Raises:
            DataError: if a table cannot be used.
            NobodyError: if there is no row at all.
            BusyError: if another run is writing into `out`.
        """
        work = out.with_name(f".{out.name}.unfinished")
        with _alone(work, out):
            _resume_or_begin(work, self._plan(asked, work))
            try:
                set_aside = self._run_either_way(asked, work)
            except (DataError, NobodyError):
                _remove(work)  # what has to be mended first is other data then
                raise
            for name in (_PLAN, _STAGED):
                _remove(work / name)
            _replace(out, work)
        return set_aside

    def _plan(self, asked: Asked, work: Path) -> dict[str, Any] | None:
        """What must be the same for a stopped run to be gone on with; None where that cannot be told."""
        if not isinstance(self.source, str | Path) or not Path(self.source).exists():
            return None  # frames, or a database, may hold something else the next time
        root = Path(self.source)
        files = sorted(root.rglob("*")) if root.is_dir() else [root]
        tables = [file for file in files if not file.absolute().is_relative_to(work.absolute())]
        told = [(str(file.relative_to(root)), file.stat().st_size, file.stat().st_mtime_ns) for file in tables]
        how = {"lines": self.lines, "chunk_lines": self.chunk_lines, "settings": self.settings.model_dump(mode="json")}
        own = [module.sha256 for module in own_of(self.settings).modules]
        text = json.dumps([told, how, own, asked.plan, metadata.version("regulars")], sort_keys=True)
        return {"fingerprint": hashlib.sha256(text.encode()).hexdigest()}

    def _run_either_way(self, asked: Asked, work: Path) -> list[Finding]:
        """Works the quick way, and the careful one where that cannot be."""
        try:
            return self._run(asked, work, careful=False)
        except (NotPlainError, DataError):
            # Where another table has faults, order lines may too, and all of them are to be told at once.
            return self._run(asked, work, careful=True)

    def _run(self, asked: Asked, work: Path, *, careful: bool) -> list[Finding]:
        """Works through all chunks that are not done."""
        with open_scan(self.source, self.settings, asked.titles, careful=careful, set_aside=self.set_aside) as scan:
            if self.progress is not None:
                self.progress(0, len(scan))  # everything is read and checked, which may have taken a while
            chunk = asked.of(scan)
            for ranges, staged in self._batches(scan, work):
                self._batch(scan, ranges, staged, work, chunk)
            if not rows_in(work):
                raise NobodyError(asked.nobody(scan))
            return list(scan.set_aside)

    def _batches(self, scan: Scan, work: Path) -> Iterator[tuple[list[tuple[int, int]], Path | None]]:
        """The chunks of each batch, and where its lines are staged if there is more than one."""
        whole = scan.lines_before[-1] <= 2 * self.lines
        batches = [(0, len(scan))] if whole else list(scan.ranges(self.lines))
        folder = work / _STAGED
        if len(batches) > 1 and not (folder / "whole").exists():
            _remove(folder)
            scan.stage(folder, batches)
            (folder / "whole").touch()
        for number, span in enumerate(batches):
            yield list(scan.ranges(self.chunk_lines, *span)), folder / f"batch={number}" if len(batches) > 1 else None

    def _batch(self, scan: Scan, chunks: list[tuple[int, int]], staged: Path | None, work: Path, chunk: Chunk) -> None:
        open_chunks = [span for span in chunks if not _part(work, span).exists()]
        self._tell(scan, work, chunks)
        if not open_chunks:
            return
        batch = scan.batch(chunks[0][0], chunks[-1][1], staged)
        with ThreadPoolExecutor(self.settings.train.threads) as threads:
            waiting = [threads.submit(_write, chunk, batch, span, work) for span in open_chunks]
            try:
                for done in as_completed(waiting):
                    done.result()
                    self._tell(scan, work, chunks)
            finally:
                threads.shutdown(cancel_futures=True)

    def _tell(self, scan: Scan, work: Path, chunks: list[tuple[int, int]]) -> None:
        """Tells how many customers are done: those before this batch, and those of its finished chunks."""
        if self.progress is not None:
            done = sum(end - first for first, end in chunks if _part(work, (first, end)).exists())
            self.progress(chunks[0][0] + done, len(scan))


def parts(folder: Path) -> list[Path]:
    """The files of what was written, in the order of their rows."""
    return sorted(folder.glob("part-*.parquet"))


def rows_in(folder: Path) -> int:
    """How many rows the parts of a folder have."""
    return sum(pq.read_metadata(part).num_rows for part in parts(folder))


def _write(chunk: Chunk, batch: Batch, span: tuple[int, int], work: Path) -> None:
    part = _part(work, span)
    unfinished = part.with_suffix(".unfinished")
    pq.write_table(chunk(batch, *span), unfinished, compression="lz4", use_dictionary=["customer_id", "as_of"])
    unfinished.rename(part)


def _part(work: Path, span: tuple[int, int]) -> Path:
    """The file of a chunk: named by its first customer, so that names are in the order of rows."""
    return work / f"part-{span[0]:010d}.parquet"


@contextmanager
def _alone(work: Path, out: Path) -> Iterator[None]:
    """The folder of unfinished work for one run alone; the system lets go of it where a run is killed."""
    work.mkdir(parents=True, exist_ok=True)
    held = os.open(work, os.O_RDONLY)
    try:
        if not _locked(held) or not work.exists() or not os.path.samestat(os.fstat(held), work.stat()):
            # Where it is another folder by now, the other run ended meanwhile, and what is held is its result.
            raise BusyError(f"{out}: another run is writing there; wait until it is done, or name another place")
        yield
    finally:
        os.close(held)


def _locked(held: int) -> bool:
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _resume_or_begin(work: Path, plan: dict[str, Any] | None) -> None:
    """Keeps the work of a stopped run if it was the same, and begins anew otherwise."""
    told = work / _PLAN
    if plan is not None and told.is_file() and told.read_text(encoding="utf-8") == json.dumps(plan):
        for part in parts(work):
            if not _is_whole(part):
                _remove(part)
        return
    for old in work.iterdir():
        _remove(old)
    if plan is not None:
        told.write_text(json.dumps(plan), encoding="utf-8")


def _is_whole(part: Path) -> bool:
    """Whether a part can be read: after a power cut it may be there by name and have lost its end."""
    try:
        pq.read_metadata(part)
    except pa.ArrowInvalid:
        return False
    return True


def _replace(out: Path, made: Path) -> None:
    """Puts what was made in the place of what is there, which at no moment is there in half."""
    old = out.with_name(f".{out.name}.replaced")
    _remove(old)
    if out.exists():
        out.rename(old)
    made.rename(out)
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
