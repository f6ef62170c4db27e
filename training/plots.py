"""Plots of a backtest, each with a title that says in plain words what came out.

Several cutoffs are shown as one by averaging their curves, never by mixing their customers: one cutoff's risk is not
comparable with another's where the season has moved.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from typing import ParamSpec

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from regulars.training.plots_style import (
    BAND,
    BASELINE,
    INK,
    LEFT,
    MODEL,
    MUTED,
    OTHER,
    PAPER,
    STYLE,
    Label,
    framed,
    label_ends,
    single,
)
from regulars.training.promotion import METRIC_WORDS, QUESTIONS
from regulars.training.records import (
    CHOSEN_BY,
    HIGHER_IS_BETTER,
    TARGETS,
    CutoffPredictions,
    Record,
    cutoffs,
    distance,
    mean_of,
    ranked,
)

F64 = NDArray[np.float64]
P = ParamSpec("P")

GRID_POINTS = np.linspace(0, 1, 201)
BINS = 10
SHOWN_SHARE = 0.2
KINDS = {"": "all products", "_repeat": "bought before", "_first": "for the first time"}
PANEL_GAP = 0.03


def styled(plot: Callable[P, Figure]) -> Callable[P, Figure]:
    """The plot, drawn in the house's style and leaving matplotlib's own settings as they were."""

    @wraps(plot)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context(STYLE):
            return plot(*args, **kwargs)

    return drawn


NO_ORDER, CANCELLED = "no order", "cancelled"
"""What leaving is, by what churn is."""


@dataclass(frozen=True)
class ContactValue:
    """What is assumed of a contact: a kept customer's margin, its cost, and the share of leavers whom it keeps."""

    margin: float
    cost: float
    kept: float = 0.05
    currency: str = ""


@styled
def calibration(
    predictions: Sequence[CutoffPredictions],
    model: str,
    horizon_days: int,
    baseline: str | None = None,
    left: str = NO_ORDER,
) -> Figure:
    """Share who left against the probability predicted, in tenths of the customers, with 95 % intervals (Wilson)."""
    bins = _calibration_bins(predictions, model)
    middle = len(bins) * 3 // 4
    title = f"Of the customers given a risk near {bins[middle, 0]:.0%}, {bins[middle, 1]:.0%} left"
    told = f"Left: {left} within {horizon_days} days. Each point is a tenth of the customers, with its 95 % interval."
    figure, axes = single(title, f"{told} On the line, what was promised came. {_count(predictions)}", height=3.6)
    axes.plot([0, 1], [0, 1], color=OTHER, linewidth=1.2, linestyle=(0, (4, 3)))
    labels = []
    if baseline is not None:
        other = _calibration_bins(predictions, baseline)
        axes.plot(other[:, 0], other[:, 1], color=BASELINE, linewidth=1.4, marker="s", markersize=4)
        labels.append(Label(float(other[-1, 1]), baseline, BASELINE))
    axes.vlines(bins[:, 0], bins[:, 2], bins[:, 3], color=MODEL, linewidth=3.2, alpha=0.35)
    axes.plot(bins[:, 0], bins[:, 1], color=MODEL, marker="o", markersize=6, markeredgecolor=PAPER)
    labels.append(Label(float(bins[-1, 1]), model, MODEL))
    _percent(axes, "predicted probability of leaving", "share who left")
    label_ends(axes, labels)
    return figure


def _calibration_bins(predictions: Sequence[CutoffPredictions], model: str) -> F64:
    """Rows of mean probability, share who left, and the ends of the share's 95 % interval, for tenths by risk."""
    risk = np.concatenate([one.churn_probability[model] for one in predictions])
    left = np.concatenate([one.churned for one in predictions]).astype(np.float64)
    order = np.argsort(risk, kind="stable")
    parts = [part for part in np.array_split(order, BINS) if len(part)]
    return np.array([(risk[part].mean(), *_wilson(left[part])) for part in parts])


def _wilson(outcome: F64) -> tuple[float, float, float]:
    """Share with its interval of 95 %. Source: Wilson 1927, 'Probable inference', JASA 22, page 209."""
    n, share, z = len(outcome), float(outcome.mean()), 1.96
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return share, centre - half, centre + half


