"""Tables of benchmarks/quality.py in markdown, made of the records of `quality_judge`."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from quality_judge import OURS, behind

NAMES = {
    OURS: "**ours**",
    "oracle": "the truth (what nobody can know better)",
    "recency": "recency",
    "churn_factor": "churn factor",
    "usual_gap": "usual gap",
    "bgnbd": "BG/NBD, exact chance of no order (in the package)",
    "lifetimes_bgnbd": "BG/NBD, lifetimes",
    "lifetimes_mbgnbd": "MBG/NBD, lifetimes",
    "lifetimes_pareto": "Pareto/NBD, lifetimes",
    "pymc_bgnbd": "BG/NBD MAP, pymc-marketing",
    "rfm_logistic": "RFM logistic regression",
    "lightgbm_usual": "LightGBM, one snapshot",
    "catboost_usual": "CatBoost, one snapshot",
    "ziln": "zero-inflated lognormal",
    "gamma_gamma": "BG/NBD x Gamma-Gamma (in the package)",
    "last_year": "last year's margin",
}
"""Words for models, in the order of the tables; lifetimes' and pymc-marketing's BG/NBD come with their Gamma-Gamma."""

Record = Mapping[str, Any]
Cell = tuple[str, str, str]
"""Cutoff, model, metric."""


def markdown(records: Sequence[Record]) -> str:
    """All tables, one section for each data set and horizon."""
    cases = sorted({(one["dataset"], one["horizon"]) for one in records})
    return "\n\n".join(_Case(dataset, horizon, records).text() for dataset, horizon in cases) + "\n"


class _Case:
    """One data set and horizon."""

    def __init__(self, dataset: str, horizon: int, records: Sequence[Record]) -> None:
        self.title = f"## {dataset}, {horizon} days"
        mine = [one for one in records if (one["dataset"], one["horizon"]) == (dataset, horizon)]
        self.cutoffs = sorted({one["cutoff"] for one in mine})
        self.found = {(one["cutoff"], one["model"], one["metric"]): one for one in mine}
        self.size = {one["cutoff"]: one["n"] for one in mine}

    def text(self) -> str:
        """The section."""
        parts = [self.title, self.sizes(), self.churn(), *(self.by_cutoff(cutoff) for cutoff in self.cutoffs)]
        parts += [self.means("Orders and value", ORDERS_AND_VALUE), self.means("Dates", DATES), self.where_behind()]
        return "\n\n".join(part for part in parts if part)

    def models(self, metric: str) -> list[str]:
        """Models that have the metric at every cutoff."""
        return [m for m in NAMES if all((cutoff, m, metric) in self.found for cutoff in self.cutoffs)]

    def sizes(self) -> str:
        """Who was asked about."""
        told = [
            f"{cutoff}: {self.size[cutoff]:,}, {self.found[cutoff, 'what came', 'mean_churn']['value']:.1%} left"
            for cutoff in self.cutoffs
        ]
        return f"Customers asked about at each cutoff, and how many of them did not order: {'; '.join(told)}."

    def churn(self) -> str:
        """Means over the cutoffs, and at how many of them ours is wholly behind."""
        return self.means("Churn, means over the cutoffs", CHURN)

    def means(self, title: str, metrics: Mapping[str, tuple[str, str]]) -> str:
        """A row for each model, a column for each metric: the mean over cutoffs; in brackets, ours less theirs."""
        names = [m for m in NAMES if any(m in self.models(metric) for metric in metrics)]
        if not names:
            return ""
        rows = [[NAMES[m], *(self._mean(m, metric, form) for metric, (_, form) in metrics.items())] for m in names]
        heads = ["model", *(word for word, _ in metrics.values())]
        return f"**{title}** (ours less theirs in brackets)\n\n{table(heads, rows)}"

    def _mean(self, model: str, metric: str, form: str) -> str:
        found = [self.found.get((cutoff, model, metric)) for cutoff in self.cutoffs]
        values = [one["value"] for one in found if one and one["value"] is not None]
        if len(values) < len(self.cutoffs):
            return ""
        gaps = [one["gap"] for one in found if one and one.get("gap") is not None]
        mean = sum(values) / len(values)
        told = f"{mean:{form}}"
        if len(gaps) == len(values) and metric not in NO_GAP:
            told += f" ({sum(gaps) / len(gaps):+{form}})"
        return told

    def by_cutoff(self, cutoff: str) -> str:
        """Ours and each peer at one cutoff, with paired intervals."""
        rows = []
        for model, words in NAMES.items():
            if (cutoff, model, "auc") not in self.found:
                continue
            rows.append(
                [
                    words,
                    self._with_gap(cutoff, model, "auc"),
                    self._with_gap(cutoff, model, "log_loss"),
                    self._calibration(cutoff, model),
                    self._interval(cutoff, model, "calibration_slope"),
                    self._interval(cutoff, model, "total_orders_ratio"),
                ]
            )
        heads = ["model", "AUC (ours less theirs)", "log loss (ours less theirs)", "calibration error / floor"]
        return f"**{cutoff}**\n\n{table([*heads, 'slope', 'orders expected / came'], rows)}"

    def _with_gap(self, cutoff: str, model: str, metric: str) -> str:
        one = self.found[cutoff, model, metric]
        if one.get("gap") is None:
            return f"{one['value']:.4f} [{one['low']:.3f}, {one['high']:.3f}]"
        mark = " **behind**" if behind(one) else ""
        return f"{one['value']:.4f} ({one['gap']:+.4f} [{one['gap_low']:+.4f}, {one['gap_high']:+.4f}]){mark}"

    def _calibration(self, cutoff: str, model: str) -> str:
        error, floor = (self.found[cutoff, model, f"calibration_{name}"]["value"] for name in ("error", "noise_floor"))
        return f"{error:.3f} / {floor:.3f}"

    def _interval(self, cutoff: str, model: str, metric: str) -> str:
        one = self.found.get((cutoff, model, metric))
        if one is None or one["value"] is None:
            return ""
        return f"{one['value']:.2f} [{_number(one['low'])}, {_number(one['high'])}]"

    def where_behind(self) -> str:
        """Every cutoff, peer and metric at which the paired interval lies wholly on the worse side."""
        rows = [
            f"- {cutoff}, {metric}: {NAMES[model]} {one['value']:.4f}, "
            f"ours {one['gap']:+.4f} [{one['gap_low']:+.4f}, {one['gap_high']:+.4f}]"
            for (cutoff, model, metric), one in self.found.items()
            if metric in DIRECTED and model in NAMES and model != "oracle" and behind(one)
        ]
        title = "**Wholly behind** (the paired 95 % interval on the worse side)"
        return f"{title}\n\n" + ("\n".join(rows) if rows else "- nowhere")


CHURN = {
    "auc": ("AUC", ".4f"),
    "average_precision": ("average precision", ".4f"),
    "log_loss": ("log loss", ".4f"),
    "brier": ("Brier", ".4f"),
    "lift_top_decile": ("lift in the top decile", ".3f"),
    "calibration_error": ("calibration error", ".3f"),
    "calibration_noise_floor": ("its noise floor", ".3f"),
    "calibration_slope": ("slope", ".2f"),
}
ORDERS_AND_VALUE = {
    "orders_mae": ("orders, MAE", ".4f"),
    "orders_rank_correlation": ("orders, rank correlation", ".4f"),
    "total_orders_ratio": ("orders expected / came", ".2f"),
    "margin_mae": ("margin, MAE", ".2f"),
    "margin_rank_correlation": ("margin, rank correlation", ".4f"),
    "margin_profit_top_decile": ("profit caught by the top decile", ".3f"),
    "total_margin_ratio": ("margin expected / came", ".2f"),
    "margin_interval_coverage": ("80 % interval holds", ".3f"),
}
DATES = {
    "crps_days": ("censored CRPS, days", ".2f"),
    "date_interval_coverage": ("80 % interval holds (Kaplan-Meier)", ".3f"),
    "median_error_days": ("error of the median where an order came, days", ".1f"),
    "median_in_window_error_days": ("the same, told that it comes in the window", ".1f"),
}
NO_GAP = {
    "calibration_noise_floor",
    "calibration_slope",
    "total_orders_ratio",
    "total_margin_ratio",
    "margin_interval_coverage",
    "date_interval_coverage",
}
DIRECTED = {
    *("auc", "average_precision", "log_loss", "brier", "lift_top_decile", "calibration_error"),
    *("orders_mae", "orders_rank_correlation", "margin_mae", "margin_rank_correlation", "margin_profit_top_decile"),
    *("crps_days", "median_error_days", "median_in_window_error_days"),
}
"""Metrics of which more, or less, is better."""


PARTS = {
    "data": "features and orders for the peers",
    "ours": "ours and the package's baselines, fitted once",
    "chosen": "the choice among them, at up to four earlier cutoffs",
}


def times(found: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """What each part took: the median over questions."""
    rows = [
        [
            PARTS.get(name, NAMES.get(name, name)),
            str(len(each)),
            *(f"{statistics.median(column):.1f}" for column in zip(*each, strict=True)),
        ]
        for name, each in found.items()
    ]
    heads = ["part", "questions", "seconds of the wall, median", "of the processor, without child processes"]
    return f"\n## Time\n\n{table(heads, rows)}\n"


def _number(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:.2f}"


def table(heads: list[str], rows: list[list[str]]) -> str:
    """A table in markdown; columns that are empty in every row are left out."""
    kept = [i for i in range(len(heads)) if any(row[i] for row in rows)]
    lines = [[heads[i] for i in kept], ["---"] * len(kept), *([row[i] for i in kept] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
