"""What all commands share: their options, how they speak, and how they refuse.

Results go to standard output; what is told on the way goes to standard error as plain lines, one a sentence, so that
logs can be searched. Names of files, columns and customers are other people's text and are never read as markup.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.console import Console
from rich.text import Text

from regulars.cli.place import OnSpark, Place
from regulars.features.database import Database, UrlError, is_url

if TYPE_CHECKING:
    from regulars.features.reading import Reading
    from regulars.features.settings import Settings
    from regulars.features.shop import Shop
    from regulars.features.spark_groups import Survey

console = Console(stderr=True, highlight=False, soft_wrap=True)
result = Console(highlight=False, soft_wrap=True)

TABLE_FILES = (".parquet", ".csv")
"""What tables are written as."""


class RefusedError(Exception):
    """The data or the model does not allow it; the message says why and what to do."""


def say(sentence: str, *, warn: bool = False) -> None:
    """One line of progress, or of warning."""
    console.print(Text.assemble(("· ", "dim"), (sentence, "yellow" if warn else "")))


def as_moment(text: str, option: str = "--as-of") -> int:
    """A moment that was asked for, in microseconds; anything else is a wrong use of the command."""
    from regulars.features.shop import as_time

    try:
        return as_time(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def _is_moment(text: str | None) -> str | None:
    """Refuses what is no moment before any file is read."""
    if text is not None:
        as_moment(text)
    return text


def file_to_write(path: Path, endings: tuple[str, ...], option: str = "--out") -> None:
    """Refuses a file that cannot be written, before hours of work are spent on its content."""
    if is_elsewhere(path):
        raise typer.BadParameter(f"{path} is written with --engine spark", param_hint=option)
    if path.suffix not in endings:
        raise typer.BadParameter(f"{path}: write it as {' or '.join(endings)}", param_hint=option)
    if path.is_dir():
        raise typer.BadParameter(f"{path} is a folder; name a file", param_hint=option)
    place_to_write(path, option)


def place_to_write(path: Path, option: str = "--out") -> None:
    """Refuses a file or folder beside which nothing can be made."""
    beside = next(parent for parent in path.absolute().parents if parent.exists())
    if not beside.is_dir():
        raise typer.BadParameter(f"{path} cannot be made, for {beside} is a file", param_hint=option)
    if not os.access(beside, os.W_OK | os.X_OK):
        raise typer.BadParameter(f"{path} cannot be made, for {beside} may not be written to", param_hint=option)


def is_folder(path: Path) -> bool:
    """Whether what was typed names a folder of parts, as every path without an ending does."""
    return not is_elsewhere(path) and not path.suffix


def folder_of_parts(path: Path, option: str = "--out") -> None:
    """Refuses to replace what is no folder of parts alone, before anything is worked out."""
    from regulars.features.in_parts import parts

    if path.exists() and not path.is_dir():
        raise typer.BadParameter(f"{path} is a file, not a folder of parts; name another place", param_hint=option)
    if path.is_dir() and (others := sorted({*path.iterdir()} - {*parts(path)})):
        raise typer.BadParameter(
            f"{path} is replaced as a whole, and holds something else than parts, {others[0].name}; name another place",
            param_hint=option,
        )
    place_to_write(path, option)


class Engine(StrEnum):
    """Where features and scores are worked out."""

    LOCAL = "local"
    SPARK = "spark"


def on_spark(engine: Engine, master: str | None) -> bool:
    """Whether Spark is to do it; naming its master without it is a wrong use of the command."""
    if engine is Engine.LOCAL and master is not None:
        raise typer.BadParameter("names where Spark runs; say --engine spark too", param_hint="--master")
    return engine is Engine.SPARK


def is_elsewhere(place: Path | str) -> bool:
    """Whether a place is known to Spark alone: a URI that is no database server's, or `spark:DATABASE`."""
    text = str(place)
    return ("://" in text and not is_url(text)) or text.startswith("spark:")


def as_output(text: str) -> Path:
    """A place to write to as it was typed: a path, or the text itself where it is no path of this machine."""
    return cast(Path, text) if is_elsewhere(text) else Path(text)


def as_place(text: str) -> Place:
    """The place that was written as DIR; a URL that cannot be used is a wrong use of the command."""
    if is_elsewhere(text):
        return Place(OnSpark(text))
    if not is_url(text):
        return Place(Path(text))
    try:
        return Place(Database.parse(text, progress=say))
    except UrlError as error:
        raise typer.BadParameter(str(error), param_hint="DIR") from None


PLACE = typer.Argument(
    metavar="DIR",
    parser=as_place,
    help="folder, DuckDB file, or postgresql://USER@HOST/DATABASE; on Spark also URI or spark:NAME",
)
Tables = Annotated[Place, PLACE]
OnEngine = Annotated[Engine, typer.Option("--engine", help="where the work is done")]
Master = Annotated[
    str | None,
    typer.Option(metavar="URL", help="of Spark: local[4], spark://host:7077, yarn (default: as it is configured)"),
]
Config = Annotated[
    Path | None, typer.Option(help="settings (default: REGULARS_CONFIG, or regulars.toml here, if there is one)")
]
AsOf = Annotated[
    str | None,
    typer.Option(metavar="DATE", callback=_is_moment, help="moment to stand at (default: the end of the data)"),
]
Seed = Annotated[int, typer.Option(min=0, help="of everything random")]
Model = Annotated[str | None, typer.Option(metavar="REF", help="bundle folder or MLflow reference")]


def settings_from(config: Path | None) -> Settings:
    """The settings; a file, or one of own features that it names, that cannot be used is a wrong use of the command."""
    from regulars.features.settings import SettingsError, read_settings

    try:
        settings = read_settings(config)
        if settings.features.own:
            from regulars.features.own import own_of

            own_of(settings)
    except SettingsError as error:
        raise typer.BadParameter(str(error), param_hint="--config") from error
    return settings


def moment_from(as_of: str | None, shop: Shop) -> int:
    """The moment that was asked for, or the end of the data."""
    return shop.end if as_of is None else as_moment(as_of)


def iso(moment: int) -> str:
    """A moment as text: the day alone where it is midnight."""
    from regulars.features.shop import iso as told

    return told(moment)


def nobody_before(moment: int, shop: Shop | Survey) -> RefusedError:
    """Why there is nothing to answer at a moment before everybody's first event."""
    return RefusedError(f"no customer was known before {iso(moment)}; the first order line is of {iso(shop.first)}")


def read_tables(place: Place, settings: Settings) -> tuple[Shop, Reading]:
    """The tables, checked; rows that cannot be used are refused or set aside as the settings say."""
    from regulars.features.reading import read_shop

    reading = read_shop(place.readable(), settings, set_aside=place.set_aside)
    assert reading.shop is not None  # noqa: S101 - read_shop refuses otherwise
    for finding in reading.of("bad_rows"):
        say(f"set aside: {finding} See {place.set_aside}.", warn=True)
    return reading.shop, reading


@contextmanager
def tables_may_lack() -> Iterator[None]:
    """Without the predictor's warning of tables that were not given: it was told in a line, or is known."""
    from regulars.serving.predictor import NotGivenWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGivenWarning)
        yield


def name_of(place: Place, settings: Settings) -> str:
    """The shop's name in records and on pages."""
    return settings.shop.name or place.name
