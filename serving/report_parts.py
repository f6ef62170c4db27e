"""What the report says, worked out from scores, the list and the backtest; the template only sets it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regulars.serving.drawing import Mark, line_chart
from regulars.serving.facts import LEAST_CHANCE
from regulars.serving.outreach import CONTACT, HOLD_OUT, OutreachList

if TYPE_CHECKING:
    from markupsafe import Markup

F64 = NDArray[np.float64]

TOP_ROWS = 20
BEST_SHARE = 0.2

SYMBOLS: Mapping[str, str] = {"GBP": "\u00a3", "EUR": "\u20ac", "USD": "$", "JPY": "\u00a5", "INR": "\u20b9"}
"""Currencies whose symbol everybody reads; others are written as given, after the amount."""

STATUSES: Mapping[str, str] = {
    "scored": "customers with a history to go by",
    "too_new": "first order in the last few days",
    "lapsed": "silent for so long that they are counted as gone",
    "prospect": "known, and have not bought yet",
    "suppressed": "do not want contact, or have left",
}
CONTRACT_STATUSES: Mapping[str, str] = {
    "scored": "customers with a contract",
    "too_new": "contract of the last few days",
    "prospect": "known, and have no contract",
}
"""What is told otherwise where customers hold contracts."""
STAGES: Mapping[str, str] = {
    "prospect": "no order yet",
    "exploring": "first steps",
    "expanding": "buying more",
    "committed": "steady regulars",
    "fading": "slower than their habit",
    "gone": "most likely lost",
}
METRICS: Sequence[tuple[str, str, str, str, bool]] = (
    ("order_times", "log_loss", "Who leaves", "log loss", False),
    ("order_times", "auc", "Who leaves: order of risk", "AUC", True),
    ("order_times", "lift_top_decile", "Leavers in the riskiest tenth", "times a random tenth", True),
    ("dates", "censored_crps", "When the next order comes", "days of error (CRPS)", False),
    ("value", "mae", "What a customer brings", "mean error, money", False),
    ("value", "rank_correlation", "Who brings most", "rank correlation", True),
    ("next_product", "hit_10", "What is bought next", "hit rate, 10 products", True),
    ("next_product", "hit_10_repeat", "What is bought again", "hit rate, 10 products", True),
    ("next_product", "hit_10_first", "What is bought for the first time", "hit rate, 10 products", True),
)

CONTRACT_METRICS: Sequence[tuple[str, str, str, str, bool]] = (
    ("cancellation", "log_loss", "Who cancels", "log loss", False),
    ("cancellation", "auc", "Who cancels: order of risk", "AUC", True),
    ("cancellation", "lift_top_decile", "Cancellations in the riskiest tenth", "times a random tenth", True),
    ("order_times", "log_loss", "Who orders no more", "log loss", False),
    *(row for row in METRICS if row[0] != "order_times"),
)
"""The same where customers hold contracts."""


class Headline(NamedTuple):
    """The numbers at the top; money in currency units."""

    customers: int
    orders: float
    margin: float
    at_risk: float
    likely_to_leave: int
    scored: int
    leaving: float


@dataclass(frozen=True)
class Bar:
    """One group of customers."""

    name: str
    told: str
    count: int
    share: float


class Drawn(NamedTuple):
    """A sentence and its chart."""

    sentence: str
    chart: Markup


class Quality(NamedTuple):
    """The best model and the best baseline on one metric, means over cutoffs."""

    question: str
    unit: str
    model: str
    value: float
    low: float
    high: float
    baseline: str
    baseline_value: float
    better: bool
    cutoffs: int


class PlayTotals(NamedTuple):
    """One play's part of the list."""

    name: str
    contacts: int
    held_out: int
    cost: float
    profit: float


@dataclass(frozen=True)
class Drain:
    """Those who cost more than they bring."""

    count: int
    shortfall: float
    rows: Sequence[Mapping[str, Any]]


def headline(scores: pd.DataFrame) -> Headline:
    """What the customers are expected to bring, and how much of it may stay away.

    At risk is what each scored customer brings when ordering (or while the contract is kept), times the chance that no
    order comes (that it is cancelled). `leaving` is how many of them are expected to leave.
    """
    seen = scores[scores["status"] == "scored"]
    risk = seen["churn_probability"].to_numpy(np.float64)
    worth = np.maximum(seen["expected_margin"].to_numpy(np.float64), 0) / np.maximum(1 - risk, LEAST_CHANCE)
    return Headline(
        len(scores),
        float(scores["expected_orders"].sum()),
        float(scores["expected_margin"].sum()),
        float((worth * risk).sum()),
        int((risk > 0.5).sum()),
        len(seen),
        float(risk.sum()),
    )


