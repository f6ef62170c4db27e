"""Ours in benchmarks/quality.py: what `regulars train` fits at a cutoff with default settings, and its baselines.

`train` backtests its recipes and the baselines on windows that are over at the cutoff, takes the winner of each
component, and fits it on everything known before the cutoff. The same is done here with the same functions, save that
lists of products, which decide nothing about the other answers, are left out; a test compares it with `train` itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from quality_data import Scene

from regulars.features.logs import Logs
from regulars.features.settings import Settings
from regulars.models.curves import LAST_DAY, OrderCurves
from regulars.models.fitted import ValuePrediction
from regulars.training.backtest import cutoffs_of
from regulars.training.cutoff import truth_at
from regulars.training.judging import churn_losses, value_losses
from regulars.training.promotion import Entry, Trial, decide_promotion
from regulars.training.recipes import (
    OURS,
    fit_order_times,
    fit_value,
    order_time_recipes,
    value_recipes,
    value_rows,
)

F64 = NDArray[np.float64]
NO_ANSWER = {"recency": ("orders",), "churn_factor": ("orders",), "usual_gap": ("churn", "orders")}
"""What rules of thumb do not say: one pace for everybody is no forecast, and the usual gap is a rule for dates."""
GRID_POINTS = 91
"""Days of the curve that are kept, evenly from 0 to the horizon."""


class Answers(NamedTuple):
    """What every recipe says at one cutoff."""

    curves: Mapping[str, OrderCurves]
    values: Mapping[str, ValuePrediction]


def answers(scene: Scene, seed: int = 0, by: str = OURS["order_times"]) -> Answers:
    """Every recipe of order times and value, fitted on what was known before the cutoff, and asked.

    Args:
        scene: the question.
        seed: of the models.
        by: the recipe of order times whose curves the models of value read.
    """
    settings, threads = scene.settings, 1
    fitted = {one.name: fit_order_times(one, scene.rows) for one in order_time_recipes(settings, seed, threads)}
    curves = {name: model.predict_curves(scene.table) for name, model in fitted.items()}
    learn = value_rows(scene.rows)
    learnt = fitted[by].predict_curves(learn.table)
    values = {}
    for recipe in value_recipes(settings, seed, threads, scene.table.names):
        model = fit_value(recipe, learn, learnt)
        if model is not None:
            values[recipe.name] = model.predict(scene.table, curves[by], scene.horizon)
    return Answers(curves, values)


def chosen(logs: Logs, moment: int, settings: Settings, seed: int = 0) -> dict[str, str]:
    """The winner of each component, as `train` takes it: on windows that are over at the moment."""
    losses: dict[str, dict[str, list[F64]]] = {"order_times": {}, "value": {}}
    customers = []
    recipes = order_time_recipes(settings, seed, 1)
    judged = {recipe.name for recipe in recipes if recipe.judged_on_churn}
    cutoffs = cutoffs_of(logs, moment, settings)
    for cutoff in cutoffs:
        scene = Scene(logs, cutoff, settings)
        truth = truth_at(logs, scene.asked, moment, settings)
        found = answers(scene, seed)
        customers.append(truth.customer)
        for name, curves in found.curves.items():
            if name in judged:
                losses["order_times"].setdefault(name, []).append(churn_losses(truth, curves))
        for name, value in found.values.items():
            losses["value"].setdefault(name, []).append(value_losses(truth, value))
    ours = set(OURS.values())
    trials = []
    for component, models in losses.items():
        whole = {name: rows for name, rows in models.items() if len(rows) == len(cutoffs)}
        entries = {name: Entry(rows, name not in ours) for name, rows in whole.items()}
        trials.append(Trial(component, customers, entries))
    return {one.component: one.winner for one in decide_promotion(trials, seed=seed).decisions}


def frames(scene: Scene, found: Answers) -> dict[str, tuple[pd.DataFrame, F64 | None]]:
    """By model: a row for each customer, and the survival curve by day where it has one (n, `GRID_POINTS`)."""
    horizon = scene.horizon
    ids = scene.logs.shop.customer_ids[scene.asked.key]
    grid = np.linspace(0, horizon, GRID_POINTS)
    made: dict[str, tuple[pd.DataFrame, F64 | None]] = {}
    for name, curves in found.curves.items():
        columns: dict[str, Any] = {
            "customer_id": ids,
            "churn": curves.churn(horizon),
            "orders": curves.expected_orders(horizon),
            "median_days": np.nan_to_num(curves.quantile_days(0.5), nan=LAST_DAY),
        }
        for column in NO_ANSWER.get(name, ()):
            del columns[column]
        made[name] = (pd.DataFrame(columns), curves.survival_at(grid))
    for name, value in found.values.items():
        columns = {"customer_id": ids, "margin": value.expected, "margin_low": value.low, "margin_high": value.high}
        made[name] = (pd.DataFrame(columns), None)
    return made
