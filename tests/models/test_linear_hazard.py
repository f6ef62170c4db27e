"""The line that corrects the buy-till-you-die hazards: an optimiser agrees, little data say little, much data much."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit

from regulars.features.context import ShopContext
from regulars.features.table import FeatureTable
from regulars.models.hazard_rows import EDGES, HazardRows
from regulars.models.linear_hazard import OVERLAP, PRIOR_SD, LinearHazard, inputs

NAMES = ("days_since_last_order", "tenure_days", "order_days_total")


def table_of(customers: int, seed: int = 3) -> FeatureTable:
    random = np.random.default_rng(seed)
    tenure = random.uniform(10, 400, customers)
    order_days = random.integers(1, 5, customers)
    quiet = np.where(order_days == 1, tenure, random.uniform(0, tenure))
    nothing = np.zeros(0, np.int64)
    values = np.column_stack([quiet, tenure, order_days]).astype(np.float64)
    codes = np.arange(customers)
    return FeatureTable(codes.astype(np.int32), codes * 0, NAMES, values, ShopContext(0, 0, nothing, nothing))


def rows_of(customers: int, ordered: np.ndarray) -> HazardRows:
    return HazardRows(np.arange(customers), np.arange(customers) % (len(EDGES) - 1), ordered)


def test_an_optimiser_finds_the_same() -> None:
    table, random = table_of(400), np.random.default_rng(5)
    by_bgnbd = random.uniform(0.05, 0.4, (400, len(EDGES) - 1))
    rows = rows_of(400, random.random(400) < 0.4)
    found = LinearHazard.fit(table, by_bgnbd, rows)
    before = logit(by_bgnbd[rows.row, rows.interval])
    x = (inputs(table, before, rows.row, rows.interval) - found.centre) / found.spread

    def loss(parameters: np.ndarray) -> float:
        odds = before + x @ parameters[:6] + parameters[6:][rows.interval]
        chance = np.where(rows.ordered, expit(odds), expit(-odds))
        return float(-np.log(chance).sum() / OVERLAP + (parameters**2).sum() / (2 * PRIOR_SD**2))

    best = minimize(loss, np.zeros(6 + len(EDGES) - 1), method="BFGS", options={"gtol": 1e-8}).x
    np.testing.assert_allclose(np.concatenate([found.weights, found.offsets]), best, atol=1e-5)


@pytest.mark.parametrize(("customers", "low", "high"), [(20, 0.0, 0.1), (20_000, 0.5, 5.0)])
def test_it_corrects_as_far_as_there_are_data(customers: int, low: float, high: float) -> None:
    """All customers order half as often as the model says; of a few, nothing much is believed."""
    table, random = table_of(customers), np.random.default_rng(7)
    by_bgnbd = np.full((customers, len(EDGES) - 1), 0.4)
    fitted = LinearHazard.fit(table, by_bgnbd, rows_of(customers, random.random(customers) < 0.2))
    intervals, everybody = range(len(EDGES) - 1), np.arange(customers)
    told = [fitted.log_odds(table, by_bgnbd, everybody, np.full(customers, k)) for k in intervals]
    moved = logit(0.4) - np.mean(told)
    assert low <= moved <= high


def test_a_customer_alone_is_the_one_in_the_batch_and_numbers_survive() -> None:
    table, random = table_of(50), np.random.default_rng(9)
    by_bgnbd = random.uniform(0.1, 0.5, (50, len(EDGES) - 1))
    fitted = LinearHazard.fit(table, by_bgnbd, rows_of(50, random.random(50) < 0.5))
    again = LinearHazard.from_dict(fitted.to_dict())
    batch = fitted.log_odds(table, by_bgnbd, np.arange(50), np.full(50, 2))
    for row in (0, 17, 49):
        alone = again.log_odds(
            table.take(np.array([row])), by_bgnbd[row : row + 1], np.zeros(1, np.int64), np.full(1, 2)
        )
        assert alone[0] == batch[row]
