"""Where the tables are: a folder, a DuckDB file, or a PostgreSQL database; the argument DIR of most commands.

Records, pages and file names get `name`; sentences get `str(place)`. Neither holds a password.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import typer

from regulars.features.database import Database


@dataclass(frozen=True)
class OnSpark:
    """Tables that Spark alone can read: a URI, or `spark:DATABASE`."""

    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def name(self) -> str:
        """The last part of the place's name."""
        return re.split(r"[/:.]", self.text.rstrip("/"))[-1]


@dataclass(frozen=True)
class Place:
    """Where the tables are; `source` is what reading takes."""

    source: Path | Database | OnSpark

    def __str__(self) -> str:
        return str(self.source)

    @property
    def name(self) -> str:
        """What the data is called: the folder, file or database alone."""
        return self.source.resolve().name if isinstance(self.source, Path) else self.source.name

    @property
    def origin(self) -> str:
        """Where records say that the data came from: no path of this machine, no password."""
        return self.source.name if isinstance(self.source, Path) else str(self.source)

    @property
    def set_aside(self) -> Path:
        """The folder for rows set aside: beside the data, or here where the data is on a server."""
        if not isinstance(self.source, Path):
            return Path(re.sub(r"[^\w.-]", "_", self.source.name) + "-set-aside")
        return self.source.parent / f"{self.source.name}-set-aside"

    @property
    def is_simulated(self) -> bool:
        """Whether the tables come from the simulator, which writes its truth beside them."""
        return isinstance(self.source, Path) and self.source.is_dir() and (self.source / "truth").is_dir()

    def existing(self) -> Place:
        """This place; a path where nothing is, is a wrong use of the command (a server is asked when it is read)."""
        if isinstance(self.source, Path) and not self.source.exists():
            raise typer.BadParameter(f"{self.source} does not exist", param_hint="DIR")
        return self

    def readable(self) -> Path | Database:
        """What reading takes; a path where nothing is, or what only Spark reads, is a wrong use of the command."""
        if isinstance(self.source, OnSpark):
            raise typer.BadParameter(f"{self.source} is read with --engine spark", param_hint="DIR")
        self.existing()
        return self.source
