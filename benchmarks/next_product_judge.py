"""Metrics of the answers in benchmarks/next_product.py: records for its tables.

Four parts, each with recall, NDCG, hit rate and reciprocal rank at 5, 10 and 20: the list against all that was bought,
against repeat purchases alone, against first-time purchases alone, and the list of first-time products against
first-time purchases. A customer without purchases of a part has no place in its means.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from next_product_data import Case, Truth
from numpy.typing import NDArray

from regulars.training.bootstrap import resampled_weights
from regulars.training.ranking_metrics import find_hits, ranking_metrics

Floats = NDArray[np.float64]
OURS = "ours"
MEAN = "mean"
"""Stands for the mean over folds or cutoffs."""
SAMPLES = 1_000
BINS = 10
LISTED = 10
"""Places that calibration and coverage look at."""
PARTS = {"all": ("all", "all"), "repeat": ("all", "repeat"), "found new": ("all", "new"), "new": ("new", "new")}
"""The list and the purchases of each part."""
Record = dict[str, Any]


@dataclass(frozen=True)
class Answers:
    """What there is of a case: arrays and what was told, by method."""

    case: Case
    lists: dict[str, dict[str, NDArray[Any]]]
    told: dict[str, dict[str, Any]]


def answers_of(name: str, methods: Iterable[str]) -> Answers:
    """The answers that were kept for a case."""
    case = Case.of(name)
    lists, told = {}, {}
    for method in methods:
        path = case.folder / f"{method}.npz"
        if path.exists() and path.with_suffix(".json").exists():
            with np.load(path) as arrays:
                lists[method] = {key: arrays[key] for key in arrays}
            told[method] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    return Answers(case, lists, told)


def judge(found: Sequence[Answers]) -> list[Record]:
    """All records: of each fold and cutoff, and of the means over those that have the method."""
    records = []
    for dataset in dict.fromkeys(one.case.dataset for one in found):
        some = [one for one in found if one.case.dataset == dataset and one.lists]
        groups = [Group.of(one, name) for one in some for name in one.case.groups]
        told = [*_sizes(groups), *compared(groups), *_of_lists(groups), *_times(some)]
        records += [{"dataset": dataset, **record} for record in told]
    return records


@dataclass(frozen=True)
class Group:
    """A fold or cutoff: customers, what came, and values by customer, method and metric."""

    name: str
    customers: NDArray[Any]
    lists: dict[str, dict[str, NDArray[Any]]]
    truths: dict[str, Truth]
    on_sale: NDArray[Any]
    values: dict[str, dict[str, Floats]]

    @classmethod
    def of(cls, answers: Answers, name: str) -> Group:
        """One group of a case."""
        case, rows = answers.case, answers.case.groups[name]
        truths = {part: _rows_of(truth, rows) for part, truth in case.truths().items()}
        lists = {
            method: {key: array[rows] for key, array in arrays.items()} for method, arrays in answers.lists.items()
        }
        values = {method: metrics_of(arrays, truths) for method, arrays in lists.items()}
        return cls(name, case.asked[rows], lists, truths, case.on_sale, values)


def _rows_of(truth: Truth, rows: NDArray[Any]) -> Truth:
    """The truth of some customers."""
    sizes = np.diff(truth.indptr)[rows]
    ends = np.concatenate(([0], np.cumsum(sizes)))
    at = np.repeat(truth.indptr[rows] - ends[:-1], sizes) + np.arange(ends[-1])
    return Truth(ends.astype(np.int64), truth.items[at])


def metrics_of(lists: dict[str, NDArray[Any]], truths: dict[str, Truth]) -> dict[str, Floats]:
    """Values by customer, keyed 'part metric@k'."""
    found = {}
    for part, (asked, came) in PARTS.items():
        truth = truths[came]
        for metric, values in ranking_metrics(lists[asked], truth.indptr, truth.items).items():
            found[f"{part} {metric}"] = values
    return found


def compared(groups: Sequence[Group], samples: int = SAMPLES) -> list[Record]:
    """Values of every method and metric, and ours less theirs with its interval, by group and over the groups.

    Customers are drawn once for all groups, so that one who is in several stays one in the mean.
    """
    everybody = np.unique(np.concatenate([group.customers for group in groups]))
    drawn = np.concatenate(list(resampled_weights(len(everybody), samples, seed=0)))
    records: list[Record] = []
    pooled: dict[tuple[str, str], list[tuple[float, float, Floats]]] = {}
    for group in groups:
        names = [(method, metric) for method, values in group.values.items() for metric in values]
        table = np.column_stack([group.values[method][metric] for method, metric in names])
        ours = group.values.get(OURS)
        gaps = table * np.nan if ours is None else np.column_stack([ours[metric] for _, metric in names]) - table
        weights, each = drawn[:, np.searchsorted(everybody, group.customers)], np.ones((1, len(table)))
        value, gap, sampled = _means(each, table)[0], _means(each, gaps)[0], _means(weights, gaps)
        for i, name in enumerate(names):
            pooled.setdefault(name, []).append((value[i], gap[i], sampled[:, i]))
            records.append(_record(group.name, name, *pooled[name][-1]))
    for name, found in pooled.items():
        if len(found) == len(groups) > 1:
            mean = [np.mean([one[i] for one in found], axis=0) for i in range(3)]
            records.append(_record(MEAN, name, *mean))
    return records


def _means(weights: Floats, table: Floats) -> Floats:
    """(samples, columns) weighted means of the known values."""
    known = ~np.isnan(table)
    with np.errstate(invalid="ignore"):
        found: Floats = (weights @ np.where(known, table, 0.0)) / (weights @ known.astype(np.float64))
    return found


def _record(group: str, name: tuple[str, str], value: Any, gap: Any, samples: Any) -> Record:
    record: Record = {"group": group, "method": name[0], "metric": name[1], "value": float(value)}
    if name[0] != OURS and np.isfinite(gap):
        low, high = np.nanquantile(samples, [0.025, 0.975])
        record |= {"gap": float(gap), "low": float(low), "high": float(high)}
    return record


def _of_lists(groups: Sequence[Group]) -> list[Record]:
    """Coverage, and calibration where there are probabilities; of each group and their mean."""
    found: dict[tuple[str, str], list[tuple[str, float]]] = {}
    for group in groups:
        for method, lists in group.lists.items():
            told = {"coverage": coverage(lists["all"], group.on_sale)}
            for part in ("all", "new"):
                if f"{part}_probability" in lists:
                    truth = group.truths[part]
                    said = lists[f"{part}_probability"][:, :LISTED]
                    gap, ratio = calibration(lists[part][:, :LISTED], said, truth)
                    told |= {f"{part} calibration gap": gap, f"{part} said / came": ratio}
            for metric, value in told.items():
                found.setdefault((method, metric), []).append((group.name, value))
    records = []
    for (method, metric), each in found.items():
        means = [(MEAN, float(np.mean([value for _, value in each])))] if len(each) == len(groups) > 1 else []
        records += [{"group": g, "method": method, "metric": metric, "value": v} for g, v in [*each, *means]]
    return records


def coverage(recommended: NDArray[Any], on_sale: NDArray[Any]) -> float:
    """Share of the products on sale that stand in anybody's first ten."""
    return float(np.isin(on_sale, recommended[:, :LISTED]).mean())


