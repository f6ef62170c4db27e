"""Commands about data: simulate, load, check, features."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from regulars.cli.common import (
    TABLE_FILES,
    Config,
    Engine,
    Folder,
    Master,
    OnEngine,
    RefusedError,
    Seed,
    as_moment,
    as_place,
    existing,
    file_to_write,
    nobody_before,
    on_spark,
    place_to_write,
    read_tables,
    result,
    say,
    settings_from,
)

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
) -> None:
    """Makes a shop with known truth."""
    from regulars.datasets.simulate import ShopParameters, simulate_shop, write_shop

    place_to_write(out)
    say(f"simulating {customers:,} customers")
    shop = simulate_shop(ShopParameters(customers=customers, support_effect=support_effect), seed)
    write_shop(shop, out, "csv" if file_format is FileFormat.CSV else "parquet")
    for title, frame in shop.tables.items():
        say(f"{title}: {len(frame):,} rows")
    say(f"written to {out}; what is true of it is in {out / 'truth'}")


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


def check(folder: Folder, config: Config = None) -> None:
    """Says what is there, what is missing, what that costs, and what to do."""
    from regulars.features.readiness import readiness
    from regulars.features.reading import inspect

    settings = settings_from(config)
    found = readiness(inspect(existing(folder), settings), settings)
    result.print(Text(f"Readiness of {folder.resolve().name}: {found.grade}", "bold"))
    for section in found.sections:
        result.print()
        result.print(Text(section.title, "bold"))
        for item in section.items:
            result.print(Text.assemble("  ", MARKS[item.mark], " ", item.sentence))
            if item.advice:
                result.print(Text(f"       {item.advice}", "dim"))
    if not found.trainable:
        raise RefusedError(f"nothing can be trained on {folder}: {found.why_not}")


def features(
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", parser=as_place, help="folder of the tables, or a DuckDB file")
    ] = None,
    as_of: Annotated[list[str] | None, typer.Option(metavar="DATE", help="moments; may be given again")] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", parser=as_place, help=".parquet or .csv; on Spark a folder or spark:DATABASE.TABLE"
        ),
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
    if folder is None or out is None:
        raise typer.BadParameter("give DIR and --out FILE, or --describe")
    asked = sorted({as_moment(one) for one in as_of or []})
    if on_spark(engine, master):
        from regulars.cli.spark import write_features

        write_features(folder, asked, out, settings, master)
        return
    file_to_write(out, TABLE_FILES)
    _write_features(folder, asked, out, settings)


def _describe(settings: Settings) -> None:
    from regulars.features.describe import describe as described

    for one in described(settings.features.windows_days):
        result.print(Text.assemble((one.name, "bold"), f": {one.meaning} ({one.unit}; without events {one.empty})"))


def _write_features(folder: Path, asked: list[int], out: Path, settings: Settings) -> None:
    """The features of everybody with an order, at the moments that were asked for or else at the end of the data."""
    import numpy as np

    from regulars.features.asof import AsOf, Moments
    from regulars.features.context import ShopContext
    from regulars.features.logs import Logs
    from regulars.features.table import feature_table
    from regulars.serving.files import csv_quoting, whole_file

    shop, _ = read_tables(folder, settings)
    times = asked or [shop.end]
    logs = Logs(shop, settings)
    moments = Moments.grid(np.arange(logs.keys), times)
    moments = moments.take(AsOf(logs.orders, moments).count() > 0)
    if not len(moments):
        raise nobody_before(times[-1], shop)
    table = feature_table(logs, moments, ShopContext.of(logs, times[-1]))
    frame = table.frame(shop.customer_ids)
    with whole_file(out) as made:
        if out.suffix == ".csv":
            frame.to_csv(made, index=False, lineterminator="\n", quoting=csv_quoting(frame))
        else:
            frame.to_parquet(made, index=False)
    say(f"{len(frame):,} rows of {len(table.names)} features written to {out}")
