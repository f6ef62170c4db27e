"""What all commands share: their options, how they speak, and how they refuse."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from regulars.features.settings import Settings, SettingsError, read_settings
from regulars.features.shop import Shop, as_datetime, as_time

if TYPE_CHECKING:
    from regulars.features.reading import Reading

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="folder of the tables, or a DuckDB file")]
Config = Annotated[Path | None, typer.Option(help="settings (default: regulars.toml here, if there is one)")]
AsOf = Annotated[str | None, typer.Option(metavar="DATE", help="moment to stand at (default: the end of the data)")]
Seed = Annotated[int, typer.Option(help="of everything random")]
Model = Annotated[str | None, typer.Option(metavar="REF", help="bundle folder or MLflow reference")]

console = Console(stderr=True, highlight=False)
"""What is told goes to standard error, so that standard output stays free for results."""
result = Console(highlight=False, soft_wrap=True)


class RefusedError(Exception):
    """The data or the model does not allow it; the message says why and what to do."""


def say(sentence: str) -> None:
    """One line of progress."""
    console.print(f"[dim]·[/dim] {sentence}", markup=True)


def settings_from(config: Path | None) -> Settings:
    """The settings; a file that cannot be used is a wrong use of the command."""
    try:
        return read_settings(config)
    except SettingsError as error:
        raise typer.BadParameter(str(error), param_hint="--config") from error


def moment_from(as_of: str | None, shop: Shop) -> int:
    """The moment that was asked for, or the end of the data."""
    if as_of is None:
        return shop.end
    try:
        return as_time(as_of)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--as-of") from error


def iso(moment: int) -> str:
    """A moment as text: the day alone where it is midnight."""
    text = str(as_datetime([moment])[0].astype("datetime64[s]"))
    return text.removesuffix("T00:00:00")


def read_tables(folder: Path, settings: Settings) -> tuple[Shop, Reading]:
    """The tables, checked; rows that cannot be used are refused or set aside as the settings say."""
    from regulars.features.reading import read_shop

    if not folder.exists():
        raise typer.BadParameter(f"{folder} does not exist", param_hint="DIR")
    beside = folder.parent / f"{folder.name}-set-aside"
    reading = read_shop(folder, settings, set_aside=beside)
    assert reading.shop is not None  # noqa: S101 - read_shop refuses otherwise
    for finding in reading.of("bad_rows"):
        console.print(f"[yellow]set aside:[/yellow] {finding} See {beside}.", markup=True)
    return reading.shop, reading


def name_of(folder: Path, settings: Settings) -> str:
    """The shop's name in records and on pages."""
    return settings.shop.name or folder.resolve().name


def is_simulated(folder: Path) -> bool:
    """Whether the tables come from the simulator, which writes its truth beside them."""
    return folder.is_dir() and (folder / "truth").is_dir()
