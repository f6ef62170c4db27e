"""Small simulated shops for training, and what could still happen to them after a moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pandas as pd

from regulars.datasets.simulate import ShopParameters, simulate_shop
from regulars.features.reading import read_shop
from regulars.features.settings import Settings
from regulars.features.shop import DAY, NEVER, Rows, Shop

Frames = Mapping[str, pd.DataFrame]
HAPPENED = {
    "orders": "ordered_at",
    "support": "occurred_at",
    "customers": "valid_from",
    "products": "valid_from",
    "contacts": "contacted_at",
    "advocacy": "occurred_at",
}


def settings_of(**train: int) -> Settings:
    """Defaults with two cutoffs."""
    return Settings.model_validate({"train": {"cutoffs": 2} | train})


def frames_of(customers: int = 200, history_days: int = 540, seed: int = 3) -> Frames:
    """The tables of a simulated shop."""
    return simulate_shop(ShopParameters(customers=customers, history_days=history_days), seed).tables


def read(frames: Frames, settings: Settings | None = None) -> Shop:
    """The shop these tables make."""
    shop = read_shop(frames, settings or Settings()).shop
    assert shop is not None
    return shop


def each_table(shop: Shop, change: Callable[[Rows], Rows]) -> Shop:
    """The shop with every table changed."""
    tables = {item.name: getattr(shop, item.name) for item in fields(shop)}
    changed: dict[str, Any] = {name: change(rows) for name, rows in tables.items() if isinstance(rows, Rows)}
    return replace(shop, **changed)


def known_before(shop: Shop, moment: int) -> Shop:
    """The shop without the rows that became known at the moment or later."""
    return each_table(shop, lambda rows: rows.take(np.flatnonzero(rows.visible < moment)))


def shuffled(shop: Shop, seed: int = 0) -> Shop:
    """The same rows in another order."""
    rng = np.random.default_rng(seed)
    return each_table(shop, lambda rows: rows.take(rng.permutation(len(rows))))


def with_nonsense(shop: Shop, moment: int, seed: int = 0) -> Shop:
    """The shop with everything that became known at the moment or later replaced by noise, some of it dated before.

    Times, and every column but order, ticket and birth, are dealt out anew, and numbers get another size. What stays
    is only that a customer has their own orders.
    """
    rng = np.random.default_rng(seed)

    def scrambled(rows: Rows) -> Rows:
        coming = np.flatnonzero(rows.visible >= moment)
        changed: dict[str, Any] = {}
        for item in fields(rows):
            column = getattr(rows, item.name).copy()
            if item.name in {"product", "revenue", "margin", "quantity", "minutes", "satisfaction", "event", "kind"}:
                column[coming] = rng.permutation(column[coming])
            if item.name in {"revenue", "margin"}:
                column[coming] = np.abs(column[coming]) * 7 + 13
            changed[item.name] = column
        visible = moment + rng.integers(0, 90 * DAY, len(coming))
        changed["visible"][coming] = np.where(rng.random(len(coming)) < 0.2, moment, visible)
        late = np.where(rng.random(len(coming)) < 0.3, rng.integers(0, 900 * DAY, len(coming)), 0)
        changed["time"][coming] = np.where(rows.time[coming] == NEVER, NEVER, changed["visible"][coming] - late)
        return replace(rows, **changed)

    return each_table(shop, scrambled)


def with_newcomers(frames: Frames, moment: pd.Timestamp) -> Frames:
    """The tables with new customers and products after the moment, whose ids sort before everybody's and everything's.

    They are copies of what old ones did after it, so that every code in the shop moves.
    """
    found = {}
    for name, frame in frames.items():
        extra = frame[frame[HAPPENED[name]] >= moment].copy()
        for column in ("customer_id", "order_id", "product_id", "ticket_id", "new_customer_id", "accessory_of"):
            if column in extra:
                extra[column] = extra[column].map(lambda text: f"0{text}", na_action="ignore")
        found[name] = pd.concat([frame, extra], ignore_index=True)
    return found