def statuses(by_contract: bool) -> Mapping[str, str]:
    """What each status means."""
    return {**STATUSES, **CONTRACT_STATUSES} if by_contract else STATUSES


def counts(scores: pd.DataFrame, column: str, told: Mapping[str, str]) -> list[Bar]:
    """Customers by status or stage, in the order of `told`; a value that is not there comes last."""
    found = scores[column].value_counts()
    order = [name for name in told if name in found] + sorted(name for name in found.index if name not in told)
    return [Bar(name, told.get(name, ""), int(found[name]), float(found[name] / len(scores))) for name in order]


def whale(scores: pd.DataFrame, currency: str) -> Drawn | None:
    """Profit to date added up, the most profitable customer first: it climbs, and falls where some cost more.

    Source: Kaplan and Narayanan 2001, 'Measuring and managing customer profitability' (the whale curve).
    """
    profit = np.sort(scores.loc[scores["status"] != "prospect", "profit_to_date"].to_numpy(np.float64))[::-1]
    if len(profit) < 2 or not (profit > 0).any():
        return None
    total = np.append(0.0, np.cumsum(profit))
    best, peak = round(len(profit) * BEST_SHARE), int(total.argmax())
    losers = int((profit < 0).sum())
    sentence = f"All customers together have brought {money(total[-1], currency)}, and the best {BEST_SHARE:.0%}"
    sentence += f" alone {money(total[best], currency)}."
    if losers:
        lost = money(total[-1] - total[peak], currency)
        many = f"{count(losers)} have cost more than they brought, {lost} together."
        sentence += f" 1 has cost more than it brought, {lost}." if losers == 1 else f" {many}"
    marks = [Mark(best, total[best], f"best {BEST_SHARE:.0%}: {money(total[best], currency)}", below=True)]
    if losers and peak > len(profit) * 0.5:
        marks.append(Mark(peak, total[peak], f"peak: {money(total[peak], currency)}", "end"))
    chart = line_chart(
        np.arange(len(total), dtype=np.float64),
        total,
        x_title="customers, the most profitable first",
        y_title=f"profit to date added up, {currency}",
        alt=sentence,
        marks=marks,
    )
    return Drawn(sentence, _safe(chart))


def quality(records: pd.DataFrame | None) -> list[Quality]:
    """For each question the best model that is no baseline beside the best baseline, each over all its cutoffs."""
    if records is None or not len(records):
        return []
    by_contract = (records["component"] == "cancellation").any()
    found = (_quality(records, *metric) for metric in (CONTRACT_METRICS if by_contract else METRICS))
    return [row for row in found if row is not None]


def _quality(
    records: pd.DataFrame, component: str, metric: str, question: str, unit: str, higher: bool
) -> Quality | None:
    mine = records[(records["component"] == component) & (records["metric"] == metric)]
    means = mine.groupby(["is_baseline", "model"], as_index=False)[["value", "low", "high"]].mean()
    means = means.dropna(subset="value").sort_values(["value", "model"], ascending=[not higher, True])
    model, baseline = (means[means["is_baseline"] == kind].head(1).to_dict("records") for kind in (False, True))
    if not model or not baseline:
        return None
    (own,), (other,) = model, baseline
    better = own["value"] > other["value"] if higher else own["value"] < other["value"]
    mine_told = str(own["model"]), float(own["value"]), float(own["low"]), float(own["high"])
    other_told = str(other["model"]), float(other["value"])
    return Quality(question, unit, *mine_told, *other_told, bool(better), mine["as_of"].nunique())


def plays(rows: pd.DataFrame) -> list[PlayTotals]:
    """The list by play, the most expected profit first."""
    out = []
    for name, part in rows.groupby("play"):
        sent = part[part["arm"] == CONTACT]
        held = int((part["arm"] == HOLD_OUT).sum())
        out.append(
            PlayTotals(str(name), len(sent), held, float(sent["cost"].sum()), float(sent["expected_profit"].sum()))
        )
    return sorted(out, key=lambda play: (-play.profit, play.name))


def totals(made: OutreachList) -> PlayTotals:
    """The list as a whole."""
    every = plays(made.rows)
    sums = [sum(getattr(play, name) for play in every) for name in ("contacts", "held_out", "cost", "profit")]
    return PlayTotals("all", int(sums[0]), int(sums[1]), float(sums[2]), float(sums[3]))


