"""Commands about data: simulate, load, check, features."""

from __future__ import annotations

import shutil
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from regulars.cli.common import (
    PLACE,
    TABLE_FILES,
    Config,
    Engine,
    Master,
    OnEngine,
    RefusedError,
    Seed,
    Tables,
    as_moment,
    as_output,
    file_to_write,
    folder_of_parts,
    is_folder,
    on_spark,
    place_to_write,
    result,
    say,
    settings_from,
)
from regulars.cli.place import Place
from regulars.cli.progress import progress

if TYPE_CHECKING:
    from regulars.features.settings import Settings

MARKS = {"ok": ("ok  ", "green"), "warn": ("warn", "yellow"), "bad": ("bad ", "red")}
"""Readiness marks, and their colours."""


class FileFormat(StrEnum):
    """How tables are written."""

    PARQUET = "parquet"
    CSV = "csv"


class PublicData(StrEnum):
    """The public data sets that can be read."""

    ONLINE_RETAIL_II = "online-retail-ii"
    CDNOW = "cdnow"
    TAFENG = "tafeng"


def simulate(
    out: Annotated[Path, typer.Option(help="folder to write; the truth goes to its truth/")],
    customers: Annotated[int, typer.Option(min=1)] = 5000,
    seed: Seed = 7,
    file_format: Annotated[FileFormat, typer.Option("--format")] = FileFormat.PARQUET,
    support_effect: Annotated[float, typer.Option(min=0, help="how much badly handled work drives leaving")] = 1.5,
    contract: Annotated[bool, typer.Option(help="customers hold contracts, and say so when they leave")] = False,
    jobs: Annotated[int, typer.Option(min=1, help="processes; the shop is the same with any number")] = 1,
    truth: Annotated[bool, typer.Option(help="write what is true of the shop")] = True,
) -> None:
    """Makes a shop with known truth."""
    from regulars.datasets.simulate import ShopParameters, write_simulated_shop
    from regulars.datasets.simulate.blocks import BLOCK_CUSTOMERS

    place_to_write(out)
    if file_format is FileFormat.CSV and customers > BLOCK_CUSTOMERS:
        problem = f"CSV holds up to {BLOCK_CUSTOMERS:,} customers; larger shops are written as Parquet, in parts"
        raise typer.BadParameter(problem, param_hint="--format")
    say(f"simulating {customers:,} customers")
    with progress("simulating", "customers") as advance:
        advance(0, customers)
        rows = write_simulated_shop(
            ShopParameters(customers=customers, support_effect=support_effect, contract=contract),
            seed,
            out,
            "csv" if file_format is FileFormat.CSV else "parquet",
            with_truth=truth,
            jobs=jobs,
            block_customers=BLOCK_CUSTOMERS,
            progress=advance,
        )
    for title, count in rows.items():
        say(f"{title}: {count:,} rows")
    say(f"written to {out}" + (f"; what is true of it is in {out / 'truth'}" if truth else ""))


def load(
    name: Annotated[PublicData, typer.Argument(help="which public data set")],
    file: Annotated[Path, typer.Argument(help="its downloaded file")],
    out: Annotated[Path, typer.Option(help="folder to write the tables to")],
) -> None:
    """Reads public data into tables."""
    from regulars.datasets import cdnow, online_retail_ii, tafeng

    loaders = {
        PublicData.ONLINE_RETAIL_II: online_retail_ii.load,
        PublicData.CDNOW: cdnow.load,
        PublicData.TAFENG: tafeng.load,
    }
    if not file.is_file():
        raise typer.BadParameter(f"{file} is no file", param_hint="FILE")
    place_to_write(out)
    for line in str(loaders[name](file, out)).splitlines():
        say(line)
    say(f"written to {out}")


def check(
    place: Tables,
    leaks: Annotated[bool, typer.Option("--leaks", help="look whether features or columns know the future")] = False,
    as_of: Annotated[
        list[str] | None,
        typer.Option(metavar="DATE", help="where --leaks stands (default: half and 80 % of the history)"),
    ] = None,
    earlier: Annotated[
        Path | None, typer.Option(metavar="DIR2", help="an earlier export, for --leaks: what it says otherwise")
    ] = None,
    config: Config = None,
    seed: Seed = 0,
) -> None:
    """Says what is there, what is missing, what that costs, and what to do; with --leaks, what knows the future."""
    settings = settings_from(config)
    if not leaks and (as_of or earlier):
        raise typer.BadParameter("--as-of and --earlier go with --leaks")
    if leaks:
        from regulars.cli.leaks import check_leaks

        check_leaks(place, settings, sorted({as_moment(one) for one in as_of or []}), earlier, seed)
    else:
        _check_readiness(place, settings)


