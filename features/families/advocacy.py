"""Advocacy: what they do for the shop beyond buying."""

from __future__ import annotations

from regulars.features.asof import ratio
from regulars.features.define import Family, Values
from regulars.features.past import Past

advocacy = Family("advocacy", needs=("advocacy",), scalars=True)


@advocacy.feature(unit="referrals", empty="0")
def referrals_made(past: Past) -> Values:
    """Referrals made so far."""
    return past.advocacy.sum("referral")


@advocacy.feature(unit="currency", empty="0", needs=("advocacy.new_customer_id",))
def referred_margin(past: Past) -> Values:
    """The credited share of the margin of those they referred."""
    return past.referred_margin()


@advocacy.feature(unit="reviews", empty="0")
def reviews_written(past: Past) -> Values:
    """Reviews written so far."""
    return past.advocacy.sum("review")


@advocacy.feature(unit="1 to 5", empty="missing", needs=("advocacy.rating",))
def review_rating(past: Past) -> Values:
    """Mean rating of their reviews that carry one."""
    return ratio(past.advocacy.sum("rating"), past.advocacy.sum("rated"))


@advocacy.feature(unit="days", empty="missing")
def days_since_advocacy(past: Past) -> Values:
    """Days since they last recommended the shop."""
    return past.advocacy.days_since_last()


@advocacy.feature(unit="case studies", empty="0")
def case_studies(past: Past) -> Values:
    """Case studies they lent their name to so far."""
    return past.advocacy.sum("case_study")


@advocacy.feature(unit="0 or 1", empty="0", needs=("advocacy.new_customer_id",))
def was_referred(past: Past) -> Values:
    """Whether another customer is known to have referred them."""
    return (past.recommendations.count() > 0).astype(float)
