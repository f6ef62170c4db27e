"""The feature table of a shop of any size, as Parquet parts: a batch of customers at a time (`in_parts`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from regulars.features.asof import F64, AsOf, Moments
from regulars.features.define import Feature
from regulars.features.families import FAMILIES
from regulars.features.findings import Finding
from regulars.features.in_parts import CHUNK_LINES, LINES, Chunk, Job, NobodyError, Progress, parts, rows_in
from regulars.features.logs import Logs
from regulars.features.own import own_of, tables_of
from regulars.features.scan import Batch, Scan
from regulars.features.settings import Settings
from regulars.features.shop import I64, as_datetime, iso
from regulars.features.sources import Where
from regulars.features.table import feature_values

__all__ = ["NobodyError", "Written", "chunk_features", "parts", "write_features"]


@dataclass(frozen=True)
class Written:
    """What was written: rows, names of the features, and what is wrong with rows that were set aside."""

    rows: int
    features: tuple[str, ...]
    set_aside: tuple[Finding, ...]


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
    asked = _Features(settings, moments, features, titles)
    found = Job(source, settings, set_aside, progress, lines, chunk_lines).write(asked, out)
    return Written(rows_in(out), tuple(asked.names), tuple(found))


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


class _Features:
    """Features at some moments; without any, at the end of the data."""

    def __init__(
        self, settings: Settings, times: I64 | None, features: Sequence[Feature], titles: frozenset[str]
    ) -> None:
        self.settings, self.times, self.features, self.titles = settings, times, features, titles
        self.names: list[str] = []

    @property
    def plan(self) -> Any:
        """Names and moments."""
        return [[one.name for one in self.features], None if self.times is None else self.times.tolist()]

    def of(self, scan: Scan) -> Chunk:
        """The features that the shop's columns allow; their names are told in `names`."""
        features = features_given(self.features, scan.given)
        self.names = [feature.name for feature in features]
        return partial(self._chunk, self._moments(scan), features)

    def _chunk(self, times: I64, features: Sequence[Feature], batch: Batch, first: int, end: int) -> pa.Table:
        return as_table(*chunk_features(batch, first, end, times, self.settings, features), self.names)

    def nobody(self, scan: Scan) -> str:
        """That nobody had ordered."""
        last, first = iso(int(self._moments(scan)[-1])), iso(scan.span[0])
        return f"no customer was known before {last}; the first order line is of {first}"

    def _moments(self, scan: Scan) -> I64:
        return np.array([scan.span[1]]) if self.times is None else self.times
