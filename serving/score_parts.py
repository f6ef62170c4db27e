"""Scores of a shop of any size: a folder of Parquet parts, written a chunk of customers at a time (`in_parts`).

Every chunk is answered by the one predictor from the customers' own rows; whatever depends on the whole shop (the
context with the quantiles of the percentile, the rates of prospects) is in the bundle. So a part is the same whatever
the chunks, and a run that was stopped goes on from its finished parts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from regulars.features.batch import empty_shop
from regulars.features.findings import Finding
from regulars.features.in_parts import Chunk, Job, parts
from regulars.features.own import tables_of
from regulars.features.scan import Batch, Scan
from regulars.features.settings import Settings
from regulars.features.shop import iso
from regulars.serving.bundle import bundle_digest
from regulars.serving.columns import SCHEMA
from regulars.serving.known import known_since
from regulars.serving.predictor import Predictor
from regulars.serving.score_file import as_arrow


@dataclass(frozen=True)
class ScoredParts:
    """What was written: how many customers have each status, and what is wrong with rows that were set aside."""

    counts: dict[str, int]
    set_aside: tuple[Finding, ...]


def write_score_parts(
    job: Job,
    predictor: Predictor,
    as_of: int | None,
    out: Path,
    *,
    top: int | None = None,
    opened: Callable[[int, int, list[str]], None] | None = None,
) -> ScoredParts:
    """Scores of every customer known before a moment, as a folder of parts in the order of customer ids.

    Args:
        job: the shop, and how much of it at a time.
        predictor: answers.
        as_of: the moment, in microseconds of the shop's wall time; None: the end of the data.
        out: folder to make; one that is there is replaced at the end.
        top: products for each customer; None: the bundle's number.
        opened: called once with the moment, the end of the data and what the models lack (`Predictor.lacking`).

    Raises:
        DataError: if a table cannot be used.
        NobodyError: if nobody was known before the moment.
        ValueError: if the bundle has no quantiles to tell a percentile by, for no chunk knows those of the whole shop.
    """
    quantiles = predictor.bundle.context.churn_quantiles
    if quantiles is None or not len(quantiles):
        raise ValueError("the bundle holds no quantiles of churn, without which a part cannot tell a percentile")
    found = job.write(_Scores(job.settings, predictor, as_of, top, opened), out)
    counts: dict[str, int] = {}
    for part in parts(out):
        for status in pq.read_table(part, columns=["status"])["status"].value_counts().to_pylist():
            counts[status["values"]] = counts.get(status["values"], 0) + status["counts"]
    return ScoredParts(dict(sorted(counts.items(), key=lambda one: (-one[1], one[0]))), tuple(found))


@dataclass(frozen=True)
class _Scores:
    """Scores at a moment."""

    settings: Settings
    predictor: Predictor
    as_of: int | None
    top: int | None
    opened: Callable[[int, int, list[str]], None] | None

    @property
    def titles(self) -> frozenset[str]:
        """All tables."""
        return frozenset(table.title for table in tables_of(self.settings))

    @property
    def plan(self) -> Any:
        """The bundle, the moment, and how many products."""
        return ["scores", bundle_digest(self.predictor.bundle), self.as_of, self.top]

    def of(self, scan: Scan) -> Chunk:
        """Everybody known before the moment."""
        moment = self._moment(scan)
        if self.opened is not None:
            self.opened(moment, scan.span[1], self.predictor.lacking(empty_shop(scan.given)))
        return partial(self._chunk, moment)

    def _chunk(self, moment: int, batch: Batch, first: int, end: int) -> pa.Table:
        shop, own = batch.shop(first, end)
        known = own[known_since(shop)[own] < moment]
        if not len(known):
            return SCHEMA.empty_table()
        frame = self.predictor.rows(shop, moment, top=self.top, only=shop.customer_ids[known].tolist())
        return as_arrow(frame, self.predictor.bundle.settings.churn)

    def nobody(self, scan: Scan) -> str:
        """That nobody was known."""
        return f"no customer was known before {iso(self._moment(scan))}; the first order line is of {iso(scan.span[0])}"

    def _moment(self, scan: Scan) -> int:
        return scan.span[1] if self.as_of is None else self.as_of
