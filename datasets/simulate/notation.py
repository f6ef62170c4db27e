"""How numbers of the simulation are written in the tables: days as moments, codes as ids, positions as words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from regulars.datasets.simulate.arrays import NEVER, Bools, Floats, Ints
from regulars.datasets.simulate.blocks import Block
from regulars.datasets.simulate.parameters import ShopParameters

_DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Notation:
    """The notation of one block. Codes count from 0 within it; negative codes are empty cells."""

    start: np.datetime64  # of the history
    end: np.datetime64
    first_customer: int = 0  # customers in the blocks before this one
    customer_width: int = 6
    block_prefix: str = ""  # stands before the numbers of orders and tickets, which each block counts from 1

    @classmethod
    def of(cls, parameters: ShopParameters, block: Block) -> Notation:
        """One block's notation. In a shop of one block, ids carry no block."""
        prefix = "" if block.count == 1 else f"{block.number + 1:0{len(str(block.count))}d}"
        width = max(6, len(str(block.shop_customers)))
        start, end = (np.datetime64(day, "us") for day in (parameters.start, parameters.end))
        return cls(start, end, block.first_customer, width, prefix)

    def times(self, days: Floats | Ints) -> NDArray[np.datetime64]:
        """To the second; infinite days and NEVER are no time."""
        never = ~np.isfinite(days) | (days >= NEVER)
        seconds = np.round(np.where(never, 0.0, days) * _DAY_SECONDS).astype(np.int64)
        moments = self.start.astype("datetime64[us]") + seconds.astype("timedelta64[s]").astype("timedelta64[us]")
        return np.where(never, np.datetime64("NaT", "us"), moments)

    def is_past(self, days: Floats | Ints) -> Bools:
        """Whether it is written as a moment before the end of the history."""
        return np.asarray(self.times(days) < self.end)

    def customers(self, codes: Ints) -> pd.Series:
        """C000001 is the first to sign up (in each block of a large shop, its first)."""
        return ids("C", self.customer_width, codes, self.first_customer)

    def orders(self, codes: Ints) -> pd.Series:
        """O0000001 is the first order."""
        return ids(f"O{self.block_prefix}", 7, codes)

    def tickets(self, codes: Ints) -> pd.Series:
        """T000001 is the first ticket."""
        return ids(f"T{self.block_prefix}", 6, codes)


def ids(prefix: str, width: int, codes: Ints, before: int = 0) -> pd.Series:
    """Text ids such as C000123, counted from `before` + 1; empty for negative codes."""
    numbers = pa.array(np.arange(before + 1, before + 2 + codes.max(initial=-1))).cast(pa.large_string())
    before_each, nothing = pa.scalar(prefix, pa.large_string()), pa.scalar("", pa.large_string())
    texts = pc.binary_join_element_wise(before_each, pc.utf8_lpad(numbers, width, padding="0"), nothing)
    return _taken(texts, codes)


def product_ids(codes: Ints) -> pd.Series:
    """P0001 is the first of the assortment."""
    return ids("P", 4, codes)


def words(of: tuple[str, ...], codes: Ints) -> pd.Series:
    """The words at the codes; empty for negative codes."""
    return _taken(pa.array(of, type=pa.large_string()), codes)


def _taken(texts: pa.Array, codes: Ints) -> pd.Series:
    # Through Arrow from end to end: a text in a NumPy array would be a Python object for every cell.
    return pd.Series(texts.take(pa.array(codes, mask=codes < 0)).to_pandas(), dtype="str")
