"""Tenure: the customer's age with the shop."""

from __future__ import annotations

import numpy as np

from regulars.features.asof import ratio
from regulars.features.define import Family, Values
from regulars.features.past import Past

tenure = Family("tenure", needs=("orders",), scalars=True)


@tenure.feature(unit="days", empty="missing")
def tenure_days(past: Past) -> Values:
    """Days since the first order."""
    return past.orders.days_since_first()


@tenure.feature(unit="share", empty="missing")
def active_span_share(past: Past) -> Values:
    """Share of the tenure that lies before the last order: 1 for who ordered just now, 0 for who ordered once."""
    tenure_now = past.orders.days_since_first()
    return ratio(tenure_now - past.orders.days_since_last(), tenure_now)


@tenure.feature(unit="orders a month", empty="missing")
def orders_per_month(past: Past) -> Values:
    """Orders per 30 days of tenure, a tenure of less than 30 days counting as 30."""
    months = np.maximum(past.orders.days_since_first() / 30, 1)
    return ratio(past.orders.count(), months)
