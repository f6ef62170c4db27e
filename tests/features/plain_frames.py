"""Generated frames of all six tables as people bring them: plain columns mostly, and now and then something odd."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from regulars.features.shop import Rows, Shop
from regulars.features.tables import Advocacy, Contacts, Support

Frames = dict[str, pd.DataFrame]

customers = st.sampled_from(["a", "b", "ba", "c", "é", "Z", "customer-10", "customer-9"])
order_ids = st.sampled_from([f"2024-0000{n}" for n in range(12)] + ["7", "70", "700", "7é", "x.y"])
product_ids = st.sampled_from(["tea", "pot", "cup", "cup of tea"])
days = st.integers(19_600, 19_800)
moments = st.builds(
    lambda day, second: np.datetime64(day * 86_400 + second, "s"), days, st.sampled_from([0, 1, 43_200])
)
cents = st.integers(0, 20_000).map(lambda units: units / 100)
pieces = st.sampled_from([1.0, 2.0, 12.0, -1.0, 0.0, 0.5, 0.125])


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), values)


ORDERS: dict[str, st.SearchStrategy[Any]] = {
    "order_id": order_ids,
    "ordered_at": moments,
    "product_id": maybe(product_ids),
    "quantity": pieces,
    "unit_price": cents,
    "unit_cost": maybe(cents),
    "discount": maybe(cents),
    "channel": maybe(st.sampled_from(["web", "shop"])),
    "recorded_at": maybe(moments),
}
SUPPORT: dict[str, st.SearchStrategy[Any]] = {
    "customer_id": customers,
    "occurred_at": moments,
    "event": st.sampled_from(Support.EVENTS),
    "ticket_id": maybe(st.sampled_from(["t1", "t2", "t10"])),
    "minutes": maybe(st.integers(0, 9_000).map(lambda units: units / 100)),
    "topic": maybe(st.sampled_from(["late", "broken"])),
    "is_complaint": maybe(st.booleans()),
    "satisfaction": maybe(st.sampled_from([1.0, 2.5, 5.0])),
}
CUSTOMERS: dict[str, st.SearchStrategy[Any]] = {
    "customer_id": customers,
    "valid_from": maybe(moments),
    "birth_date": maybe(moments),
    "country": maybe(st.sampled_from(["DE", "FR"])),
    "contact_allowed": maybe(st.booleans()),
}
PRODUCTS: dict[str, st.SearchStrategy[Any]] = {
    "product_id": product_ids,
    "valid_from": maybe(moments),
    "category": maybe(st.sampled_from(["drinks", "china"])),
    "unit_cost": maybe(cents),
    "service_interval_days": maybe(st.sampled_from([30.0, 365.5])),
    "accessory_of": maybe(product_ids),
}
CONTACTS: dict[str, st.SearchStrategy[Any]] = {
    "customer_id": customers,
    "contacted_at": moments,
    "campaign": st.just("spring"),
    "play": st.sampled_from(["retain", "win_back"]),
    "arm": st.sampled_from(Contacts.ARMS),
    "cost": maybe(cents),
}
ADVOCACY: dict[str, st.SearchStrategy[Any]] = {
    "customer_id": customers,
    "occurred_at": moments,
    "kind": st.sampled_from(Advocacy.KINDS),
    "new_customer_id": maybe(customers),
    "rating": maybe(st.sampled_from([1.0, 4.0])),
}
NUMBERS = (
    "quantity",
    "unit_price",
    "unit_cost",
    "discount",
    "minutes",
    "satisfaction",
    "cost",
    "rating",
    "service_interval_days",
)
TIMES = ("ordered_at", "recorded_at", "occurred_at", "valid_from", "birth_date", "contacted_at")


def frame_of(columns: dict[str, st.SearchStrategy[Any]], rows: list[dict[str, Any]]) -> pd.DataFrame:
    made = {name: pd.Series([row[name] for row in rows], dtype=_dtype(name)) for name in columns}
    return pd.DataFrame(made)


def _dtype(name: str) -> str:
    if name in NUMBERS:
        return "float64"
    if name in {"is_complaint", "contact_allowed"}:
        return "object"
    return "datetime64[us]" if name in TIMES else "str"


@st.composite
def frames(draw: st.DrawFn) -> Frames:
    """Tables of up to a few dozen rows; an order has one customer, as it must."""
    owner: Callable[[str], str | None] = draw(_owners())
    lines = draw(st.lists(st.fixed_dictionaries(ORDERS), min_size=1, max_size=25))
    columns = {"customer_id": customers, **ORDERS}
    made = {"orders": frame_of(columns, [{"customer_id": owner(line["order_id"]), **line} for line in lines])}
    for title, rest in (
        ("support", SUPPORT),
        ("customers", CUSTOMERS),
        ("products", PRODUCTS),
        ("contacts", CONTACTS),
        ("advocacy", ADVOCACY),
    ):
        if draw(st.booleans()):
            made[title] = frame_of(rest, draw(st.lists(st.fixed_dictionaries(rest), max_size=12)))
    left_out = draw(st.sets(st.sampled_from(["product_id", "unit_cost", "discount", "channel", "recorded_at"])))
    made["orders"] = made["orders"].drop(columns=list(left_out))
    return made


@st.composite
def _owners(draw: st.DrawFn) -> Callable[[str], str | None]:
    seed = draw(st.integers(0, 99))
    names = ["a", "b", "ba", "c", "é"] + [None] * draw(st.booleans())
    return lambda order: names[(sum(map(ord, order)) + seed) % len(names)]


def contents(shop: Shop) -> dict[str, Any]:
    """Everything a shop holds, for comparison."""
    found: dict[str, Any] = {
        "customer_ids": shop.customer_ids.tolist(),
        "product_ids": shop.product_ids.tolist(),
        "words": {name: words.tolist() for name, words in shop.words.items() if len(words)},
        "given": shop.given,
    }
    for title in ("orders", "support", "customers", "products", "contacts", "advocacy"):
        rows = getattr(shop, title)
        found[title] = None if rows is None else _rows(rows)
    return found


def _rows(rows: Rows) -> list[str]:
    """Rows as text, so that NaN equals itself."""
    columns = [getattr(rows, item.name).tolist() for item in fields(rows)]
    return [repr(row) for row in zip(*columns, strict=True)]
