"""What the commands do where the tables are Spark's: features, scores, and a sample to train on."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from regulars.cli.common import is_elsewhere, iso, nobody_before, place_to_write, say
from regulars.cli.place import OnSpark, Place
from regulars.features.database import Database

if TYPE_CHECKING:
    from regulars.features.sample import Sample
    from regulars.features.settings import Settings
    from regulars.features.spark_groups import Survey
    from regulars.serving.bundle import Bundle


def place_free(out: Path) -> None:
    """Refuses a folder that is there already: Spark would replace whatever is in it."""
    if is_elsewhere(out):
        return
    if out.exists():
        raise typer.BadParameter(f"{out} is there already; name a new folder, or remove it", param_hint="--out")
    place_to_write(out)


@contextmanager
def opened(place: Place, settings: Settings, master: str | None) -> Iterator[Survey]:
    """The tables as Spark has them, every row checked; bad rows are refused or set aside as the settings say."""
    from regulars.features.spark import CATALOG, open_tables, session
    from regulars.features.spark_groups import survey

    if isinstance(place.source, Database):
        raise typer.BadParameter(f"{place} is read without Spark", param_hint="DIR")
    where = str(place if isinstance(place.source, OnSpark) else place.existing())
    if where.startswith(CATALOG) and not where.removeprefix(CATALOG):
        raise typer.BadParameter(f"{where} names no database; write spark:DATABASE", param_hint="DIR")
    with session(master) as spark:
        found = survey(open_tables(spark, where, settings), settings)
        _write_aside(found, where)
        say(f"{found.rows:,} rows of customers on Spark, up to {iso(found.end)}")
        yield found


def _write_aside(found: Survey, place: str) -> None:
    """Writes the rows that cannot be used beside the data, a folder of CSV files for each table."""
    from regulars.features.spark import CATALOG, write_texts

    beside = "" if place.startswith(CATALOG) else f"{place.rstrip('/')}-set-aside"
    for title, rows in found.aside.items():
        if beside:
            write_texts(rows, f"{beside}/{title}")
    for finding in found.findings:
        told = f" See {beside}." if beside else ""
        say(f"set aside: {finding}{told}", warn=True)


def write_features(place: Place, asked: list[int], out: Path, settings: Settings, master: str | None) -> None:
    """The features of everybody with an order, at the moments that were asked for or else at the end of the data."""
    from regulars.features.spark import write, written
    from regulars.features.spark_groups import features

    place_free(out)
    with opened(place, settings, master) as found:
        times = asked or [found.end]
        if times[-1] <= found.first:
            raise nobody_before(times[-1], found)
        rows = features(found, settings, times)
        write(rows, str(out))
        count = written(found.tables.spark, str(out)).count()
        say(f"{count:,} rows of {len(rows.columns) - 2} features written to {out}")


def write_scores(
    found: Survey, bundle: Bundle, settings: Settings, moment: int, top: int | None, out: Path
) -> dict[str, int]:
    """Scores of every customer; returns how many there are of each status."""
    from regulars.features.spark import write, written
    from regulars.serving.spark import scores

    write(scores(found, bundle, settings, moment, top=top), str(out))
    counts = written(found.tables.spark, str(out)).groupBy("status").count().collect()
    return {row["status"]: row["count"] for row in sorted(counts, key=lambda row: (-row["count"], row["status"]))}


@contextmanager
def sampled(
    place: Place, settings: Settings, customers: int, seed: int, master: str | None
) -> Iterator[tuple[Path, Sample]]:
    """A folder with a sample of the tables, and what was taken; the folder is gone afterwards."""
    from regulars.features.spark_sample import take_sample

    with tempfile.TemporaryDirectory(prefix="regulars-sample-") as taken:
        with opened(place, settings, master) as found:
            sample = take_sample(found.tables, customers, seed, Path(taken))
        say(f"training on {sample}")
        yield Path(taken), sample
