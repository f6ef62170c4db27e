from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from regulars.features.settings import Settings
from regulars.features.shop import Shop, as_time
from regulars.serving.cheaper import COLUMNS, serve_cheaper

NOW = as_time("2024-06-01")


def test_who_drains_more_than_they_bring_unless_they_bring_others(
    make_shop: Callable[..., Shop], make_scores: Callable[..., pd.DataFrame]
) -> None:
    orders = [(name, "2024-01-01", "p", 100.0) for name in "abcdefg"] + [("n", "2024-02-01", "p", 400.0)]
    work = [("a", "2024-05-01", "worked", "90"), ("a", "2024-06-01", "worked", "9")]
    shop = make_shop(
        orders,
        support=("customer_id occurred_at event minutes", work),
        advocacy=(
            "customer_id occurred_at kind new_customer_id",
            [("c", "2024-01-15", "referral", "n"), ("d", "2024-05-15", "referral", None)],
        ),
    )
    scores = make_scores(
        "abcdefg",  # g sent back more than they bought, and took nobody's time
        status=["scored", "scored", "scored", "scored", "too_new", "lapsed", "scored"],
        cost_to_serve=[54.0, 10.0, 60.0, 60.0, 60.0, 41.0, 0.0],
        profit_to_date=[-14.0, 30.0, 60.0, -20.0, -20.0, -1.0, -5.0],
    )
    found = serve_cheaper(scores, shop, NOW, Settings())
    assert tuple(found.columns) == COLUMNS
    assert found["customer_id"].tolist() == ["a", "f"]
    assert found["margin"].tolist() == [40.0, 40.0]
    assert found["shortfall"].tolist() == [14.0, 1.0]
    assert found["minutes_last_year"].tolist() == [90.0, 0.0]
    assert "has cost 54.00 GBP" in found["reason"][0]
