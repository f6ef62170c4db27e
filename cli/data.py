"""Commands about data: simulate, load, check, features."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from regulars.cli.common import (
    AsOf,
    Config,
    Folder,
    RefusedError,
    Seed,
    moment_from,
    read_tables,
    result,
    say,
    settings_from,
)

MARKS = {"ok": "[green]ok  [/green]", "warn": "[yellow]warn[/yellow]", "bad": "[red]bad [/red]"}


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
    for line in str(loaders[name](file, out)).splitlines():
        say(line)
    say(f"written to {out}")


def check(folder: Folder, config: Config = None) -> None:
    """Says what is there, what is missing, what that costs, and what to do."""
    from regulars.features.readiness import readiness
    from regulars.features.reading import inspect

    if not folder.exists():
        raise typer.BadParameter(f"{folder} does not exist", param_hint="DIR")
    settings = settings_from(config)
    found = readiness(inspect(folder, settings), settings)
    result.print(f"[bold]Readiness of {folder.name}: {found.grade}[/bold]", markup=True)
    for section in found.sections:
        result.print(f"\n[bold]{section.title}[/bold]", markup=True)
        for item in section.items:
            result.print(f"  {MARKS[item.mark]} ", end="", markup=True)
            result.print(item.sentence, markup=False)
            if item.advice:
                result.print(f"       {item.advice}", style="dim", markup=False)
    if not found.trainable:
        raise RefusedError(f"nothing can be trained on {folder}: {found.why_not}")


def features(
    folder: Annotated[Path | None, typer.Argument(metavar="DIR", help="folder of the tables")] = None,
    as_of: Annotated[list[str] | None, typer.Option(metavar="DATE", help="moments; may be given again")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help=".parquet or .csv")] = None,
    describe: Annotated[bool, typer.Option(help="print what every feature means instead")] = False,
    config: Config = None,
) -> None:
    """Writes the feature table: customer_id, as_of, features."""
    settings = settings_from(config)
    if describe:
        from regulars.features.describe import as_text

        result.print(as_text(settings), markup=False)
        return
    if folder is None or out is None or out.suffix not in {".parquet", ".csv"}:
        raise typer.BadParameter("give DIR and --out FILE.parquet (or .csv), or --describe")
    _write_features(folder, as_of or [None], out, config)


def _write_features(folder: Path, as_of: list[str] | list[None], out: Path, config: AsOf | Path | None) -> None:
    import numpy as np

    from regulars.features.asof import AsOf as Seen
    from regulars.features.asof import Moments
    from regulars.features.context import ShopContext
    from regulars.features.logs import Logs
    from regulars.features.table import feature_table
    from regulars.serving.files import whole_file

    settings = settings_from(config if isinstance(config, Path) else None)
    shop, _ = read_tables(folder, settings)
    logs = Logs(shop, settings)
    times = [moment_from(one, shop) for one in as_of]
    moments = Moments.grid(np.arange(logs.keys), times)
    moments = moments.take(Seen(logs.orders, moments).count() > 0)
    table = feature_table(logs, moments, ShopContext.of(logs, max(times)))
    frame = table.frame(shop.customer_ids)
    with whole_file(out) as made:
        if out.suffix == ".csv":
            frame.to_csv(made, index=False, lineterminator="\n")
        else:
            frame.to_parquet(made, index=False)
    say(f"{len(frame):,} rows of {len(table.names)} features written to {out}")