def calibration(recommended: NDArray[Any], said: Floats, truth: Truth) -> tuple[float, float]:
    """Mean gap between what was said and what came in ten bins of equal size, and the ratio of the two overall."""
    filled = recommended >= 0
    hit = find_hits(recommended, truth.indptr, truth.items).hit[filled].astype(np.float64)
    chance = said[filled]
    order = np.argsort(chance, kind="stable")
    gaps = [abs(chance[part].mean() - hit[part].mean()) for part in np.array_split(order, BINS) if len(part)]
    return float(np.mean(gaps)), float(chance.sum() / max(hit.sum(), 1.0))


def _sizes(groups: Sequence[Group]) -> list[Record]:
    """How many were asked about, how many came, and what they bought."""
    records = []
    for group in groups:
        bought = np.diff(group.truths["all"].indptr)
        told = {
            "asked": len(group.customers),
            "came": int((bought > 0).sum()),
            "products bought": float(bought[bought > 0].mean()),
            "repeat share": len(group.truths["repeat"].items) / max(len(group.truths["all"].items), 1),
            "on sale": len(group.on_sale),
        }
        records += [{"group": group.name, "method": "", "metric": key, "value": value} for key, value in told.items()]
    return records


def _times(found: Sequence[Answers]) -> list[Record]:
    """Seconds and the settings chosen, by case and method."""
    return [
        {"group": one.case.name, "method": method, "metric": "told", "value": None, **_without_key(told)}
        for one in found
        for method, told in one.told.items()
    ]


def _without_key(told: dict[str, Any]) -> dict[str, Any]:
    return {word: value for word, value in told.items() if word != "key"}
