"""Training where customers hold contracts: nothing leaks, the question is asked and won, and the truth is the judge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.training.shops import Frames, known_before, read, shuffled, with_nonsense

from regulars.datasets.simulate import ShopParameters, SimulatedShop, simulate_shop
from regulars.features.context import ShopContext
from regulars.features.logs import Logs
from regulars.features.settings import Settings
from regulars.features.shop import DAY, NEVER, Shop, as_time
from regulars.training.backtest import backtest
from regulars.training.cancellations import (
    CancellationSet,
    CancellationTrial,
    cancellation_set,
    fit_cancellations,
    require_cancellations,
)
from regulars.training.cutoff import Incumbent
from regulars.training.promotion import paired_interval
from regulars.training.recipes import cancellation_recipes
from regulars.training.records import ALL_COMPONENTS, CANCELLATION
from regulars.training.train import train

SETTINGS = Settings.model_validate({"churn": {"by": "contract"}, "train": {"cutoffs": 1}})
CUTOFF = as_time("2025-01-01")


@pytest.fixture(scope="module")
def frames() -> Frames:
    found = simulate_shop(ShopParameters(customers=200, history_days=540, moment_every_days=900, contract=True), seed=3)
    return found.tables


@pytest.fixture(scope="module")
def shop(frames: Frames) -> Shop:
    return read(frames, SETTINGS)


def learnt_from(shop: Shop, until: int) -> CancellationSet:
    logs = Logs(shop, SETTINGS)
    return cancellation_set(logs, until, SETTINGS, ShopContext.of(logs, until))


def as_bytes(rows: CancellationSet) -> tuple[bytes, ...]:
    table, labels = rows.contracts.table, rows.labels
    parts = (table.customer, table.moment, table.values, rows.contracts.days, labels.days_to_end, labels.observed_days)
    return tuple(part.tobytes() for part in parts)


def with_other_leavings(shop: Shop, until: int) -> Shop:
    """Everybody of whom it becomes known from `until` on left at some other time, half of them before it."""
    rows = shop.customers
    assert rows is not None
    rng = np.random.default_rng(5)
    left = until + rng.integers(-200, 200, len(rows)) * DAY
    return replace(shop, customers=replace(rows, left_at=np.where(rows.visible >= until, left, rows.left_at)))


@pytest.mark.parametrize("future", ["nonsense", "gone", "other"])
def test_what_becomes_known_from_the_moment_on_changes_nothing(future: str, shop: Shop) -> None:
    change = {"nonsense": with_nonsense, "gone": known_before, "other": with_other_leavings}[future]
    assert as_bytes(learnt_from(change(shop, CUTOFF), CUTOFF)) == as_bytes(learnt_from(shop, CUTOFF))


def test_the_order_of_rows_changes_nothing(shop: Shop) -> None:
    assert as_bytes(learnt_from(shuffled(shop), CUTOFF)) == as_bytes(learnt_from(shop, CUTOFF))


def test_rows_are_contracts_that_run_with_an_order_or_without(shop: Shop, frames: Frames) -> None:
    rows = learnt_from(shop, CUTOFF)
    people = frames["customers"]
    signed = people.groupby("customer_id")["signed_up_at"].min()
    left = people.groupby("customer_id")["left_at"].max()
    newest = rows.contracts.table.moment == CUTOFF
    ids = shop.customer_ids[rows.contracts.table.customer[newest]]
    moment = pd.Timestamp("2025-01-01")
    assert sorted(ids) == sorted(signed.index[(signed < moment) & ~(left < moment)])
    np.testing.assert_allclose(
        rows.contracts.days[newest], (moment - signed.reindex(ids)).dt.total_seconds().to_numpy() / 86_400
    )
    assert (rows.contracts.table.column("orders_total") == 0).any()
    ends = rows.contracts.table.moment + rows.labels.days_to_end * DAY
    told = (
        left.reindex(shop.customer_ids[rows.contracts.table.customer])
        .to_numpy()
        .astype("datetime64[us]")
        .astype(np.int64)
    )
    known = ~np.isnan(ends)
    assert known.sum() > 20
    np.testing.assert_allclose(ends[known], told[known])
    assert (told[~known] >= CUTOFF)[told[~known] != NEVER].all()


def test_training_asks_who_cancels_beside_the_other_questions(shop: Shop) -> None:
    made = train(shop, SETTINGS, shop.end, dataset="toys")
    assert [one.component for one in made.promotion.decisions] == list(ALL_COMPONENTS)
    assert made.models.cancellations is not None
    assert made.recipes[CANCELLATION].split(" ")[0] in {recipe.name for recipe in cancellation_recipes(0)}
    (answered,) = made.backtest.answers
    told = [one for one in made.records if one.component == CANCELLATION]
    assert {one.model for one in told} == {"cancellation", "life_table", "constant_rate"}
    assert {one.model for one in told if one.is_baseline} == {"life_table", "constant_rate"}
    assert {one.n for one in told if one.metric == "log_loss"} == {len(answered.customers_of(CANCELLATION))}
    (loss,) = (one.value for one in told if (one.model, one.metric) == ("life_table", "log_loss"))
    assert loss == pytest.approx(answered.losses[CANCELLATION]["life_table"].mean())
    assert len(made.predictions[0].cancelled) == len(made.predictions[0].cancel_probability["life_table"])

    older = Incumbent(made.models, made.features, CUTOFF)
    judged = backtest(
        Logs(shop, SETTINGS), [as_time("2025-04-01")], shop.end, SETTINGS, dataset="toys", incumbent=older
    )
    assert CANCELLATION in judged.answers[0].incumbent
    (refit,) = judged.refits({CANCELLATION: "life_table"})
    assert len(refit.champion[0]) == len(refit.newer[0]) == len(refit.customers[0])


@pytest.mark.parametrize("table", ["no column", "no value", "no table"])
def test_a_shop_in_which_nobody_cancelled_is_refused_by_name(table: str, frames: Frames) -> None:
    people = frames["customers"]
    given = {
        "no column": {"customers": people.drop(columns="left_at")},
        "no value": {"customers": people.assign(left_at=pd.Series(pd.NaT, people.index))},
    }.get(table, {})
    others = {name: frame for name, frame in frames.items() if name != "customers"}
    shop = read({**others, **given}, SETTINGS)
    for act in (
        lambda: train(shop, SETTINGS, shop.end, dataset="toys"),
        lambda: require_cancellations(Logs(shop, SETTINGS), shop.end),
    ):
        with pytest.raises(ValueError, match=r"^customers\.left_at: no cancellation is known before 2025-06-30"):
            act()


# The truth


@pytest.fixture(scope="module")
def unhappy() -> SimulatedShop:
    """A shop where badly handled work drives cancelling, so that there is something to learn."""
    parameters = ShopParameters(customers=2_000, contract=True, support_effect=2.0, problem_share=0.3)
    return simulate_shop(parameters, seed=3)


@pytest.mark.slow
def test_ahead_of_the_baselines_where_there_is_something_to_learn(unhappy: SimulatedShop) -> None:
    """Judged at three cutoffs, on who is asked and what came as the simulator knows them, and by its true chances."""
    shop, truth = read(unhappy.tables, SETTINGS), unhappy.truth["churn"]
    logs, customers = Logs(shop, SETTINGS), []
    losses: dict[str, list[np.ndarray]] = {}
    expected: dict[str, list[np.ndarray]] = {}
    for moment in sorted(truth["as_of"].unique())[-4:-1]:
        until = as_time(pd.Timestamp(moment).to_pydatetime())
        context = ShopContext.of(logs, until)
        trial = CancellationTrial.at(logs, until, shop.end, SETTINGS, context)
        rows = cancellation_set(logs, until, SETTINGS, context)
        known = truth[truth["as_of"] == moment].set_index("customer_id")
        ids = shop.customer_ids[trial.customer]
        assert sorted(ids) == sorted(known.index[known["active"]])
        assert (known.loc[ids, "cancelled"].to_numpy() == trial.cancelled).all()
        chance = known.loc[ids, "cancel_probability"].to_numpy()
        answers = {one.name: trial.answers(fit_cancellations(one, rows)) for one in cancellation_recipes(0)}
        customers.append(trial.customer)
        for name, answer in {**answers, "truth": chance}.items():
            losses.setdefault(name, []).append(trial.losses(answer))
            told = np.clip(answer, 1e-6, 1 - 1e-6)
            expected.setdefault(name, []).append(-(chance * np.log(told) + (1 - chance) * np.log1p(-told)))
    for name in ("life_table", "constant_rate"):
        true = paired_interval(customers, expected["cancellation"], expected[name])
        assert true.high < 0, f"by its true chances significantly ahead of {name}: {true}"
        assert paired_interval(customers, losses["cancellation"], losses[name]).low < 0, name
    assert np.mean([row.mean() for row in expected["truth"]]) < np.mean(
        [row.mean() for row in expected["cancellation"]]
    )