@styled
def gains(
    predictions: Sequence[CutoffPredictions], models: Sequence[str], horizon_days: int, left: str = NO_ORDER
) -> Figure:
    """Share of all who left that the riskiest x % hold: the first model in colour, the second as its baseline."""
    curves = {model: _mean_curve(predictions, partial(_gain, model=model)) for model in models}
    caught = float(np.interp(SHOWN_SHARE, GRID_POINTS, curves[models[0]]))
    title = f"The riskiest {SHOWN_SHARE:.0%} of customers hold {caught:.0%} of those who left"
    told = f"Left: {left} within {horizon_days} days. Grey: everybody in random order, and the best possible order."
    figure, axes = single(title, f"{told} {_count(predictions)}", height=3.4)
    best = _mean_curve(predictions, lambda one: _caught(one.churned, one.churned.astype(np.float64)))
    axes.plot(GRID_POINTS, GRID_POINTS, color=OTHER, linewidth=1.2, linestyle=(0, (4, 3)))
    axes.plot(GRID_POINTS, best, color=OTHER, linewidth=1.2, linestyle=(0, (1, 2)))
    _lines(axes, curves)
    axes.plot([SHOWN_SHARE], [caught], color=MODEL, marker="o", markersize=7, markeredgecolor=PAPER)
    _note(axes, f"{caught:.0%}", (SHOWN_SHARE, caught), (-17, 8))
    _percent(axes, "customers contacted, the riskiest first", "share of those who left")
    heights = [Label(float(np.interp(0.8, GRID_POINTS, curve)), name, _colour(at)) for at, (name, curve) in _at(curves)]
    heights.append(Label(0.72, "random", MUTED))
    label_ends(axes, heights)
    return figure


def _gain(one: CutoffPredictions, model: str) -> F64:
    return _caught(one.churned, one.churn_probability[model])


def _caught(left: NDArray[np.bool_], risk: F64) -> F64:
    """Share of those who left among the riskiest, at each grid point; equal risks count as their mean."""
    total = np.cumsum(np.append(0.0, _by_risk(left.astype(np.float64), risk)))
    return np.asarray(np.interp(GRID_POINTS, np.linspace(0, 1, len(total)), total / max(total[-1], 1.0)))


def _by_risk(values: F64, risk: F64) -> F64:
    """Values sorted by falling risk; among customers of equal risk each has the group's mean."""
    _, group, size = np.unique(-risk, return_inverse=True, return_counts=True)
    means = np.bincount(group, values) / size
    return np.asarray(np.repeat(means, size))


@styled
def profit_curve(predictions: Sequence[CutoffPredictions], models: Sequence[str], assumed: ContactValue) -> Figure:
    """Profit of contacting the riskiest x % under stated assumptions, for 1,000 customers.

    A contact costs `cost`, and keeps a share `kept` of those who would have left, each worth `margin`.
    Source: Verbeke et al. 2012, 'New insights into churn prediction', European Journal of Operational Research 218,
    section 4.2 (without their offer to those who would have stayed).
    """
    curves = {model: _mean_curve(predictions, partial(_profit, model=model, assumed=assumed)) for model in models}
    first = curves[models[0]]
    top = int(first.argmax())
    share, unit = float(GRID_POINTS[top]), assumed.currency
    ends = f"Contacting the riskiest {share:.0%} earns most" if top else "No number of contacts pays at this margin"
    told = (
        f"Assumed, not measured: a contact costs {assumed.cost:.2f} {unit} and keeps {assumed.kept:.0%} of those who "
        f"would have left; each one kept is worth {assumed.margin:,.2f} {unit}."
    )
    figure, axes = single(ends, f"{told} {_count(predictions)}", left=LEFT + 0.1)
    axes.axhline(0, color=OTHER, linewidth=1.2)
    _lines(axes, curves)
    axes.plot([share], [first[top]], color=MODEL, marker="o", markersize=7, markeredgecolor=PAPER)
    _note(axes, f"{first[top]:,.0f} {unit}", (share, float(first[top])), (0, 9))
    axes.margins(y=0.14)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlabel("customers contacted, the riskiest first")
    axes.set_ylabel(f"profit for 1,000 customers, {unit}".removesuffix(", "))
    label_ends(axes, [Label(float(curve[-12]), name, _colour(at)) for at, (name, curve) in _at(curves)])
    return figure


