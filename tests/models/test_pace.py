"""The pace of further orders: the buy-till-you-die model's, and what the shop says against it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from tests.models.shops import Training, made_shop

from regulars.models.bgnbd import BgNbd
from regulars.models.curves import from_hazards
from regulars.models.hazard_rows import EDGES, OrderLabels, bgnbd_hazards, histories
from regulars.models.linear_hazard import OVERLAP, PRIOR_SD
from regulars.models.pace import PaceLine, bgnbd_pace, pooled


def labels(orders: list[float], days: list[float]) -> OrderLabels:
    """Further orders in days after a next one that came on the first day."""
    further = np.array(days)
    return OrderLabels(np.where(further > 0, 1.0, np.nan), further + 1, np.array(orders), further)


@pytest.fixture(scope="module")
def shop() -> Training:
    made = made_shop(200)
    return made.take(made.table.column("orders_total") > 0)


def test_curves_with_the_models_pace_expect_what_the_model_does(shop: Training) -> None:
    told = histories(shop.table)
    model = BgNbd().fit(*told)
    hazards = bgnbd_hazards(model, shop.table)

    pace = bgnbd_pace(model, shop.table, from_hazards(EDGES, hazards, np.zeros(len(shop.table))))

    expected = from_hazards(EDGES, hazards, pace).expected_orders(180)
    np.testing.assert_allclose(expected, model.expected_orders(*told, 180), rtol=1e-4, atol=1e-5)


def test_twice_the_orders_lift_the_level_nearly_to_twice_where_many_were_seen() -> None:
    pace, days = np.full(4_000, 0.02), np.full(4_000, 100.0)

    line = PaceLine.fit(pace, labels([4.0] * 4_000, days.tolist()))

    assert np.exp(line.level) == pytest.approx(2, rel=0.02)
    assert line.of(np.array([0.02]))[0] == pytest.approx(0.04, rel=0.02)


def test_little_seen_changes_little() -> None:
    line = PaceLine.fit(np.full(5, 0.02), labels([4.0] * 5, [100.0] * 5))

    assert 1 < np.exp(line.level) < 1.1


def test_who_did_not_come_says_nothing() -> None:
    seen, pace = labels([3.0, 0.0, 1.0], [90.0, 0.0, 50.0]), np.array([0.01, 0.5, 0.03])
    came = np.array([0, 2])

    assert PaceLine.fit(pace, seen) == PaceLine.fit(pace[came], seen.take(came))
    assert PaceLine.fit(pace, labels([0.0] * 3, [0.0] * 3)) == PaceLine(0, 0, 0)


def test_it_is_the_penalised_poisson_regression() -> None:
    rng = np.random.default_rng(0)
    pace, days = np.exp(rng.normal(-4, 1, 500)), rng.uniform(1, 150, 500)
    orders = rng.poisson(1.5 * pace**0.6 * 0.1 * days)

    line = PaceLine.fit(pace, labels(orders.tolist(), days.tolist()))

    log_pace = np.log(pace)
    x = (log_pace - log_pace.mean()) / log_pace.std()

    def loss(found: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
        mean = pace * days * np.exp(found[0] + found[1] * x)
        return float((mean - orders * np.log(mean)).sum() / OVERLAP + (found**2).sum() / 2 / PRIOR_SD**2)

    best = minimize(loss, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12}).x
    assert (line.level, line.slope) == pytest.approx((best[0], best[1] / log_pace.std()), abs=1e-5)
    assert PaceLine.from_dict(line.to_dict()) == line


def test_pooling_is_by_weight_on_the_logarithm() -> None:
    by_line, by_trees = np.array([0.01, 0.04]), np.array([0.04, 0.0])

    assert pooled(by_line, by_trees, 0.5)[0] == pytest.approx(0.02)
    assert pooled(by_line, by_trees, 0.0) == pytest.approx(by_line)
    assert pooled(by_line, by_trees, 1.0)[1] == pytest.approx(1e-9)
