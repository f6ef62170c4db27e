"""What a model's answers at one cutoff were worth: the metrics of each component, with intervals.

Customers are resampled for the intervals. Metrics of next products are means over customers who bought something in
the window; repeats are judged on the list of everything, first purchases on the list of what would be new, because a
shop asks the two questions apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regulars.features.shop import Text
from regulars.models.curves import LAST_DAY, OrderCurves
from regulars.models.fitted import ValuePrediction
from regulars.models.recommendations import Recommendations
from regulars.training import metrics
from regulars.training.bootstrap import bootstrap_interval
from regulars.training.product_labels import BoughtNext
from regulars.training.ranking_metrics import ranking_metrics
from regulars.training.records import Record
from regulars.training.survival_metrics import censored_crps, interval_coverage_km, pit_values

F64 = NDArray[np.float64]

SAMPLES = 200
CUTS = (5, 10, 20)

CHURN_METRICS: Mapping[str, Callable[..., Any]] = {
    "auc": metrics.auc,
    "average_precision": metrics.average_precision,
    "log_loss": metrics.log_loss,
    "brier": metrics.brier,
    "calibration_error": metrics.calibration_error,
    "calibration_slope": metrics.calibration_slope,
    "lift_top_decile": metrics.lift_top_decile,
}
VALUE_METRICS: Mapping[str, Callable[..., Any]] = {
    "mae": metrics.mae,
    "rank_correlation": metrics.rank_correlation,
    "profit_top_decile": metrics.profit_caught_top_decile,
}


@dataclass(frozen=True)
class Truth:
    """What the n customers of a cutoff did in the horizon.

    Attributes:
        customer: (n,) codes.
        orders: (n,) orders.
        days_to_next: (n,) days to the next order within the horizon, NaN if none came.
        margin: (n,) margin in currency units.
        bought: products.
        horizon_days: the horizon.
    """

    customer: NDArray[np.int64]
    orders: F64
    days_to_next: F64
    margin: F64
    bought: BoughtNext
    horizon_days: float

    @property
    def churned(self) -> NDArray[np.bool_]:
        """(n,) whether no order came."""
        return np.asarray(self.orders == 0)


@dataclass(frozen=True)
class Judge:
    """Writes the records of one model at one cutoff."""

    dataset: str
    component: str
    model: str
    is_baseline: bool
    as_of: str

    def record(self, metric: str, statistic: Callable[..., Any], *arrays: NDArray[Any]) -> Record:
        """One metric with its interval."""
        found = bootstrap_interval(statistic, *arrays, samples=SAMPLES)
        return Record(**vars(self), metric=metric, value=found.value, low=found.low, high=found.high, n=len(arrays[0]))

    def mean(self, metric: str, values: F64) -> Record:
        """The mean over customers who have a value."""
        return self.record(metric, metrics.weighted_mean, values[~np.isnan(values)])


def churn_losses(truth: Truth, curves: OrderCurves) -> F64:
    """(n,) log loss of each customer's churn probability."""
    churn = np.clip(curves.churn(truth.horizon_days), 1e-6, 1 - 1e-6)
    return -np.log(np.where(truth.churned, churn, 1 - churn))


def judge_churn(judge: Judge, truth: Truth, curves: OrderCurves) -> Iterator[Record]:
    """Churn probabilities and the number of orders."""
    churned, probability = truth.churned.astype(np.float64), curves.churn(truth.horizon_days)
    for name, statistic in CHURN_METRICS.items():
        yield judge.record(name, statistic, churned, probability)
    expected = curves.expected_orders(truth.horizon_days)
    yield judge.record("orders_mae", metrics.mae, truth.orders, expected)
    yield judge.record("total_orders_ratio", _ratio_of_sums, expected, truth.orders)


def _ratio_of_sums(above: F64, below: F64, weights: F64 | None = None) -> Any:
    w = np.ones(len(above)) if weights is None else weights
    total = (w * below).sum(axis=-1)
    return (w * above).sum(axis=-1) / np.where(total > 0, total, np.nan)


def date_losses(truth: Truth, curves: OrderCurves) -> F64:
    """(n,) censored CRPS of the next order's date, in days."""
    grid = np.linspace(0, truth.horizon_days, 46)
    return censored_crps(curves.survival_at(grid), grid, *_watched(truth))


def _watched(truth: Truth) -> tuple[F64, NDArray[np.bool_]]:
    came = ~np.isnan(truth.days_to_next)
    return np.where(came, truth.days_to_next, truth.horizon_days), came


def judge_dates(judge: Judge, truth: Truth, curves: OrderCurves) -> Iterator[Record]:
    """Dates of the next order, with those that had not come by the end of the window taken as such."""
    yield judge.mean("censored_crps", date_losses(truth, curves))
    grid = np.linspace(0, truth.horizon_days, 91)
    time, came = _watched(truth)
    pit = pit_values(curves.survival_at(grid), grid, time)
    yield judge.record("interval_coverage", interval_coverage_km, pit, came)
    median = np.nan_to_num(curves.quantile_days(0.5), nan=LAST_DAY)
    yield judge.mean("median_error", np.where(came, np.abs(median - truth.days_to_next), np.nan))


def value_losses(truth: Truth, value: ValuePrediction) -> F64:
    """(n,) absolute error of the expected margin, in currency units."""
    return np.abs(truth.margin - value.expected)


def judge_value(judge: Judge, truth: Truth, value: ValuePrediction) -> Iterator[Record]:
    """Margin in the horizon."""
    for name, statistic in VALUE_METRICS.items():
        yield judge.record(name, statistic, truth.margin, value.expected)
    inside = (truth.margin >= value.low) & (truth.margin <= value.high)
    yield judge.mean("interval_coverage", inside.astype(np.float64))


def product_values(truth: Truth, found: Recommendations, product_ids: Text) -> dict[str, F64]:
    """(n,) per-customer values of each ranking metric, NaN where a customer has nothing to find."""
    every, new = (found.in_codes_of(product_ids, codes) for codes in (found.all.product, found.new.product))
    parts = (
        ("", every, truth.bought.every),
        ("_repeat", every, truth.bought.repeats),
        ("_first", new, truth.bought.firsts),
    )
    values = {}
    for suffix, listed, bought in parts:
        found_by = ranking_metrics(listed, bought.indptr, bought.items, CUTS)
        for k in CUTS:
            for metric, name in (("recall", "recall"), ("ndcg", "ndcg"), ("hit", "hit_rate")):
                values[f"{metric}_{k}{suffix}"] = found_by[f"{name}@{k}"]
    return values


def judge_products(judge: Judge, values: Mapping[str, F64]) -> Iterator[Record]:
    """Lists of next products."""
    for name, each in values.items():
        if not np.isnan(each).all():
            yield judge.mean(name, each)
