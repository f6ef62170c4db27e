"""The rolling backtest: every recipe fitted at several past cutoffs and judged on the window that followed each.

At a cutoff nothing at or after it is read, neither for features nor for labels. What came in the window says how good
the answers were, and who is asked about products: lists are judged on those who bought something, and an answer does
not depend on who else is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from regulars.features.asof import Moments
from regulars.features.lazy import lazy
from regulars.features.logs import Logs
from regulars.features.settings import Settings
from regulars.features.shop import I64, days, iso
from regulars.features.table import FeatureTable, feature_table
from regulars.models.curves import OrderCurves
from regulars.models.fitted import FittedModels, OrderTimes, Products, ValuePrediction
from regulars.training import judging
from regulars.training.cancellations import (
    CancellationTrial,
    cancellation_set,
    fit_cancellations,
    require_cancellations,
)
from regulars.training.judging import Judge, Truth
from regulars.training.labels import Outcomes
from regulars.training.product_labels import bought_next
from regulars.training.promotion import Entry, Refit, Trial
from regulars.training.recipes import (
    OURS,
    Recipe,
    cancellation_recipes,
    fit_order_times,
    fit_products,
    fit_value,
    order_time_recipes,
    product_recipes,
    value_recipes,
    value_rows,
)
from regulars.training.records import CANCELLATION, CHOSEN_BY, CutoffPredictions, Record
from regulars.training.snapshots import TrainingSet, customers_at, first_known, training_set

F64 = NDArray[np.float64]
Progress = Callable[[str], None]
LIST_LENGTH = 20


@dataclass(frozen=True)
class Incumbent:
    """The fitted champion, judged as it is on windows that begin after the last moment it has learnt from."""

    models: FittedModels
    features: tuple[str, ...]
    trained_until: int


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
    jobs = max(1, min(settings.train.threads, len(cutoffs)))
    cutoff = _Cutoff(logs, until, settings, dataset, seed, incumbent, progress)
    # The latest first: it takes longest, and nobody waits for it at the end. Those left over share all threads.
    latest_first = sorted(cutoffs, reverse=True)
    full, left = len(cutoffs) // jobs * jobs, len(cutoffs) % jobs
    shares = [max(1, settings.train.threads // (jobs if i < full else left)) for i in range(len(cutoffs))]
    answers = Parallel(n_jobs=jobs, prefer="threads")(
        delayed(cutoff)(moment, threads) for moment, threads in zip(latest_first, shares, strict=True)
    )
    recipes = [
        *order_time_recipes(settings, seed, 1),
        *value_recipes(settings, seed, 1, ("margin_365d",)),
        *product_recipes(settings, seed, 1),
        *cancellation_recipes(seed),
    ]
    return Backtest(tuple(reversed(answers)), frozenset(recipe.name for recipe in recipes if recipe.is_baseline))


def _warm(logs: Logs) -> None:
    """Builds the logs that all cutoffs share, before they run side by side."""
    for name, part in vars(Logs).items():
        if isinstance(part, lazy):
            getattr(logs, name)


def truth_at(logs: Logs, moments: Moments, until: int, settings: Settings) -> Truth:
    """What the customers of a cutoff did in its window, as far as known before `until`."""
    horizon = settings.churn.horizon_days
    outcomes = Outcomes(logs, until)
    to_next = outcomes.days_to_next_order(moments)
    return Truth(
        customer=moments.key.astype(np.int64),
        orders=outcomes.orders(moments, horizon).astype(np.float64),
        days_to_next=np.where(to_next < horizon, to_next, np.nan),
        margin=outcomes.margin(moments, horizon),
        bought=bought_next(logs, moments, settings.product_horizon_days, until),
        horizon_days=horizon,
    )


@dataclass(frozen=True)
class _Cutoff:
    """Fits and judges everything at one cutoff."""

    logs: Logs
    until: int
    settings: Settings
    dataset: str
    seed: int
    incumbent: Incumbent | None
    progress: Progress

    def __call__(self, moment: int, threads: int) -> Answered:
        rows = training_set(self.logs, moment, self.settings)
        asked = customers_at(self.logs, moment)
        table = feature_table(self.logs, asked, rows.table.context)
        truth = truth_at(self.logs, asked, self.until, self.settings)
        scene = _Scene(self, iso(moment), moment, threads, rows, asked, table, truth)
        answered = scene.judged()
        self.progress(f"backtest at {answered.as_of}: {len(asked):,} customers")
        return answered


@dataclass(frozen=True)
class _Scene:
    """One cutoff's data: what may be learnt from, who is asked about, and what came."""

    cutoff: _Cutoff
    as_of: str
    moment: int
    threads: int
    rows: TrainingSet
    asked: Moments
    table: FeatureTable
    truth: Truth

    def judged(self) -> Answered:
        """Every recipe fitted, asked and judged."""
        settings, seed, threads = self.cutoff.settings, self.cutoff.seed, self.threads
        fitted = {recipe: fit_order_times(recipe, self.rows) for recipe in order_time_recipes(settings, seed, threads)}
        curves = {recipe: model.predict_curves(self.table) for recipe, model in fitted.items()}
        parts = [self._churn(curves), self._dates(curves)]
        ours = next(recipe for recipe in fitted if recipe.name == OURS["order_times"])
        values = self._values(fitted[ours], curves[ours])
        parts.append(self._value(values))
        if _has_products(self.cutoff.logs):
            parts.append(self._products())
        contracts = self._contracts if settings.churn.is_contract else None
        chances = {} if contracts is None else self._chances()
        if contracts is not None:
            parts.append(self._cancelling(contracts, chances))
        best = values[next(iter(values))]
        return Answered(
            as_of=self.as_of,
            customer=self.truth.customer,
            records=tuple(record for part in parts for record in part.records),
            losses={part.component: part.losses for part in parts},
            incumbent=self._incumbent(),
            predictions=CutoffPredictions(
                as_of=self.as_of,
                churned=self.truth.churned,
                churn_probability={
                    recipe.name: curve.churn(self.truth.horizon_days)
                    for recipe, curve in curves.items()
                    if recipe.judged_on_churn
                },
                margin=self.truth.margin,
                expected_margin={recipe.name: value.expected for recipe, value in values.items()},
                margin_low=best.low,
                margin_high=best.high,
                cancelled=np.zeros(0, bool) if contracts is None else contracts.cancelled,
                cancel_probability={recipe.name: chance for recipe, chance in chances.items()},
            ),
            others={} if contracts is None else {CANCELLATION: contracts.customer},
        )

    def _judge(self, component: str, recipe: Recipe) -> Judge:
        return Judge(self.cutoff.dataset, component, recipe.name, recipe.is_baseline, self.as_of)

    def _churn(self, curves: Mapping[Recipe, OrderCurves]) -> _Part:
        judged = {recipe: curve for recipe, curve in curves.items() if recipe.judged_on_churn}
        records = [
            record
            for recipe, curve in judged.items()
            for record in judging.judge_churn(self._judge("order_times", recipe), self.truth, curve)
        ]
        losses = {recipe.name: judging.churn_losses(self.truth, curve) for recipe, curve in judged.items()}
        return _Part("order_times", records, losses)

    def _dates(self, curves: Mapping[Recipe, OrderCurves]) -> _Part:
        records = [
            record
            for recipe, curve in curves.items()
            for record in judging.judge_dates(self._judge("dates", recipe), self.truth, curve)
        ]
        losses = {recipe.name: judging.date_losses(self.truth, curve) for recipe, curve in curves.items()}
        return _Part("dates", records, losses)

    def _values(self, order_times: OrderTimes, curves: OrderCurves) -> dict[Recipe, ValuePrediction]:
        """What each value recipe expects, ours first; those that the data cannot carry are left out."""
        settings, seed, threads = self.cutoff.settings, self.cutoff.seed, self.threads
        rows = value_rows(self.rows)
        learnt = order_times.predict_curves(rows.table)
        fitted = {
            recipe: fit_value(recipe, rows, learnt)
            for recipe in value_recipes(settings, seed, threads, self.table.names)
        }
        horizon = self.truth.horizon_days
        return {recipe: m.predict(self.table, curves, horizon) for recipe, m in fitted.items() if m is not None}

    def _value(self, values: Mapping[Recipe, ValuePrediction]) -> _Part:
        records = [
            record
            for recipe, value in values.items()
            for record in judging.judge_value(self._judge("value", recipe), self.truth, value)
        ]
        losses = {recipe.name: judging.value_losses(self.truth, value) for recipe, value in values.items()}
        return _Part("value", records, losses)

    @lazy
    def _came(self) -> NDArray[np.intp]:
        """Rows of the customers who bought something in the window."""
        return np.flatnonzero(self.truth.bought.every.sizes)

    def _listed(self, products: Products) -> dict[str, F64]:
        """Values of each ranking metric of the lists for those who came; the others have no place in any."""
        shop = self.cutoff.logs.shop
        found = products.recommend(shop, self.asked.key[self._came], self.moment, LIST_LENGTH)
        return judging.product_values(self.truth, self._came, found, shop.product_ids)

    def _products(self) -> _Part:
        records: list[Record] = []
        losses: dict[str, F64] = {}
        for recipe in product_recipes(self.cutoff.settings, self.cutoff.seed, self.threads, mine=False):
            values = self._listed(fit_products(recipe, self.cutoff.logs.shop, self.moment))
            records += judging.judge_products(self._judge("next_product", recipe), self._came, values)
            losses[recipe.name] = values[CHOSEN_BY["next_product"]]
        return _Part("next_product", records, losses)

    @lazy
    def _contracts(self) -> CancellationTrial:
        """Contracts that run at the cutoff, and what became of them."""
        cutoff = self.cutoff
        return CancellationTrial.at(cutoff.logs, self.moment, cutoff.until, cutoff.settings, self.table.context)

    def _chances(self) -> dict[Recipe, F64]:
        """Each recipe's chances that these are cancelled in the window."""
        cutoff = self.cutoff
        rows = cancellation_set(cutoff.logs, self.moment, cutoff.settings, self.table.context)
        recipes = cancellation_recipes(cutoff.seed)
        return {recipe: self._contracts.answers(fit_cancellations(recipe, rows)) for recipe in recipes}

    def _cancelling(self, contracts: CancellationTrial, chances: Mapping[Recipe, F64]) -> _Part:
        records = [
            record
            for recipe, chance in chances.items()
            for record in contracts.records(self._judge(CANCELLATION, recipe), chance)
        ]
        losses = {recipe.name: contracts.losses(chance) for recipe, chance in chances.items()}
        return _Part(CANCELLATION, records, losses)

    def _incumbent(self) -> dict[str, F64]:
        """The fitted champion's losses, where the window begins after the last moment it has learnt from."""
        incumbent = self.cutoff.incumbent
        if incumbent is None or self.moment < incumbent.trained_until or incumbent.features != self.table.names:
            return {}
        curves = incumbent.models.order_times.predict_curves(self.table)
        value = incumbent.models.value.predict(self.table, curves, self.truth.horizon_days)
        losses = {
            "order_times": judging.churn_losses(self.truth, curves),
            "value": judging.value_losses(self.truth, value),
        }
        if _has_products(self.cutoff.logs):
            losses["next_product"] = self._listed(incumbent.models.products)[CHOSEN_BY["next_product"]]
        known = incumbent.models.cancellations
        if known is not None and self.cutoff.settings.churn.is_contract:
            losses[CANCELLATION] = self._contracts.losses(self._contracts.answers(known))
        return losses


@dataclass(frozen=True)
class _Part:
    """One component's records and losses at one cutoff."""

    component: str
    records: list[Record]
    losses: dict[str, F64]
