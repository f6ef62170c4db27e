"""The feature table of a shop of any size, written as Parquet on the way.

Customers are worked on in order of their ids, some tens of thousands at a time; each such chunk becomes a part of its
own, written whole or not at all. What is finished stays if the run is stopped: the same call goes on where it ended,
as long as source, settings, moments and features are the same. Nothing a row holds depends on the chunks.

Memory is bounded by the order lines of one batch (`LINES`): where there are more than twice as many, they are staged
on disk first, by customers.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from regulars.features.asof import F64, AsOf, Moments
from regulars.features.define import Feature
from regulars.features.families import FAMILIES
from regulars.features.findings import DataError, Finding
from regulars.features.logs import Logs
from regulars.features.own import own_of, tables_of
from regulars.features.plain import NotPlainError
from regulars.features.scan import Batch, Scan, open_scan
from regulars.features.settings import Settings
from regulars.features.shop import I64, as_datetime, iso
from regulars.features.sources import Where
from regulars.features.table import feature_values

LINES = 6_000_000
"""Order lines held in memory at a time."""
CHUNK_LINES = 200_000
"""Order lines worked on by one thread at a time."""

Progress = Callable[[int, int], None]
"""Called with customers done and customers in all."""
_PLAN = "plan.json"
_STAGED = "lines"


@dataclass(frozen=True)
class Written:
    """What was written: rows, names of the features, and what is wrong with rows that were set aside."""

    rows: int
    features: tuple[str, ...]
    set_aside: tuple[Finding, ...]


class NobodyError(ValueError):
    """No customer had ordered before any of the moments."""


def write_features(
    source: Where,
    settings: Settings,
    times: Sequence[int] | None,
    out: Path,
    *,
    families: Iterable[str] | None = None,
    set_aside: Path | None = None,
    progress: Progress | None = None,
    lines: int = LINES,
    chunk_lines: int = CHUNK_LINES,
) -> Written:
    """Writes customer_id, as_of and features of everybody with an order before each moment, as a folder of parts.

    The parts are in order, and so are their rows: by customer, then moment. A folder `.OUT.unfinished` beside `out`
    holds what is finished until everything is; a later call with the same arguments goes on from it.

    Args:
        source: a folder of tables, a database, or frames by table.
        settings: of the shop.
        times: the moments, in microseconds; None: the end of the data.
        out: folder to make; one that is there is replaced at the end.
        families: names of the families wanted; None: all that the tables allow.
        set_aside: folder for bad rows, where the settings set them aside.
        progress: called as chunks are done.
        lines: order lines held in memory at a time.
        chunk_lines: order lines of a part.

    Raises:
        DataError: if a table cannot be used.
        NobodyError: if nobody had ordered before any of the moments.
    """
    moments = None if times is None else np.unique(np.asarray(times, dtype=np.int64))
    windows = settings.features.windows_days
    every = [*(one for family in FAMILIES for one in family.features(windows)), *own_of(settings).features(windows)]
    features = [feature for feature in every if families is None or feature.family in set(families)]
    needed = {need.partition(".")[0] for feature in features for need in feature.needs} | {"products"}
    titles = frozenset(table.title for table in tables_of(settings) if families is None or table.title in needed)
    job = _Job(settings, moments, features, titles, set_aside, progress, lines, chunk_lines)
    work = out.with_name(f".{out.name}.unfinished")
    _resume_or_begin(work, job.plan(source))
    try:
        written = job.run_either_way(source, work)
    except (DataError, NobodyError):
        _remove(work)  # what has to be mended first is other data then
        raise
    for name in (_PLAN, _STAGED):
        _remove(work / name)
    _remove(out)
    work.rename(out)
    return written


def features_given(features: Iterable[Feature], given: frozenset[str]) -> list[Feature]:
    """The features that what was given allows."""
    return [feature for feature in features if set(feature.needs) <= given]


def chunk_features(
    batch: Batch, first: int, end: int, times: I64, settings: Settings, features: Sequence[Feature]
) -> tuple[pa.Array, I64, F64]:
    """Features of the customers from `first` up to `end`: ids, moments and values of the rows with an order before.

    Raises:
        NotPlainError: if an order line is not plain.
    """
    shop, own = batch.shop(first, end)
    logs = Logs(shop, settings)
    moments = Moments.grid(own, times)
    moments = moments.take(AsOf(logs.orders, moments).count() > 0)
    ids = pa.array(shop.customer_ids, pa.string()).take(pa.array(moments.key))
    return ids, moments.time, feature_values(logs, moments, features)


def as_table(ids: pa.Array, time: I64, values: F64, names: Sequence[str]) -> pa.Table:
    """Feature rows as Arrow: customer_id, as_of, a column for each feature; what is missing is null."""
    columns = [pa.array(values[:, i], from_pandas=True) for i in range(len(names))]
    return pa.table([ids, pa.array(as_datetime(time)), *columns], names=["customer_id", "as_of", *names])


@dataclass(frozen=True)
class _Job:
    """Everything that is the same for all chunks."""

    settings: Settings
    times: I64 | None
    features: list[Feature]
    titles: frozenset[str]
    set_aside: Path | None
    progress: Progress | None
    lines: int
    chunk_lines: int

    def plan(self, source: Where) -> dict[str, Any] | None:
        """What must be the same for a stopped run to be gone on with; None where that cannot be told."""
        if not isinstance(source, str | Path) or not Path(source).exists():
            return None  # frames, or a database, may hold something else the next time
        root = Path(source)
        files = sorted(root.rglob("*")) if root.is_dir() else [root]
        told = [(str(file.relative_to(root)), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
        wanted = {"settings": self.settings.model_dump(mode="json"), "features": [one.name for one in self.features]}
        how = {
            "times": None if self.times is None else self.times.tolist(),
            "lines": self.lines,
            "chunk_lines": self.chunk_lines,
        }
        text = json.dumps([told, wanted, how, metadata.version("regulars")], sort_keys=True)
        return {"fingerprint": hashlib.sha256(text.encode()).hexdigest()}

    def run_either_way(self, source: Where, work: Path) -> Written:
        """Works the quick way, and the careful one where that cannot be."""
        try:
            return self.run(source, work, careful=False)
        except (NotPlainError, DataError):
            # Where another table has faults, order lines may too, and all of them are to be told at once.
            return self.run(source, work, careful=True)

    def run(self, source: Where, work: Path, *, careful: bool) -> Written:
        """Works through all chunks that are not done."""
        with open_scan(source, self.settings, self.titles, careful=careful, set_aside=self.set_aside) as scan:
            if self.progress is not None:
                self.progress(0, len(scan))  # everything is read and checked, which may have taken a while
            features = features_given(self.features, scan.given)
            for ranges, staged in self._batches(scan, work):
                self._batch(scan, ranges, staged, work, features)
            rows = _rows(work)
            if not rows:
                last, first = iso(int(self._moments(scan)[-1])), iso(scan.span[0])
                raise NobodyError(f"no customer was known before {last}; the first order line is of {first}")
            return Written(rows, tuple(feature.name for feature in features), tuple(scan.set_aside))

    def _moments(self, scan: Scan) -> I64:
        return np.array([scan.span[1]]) if self.times is None else self.times

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

    def _batch(
        self, scan: Scan, chunks: list[tuple[int, int]], staged: Path | None, work: Path, features: list[Feature]
    ) -> None:
        open_chunks = [span for span in chunks if not _part(work, span).exists()]
        self._tell(scan, work, chunks)
        if not open_chunks:
            return
        batch = scan.batch(chunks[0][0], chunks[-1][1], staged)
        self._moments(scan)  # asked for before threads do
        with ThreadPoolExecutor(self.settings.train.threads) as threads:
            waiting = [threads.submit(self._chunk, batch, span, work, features) for span in open_chunks]
            try:
                for done in as_completed(waiting):
                    done.result()
                    self._tell(scan, work, chunks)
            finally:
                threads.shutdown(cancel_futures=True)

    def _chunk(self, batch: Batch, span: tuple[int, int], work: Path, features: list[Feature]) -> None:
        ids, time, values = chunk_features(batch, *span, self._moments(batch.scan), self.settings, features)
        table = as_table(ids, time, values, [feature.name for feature in features])
        part = _part(work, span)
        unfinished = part.with_suffix(".unfinished")
        pq.write_table(table, unfinished, compression="lz4", use_dictionary=["customer_id", "as_of"])
        unfinished.rename(part)

    def _tell(self, scan: Scan, work: Path, chunks: list[tuple[int, int]]) -> None:
        """Tells how many customers are done: those before this batch, and those of its finished chunks."""
        if self.progress is not None:
            done = sum(end - first for first, end in chunks if _part(work, (first, end)).exists())
            self.progress(chunks[0][0] + done, len(scan))


def _part(work: Path, span: tuple[int, int]) -> Path:
    """The file of a chunk: named by its first customer, so that names are in the order of rows."""
    return work / f"part-{span[0]:010d}.parquet"


def parts(folder: Path) -> list[Path]:
    """The files of a written feature table, in the order of their rows."""
    return sorted(folder.glob("part-*.parquet"))


def _rows(work: Path) -> int:
    return sum(pq.read_metadata(part).num_rows for part in parts(work))


def _resume_or_begin(work: Path, plan: dict[str, Any] | None) -> None:
    """Keeps the work of a stopped run if it was the same, and begins anew otherwise."""
    told = work / _PLAN
    if plan is not None and told.is_file() and told.read_text(encoding="utf-8") == json.dumps(plan):
        return
    _remove(work)
    work.mkdir(parents=True)
    if plan is not None:
        told.write_text(json.dumps(plan), encoding="utf-8")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
