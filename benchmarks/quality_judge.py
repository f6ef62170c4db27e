"""How good the answers to one question of benchmarks/quality.py are: every metric, with intervals, beside ours.

Bootstrap samples of customers are drawn once for all models, so the difference of two models is paired.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from quality_data import Question, digest

from regulars.training import metrics
from regulars.training.bootstrap import Statistic, resampled_weights
from regulars.training.judging import CHURN_METRICS, VALUE_METRICS
from regulars.training.records import distance
from regulars.training.survival_metrics import censored_crps, interval_coverage_km, pit_values

F64 = NDArray[np.float64]
SAMPLES = 200
OURS = "ours"
PARTS = {"order_time": "order_times", "value": "value"}
"""Our recipes and the component each answers."""


class Measure(NamedTuple):
    """A metric and what it is taken of; `statistic(*arrays, weights=None)`."""

    statistic: Statistic
    arrays: tuple[NDArray[Any], ...]


class Told(NamedTuple):
    """What a model says: a row for each customer, and the curve by day where it has one."""

    frame: pd.DataFrame
    survival: F64 | None


def ratio_of_sums(above: F64, below: F64, weights: F64 | None = None) -> Any:
    """What was expected over what came."""
    w = np.ones(len(above)) if weights is None else weights
    return metrics.ratio((w * above).sum(axis=-1), (w * below).sum(axis=-1))


def measures(told: Told, truth: pd.DataFrame, horizon: int) -> dict[str, Measure]:
    """Every metric of what the model says."""
    says, came = told.frame, {name: truth[name].to_numpy(float) for name in ("orders", "days_to_next", "margin")}
    found: dict[str, Measure] = {}
    if "churn" in says:
        arrays = (came["orders"] == 0).astype(float), says["churn"].to_numpy(float)
        found |= {name: Measure(statistic, arrays) for name, statistic in CHURN_METRICS.items()}
        found["mean_churn"] = Measure(metrics.weighted_mean, arrays[1:])
    if "orders" in says:
        expected = says["orders"].to_numpy(float)
        found["orders_mae"] = Measure(metrics.mae, (came["orders"], expected))
        found["orders_rank_correlation"] = Measure(metrics.rank_correlation, (came["orders"], expected))
        found["total_orders_ratio"] = Measure(ratio_of_sums, (expected, came["orders"]))
    if "margin" in says:
        expected = says["margin"].to_numpy(float)
        found |= {
            f"margin_{name}": Measure(statistic, (came["margin"], expected))
            for name, statistic in VALUE_METRICS.items()
        }
        found["total_margin_ratio"] = Measure(ratio_of_sums, (expected, came["margin"]))
    if "margin_low" in says:
        inside = (came["margin"] >= says["margin_low"]) & (came["margin"] <= says["margin_high"])
        found["margin_interval_coverage"] = Measure(metrics.weighted_mean, (inside.to_numpy(float),))
    return found | _dates(told, came["days_to_next"], horizon)


def _dates(told: Told, to_next: F64, horizon: int) -> dict[str, Measure]:
    if told.survival is None:
        return {}
    seen = ~np.isnan(to_next)
    time = np.where(seen, to_next, horizon)
    grid = np.linspace(0, horizon, told.survival.shape[1])
    error = np.abs(told.frame["median_days"].to_numpy(float) - to_next)
    return {
        "crps_days": Measure(metrics.weighted_mean, (censored_crps(told.survival, grid, time, seen),)),
        "date_interval_coverage": Measure(interval_coverage_km, (pit_values(told.survival, grid, time), seen)),
        "median_error_days": Measure(metrics.weighted_mean, (np.where(seen, error, np.nan),)),
        "median_in_window_error_days": Measure(
            metrics.weighted_mean, (np.where(seen, np.abs(median_in_window(told.survival, grid) - to_next), np.nan),)
        ),
    }


def median_in_window(survival: F64, grid: F64) -> F64:
    """(n,) the day at which half of the chance of an order in the window is used up: the median if one comes in it."""
    target = (1 + survival[:, -1:]) / 2
    right = np.clip((survival > target).sum(axis=1), 1, len(grid) - 1)
    rows = np.arange(len(survival))
    before, after = survival[rows, right - 1], survival[rows, right]
    part = np.where(before > after, (before - target[:, 0]) / np.where(before > after, before - after, 1), 0)
    return grid[right - 1] + np.clip(part, 0, 1) * (grid[right] - grid[right - 1])


def read(path: Path) -> Told:
    """What a model said, from its files; where a peer overflowed, the largest number it said of anybody else."""
    curve, frame = path.with_suffix(".npy"), pd.read_parquet(path)
    for name in frame.columns.drop("customer_id"):
        finite = np.isfinite(frame[name])
        frame[name] = frame[name].where(finite, frame[name][finite].max())
    return Told(frame, np.load(curve, allow_pickle=False) if curve.exists() else None)


def models(folder: Path) -> dict[str, Told]:
    """What every model said about a question, ours first: the recipes that won, put together."""
    found = {path.stem: read(path) for path in sorted(folder.glob("*.parquet")) if path.stem != "truth"}
    winners = {component: recipe for recipe, component in PARTS.items()}
    if (folder / "chosen.json").exists():
        winners |= json.loads((folder / "chosen.json").read_text(encoding="utf-8"))["winners"]
    if not set(winners.values()) <= set(found):
        return found
    when, worth = found[winners["order_times"]], found[winners["value"]]
    frame = when.frame.drop(columns="margin", errors="ignore").merge(
        worth.frame[["customer_id", "margin", "margin_low", "margin_high"]], on="customer_id", validate="one_to_one"
    )
    others = {name: told for name, told in found.items() if name not in PARTS}
    return {OURS: Told(frame, when.survival)} | others


def judge(question: Question) -> list[dict[str, Any]]:
    """A record for each model and metric, with ours less the model's; kept until an answer changes."""
    folder = question.folder
    answers = sorted([*folder.glob("*.parquet"), *folder.glob("*.npy"), *folder.glob("chosen.json")])
    key = digest(*answers, Path(__file__))
    kept = folder / "judged.json"
    if kept.exists():
        found = json.loads(kept.read_text(encoding="utf-8"))
        if found["key"] == key:
            return list(found["records"])
    records = _judge(question, models(folder), pd.read_parquet(folder / "truth.parquet"))
    records = [{name: _plain(value) for name, value in record.items()} for record in records]
    kept.write_text(json.dumps({"key": key, "records": records}, allow_nan=False), encoding="utf-8")
    return records


