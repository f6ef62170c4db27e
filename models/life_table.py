"""The life table of contracts: how often they are cancelled by how long they have run.

Contracts are watched from the moment at which they are first seen, not from their beginning, so each counts from that
age on (delayed entry). The hazard is constant within each class of age, which is the Kaplan-Meier curve grouped, and
drawn to the shop's constant rate where a class holds few cancellations.

Source: Kaplan and Meier 1958, 'Nonparametric Estimation from Incomplete Observations', Journal of the American
Statistical Association 53(282); Klein and Moeschberger 2003, Survival Analysis, sections 4.6 (left truncation), 5.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from regulars.features.shop import DAY
from regulars.features.table import FeatureTable
from regulars.models.hazard_rows import EDGES, OrderLabels

F64 = NDArray[np.float64]

AGES: F64 = np.array([0, 30, 60, 90, 120, 180, 270, 365, 545, 730, 1095, 1460], np.float64)
"""Days of a contract at which classes of age begin; the last has no end."""
PRIOR_CANCELLATIONS = 30.0
"""Cancellations that the shop's constant rate counts for in each class of age."""
LEAST_CHANCE = 1e-6
"""No chance is smaller, and none larger than 1 less this, so that log odds are finite."""
PRIOR_DAYS = 730.0
"""Days to the one cancellation that is assumed before any is seen."""


@dataclass(frozen=True)
class CancellationLabels:
    """What became of the contract of each row of a feature table.

    Attributes:
        days_to_end: (n,) days until it was cancelled, NaN where it was not while the customer was watched.
        observed_days: (n,) days the customer was watched.
    """

    days_to_end: F64
    observed_days: F64

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> CancellationLabels:
        """The labels of the given rows."""
        return CancellationLabels(self.days_to_end[rows], self.observed_days[rows])

    @property
    def waiting(self) -> OrderLabels:
        """The same as a wait for something that comes once, for `hazard_rows.unfold`."""
        nothing = np.zeros(len(self.days_to_end))
        return OrderLabels(self.days_to_end, self.observed_days, nothing, nothing)


class LifeTable:
    """Cancellations a day by the age of the contract.

    Attributes:
        rate: over all ages.
        rates: (ages,) of each class.
        cancelled: how many were seen.
    """

    def __init__(self, rate: float, rates: F64, cancelled: int) -> None:
        self.rate, self.rates, self.cancelled = rate, rates, cancelled

    @classmethod
    def fit(cls, table: FeatureTable, contract_days: F64, labels: CancellationLabels) -> Self:
        """Counts each contract once, from the first row in which it is seen.

        Args:
            table: (n) customers at moments, whose contracts run.
            contract_days: (n,) days they had run.
            labels: (n) what became of them.
        """
        first = first_rows(table, labels)
        begin, labels = contract_days[first], labels.take(first)
        came = labels.days_to_end <= labels.observed_days  # not where it is NaN
        end = begin + np.where(came, labels.days_to_end, labels.observed_days)
        beyond = np.array([np.clip(end - age, 0, None).sum() - np.clip(begin - age, 0, None).sum() for age in AGES])
        exposure = beyond - np.append(beyond[1:], 0.0)
        ages = np.clip(np.searchsorted(AGES, end[came], side="right") - 1, 0, len(AGES) - 1)
        cancelled = np.bincount(ages, minlength=len(AGES))
        rate = float((cancelled.sum() + 1) / (exposure.sum() + PRIOR_DAYS))
        rates = (cancelled + PRIOR_CANCELLATIONS) / (exposure + PRIOR_CANCELLATIONS / rate)
        return cls(rate, rates, int(cancelled.sum()))

    def hazards(self, contract_days: F64) -> F64:
        """(n, intervals) chance of cancelling in each interval of `EDGES` from now on, given that it was not before."""
        ages = np.nan_to_num(contract_days)[:, None] + EDGES
        risk = np.zeros(ages.shape)
        for begin, end, rate in zip(AGES, np.append(AGES[1:], np.inf), self.rates, strict=True):
            risk += rate * (np.clip(ages, begin, end) - begin)
        return np.clip(-np.expm1(-np.diff(risk, axis=1)), LEAST_CHANCE, 1 - LEAST_CHANCE)

    def to_dict(self) -> dict[str, Any]:
        """As plain numbers, for JSON."""
        return {"rate": self.rate, "rates": self.rates.tolist(), "cancelled": self.cancelled}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Self:
        """What `to_dict` described."""
        return cls(saved["rate"], np.array(saved["rates"], np.float64), saved["cancelled"])


def first_rows(table: FeatureTable, labels: CancellationLabels) -> NDArray[np.intp]:
    """Positions of the first row of each contract: of each customer's, and of those who came back after they left."""
    order = np.lexsort((table.moment, table.customer))
    customer, moment = table.customer[order], table.moment[order]
    end = moment + np.where(np.isnan(labels.days_to_end), np.inf, labels.days_to_end)[order] * DAY
    first = np.ones(len(order), bool)
    first[1:] = (customer[1:] != customer[:-1]) | (end[:-1] <= moment[1:])
    return order[first]
