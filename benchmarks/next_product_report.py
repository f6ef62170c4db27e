"""Tables of benchmarks/next_product.py in markdown, made of the records of `next_product_judge`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from next_product_judge import MEAN, OURS, PARTS, Record
from quality_report import table

NAMES = {
    OURS: "**ours**",
    "tifu_knn_tuned": "TIFU-KNN, tuned",
    "tifu_knn": "TIFU-KNN (300, .9, .9, .1, 11)",
    "up_cf": "UP-CF@r, tuned",
    "personal_top": "personal top, ties by popularity",
    "gp_topfreq": "GP-TopFreq",
    "sasrec": "SASRec",
    "item_knn": "item-kNN, tuned",
    "ease": "EASE, tuned",
    "als": "ALS, tuned",
    "bpr": "BPR, tuned",
    "markov": "Markov chain, tuned",
    "popular": "popular lately",
    "overall_top": "overall top",
}
"""Words for methods, in the order of the tables."""
TITLES = {"tafeng": "Ta-Feng", "online-retail-ii": "Online Retail II, 90 days"}
OVER = {"tafeng": "folds", "online-retail-ii": "cutoffs"}
MAIN = {
    "R@10": "all recall@10",
    "N@10": "all ndcg@10",
    "R@20": "all recall@20",
    "repeats R@10": "repeat recall@10",
    "first-time R@10 of the same list": "found new recall@10",
    "first-time R@10 of its own list": "new recall@10",
}
"""The figures that are told with intervals."""
JUDGED = set(MAIN.values()) - {"found new recall@10"}
"""Of them, where ours may be behind; how much of a list is new to the customer is a matter of its mix."""
HEADS = {
    "all": "The list against everything bought",
    "repeat": "The list against repeat purchases",
    "found new": "The list against first-time purchases",
    "new": "The list of first-time products against first-time purchases",
}
METRICS = {"recall": "R", "ndcg": "N", "ndcg_first_k": "N of first k", "hit_rate": "hit", "mrr": "MRR"}
BEGIN, END = "<!-- tables: written by benchmarks/next_product.py --docs -->", "<!-- end of tables -->"


def markdown(records: Sequence[Record]) -> str:
    """All tables, a section for each data set."""
    found = dict.fromkeys(record["dataset"] for record in records)
    return "\n\n".join(_Section(dataset, records).text() for dataset in found) + "\n"


def put_into(page: str, tables: str) -> str:
    """The page with the tables between its marks."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n\n{tables}\n{END}{rest.split(END)[1]}"


