"""Scores as a file, whole or not at all: Parquet with proper nested types, or CSV with lists as JSON text.

Identifiers are written as they are, so that the file can be joined to the shop's own tables; the list for people to
open in a spreadsheet is the outreach list, whose texts are made safe (`list_file`).
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from regulars.serving.columns import COLUMNS, LISTS, MOMENTS, SCHEMA, TYPES
from regulars.serving.files import whole_file

_DATES = "%Y-%m-%dT%H:%M:%S"


def write_scores(frame: pd.DataFrame, path: Path) -> None:
    """Write scores as `score` returns them, by the ending of the path.

    Raises:
        ValueError: if the path ends neither in .csv nor in .parquet, or columns are missing.
    """
    path = Path(path)
    if path.suffix not in {".csv", ".parquet"}:
        raise ValueError(f"{path}: scores are written as .csv or .parquet; give a path that ends so")
    if missing := [name for name in COLUMNS if name not in frame.columns]:
        raise ValueError(f"scores: the columns {missing} are missing; give what `score` returned")
    with whole_file(path) as made:
        if path.suffix == ".parquet":
            pq.write_table(as_arrow(frame), made)
        else:
            _as_text(frame).to_csv(made, index=False, lineterminator="\n", date_format=_DATES, encoding="utf-8")


def as_arrow(frame: pd.DataFrame) -> pa.Table:
    """Scores as an Arrow table of the fixed types."""
    columns = [pa.array(frame[name], type=kind, from_pandas=True) for name, kind in TYPES.items()]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def _as_text(frame: pd.DataFrame) -> pd.DataFrame:
    texts = {name: [json.dumps(items, ensure_ascii=False) for items in frame[name]] for name in LISTS}
    return frame[list(COLUMNS)].assign(**texts)


def read_scores(path: Path) -> pd.DataFrame:
    """Scores that `write_scores` wrote, as `score` returned them.

    Raises:
        ValueError: if there is no such file, or it holds something else; the message says what is missing.
    """
    path = Path(path)
    if path.suffix not in {".csv", ".parquet"} or not path.is_file():
        raise ValueError(f"{path}: expected an existing .csv or .parquet that `regulars score` wrote")
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        frame = table.to_pandas()
        for name in (name for name in LISTS if name in table.column_names):
            frame[name] = table.column(name).to_pylist()
    else:
        frame = pd.read_csv(path, dtype={"customer_id": str}, parse_dates=list(MOMENTS), keep_default_na=True)
        for name in (name for name in LISTS if name in frame.columns):
            frame[name] = [json.loads(text) for text in frame[name]]
    if missing := [name for name in COLUMNS if name not in frame.columns]:
        raise ValueError(f"{path}: the columns {missing} are missing; it was not written by `regulars score`")
    return frame[list(COLUMNS)]
