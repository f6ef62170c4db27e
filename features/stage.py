"""The stage of a relationship: how far it has come, and whether it is ending.

A customer is, in this order of precedence:

- `prospect`: without an order so far;
- `gone`: without an order for longer than the lapse setting (`[churn] lapse_horizons` times the horizon);
- `fading`: overdue, that is without an order for longer than twice the usual gap, but never before one horizon is over;
- `exploring`: with one or two orders;
- `committed`: with at least six orders, the last at least 180 days after the first;
- `expanding`: anyone else, who has come back and is on the way.

A stage says where a relationship stands in words that need no model; the churn probability says where it goes.
"""

from __future__ import annotations

import numpy as np

from regulars.features.asof import where
from regulars.features.past import Past
from regulars.features.settings import Settings
from regulars.features.shop import I64

STAGES = PROSPECT, EXPLORING, EXPANDING, COMMITTED, FADING, GONE = (
    "prospect",
    "exploring",
    "expanding",
    "committed",
    "fading",
    "gone",
)
"""Names of the stages; a code is a position in them."""

EXPLORING_ORDERS = 2
"""Orders up to which a customer is only trying the shop."""
COMMITTED_ORDERS = 6
"""Orders from which a customer can be committed,"""
COMMITTED_DAYS = 180.0
"""if this many days lie between the first and the last of them."""
OVERDUE_GAPS = 2.0
"""Usual gaps without an order after which a customer fades."""


def lapse_days(settings: Settings) -> float:
    """Days without an order after which a customer counts as lapsed, and the relationship as gone."""
    return settings.churn.lapse_horizons * settings.churn.horizon_days


def stage_codes(past: Past) -> I64:
    """The stage at each moment, (n,) positions in `STAGES`."""
    orders, quiet = past.orders.count(), past.orders.days_since_last()
    span = past.orders.days_since_first() - quiet
    # fmax: without a usual gap (one order, or all on one day) the horizon alone decides.
    patience = np.fmax(OVERDUE_GAPS * past.orders.gaps().median, past.settings.churn.horizon_days)
    code = STAGES.index
    committed = (orders >= COMMITTED_ORDERS) & (span >= COMMITTED_DAYS)
    stage = where(committed, code(COMMITTED), code(EXPANDING))
    for precedes, holds in (
        (EXPLORING, orders <= EXPLORING_ORDERS),
        (FADING, quiet > patience),
        (GONE, quiet > lapse_days(past.settings)),
        (PROSPECT, orders == 0),
    ):
        stage = where(holds, code(precedes), stage)
    return stage
