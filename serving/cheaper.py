"""Whom to serve more cheaply: customers who cost more to serve than they bring, unless they bring others."""

from __future__ import annotations

import numpy as np
import pandas as pd

from regulars.features.asof import Moments
from regulars.features.logs import Logs
from regulars.features.past import Past
from regulars.features.settings import Settings
from regulars.features.shop import PIECES, Shop, days

COLUMNS = ("customer_id", "margin", "cost_to_serve", "referred_margin", "shortfall", "minutes_last_year", "reason")


def serve_cheaper(scores: pd.DataFrame, shop: Shop, as_of: int, settings: Settings) -> pd.DataFrame:
    """A recommendation beside the list: the customers whose service costs more than their margin, the worst first.

    Args:
        scores: what `score` returned; prospects and those who are too new to judge are left out.
        shop: the tables; what was known before `as_of` counts.
        as_of: the moment.
        settings: the cost of a minute, the share of referred margin that is credited.

    Returns:
        `COLUMNS`: margin, cost to serve, referred margin and shortfall (cost less both) in currency units, minutes of
        the last 365 days, and the reason. Whoever referred somebody within the last 365 days is spared whatever the
        sums say, because what the referred bring may not be seen yet.
    """
    scores = scores[~scores["status"].isin(["prospect", "too_new"])].sort_values("customer_id", ignore_index=True)
    code = np.searchsorted(shop.customer_ids, scores["customer_id"].to_numpy(dtype=object)).astype(np.int32)
    past = Past(Logs(shop, settings), Moments(code, np.full(len(code), as_of)))
    nothing = np.zeros(len(code), np.int64)
    referred = past.referred_margin()
    cost = scores["cost_to_serve"].to_numpy(np.float64)
    margin = scores["profit_to_date"].to_numpy(np.float64) + cost - referred
    lately = past.advocacy.sum("referral", days(365)) if len(past.advocacy.log) else nothing
    minutes = past.support.sum("minutes", days(365)) / PIECES if len(past.support.log) else nothing.astype(np.float64)
    found = pd.DataFrame(
        {
            "customer_id": scores["customer_id"],
            "margin": margin.round(2),
            "cost_to_serve": cost.round(2),
            "referred_margin": referred.round(2),
            "shortfall": (cost - margin - referred).round(2),
            "minutes_last_year": minutes.round(1),
        }
    )
    # Without a minute spent on them there is nothing to serve more cheaply, whatever came back.
    found = found[(cost > 0) & (cost > margin) & (cost > margin + referred) & (lately == 0)]
    found = found.sort_values(["shortfall", "customer_id"], ascending=[False, True], ignore_index=True)
    pairs = zip(found["cost_to_serve"], found["margin"], strict=True)
    reason = [_reason(spent, earned, settings) for spent, earned in pairs]
    return pd.DataFrame(found.assign(reason=reason))


def _reason(cost: float, margin: float, settings: Settings) -> str:
    unit = settings.shop.currency
    return (
        f"Serving them has cost {cost:.2f} {unit} and their orders brought a margin of {margin:.2f} {unit}; "
        "answer by self-service, by e-mail or in groups before by phone or visit."
    )
