"""Cancelling: the promises of every model, the life table by hand, and what the trees find."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models.promises import CancellationPromises
from tests.models.shops import context, made_contracts

from regulars.features.shop import DAY
from regulars.features.table import FeatureTable
from regulars.models.cancellation import CANCELLATIONS_FOR_HALF_WEIGHT, CancellationModel
from regulars.models.cancellation_baselines import TenureCancellations
from regulars.models.hazard_rows import EDGES
from regulars.models.life_table import AGES, PRIOR_CANCELLATIONS, PRIOR_DAYS, CancellationLabels, LifeTable, first_rows


class TestCancellationModelKeepsItsPromises(CancellationPromises):
    def make(self, seed: int = 0, threads: int = 1) -> CancellationModel:
        return CancellationModel(rounds=20, seed=seed)


class TestTheLifeTableKeepsThem(CancellationPromises):
    exact_columns: ClassVar[bool] = False

    def make(self, seed: int = 0, threads: int = 1) -> TenureCancellations:
        return TenureCancellations()

    def test_columns_that_are_missing_or_unknown_are_named(self) -> None:  # type: ignore[override]
        pytest.skip("it reads no column")


class TestTheConstantRateKeepsThem(TestTheLifeTableKeepsThem):
    def make(self, seed: int = 0, threads: int = 1) -> TenureCancellations:
        return TenureCancellations(by_tenure=False)


def rows_of(*rows: tuple[int, float, float, float, float]) -> tuple[FeatureTable, np.ndarray, CancellationLabels]:
    """Customer, day of the moment, days of the contract, days to its end (NaN: none), days watched."""
    columns = np.array(rows, np.float64).reshape(-1, 5).T
    table = FeatureTable(
        columns[0].astype(np.int32), (columns[1] * DAY).astype(np.int64), (), np.empty((len(rows), 0)), context()
    )
    return table, columns[2], CancellationLabels(columns[3], columns[4])


NEVER = np.nan
# 0 cancels at an age of 40 days and is seen from 10 on; 1 is seen from 100 to 200; 2 leaves at 20 and is back
SEEN = rows_of(
    (0, 0, 10, 30, 100), (0, 20, 30, 10, 80), (1, 0, 100, NEVER, 100), (2, 0, 15, 5, 100), (2, 50, 3, NEVER, 50)
)


def test_each_contract_counts_once_from_when_it_is_first_seen() -> None:
    table, _, labels = SEEN
    assert first_rows(table, labels).tolist() == [0, 2, 3, 4]


def test_the_life_table_by_hand() -> None:
    found = LifeTable.fit(*SEEN)
    # days watched below 30: 10 to 30, 15 to 20, 3 to 30; from 30 to 60: 30 to 40, 30 to 53; 90 to 120: 100 to 120
    exposure = np.array([52, 33, 0, 20, 60, 20, 0, 0, 0, 0, 0, 0.0])
    cancelled = np.array([1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    rate = 3 / (185 + PRIOR_DAYS)
    assert found.cancelled == 2
    assert found.rate == pytest.approx(rate)
    expected = (cancelled + PRIOR_CANCELLATIONS) / (exposure + PRIOR_CANCELLATIONS / rate)
    np.testing.assert_allclose(found.rates, expected)


def test_hazards_add_up_the_rates_of_the_ages_gone_through() -> None:
    table = LifeTable(0.1, np.arange(1, 13) / 1000, 5)
    found = table.hazards(np.array([25.0, 2000.0]))
    # from 25 to 32 days: 5 days at .001 and 2 at .002; from 2,000 on always at .012
    assert found[0, 0] == pytest.approx(1 - np.exp(-0.009))
    np.testing.assert_allclose(found[1], 1 - np.exp(-0.012 * np.diff(EDGES)))


def test_contracts_of_a_day_have_finite_log_odds() -> None:
    rows = [(customer, 0.0, 1.0, 0.01, 400.0) for customer in range(2_000)]
    rows += [(2_000, 0.0, 1.0, NEVER, 400.0)]
    data = rows_of(*rows)
    table = FeatureTable(data[0].customer, data[0].moment, ("age",), data[1][:, None], data[0].context)
    model = CancellationModel(rounds=3).fit(table, *data[1:])
    cancelled = model.predict_curves(table, data[1]).cancelled(90)
    assert (cancelled > 0.99).all()
    assert np.isfinite(cancelled).all()


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2), st.integers(0, 3), st.floats(0, 2000), st.one_of(st.just(NEVER), st.floats(0, 400))
        ),
        max_size=12,
        unique_by=lambda row: row[:2],
    )
)
def test_a_plain_count_agrees(rows: list[tuple[int, int, float, float]]) -> None:
    """Day by day would be slow enough; class by class, contract by contract, is as plain."""
    made = [(customer, 30.0 * month, age, end, 300 - 30.0 * month) for customer, month, age, end in rows]
    table, ages, labels = rows_of(*made)
    found = LifeTable.fit(table, ages, labels)
    exposure, cancelled = [0.0] * len(AGES), [0] * len(AGES)
    free: dict[int, float] = {}
    for customer, day, age, end, watched in sorted(made):
        before, free[customer] = free.get(customer, -1.0), np.inf if np.isnan(end) else day + end
        if day < before:
            continue
        last = age + (watched if np.isnan(end) else min(end, watched))
        for place, begin in enumerate(AGES):
            until = AGES[place + 1] if place + 1 < len(AGES) else np.inf
            exposure[place] += max(0.0, min(last, until) - max(age, begin))
            cancelled[place] += end <= watched and begin <= last < until
    rate = (sum(cancelled) + 1) / (sum(exposure) + PRIOR_DAYS)
    expected = (np.array(cancelled) + PRIOR_CANCELLATIONS) / (np.array(exposure) + PRIOR_CANCELLATIONS / rate)
    np.testing.assert_allclose(found.rates, expected, rtol=1e-9)


def test_the_trees_find_who_cancels_and_say_why() -> None:
    data, others = made_contracts(1_500, seed=3), made_contracts(500, seed=4)
    model = CancellationModel().fit(data.table, data.days, data.labels)
    risk = model.predict_curves(others.table, others.days).cancelled(90)
    unhappy = others.table.column("tickets_total") > 1
    assert risk[unhappy].mean() > 2 * risk[~unhappy].mean()
    assert next(iter(model.importance())) == "tickets_total"
    told = model.reasons(others.table.take(unhappy), others.days[unhappy], 90.0, top=1)
    assert sum("support ticket" in mine[0] and "raises" in mine[0] for mine in told) > 0.9 * len(told)


def test_few_cancellations_leave_the_word_to_the_life_table() -> None:
    data = made_contracts(20, seed=5)
    model = CancellationModel().fit(data.table, data.days, data.labels)
    seen = model.life_table_.cancelled
    assert 0 < seen < 15
    assert model.tree_weight_ == seen / (seen + CANCELLATIONS_FOR_HALF_WEIGHT)
    plain = TenureCancellations().fit(data.table, data.days, data.labels)
    ours, theirs = (one.predict_curves(data.table, data.days).cancelled(90) for one in (model, plain))
    assert np.abs(ours - theirs).max() < 0.1
