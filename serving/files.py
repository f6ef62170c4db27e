"""Files and folders that are there whole or not at all: written beside their place, then moved into it in one step."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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


def _parent(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.parent
