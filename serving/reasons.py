"""The reason on a list in plain words: the play's format string, filled in from the facts of one customer."""

from __future__ import annotations

from typing import Any

from regulars.features.settings import Settings
from regulars.serving.facts import Facts
from regulars.serving.plays import Play, days_to_anniversary


def reasons(play: Play, facts: Facts, owners: list[str], settings: Settings) -> list[str]:
    """One reason for each customer in the facts, on one line; `owners` are who acts."""
    facts = facts.of_contract() if play.keeps else facts
    anniversary = days_to_anniversary(facts)
    columns: dict[str, Any] = {
        "anniversary": anniversary,
        "birthday": facts.profile.birthday,
        "chance": facts.chance,
        "churn": 1 - facts.chance,
        "complaint": facts.complaint,
        "first_order": facts.first_order,
        "heard": facts.heard,
        "last_order": facts.last_order,
        "new_chance": facts.goods.new_chance,
        "new_reason": facts.goods.new_reason,
        "next_chance": facts.goods.next_chance,
        "next_reason": facts.goods.next_reason,
        "orders": facts.orders,
        "owner": owners,
        "profit": facts.profit,
        "rank": facts.risk_rank,
        "referrals": facts.referrals,
        "service_due": facts.goods.service_due,
        "usual_gap": facts.usual_gap,
        "value": facts.value,
        "years": (facts.first_order + anniversary) // 365,
        "bought": [facts.goods.name(product) for product in facts.goods.bought],
        "product": [facts.goods.name(product) for product in (play.product(facts) if play.product else ())],
    }
    fixed = {"horizon": settings.churn.horizon_days, "currency": settings.shop.currency}
    used = [name for name in columns if "{" + name in play.why]
    rows = zip(*(columns[name] for name in used), strict=True) if used else ((),) * len(facts)
    return [" ".join(play.why.format(**dict(zip(used, row, strict=True)), **fixed).split()) for row in rows]
