"""One customer, in words and numbers: what is expected, why, what it is told from, and what they have brought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from regulars.features.asof import AsOf, Moments
from regulars.features.logs import Logs
from regulars.features.past import Past
from regulars.features.settings import Settings
from regulars.features.shop import MONEY, NEVER, Shop, as_datetime
from regulars.features.table import feature_table
from regulars.models.reasons import count
from regulars.serving.feature_choice import in_which_nothing_happened
from regulars.serving.goods import suggested_goods
from regulars.serving.predictor import Predictor
from regulars.serving.scoring import PROSPECT, SUPPRESSED


@dataclass(frozen=True)
class Explanation:
    """One customer at one moment.

    Attributes:
        values: `score` (the row that `score` returns), `history` (what the tables say of them), `money` (the parts
            of their profit, which add up), and `features` (name: value, unit, meaning) that the models read.
        text: the same in words, for people.
    """

    values: dict[str, Any]
    text: str


def explain(predictor: Predictor, shop: Shop, customer_id: str, as_of: int, top: int = 3) -> Explanation:
    """What is known and expected of one customer.

    Args:
        predictor: whose answers are explained.
        shop: the tables; what was known before `as_of` counts.
        customer_id: who.
        as_of: the moment, in microseconds.
        top: products told.

    Raises:
        UnknownCustomerError: if the customer is not known before the moment.
    """
    scores = predictor.score(shop, as_of, top=top, only=[customer_id])
    settings, features = predictor.bundle.settings, predictor.bundle.feature_list()
    filled = in_which_nothing_happened(shop, features)
    code = int(np.searchsorted(shop.customer_ids, customer_id))
    moments = Moments(np.array([code], np.int32), np.array([as_of]))
    logs = Logs(filled, settings)
    past = Past(logs, moments)
    found = feature_table(logs, moments, predictor.bundle.context, features).values[0].tolist()
    values = {
        "score": _plain(scores.iloc[0]),
        "history": _history(past),
        "money": _money(past),
        "features": {
            feature.name: {"value": _number(value), "unit": feature.unit, "meaning": feature.meaning}
            for feature, value in zip(features, found, strict=True)
        },
    }
    goods = suggested_goods(scores, shop, np.array([code]), as_of)
    return Explanation(values, _text(values, settings, goods.names))


def _history(past: Past) -> dict[str, Any]:
    """What happened, counted."""
    return {
        "orders": int(past.orders.count()[0]),
        "first_order_at": _date(past.orders.first_time()[0]),
        "last_order_at": _date(past.orders.last_time()[0]),
        "usual_gap_days": _number(float(past.orders.gaps().median[0])),
        "tickets": _sum(past.support, "opened"),
        "complaints": _sum(past.support, "complained"),
        "contacts": int(past.contacts.count()[0]),
        "last_contact_at": _date(past.contacts.last_time()[0]),
        "referrals": _sum(past.advocacy, "referral"),
    }


def _money(past: Past) -> dict[str, float]:
    """The parts of the profit, in currency units: `margin - cost_to_serve + referred_margin = profit`."""
    return {
        "sold": _sum(past.lines, "sold") / MONEY,
        "refunded": _sum(past.lines, "refunded") / MONEY,
        "margin": _sum(past.lines, "margin") / MONEY,
        "cost_to_serve": float(past.cost_to_serve()[0]),
        "referred_margin": float(past.referred_margin()[0]),
        "profit": float(past.profit()[0]),
    }


def _sum(at: AsOf, column: str) -> int:
    return int(at.sum(column)[0]) if column in at.log.columns else 0


def _date(moment: int) -> str | None:
    return None if moment == NEVER else str(as_datetime(np.array([moment]))[0])[:10]


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _plain(row: pd.Series[Any]) -> dict[str, Any]:
    """The row as values that JSON knows."""
    out: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, pd.Timestamp):
            out[str(name)] = value.isoformat()
        else:
            out[str(name)] = None if value is pd.NaT else value
    return out


def _text(values: dict[str, Any], settings: Settings, names: Mapping[str, str]) -> str:
    score, history, money = values["score"], values["history"], values["money"]
    currency, horizon = settings.shop.currency, settings.churn.horizon_days
    order = "first order" if history["orders"] == 0 else "order"
    lines = [
        f"Customer {score['customer_id']} as known before {score['as_of'][:10]} (model {score['model_version']})",
        f"Status: {score['status']}{_why(score['status'])}. Stage: {score['stage']}.",
        (
            f"{_risk(score, settings, order)} within {horizon} days: {score['churn_probability']:.0%}, "
            f"higher than that of {score['churn_percentile']:.0f} % of the scored customers."
        ),
        _next(score, order),
        (
            f"Expected within {horizon} days: {score['expected_orders']:z.2f} orders, a margin of "
            f"{score['expected_margin']:z.2f} {currency} (80 %: {score['expected_margin_low']:z.2f} to "
            f"{score['expected_margin_high']:z.2f})."
        ),
        "Why:",
        *(f"  - {reason}" for reason in score["reasons"]),
        _past(history),
        (
            f"Profit to date: {money['profit']:z.2f} {currency} = margin {money['margin']:z.2f} - cost to serve "
            f"{money['cost_to_serve']:z.2f} + credited for referrals {money['referred_margin']:z.2f} "
            f"(sold {money['sold']:z.2f}, refunded {money['refunded']:z.2f})."
        ),
        *_products("Likely to buy", score["next_products"], names),
        *_products("Likely to buy for the first time", score["next_new_products"], names),
    ]
    return "\n".join(lines) + "\n"


def _risk(score: dict[str, Any], settings: Settings, order: str) -> str:
    by_contract = settings.churn.is_contract and score["status"] != PROSPECT
    return "Chance that they cancel" if by_contract else f"Chance of no {order}"


def _why(status: str) -> str:
    return {SUPPRESSED: " (must not be contacted, or has left)", PROSPECT: " (no order yet)"}.get(status, "")


def _next(score: dict[str, Any], order: str) -> str:
    if score["next_order_at"] is None:
        return f"{_which(order)} is not expected within two years."
    end = f"and {score['next_order_to'][:10]}" if score["next_order_to"] else "and later than two years from now"
    start = f"between {score['next_order_from'][:10]} {end}" if score["next_order_from"] else "later"
    return f"{_which(order)} is expected around {score['next_order_at'][:10]} (80 %: {start})."


def _which(order: str) -> str:
    return f"The {order}" if order.startswith("first") else f"The next {order}"


def _past(history: dict[str, Any]) -> str:
    if history["orders"] == 0:
        told = "No order yet"
    else:
        gap = history["usual_gap_days"]
        rhythm = f", usually {gap:.0f} days apart" if gap is not None else ""
        orders = count(history["orders"], "order")
        told = f"{orders} from {history['first_order_at']} to {history['last_order_at']}{rhythm}"
    rest = ", ".join(count(history[f"{one}s"], one) for one in ("ticket", "complaint", "contact", "referral"))
    return f"History: {told}; {rest}."


def _products(title: str, items: list[dict[str, Any]], names: Mapping[str, str]) -> list[str]:
    if not items:
        return []
    told = (
        f"  - {names.get(item['product_id'], item['product_id'])}: {item['probability']:.0%} ({item['reason']})"
        for item in items
    )
    return [f"{title}:", *told]
