"""Files and folders that are there whole or not at all: written beside their place, then moved into it in one step."""

from __future__ import annotations

import csv
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path to write to, which becomes `path` if all goes well and is removed if not."""
    with tempfile.TemporaryDirectory(dir=_parent(path), prefix=f".{path.name}.") as scratch:
        made = Path(scratch) / path.name
        yield made
        made.replace(path)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """An empty folder to fill, which becomes `path`, in place of what was there, if all goes well."""
    with tempfile.TemporaryDirectory(dir=_parent(path), prefix=f".{path.name}.") as scratch:
        made, old = Path(scratch) / "made", Path(scratch) / "old"
        made.mkdir()
        yield made
        if path.exists():
            path.rename(old)
        try:
            made.rename(path)
        except OSError:
            if old.exists():
                old.rename(path)
            raise
        shutil.rmtree(old, ignore_errors=True)


def csv_quoting(frame: pd.DataFrame) -> Literal[0, 2]:
    """How texts are quoted in a CSV file of this frame.

    The writer quotes a cell for a line feed of its own accord; readers break lines at a carriage return too.
    """
    texts = [column for _, column in frame.items() if str(column.dtype) in {"object", "str"}]
    broken = any("\r" in text for column in texts for text in column if isinstance(text, str))
    return csv.QUOTE_NONNUMERIC if broken else csv.QUOTE_MINIMAL


def _parent(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.parent
