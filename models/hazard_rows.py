"""Customers at moments, unfolded into intervals: the table that a discrete-time hazard is learnt from.

A customer seen at a moment is at risk of ordering in the first days after it, and if nothing came, in the days after
those, and so on. Each such interval is a row; its label is whether the order came in it. A customer whose future has
only been watched for 40 days gives the intervals that end within 40 days, and no more: so the freshest moments teach
too, and no half-watched interval is taken for a quiet one.

Source: Singer and Willett 1993, 'It's About Time: Using Discrete-Time Survival Analysis', Journal of Educational
Statistics 18(2), pages 155-195.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regulars.features.shop import DAY
from regulars.features.table import FeatureTable
from regulars.models.bgnbd import BgNbd
from regulars.models.curves import LAST_DAY
from regulars.models.fitted import without_calendar

F64 = NDArray[np.float64]

EDGES: F64 = np.array([0, 7, 15, 30, 45, 60, 90, 120, 180, 270, 365, 545, LAST_DAY])
"""Days at which intervals begin and end: narrow where most orders come, wide where few are left."""
YEAR = 365.25
LIFT_DAYS = 364
"""Days ahead up to which the shop's season a year ago is known at the moment (see `ShopContext.year_ago_lift`)."""

BLOCK = 4096
"""Rows copied at a time: what is written column after column stays in the processor's cache until a row is whole."""
FURTHER_DAYS = 180.0
"""How long further orders are counted after the next one, in days from the moment."""

RECENCY = "days_since_last_order"
ADDED = ("days_since_last_order_then", "interval", "order_chance_bgnbd")
SEASONAL = ("season_sine", "season_cosine", "year_ago_lift")


@dataclass(frozen=True)
class OrderLabels:
    """What came after each row of a feature table.

    Attributes:
        days_to_next: (n,) days to the next order, NaN where none came while the customer was watched.
        observed_days: (n,) days the customer was watched.
        further_orders: (n,) orders after the next one, in the rest of the time watched (`FURTHER_DAYS` at most).
        further_days: (n,) how long that rest was, in days; 0 where no order came.
    """

    days_to_next: F64
    observed_days: F64
    further_orders: F64
    further_days: F64

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> OrderLabels:
        """The labels of the given rows."""
        return OrderLabels(
            self.days_to_next[rows], self.observed_days[rows], self.further_orders[rows], self.further_days[rows]
        )


@dataclass(frozen=True)
class HazardRows:
    """Row of the feature table and interval of each unfolded row, and whether the order came in it."""

    row: NDArray[np.intp]
    interval: NDArray[np.intp]
    ordered: NDArray[np.bool_]


def unfold(labels: OrderLabels) -> HazardRows:
    """The intervals in which each customer was at risk and fully watched."""
    starts, ends = EDGES[:-1], EDGES[1:]
    until_order = np.where(np.isnan(labels.days_to_next), np.inf, labels.days_to_next)
    at_risk = until_order[:, None] >= starts
    watched = labels.observed_days[:, None] >= ends
    row, interval = np.nonzero(at_risk & watched)
    return HazardRows(row, interval, until_order[row] < ends[interval])


def histories(table: FeatureTable) -> tuple[F64, F64, F64]:
    """Repeat order days, days from the first to the last, and days since the first: what BG/NBD knows of a customer."""
    tenure = np.nan_to_num(table.column("tenure_days"))
    recency = np.clip(tenure - np.nan_to_num(table.column(RECENCY)), 0, tenure)
    repeats = np.maximum(np.nan_to_num(table.column("order_days_total")) - 1, 0)
    return repeats, np.where(repeats > 0, recency, 0.0), tenure


def bgnbd_hazards(model: BgNbd, table: FeatureTable) -> F64:
    """(n, intervals) chance of an order in each interval given none before, by the buy-till-you-die model."""
    frequency, recency, tenure = histories(table)
    none = model.probability_of_no_order(frequency, recency, tenure, EDGES[None, 1:])
    survival = np.column_stack([np.ones(len(table)), none])
    return np.clip(1 - survival[:, 1:] / np.maximum(survival[:, :-1], 1e-300), 1e-6, 1 - 1e-6)


def hazard_inputs(
    table: FeatureTable, by_bgnbd: F64, row: NDArray[np.integer], interval: NDArray[np.integer]
) -> NDArray[np.float32]:
    """(m, columns) the table's columns without the calendar, `ADDED` and `SEASONAL`: what is known at an interval.

    Args:
        table: (n) rows.
        by_bgnbd: (n, intervals) of `bgnbd_hazards`.
        row: (m,) rows of the table.
        interval: (m,) intervals they are looked at in.
    """
    inputs = known_inputs(table, row)
    look_at(inputs, table, by_bgnbd, year_ago_lifts(table), row, interval)
    return inputs


def known_inputs(table: FeatureTable, row: NDArray[np.integer]) -> NDArray[np.float32]:
    """(m, columns) the inputs of `hazard_inputs` with the columns that depend on the interval left open (`look_at`)."""
    columns = [table.column(name) for name in without_calendar(table.names)]
    inputs = np.empty((len(row), len(columns) + len(ADDED) + len(SEASONAL)), np.float32)
    for begin in range(0, len(row), BLOCK):
        some, block = row[begin : begin + BLOCK], inputs[begin : begin + BLOCK]
        for i, column in enumerate(columns):
            block[:, i] = column[some]
    return inputs


def look_at(
    inputs: NDArray[np.float32],
    table: FeatureTable,
    by_bgnbd: F64,
    lifts: F64,
    row: NDArray[np.integer],
    interval: NDArray[np.integer],
) -> None:
    """Fills in the columns of `ADDED` and `SEASONAL`: the rows as seen in these intervals.

    Args:
        inputs: (m, columns) of `known_inputs`; changed in place, and may be again for other intervals.
        table: (n) rows.
        by_bgnbd: (n, intervals) of `bgnbd_hazards`.
        lifts: (n, intervals) of `year_ago_lifts`.
        row: (m,) rows of the table.
        interval: (m,) intervals they are looked at in.
    """
    start, end = EDGES[interval], EDGES[interval + 1]
    middle = table.moment[row] / DAY + np.minimum((start + end) / 2, start + YEAR / 2)
    turn = 2 * np.pi * (middle % YEAR) / YEAR
    added = (table.column(RECENCY)[row] + start, interval, by_bgnbd[row, interval])
    seasonal = (np.sin(turn), np.cos(turn), lifts[row, interval])
    first = inputs.shape[1] - len(added) - len(seasonal)
    for i, column in enumerate((*added, *seasonal), start=first):
        inputs[:, i] = column


def year_ago_lifts(table: FeatureTable) -> F64:
    """(n, intervals) how much livelier the shop was in the same interval a year ago (see `ShopContext`).

    NaN for intervals that end more than a year ahead: their year-ago days are not over at the moment. Of the interval
    that ends with the year, the last day is left out for the same reason.
    """
    moments, which = np.unique(table.moment, return_inverse=True)
    lifts = np.full((len(moments), len(EDGES) - 1), np.nan)
    for k in np.flatnonzero(EDGES[1:] <= YEAR):
        start, end = np.full(len(moments), EDGES[k]), np.full(len(moments), min(EDGES[k + 1], LIFT_DAYS))
        lifts[:, k] = table.context.year_ago_lift(moments, start, end)
    return lifts[which]