def _profit(one: CutoffPredictions, model: str, assumed: ContactValue) -> F64:
    """Profit for 1,000 customers at each grid point."""
    found = _gain(one, model) * one.churned.mean() * assumed.kept * assumed.margin
    return np.asarray(1_000 * (found - GRID_POINTS * assumed.cost))


@styled
def feature_importance(importance: Mapping[str, float], top: int = 15) -> Figure:
    """The features that improved the model most, as shares of all improvement, the first of them in the title."""
    total = sum(importance.values()) or 1.0
    order = sorted(importance, key=lambda name: (-importance[name], name))[:top]
    share = [importance[name] / total for name in order]
    rest = f"The other {len(importance) - len(order)} share {1 - sum(share):.0%}." if len(importance) > top else ""
    title = f"What the model looks at most: {order[0].replace('_', ' ')}" if order else "The model looks at nothing"
    told = f"Share of all improvement that splits on a feature brought. It says what is used, not what causes. {rest}"
    figure, axes = single(title, told, height=0.26 * max(len(order), 2), left=2.3, right=0.7)
    place = np.arange(len(order))[::-1]
    axes.barh(place, share, height=0.66, color=[MODEL, *[BAND] * (len(order) - 1)][: len(order)])
    for height, value in zip(place, share, strict=True):
        axes.text(value, height, f" {value:.1%}", va="center", size=9, color=INK)
    axes.set_yticks(place, [name.replace("_", " ") for name in order])
    axes.tick_params(axis="y", colors=INK)
    axes.grid(visible=False)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    return figure


@styled
def next_product_hits(records: Sequence[Record], k: int = 10, metric: str = "hit") -> Figure:
    """Hit rate of each recommender, means over cutoffs: all, repeat and first-time purchases beside each other.

    They are apart because whoever recommends what was bought before looks good without foreseeing anything new
    (Li et al. 2021, 'A next basket recommendation reality check').
    """
    order = ranked(records, "next_product")[::-1]
    colours = _colours(records, "next_product")
    rates = {kind: [mean_of(records, "next_product", name, f"{metric}_{k}{kind}") for name in order] for kind in KINDS}
    best = ranked(records, "next_product")[:1]
    title, told = _hit_words(rates, best, k)
    figure, (left, bottom, width, height) = framed(
        title, told, height=0.34 * max(len(order), 3) + 0.25, left=2.0, right=0.3
    )
    size = (width - 2 * PANEL_GAP) / 3
    for number, (kind, words) in enumerate(KINDS.items()):
        axes = figure.add_axes((left + number * (size + PANEL_GAP), bottom, size, height))
        _dots(axes, rates[kind], [colours[name] for name in order], words)
        names = [textwrap.fill(name, 24) if number == 0 else "" for name in order]
        axes.set_yticks(range(len(order)), names)
    return figure


def _hit_words(rates: Mapping[str, Sequence[float]], best: Sequence[str], k: int) -> tuple[str, str]:
    told = f"Share of customers who bought at least one of the {k} products suggested, among those who bought any."
    if not best:
        return "No recommender was measured", told
    again, first = (rates[kind][-1] for kind in ("_repeat", "_first"))
    title = f"{again:.0%} bought a suggested product again, {first:.0%} one for the first time"
    return title, f"{told} Mean over cutoffs; the title speaks of {best[0]}."


def _dots(axes: Axes, values: Sequence[float], colours: Sequence[str], words: str) -> None:
    place = np.arange(len(values))
    axes.hlines(place, 0, values, color=colours, linewidth=2)
    axes.scatter(values, place, color=colours, s=46, zorder=3)
    for height, (value, colour) in enumerate(zip(values, colours, strict=True)):
        if math.isfinite(value):
            axes.annotate(
                f"{value:.1%}", (value, height), (7, 0), textcoords="offset points", va="center", size=9, color=colour
            )
    known = [value for value in values if math.isfinite(value)]
    axes.set_xlim(0, max([*known, 0.01]) * 1.5)
    axes.set_ylim(-0.6, len(values) - 0.4)
    axes.grid(visible=False)
    axes.set_xticks([])
    axes.tick_params(axis="y", colors=INK)
    axes.spines["bottom"].set_visible(False)
    axes.set_title(words, size=9.5, loc="left", color=MUTED, pad=4)


