"""The main order-based features in pandas, the way people write them in a notebook: filter, group, merge, per cutoff.

The names and meanings are ours, so that `features.py` can check the numbers; the rest of the columns is left out.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

WINDOWS = (30, 90, 180, 365)


def table(orders: Path, cutoffs: list[str]) -> pd.DataFrame:
    """The features of everybody with an order, at each cutoff."""
    lines = pd.read_parquet(orders)
    lines = lines[lines["customer_id"].notna()]
    return pd.concat([at(lines, pd.Timestamp(cutoff)) for cutoff in cutoffs], ignore_index=True)


def at(lines: pd.DataFrame, cutoff: pd.Timestamp) -> pd.DataFrame:
    """The features at one cutoff, from order lines."""
    known = lines[lines["ordered_at"] < cutoff].copy()
    sign = np.where(known["quantity"] < 0, -1, 1)
    gross = (known["quantity"] * known["unit_price"]).abs()
    known["revenue"] = sign * (gross - known["discount"]).clip(lower=0)
    known["margin"] = known["revenue"] - known["quantity"] * known["unit_cost"]
    known = known[known["revenue"].abs() > 0.00005]
    sales = known[known["revenue"] > 0]
    orders = sales.groupby(["customer_id", "order_id"]).agg(
        ordered_at=("ordered_at", "min"), revenue=("revenue", "sum")
    )
    orders = orders.reset_index().sort_values(["customer_id", "ordered_at", "order_id"])
    found = _often(orders, cutoff).join(_rhythm(orders), how="left")
    found = found.join(_money(known, sales), how="left").join(_breadth(sales), how="left")
    for window in WINDOWS:
        since = cutoff - pd.Timedelta(days=window)
        recent, bought = known[known["ordered_at"] >= since], sales[sales["ordered_at"] >= since]
        found[f"orders_{window}d"] = orders[orders["ordered_at"] >= since].groupby("customer_id").size()
        found[f"revenue_{window}d"] = recent.groupby("customer_id")["revenue"].sum()
        found[f"margin_{window}d"] = recent.groupby("customer_id")["margin"].sum()
        found[f"products_{window}d"] = bought.groupby("customer_id")["product_id"].nunique()
        names = [f"{name}_{window}d" for name in ("orders", "revenue", "margin", "products")]
        found[names] = found[names].fillna(0)
    found["churn_factor"] = found["days_since_last_order"] / found["usual_gap_days"]
    found["lines_per_order"] = found["lines_total"] / found["orders_total"]
    found["new_product_share"] = found["products_total"] / found["lines_total"]
    found.insert(0, "as_of", cutoff)
    return found.reset_index()


def _often(orders: pd.DataFrame, cutoff: pd.Timestamp) -> pd.DataFrame:
    grouped = orders.groupby("customer_id")
    day = pd.Timedelta(days=1)
    return pd.DataFrame(
        {
            "orders_total": grouped.size(),
            "days_since_last_order": (cutoff - grouped["ordered_at"].max()) / day,
            "tenure_days": (cutoff - grouped["ordered_at"].min()) / day,
            "revenue_per_order": grouped["revenue"].mean(),
            "last_order_revenue": grouped["revenue"].last(),
        }
    )


def _rhythm(orders: pd.DataFrame) -> pd.DataFrame:
    days = orders.assign(day=orders["ordered_at"].dt.normalize()).drop_duplicates(["customer_id", "day"])
    gap = days.groupby("customer_id")["day"].diff().dt.days
    grouped = gap.groupby(days["customer_id"])
    return pd.DataFrame(
        {
            "order_days_total": days.groupby("customer_id").size(),
            "usual_gap_days": grouped.median(),
            "mean_gap_days": grouped.mean(),
            "gap_spread": grouped.std() / grouped.mean(),
        }
    )


def _money(known: pd.DataFrame, sales: pd.DataFrame) -> pd.DataFrame:
    everything, sold = known.groupby("customer_id"), sales.groupby("customer_id")
    back = known[known["revenue"] < 0].groupby("customer_id")["revenue"].sum()
    revenue = sold["revenue"].sum()
    return pd.DataFrame(
        {
            "lines_total": sold.size(),
            "revenue_total": everything["revenue"].sum(),
            "margin_total": everything["margin"].sum(),
            "dearest_line": sold["revenue"].max(),
            "returned_share": (-back / revenue).where(back.notna(), 0.0),
            "discount_share": sold["discount"].sum() / (sold["discount"].sum() + revenue),
            "revenue_per_piece": revenue / sold["quantity"].sum(),
        }
    )


def _breadth(sales: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"products_total": sales.groupby("customer_id")["product_id"].nunique()})
