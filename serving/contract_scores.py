"""What contracts say of churn: a model of cancelling, and what is known already.

Of whoever holds a contract and gave no notice, the model says how likely they cancel within the horizon. A notice is a
fact: the contract ends within the horizon or it does not. Who has left keeps a row, with churn certain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regulars.features.asof import F64
from regulars.features.contracts import Contracts
from regulars.features.shop import days, iso
from regulars.features.table import FeatureTable
from regulars.models.fitted import Cancellations


@dataclass(frozen=True)
class ContractAnswers:
    """Churn, and reasons in words, of the customers in `rows`; the others have no contract."""

    rows: NDArray[np.intp]
    churn: F64
    reasons: list[list[str]]


def contract_answers(
    model: Cancellations, running: FeatureTable, contracts: Contracts, horizon_days: float, top: int
) -> ContractAnswers:
    """Answers of everybody who holds or held a contract.

    Args:
        model: of cancelling.
        running: (m) features of those whose contract runs, in the order of `contracts`.
        contracts: (n) of all that are asked about, m of them running.
        horizon_days: the horizon.
        top: reasons told.
    """
    churn = np.zeros(len(contracts.moment))
    reasons: list[list[str]] = [[] for _ in churn]
    at = np.flatnonzero(contracts.running)
    if len(at):
        for_days = contracts.days[at]
        churn[at] = model.predict_curves(running, for_days).cancelled(horizon_days)
        for row, told in zip(at.tolist(), model.reasons(running, for_days, horizon_days, top), strict=True):
            reasons[row] = told
    known = np.flatnonzero(contracts.left | contracts.noticed)
    churn[known] = contracts.left[known] | (contracts.ends[known] < contracts.moment[known] + days(horizon_days))
    for row in known.tolist():
        reasons[row] = _known(contracts, row)
    rows = np.sort(np.concatenate([at, known]))
    return ContractAnswers(rows, churn[rows], [reasons[row] for row in rows.tolist()])


def _known(contracts: Contracts, row: int) -> list[str]:
    day = iso(int(contracts.ends[row]))[:10]
    return [f"cancelled: left on {day}" if contracts.left[row] else f"gave notice: the contract ends on {day}"]
