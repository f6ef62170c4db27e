"""Writes a simulated shop into a folder, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, get_args

import pandas as pd

from regulars.datasets.simulate.shop import SimulatedShop
from regulars.datasets.writing import LoadError, new_folder

Format = Literal["parquet", "csv"]

_PARAMETERS = "parameters.json"


def write_shop(
    shop: SimulatedShop, folder: str | Path, file_format: Format = "parquet", *, overwrite: bool = False
) -> Path:
    """Write the tables into `folder`, and the truth and the parameters into `folder`/truth.

    `overwrite` replaces the folder with all that is in it, and only where it holds a simulated shop.

    Raises:
        LoadError: `folder` is a file, or holds anything that may not be replaced.
        ValueError: unknown format.
    """
    if file_format not in get_args(Format):
        raise ValueError(f"file format is {file_format!r}; expected one of {', '.join(get_args(Format))}")
    target = Path(folder)
    if overwrite and target.is_dir() and any(target.iterdir()) and not (target / "truth" / _PARAMETERS).is_file():
        raise LoadError(
            f"{target}: the folder is not empty and holds no simulated shop (no truth/{_PARAMETERS}), "
            "so it is not replaced; give another one"
        )
    with new_folder(target, overwrite=overwrite) as made:
        _write_all(shop, made, file_format)
    return target


def _write_all(shop: SimulatedShop, folder: Path, file_format: Format) -> None:
    truth = folder / "truth"
    truth.mkdir()
    for name, frame in shop.tables.items():
        _write_frame(frame, folder / f"{name}.{file_format}")
    for name, frame in shop.truth.items():
        _write_frame(frame, truth / f"{name}.{file_format}")
    said = {"simulated": True, "seed": shop.seed, "parameters": shop.parameters.as_dict()}
    (truth / _PARAMETERS).write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")


def _write_frame(frame: pd.DataFrame, path: Path) -> None:
    if path.suffix == ".csv":
        frame.to_csv(path, index=False, lineterminator="\n")
    else:
        frame.to_parquet(path, index=False)
