"""Which model answers each question from now on, and why.

Recipes are compared, not files: what the champion was made by and what the challenger is made by are fitted anew at
every cutoff of one rolling backtest, beside the baselines, so that nobody is judged on what they have already seen.
Each component takes the model with the best mean of its one metric, a baseline included. The recipes that won,
fitted on all data, then take the champion's place, unless a fit of the same recipe on newer data has turned out
significantly worse than the fitted champion, judged on windows that begin after the champion's last label.

Intervals resample customers: a customer is drawn with all their rows at every cutoff, for all models together, so
that differences are paired.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from regulars.training.bootstrap import Interval, resampled_weights
from regulars.training.metrics import weighted_mean
from regulars.training.records import CHOSEN_BY, distance

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

QUESTIONS: Mapping[str, str] = {
    "order_times": "Churn and order times",
    "dates": "Date of the next order",
    "value": "Customer value",
    "next_product": "Next product",
    "cancellation": "Cancelling",
}
METRIC_WORDS: Mapping[str, str] = {
    "log_loss": "log loss",
    "censored_crps": "censored CRPS (days)",
    "mae": "mean absolute error",
    "ndcg_10": "NDCG at 10",
}


@dataclass(frozen=True)
class Entry:
    """How one model did.

    Attributes:
        losses: for each cutoff (n_c,) values of the component's metric, one a customer; NaN for who has no place in it.
        is_baseline: whether it is one of the named baselines.
    """

    losses: Sequence[F64]
    is_baseline: bool = False


@dataclass(frozen=True)
class Trial:
    """One component's models, all measured on the same customers at the same cutoffs.

    Attributes:
        component: one of `records.ALL_COMPONENTS`.
        customers: for each cutoff (n_c,) integer codes of the customers, the same rows as the losses.
        entries: the models by name.
        champion: which of them is the recipe of the champion; None where there is no champion.
    """

    component: str
    customers: Sequence[I64]
    entries: Mapping[str, Entry]
    champion: str | None = None

    @property
    def metric(self) -> str:
        """The metric the component's winner is taken on."""
        return CHOSEN_BY[self.component]


@dataclass(frozen=True)
class Refit:
    """The champion as it was fitted against a newer fit of the same recipe, after the champion's last label.

    Attributes:
        component: one of `records.ALL_COMPONENTS`.
        customers: for each window (n_c,) integer codes.
        champion, newer: for each window (n_c,) values of the component's metric.
    """

    component: str
    customers: Sequence[I64]
    champion: Sequence[F64]
    newer: Sequence[F64]


@dataclass(frozen=True)
class Decision:
    """One component's winner.

    Attributes:
        component: one of `records.ALL_COMPONENTS`.
        winner: name of the model.
        reason: a sentence a marketer reads.
        metric: the metric it was taken on.
        values: each model's mean over the cutoffs.
        interval: the winner's value less its rival's with a 95 % interval; None where there was no rival.
        rival: the champion's recipe where another won, else the best of the other kind (baseline or not).
    """

    component: str
    winner: str
    reason: str
    metric: str
    values: Mapping[str, float]
    interval: Interval | None = None
    rival: str | None = None


@dataclass(frozen=True)
class Promotion:
    """Whether the new model takes the champion's place, why, and each component's winner."""

    promote: bool
    why: str
    decisions: tuple[Decision, ...] = field(default=())


def decide_promotion(
    trials: Sequence[Trial], *, refits: Sequence[Refit] = (), samples: int = 500, seed: int = 0
) -> Promotion:
    """The winners, and whether they take the champion's place.

    Args:
        trials: one for each component.
        refits: for components whose recipe stays the same, where windows after the champion's last label exist.
        samples: bootstrap samples of the intervals.
        seed: of the samples.

    Raises:
        ValueError: if a trial has no model, or rows do not match.
    """
    decisions = tuple(decide(trial, samples=samples, seed=seed) for trial in trials)
    winners = {decision.component: decision.winner for decision in decisions}
    kept = {trial.component for trial in trials if trial.champion == winners[trial.component]}
    worse = [
        sentence
        for refit in refits
        if refit.component in kept and (sentence := _worse(refit, samples=samples, seed=seed))
    ]
    if worse:
        return Promotion(False, f"Not promoted. {' '.join(worse)} The champion stays.", decisions)
    if all(trial.champion is None for trial in trials):
        return Promotion(True, "Promoted: it is the first model of this shop.", decisions)
    return Promotion(True, _why(trials, winners), decisions)


def decide(trial: Trial, *, samples: int = 500, seed: int = 0) -> Decision:
    """The component's winner: the best mean over cutoffs; of equal ones a baseline, then the champion's recipe."""
    _check(trial)
    values = {name: _mean(entry.losses) for name, entry in trial.entries.items()}

    def place(name: str) -> tuple[float, bool, bool, str]:
        simple = not trial.entries[name].is_baseline
        return distance(trial.metric, values[name]), simple, name != trial.champion, name

    order = sorted(values, key=place)
    winner, rival = order[0], _rival(trial, order)
    interval = None
    if rival is not None:
        losses = trial.entries[winner].losses, trial.entries[rival].losses
        interval = paired_interval(trial.customers, *losses, samples=samples, seed=seed)
    reason = _reason(trial, winner, rival, values, interval)
    return Decision(trial.component, winner, reason, trial.metric, values, interval, rival)


