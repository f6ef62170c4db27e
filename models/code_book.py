"""The products a model knows, by name: codes are a shop's own, and a model meets other shops than it learnt from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from regulars.features.shop import I32, NONE, Shop, Text


def positions(ids: Text, within: Text) -> I32:
    """Position of each id in the sorted list `within`; `NONE` where it is not there."""
    if len(within) == 0:
        return np.full(len(ids), NONE, dtype=np.int32)
    at = np.minimum(np.searchsorted(within, ids), len(within) - 1)
    return np.where(within[at] == ids, at, NONE).astype(np.int32)


@dataclass(frozen=True)
class CodeBook:
    """Sorted ids of the products known."""

    product_ids: Text

    def __len__(self) -> int:
        return len(self.product_ids)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.product_ids.tolist())}

    @classmethod
    def of(cls, shop: Shop, sold: I32) -> tuple[CodeBook, I32]:
        """A book of the products `sold`, and the table from the shop's codes to the book's (`NONE` for others)."""
        recode = np.full(len(shop.product_ids) + 1, NONE, dtype=np.int32)
        recode[sold] = np.arange(len(sold), dtype=np.int32)
        return cls(shop.product_ids[sold]), recode

    def extended(self, shop: Shop) -> tuple[I32, Text]:
        """From the shop's codes to the book's, and all ids: products unknown to the book follow in the shop's order."""
        places = self._places
        recode = np.array([*(places.get(name, NONE) for name in shop.product_ids.tolist()), NONE], dtype=np.int32)
        unknown = np.flatnonzero(recode[:-1] == NONE)
        recode[unknown] = len(self) + np.arange(len(unknown), dtype=np.int32)
        if len(unknown) == 0:
            return recode, self.product_ids
        return recode, np.concatenate([self.product_ids, shop.product_ids[unknown]])
