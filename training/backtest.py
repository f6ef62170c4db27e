"""The rolling backtest: every recipe fitted at several past cutoffs and judged on the window that followed each.

At a cutoff nothing at or after it is read, neither for features nor for labels. What came in the window says how good
the answers were (`cutoff`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from regulars.features.lazy import lazy
from regulars.features.logs import Logs
from regulars.features.settings import Settings
from regulars.features.shop import I64, days
from regulars.training.cancellations import require_cancellations
from regulars.training.cutoff import (
    Cutoff,
    Incumbent,
    JudgedCustomers,
    JudgedProducts,
    judged_customers,
    judged_products,
)
from regulars.training.promotion import Entry, Refit, Trial
from regulars.training.recipes import cancellation_recipes, order_time_recipes, product_recipes, value_recipes
from regulars.training.records import ALL_COMPONENTS, CutoffPredictions, Record
from regulars.training.snapshots import first_known

F64 = NDArray[np.float64]
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Answered:
    """One cutoff: who was asked about, the records, and each model's loss for each customer, by component.

    `others` are the customers of components that ask about others than `customer`.
    """

    as_of: str
    customer: I64
    records: tuple[Record, ...]
    losses: Mapping[str, Mapping[str, F64]]
    incumbent: Mapping[str, F64]
    predictions: CutoffPredictions
    others: Mapping[str, I64] = field(default_factory=dict)

    def customers_of(self, component: str) -> I64:
        """Codes of the customers that a component asks about."""
        return self.others.get(component, self.customer)


@dataclass(frozen=True)
class Backtest:
    """All cutoffs, earliest first, and which recipes are baselines."""

    answers: tuple[Answered, ...]
    baselines: frozenset[str]

    @property
    def records(self) -> list[Record]:
        """The records of all cutoffs."""
        return [record for answered in self.answers for record in answered.records]

    def trial(self, component: str, champion: str | None = None) -> Trial:
        """The losses of one component, as promotion wants them."""
        names = [n for n in self.answers[0].losses[component] if all(n in a.losses[component] for a in self.answers)]
        entries = {n: Entry([a.losses[component][n] for a in self.answers], n in self.baselines) for n in names}
        known = champion if champion in entries else None
        return Trial(component, [a.customers_of(component) for a in self.answers], entries, known)

    def refits(self, champion: Mapping[str, str | None]) -> list[Refit]:
        """The incumbent beside newer fits of the champion's recipes, where its last label lies before the cutoff.

        Args:
            champion: names of the champion's recipes by component.
        """
        judged = [answered for answered in self.answers if answered.incumbent]
        return [
            Refit(
                component,
                [a.customers_of(component) for a in judged],
                [a.incumbent[component] for a in judged],
                [a.losses[component][name] for a in judged],
            )
            for component, name in champion.items()
            if judged and name and all(component in a.incumbent and name in a.losses[component] for a in judged)
        ]


def cutoffs_of(logs: Logs, until: int, settings: Settings) -> list[int]:
    """The cutoffs of the backtest, earliest first: whole windows, the last one ending at `until`.

    They lie a horizon apart, so that their windows do not overlap, where the history holds two or more of those, and
    one snapshot apart where it is shorter.
    """
    horizon, step = days(settings.churn.horizon_days), days(settings.train.snapshot_every_days)
    window = max(horizon, days(settings.product_horizon_days)) if _has_products(logs) else horizon
    last, earliest = until - window, first_known(logs, until) + horizon + step
    for apart in (window, step):
        found = [last - apart * k for k in range(settings.train.cutoffs) if last - apart * k >= earliest]
        if len(found) > 1:
            return sorted(found)
    return [last]


def _has_products(logs: Logs) -> bool:
    return logs.shop.has("orders.product_id")


def backtest(
    logs: Logs,
    cutoffs: Sequence[int],
    until: int,
    settings: Settings,
    *,
    dataset: str,
    seed: int = 0,
    incumbent: Incumbent | None = None,
    progress: Progress = lambda _: None,
) -> Backtest:
    """Fits every recipe at every cutoff and judges it on the window that followed.

    Args:
        logs: the shop's events.
        cutoffs: moments, each with a whole window before `until`.
        until: what became known at or after it is not read.
        settings: horizon, threads.
        dataset: name in the records.
        seed: of the models.
        incumbent: the champion, to be judged beside them.
        progress: called with a sentence as each cutoff is done.

    Raises:
        ValueError: if churn is cancelling and no cancellation is known before `until`.
    """
    if settings.churn.is_contract:
        require_cancellations(logs, until)
    _warm(logs)
    threads, has_products = settings.train.threads, _has_products(logs)
    each = max(1, threads // (len(cutoffs) * (2 if has_products else 1)))
    scenes = [Cutoff(logs, moment, until, settings, dataset, seed, each, incumbent) for moment in sorted(cutoffs)]
    # The latest first, and customers before products: they take longest, and nobody waits for them at the end.
    tasks = [delayed(_customers)(scene, progress) for scene in reversed(scenes)]
    if has_products:
        tasks += [delayed(_products)(scene, progress) for scene in reversed(scenes)]
    found = Parallel(n_jobs=threads, prefer="threads")(tasks)
    customers, products = found[: len(scenes)][::-1], found[len(scenes) :][::-1] or [None] * len(scenes)
    answers = tuple(map(_answered, scenes, customers, products))
    recipes = [
        *order_time_recipes(settings, seed, 1),
        *value_recipes(settings, seed, 1, ("margin_365d",)),
        *product_recipes(settings, seed, 1),
        *cancellation_recipes(seed),
    ]
    return Backtest(answers, frozenset(recipe.name for recipe in recipes if recipe.is_baseline))


def _warm(logs: Logs) -> None:
    """Builds the logs that all cutoffs share, before they run side by side."""
    for name, part in vars(Logs).items():
        if isinstance(part, lazy):
            getattr(logs, name)


def _customers(cutoff: Cutoff, progress: Progress) -> JudgedCustomers:
    found = judged_customers(cutoff)
    progress(f"backtest at {cutoff.as_of}: {len(cutoff.asked):,} customers")
    return found


def _products(cutoff: Cutoff, progress: Progress) -> JudgedProducts:
    found = judged_products(cutoff)
    progress(f"backtest at {cutoff.as_of}: next products")
    return found


def _answered(cutoff: Cutoff, customers: JudgedCustomers, products: JudgedProducts | None) -> Answered:
    parts, incumbent = list(customers.parts), dict(customers.incumbent)
    if products is not None:
        parts.append(products.part)
        if incumbent and products.incumbent is not None:
            incumbent[products.part.component] = products.incumbent
    parts.sort(key=lambda part: ALL_COMPONENTS.index(part.component))
    return Answered(
        as_of=cutoff.as_of,
        customer=cutoff.truth.customer,
        records=tuple(record for part in parts for record in part.records),
        losses={part.component: part.losses for part in parts},
        incumbent=incumbent,
        predictions=customers.predictions,
        others=customers.others,
    )