class _Section:
    """One data set."""

    def __init__(self, dataset: str, records: Sequence[Record]) -> None:
        self.dataset = dataset
        mine = [one for one in records if one["dataset"] == dataset]
        self.found = {(one["group"], one["method"], one["metric"]): one for one in mine}
        self.groups = [g for g in dict.fromkeys(one["group"] for one in mine) if (g, "", "asked") in self.found]
        self.whole = MEAN if len(self.groups) > 1 else self.groups[0]
        self.methods = [m for m in NAMES if (self.whole, m, "all recall@10") in self.found]

    def text(self) -> str:
        """The section."""
        over = OVER[self.dataset]
        parts = [
            f"## {TITLES[self.dataset]}",
            self.sizes(),
            f"**Means over {over}** (ours less theirs, 95 % interval)",
            self.with_intervals(self.whole),
            f"**Ours over theirs**, ratio of the means over {over}",
            self.ratios(),
            self.behind(),
            f"**Each of the {over}** (ours less theirs, 95 % interval)",
            *(f"{group}:\n\n{self.with_intervals(group)}" for group in self.groups if group != self.whole),
        ]
        for part in PARTS:
            parts += [f"**{HEADS[part]}**, means over {over}", self.wide(part)]
        parts += ["**Probabilities and coverage**", self.lists(), "**Settings and seconds**", self.told()]
        return "\n\n".join(part for part in parts if part)

    def sizes(self) -> str:
        """Who was asked about."""
        words = ("asked", "came", "products bought", "repeat share", "on sale")
        heads = ("", "customers asked about", "of them came", "products bought by each", "of them repeats", "on sale")
        forms = (",.0f", ",.0f", ".1f", ".1%", ",.0f")
        rows = [
            [group, *(f"{self.value(group, '', word):{form}}" for word, form in zip(words, forms, strict=True))]
            for group in self.groups
        ]
        return table(list(heads), rows)

    def value(self, group: str, method: str, metric: str) -> float:
        """A figure that is there."""
        return float(self.found[group, method, metric]["value"])

    def with_intervals(self, group: str) -> str:
        """The main figures of a group or of the mean."""
        rows = [
            [NAMES[m], *(_with_gap(self.found[group, m, metric]) for metric in MAIN.values())]
            for m in NAMES
            if (group, m, "all recall@10") in self.found
        ]
        return table(["method", *MAIN], rows)

    def ratios(self) -> str:
        """Ours over theirs."""
        if OURS not in self.methods:
            return ""
        rows = []
        for m in self.methods:
            pairs = [[self.value(self.whole, one, metric) for one in (OURS, m)] for metric in MAIN.values()]
            rows.append([NAMES[m], *(f"{ours / theirs:.2f}" if theirs else "" for ours, theirs in pairs)])
        return table(["method", *MAIN], [row for row in rows if row[0] != NAMES[OURS]])

    def behind(self) -> str:
        """Where the interval of ours less theirs lies wholly below zero, in any group or the mean."""
        rows = [
            f"- {group}, {metric}: {NAMES[method]} {one['value']:.4f}, ours {_gap(one)}"
            for (group, method, metric), one in self.found.items()
            if metric in JUDGED and one.get("high") is not None and one["high"] < 0
        ]
        title = "**Wholly behind** (the interval lies below zero), at a fold, a cutoff or in the mean"
        return f"{title}\n\n" + ("\n".join(rows) if rows else "- nowhere")

    def wide(self, part: str) -> str:
        """All metrics of a part, means."""
        columns = {f"{word}@{k}": f"{part} {metric}@{k}" for metric, word in METRICS.items() for k in (5, 10, 20)}
        rows = [
            [NAMES[m], *(_short(self.value(self.whole, m, metric)) for metric in columns.values())]
            for m in self.methods
        ]
        return table(["method", *columns], rows)

    def lists(self) -> str:
        """Calibration where there are probabilities, and coverage of the catalogue."""
        columns = {
            "gap": ("all calibration gap", ".4f"),
            "said / came": ("all said / came", ".2f"),
            "gap, first-time list": ("new calibration gap", ".4f"),
            "said / came, first-time list": ("new said / came", ".2f"),
            "coverage of the catalogue": ("coverage", ".1%"),
        }
        rows = []
        for m in self.methods:
            told = [self.found.get((self.whole, m, metric)) for metric, _ in columns.values()]
            forms = [form for _, form in columns.values()]
            rows.append(
                [NAMES[m], *(f"{one['value']:{form}}" if one else "" for one, form in zip(told, forms, strict=True))]
            )
        return table(["method", *columns], rows)

    def told(self) -> str:
        """The settings chosen in each case, and what it took."""
        rows = []
        for method, name in NAMES.items():
            cases = {g: one for (g, m, metric), one in self.found.items() if m == method and metric == "told"}
            if not cases:
                rows.append([name, "missing", "", "", ""])
                continue
            settings = {_words(one.get("settings") or {}) for one in cases.values()}
            said = "; ".join(
                sorted(settings)
                if len(settings) == 1
                else [f"{case}: {_words(one['settings'])}" for case, one in cases.items()]
            )
            seconds = [
                [one.get(f"{part}_seconds", 0.0) for one in cases.values()] for part in ("tune", "fit", "recommend")
            ]
            rows.append([name, said, *(f"{sum(each) / len(each):.1f}" for each in seconds)])
        return table(["method", "settings", "tuning, s", "fit, s", "recommend, s"], rows)


def _words(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items())


def _short(value: float) -> str:
    return f"{value:.4f}".removeprefix("0")


def _with_gap(one: Record) -> str:
    return _short(one["value"]) + (f" ({_gap(one)})" if one.get("gap") is not None else "")


def _gap(one: Record) -> str:
    return f"{one['gap']:+.4f} [{one['low']:+.4f}, {one['high']:+.4f}]"
