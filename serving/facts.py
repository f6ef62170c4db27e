"""What plays ask about each customer: the scores, and what was known at the moment, as columns of equal length.

History is what was known before the moment. Rows of `customers` and `products` without `valid_from` say what is true
now; they are no features of the past, but a list is acted on now, so here they count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regulars.features.asof import F64, Moments
from regulars.features.logs import Logs
from regulars.features.past import Past
from regulars.features.settings import Settings
from regulars.features.shop import DAY, I64, NEVER, Shop, Text, days
from regulars.serving.columns import TEXTS
from regulars.serving.complaints import complaints
from regulars.serving.goods import Goods, suggested_goods
from regulars.serving.profiles import Profiles, profiles

Flags = NDArray[np.bool_]

NEEDED = (
    "customer_id",
    "status",
    "stage",
    "churn_probability",
    "expected_margin",
    "profit_to_date",
    "cost_to_serve",
    "next_products",
    "next_new_products",
)
OF_CONTRACTS = ("expected_orders", "churn_percentile")
"""What is needed beside, where customers hold contracts."""
LEAST_CHANCE = 0.05
"""The value of an order is expected margin over chance; below this chance, errors in it would blow up."""


@dataclass(frozen=True)
class Facts:
    """One entry per customer, sorted by id. Days are NaN and texts '' where there is nothing to tell.

    `chance` is the probability of an order in the horizon if nobody does anything, `value` the margin expected if the
    customer orders. Where customers hold contracts, `kept` is the probability that it is not cancelled in the horizon
    and `contract_value` the margin of the horizon if it is not; elsewhere the two are `chance` and `value`. `risk_rank`
    is the percentile of the risk of leaving, NaN where it was not given.

    `heard` is days since anything passed between customer and shop: an order, a contact, a ticket.
    `since_play` holds, for each play that was ever used, days since each customer's last. `contact_rests` is how long a
    customer is left alone between contacts, `contacts_allowed` how many they may get a year, both after ignored ones.
    """

    as_of: int
    customer_id: Text
    status: Text
    stage: Text
    allowed: Flags
    chance: F64
    value: F64
    kept: F64
    contract_value: F64
    risk_rank: F64
    profit: F64
    orders: I64
    last_order: F64
    first_order: F64
    usual_gap: F64
    contact: F64
    contacts: I64
    ignored: I64
    contact_rests: F64
    contacts_allowed: I64
    heard: F64
    referrals: I64
    satisfaction: F64
    complaint: F64
    complaint_agent: Text
    profile: Profiles
    goods: Goods
    since_play: Mapping[str, F64]

    def __len__(self) -> int:
        return len(self.customer_id)

    def since(self, play: str) -> F64:
        """Days since the customer's last contact of this play, NaN if there was none."""
        return self.since_play.get(play, np.full(len(self), np.nan))

    def of_contract(self) -> Self:
        """The same, asked about the contract in place of the next order."""
        return replace(self, chance=self.kept, value=self.contract_value)

    def take(self, rows: NDArray[Any]) -> Self:
        """The given customers."""
        columns = {item.name: getattr(self, item.name) for item in fields(self)}
        cut: dict[str, Any] = {name: at[rows] for name, at in columns.items() if isinstance(at, np.ndarray)}
        cut |= {"profile": self.profile.take(rows), "goods": self.goods.take(rows)}
        return replace(self, **cut, since_play={play: since[rows] for play, since in self.since_play.items()})


