"""Scores as a file, whole or not at all: Parquet with proper nested types, or CSV with lists as JSON text.

Parquet also tells what churn was to the model, for whoever makes a list of the scores without the model.

Identifiers are written as they are, so that the file can be joined to the shop's own tables; the list for people to
open in a spreadsheet is the outreach list, whose texts are made safe (`list_file`).
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from regulars.features.in_parts import parts
from regulars.features.settings import ChurnSettings
from regulars.serving.columns import COLUMNS, LISTS, MOMENTS, SCHEMA, TYPES
from regulars.serving.files import csv_quoting, whole_file

_CHURN = b"regulars.churn"
_DATES = "%Y-%m-%dT%H:%M:%S"


def write_scores(frame: pd.DataFrame, path: Path, churn: ChurnSettings | None = None) -> None:
    """Write scores as `score` returns them, by the ending of the path; `churn` is what it was to the model.

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
            pq.write_table(as_arrow(frame, churn), made)
        else:
            text = _as_text(frame)
            text.to_csv(made, index=False, lineterminator="\n", date_format=_DATES, quoting=csv_quoting(text))


def as_arrow(frame: pd.DataFrame, churn: ChurnSettings | None = None) -> pa.Table:
    """Scores as an Arrow table of the fixed types, with what churn is beside them where it is given."""
    columns = [pa.array(frame[name], type=kind, from_pandas=True) for name, kind in TYPES.items()]
    schema = SCHEMA if churn is None else SCHEMA.with_metadata({_CHURN: churn.model_dump_json()})
    return pa.Table.from_arrays(columns, schema=schema)


def churn_of(path: Path) -> ChurnSettings | None:
    """What churn is in scores that `read_scores` has read; None where the file does not tell (CSV)."""
    path = Path(path)
    if path.suffix == ".csv":
        return None
    told = (pq.read_schema(parts(path)[0] if path.is_dir() else path).metadata or {}).get(_CHURN)
    return None if told is None else ChurnSettings.model_validate_json(told)


def _as_text(frame: pd.DataFrame) -> pd.DataFrame:
    texts = {name: [json.dumps(items, ensure_ascii=False) for items in frame[name]] for name in LISTS}
    return frame[list(COLUMNS)].assign(**texts)


def read_scores(path: Path) -> pd.DataFrame:
    """Scores that `write_scores` or `write_score_parts` wrote, as `score` returned them.

    Raises:
        ValueError: if there is no such file, or it holds something else; the message says what is missing.
    """
    path = Path(path)
    if not (parts(path) if path.is_dir() else path.suffix in {".csv", ".parquet"} and path.is_file()):
        raise ValueError(f"{path}: expected an existing .csv, .parquet or folder of parts that `regulars score` wrote")
    try:
        frame = _from_csv(path) if path.suffix == ".csv" and path.is_file() else _from_parquet(path)
    except (pa.ArrowException, UnicodeDecodeError, pd.errors.EmptyDataError, pd.errors.ParserError) as error:
        told = str(error).strip().partition("\n")[0]
        raise ValueError(f"{path}: cannot be read ({told}); give a file that `regulars score` wrote") from error
    if missing := [name for name in COLUMNS if name not in frame.columns]:
        raise ValueError(f"{path}: the columns {missing} are missing; it was not written by `regulars score`")
    return frame[list(COLUMNS)]


def _from_parquet(path: Path) -> pd.DataFrame:
    table = pa.concat_tables([pq.read_table(file) for file in (parts(path) if path.is_dir() else [path])])
    frame: pd.DataFrame = table.to_pandas()
    return frame.assign(**{name: table.column(name).to_pylist() for name in LISTS if name in table.column_names})


def _from_csv(path: Path) -> pd.DataFrame:
    # Only what may be empty is read as missing: a customer may well be called 'NA'.
    empty = {name: [""] for name in TYPES if name not in ("customer_id", *LISTS)}
    frame = pd.read_csv(path, dtype={"customer_id": str}, keep_default_na=False, na_values=empty)
    try:
        moments = {name: pd.to_datetime(frame[name], format=_DATES) for name in MOMENTS if name in frame.columns}
        lists = {name: [json.loads(text) for text in frame[name]] for name in LISTS if name in frame.columns}
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: holds something that `regulars score` does not write ({error})") from error
    return frame.assign(**moments, **lists)