@styled
def metric_by_cutoff(records: Sequence[Record], component: str, metric: str | None = None) -> Figure:
    """A metric of each model at each cutoff; the band is the best model's 95 % interval."""
    metric = metric or CHOSEN_BY[component]
    mine = [record for record in records if record.component == component and record.metric == metric]
    days, colours = cutoffs(mine), _colours(records, component)
    order = sorted(colours, key=lambda name: (distance(metric, mean_of(mine, component, name, metric)), name))
    title, told = _cutoff_words(mine, component, metric, order)
    figure, axes = single(title, told)
    place = {day: number for number, day in enumerate(days)}
    labels = []
    for name in reversed(order):
        rows = sorted((record for record in mine if record.model == name), key=lambda record: record.as_of)
        if not rows:
            continue
        x, y = [place[row.as_of] for row in rows], [row.value for row in rows]
        strong = colours[name] != OTHER
        if colours[name] == MODEL:
            axes.fill_between(x, [row.low for row in rows], [row.high for row in rows], color=BAND, linewidth=0)
        axes.plot(
            x, y, color=colours[name], marker="o", markersize=5 if strong else 3.5, linewidth=2.2 if strong else 1
        )
        labels.append(Label(y[-1], name, colours[name] if strong else MUTED))
    axes.set_xticks(range(len(days)), [day[:10] for day in days])
    axes.set_xlim(-0.15, len(days) - 0.85)
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.set_ylabel(_words(metric))
    axes.set_xlabel("cutoff: everything after it was hidden")
    label_ends(axes, [label for label in labels if math.isfinite(label.height)])
    return figure


def _cutoff_words(records: Sequence[Record], component: str, metric: str, order: Sequence[str]) -> tuple[str, str]:
    better = "nearer to " + f"{TARGETS[metric]:g}" if metric in TARGETS else "lower"
    better = "higher" if metric.startswith(HIGHER_IS_BETTER) else better
    count = len(cutoffs(records))
    told = f"{_words(metric).capitalize()} at each cutoff, {better} is better; the band is a 95 % interval."
    wins = sum(_best_at(records, metric, day) == order[0] for day in cutoffs(records)) if order else 0
    best = f"{order[0]} is best at {wins} of {count} cutoffs" if order else "nothing was measured"
    return f"{QUESTIONS[component]}: {best}", told


def _best_at(records: Sequence[Record], metric: str, day: str) -> str:
    here = [record for record in records if record.as_of == day]
    return min(here, key=lambda record: (distance(metric, record.value), record.model)).model


def _words(metric: str) -> str:
    return METRIC_WORDS.get(metric, metric.replace("_", " "))


def _colours(records: Sequence[Record], component: str) -> dict[str, str]:
    """Each model's colour: the best that is no baseline, the best baseline, all others."""
    colours = dict.fromkeys(ranked(records, component), OTHER)
    for kind, colour in ((False, MODEL), (True, BASELINE)):
        colours |= dict.fromkeys(ranked(records, component, baselines=kind)[:1], colour)
    return colours


def _mean_curve(predictions: Sequence[CutoffPredictions], curve: Callable[[CutoffPredictions], F64]) -> F64:
    return np.asarray(np.mean([curve(one) for one in predictions], axis=0))


def _note(axes: Axes, text: str, point: tuple[float, float], away: tuple[float, float]) -> None:
    axes.annotate(text, point, away, textcoords="offset points", ha="center", size=9, weight="bold", color=MODEL)


def _lines(axes: Axes, curves: Mapping[str, F64]) -> None:
    for at, (_, curve) in reversed(list(_at(curves))):
        axes.plot(GRID_POINTS, curve, color=_colour(at), linewidth=2.4 if at == 0 else 1.6)


def _at(curves: Mapping[str, F64]) -> list[tuple[int, tuple[str, F64]]]:
    return list(enumerate(curves.items()))


def _colour(at: int) -> str:
    return (MODEL, BASELINE)[at] if at < 2 else OTHER


def _percent(axes: Axes, x: str, y: str) -> None:
    axes.set_xlim(-0.005, 1)
    axes.set_ylim(-0.01, 1.01)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def _count(predictions: Sequence[CutoffPredictions]) -> str:
    customers, number = sum(len(one.churned) for one in predictions), len(predictions)
    return f"{customers:,} predictions at {number} cutoff{'s' * (number != 1)}."