def _judge(question: Question, told: Mapping[str, Told], truth: pd.DataFrame) -> list[dict[str, Any]]:
    whose = {**vars(question), "n": len(truth)}
    weights = list(resampled_weights(len(truth), SAMPLES, seed=0))
    records: list[dict[str, Any]] = []
    drawn: dict[tuple[str, str], tuple[float, F64]] = {}
    for model, said in told.items():
        if said.frame["customer_id"].tolist() != truth["customer_id"].tolist():
            raise SystemExit(f"{question}: {model} answers about other customers than were asked about")
        for metric, (statistic, arrays) in measures(said, truth, question.horizon).items():
            value = float(statistic(*arrays))
            each = np.concatenate([np.atleast_1d(statistic(*arrays, weights=w)) for w in weights])
            drawn[model, metric] = value, each
            record = whose | {"model": model, "metric": metric, "value": value} | _ends(each)
            if model != OURS and (OURS, metric) in drawn:
                our_value, ours = drawn[OURS, metric]
                record |= {"gap": our_value - value} | _ends(ours - each, "gap_")
            records.append(record)
        if "churn" in said.frame:
            floor = metrics.calibration_noise_floor(said.frame["churn"].to_numpy(float))
            records.append(whose | {"model": model, "metric": "calibration_noise_floor", "value": floor})
    share = float((truth["orders"] == 0).mean())
    records.append(whose | {"model": "what came", "metric": "mean_churn", "value": share})
    return records


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _ends(each: F64, prefix: str = "") -> dict[str, float]:
    known = each[np.isfinite(each)]
    low, high = np.quantile(known, [0.025, 0.975]) if len(known) else (np.nan, np.nan)
    return {f"{prefix}low": float(low), f"{prefix}high": float(high)}


def behind(record: Mapping[str, Any]) -> bool:
    """Whether the whole interval of ours less the peer's lies on the worse side; for metrics with a direction."""
    if record.get("gap_low") is None:
        return False
    higher = distance(record["metric"].removeprefix("margin_").removeprefix("orders_"), 1.0) < 0
    return bool(record["gap_high"] < 0 if higher else record["gap_low"] > 0)
