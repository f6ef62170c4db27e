"""Recipes: which there are, how they are told apart, and that none of them sees what comes after the cutoff."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest
from tests.training.shops import (
    Frames,
    frames_of,
    known_before,
    read,
    settings_of,
    shuffled,
    with_newcomers,
    with_nonsense,
)

from regulars.features.logs import Logs
from regulars.features.settings import Settings
from regulars.features.shop import Shop, as_time
from regulars.features.table import feature_table
from regulars.models.curves import OrderCurves
from regulars.training import recipes
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
from regulars.training.snapshots import TrainingSet, customers_at, training_set

CUTOFF = "2025-01-01"
UNTIL = as_time(CUTOFF)
SETTINGS = settings_of()
YEAR = ("margin_365d",)
Answers = dict[str, bytes]


def names(found: list[Recipe]) -> list[str]:
    return [recipe.name for recipe in found]


def test_each_question_has_our_recipe_and_named_baselines() -> None:
    assert names(order_time_recipes(SETTINGS, 0, 1)) == ["order_time", "bgnbd", "recency", "churn_factor", "usual_gap"]
    assert names(value_recipes(SETTINGS, 0, 1, YEAR)) == ["value", "gamma_gamma", "last_year"]
    assert names(value_recipes(SETTINGS, 0, 1, ())) == ["value", "gamma_gamma"]
    assert names(product_recipes(SETTINGS, 0, 1)) == ["next_product", "personal_top", "popular"]
    assert names(cancellation_recipes(0)) == ["cancellation", "life_table", "constant_rate"]
    every = [
        *order_time_recipes(SETTINGS, 0, 1),
        *value_recipes(SETTINGS, 0, 1, YEAR),
        *product_recipes(SETTINGS, 0, 1),
        *cancellation_recipes(0),
    ]
    assert {recipe.name for recipe in every if not recipe.is_baseline} == set(OURS.values())


def test_the_text_tells_one_recipe_from_another() -> None:
    other = Settings.model_validate({"churn": {"horizon_days": 60}})

    def texts(settings: Settings, seed: int, threads: int) -> list[str]:
        found = [
            *value_recipes(settings, seed, threads, YEAR),
            *product_recipes(settings, seed, threads, mine=seed > 0),
        ]
        return [recipe.text for recipe in [*order_time_recipes(settings, seed, threads), *found]]

    once = texts(SETTINGS, 0, 1)
    assert texts(SETTINGS, 0, 2) == once, "threads make no difference"
    assert len(set(once)) == len(once)
    assert [text.split(" ")[0] for text in once[:2]] == ["order_time", "bgnbd"]
    assert "horizon_days': 60" in texts(other, 0, 1)[-1]
    assert texts(SETTINGS, 1, 1)[0] != once[0]


def test_mining_pairs_for_people_is_no_other_recipe() -> None:
    quick, whole = (product_recipes(SETTINGS, 0, 1, mine=mine)[0] for mine in (False, True))

    assert quick.text == whole.text


def test_products_have_a_horizon_of_their_own() -> None:
    other = Settings.model_validate({"next_product": {"horizon_days": 30}})

    assert {recipe.make().horizon_days for recipe in product_recipes(other, 0, 1)} == {30}
    assert value_recipes(other, 0, 1, ())[0].make().horizon_days == 90


@pytest.fixture(scope="module")
def frames() -> Frames:
    return frames_of()


@pytest.fixture(scope="module")
def shop(frames: Frames) -> Shop:
    return read(frames)


@pytest.fixture(scope="module")
def rows(shop: Shop) -> TrainingSet:
    return training_set(Logs(shop, SETTINGS), UNTIL, SETTINGS)


def test_value_is_learnt_from_whole_horizons(rows: TrainingSet) -> None:
    found = value_rows(rows)

    assert found.value.watched.all()
    assert len(found.table) == rows.value.watched.sum() < len(rows.table)
    assert (found.orders.observed_days >= 90).all()


def test_value_rows_are_some_customers_with_all_of_theirs(rows: TrainingSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipes, "VALUE_ROWS_AT_MOST", 300)

    found = value_rows(rows)

    assert 250 < len(found.table) <= 300
    whole = rows.table.customer[rows.value.watched]
    for who in np.unique(found.table.customer):
        assert (found.table.customer == who).sum() == (whole == who).sum()


def curves_for(rows: TrainingSet) -> OrderCurves:
    return fit_order_times(order_time_recipes(SETTINGS, 0, 1)[1], rows).predict_curves(rows.table)


def test_a_baseline_that_the_data_cannot_carry_is_left_out(rows: TrainingSet) -> None:
    table = rows.table
    values = table.values.copy()
    for name in table.names:
        if name.startswith("margin"):
            values[:, table.names.index(name)] = -5.0
    losing = TrainingSet(rows.until, table.__class__(**{**vars(table), "values": values}), rows.orders, rows.value)
    ours, classic, last_year = value_recipes(SETTINGS, 0, 1, YEAR)

    assert fit_value(classic, losing, curves_for(rows)) is None
    assert fit_value(last_year, losing, curves_for(rows)) is not None
    assert fit_value(ours, losing, curves_for(rows)) is not None


def test_our_own_recipe_says_why_it_cannot_be_fitted(rows: TrainingSet) -> None:
    fresh = rows.table.moment > UNTIL - 80 * 86_400_000_000
    kept = TrainingSet(rows.until, rows.table.take(fresh), rows.orders.take(fresh), rows.value.take(fresh))

    with pytest.raises(ValueError, match="watched for a whole horizon of 90 days"):
        fit_value(value_recipes(SETTINGS, 0, 1, YEAR)[0], kept, curves_for(kept))


# Blind to the future


def answers(shop: Shop, threads: int = 1) -> Answers:
    """What every recipe fitted at the cutoff says of everybody there, to the last bit; customers and products by id."""
    logs = Logs(shop, SETTINGS)
    found_rows, asked = training_set(logs, UNTIL, SETTINGS), customers_at(logs, UNTIL)
    table = feature_table(logs, asked, found_rows.table.context)
    ids = shop.customer_ids[asked.key]
    told = {"customers": "\0".join(ids).encode()}
    curves = {}
    for recipe in order_time_recipes(SETTINGS, 0, threads):
        curves[recipe.name] = fit_order_times(recipe, found_rows).predict_curves(table)
        told[recipe.name] = curves[recipe.name].survival.tobytes() + curves[recipe.name].pace.tobytes()
    learnt = value_rows(found_rows)
    learnt_curves = fit_order_times(order_time_recipes(SETTINGS, 0, threads)[0], found_rows).predict_curves(
        learnt.table
    )
    for recipe in value_recipes(SETTINGS, 0, threads, table.names):
        model = fit_value(recipe, learnt, learnt_curves)
        assert model is not None
        value = model.predict(table, curves["order_time"], 90)
        told[recipe.name] = np.concatenate([value.expected, value.low, value.high]).tobytes()
    for recipe in product_recipes(SETTINGS, 0, threads, mine=False):
        lists = fit_products(recipe, shop, UNTIL).recommend(shop, asked.key, UNTIL, 10)
        products = [lists.ids(part.product).astype(str).tolist() for part in (lists.all, lists.new)]
        told[recipe.name] = str(products).encode() + lists.probability.tobytes() + lists.expected_at.tobytes()
    return told


@pytest.fixture(scope="module")
def expected(shop: Shop) -> Answers:
    return answers(shop)


def different(found: Mapping[str, bytes], wanted: Mapping[str, bytes]) -> list[str]:
    assert set(found) == set(wanted)
    return [name for name, answer in wanted.items() if found[name] != answer]


@pytest.mark.parametrize("future", ["gone", "nonsense", "newcomers"])
def test_no_recipe_sees_what_comes_after_the_cutoff(future: str, frames: Frames, shop: Shop, expected: Answers) -> None:
    if future == "newcomers":
        other = read(with_newcomers(frames, pd.Timestamp(CUTOFF)))
        assert other.customer_ids[0] != shop.customer_ids[0], "every code has moved"
        assert other.product_ids[0] != shop.product_ids[0]
    else:
        other = known_before(shop, UNTIL) if future == "gone" else with_nonsense(shop, UNTIL)

    assert different(answers(other), expected) == []


def test_every_recipe_sees_what_came_before_the_cutoff(shop: Shop, expected: Answers) -> None:
    a_month_less = known_before(shop, UNTIL - 30 * 86_400_000_000)

    kept = [name for name in different(answers(a_month_less), expected) if name != "customers"]

    assert kept == [name for name in expected if name != "customers"]


def test_row_order_and_threads_make_no_difference(shop: Shop, expected: Answers) -> None:
    assert different(answers(shuffled(shop), threads=2), expected) == []
