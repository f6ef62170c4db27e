"""Writes a simulated shop into a folder, whole or not at all."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import pandas as pd
from joblib import Parallel, delayed

from regulars.datasets.simulate.blocks import BLOCK_CUSTOMERS, Block, blocks_of
from regulars.datasets.simulate.parameters import ShopParameters
from regulars.datasets.simulate.shop import (
    TABLES,
    Foundation,
    Frames,
    SimulatedShop,
    block_frames,
    lay_foundation,
    whole_frames,
)
from regulars.datasets.writing import LoadError, new_folder

Format = Literal["parquet", "csv"]
Progress = Callable[[int, int], None]
"""Called with customers done and customers in all."""

_PARAMETERS = "parameters.json"
_TRUTH = "truth"


def write_shop(
    shop: SimulatedShop, folder: str | Path, file_format: Format = "parquet", *, overwrite: bool = False
) -> Path:
    """Write the tables into `folder`, a file each, and the truth and the parameters into `folder`/truth.

    `overwrite` replaces the folder with all that is in it, and only where it holds a simulated shop.

    Raises:
        LoadError: `folder` is a file, or holds anything that may not be replaced.
        ValueError: unknown format.
    """
    target = _checked(folder, file_format, overwrite=overwrite)
    with new_folder(target, overwrite=overwrite) as made:
        _Writer(made, file_format).write(Frames(shop.tables, shop.truth))
        _write_parameters(made, shop.parameters, shop.seed)
    return target


def write_simulated_shop(
    parameters: ShopParameters,
    seed: int,
    folder: str | Path,
    file_format: Format = "parquet",
    *,
    overwrite: bool = False,
    with_truth: bool = True,
    jobs: int = 1,
    block_customers: int = BLOCK_CUSTOMERS,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Simulate a shop of any size and write it, in memory that does not grow with the number of customers.

    A shop of one block is written as `write_shop` does. In a larger one, a table is a folder of Parquet files, one for
    each block (`orders/part-00000.parquet`, ...), and so are the truth frames that are by customer.

    Args:
        parameters: as `simulate_shop` takes them, and the rows are those of the shop that it gives.
        seed: likewise.
        folder: as `write_shop` takes it.
        file_format: likewise; CSV for a shop of one block only.
        overwrite: as `write_shop` takes it.
        with_truth: without, `truth/` holds the parameters alone, and what it would hold is not computed.
        jobs: processes that simulate blocks side by side; the bytes written do not depend on it.
        block_customers: as `simulate_shop` takes it.
        progress: called as each block is done.

    Returns:
        The number of rows of each table.

    Raises:
        LoadError: `folder` is a file, or holds anything that may not be replaced.
        ValueError: unknown format, or CSV for a shop of more than one block.
    """
    target = _checked(folder, file_format, overwrite=overwrite)
    blocks = blocks_of(parameters.customers, block_customers)
    if file_format == "csv" and len(blocks) > 1:
        raise ValueError(
            f"a shop of {parameters.customers:,} customers is written in parts, and a table in parts is Parquet; "
            f"write Parquet, or at most {block_customers:,} customers"
        )
    foundation, rows, done = lay_foundation(parameters, seed), Counter(dict.fromkeys(TABLES, 0)), 0
    with new_folder(target, overwrite=overwrite) as made:
        whole = whole_frames(foundation)
        rows.update(_Writer(made, file_format).write(whole if with_truth else Frames(whole.tables, {})))
        _write_parameters(made, parameters, seed, **({"blocks": len(blocks)} if len(blocks) > 1 else {}))
        work = _BlockWork(foundation, made, file_format, with_truth)
        for block, written in zip(
            blocks, Parallel(n_jobs=jobs, return_as="generator")(delayed(work)(block) for block in blocks), strict=True
        ):
            rows.update(written)
            done += block.customers
            if progress is not None:
                progress(done, parameters.customers)
    return dict(rows)


@dataclass(frozen=True)
class _Writer:
    """Writes frames below a folder, each as one file, or as one part of a folder of files."""

    folder: Path
    file_format: Format
    part: int | None = None

    def write(self, frames: Frames) -> dict[str, int]:
        """All frames; the number of rows of each table."""
        self._write(frames.tables, self.folder)
        self._write(frames.truth, self.folder / _TRUTH)
        return {name: len(frame) for name, frame in frames.tables.items()}

    def _write(self, frames: Mapping[str, pd.DataFrame], folder: Path) -> None:
        for name, frame in frames.items():
            stem = name if self.part is None else f"{name}/part-{self.part:05d}"
            path = folder / f"{stem}.{self.file_format}"
            path.parent.mkdir(parents=True, exist_ok=True)
            if self.file_format == "csv":
                frame.to_csv(path, index=False, lineterminator="\n")
            else:
                # A dictionary of numbers that hardly repeat costs time and saves nothing.
                texts = [column for column in frame.columns if frame[column].dtype == "str"]
                frame.to_parquet(path, index=False, use_dictionary=texts)


@dataclass(frozen=True)
class _BlockWork:
    """Simulates a block and writes it; only numbers of rows come back, for this is called in other processes."""

    foundation: Foundation
    folder: Path
    file_format: Format
    with_truth: bool

    def __call__(self, block: Block) -> dict[str, int]:
        frames = block_frames(self.foundation, block, with_truth=self.with_truth)
        return _Writer(self.folder, self.file_format, None if block.count == 1 else block.number).write(frames)


def _checked(folder: str | Path, file_format: Format, *, overwrite: bool) -> Path:
    if file_format not in get_args(Format):
        raise ValueError(f"file format is {file_format!r}; expected one of {', '.join(get_args(Format))}")
    target = Path(folder)
    if overwrite and target.is_dir() and any(target.iterdir()) and not (target / _TRUTH / _PARAMETERS).is_file():
        raise LoadError(
            f"{target}: the folder is not empty and holds no simulated shop (no {_TRUTH}/{_PARAMETERS}), "
            "so it is not replaced; give another one"
        )
    return target


def _write_parameters(folder: Path, parameters: ShopParameters, seed: int, **more: Any) -> None:
    said = {"simulated": True, "seed": seed, "parameters": parameters.as_dict()} | more
    path = folder / _TRUTH / _PARAMETERS
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
