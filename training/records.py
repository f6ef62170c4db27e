"""What a backtest found out: a record for each model, cutoff and metric, and the predictions plots are made of."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

F64 = NDArray[np.float64]

Component = Literal["order_times", "dates", "value", "next_product", "cancellation"]
ALL_COMPONENTS: tuple[Component, ...] = get_args(Component)
CANCELLATION: Component = "cancellation"
"""The question that is asked where customers hold contracts."""
COMPONENTS: tuple[Component, ...] = tuple(name for name in ALL_COMPONENTS if name != CANCELLATION)
"""The questions of every shop."""

CHOSEN_BY: Mapping[str, str] = {
    "order_times": "log_loss",
    "dates": "censored_crps",
    "value": "mae",
    "next_product": "ndcg_10",
    "cancellation": "log_loss",
}
"""The one metric on which each component's winner is taken."""

HIGHER_IS_BETTER = ("auc", "average_precision", "lift", "rank_correlation", "profit", "recall", "ndcg", "hit")
"""How the names of metrics begin that are better when higher; of the others, lower or nearer to a target is better."""

TARGETS: Mapping[str, float] = {"calibration_slope": 1.0, "total_orders_ratio": 1.0, "interval_coverage": 0.8}
"""Metrics that are neither better high nor better low: they should hit this."""


@dataclass(frozen=True)
class Record:
    """One metric of one model at one cutoff.

    Attributes:
        dataset: name of the data.
        component: the question that was answered, one of `ALL_COMPONENTS`.
        model: name of the model.
        is_baseline: whether it is one of the named baselines.
        as_of: the cutoff, ISO text.
        metric: its name.
        value: NaN where the metric has none.
        low, high: 95 % interval, customers resampled; NaN where there is none.
        n: customers it was measured on.
    """

    dataset: str
    component: str
    model: str
    is_baseline: bool
    as_of: str
    metric: str
    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class CutoffPredictions:
    """What was predicted for n customers at one cutoff, and what came; for plots.

    Attributes:
        as_of: the cutoff, ISO text.
        churned: (n,) whether no order came within the horizon.
        churn_probability: (n,) by model.
        margin: (n,) that came within the horizon, currency units.
        expected_margin: (n,) by model.
        margin_low, margin_high: (n,) 80 % interval of the model in use.
        cancelled: (m,) whether each running contract was cancelled within the horizon; empty where there are none.
        cancel_probability: (m,) by model.
    """

    as_of: str
    churned: NDArray[np.bool_]
    churn_probability: Mapping[str, F64]
    margin: F64
    expected_margin: Mapping[str, F64]
    margin_low: F64
    margin_high: F64
    cancelled: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    cancel_probability: Mapping[str, F64] = field(default_factory=dict)


def to_json(records: Iterable[Record]) -> str:
    """The records as a JSON list; a number that is not there is null."""
    return json.dumps([_plain(record) for record in records], indent=1, allow_nan=False) + "\n"


def write_records(records: Iterable[Record], path: Path) -> None:
    """Write the records as a JSON list, the file whole or not at all."""
    text = to_json(records)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as scratch:
        made = Path(scratch, path.name)
        with made.open("w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        made.replace(path)


def read_records(path: Path) -> list[Record]:
    """The records of a file that `write_records` wrote.

    Raises:
        ValueError: if the file holds something else; the message says where.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: not valid JSON: {error}") from error
    if not isinstance(rows, list):
        raise ValueError(f"{path}: expected a list of records, found {type(rows).__name__}")  # noqa: TRY004 (content)
    return [_record(row, f"{path}: record {number}") for number, row in enumerate(rows, 1)]


def _plain(record: Record) -> dict[str, Any]:
    # Numbers of NumPy are made Python's own, which JSON knows.
    numbers = {name: float(getattr(record, name)) for name in ("value", "low", "high")}
    plain = {name: number if math.isfinite(number) else None for name, number in numbers.items()}
    return {**asdict(record), **plain, "is_baseline": bool(record.is_baseline), "n": int(record.n)}


def _record(row: Any, where: str) -> Record:
    wanted = {field.name for field in fields(Record)}
    if not isinstance(row, dict) or set(row) != wanted:
        found = sorted(row) if isinstance(row, dict) else type(row).__name__
        raise ValueError(f"{where}: expected the fields {sorted(wanted)}, found {found}")
    numbers = {name: math.nan if row[name] is None else float(row[name]) for name in ("value", "low", "high")}
    return Record(**{**row, **numbers})


def as_frame(records: Iterable[Record]) -> pd.DataFrame:
    """One row a record, columns as its fields."""
    return pd.DataFrame([asdict(record) for record in records], columns=[field.name for field in fields(Record)])


def cutoffs(records: Iterable[Record]) -> list[str]:
    """The cutoffs, earliest first."""
    return sorted({record.as_of for record in records})


def mean_over_cutoffs(records: Iterable[Record]) -> pd.DataFrame:
    """Each model's metrics averaged over cutoffs: component, model, is_baseline, metric, value, cutoffs.

    Cutoffs at which a metric has no value are left out of its mean and of the count.
    """
    keys = ["component", "model", "is_baseline", "metric"]
    frame = as_frame(records)
    groups = frame.groupby(keys, sort=False)["value"]
    return groups.agg(value="mean", cutoffs="count").reset_index()


def mean_of(records: Iterable[Record], component: str, model: str, metric: str) -> float:
    """A metric's mean over the cutoffs; NaN where there is none."""
    values = [
        record.value
        for record in records
        if (record.component, record.model, record.metric) == (component, model, metric) and math.isfinite(record.value)
    ]
    return sum(values) / len(values) if values else math.nan


def ranked(records: Sequence[Record], component: str, *, baselines: bool | None = None) -> list[str]:
    """Models of a component, the best on its metric first; `baselines` keeps only those that are, or are not, one.

    Models without a value for the metric come last, and equal ones in the order of their names.
    """
    metric = CHOSEN_BY[component]
    names = {
        record.model
        for record in records
        if record.component == component and (baselines is None or record.is_baseline == baselines)
    }
    return sorted(names, key=lambda name: (distance(metric, mean_of(records, component, name, metric)), name))


def best_baselines(records: Sequence[Record]) -> dict[str, str]:
    """The best baseline of each component that has one, on the metric the component is chosen by."""
    best = {component: ranked(records, component, baselines=True) for component in ALL_COMPONENTS}
    return {component: names[0] for component, names in best.items() if names}


def distance(metric: str, value: float) -> float:
    """A number that is lower for a better value of the metric, whichever way it points; no value is the worst."""
    if math.isnan(value):
        return math.inf
    if metric in TARGETS:
        return abs(value - TARGETS[metric])
    return -value if metric.startswith(HIGHER_IS_BETTER) else value