def gather(scores: pd.DataFrame, shop: Shop, as_of: int, settings: Settings) -> Facts:
    """The facts of every customer in the scores, in order of their ids whatever the order of the rows.

    Raises:
        ValueError: if a column is missing, a customer is there twice or is not the shop's, or a number is not one.
    """
    scores = _checked(scores, (*NEEDED, *OF_CONTRACTS) if settings.churn.is_contract else NEEDED)
    ids = scores["customer_id"].to_numpy(dtype=object)
    code = _codes(ids, shop)
    trusting = settings.model_copy(update={"data": settings.data.model_copy(update={"trust_undated": True})})
    past = Past(Logs(shop, trusting), Moments(code.astype(np.int32), np.full(len(code), as_of)))
    told = complaints(shop, as_of)
    known = profiles(shop, as_of).take(code)
    kept, margin = (scores[name].to_numpy(np.float64) for name in ("churn_probability", "expected_margin"))
    kept = 1 - kept
    chance = _order_chance(scores, kept) if settings.churn.is_contract else kept
    ranked = "churn_percentile" in scores.columns
    last_order, contact = past.orders.days_since_last(), past.contacts.days_since_last()
    ignored = past.contacts.count_after(past.orders.last_time())
    rests, yearly = _limits(ignored, settings)
    return Facts(
        as_of=as_of,
        customer_id=ids,
        status=scores["status"].to_numpy(dtype=object),
        stage=scores["stage"].to_numpy(dtype=object),
        allowed=known.allowed & (scores["status"].to_numpy(dtype=object) != "suppressed"),
        chance=chance,
        value=margin / np.maximum(chance, LEAST_CHANCE),
        kept=kept,
        contract_value=margin / np.maximum(kept, LEAST_CHANCE),
        risk_rank=scores["churn_percentile"].to_numpy(np.float64) if ranked else np.full(len(ids), np.nan),
        profit=scores["profit_to_date"].to_numpy(np.float64),
        orders=past.orders.count(),
        last_order=last_order,
        first_order=past.orders.days_since_first(),
        usual_gap=past.orders.gaps().median,
        contact=contact,
        contacts=past.contacts.count(days(365)),
        ignored=ignored,
        contact_rests=rests,
        contacts_allowed=yearly,
        heard=_least(last_order, contact, past.support.days_since_last(), known.signed_up),
        referrals=past.advocacy.sum("referral") if len(past.advocacy.log) else np.zeros(len(code), np.int64),
        satisfaction=_rating(past),
        complaint=told.age[code],
        complaint_agent=told.agent[code],
        profile=known,
        goods=suggested_goods(scores, shop, code, as_of),
        since_play=_since_play(shop, code, as_of),
    )


def _order_chance(scores: pd.DataFrame, kept: F64) -> F64:
    """Probability of an order where churn is cancelling, and so does not tell it.

    The expected orders do, near enough, as if they came by chance: 1 - exp(-orders). Of prospects churn is no order.
    """
    orders = scores["expected_orders"].to_numpy(np.float64)
    return np.where(scores["status"].to_numpy(dtype=object) == "prospect", kept, -np.expm1(-orders))


def _checked(scores: pd.DataFrame, needed: tuple[str, ...]) -> pd.DataFrame:
    if missing := [name for name in needed if name not in scores.columns]:
        raise ValueError(f"scores: the columns {missing} are missing; give what `score` returned")
    if scores["customer_id"].duplicated().any():
        twice = scores.loc[scores["customer_id"].duplicated(), "customer_id"].iloc[0]
        raise ValueError(f"scores: customer_id {twice!r} is there more than once; one row per customer is expected")
    for name in (one for one in needed if one not in TEXTS and not one.startswith("next_")):
        values = scores[name].to_numpy(np.float64, na_value=np.nan)
        if not np.isfinite(values).all():
            raise ValueError(f"scores: {name} is not a finite number in {(~np.isfinite(values)).sum()} rows")
    if not scores["churn_probability"].between(0, 1).all():
        raise ValueError("scores: churn_probability is not between 0 and 1 everywhere")
    return scores.sort_values("customer_id", kind="stable", ignore_index=True)


def _codes(ids: Text, shop: Shop) -> I64:
    code = np.searchsorted(shop.customer_ids, ids)
    there = np.append(shop.customer_ids, "")[code] == ids
    if not there.all():
        raise ValueError(f"scores: customer_id {ids[~there][0]!r} is unknown to the shop's tables")
    return code.astype(np.int64)


def _limits(ignored: I64, settings: Settings) -> tuple[F64, I64]:
    """Effort is reduced after ignored contacts, and not stopped: rests double, at most to 16 times, places halve."""
    chosen = settings.outreach
    halvings = np.minimum(ignored // chosen.ignored_before_backing_off, 4)
    return chosen.days_between_contacts * 2.0**halvings, np.maximum(chosen.contacts_per_year // 2**halvings, 1)


def _least(*ages: F64) -> F64:
    return np.fmin.reduce(ages)  # type: ignore[no-any-return]


def _rating(past: Past) -> F64:
    if not len(past.support.log):
        return np.full(len(past.moments), np.nan)
    rating = past.support.last_where("satisfaction", "rated", 0)
    return np.where(rating > 0, rating, np.nan)


def _since_play(shop: Shop, code: I64, as_of: int) -> dict[str, F64]:
    if shop.contacts is None:
        return {}
    sent = shop.contacts.take((shop.contacts.visible < as_of) & (shop.contacts.held_out == 0))
    sent = sent.take(np.argsort(sent.time, kind="stable"))
    since = {}
    for play, name in enumerate(shop.words.get("contacts.play", ())):
        last = np.full(len(shop.customer_ids), NEVER)
        rows = sent.play == play
        last[sent.customer[rows]] = sent.time[rows]
        since[str(name)] = np.where(last == NEVER, np.nan, (as_of - np.where(last == NEVER, as_of, last)) / DAY)[code]
    return since
