"""Contracts: since when a customer holds one, and when it ends, as known at given moments.

What holds at a moment is the row of `customers` with the latest `valid_from` among those known by then. Its `left_at`
in the past says that they have left, and one that still lies ahead that they gave notice. A later row without
`left_at` says that they are back, or took the notice back. A row without `valid_from` says what is true now; of it
only the dates count, each known when it comes: that they signed up, and that they left.

A contract begins when the customer signed up, else with their first order, else with the first dated row of theirs.
Support and contacts alone make nobody a contract's holder.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regulars.features.asof import F64, AsOf, Moments
from regulars.features.logs import Logs
from regulars.features.shop import DAY, I64, NEVER, Shop, iso

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Contracts:
    """The contracts of n customers at n moments.

    Attributes:
        moment: (n,) microseconds.
        started: (n,) when the contract began, before the moment; `NEVER` without one.
        ends: (n,) when they left or, after a notice, will leave; `NEVER` where nothing of the kind is known.
    """

    moment: I64
    started: I64
    ends: I64

    @property
    def left(self) -> Flags:
        """(n,) who has left."""
        return np.asarray((self.ends != NEVER) & (self.ends < self.moment))

    @property
    def noticed(self) -> Flags:
        """(n,) who holds a contract of which the end is known."""
        return np.asarray((self.started != NEVER) & (self.ends != NEVER) & (self.ends >= self.moment))

    @property
    def running(self) -> Flags:
        """(n,) who holds a contract and gave no notice: of them it is asked whether they will cancel."""
        return np.asarray((self.started != NEVER) & (self.ends == NEVER))

    @property
    def days(self) -> F64:
        """(n,) days since the contract began; NaN without one."""
        none = self.started == NEVER
        return np.where(none, np.nan, (self.moment - np.where(none, self.moment, self.started)) / DAY)


def contracts_at(logs: Logs, moments: Moments) -> Contracts:
    """The contracts as known just before each moment."""
    known = AsOf(logs.contracts, moments)
    signed = known.last_where("signed_up_at", "signed", NEVER)
    ordered = AsOf(logs.orders, moments).first_time()
    listed = np.where(signed == NEVER, known.first_time(), NEVER)  # who signs up later has no contract yet
    started = np.where(ordered != NEVER, ordered, listed)
    started = np.where((signed != NEVER) & (signed < moments.time), signed, started)
    return Contracts(moments.time, started, known.last("left_at", NEVER))


def cancellations(shop: Shop, until: int) -> tuple[int, int]:
    """Rows of `customers` with a `left_at` before `until`, as known then; and those that told it from the beginning.

    The second are rows that became known with the sign-up and yet name a later end: as a rule `left_at` was filled in
    afterwards, and `valid_from` left as it was.
    """
    rows = shop.customers
    if rows is None:
        return 0, 0
    known = rows.take((rows.left_at != NEVER) & (rows.left_at < until) & (rows.visible < until))
    dated = (known.visible != NEVER) & (known.signed_up_at != NEVER)
    early = dated & (known.visible < known.signed_up_at + DAY) & (known.left_at >= known.signed_up_at + DAY)
    return len(known), int(early.sum())


def why_no_contracts(shop: Shop, until: int) -> str:
    """Why churn cannot be cancellation in this shop: '' where cancellations that were not foretold are known."""
    known, foretold = cancellations(shop, until)
    if known and known == foretold:
        return (
            f"customers.left_at: every cancellation before {iso(until)} stands in a row whose valid_from is the "
            "sign-up, as if it had been known from the beginning. Write another row with valid_from when it became "
            "known, or leave valid_from out."
        )
    if known:
        return ""
    return (
        f"customers.left_at: no cancellation is known before {iso(until)}, and with [churn] by = 'contract' they are "
        "what is learnt. Write into left_at of the table customers when each contract ended (with valid_from: when "
        "that became known), or set [churn] by = 'orders'."
    )
