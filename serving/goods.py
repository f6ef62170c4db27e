"""Which product there is to speak of with each customer: the next, a new one, an accessory, one due for service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regulars.features.asof import F64
from regulars.features.logs import known_row
from regulars.features.shop import DAY, I32, I64, NONE, OrderLines, Shop, Text, days

RECENT = days(30)
"""An accessory goes with what was bought within this time."""
NEW = days(60)
"""Stock is new for this long after its first sale."""
SERVICES = 3
"""Intervals after which a customer who has not come back for the product is not reminded of it."""


@dataclass(frozen=True)
class Goods:
    """One entry per customer; product ids are '' where there is none, names are ids where none are given.

    `next`, `new`: what the models expect next, and next of what they never had (`*_chance` its probability,
    `*_due` days until it is expected, NaN if not said, `*_reason`); `stock`: the first of those new to the shop;
    `accessory` of `bought`; `service`, due in `service_due` days.
    """

    next: Text
    next_chance: F64
    next_due: F64
    next_reason: Text
    new: Text
    new_chance: F64
    new_reason: Text
    stock: Text
    accessory: Text
    bought: Text
    service: Text
    service_due: F64
    names: Mapping[str, str]

    def take(self, rows: NDArray[Any]) -> Self:
        """The given customers."""
        cut = {item.name: getattr(self, item.name)[rows] for item in fields(self) if item.name != "names"}
        return replace(self, **cut)

    def name(self, product: str) -> str:
        """What people call the product."""
        return self.names.get(product, product)


def suggested_goods(scores: pd.DataFrame, shop: Shop, code: I64, as_of: int) -> Goods:
    """Goods for the customers of the scores; `code` are their positions in the shop's ids."""
    first, new = _first(scores["next_products"]), _first(scores["next_new_products"])
    if shop.products is not None and not len(shop.products):
        shop = replace(shop, products=None)  # a table without rows says as much as no table
    accessory, bought, service, due = _stated(shop, as_of)
    return Goods(
        next=_texts(first, "product_id"),
        next_chance=_chances(first),
        next_due=_due(first, as_of),
        next_reason=_texts(first, "reason"),
        new=_texts(new, "product_id"),
        new_chance=_chances(new),
        new_reason=_texts(new, "reason"),
        stock=_new_stock(scores["next_new_products"], shop, as_of),
        accessory=_ids(shop, accessory)[code],
        bought=_ids(shop, bought)[code],
        service=_ids(shop, service)[code],
        service_due=due[code],
        names=_names(shop, as_of),
    )


def _first(lists: pd.Series[Any]) -> list[Mapping[str, Any]]:
    return [items[0] if items is not None and len(items) else {} for items in lists]


def _texts(items: list[Mapping[str, Any]], key: str) -> Text:
    out = np.full(len(items), "", np.object_)
    out[:] = [str(item.get(key) or "") for item in items]
    return out


def _chances(items: list[Mapping[str, Any]]) -> F64:
    return np.array([item.get("probability", np.nan) for item in items], np.float64)


def _due(items: list[Mapping[str, Any]], as_of: int) -> F64:
    moments = np.array([item.get("expected_at") or "NaT" for item in items], "datetime64[us]")
    known = ~np.isnat(moments)
    return np.where(known, (np.where(known, moments.view(np.int64), as_of) - as_of) / DAY, np.nan)


def _ids(shop: Shop, product: I32) -> Text:
    return np.append(shop.product_ids, "").astype(np.object_)[product]  # NONE (-1) is the appended ''


def _names(shop: Shop, as_of: int) -> dict[str, str]:
    if shop.products is None or not len(shop.product_ids):
        return {}
    row = _rows(shop, as_of)
    word = np.where(row >= 0, shop.products.name[row], NONE)
    names = shop.words.get("products.name", np.zeros(0, np.object_))
    return {str(shop.product_ids[at]): str(names[word[at]]) for at in np.flatnonzero(word != NONE)}


