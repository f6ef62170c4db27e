"""The plays: each a small declaration of who qualifies, what it costs, what it can change, how often, and why.

What a contact changes is a **prior** until hold-outs have taught it: each play states a shift of the log-odds of an
order within the horizon. A shift in log-odds moves those in the middle most and hardly those who come anyway or are
gone, which is what makes response differ from risk (Ascarza 2018, Retention futility, Journal of Marketing Research
55(1)). The sizes are set by judgement below what one e-mail did in a randomised test: conversion over two weeks rose by
0.25 to 0.7 in log-odds (Hillstrom 2008, MineThatData e-mail challenge, half of its customers). A learnt model takes the
prior's place by being passed to `make_list`: a function of a play and the facts that returns probabilities.

A selling play is never sent while a complaint is open. A care play is there for the customer's sake: it may be sent
where it is expected to cost more than it brings, within the bounds that `outreach` states.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from regulars.features.asof import F64
from regulars.features.settings import Settings
from regulars.features.shop import Text
from regulars.serving.facts import Facts, Flags

CUSTOMER, PROSPECT = "customer", "prospect"
REPEAT = 2
Product = Callable[[Facts], Text]
Uplift = Callable[["Play", Facts], F64]


@dataclass(frozen=True)
class Play:
    """One reason to write to somebody.

    Attributes:
        name: as it stands in lists and in the contacts table.
        qualifies: whom it is for, a flag per customer; consent, rests and complaints are looked at by `outreach`.
        shift: prior change of the log-odds of an order within the horizon, or of keeping the contract.
        every_days: a customer gets it no more often.
        within_days: days in which to act; with `due`, until that many days from now if that is sooner.
        why: the reason, a format string over the fields of `serving.reasons`.
        audience: customers or prospects.
        offer: whether the offer of the settings goes with it.
        selling: whether it wants to sell something.
        care: whether it is there for the customer's sake.
        personal: whether somebody takes the time of a contact for it, owner or not.
        places: how many may be on one list.
        product: the product it speaks of.
        due: days until it is too late.
        keeps: whether it is there to keep a contract: then it is weighed by the contract, not by the next order.
    """

    name: str
    qualifies: Callable[[Facts], Flags]
    shift: float
    every_days: float
    within_days: float
    why: str
    audience: str = CUSTOMER
    offer: bool = False
    selling: bool = True
    care: bool = False
    personal: bool = False
    places: float = np.inf
    product: Product | None = None
    due: Callable[[Facts], F64] | None = None
    keeps: bool = False


def prior_uplift(play: Play, facts: Facts) -> F64:
    """What the play changes in the probability of an order, or of keeping a contract, by its stated prior."""
    before = np.clip(facts.chance, 1e-9, 1 - 1e-9)
    after = 1 / (1 + (1 - before) / before * np.exp(-play.shift))
    return np.asarray(after - before)


def _is(column: Text, *words: str) -> NDArray[np.bool_]:
    return np.isin(column.astype(str), words)


def _active(facts: Facts) -> Flags:
    return _is(facts.status, "scored", "too_new")


def _given(column: Text) -> Flags:
    return np.asarray(column != "", bool)


def _overdue(facts: Facts) -> Flags:
    return (facts.orders >= REPEAT) & (facts.last_order > facts.usual_gap)


def days_to_anniversary(facts: Facts) -> F64:
    """Days until the first order has its next anniversary, of 365 days each; NaN without an order."""
    return np.mod(-facts.first_order, 365)


COMPLAINT = Play(
    "complaint_follow_up",
    lambda f: ~np.isnan(f.complaint),
    shift=0.3,
    every_days=14,
    within_days=2,
    why="A complaint from {complaint:.0f} days ago wants an answer; {owner} follows it up and asks how it was solved. "
    "Nothing is sold to them meanwhile.",
    selling=False,
    care=True,
    personal=True,
)
ATTENTION = Play(
    "attention",
    lambda f: f.heard >= 180,
    shift=0.08,
    every_days=180,
    within_days=30,
    why="Nothing has passed between us for {heard:.0f} days; a word without an offer, so that nobody feels forgotten.",
    selling=False,
    care=True,
)

PLAYS: tuple[Play, ...] = (
    COMPLAINT,
    ATTENTION,
    Play(
        "retain",
        lambda f: _is(f.status, "scored") & _overdue(f),
        shift=0.25,
        every_days=45,
        within_days=7,
        why="They order every {usual_gap:.0f} days and the last order was {last_order:.0f} days ago; the chance of "
        "none in the next {horizon} days is {churn:.0%}.",
        offer=True,
    ),
    Play(
        "win_back",
        lambda f: _is(f.status, "lapsed"),
        shift=0.2,
        every_days=180,
        within_days=14,
        why="They ordered {orders} times and then no more for {last_order:.0f} days; an order from them brings about "
        "{value:.2f} {currency}.",
        offer=True,
    ),
    Play(
        "next_product",
        lambda f: _active(f) & _given(f.goods.next) & ~(f.goods.next_due > 30),
        shift=0.15,
        every_days=30,
        within_days=14,
        why="{product} is what they are most likely to buy next ({next_chance:.0%}; {next_reason}).",
        product=lambda f: f.goods.next,
    ),
    Play(
        "accessory",
        lambda f: _active(f) & _given(f.goods.accessory),
        shift=0.2,
        every_days=30,
        within_days=7,
        why="They bought {bought} in the last 30 days, and {product} goes with it; they do not have one from us.",
        product=lambda f: f.goods.accessory,
    ),
    Play(
        "accessory",  # where the shop states none: what others bought next to it, learnt from the orders
        lambda f: _active(f) & _given(f.goods.new) & (f.last_order <= 30) & ~_given(f.goods.accessory),
        shift=0.15,
        every_days=30,
        within_days=7,
        why="They bought {last_order:.0f} days ago and never had {product} ({new_chance:.0%}; {new_reason}).",
        product=lambda f: f.goods.new,
    ),
    Play(
        "new_stock",
        lambda f: _active(f) & (f.orders >= REPEAT) & _given(f.goods.stock),
        shift=0.15,
        every_days=30,
        within_days=14,
        why="{product} is new in stock and among what they are most likely to try next.",
        product=lambda f: f.goods.stock,
    ),
    Play(
        "service_reminder",
        lambda f: _given(f.goods.service) & (f.goods.service_due <= 14),
        shift=0.3,
        every_days=60,
        within_days=14,
        why="{product}, which they bought here, is due for service or refill in {service_due:.0f} days.",
        selling=False,
        product=lambda f: f.goods.service,
        due=lambda f: f.goods.service_due,
    ),
    Play(
        "thank_you",
        lambda f: (f.last_order <= 7) & ~(f.since("thank_you") < f.last_order),
        shift=0.1,
        every_days=30,
        within_days=3,
        why="Order number {orders} was {last_order:.0f} days ago, and nobody has thanked them for it yet.",
        selling=False,
    ),
    Play(
        "follow_up",
        lambda f: (f.last_order > 7) & (f.last_order <= 30) & ~(f.since("follow_up") < f.last_order),
        shift=0.08,
        every_days=60,
        within_days=7,
        why="They ordered {last_order:.0f} days ago and were not yet asked how it was.",
        selling=False,
    ),
    Play(
        "birthday",
        lambda f: f.profile.birthday <= 7,
        shift=0.1,
        every_days=300,
        within_days=7,
        why="Their birthday is in {birthday:.0f} days.",
        selling=False,
        due=lambda f: f.profile.birthday,
    ),
    Play(
        "anniversary",
        lambda f: (f.first_order >= 300) & (days_to_anniversary(f) <= 7),
        shift=0.1,
        every_days=300,
        within_days=7,
        why="Their first order has its anniversary number {years:.0f} in {anniversary:.0f} days.",
        selling=False,
        due=days_to_anniversary,
    ),
    Play(
        "loyalty",
        lambda f: _is(f.status, "scored") & (f.orders >= 5) & (f.profit > 0) & (f.last_order <= 2 * f.usual_gap),
        shift=0.12,
        every_days=180,
        within_days=14,
        why="They ordered {orders} times in {first_order:.0f} days and brought {profit:.2f} {currency} after the cost "
        "of serving them; loyalty is rewarded, not only newcomers.",
        selling=False,
    ),
    Play(
        "referral",
        lambda f: _is(f.status, "scored") & (f.orders >= 3) & ((f.satisfaction >= 4) | (f.referrals > 0)),
        shift=0.05,
        every_days=365,
        within_days=14,
        why="They are content ({orders} orders, {referrals} referrals so far) and are asked to recommend us.",
    ),
    Play(
        "welcome",
        lambda f: _is(f.status, "prospect"),
        shift=0.2,
        every_days=30,
        within_days=7,
        why="They have not ordered yet; the chance of a first order within {horizon} days is {chance:.0%}.",
        audience=PROSPECT,
    ),
)

RISKIEST = 80.0
"""Percentile of the risk of cancelling from which a contract is worth a word; the others are not woken."""

CONTRACT_PLAYS: tuple[Play, ...] = tuple(
    replace(
        play,
        qualifies=lambda f: _is(f.status, "scored") & (f.risk_rank >= RISKIEST),
        why="The chance that they cancel in the next {horizon} days is {churn:.0%}, higher than that of {rank:.0f} % "
        "of the customers; a contract that is kept brings about {value:.2f} {currency} in that time.",
        keeps=True,
    )
    if play.name == "retain"
    else play
    for play in PLAYS
    if play.name != "win_back"
)
"""The plays where customers hold contracts: nobody lapses in silence, and what is kept is the contract."""


def plays_for(settings: Settings) -> tuple[Play, ...]:
    """The plays for what churn is in a shop."""
    return CONTRACT_PLAYS if settings.churn.is_contract else PLAYS
