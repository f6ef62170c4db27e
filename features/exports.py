"""Two exports of one shop, of different days: what the later one says of the past must be what the earlier one said.

This finds every fact that was written over in place, and every row that was entered late without `recorded_at`,
whatever the column and whoever worked it out: in the earlier export it stood otherwise, or not at all. It can find
nothing that happened before both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from regulars.features.encoding import UNIVERSES
from regulars.features.shop import DAY, NEVER, OwnEvents, Rows, Shop, Text, iso
from regulars.features.tables import TABLES

if TYPE_CHECKING:
    import pandas as pd

SIDE = "side"
RANKED = frozenset({"order", "ticket", "margin"})
"""Columns that are ranks within one export, or made from other tables, and so are not compared."""
IDS = {"customer": "customer", "product": "product", "new_customer": "customer", "accessory_of": "product", **UNIVERSES}
DATED = tuple(table.title for table in TABLES if table.happened != "valid_from")


@dataclass(frozen=True)
class Rewritten:
    """What of the past two exports do not agree on.

    Attributes:
        where: 'table.column', or 'table' where whole rows are meant.
        how: 'changed' (another value), 'appeared' (a row that the earlier one lacks) or 'vanished'.
        rows: how many (customer, moment) pairs.
        of: how many there are in both.
        example: one of them.
    """

    where: str
    how: str
    rows: int
    of: int
    example: str


def rewritten(earlier: Shop, later: Shop) -> list[Rewritten]:
    """What the later export says otherwise of the days that were over when the earlier one was made.

    Args:
        earlier: the shop as exported some time ago.
        later: the shop as it is now.
    """
    found: list[Rewritten] = []
    ours, theirs = earlier.tables(), later.tables()
    for title, rows in ours.items():
        known = rows.visible[rows.visible != NEVER]
        if title in theirs and len(known) and (title in DATED or isinstance(rows, OwnEvents)):
            end = int(known.max()) // DAY * DAY
            found += _compared(title, _frame(title, rows, earlier, end), _frame(title, theirs[title], later, end))
    return found


def _frame(title: str, rows: Rows, shop: Shop, end: int) -> pd.DataFrame:
    """The rows known before `end`, with ids and words in place of codes."""
    import pandas as pd

    kept = rows.take((rows.visible < end) & (rows.visible != NEVER))
    columns: dict[str, object] = {}
    for name, column in kept.arrays().items():
        words = _words(title, name, shop)
        if words is not None:
            columns[name] = np.concatenate([words, [None]])[np.where(column < 0, len(words), column)]
        elif name not in RANKED:
            columns[name] = column
    return pd.DataFrame(columns)


def _words(title: str, name: str, shop: Shop) -> Text | None:
    ids = {"customer": shop.customer_ids, "product": shop.product_ids}
    return ids[IDS[name]] if name in IDS else shop.words.get(f"{title}.{name}")


def _compared(title: str, earlier: pd.DataFrame, later: pd.DataFrame) -> list[Rewritten]:
    import pandas as pd

    names = [name for name in earlier if name in later]
    both = pd.concat([earlier[names].assign(**{SIDE: 1}), later[names].assign(**{SIDE: -1})], ignore_index=True)
    if not len(both):
        return []
    # How often each row stands in the one and not in the other.
    rest = both.groupby(names, dropna=False, sort=False)[SIDE].sum().reset_index()
    rest = rest[rest[SIDE] != 0]
    key = ["customer", "time"]
    of = int(both.groupby(key, dropna=False).ngroups)
    sides = rest.groupby(key, dropna=False)[SIDE].agg(["min", "max"])
    in_both = sides.index[(sides["min"] < 0) & (sides["max"] > 0)]
    found = [
        _told(title, how, sides.index[mask], of)
        for how, mask in (("appeared", sides["max"] < 0), ("vanished", sides["min"] > 0))
        if mask.any()
    ]
    for name in names:
        if name not in key:
            net = rest.groupby([*key, name], dropna=False)[SIDE].sum()
            moved = pd.MultiIndex.from_frame(net[net != 0].reset_index()[key]).unique()
            moved = moved[moved.isin(in_both)]
            if len(moved):
                found.append(_told(f"{title}.{name}", "changed", moved, of))
    return found


def _told(where: str, how: str, keys: pd.Index[Any], of: int) -> Rewritten:
    customer, time = keys.to_frame(index=False).iloc[0].tolist()
    return Rewritten(where, how, len(keys), of, f"customer {customer!r} at {iso(int(time))}")
