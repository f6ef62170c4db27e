"""What a fitted model is when it is put away: plain parts, no code.

A model gives its parts as `state()` and is made again from them by `from_state(...)`. It knows nothing of files; the
bundle writes text as `.txt`, numbers and words as JSON, arrays as `.npy` without pickle and tables as Parquet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, Self, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Part: TypeAlias = str | dict[str, Any] | list[Any] | NDArray[Any] | pa.Table
State: TypeAlias = Mapping[str, Part]
T = TypeVar("T")


class Stored(Protocol):
    """Whatever can be put away and made again."""

    def state(self) -> State:
        """The fitted model's parts; names are made of letters, digits and underscores."""
        ...

    @classmethod
    def from_state(cls, state: State) -> Self:
        """The model again, predicting the same to the last bit."""
        ...


def array_part(state: State, name: str) -> NDArray[Any]:
    """The part `name`, which has to be an array.

    Raises:
        ValueError: if it is missing or something else.
    """
    return _part(state, name, np.ndarray)


def text_part(state: State, name: str) -> str:
    """The part `name`, which has to be text; errors as in `array_part`."""
    return _part(state, name, str)


def dict_part(state: State, name: str) -> dict[str, Any]:
    """The part `name`, which has to be a dictionary; errors as in `array_part`."""
    return _part(state, name, dict)


def _part(state: State, name: str, kind: type[T]) -> T:
    part = state.get(name)
    if part is None or not isinstance(part, kind):
        found = "nothing" if part is None else f"a {type(part).__name__}"
        raise ValueError(
            f"the stored model has {found} where {name!r}, a {kind.__name__}, was expected; "
            "it was written by another version or is damaged: train again or take another copy"
        )
    return part
