"""Shops made from the public files that the product benchmarks run on (see data's own README for the sources)."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from regulars.features.shop import DAY, I32, OrderLines, Shop, as_time

Array = NDArray[Any]
DATA = Path(os.environ.get("REGULARS_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
NOT_PRODUCTS = ("POST", "DOT", "M", "D", "BANK CHARGES", "AMAZONFEE", "C2", "CRUK", "ADJUST", "S", "B", "PADS")
PERIOD_DAYS = 7
TAFENG_AS_OF = as_time("2001-03-01")


def online_retail_ii() -> Shop:
    """UCI Online Retail II (Chen, CC BY 4.0), both years; codes that are no products keep their line without one."""
    table = pq.read_table(DATA / "online_retail_ii" / "lines.parquet")
    invoice = table["invoice"].to_numpy(zero_copy_only=False).astype(str)
    code = table["stock_code"].to_numpy(zero_copy_only=False).astype(str)
    quantity = table["quantity"].to_numpy()
    price = np.nan_to_num(table["price"].to_numpy())
    customer = np.nan_to_num(table["customer_id"].to_numpy(), nan=-1).astype(np.int64)
    real = ~np.isin(code, NOT_PRODUCTS) & ~np.char.startswith(code, "TEST") & ~np.char.startswith(code, "gift_")
    product_ids = np.unique(code[real])
    product = np.where(real, np.searchsorted(product_ids, code), -1)
    return _shop(
        customer,
        np.unique(invoice, return_inverse=True)[1],
        product,
        product_ids,
        table["invoice_date"].to_numpy().astype("datetime64[us]").astype(np.int64),
        quantity,
        price,
    )


def tafeng() -> Shop:
    """Ta-Feng in the Reality Check's split, baskets a period apart and the future ones at `TAFENG_AS_OF`."""
    table = pq.read_table(DATA / "tafeng" / "baskets.parquet")
    user, number = table["user_id"].to_numpy().astype(np.int64), table["order_number"].to_numpy().astype(np.int64)
    future = table["part"].to_numpy(zero_copy_only=False) == "future"
    last = np.zeros(user.max() + 1, dtype=np.int64)
    np.maximum.at(last, user[~future], number[~future])
    back = np.where(future, 0, last[user] - number + 1)
    product_ids = np.unique(table["product_id"].to_numpy().astype(str))
    product = np.searchsorted(product_ids, table["product_id"].to_numpy().astype(str))
    time = TAFENG_AS_OF - back * PERIOD_DAYS * DAY
    order = np.unique(user * 1_000 + np.where(future, 999, number), return_inverse=True)[1]
    ones = np.ones(len(user))
    return _shop(user, order, product, product_ids, time, ones, ones)


def tafeng_folds(shop: Shop, drawn: int = 2, seed: int = 0) -> list[I32]:
    """Test customers, sorted: of the Reality Check's fold 0, then of folds of our own, no customer in two of them."""
    tested = np.array(json.loads((DATA / "tafeng" / "keyset_0.json").read_text(encoding="utf-8"))["test"])
    given = np.sort(np.searchsorted(shop.customer_ids, tested)).astype(np.int32)
    others = np.setdiff1d(np.arange(len(shop.customer_ids)), given)
    mixed = np.random.default_rng(seed).permutation(others)[: drawn * len(given)]
    return [given, *(np.sort(fold).astype(np.int32) for fold in mixed.reshape(drawn, len(given)))]


def _shop(
    customer: Array, order: Array, product: Array, product_ids: Array, time: Array, quantity: Array, price: Array
) -> Shop:
    """A shop of these lines; those of zero value hold nothing."""
    ids = np.unique(customer[customer >= 0].astype(str))
    codes = np.where(customer >= 0, np.searchsorted(ids, customer.astype(str)), -1)
    revenue = np.rint(quantity * price * 10_000).astype(np.int64)
    pieces = np.where(revenue == 0, 0, np.rint(quantity * 1_000)).astype(np.int64)
    nothing = np.zeros(len(time), dtype=np.int64)
    lines = OrderLines(
        time=time,
        visible=time,
        customer=codes.astype(np.int32),
        order=order.astype(np.int64),
        product=product.astype(np.int32),
        quantity=pieces,
        revenue=revenue,
        margin=revenue,
        discount=nothing,
        channel=np.full(len(time), -1, dtype=np.int32),
    )
    return Shop(ids.astype(object), product_ids.astype(object), lines, given=frozenset({"orders", "orders.product_id"}))
