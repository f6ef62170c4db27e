"""A list as a file that is safe to open: whole or not at all, beside its manifest, and without spreadsheet formulas.

A spreadsheet runs a cell that starts with = + - @, a tab or a line break as a formula. Such a text gets an apostrophe
in front, which spreadsheets take as 'this is text', and so does a text that starts with an apostrophe, so that taking
the first apostrophe away restores every text (`read_list` does). Texts that are plain numbers, such as -5, and the
columns of numbers stay as they are. Parquet runs nothing and is not escaped.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from regulars.serving.files import csv_quoting

_RISKY = re.compile(r"^[=+\-@\t\r\n']")
_NUMBER = re.compile(r"^[+-]?\d+(\.\d+)?$", re.ASCII)
TEXT = ("customer_id", "audience", "play", "product_id", "reason", "arm", "owner", "list_id")


def safe(text: str) -> str:
    """The text as a cell that no spreadsheet runs.

    >>> safe("=1+1"), safe("-5"), safe("-5+1"), safe("'tis")
    ("'=1+1", '-5', "'-5+1", "''tis")
    """
    return f"'{text}" if _RISKY.match(text) and not _NUMBER.match(text) else text


def manifest_path(path: Path) -> Path:
    """Where the manifest of the list at `path` stands: NAME.manifest.json beside NAME.csv."""
    return path.with_name(f"{path.stem}.manifest.json")


def write_list(rows: pd.DataFrame, manifest: Mapping[str, Any], path: Path) -> None:
    """Write the rows (Parquet if the path ends so, else CSV) and the manifest, with the file's hash.

    Raises:
        ValueError: if the path ends neither in .csv nor in .parquet.
    """
    if path.suffix not in {".csv", ".parquet"}:
        raise ValueError(f"{path}: a list is written as .csv or .parquet")
    content = _parquet(rows) if path.suffix == ".parquet" else _csv(rows)
    told = {**manifest, "file": path.name, "sha256": hashlib.sha256(content).hexdigest()}
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, content)
    replace_file(manifest_path(path), (json.dumps(told, indent=2, ensure_ascii=False) + "\n").encode())


def read_list(path: Path) -> pd.DataFrame:
    """A list as it was made: texts as texts, the apostrophes of `safe` taken away."""
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    rows = pd.read_csv(path, dtype=dict.fromkeys(TEXT, "str"), parse_dates=["contact_by"], keep_default_na=False)
    for name in TEXT:
        rows[name] = rows[name].str.removeprefix("'").where(rows[name] != "", None)
    return rows


def replace_file(path: Path, content: bytes) -> None:
    """Write the file whole: another one beside it first, which then takes its name in one step."""
    handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(scratch).chmod(0o644)
        Path(scratch).replace(path)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise


def _csv(rows: pd.DataFrame) -> bytes:
    cells = rows.copy()
    for name in TEXT:
        cells[name] = [safe(text) if isinstance(text, str) else None for text in rows[name]]
    text = cells.to_csv(index=False, lineterminator="\n", date_format="%Y-%m-%d", quoting=csv_quoting(cells))
    return text.encode()


def _parquet(rows: pd.DataFrame) -> bytes:
    stream = io.BytesIO()
    rows.to_parquet(stream, index=False)
    return stream.getvalue()