def top_rows(rows: pd.DataFrame, names: Mapping[str, str]) -> list[dict[str, Any]]:
    """The first rows that are contacted, with products by name."""
    first = rows[rows["arm"] == CONTACT].head(TOP_ROWS)
    told: list[dict[str, Any]] = [{str(key): item for key, item in row.items()} for row in first.to_dict("records")]
    for row in told:
        product = _text(row["product_id"])
        row["product"] = None if product is None else names.get(product, product)
        row["owner"] = _text(row["owner"])
    return told


def _text(value: Any) -> str | None:
    return None if pd.isna(value) else str(value)


def stopping(made: OutreachList, currency: str) -> Drawn | None:
    """Expected profit of the list added up contact by contact, and what the contacts after its end would do to it."""
    profit = made.rows["expected_profit"].to_numpy(np.float64)
    beyond = made.coverage.curve[made.coverage.curve["contacts"] > len(profit)]
    if len(profit) < 2:
        return None
    total = np.append(0.0, np.cumsum(profit))
    stop = len(profit)
    x = np.concatenate([np.arange(stop + 1.0), beyond["contacts"].to_numpy(np.float64)])
    y = np.concatenate([total, beyond["expected_profit"].to_numpy(np.float64)])
    sentence = (
        f"The list stops at {count(stop)} customers, with {money(total[-1], currency)} expected if all were contacted."
    )
    change = 0.0
    if len(beyond):
        last = beyond.iloc[-1]
        change = float(last["expected_profit"]) - float(total[-1])
        worse = "lose" if change < 0 else "add"
        sentence += f" Writing to all {count(last['contacts'])} would {worse} {money(abs(change), currency)}."
    # To the right of the point the words stand on the side that the line leaves free.
    early = stop < x[-1] / 2
    mark = Mark(
        stop, float(total[-1]), f"the list ends: {count(stop)}", "start" if early else "end", early and change > 0
    )
    chart = line_chart(
        x,
        y,
        x_title="customers on the list, the most profitable contact first",
        y_title=f"expected profit added up, {currency}",
        alt=sentence,
        marks=[mark],
        dashed_from=stop if len(beyond) else None,
    )
    return Drawn(sentence, _safe(chart))


def coverage(made: OutreachList) -> tuple[list[Bar], list[Bar]]:
    """Who is on the list with what, and why others get nothing, each the largest group first."""
    found = made.coverage.outcome
    everybody = max(sum(found.values()), 1)
    given = set(made.rows["play"])
    order = sorted(found, key=lambda name: (-found[name], name))
    bars = [Bar(name, "", found[name], found[name] / everybody) for name in order]
    return [bar for bar in bars if bar.name in given], [bar for bar in bars if bar.name not in given]


def drain(cheaper: pd.DataFrame | None) -> Drain | None:
    """Those to serve more cheaply, the worst first."""
    if cheaper is None:
        return None
    rows = [{str(name): value for name, value in row.items()} for row in cheaper.head(10).to_dict("records")]
    return Drain(len(cheaper), float(cheaper["shortfall"].sum()), rows)


def money(value: float, currency: str) -> str:
    """An amount as people write it; pence below a hundred, and a real minus.

    >>> money(1234.5, "GBP"), money(7.5, "CHF")
    ('£1,234', '7.50 CHF')
    """
    amount = f"{abs(value):,.{2 if abs(value) < 100 else 0}f}"
    amount = f"{SYMBOLS[currency]}{amount}" if currency in SYMBOLS else f"{amount} {currency}"
    return f"\u2212{amount}" if value < 0 else amount


def pence(value: float) -> str:
    """An amount in a column whose head says the currency."""
    return f"{value:,.2f}".replace("-", "\u2212")


def count(value: float) -> str:
    """A whole number."""
    return f"{value:,.0f}".replace("-", "\u2212")


def share(value: float) -> str:
    """A share in per cent."""
    return f"{value:.1%}" if 0 < abs(value) < 0.1 else f"{value:.0%}"


def number(value: float) -> str:
    """A metric with three digits that count; a dash where there is none."""
    if not math.isfinite(value):
        return "\u2013"
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}" if abs(value) >= 1 else f"{value:.3f}"


def words(name: str) -> str:
    """A name of the program in words.

    >>> words("next_product")
    'Next product'
    """
    return name.replace("_", " ").capitalize()


def day(value: Any) -> str:
    """The date of a moment."""
    return str(value)[:10]


def _safe(svg: str) -> Markup:
    from markupsafe import Markup

    return Markup(svg)  # noqa: S704 (made by `line_chart`, which escapes its texts)
