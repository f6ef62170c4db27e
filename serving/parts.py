"""The parts of models as files, and back: JSON, text, Parquet, and `.npy` that may hold no Python objects.

None of these formats can carry code. What a file is follows from its ending alone.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from regulars.models.state import Part, State

ENDINGS = (".json", ".txt", ".npy", ".parquet")


def to_files(state: State, folder: str) -> dict[str, bytes]:
    """The parts of a state by file name, `folder/part.ending`.

    Raises:
        ValueError: if a part has a name or a type that no file can hold.
    """
    files = {}
    for name, part in state.items():
        if not name.replace("_", "").isalnum() or not name.isascii():
            raise ValueError(f"{folder}: {name!r} is no name of a part; use letters, digits and underscores")
        ending, content = _written(part, f"{folder}/{name}")
        files[f"{folder}/{name}{ending}"] = content
    return files


def from_files(files: Mapping[str, bytes], folder: str) -> dict[str, Part]:
    """The parts whose files stand in `folder`, by name."""
    mine = {
        name.removeprefix(f"{folder}/"): content for name, content in files.items() if name.startswith(f"{folder}/")
    }
    return {name.rpartition(".")[0]: parsed(name, content) for name, content in mine.items()}


def _written(part: Part, name: str) -> tuple[str, bytes]:
    if isinstance(part, str):
        return ".txt", part.encode()
    if isinstance(part, dict | list):
        return ".json", as_json(part)
    if isinstance(part, np.ndarray):
        if part.dtype.hasobject:
            raise ValueError(f"{name} is an array of Python objects, which has no plain form; give a list")
        stream = io.BytesIO()
        np.save(stream, part, allow_pickle=False)
        return ".npy", stream.getvalue()
    if isinstance(part, pa.Table):
        stream = io.BytesIO()
        pq.write_table(part, stream)
        return ".parquet", stream.getvalue()
    raise ValueError(f"{name} is a {type(part).__name__}; a part is text, a dictionary, a list, an array or a table")


def as_json(value: Any) -> bytes:
    """Readable JSON, keys in the order given; floats keep every digit."""
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def parsed(name: str, content: bytes) -> Part:
    """What a file holds, by its ending."""
    if name.endswith(".txt"):
        return content.decode()
    if name.endswith(".json"):
        return json.loads(content)
    if name.endswith(".npy"):
        return np.load(io.BytesIO(content), allow_pickle=False)
    return pq.read_table(pa.BufferReader(content))
