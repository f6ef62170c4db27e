"""Cancelled contracts: whose contracts run at moments, what became of them, and how models of it are judged.

Where churn is cancelling ([churn] by = "contract"), everybody is asked about who holds a contract at a moment and gave
no notice, with an order or without. What happens with orders is asked beside it, as in every shop.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from regulars.features.asof import Moments
from regulars.features.context import ShopContext
from regulars.features.contracts import contracts_at, why_no_contracts
from regulars.features.logs import Logs
from regulars.features.settings import Settings
from regulars.features.table import FeatureTable, feature_table
from regulars.models.contract_curves import ContractCurves
from regulars.models.fitted import Cancellations
from regulars.models.life_table import CancellationLabels
from regulars.training.judging import CHURN_METRICS, Judge, Measure, log_losses
from regulars.training.labels import Outcomes
from regulars.training.recipes import Recipe
from regulars.training.records import Record
from regulars.training.snapshots import snapshot_moments, some_customers

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class RunningContracts:
    """(n) contracts that run at moments: features, and days for which they had run."""

    table: FeatureTable
    days: F64

    def __len__(self) -> int:
        return len(self.table)


@dataclass(frozen=True)
class CancellationSet:
    """What a training may see of contracts."""

    contracts: RunningContracts
    labels: CancellationLabels


def require_cancellations(logs: Logs, until: int) -> None:
    """Refuses a shop in which churn cannot be cancelling.

    Raises:
        ValueError: naming table, column and what to do.
    """
    if why := why_no_contracts(logs.shop, until):
        raise ValueError(why)


def running_contracts(logs: Logs, moments: Moments, context: ShopContext) -> RunningContracts:
    """Those of the moments at which a contract runs."""
    found = contracts_at(logs, moments)
    return RunningContracts(feature_table(logs, moments.take(found.running), context), found.days[found.running])


def contracts_running_at(logs: Logs, moment: int, context: ShopContext) -> RunningContracts:
    """Everybody whose contract runs at the moment."""
    return running_contracts(logs, Moments.grid(np.arange(logs.keys), [moment]), context)


def cancellation_set(logs: Logs, until: int, settings: Settings, context: ShopContext) -> CancellationSet:
    """Contracts and labels for a training that stands at `until`; moments and sampling as in `training_set`."""
    moments = Moments.grid(np.arange(logs.keys), snapshot_moments(logs, until, settings))
    moments = moments.take(contracts_at(logs, moments).running)
    moments = moments.take(some_customers(moments.key, settings.train.max_snapshot_rows))
    outcomes = Outcomes(logs, until)
    labels = CancellationLabels(outcomes.days_to_leaving(moments), outcomes.observed_days(moments))
    return CancellationSet(running_contracts(logs, moments, context), labels)


def fit_cancellations(recipe: Recipe, rows: CancellationSet) -> Cancellations:
    """The recipe fitted."""
    fitted: Cancellations = recipe.make().fit(rows.contracts.table, rows.contracts.days, rows.labels)
    return fitted


@dataclass(frozen=True)
class CancellationTrial:
    """The contracts of one cutoff, and what became of them within the horizon.

    Attributes:
        asked: (n) contracts that run at the cutoff.
        cancelled: (n,) whether each was cancelled in the window, as known at the end.
        horizon_days: the horizon.
    """

    asked: RunningContracts
    cancelled: NDArray[np.bool_]
    horizon_days: float

    @classmethod
    def at(cls, logs: Logs, moment: int, until: int, settings: Settings, context: ShopContext) -> CancellationTrial:
        """The trial of a cutoff, judged by what was known before `until`."""
        asked = contracts_running_at(logs, moment, context)
        moments = Moments(asked.table.customer, asked.table.moment)
        horizon = settings.churn.horizon_days
        return cls(asked, Outcomes(logs, until).days_to_leaving(moments) < horizon, horizon)

    @cached_property
    def customer(self) -> NDArray[np.int64]:
        """(n,) codes."""
        return self.asked.table.customer.astype(np.int64)

    def answers(self, model: Cancellations) -> F64:
        """(n,) the model's chance that each is cancelled in the window."""
        curves: ContractCurves = model.predict_curves(self.asked.table, self.asked.days)
        return curves.cancelled(self.horizon_days)

    def losses(self, probability: F64) -> F64:
        """(n,) log loss of each customer's chance."""
        return log_losses(self.cancelled, probability)

    def records(self, judge: Judge, probability: F64) -> list[Record]:
        """The metrics of churn."""
        came = self.cancelled.astype(np.float64)
        return judge.records({name: Measure(metric, (came, probability)) for name, metric in CHURN_METRICS.items()})
