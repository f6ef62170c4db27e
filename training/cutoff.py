"""One cutoff of the backtest: every recipe fitted on what was known before it, and judged on what followed.

Two things are asked of it that have nothing to do with each other, so that a thread can work on each: when customers
order, what they bring and whether they cancel (`judged_customers`), and what they buy (`judged_products`). Lists of
products are judged on those who bought something, and an answer does not depend on who else is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from regulars.features.asof import Moments
from regulars.features.lazy import lazy
from regulars.features.logs import Logs
from regulars.features.settings import Settings
from regulars.features.shop import I64, iso
from regulars.features.table import FeatureTable, feature_table
from regulars.models.curves import OrderCurves
from regulars.models.fitted import FittedModels, OrderTimes, Products, ValuePrediction
from regulars.training import judging
from regulars.training.cancellations import CancellationTrial, cancellation_set, fit_cancellations
from regulars.training.judging import Judge, Truth
from regulars.training.labels import Outcomes
from regulars.training.product_labels import bought_next
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
from regulars.training.snapshots import TrainingSet, customers_at, training_set

F64 = NDArray[np.float64]
Answer = TypeVar("Answer", OrderCurves, ValuePrediction)
PRODUCTS = "next_product"
LIST_LENGTH = 20


@dataclass(frozen=True)
class Incumbent:
    """The fitted champion, judged as it is on windows that begin after the last moment it has learnt from."""

    models: FittedModels
    features: tuple[str, ...]
    trained_until: int


@dataclass(frozen=True)
class Cutoff:
    """Where the backtest stands, and by what was known before `until` it judges."""

    logs: Logs
    moment: int
    until: int
    settings: Settings
    dataset: str
    seed: int
    threads: int
    incumbent: Incumbent | None

    @property
    def as_of(self) -> str:
        """The moment, as it is written."""
        return iso(self.moment)

    @lazy
    def asked(self) -> Moments:
        """Who is asked about."""
        return customers_at(self.logs, self.moment)

    @lazy
    def truth(self) -> Truth:
        """What they did in the window."""
        return truth_at(self.logs, self.asked, self.until, self.settings)

    def judge(self, component: str, recipe: Recipe) -> Judge:
        """Makes the records of a recipe."""
        return Judge(self.dataset, component, recipe.name, recipe.is_baseline, self.as_of)

    def known_champion(self) -> Incumbent | None:
        """The champion, where it can be judged: it has learnt from nothing in the window."""
        known = self.incumbent is not None and self.moment >= self.incumbent.trained_until
        return self.incumbent if known else None


@dataclass(frozen=True)
class Part:
    """One component's records and losses at one cutoff."""

    component: str
    records: list[Record]
    losses: dict[str, F64]


@dataclass(frozen=True)
class JudgedCustomers:
    """What was said of customers at a cutoff, by component, and how far the champion was off.

    `others` are the customers of components that ask about others than `Cutoff.asked`.
    """

    parts: list[Part]
    incumbent: dict[str, F64]
    predictions: CutoffPredictions
    others: Mapping[str, I64] = field(default_factory=dict)


@dataclass(frozen=True)
class JudgedProducts:
    """What was said of products at a cutoff, and how far the champion was off, if there is one."""

    part: Part
    incumbent: F64 | None


def judged_customers(cutoff: Cutoff) -> JudgedCustomers:
    """Order times, value, and where contracts are held cancelling."""
    rows = training_set(cutoff.logs, cutoff.moment, cutoff.settings)
    return _Scene(cutoff, rows, feature_table(cutoff.logs, cutoff.asked, rows.table.context)).judged()


