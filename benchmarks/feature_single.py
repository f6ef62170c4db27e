"""One customer: from pandas frames of their events to their feature row, ours beside pandas as people write it."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import Any

import feature_pandas
import numpy as np
import pandas as pd

Frames = dict[str, pd.DataFrame]
AS_OF = "2025-01-01"
ORDER_LINES, SUPPORT_EVENTS, CONTACTS, REFERRALS = 40, 12, 8, 2
WARM_UP = 20


def frames(seed: int) -> Frames:
    """One customer's tables, as an application has them at hand."""
    random = np.random.default_rng(seed)
    days = np.sort(random.integers(0, 700, 12))
    order = np.sort(random.integers(0, len(days), ORDER_LINES))
    first = pd.Timestamp("2023-01-15 10:20:30.123456")

    def moments(count: int) -> pd.DatetimeIndex:
        return first + pd.to_timedelta(np.sort(random.integers(0, 700 * 86_400, count)), unit="s").as_unit("us")

    orders = pd.DataFrame(
        {
            "customer_id": "C00000001",
            "order_id": [f"O{number:05d}" for number in order],
            "ordered_at": first + pd.to_timedelta(days[order], unit="D").as_unit("us"),
            "product_id": [f"P{number:04d}" for number in random.integers(0, 25, ORDER_LINES)],
            "quantity": np.where(random.random(ORDER_LINES) < 0.05, -1, random.integers(1, 4, ORDER_LINES)),
            "unit_price": random.integers(200, 9_000, ORDER_LINES) / 100,
            "unit_cost": random.integers(100, 200, ORDER_LINES) / 100,
            "discount": np.where(random.random(ORDER_LINES) < 0.1, 0.5, 0.0),
            "channel": "web",
        }
    )
    support = pd.DataFrame(
        {
            "customer_id": "C00000001",
            "occurred_at": moments(SUPPORT_EVENTS),
            "event": ["opened", "replied", "worked", "closed"] * (SUPPORT_EVENTS // 4),
            "ticket_id": np.repeat([f"T{number}" for number in range(SUPPORT_EVENTS // 4)], 4),
            "minutes": [None, None, 12.5, None] * (SUPPORT_EVENTS // 4),
            "is_complaint": [True, None, None, None] * (SUPPORT_EVENTS // 4),
        }
    )
    contacts = pd.DataFrame(
        {
            "customer_id": "C00000001",
            "contacted_at": moments(CONTACTS),
            "campaign": "spring",
            "play": "retain",
            "arm": ["contacted"] * (CONTACTS - 1) + ["held_out"],
        }
    )
    advocacy = pd.DataFrame(
        {
            "customer_id": "C00000001",
            "occurred_at": moments(REFERRALS),
            "kind": ["referral", "review"],
            "rating": [None, 5.0],
        }
    )
    return {"orders": orders, "support": support, "contacts": contacts, "advocacy": advocacy}


def ours(tables: Frames) -> dict[str, float]:
    """The feature row, as an application asks for it: settings and columns are at hand."""
    from regulars.features.rows import feature_rows

    settings, features, moment = _at_hand(frozenset(tables))
    values = feature_rows(tables, moment, settings, features)[0]
    return dict(zip((feature.name for feature in features), values.tolist(), strict=True))


@cache
def _at_hand(titles: frozenset[str]) -> tuple[Any, list[Any], int]:
    """What does not change from customer to customer: settings, the features their tables allow, the moment."""
    from regulars.features.rows import shop_at_hand
    from regulars.features.settings import Settings
    from regulars.features.shop import as_time
    from regulars.features.table import features_of

    settings = Settings()
    example = {title: frame for title, frame in frames(0).items() if title in titles}
    return settings, features_of(shop_at_hand(example, settings), settings), as_time(AS_OF)


def pandas(tables: Frames) -> dict[str, float]:
    """The main features, written for one customer: masks and sums, and one group-by for the orders."""
    cutoff, day = pd.Timestamp(AS_OF), pd.Timedelta(days=1)
    lines = tables["orders"]
    lines = lines[lines["ordered_at"] < cutoff]
    value = ((lines["quantity"] * lines["unit_price"]).abs() - lines["discount"]).clip(lower=0)
    lines = lines.assign(revenue=value.where(lines["quantity"] > 0, -value))
    lines = lines.assign(margin=lines["revenue"] - lines["quantity"] * lines["unit_cost"])
    sales, back = lines[lines["revenue"] > 0], lines[lines["revenue"] < 0]
    orders = sales.groupby("order_id").agg(at=("ordered_at", "min"), revenue=("revenue", "sum")).sort_values("at")
    gaps = orders["at"].dt.normalize().drop_duplicates().diff().dt.days
    sold, since_last = sales["revenue"].sum(), (cutoff - orders["at"].max()) / day
    row = {
        "days_since_last_order": since_last,
        "tenure_days": (cutoff - orders["at"].min()) / day,
        "orders_total": len(orders),
        "lines_total": len(sales),
        "lines_per_order": len(sales) / len(orders),
        "revenue_total": lines["revenue"].sum(),
        "margin_total": lines["margin"].sum(),
        "revenue_per_order": orders["revenue"].mean(),
        "last_order_revenue": orders["revenue"].iloc[-1],
        "dearest_line": sales["revenue"].max(),
        "returned_share": -back["revenue"].sum() / sold,
        "discount_share": sales["discount"].sum() / (sales["discount"].sum() + sold),
        "revenue_per_piece": sold / sales["quantity"].sum(),
        "usual_gap_days": gaps.median(),
        "mean_gap_days": gaps.mean(),
        "gap_spread": gaps.std() / gaps.mean(),
        "churn_factor": since_last / gaps.median(),
        "order_days_total": len(gaps),
        "products_total": sales["product_id"].nunique(),
        "new_product_share": sales["product_id"].nunique() / len(sales),
    }
    return row | _windows(tables, lines, orders)


def _windows(tables: Frames, lines: pd.DataFrame, orders: pd.DataFrame) -> dict[str, float]:
    cutoff = pd.Timestamp(AS_OF)
    support, contacts = tables["support"], tables["contacts"]
    support, contacts = support[support["occurred_at"] < cutoff], contacts[contacts["contacted_at"] < cutoff]
    row = {}
    for window in feature_pandas.WINDOWS:
        since = cutoff - pd.Timedelta(days=window)
        recent, worked = lines[lines["ordered_at"] >= since], support[support["occurred_at"] >= since]
        row[f"orders_{window}d"] = (orders["at"] >= since).sum()
        row[f"revenue_{window}d"] = recent["revenue"].sum()
        row[f"margin_{window}d"] = recent["margin"].sum()
        row[f"products_{window}d"] = recent.loc[recent["revenue"] > 0, "product_id"].nunique()
        row[f"tickets_{window}d"] = (worked["event"] == "opened").sum()
        row[f"minutes_{window}d"] = worked["minutes"].sum()
        row[f"contacted_{window}d"] = ((contacts["contacted_at"] >= since) & (contacts["arm"] == "contacted")).sum()
    return row


WAYS: dict[str, Callable[[Frames], dict[str, float]]] = {"ours": ours, "pandas": pandas}


def times(calls: int) -> dict[str, Any]:
    """Milliseconds (median, 95th percentile; processor) and columns of each way after a warm-up; they must agree.

    Raises:
        ValueError: where a column that both have differs.
    """
    shops = [frames(seed) for seed in range(calls + WARM_UP)]
    found: dict[str, Any] = {}
    rows: dict[str, dict[str, float]] = {}
    for name, way in WAYS.items():
        wall, processor = np.empty(len(shops)), np.empty(len(shops))
        for i, tables in enumerate(shops):
            start, before = time.perf_counter(), time.process_time()
            rows[name] = way(tables)
            wall[i], processor[i] = time.perf_counter() - start, time.process_time() - before
        median, late = np.quantile(1_000 * wall[WARM_UP:], [0.5, 0.95])
        found[name] = {
            "median_ms": median,
            "p95_ms": late,
            "processor_ms": np.median(1_000 * processor[WARM_UP:]),
            "columns": len(rows[name]),
        }
    for name in rows["ours"].keys() & rows["pandas"].keys():
        a, b = rows["ours"][name], rows["pandas"][name]
        if not np.isclose(a, b, rtol=1e-9, atol=1e-9, equal_nan=True):
            raise ValueError(f"{name} of one customer: {a} with us, {b} with pandas")
    return {"ways": found}
