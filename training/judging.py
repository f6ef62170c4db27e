"""What a model's answers at one cutoff were worth: the metrics of each component, with intervals.

Customers are resampled for the intervals, once for all metrics of a model. Metrics of next products are means over
customers who bought something in the window; repeats are judged on the list of everything, first purchases on the list
of what would be new, because a shop asks the two questions apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from regulars.features.shop import Text
from regulars.models.curves import LAST_DAY, OrderCurves
from regulars.models.fitted import ValuePrediction
from regulars.models.recommendations import Recommendations
from regulars.training import metrics
from regulars.training.bootstrap import Interval, Statistic, resampled_weights
from regulars.training.product_labels import BoughtNext
from regulars.training.ranking_metrics import ranking_metrics
from regulars.training.records import Record
from regulars.training.survival_metrics import censored_crps, interval_coverage_km, pit_values

F64 = NDArray[np.float64]

SAMPLES = 200
CUTS = (5, 10, 20)

CHURN_METRICS: Mapping[str, Statistic] = {
    "auc": metrics.auc,
    "average_precision": metrics.average_precision,
    "log_loss": metrics.log_loss,
    "brier": metrics.brier,
    "calibration_error": metrics.calibration_error,
    "calibration_slope": metrics.calibration_slope,
    "lift_top_decile": metrics.lift_top_decile,
}
VALUE_METRICS: Mapping[str, Statistic] = {
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
        bought: the products of their window.
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


class Measure(NamedTuple):
    """A metric to be taken: `statistic(*arrays, weights=None)` of arrays of n rows, one a customer."""

    statistic: Statistic
    arrays: tuple[NDArray[Any], ...]

    @property
    def customers(self) -> int:
        """How many it is measured on: those of whom everything is known."""
        return int(np.all([~np.isnan(array) for array in self.arrays], axis=0).sum())


@dataclass(frozen=True)
class Judge:
    """Writes the records of one model at one cutoff."""

    dataset: str
    component: str
    model: str
    is_baseline: bool
    as_of: str

    def records(self, measures: Mapping[str, Measure]) -> list[Record]:
        """A record for each metric, all with the same customers as rows."""
        found = intervals(list(measures.values()))
        return [
            Record(**vars(self), metric=name, **one._asdict(), n=measure.customers)
            for (name, measure), one in zip(measures.items(), found, strict=True)
        ]


def intervals(measures: Sequence[Measure], samples: int = SAMPLES) -> list[Interval]:
    """Each measure with its percentile interval of 95 %; every bootstrap sample is drawn once, for all of them."""
    count = len(measures[0].arrays[0])
    if not count:
        return [Interval(np.nan, np.nan, np.nan)] * len(measures)
    drawn: list[list[F64]] = [[] for _ in measures]
    for weights in resampled_weights(count, samples, seed=0):
        for each, (statistic, arrays) in zip(drawn, measures, strict=True):
            each.append(statistic(*arrays, weights=weights))
    return [
        Interval(float(statistic(*arrays)), *_ends(np.concatenate(each)))
        for each, (statistic, arrays) in zip(drawn, measures, strict=True)
    ]


def _ends(drawn: F64) -> tuple[float, float]:
    """Ends of the interval, samples without a value (no churner drawn, say) left out."""
    known = drawn[np.isfinite(drawn)]
    if not len(known):
        return np.nan, np.nan
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)


def mean_of(values: F64) -> Measure:
    """The mean over customers who have a value."""
    return Measure(metrics.weighted_mean, (values,))


def churn_losses(truth: Truth, curves: OrderCurves) -> F64:
    """(n,) log loss of each customer's churn probability."""
    return log_losses(truth.churned, curves.churn(truth.horizon_days))


def log_losses(came: NDArray[np.bool_], probability: F64) -> F64:
    """(n,) log loss of each row's probability of what came."""
    clipped = np.clip(probability, 1e-6, 1 - 1e-6)
    return -np.log(np.where(came, clipped, 1 - clipped))


