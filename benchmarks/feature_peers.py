"""Featuretools and tsfresh at given cutoffs: `python feature_peers.py featuretools ORDERS.parquet CUTOFF ...`.

They need an older pandas than Regulars does, so they live in an environment of their own, which `features.py` calls:

    python3 -m venv build/bench/peers
    build/bench/peers/bin/pip install featuretools tsfresh pyarrow 'pandas<3' 'setuptools<81'

Neither can say all that is measured of the others (no median of gaps between days, no churn factor, no products new to
a customer); each is asked for what comes nearest, at the same cutoffs and windows, and makes about as many columns. The
clock starts when the table is in memory. The last line is JSON, like that of `feature_steps.py`.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import warnings
from typing import Any

import pandas as pd

WINDOWS = ("30 days", "90 days", "180 days", "365 days")
TOTALS = ["count", "sum", "mean", "max", "std", "num_unique", "time_since_last", "time_since_first", "avg_time_between"]
IN_WINDOW = ["count", "sum", "num_unique"]


def read(path: str) -> pd.DataFrame:
    """Lines sold and returned, with their revenue and margin."""
    lines = pd.read_parquet(path)
    lines["revenue"] = lines["quantity"] * lines["unit_price"] - lines["discount"]
    lines["margin"] = lines["revenue"] - lines["quantity"] * lines["unit_cost"]
    columns = ["customer_id", "order_id", "ordered_at", "product_id", "quantity", "revenue", "margin"]
    return lines.loc[lines["customer_id"].notna(), columns].reset_index(drop=True)


def with_featuretools(lines: pd.DataFrame, cutoffs: list[str]) -> tuple[int, int]:
    """Deep feature synthesis over customers, orders and lines, once for all time and once for each window."""
    import featuretools as ft

    shop = ft.EntitySet("shop")
    shop = shop.add_dataframe(
        dataframe_name="lines", dataframe=lines, index="line_id", make_index=True, time_index="ordered_at"
    )
    shop = shop.normalize_dataframe(
        base_dataframe_name="lines",
        new_dataframe_name="orders",
        index="order_id",
        additional_columns=["customer_id"],
        make_time_index=True,
    )
    shop = shop.normalize_dataframe(
        base_dataframe_name="orders", new_dataframe_name="customers", index="customer_id", make_time_index=True
    )
    first = lines.groupby("customer_id")["ordered_at"].min()
    asked = pd.concat([_who(first, cutoff) for cutoff in cutoffs], ignore_index=True)
    made = []
    for window in (None, *WINDOWS):
        table, _ = ft.dfs(
            entityset=shop,
            target_dataframe_name="customers",
            cutoff_time=asked,
            agg_primitives=TOTALS if window is None else IN_WINDOW,
            trans_primitives=[],
            max_depth=2 if window is None else 1,
            training_window=window,
            include_cutoff_time=False,
            verbose=False,
        )
        made.append(table)
    return len(asked), sum(table.shape[1] for table in made)


def _who(first: pd.Series[Any], cutoff: str) -> pd.DataFrame:
    moment = pd.Timestamp(cutoff)
    known = first.index[first < moment]
    return pd.DataFrame({"customer_id": known, "time": moment})


def with_tsfresh(lines: pd.DataFrame, cutoffs: list[str]) -> tuple[int, int]:
    """Its small set of statistics of what each order was worth, and of the gaps, for all time and for each window."""
    from tsfresh import extract_features
    from tsfresh.feature_extraction import MinimalFCParameters

    orders = lines[lines["revenue"] > 0].groupby(["customer_id", "order_id"], as_index=False)
    orders = orders.agg({"ordered_at": "min", "revenue": "sum", "margin": "sum"}).sort_values("ordered_at")
    orders["gap"] = orders.groupby("customer_id")["ordered_at"].diff().dt.total_seconds().fillna(0) / 86_400
    rows = columns = 0
    for cutoff in cutoffs:
        known = orders[orders["ordered_at"] < pd.Timestamp(cutoff)]
        rows += known["customer_id"].nunique()
        made = 0
        for window in (None, *WINDOWS):
            recent = known
            if window is not None:
                recent = known[known["ordered_at"] >= pd.Timestamp(cutoff) - pd.Timedelta(window)]
            table = extract_features(
                recent.drop(columns="order_id"),
                column_id="customer_id",
                column_sort="ordered_at",
                default_fc_parameters=MinimalFCParameters(),
                n_jobs=2,
                disable_progressbar=True,
            )
            made += table.shape[1]
        columns = made
    return rows, columns


PEERS = {"featuretools": with_featuretools, "tsfresh": with_tsfresh}


def main() -> None:
    name, path, *cutoffs = sys.argv[1:]
    warnings.simplefilter("ignore")
    __import__(name)
    lines = read(path)
    start, before = time.perf_counter(), sum(os.times()[:4])
    rows, columns = PEERS[name](lines, cutoffs)
    seconds, processor = time.perf_counter() - start, sum(os.times()[:4]) - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1024 if sys.platform != "darwin" else 1) / 1e9
    found = {"seconds": seconds, "processor_seconds": processor, "peak_gb": peak, "rows": rows, "columns": columns}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