def _rows(shop: Shop, as_of: int) -> I64:
    """Position of each product's row as known before `as_of`, undated rows included; -1 without one."""
    if shop.products is None or not len(shop.products):
        return np.full(len(shop.product_ids), -1, np.int64)
    every = np.arange(len(shop.product_ids), dtype=np.int32)
    return known_row(shop.products, every, np.full(len(every), as_of - 1), trust_undated=True)


def _new_stock(lists: pd.Series[Any], shop: Shop, as_of: int) -> Text:
    lines = _sold(shop, as_of)
    start = np.full(len(shop.product_ids), np.iinfo(np.int64).max)
    np.minimum.at(start, lines.product, lines.time)
    # What was there when the shop's data begins is not known to be new.
    fresh = set(shop.product_ids[(start >= as_of - NEW) & (start < as_of) & (start > shop.first + NEW)])
    out = np.full(len(lists), "", np.object_)
    if fresh:
        out[:] = [_first_in(fresh, items) for items in lists]
    return out


def _first_in(wanted: set[str], items: Any) -> str:
    ids = (str(item["product_id"]) for item in (items if items is not None else ()))
    return next((product for product in ids if product in wanted), "")


def _sold(shop: Shop, as_of: int) -> OrderLines:
    lines = shop.orders
    return lines.take((lines.visible < as_of) & (lines.revenue > 0) & (lines.product != NONE))


def _stated(shop: Shop, as_of: int) -> tuple[I32, I32, I32, F64]:
    """By customer: an accessory they lack, what it goes with, the product next due for service, in how many days."""
    size = len(shop.customer_ids)
    accessory, bought, service = (np.full(size, NONE, np.int32) for _ in range(3))
    due = np.full(size, np.nan)
    row = _rows(shop, as_of)
    if shop.products is None or not len(row):
        return accessory, bought, service, due
    lines = _sold(shop, as_of)
    lines = lines.take(lines.customer != NONE)
    lines = lines.take(np.lexsort((lines.product, lines.time)))
    of = np.where(row >= 0, shop.products.accessory_of[row], NONE)
    _pair(lines, of, as_of, accessory, bought)
    interval = np.where(row >= 0, shop.products.service_interval_days[row], np.nan)
    _service(lines, interval, as_of, service, due)
    return accessory, bought, service, due


def _pair(lines: OrderLines, of: I64, as_of: int, accessory: I32, bought: I32) -> None:
    """For each customer the first accessory, by id, of what they bought last and that they never bought."""
    pairs = pd.DataFrame({"accessory": np.flatnonzero(of != NONE), "product": of[of != NONE]})
    if pairs.empty:
        return
    recent = lines.take(lines.time >= as_of - RECENT)
    wanted = pd.DataFrame({"customer": recent.customer, "product": recent.product, "time": recent.time})
    offers = wanted.merge(pairs, on="product")
    width = len(of)
    owned = lines.customer.astype(np.int64) * width + lines.product
    key = offers["customer"].to_numpy(np.int64) * width + offers["accessory"].to_numpy(np.int64)
    offers = offers[~np.isin(key, owned)].sort_values(["time", "accessory"], ascending=[True, False], kind="stable")
    customer = offers["customer"].to_numpy()
    accessory[customer], bought[customer] = offers["accessory"].to_numpy(), offers["product"].to_numpy()


def _service(lines: OrderLines, interval: F64, as_of: int, service: I32, due: F64) -> None:
    """For each customer the product whose next service comes first; reminders end after `SERVICES` intervals."""
    every = interval[lines.product]
    rows = lines.take(every >= 1)
    every = every[every >= 1]
    last = pd.DataFrame({"customer": rows.customer, "product": rows.product, "time": rows.time, "every": every})
    last = last.drop_duplicates(["customer", "product"], keep="last")
    last = last[(as_of - last["time"]) / DAY < SERVICES * last["every"]]
    age = (as_of - last["time"].to_numpy(np.int64)) / DAY
    wait = last["every"].to_numpy() - np.mod(age, last["every"].to_numpy())
    order = np.lexsort((last["product"].to_numpy(), wait))[::-1]  # the soonest is written last
    customer = last["customer"].to_numpy()[order]
    service[customer], due[customer] = last["product"].to_numpy()[order], wait[order]
