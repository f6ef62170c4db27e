"""A data set as a folder of Parquet files, written whole or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


class LoadError(ValueError):
    """A file that cannot be loaded; the message says what was expected and where the file is to be got."""


@dataclass(frozen=True)
class LoadSummary:
    """What a loader did: rows read, rows kept as order lines, and rows removed by rule (the rule is the reason)."""

    rows_read: int
    rows_kept: int
    removed: Mapping[str, int] = field(default_factory=dict)
    tables: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The summary in lines that people read."""
        lines = [f"{self.rows_read:,} rows read, {self.rows_kept:,} kept as order lines"]
        lines += [f"{count:,} removed: {reason}" for reason, count in self.removed.items() if count]
        lines += [f"{name}: {count:,} rows" for name, count in self.tables.items()]
        return "\n".join([*lines, *self.notes])


@contextmanager
def new_folder(out: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """A temporary folder beside `out` that takes the name `out` when the block ends well, and vanishes otherwise.

    Raises:
        LoadError: if `out` is a file, or a folder with something in it and `overwrite` is not asked for.
    """
    _refuse(out, overwrite=overwrite)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as scratch:
        made = Path(scratch, "new")
        made.mkdir()
        yield made
        if out.exists():
            # Two renames: at no moment does a half-written folder stand under the name that was asked for.
            out.rename(Path(scratch, "old"))
        made.rename(out)


def _refuse(out: Path, *, overwrite: bool) -> None:
    if out.exists() and not out.is_dir():
        raise LoadError(f"{out}: is a file; give a folder")
    if out.is_dir() and any(out.iterdir()) and not overwrite:
        raise LoadError(f"{out}: the folder is not empty; give another one, or ask to overwrite it")


def look_at(file: Path, source: str) -> Path:
    """The file, if it is there.

    Raises:
        LoadError: if it is not; the message names the `source`.
    """
    if not file.is_file():
        raise LoadError(f"{file}: there is no such file; {source}")
    return file
