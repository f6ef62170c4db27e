"""Feature tables of generated shops, with what came after: small, and with customers of every kind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regulars.features.context import ShopContext
from regulars.features.shop import days
from regulars.features.table import FeatureTable
from regulars.models.curves import LAST_DAY, OrderCurves
from regulars.models.hazard_rows import EDGES, OrderLabels
from regulars.models.life_table import CancellationLabels
from regulars.models.value import ValueLabels

NAMES = (
    "days_since_last_order",
    "orders_total",
    "order_days_total",
    "tenure_days",
    "usual_gap_days",
    "margin_total",
    "margin_365d",
    "tickets_total",
    "satisfaction",
)
"""Columns of the generated tables; nobody has been asked for their satisfaction, so it is NaN throughout."""
HISTORY_DAYS = 500
MONTHS = 6
AS_OF = days(20_000)


@dataclass(frozen=True)
class ContractTraining:
    """A feature table of contracts that run, for how long they have, and what became of them."""

    table: FeatureTable
    days: NDArray[np.float64]
    labels: CancellationLabels
    curves: OrderCurves | None = None

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> ContractTraining:
        return ContractTraining(self.table.take(rows), self.days[rows], self.labels.take(rows))


@dataclass(frozen=True)
class Training:
    """A feature table, what came after each row, and curves for the models that read them."""

    table: FeatureTable
    orders: OrderLabels
    value: ValueLabels
    curves: OrderCurves

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> Training:
        return Training(self.table.take(rows), self.orders.take(rows), self.value.take(rows), self.curves.take(rows))


def context() -> ShopContext:
    """Ten orders a day, more in each second half year, for `HISTORY_DAYS` before `AS_OF`."""
    orders = np.where(np.arange(HISTORY_DAYS) % 365 < 182, 8, 12).astype(np.int64)
    return ShopContext(AS_OF, 20_000 - HISTORY_DAYS, orders, np.ones(HISTORY_DAYS, np.int64))


def order_days(rng: np.random.Generator, gap: float, lasts: float) -> NDArray[np.float64]:
    """Days of orders of one customer, counted from day 0 of the history, before they leave."""
    start = rng.uniform(0, HISTORY_DAYS * 0.9)
    found = start + np.concatenate([[0.0], np.cumsum(rng.exponential(gap, 60))])
    return np.round(found[found < min(start + lasts, HISTORY_DAYS)], 3)


def features_at(orders: NDArray[np.float64], margin: NDArray[np.float64], day: float, tickets: float) -> list[float]:
    """One row of the table, in the order of `NAMES`; without an order before the day all but the totals are NaN."""
    known = orders[orders < day]
    if len(known) == 0:
        return [np.nan, 0, 0, np.nan, np.nan, 0, 0, tickets, np.nan]
    gap = float(np.median(np.diff(known))) if len(known) > 1 else np.nan
    paid = margin[orders < day]
    year = float(paid[known >= day - 365].sum())
    return [day - known[-1], len(known), len(known), day - known[0], gap, float(paid.sum()), year, tickets, np.nan]


def made_shop(customers: int, seed: int = 0, reorders: str = "some") -> Training:
    """Customers at `MONTHS` moments, 30 days apart, and what they did until `AS_OF`.

    Args:
        customers: how many; every tenth has no order yet.
        seed: of all draws.
        reorders: 'some', 'nobody' (one order each) or 'everybody' (every 10 days, to the end).
    """
    rng = np.random.default_rng(seed)
    rows, after, brought = [], [], []
    moments = [HISTORY_DAYS - 30.0 * (MONTHS - 1 - k) for k in range(MONTHS)]
    for code in range(customers):
        gap, lasts = {"some": (rng.gamma(2, 20), rng.exponential(400)), "nobody": (1e9, 1e9), "everybody": (10.0, 1e9)}[
            reorders
        ]
        orders = order_days(rng, gap, lasts) if code % 10 != 9 else np.array([1e9])
        margin = np.round(rng.normal(12, 8, len(orders)) * 10) / 10
        tickets = float(rng.poisson(1))
        for day in moments:
            coming = orders[(orders >= day) & (orders < HISTORY_DAYS)]
            until = coming[0] - day if len(coming) else np.nan
            left = HISTORY_DAYS - day - until if len(coming) else 0.0
            rows.append((code, day, features_at(orders, margin, day, tickets)))
            after.append((until, HISTORY_DAYS - day, max(len(coming) - 1, 0), left))
            window = (orders >= day) & (orders < day + 90)
            brought.append((float(margin[window].sum()), float(window.sum()), day + 90 <= HISTORY_DAYS))
    days_of = np.array([day for _, day, _ in rows])
    first_day = AS_OF // days(1) - HISTORY_DAYS
    table = FeatureTable(
        np.array([code for code, _, _ in rows], np.int32),
        ((days_of + first_day) * days(1)).astype(np.int64),
        NAMES,
        np.array([values for _, _, values in rows], np.float64).reshape(-1, len(NAMES)),
        context(),
    )
    labels = OrderLabels(*np.array(after, np.float64).reshape(-1, 4).T)
    worth = np.array(brought, np.float64).reshape(-1, 3).T
    return Training(table, labels, ValueLabels(worth[0], worth[1], worth[2] > 0), made_curves(table))


def made_curves(table: FeatureTable) -> OrderCurves:
    """Curves that fall the slower, the longer ago the last order was."""
    since = np.nan_to_num(table.column("days_since_last_order"), nan=LAST_DAY)
    rate = 1 / (40 + since)
    return OrderCurves(EDGES, np.exp(-rate[:, None] * EDGES), rate)


def made_contracts(customers: int, seed: int = 0, cancels: str = "some") -> ContractTraining:
    """The customers of `made_shop` with contracts, those with two tickets or more cancelling five times as often.

    Args:
        customers: how many.
        seed: of all draws.
        cancels: 'some', 'nobody' or 'everybody' (all within 100 days of the first moment).
    """
    made = made_shop(customers, seed)
    rng = np.random.default_rng(seed + 1)
    began = {code: rng.uniform(1, 700) for code in range(customers)}
    first = made.table.moment.min()
    since = (made.table.moment - first) / days(1)
    tickets = made.table.column("tickets_total")
    mean = {"some": np.where(tickets > 1, 120.0, 600.0), "nobody": np.full(len(tickets), 1e9)}
    lives = {code: rng.exponential(1.0) for code in range(customers)}
    code = made.table.customer.tolist()
    life = np.array([lives[one] for one in code])
    ends = life * mean.get(cancels, 0.0) if cancels != "everybody" else 100 * life / (1 + life)
    running = ends >= since
    labels = CancellationLabels(
        np.where(ends < since + made.orders.observed_days, ends - since, np.nan), made.orders.observed_days
    )
    whole = ContractTraining(made.table, np.array([began[one] for one in code]) + since, labels)
    return whole.take(running)