def _check_readiness(place: Place, settings: Settings) -> None:
    from regulars.features.readiness import readiness
    from regulars.features.reading import inspect

    found = readiness(inspect(place.readable(), settings), settings)
    result.print(Text(f"Readiness of {place.name}: {found.grade}", "bold"))
    for section in found.sections:
        result.print()
        result.print(Text(section.title, "bold"))
        for item in section.items:
            result.print(Text.assemble("  ", MARKS[item.mark], " ", item.sentence))
            if item.advice:
                result.print(Text(f"       {item.advice}", "dim"))
    if not found.trainable:
        raise RefusedError(f"nothing can be trained on {place}: {found.why_not}")


def features(
    place: Annotated[Place | None, PLACE] = None,
    as_of: Annotated[list[str] | None, typer.Option(metavar="DATE", help="moments; may be given again")] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            parser=as_output,
            help=".parquet or .csv; any other name: a folder of Parquet parts; on Spark also spark:DATABASE.TABLE",
        ),
    ] = None,
    family: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="only this family; may be given again")
    ] = None,
    describe: Annotated[bool, typer.Option(help="print what every feature means instead")] = False,
    config: Config = None,
    engine: OnEngine = Engine.LOCAL,
    master: Master = None,
) -> None:
    """Writes the feature table: customer_id, as_of, features."""
    settings = settings_from(config)
    if describe:
        _describe(settings)
        return
    if place is None or out is None:
        raise typer.BadParameter("give DIR and --out FILE, or --describe")
    asked = sorted({as_moment(one) for one in as_of or []})
    if on_spark(engine, master):
        from regulars.cli.spark import write_features

        if family:
            raise typer.BadParameter("families are chosen without Spark only", param_hint="--family")
        write_features(place, asked, out, settings, master)
        return
    _place_for_features(out)
    _write_features(place, asked, out, _families(family or []), settings)


def _place_for_features(out: Path) -> None:
    """Refuses to replace what is no feature table, before anything is worked out."""
    if is_folder(out):
        folder_of_parts(out)
    else:
        file_to_write(out, TABLE_FILES)


def _families(names: list[str]) -> list[str]:
    from regulars.features.families import FAMILIES

    known = [family.name for family in FAMILIES]
    if unknown := [name for name in names if name not in known]:
        raise typer.BadParameter(f"{unknown[0]!r} is no family; there are {', '.join(known)}", param_hint="--family")
    return names


def _describe(settings: Settings) -> None:
    from regulars.features.describe import describe as described
    from regulars.features.describe import describe_own

    own = describe_own(settings) if settings.features.own else []
    for one in [*described(settings.features.windows_days), *own]:
        result.print(Text.assemble((one.name, "bold"), f": {one.meaning} ({one.unit}; without events {one.empty})"))


def _write_features(place: Place, asked: list[int], out: Path, families: list[str], settings: Settings) -> None:
    """The features of everybody with an order, at the moments that were asked for or else at the end of the data."""
    from regulars.features.materialise import NobodyError, write_features

    source, beside = place.readable(), place.set_aside
    parts = out if out.suffix not in TABLE_FILES else out.with_name(f"{out.name}.parts")
    with progress("features", "customers") as told:
        try:
            written = write_features(
                source, settings, asked or None, parts, families=families or None, set_aside=beside, progress=told
            )
        except NobodyError as error:
            raise RefusedError(str(error)) from error
    for finding in written.set_aside:
        say(f"set aside: {finding} See {beside}.", warn=True)
    if parts != out:
        try:
            _join(parts, out)
        finally:
            shutil.rmtree(parts)
    say(f"{written.rows:,} rows of {len(written.features)} features written to {out}")


def _join(parts: Path, out: Path) -> None:
    """Makes one file of the parts, whole or not at all."""
    import pyarrow.parquet as pq

    from regulars.features.materialise import parts as files
    from regulars.serving.files import csv_quoting, whole_file

    tables = (pq.read_table(file) for file in files(parts))
    with whole_file(out) as made:
        if out.suffix == ".csv":
            for at, table in enumerate(tables):
                frame = table.to_pandas()
                frame.to_csv(
                    made, mode="a", header=at == 0, index=False, lineterminator="\n", quoting=csv_quoting(frame)
                )
        else:
            first = next(tables)
            with pq.ParquetWriter(made, first.schema, compression="lz4") as writer:
                writer.write_table(first)
                for table in tables:
                    writer.write_table(table)