def judge_churn(judge: Judge, truth: Truth, curves: OrderCurves) -> list[Record]:
    """Churn probabilities and the number of orders."""
    churned, probability = truth.churned.astype(np.float64), curves.churn(truth.horizon_days)
    expected = curves.expected_orders(truth.horizon_days)
    return judge.records(
        {name: Measure(statistic, (churned, probability)) for name, statistic in CHURN_METRICS.items()}
        | {
            "orders_mae": Measure(metrics.mae, (truth.orders, expected)),
            "total_orders_ratio": Measure(_ratio_of_sums, (expected, truth.orders)),
        }
    )


def _ratio_of_sums(above: F64, below: F64, weights: F64 | None = None) -> Any:
    w = np.ones(len(above)) if weights is None else weights
    return metrics.ratio((w * above).sum(axis=-1), (w * below).sum(axis=-1))


def date_losses(truth: Truth, curves: OrderCurves) -> F64:
    """(n,) censored CRPS of the next order's date, in days."""
    grid = np.linspace(0, truth.horizon_days, 46)
    return censored_crps(curves.survival_at(grid), grid, *_watched(truth))


def _watched(truth: Truth) -> tuple[F64, NDArray[np.bool_]]:
    came = ~np.isnan(truth.days_to_next)
    return np.where(came, truth.days_to_next, truth.horizon_days), came


def judge_dates(judge: Judge, truth: Truth, curves: OrderCurves) -> list[Record]:
    """Dates of the next order, with those that had not come by the end of the window taken as such."""
    grid = np.linspace(0, truth.horizon_days, 91)
    time, came = _watched(truth)
    pit = pit_values(curves.survival_at(grid), grid, time)
    median = np.nan_to_num(curves.quantile_days(0.5), nan=LAST_DAY)
    return judge.records(
        {
            "censored_crps": mean_of(date_losses(truth, curves)),
            "interval_coverage": Measure(interval_coverage_km, (pit, came)),
            "median_error": mean_of(np.where(came, np.abs(median - truth.days_to_next), np.nan)),
        }
    )


def value_losses(truth: Truth, value: ValuePrediction) -> F64:
    """(n,) absolute error of the expected margin, in currency units."""
    return np.abs(truth.margin - value.expected)


def judge_value(judge: Judge, truth: Truth, value: ValuePrediction) -> list[Record]:
    """Margin in the horizon."""
    inside = (truth.margin >= value.low) & (truth.margin <= value.high)
    return judge.records(
        {name: Measure(statistic, (truth.margin, value.expected)) for name, statistic in VALUE_METRICS.items()}
        | {"interval_coverage": mean_of(inside.astype(np.float64))}
    )


def product_values(truth: Truth, came: NDArray[np.intp], found: Recommendations, product_ids: Text) -> dict[str, F64]:
    """(n,) per-customer values of each ranking metric, NaN where a customer has nothing to find.

    Args:
        truth: of n customers.
        came: the rows of those who bought something.
        found: what they were recommended.
        product_ids: behind the codes of the truth.
    """
    every, new = (found.in_codes_of(product_ids, codes) for codes in (found.all.product, found.new.product))
    bought, values = truth.bought, {}
    parts = (("", every, bought.every), ("_repeat", every, bought.repeats), ("_first", new, bought.firsts))
    for suffix, listed, wanted in parts:
        basket = wanted.take(came)
        by_name = ranking_metrics(listed, basket.indptr, basket.items, CUTS)
        for k in CUTS:
            for metric, name in (("recall", "recall"), ("ndcg", "ndcg"), ("hit", "hit_rate")):
                each = np.full(len(truth.customer), np.nan)
                each[came] = by_name[f"{name}@{k}"]
                values[f"{metric}_{k}{suffix}"] = each
    return values


def judge_products(judge: Judge, came: NDArray[np.intp], values: Mapping[str, F64]) -> list[Record]:
    """Lists of next products; rows of who did not come are left out, because they have no value in any metric."""
    return judge.records({name: mean_of(each[came]) for name, each in values.items()})
