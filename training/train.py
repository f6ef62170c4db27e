"""Training: a rolling backtest, the winner of each component fitted on everything, and the word on promotion.

Nothing here knows of files, MLflow or bundles; the command line puts those around it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from regulars.features.context import ShopContext
from regulars.features.horizons import judged_settings, shorter_windows
from regulars.features.logs import Logs
from regulars.features.settings import Settings
from regulars.features.shop import Shop
from regulars.models.fitted import FittedModels
from regulars.training.backtest import Backtest, Progress, backtest, cutoffs_of
from regulars.training.cancellations import cancellation_set, fit_cancellations
from regulars.training.cutoff import Incumbent
from regulars.training.promotion import Promotion, decide_promotion
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
from regulars.training.records import CANCELLATION, CutoffPredictions, Record
from regulars.training.snapshots import first_known, training_set


@dataclass(frozen=True)
class Training:
    """What a training gave.

    Attributes:
        models: the winners, fitted on everything before `until`.
        context: the shop as known at `until`.
        features: names of the columns the models read.
        backtest: records, losses and predictions of all cutoffs.
        promotion: whether the models take the champion's place, and why.
        recipes: each component's winning recipe in words that tell one from another.
        importance: share of each feature in what the model of churn learnt (order times, or where contracts are held
            cancelling); empty for a baseline.
        rows: snapshot rows learnt from.
        horizon_days: length of the windows that were learnt from and judged; the churn horizon, or less where the
            history is too short for two of those.
    """

    until: int
    models: FittedModels
    context: ShopContext
    features: tuple[str, ...]
    backtest: Backtest
    promotion: Promotion
    recipes: Mapping[str, str]
    importance: Mapping[str, float]
    rows: int
    horizon_days: int

    @property
    def records(self) -> list[Record]:
        """The backtest's records."""
        return self.backtest.records

    @property
    def predictions(self) -> list[CutoffPredictions]:
        """What was predicted at each cutoff, for plots."""
        return [answered.predictions for answered in self.backtest.answers]


def train(
    shop: Shop,
    settings: Settings,
    until: int,
    *,
    dataset: str,
    seed: int = 0,
    incumbent: Incumbent | None = None,
    champion: Mapping[str, str] | None = None,
    progress: Progress = lambda _: None,
) -> Training:
    """Backtests every recipe, fits the winners on everything known before `until`, and decides on promotion.

    Args:
        shop: the shop's tables.
        settings: of the shop.
        until: the moment at which training stands, in microseconds; nothing at or after it is read.
        dataset: name in the records.
        seed: of everything random.
        incumbent: the fitted champion, if there is one that can be judged.
        champion: the champion's recipes by component, as an earlier training told them.
        progress: called with a sentence at every step.

    Raises:
        ValueError: if churn is cancelling and no cancellation is known before `until`.
    """
    logs = Logs(shop, settings)
    asked, settings = settings, judged_settings(first_known(logs, until), until, settings)
    if told := shorter_windows(asked, settings):
        progress(told)
    moments = cutoffs_of(logs, until, settings)
    progress(f"backtest: {len(moments)} cutoffs")
    judged = backtest(
        logs, moments, until, settings, dataset=dataset, seed=seed, incumbent=incumbent, progress=progress
    )
    components = list(judged.answers[0].losses)
    named = {component: (champion or {}).get(component, "").split(" ")[0] or None for component in components}
    trials = [judged.trial(component, named[component]) for component in components]
    promotion = decide_promotion(trials, refits=judged.refits(named), seed=seed)
    winners = {decision.component: decision.winner for decision in promotion.decisions}
    progress("fitting the winners on everything")
    return _fit(shop, logs, settings, until, seed, judged, promotion, winners)


def _fit(
    shop: Shop,
    logs: Logs,
    settings: Settings,
    until: int,
    seed: int,
    judged: Backtest,
    promotion: Promotion,
    winners: Mapping[str, str],
) -> Training:
    threads = settings.train.threads
    what = _named(product_recipes(settings, seed, threads), winners.get("next_product", OURS["next_product"]))
    with ThreadPoolExecutor(1) as beside:
        waited_for = beside.submit(fit_products, what, shop, until)
        rows = training_set(logs, until, settings)
        when = _named(order_time_recipes(settings, seed, threads), winners["order_times"])
        order_times = fit_order_times(when, rows)
        watched = value_rows(rows)
        worth = _named(value_recipes(settings, seed, threads, rows.table.names), winners["value"])
        value = fit_value(worth, watched, order_times.predict_curves(watched.table))
        if value is None:
            raise ValueError(f"{worth.name} won the backtest but cannot be fitted: no customer has a positive margin")
        recipes = {"order_times": when.text, "value": worth.text, "next_product": what.text}
        cancellations = None
        if settings.churn.is_contract:
            how = _named(cancellation_recipes(seed), winners[CANCELLATION])
            cancellations = fit_cancellations(how, cancellation_set(logs, until, settings, rows.table.context))
            recipes[CANCELLATION] = how.text
        products = waited_for.result()
    importance: Callable[[], Mapping[str, float]] | None
    importance = getattr(cancellations or order_times, "importance", None)
    return Training(
        until=until,
        models=FittedModels(order_times, value, products, cancellations),
        context=rows.table.context,
        features=rows.table.names,
        backtest=judged,
        promotion=promotion,
        recipes=recipes,
        importance=importance() if importance else {},
        rows=len(rows.table),
        horizon_days=settings.churn.horizon_days,
    )


def _named(recipes: list[Recipe], name: str) -> Recipe:
    return next(recipe for recipe in recipes if recipe.name == name)