def paired_interval(
    customers: Sequence[I64], a: Sequence[F64], b: Sequence[F64], *, samples: int = 500, seed: int = 0
) -> Interval:
    """Mean over cutoffs of `a - b` with its 95 % interval; a customer is drawn with all their rows.

    Rows in which either is NaN are left out, and with them cutoffs that have no others; NaN where nothing is left.
    """
    known, place = np.unique(np.concatenate(customers), return_inverse=True)
    rows = np.split(place, np.cumsum([len(codes) for codes in customers])[:-1])
    differences = [np.asarray(left) - np.asarray(right) for left, right in zip(a, b, strict=True)]
    told = [(row, at) for row, at in zip(differences, rows, strict=True) if not np.isnan(row).all()]
    if not told:
        return Interval(float("nan"), float("nan"), float("nan"))
    drawn = []
    for weights in resampled_weights(len(known), samples, seed):
        means = np.array([weighted_mean(row, weights[:, at]) for row, at in told])
        drawn.append(means[:, ~np.isnan(means).any(axis=0)].mean(axis=0))  # a draw may miss the few who count
    low, high = np.quantile(np.concatenate(drawn), [0.025, 0.975])
    return Interval(_mean(differences), float(low), float(high))


def _mean(losses: Sequence[F64]) -> float:
    values = [float(weighted_mean(row)) for row in losses if len(row) and not np.isnan(row).all()]
    return float(np.mean(values)) if values else float("nan")


def _check(trial: Trial) -> None:
    if not trial.entries:
        raise ValueError(f"{trial.component}: there is no model to choose from; at least one baseline is expected")
    if trial.champion is not None and trial.champion not in trial.entries:
        raise ValueError(f"{trial.component}: the champion {trial.champion!r} is not among {sorted(trial.entries)}")
    sizes = [len(codes) for codes in trial.customers]
    for name, entry in trial.entries.items():
        if [len(row) for row in entry.losses] != sizes:
            found = [len(row) for row in entry.losses]
            raise ValueError(f"{trial.component}: {name!r} has {found} rows at the cutoffs, its customers are {sizes}")


def _rival(trial: Trial, order: Sequence[str]) -> str | None:
    """Whom the winner is set against: the champion it unseats, else the best of the other kind."""
    winner = order[0]
    if trial.champion is not None and trial.champion != winner:
        return trial.champion
    kind = trial.entries[winner].is_baseline
    others = [name for name in order if trial.entries[name].is_baseline != kind]
    return others[0] if others else (order[1] if len(order) > 1 else None)


def _reason(
    trial: Trial, winner: str, rival: str | None, values: Mapping[str, float], interval: Interval | None
) -> str:
    cutoffs = f"{len(trial.customers)} cutoff" + ("" if len(trial.customers) == 1 else "s")
    mean = f"{METRIC_WORDS[trial.metric]} {values[winner]:.4g} over {cutoffs}"
    baseline = trial.entries[winner].is_baseline
    kind = f"the baseline {winner}" if baseline else winner
    if rival is None or interval is None:
        return f"{QUESTIONS[trial.component]}: {kind}, the only model there is ({mean})."
    if np.isnan(interval.value):
        return f"{QUESTIONS[trial.component]}: {kind} is used; nothing came in the windows to judge any model by."
    what = f"the baseline {rival}" if trial.entries[rival].is_baseline else rival
    what += " of the champion" if rival == trial.champion else ""
    against = f"{mean}, against {values[rival]:.4g} of {what}; {_spread(interval)}"
    if not baseline:
        return f"{QUESTIONS[trial.component]}: {kind} is best ({against})."
    return f"{QUESTIONS[trial.component]}: {kind} is used, because nothing beats it ({against})."


def _spread(interval: Interval) -> str:
    told = f"difference {interval.value:+.3g}, 95 % interval {interval.low:+.3g} to {interval.high:+.3g}"
    return told if interval.low > 0 or interval.high < 0 else f"{told}, so it may be chance"


def _worse(refit: Refit, *, samples: int, seed: int) -> str:
    """A sentence where the newer fit is significantly worse than the champion as it stands, else ''."""
    metric = CHOSEN_BY[refit.component]
    interval = paired_interval(refit.customers, refit.newer, refit.champion, samples=samples, seed=seed)
    best_case = min(distance(metric, interval.low), distance(metric, interval.high))
    if not best_case > 0:
        return ""
    question, metric_words = QUESTIONS[refit.component], METRIC_WORDS[metric]
    return (
        f"{question}: fitted on newer data, the same recipe is worse than the champion on what came after the"
        f" champion was made ({metric_words}, {_spread(interval)})."
    )


def _why(trials: Sequence[Trial], winners: Mapping[str, str]) -> str:
    changed = [
        f"{QUESTIONS[trial.component]}: {winners[trial.component]} in place of {trial.champion}"
        for trial in trials
        if trial.champion is not None and trial.champion != winners[trial.component]
    ]
    if not changed:
        return "Promoted: the champion's recipe still wins every question, now fitted on newer data."
    return f"Promoted: {'; '.join(changed)}."