def judged_products(cutoff: Cutoff) -> JudgedProducts:
    """Next products."""
    shop, chosen_by = cutoff.logs.shop, CHOSEN_BY[PRODUCTS]
    # The others have no place in any metric.
    came = np.flatnonzero(cutoff.truth.bought.every.sizes)

    def values(model: Products) -> dict[str, F64]:
        found = model.recommend(shop, cutoff.asked.key[came], cutoff.moment, LIST_LENGTH)
        return judging.product_values(cutoff.truth, came, found, shop.product_ids)

    records: list[Record] = []
    losses: dict[str, F64] = {}
    for recipe in product_recipes(cutoff.settings, cutoff.seed, cutoff.threads, mine=False):
        by_metric = values(fit_products(recipe, shop, cutoff.moment))
        records += judging.judge_products(cutoff.judge(PRODUCTS, recipe), came, by_metric)
        losses[recipe.name] = by_metric[chosen_by]
    known = cutoff.known_champion()
    incumbent = None if known is None else values(known.models.products)[chosen_by]
    return JudgedProducts(Part(PRODUCTS, records, losses), incumbent)


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
class _Scene:
    """What may be learnt from at a cutoff, and the features of those who are asked about."""

    cutoff: Cutoff
    rows: TrainingSet
    table: FeatureTable

    @property
    def truth(self) -> Truth:
        """What came."""
        return self.cutoff.truth

    def judged(self) -> JudgedCustomers:
        """Every recipe fitted, asked and judged."""
        cutoff = self.cutoff
        settings, seed, threads = cutoff.settings, cutoff.seed, cutoff.threads
        fitted = {recipe: fit_order_times(recipe, self.rows) for recipe in order_time_recipes(settings, seed, threads)}
        curves = {recipe: model.predict_curves(self.table) for recipe, model in fitted.items()}
        on_churn = {recipe: curve for recipe, curve in curves.items() if recipe.judged_on_churn}
        ours = next(recipe for recipe in fitted if recipe.name == OURS["order_times"])
        values = self._values(fitted[ours], curves[ours])
        parts = [
            self._part("order_times", on_churn, judging.judge_churn, judging.churn_losses),
            self._part("dates", curves, judging.judge_dates, judging.date_losses),
            self._part("value", values, judging.judge_value, judging.value_losses),
        ]
        contracts = self._contracts if settings.churn.is_contract else None
        chances = {} if contracts is None else self._chances()
        if contracts is not None:
            parts.append(self._cancelling(contracts, chances))
        best = values[next(iter(values))]
        return JudgedCustomers(
            parts,
            self._incumbent(),
            CutoffPredictions(
                as_of=cutoff.as_of,
                churned=self.truth.churned,
                churn_probability={
                    recipe.name: curve.churn(self.truth.horizon_days) for recipe, curve in on_churn.items()
                },
                margin=self.truth.margin,
                expected_margin={recipe.name: value.expected for recipe, value in values.items()},
                margin_low=best.low,
                margin_high=best.high,
                cancelled=np.zeros(0, bool) if contracts is None else contracts.cancelled,
                cancel_probability={recipe.name: chance for recipe, chance in chances.items()},
            ),
            {} if contracts is None else {CANCELLATION: contracts.customer},
        )

    def _values(self, order_times: OrderTimes, curves: OrderCurves) -> dict[Recipe, ValuePrediction]:
        """What each value recipe expects, ours first; those that the data cannot carry are left out."""
        settings, seed, threads = self.cutoff.settings, self.cutoff.seed, self.cutoff.threads
        rows = value_rows(self.rows)
        learnt = order_times.predict_curves(rows.table)
        fitted = {
            recipe: fit_value(recipe, rows, learnt)
            for recipe in value_recipes(settings, seed, threads, self.table.names)
        }
        horizon = self.truth.horizon_days
        return {recipe: m.predict(self.table, curves, horizon) for recipe, m in fitted.items() if m is not None}

    def _part(
        self,
        component: str,
        answers: Mapping[Recipe, Answer],
        judge: Callable[[Judge, Truth, Answer], list[Record]],
        losses: Callable[[Truth, Answer], F64],
    ) -> Part:
        records = [
            record
            for recipe, answer in answers.items()
            for record in judge(self.cutoff.judge(component, recipe), self.truth, answer)
        ]
        return Part(component, records, {recipe.name: losses(self.truth, one) for recipe, one in answers.items()})

    @lazy
    def _contracts(self) -> CancellationTrial:
        """Contracts that run at the cutoff, and what became of them."""
        cutoff = self.cutoff
        return CancellationTrial.at(cutoff.logs, cutoff.moment, cutoff.until, cutoff.settings, self.table.context)

    def _chances(self) -> dict[Recipe, F64]:
        """Each recipe's chances that these are cancelled in the window."""
        cutoff = self.cutoff
        rows = cancellation_set(cutoff.logs, cutoff.moment, cutoff.settings, self.table.context)
        recipes = cancellation_recipes(cutoff.seed)
        return {recipe: self._contracts.answers(fit_cancellations(recipe, rows)) for recipe in recipes}

    def _cancelling(self, contracts: CancellationTrial, chances: Mapping[Recipe, F64]) -> Part:
        records = [
            record
            for recipe, chance in chances.items()
            for record in contracts.records(self.cutoff.judge(CANCELLATION, recipe), chance)
        ]
        losses = {recipe.name: contracts.losses(chance) for recipe, chance in chances.items()}
        return Part(CANCELLATION, records, losses)

    def _incumbent(self) -> dict[str, F64]:
        """The fitted champion's losses, where it can be judged and reads the same features."""
        incumbent = self.cutoff.known_champion()
        if incumbent is None or incumbent.features != self.table.names:
            return {}
        curves = incumbent.models.order_times.predict_curves(self.table)
        value = incumbent.models.value.predict(self.table, curves, self.truth.horizon_days)
        losses = {
            "order_times": judging.churn_losses(self.truth, curves),
            "value": judging.value_losses(self.truth, value),
        }
        known = incumbent.models.cancellations
        if known is not None and self.cutoff.settings.churn.is_contract:
            losses[CANCELLATION] = self._contracts.losses(self._contracts.answers(known))
        return losses
