"""Made-up visits for a simulated shop: `python make_visits.py shop` writes shop/visits.csv.

Nobody's data. People come to look at times of their own, more often while they still buy; one visit in three ends at
the checkout.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd


def main(shop: Path) -> None:
    """Writes visits.csv beside the tables of the shop."""
    orders = pd.read_parquet(shop / "orders.parquet").dropna(subset="customer_id")
    rng = np.random.default_rng(7)
    times = orders.groupby("customer_id")["ordered_at"]
    active = pd.DataFrame({"first": times.min(), "last": times.max()})
    visits = active.loc[active.index.repeat(rng.poisson(8, len(active)))]
    span = (visits["last"] - visits["first"]).dt.total_seconds() + 60 * 86_400
    at = visits["first"] + pd.to_timedelta((rng.random(len(visits)) * span).round(), unit="s")
    table = pd.DataFrame({"customer_id": visits.index, "visited_at": at.to_numpy()})
    table["pages"] = 1 + rng.poisson(3, len(table))
    table["page"] = rng.choice(["home", "product", "checkout"], len(table))
    table[table["visited_at"] <= orders["ordered_at"].max()].to_csv(shop / "visits.csv", index=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
