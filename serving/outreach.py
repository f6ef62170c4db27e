"""From scores to a list that a marketer can act on and defend.

Each play is weighed for each customer it is for. With p0 the chance of an order without the contact, p1 with it and V
the margin the customer brings when ordering, a contact is expected to earn `p1 (V - offer) - cost - p0 V`; it is worth
sending where that is positive. Where customers hold contracts, a play that keeps one (`Play.keeps`) is weighed alike,
with the chance that the contract is kept and the margin of the horizon if it is.

In three steps, each with what the ones before left of budget, hours and places:

1. Complaints. Everyone whose complaint wants an answer gets one from one owner, the most valuable first, whatever it
   earns, and nothing is sold to them meanwhile.
2. The rest is one optimisation (`choosing`): at most one play a customer, as much expected profit as possible; it stops
   where the next contact earns nothing.
3. Attention for those who have heard nothing for longest, although it is expected to earn nothing, as long as these
   losses stay within `CARE_SHARE` of what the second step is expected to earn.

Consent is absolute: who does not want to be contacted, or has left, is not on the list in any arm. Apart from
complaints, which are answered and not experimented with, a random share of the customers is held out: drawn from a hash
of seed, list and customer, so it depends neither on the order of rows nor on who else is there. Their rows stay, with
what a contact would have been expected to bring and a cost of 0, since nothing is sent.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from regulars.features.asof import F64
from regulars.features.settings import Settings
from regulars.features.shop import PIECES, Shop, Text
from regulars.serving.choosing import UNIT, Codes, Limits, Options, choose
from regulars.serving.facts import Facts, Flags, gather
from regulars.serving.list_file import write_list
from regulars.serving.plays import ATTENTION, COMPLAINT, PROSPECT, Play, Uplift, plays_for, prior_uplift
from regulars.serving.reasons import reasons

COLUMNS = (
    "customer_id",
    "audience",
    "play",
    "product_id",
    "expected_profit",
    "uplift",
    "cost",
    "reason",
    "arm",
    "owner",
    "contact_by",
    "list_id",
)
CONTACT, HOLD_OUT = "contact", "hold_out"
SERVICE_DESK = "customer service"
"""Who answers a complaint that has neither agent nor account owner; their hours are not counted."""
CARE_SHARE = 0.1


@dataclass(frozen=True)
class Coverage:
    """Who got what, and why others got nothing.

    Attributes:
        outcome: customers by play, or by why there is none; adds up to all customers.
        curve: expected profit of the best half of step 2's contacts, at its stopping point, with half as many more, and
            with all eligible, if none were held out: `where`, `contacts`, `cost`, `expected_profit`, `next_profit`
            (what the next contact would earn).
        bound: the most that step 2 could have earned under any choice, in currency units.
        earned: what its contacts are expected to earn.
    """

    outcome: Mapping[str, int]
    curve: pd.DataFrame
    bound: float
    earned: float


@dataclass(frozen=True)
class OutreachList:
    """A list (`COLUMNS`, the most profitable first), its manifest, and whom it covers."""

    rows: pd.DataFrame
    manifest: Mapping[str, Any]
    coverage: Coverage

    def write(self, path: Path) -> None:
        """Write list and manifest; see `list_file.write_list`."""
        write_list(self.rows, self.manifest, path)


@dataclass(frozen=True)
class _Candidates:
    """Every play for everyone who may get it: the options, what each is expected to bring, and to whom it falls."""

    facts: Facts
    plays: tuple[Play, ...]
    options: Options
    profit: F64
    uplift: F64
    owner: Text
    owners: int
    fits: Flags  # by customer: some play was for them, before rests and complaints

    def take(self, rows: Any) -> _Candidates:
        cut = {name: getattr(self, name)[rows] for name in ("profit", "uplift", "owner")}
        return replace(self, options=self.options.take(rows), **cut)


@dataclass(frozen=True)
class _Chosen:
    """Positions of the chosen options, rising; those of the second step, the most it could earn, and what it earns."""

    rows: Codes
    second: Codes
    bound: float
    earned: float


def make_list(
    scores: pd.DataFrame,
    shop: Shop,
    as_of: int,
    settings: Settings,
    *,
    budget: float | None,
    seed: int,
    model_version: str,
    uplift: Uplift = prior_uplift,
    plays: tuple[Play, ...] | None = None,
) -> OutreachList:
    """Whom to contact with what, whom to hold out, and whom to leave alone.

    Args:
        scores: what `score` returned, one row per customer, in any order.
        shop: the tables; what was known before `as_of` counts.
        as_of: the moment the list is made for.
        settings: costs, caps, hours, hold-out share.
        budget: currency units for what is sent; None: the settings' budget, which may be unbounded.
        seed: draws the hold-out.
        model_version: what made the scores.
        uplift: what a play changes in the probability of an order; the stated priors by default.
        plays: the plays to weigh; by default those for what churn is in this shop (`plays.plays_for`).

    Raises:
        ValueError: if the scores are not as `score` returns them, or the budget is negative.
    """
    budget = settings.outreach.budget if budget is None else budget
    if budget is not None and not budget >= 0:
        raise ValueError(f"the budget is {budget}; give a number that is not negative, or none")
    asked = {"as_of": _iso(as_of), "model_version": model_version, "seed": seed, "budget": budget}
    asked |= {"settings": settings.model_dump(mode="json", exclude={"mlflow"})}
    list_id = f"list-{_iso(as_of)[:10]}-{hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:10]}"
    facts = gather(scores, shop, as_of, settings)
    draw, tie = lots(facts.customer_id, seed, list_id)
    plays = plays_for(settings) if plays is None else plays
    candidates = _candidates(facts, plays, uplift, settings, draw < settings.outreach.hold_out_share, tie)
    chosen = _choose(candidates, _limits(candidates, budget, settings))
    rows = _rows(candidates.take(chosen.rows), settings, list_id)
    coverage = _coverage(candidates, chosen)
    asked["uplift_from"] = "stated priors of the plays" if uplift is prior_uplift else "a learnt model"
    return OutreachList(rows, {"list_id": list_id, **asked, **_told(rows, coverage)}, coverage)


def lots(customers: Text, seed: int, list_id: str) -> tuple[F64, F64]:
    """Two uniform numbers for each customer, from a hash of seed, list and customer."""
    start = f"{seed}\x1f{list_id}\x1f"
    digests = b"".join(hashlib.blake2b(f"{start}{name}".encode(), digest_size=16).digest() for name in customers)
    numbers = np.frombuffer(digests, ">u8").reshape(-1, 2) / 2.0**64
    return numbers[:, 0], numbers[:, 1]


def _candidates(
    facts: Facts, plays: tuple[Play, ...], uplift: Uplift, settings: Settings, held_out: Flags, tie: F64
) -> _Candidates:
    parts, fits = [], np.zeros(len(facts), bool)
    for number, play in enumerate(plays):
        prospect = np.asarray(facts.status == PROSPECT, bool)
        suits = facts.allowed & play.qualifies(facts) & (prospect == (play.audience == PROSPECT))
        fits |= suits
        at = np.flatnonzero(suits & _free(play, facts))
        parts.append(_weigh(facts.take(at), at, number, play, uplift, settings))
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.lexsort((joined["play"], joined["customer"]))
    joined = {name: column[order] for name, column in joined.items()}
    customer, owner = joined["customer"], joined["owner"]
    names = np.unique(owner[(owner != "") & (owner != SERVICE_DESK)].astype(str)).astype(np.object_)
    counted = np.isin(owner, names)
    options = Options(
        customer,
        joined["play"],
        joined["profit"],
        joined["cost"],
        np.full(len(customer), round(settings.outreach.minutes_per_contact * PIECES), np.int64),
        np.where(counted, np.searchsorted(names, owner), -1).astype(np.int64),
        tie[customer],
        held_out[customer] & ~np.isin(joined["play"], [at for at, play in enumerate(plays) if play is COMPLAINT]),
    )
    return _Candidates(facts, plays, options, joined["profit"], joined["uplift"], owner, len(names), fits)


def _free(play: Play, facts: Facts) -> Flags:
    """Who may get the play now: its own rest is over, and, unless a complaint is answered, the general rest too."""
    free = ~(facts.since(play.name) < play.every_days)
    if play is not COMPLAINT:
        free &= ~(facts.contact < facts.contact_rests) & (facts.contacts < facts.contacts_allowed)
    return free & np.isnan(facts.complaint) if play.selling else free


def _weigh(
    facts: Facts, at: Codes, number: int, play: Play, uplift: Uplift, settings: Settings
) -> dict[str, np.ndarray[Any, Any]]:
    chosen = settings.outreach
    owner = facts.profile.owner
    if play is COMPLAINT:
        owner = np.where(facts.complaint_agent != "", facts.complaint_agent, owner)
        owner = np.where(owner != "", owner, SERVICE_DESK).astype(np.object_)
    facts = facts.of_contract() if play.keeps else facts
    time = chosen.minutes_per_contact * settings.money.cost_per_support_minute
    cost = chosen.cost_per_contact + time * ((owner != "") | play.personal)
    units = np.ceil(cost * UNIT - 1e-6).astype(np.int64)
    more = uplift(play, facts)
    offer = chosen.offer if play.offer else 0.0
    profit = (facts.chance + more) * (facts.value - offer) - units / UNIT - facts.chance * facts.value
    play_number = np.full(len(at), number, np.int64)
    return {"customer": at, "play": play_number, "owner": owner, "cost": units, "uplift": more, "profit": profit}


def _limits(candidates: _Candidates, budget: float | None, settings: Settings) -> Limits:
    return Limits(
        np.inf if budget is None else float(np.floor(budget * UNIT + 1e-6)),
        np.array([play.places for play in candidates.plays]),
        np.full(candidates.owners, round(settings.outreach.owner_hours * 60 * PIECES), np.float64),
    )


def _choose(candidates: _Candidates, limits: Limits) -> _Chosen:
    options, profit, plays = candidates.options, candidates.profit, candidates.plays
    answers = np.isin(options.play, [at for at, play in enumerate(plays) if play is COMPLAINT])
    first = np.flatnonzero(answers)
    shifted = replace(options.take(first), gain=profit[first] - profit[first].min(initial=0) + 1)
    first = first[choose(shifted, limits).chosen]
    limits = limits.less(options.take(first))
    left = ~np.isin(options.customer, options.customer[first]) & ~answers
    second = np.flatnonzero(left & (profit > 0))
    choice = choose(options.take(second), limits)
    second = second[choice.chosen]
    limits = limits.less(options.take(second))
    left &= ~np.isin(options.customer, options.customer[second]) & (profit <= 0)
    earned = float(profit[second][~options.held_out[second]].sum())
    third = _care(candidates, np.flatnonzero(left), earned * CARE_SHARE, limits)
    return _Chosen(np.sort(np.concatenate([first, second, third])), second, choice.bound, earned)


def _care(candidates: _Candidates, rows: Codes, loss: float, limits: Limits) -> Codes:
    """Attention that earns nothing, for who has heard nothing for longest, within the loss that care may cost."""
    options = candidates.options
    rows = rows[np.isin(options.play[rows], [at for at, play in enumerate(candidates.plays) if play is ATTENTION])]
    heard = candidates.facts.heard[options.customer[rows]]
    order = rows[np.lexsort((options.tie[rows], -heard))]
    spent = np.cumsum(np.where(options.held_out[order], 0.0, -candidates.profit[order]))
    within = np.sort(order[spent <= loss])
    gain = candidates.facts.heard[options.customer[within]] + 1
    return within[choose(replace(options.take(within), gain=gain), limits).chosen]


def _rows(taken: _Candidates, settings: Settings, list_id: str) -> pd.DataFrame:
    options, count = taken.options, len(taken.options)
    facts = taken.facts.take(options.customer)
    product, reason, days = np.full((3, count), None, np.object_)
    for number, play in enumerate(taken.plays):
        at = np.flatnonzero(options.play == number)
        theirs = facts.take(at)
        reason[at] = reasons(play, theirs, taken.owner[at].tolist(), settings)
        days[at] = np.fmin(play.within_days, play.due(theirs) if play.due else play.within_days)
        if play.product:
            product[at] = play.product(theirs)
    today = np.int64(facts.as_of).view("datetime64[us]").astype("datetime64[D]")
    sent = ~options.held_out
    rows = pd.DataFrame(
        {
            "customer_id": facts.customer_id,
            "audience": [taken.plays[number].audience for number in options.play],
            "play": [taken.plays[number].name for number in options.play],
            "product_id": product,
            "expected_profit": taken.profit.round(4),
            "uplift": taken.uplift.round(6),
            "cost": np.where(sent, options.cost / UNIT, 0.0),
            "reason": reason,
            "arm": np.where(sent, CONTACT, HOLD_OUT),
            "owner": [name or None for name in taken.owner],
            "contact_by": (today + days.astype(np.float64).astype("timedelta64[D]")).astype("datetime64[us]"),
            "list_id": list_id,
        }
    )
    texts = [name for name in COLUMNS if name not in {"expected_profit", "uplift", "cost", "contact_by"}]
    rows = rows.astype(dict.fromkeys(texts, "str"))
    return rows.sort_values(["expected_profit", "customer_id"], ascending=[False, True], ignore_index=True)


def _coverage(candidates: _Candidates, chosen: _Chosen) -> Coverage:
    facts, options, profit = candidates.facts, candidates.options, candidates.profit
    outcome = np.full(len(facts), "no play fits today", np.object_)
    outcome[candidates.fits] = "left alone: contacted lately, or a complaint is open"
    outcome[options.customer] = "no play earns its cost"
    outcome[options.customer[profit > 0]] = "budget, hours or places used up"
    outcome[~facts.allowed] = "contact not allowed"
    outcome[options.customer[chosen.rows]] = [candidates.plays[at].name for at in options.play[chosen.rows]]
    counted = Counter(outcome.tolist())
    return Coverage(dict(counted.most_common()), _curve(options, profit, chosen), chosen.bound, chosen.earned)


def _curve(options: Options, profit: F64, chosen: _Chosen) -> pd.DataFrame:
    """The second step's choice, best first, and behind it each other customer's best option, if all were contacted."""
    others = np.flatnonzero(~np.isin(options.customer, options.customer[chosen.second]))
    best = others[np.lexsort((-profit[others], options.customer[others]))]
    best = best[np.diff(options.customer[best], prepend=-1) > 0]
    line = np.concatenate([part[np.argsort(-profit[part], kind="stable")] for part in (chosen.second, best)])
    earned, cost = (np.append(0.0, np.cumsum(column)) for column in (profit[line], options.cost[line] / UNIT))
    stop = len(chosen.second)
    points = {"best half": stop // 2, "stop": stop, "half as many more": min(stop + stop // 2, len(line))}
    points["all eligible"] = len(line)
    at = np.array(list(points.values()))
    return pd.DataFrame(
        {
            "where": list(points),
            "contacts": at,
            "cost": cost[at],
            "expected_profit": earned[at],
            "next_profit": np.append(profit[line], np.nan)[at],
        }
    )


def _told(rows: pd.DataFrame, coverage: Coverage) -> dict[str, Any]:
    sent = rows[rows["arm"] == CONTACT]
    return {
        "rows": len(rows),
        "contacts": len(sent),
        "hold_outs": len(rows) - len(sent),
        "never_held_out": [COMPLAINT.name],
        "cost": round(float(sent["cost"].sum()), 4),
        "expected_profit": round(float(sent["expected_profit"].sum()), 4),
        "plays": {str(play): int(count) for play, count in rows["play"].value_counts().sort_index().items()},
        "customers": dict(coverage.outcome),
        "columns": list(COLUMNS),
    }


def _iso(moment: int) -> str:
    return str(np.int64(moment).view("datetime64[us]").astype("datetime64[s]"))
