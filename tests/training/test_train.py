"""Training as a whole: the winners, fitted on everything known, and whether they take the champion's place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.training.shops import Frames, frames_of, known_before, read, settings_of, shuffled, with_nonsense

from regulars.features.asof import AsOf, Moments
from regulars.features.logs import Logs
from regulars.features.settings import Settings
from regulars.features.shop import DAY, Shop, as_time, days
from regulars.features.table import FeatureTable, feature_table
from regulars.models.curves import OrderCurves
from regulars.models.hazard_rows import EDGES
from regulars.models.order_time import OrderTimeModel
from regulars.models.value_baselines import BaselineValue
from regulars.training.cutoff import Incumbent
from regulars.training.records import COMPONENTS
from regulars.training.snapshots import customers_at
from regulars.training.train import Training, train

SETTINGS, ONE_CUTOFF = settings_of(), settings_of(cutoffs=1)


@pytest.fixture(scope="module")
def frames() -> Frames:
    return frames_of()


@pytest.fixture(scope="module")
def shop(frames: Frames) -> Shop:
    return read(frames)


@pytest.fixture(scope="module")
def said() -> list[str]:
    """What `trained` told while it was made."""
    return []


@pytest.fixture(scope="module")
def trained(shop: Shop, said: list[str]) -> Training:
    return train(shop, SETTINGS, shop.end, dataset="toys", progress=said.append)


def answers(made: Training, shop: Shop) -> dict[str, bytes]:
    """What the winners say of everybody, to the last bit."""
    logs = Logs(shop, SETTINGS)
    asked = customers_at(logs, made.until)
    table = feature_table(logs, asked, made.context)
    curves = made.models.order_times.predict_curves(table)
    value = made.models.value.predict(table, curves, 90)
    lists = made.models.products.recommend(shop, asked.key, made.until)
    return {
        "order times": curves.survival.tobytes() + curves.pace.tobytes(),
        "value": value.expected.tobytes() + value.low.tobytes() + value.high.tobytes(),
        "products": lists.all.product.tobytes() + lists.probability.tobytes(),
    }


def test_every_question_has_a_winner_fitted_until_the_end(trained: Training, shop: Shop) -> None:
    winners = {decision.component: decision.winner for decision in trained.promotion.decisions}

    assert list(winners) == list(COMPONENTS)
    assert trained.until == shop.end == trained.context.as_of
    assert {name: text.split(" ")[0] for name, text in trained.recipes.items()} == {
        name: winner for name, winner in winners.items() if name != "dates"
    }
    assert trained.rows > 1_000
    assert trained.records == trained.backtest.records
    assert len(trained.predictions) == 2
    assert answers(trained, shop)


def test_the_first_model_is_promoted(trained: Training) -> None:
    assert trained.promotion.promote
    assert "first model" in trained.promotion.why


def test_the_features_are_the_tables_columns(trained: Training, shop: Shop) -> None:
    logs = Logs(shop, SETTINGS)
    table = feature_table(logs, customers_at(logs, trained.until), trained.context)

    assert trained.features == table.names


def test_progress_is_told(trained: Training, said: list[str]) -> None:
    assert len(trained.predictions) == 2
    assert said[0] == "backtest: 2 cutoffs"
    assert "backtest at 2025-01-01: 122 customers" in said[1:5]
    assert "backtest at 2025-01-01: next products" in said[1:5]
    assert said[5:] == ["fitting the winners on everything"]


def test_the_shop_stays_as_it_is(trained: Training, shop: Shop, frames: Frames) -> None:
    before = read(frames)

    assert trained.until == shop.end
    for name in ("orders", "support", "customers", "products", "contacts", "advocacy"):
        for column, values in vars(getattr(before, name)).items():
            np.testing.assert_array_equal(getattr(getattr(shop, name), column), values, err_msg=f"{name}.{column}")


def test_importance_is_told_where_trees_won(trained: Training) -> None:
    told = trained.importance
    if trained.recipes["order_times"].startswith("order_time "):
        assert sum(told.values()) == pytest.approx(1)
    else:
        assert told == {}


@pytest.mark.parametrize("future", ["nonsense", pytest.param("gone", marks=pytest.mark.slow)])
def test_what_comes_after_until_changes_nothing_at_all(future: str, shop: Shop) -> None:
    until = as_time("2025-04-01")
    expected = train(shop, ONE_CUTOFF, until, dataset="toys")

    other = known_before(shop, until) if future == "gone" else with_nonsense(shop, until)
    made = train(other, ONE_CUTOFF, until, dataset="toys")

    assert [repr(one) for one in made.records] == [repr(one) for one in expected.records]
    assert made.promotion == expected.promotion
    assert made.recipes == expected.recipes
    assert answers(made, other) == answers(expected, shop)


@pytest.mark.slow
def test_row_order_and_threads_make_no_difference(trained: Training, shop: Shop) -> None:
    other = shuffled(shop)

    made = train(other, settings_of(threads=1), shop.end, dataset="toys")

    assert [repr(one) for one in made.records] == [repr(one) for one in trained.records]
    assert answers(made, other) == answers(trained, shop)


# The champion


FEBRUARY = as_time("2025-02-15")


@pytest.fixture(scope="module")
def older(shop: Shop) -> Training:
    return train(shop, ONE_CUTOFF, FEBRUARY, dataset="toys")


def test_the_same_recipes_are_promoted_on_newer_data(trained: Training, older: Training, shop: Shop) -> None:
    incumbent = Incumbent(older.models, older.features, older.until)

    made = train(shop, SETTINGS, shop.end, dataset="toys", incumbent=incumbent, champion=trained.recipes)

    assert made.promotion.promote
    assert "still wins every question" in made.promotion.why
    assert [bool(answered.incumbent) for answered in made.backtest.answers] == [False, True]


class Seer:
    """A champion that knows what came: nobody fitted on the past can be as good."""

    def __init__(self, shop: Shop) -> None:
        self.logs = Logs(shop, SETTINGS)

    def predict_curves(self, table: FeatureTable) -> OrderCurves:
        asked = Moments(table.customer, table.moment)
        later = Moments(table.customer, table.moment + 90 * DAY)
        came = AsOf(self.logs.orders, later).count() > AsOf(self.logs.orders, asked).count()
        left = np.where(came, 0.02, 0.98)
        return OrderCurves(EDGES, left[:, None] ** (EDGES / 90), np.full(len(table), 0.01))


@pytest.fixture(scope="module")
def seeing(older: Training, shop: Shop) -> Incumbent:
    seer: Any = Seer(shop)
    return Incumbent(replace(older.models, order_times=seer), older.features, FEBRUARY)


def test_a_newer_fit_that_is_significantly_worse_is_not_promoted(seeing: Incumbent, shop: Shop) -> None:
    winning = train(shop, ONE_CUTOFF, shop.end, dataset="toys").recipes
    champion = {"order_times": winning["order_times"]}

    made = train(shop, ONE_CUTOFF, shop.end, dataset="toys", incumbent=seeing, champion=champion)

    assert not made.promotion.promote
    begins = "Not promoted. Churn and order times: fitted on newer data, the same recipe is worse than the champion"
    assert made.promotion.why.startswith(begins)


@pytest.mark.slow
def test_a_champion_whose_recipe_has_lost_has_no_say(seeing: Incumbent, shop: Shop) -> None:
    champion = {"order_times": "recency {}"}

    made = train(shop, ONE_CUTOFF, shop.end, dataset="toys", incumbent=seeing, champion=champion)

    assert made.promotion.promote
    assert "in place of recency" in made.promotion.why


@pytest.mark.slow
def test_a_champion_made_by_a_recipe_that_is_gone_is_replaced(shop: Shop) -> None:
    made = train(shop, ONE_CUTOFF, shop.end, dataset="toys", champion={"order_times": "horoscope {}"})

    assert made.promotion.promote


# Shops of other kinds


def bgnbd_orders(customers: int, seed: int) -> Frames:
    """Orders of a shop that is exactly what BG/NBD and Gamma-Gamma suppose, without products."""
    rng = np.random.default_rng(seed)
    rate, leaves = rng.gamma(1.2, 1 / 40, customers), rng.beta(1.0, 4.0, customers)
    mean = 4 * 30 / rng.gamma(5, 1, customers)
    lines = []
    for who in range(customers):
        day = rng.uniform(0, 400)
        while day < 540:
            lines.append((f"c{who:04}", f"{who}-{day:.4f}", day, round(rng.gamma(4, mean[who] / 4), 2) + 0.01))
            if rng.random() < leaves[who]:
                break
            day += rng.exponential(1 / rate[who])
    frame = pd.DataFrame(lines, columns=["customer_id", "order_id", "ordered_at", "amount"])
    frame["ordered_at"] = (pd.Timestamp("2023-01-01") + pd.to_timedelta(frame["ordered_at"], "D")).dt.floor("s")
    return {"orders": frame}


def test_a_baseline_wins_where_nothing_beats_it_and_says_so() -> None:
    shop = read(bgnbd_orders(300, seed=3))

    made = train(shop, SETTINGS, shop.end, dataset="toys")

    reasons = {decision.component: decision.reason for decision in made.promotion.decisions}
    assert "the baseline bgnbd is used, because nothing beats it" in reasons["order_times"]
    assert "the baseline gamma_gamma is used, because nothing beats it" in reasons["value"]
    assert not isinstance(made.models.order_times, OrderTimeModel)
    assert isinstance(made.models.value, BaselineValue)
    assert made.importance == {}


def test_a_shop_without_products_gets_the_other_answers() -> None:
    shop = read(bgnbd_orders(80, seed=2))

    made = train(shop, ONE_CUTOFF, shop.end, dataset="toys")

    assert {one.component for one in made.records} == {"order_times", "dates", "value"}
    assert [decision.component for decision in made.promotion.decisions] == ["order_times", "dates", "value"]
    lists = made.models.products.recommend(shop, np.arange(5, dtype=np.int32), shop.end)
    assert (lists.all.product == -1).all()


def test_a_shop_of_sixty_customers() -> None:
    shop = read(frames_of(customers=60, history_days=400))

    made = train(shop, ONE_CUTOFF, shop.end, dataset="toys")

    assert made.promotion.promote
    assert all(
        np.isfinite(np.frombuffer(answer)).all() for name, answer in answers(made, shop).items() if name != "products"
    )


def test_a_history_shorter_than_two_horizons_is_judged_by_shorter_windows() -> None:
    shop = read(bgnbd_orders(80, seed=2))
    year = Settings.model_validate({"churn": {"horizon_days": 365}, "train": {"cutoffs": 1}})
    before = shop.first + days(160)
    told: list[str] = []

    made = train(shop, year, before, dataset="toys", progress=told.append)

    assert made.horizon_days == 30
    assert told[0] == "the history does not hold two windows of 365 days; models are learnt and judged on windows of 30"
    logs = Logs(shop, year)
    table = feature_table(logs, customers_at(logs, before), made.context)
    curves = made.models.order_times.predict_curves(table)
    expected = made.models.value.predict(table, curves, 365).expected
    # A year holds more of everything than a month.
    assert (curves.churn(365) <= curves.churn(30)).all()
    assert (expected >= made.models.value.predict(table, curves, 30).expected).all()
    assert np.isfinite(expected).all()


def test_a_shop_that_loses_money_on_everything(frames: Frames) -> None:
    losing = {**frames, "orders": frames["orders"].assign(unit_cost=frames["orders"]["unit_price"].abs() * 3 + 1)}
    shop = read(losing)

    made = train(shop, ONE_CUTOFF, shop.end, dataset="toys")

    assert not any(one.model == "gamma_gamma" for one in made.records)
    assert np.isfinite(np.frombuffer(answers(made, shop)["value"])).all()
