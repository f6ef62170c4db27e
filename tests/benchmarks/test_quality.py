"""The bench of quality: nothing that is chosen or fitted reads the reported window, ours is what `train` fits, and
differences are told the right way round."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.training.shops import frames_of, known_before, read, settings_of, with_nonsense

from regulars.features.logs import Logs
from regulars.features.shop import Shop, as_time
from regulars.training.train import train

CUTOFF = "2025-01-01"
MOMENT = as_time(CUTOFF)
SETTINGS = settings_of()


@pytest.fixture(scope="module")
def shop() -> Shop:
    return read(frames_of(customers=120))


def answered(bench: Callable[[str], Any], shop: Shop) -> tuple[dict[str, str], dict[str, tuple[pd.DataFrame, Any]]]:
    """Which recipes are chosen at the cutoff, and what every recipe says there."""
    ours, scene = bench("quality_ours"), bench("quality_data").Scene(Logs(shop, SETTINGS), MOMENT, SETTINGS)
    return ours.chosen(scene.logs, MOMENT, SETTINGS), ours.frames(scene, ours.answers(scene))


@pytest.fixture(scope="module")
def found(bench: Callable[[str], Any], shop: Shop) -> tuple[dict[str, str], dict[str, tuple[pd.DataFrame, Any]]]:
    return answered(bench, shop)


@pytest.mark.parametrize("future", ["nonsense", pytest.param("gone", marks=pytest.mark.slow)])
def test_nothing_that_is_chosen_or_fitted_reads_the_reported_window(
    bench: Callable[[str], Any],
    shop: Shop,
    found: tuple[dict[str, str], dict[str, tuple[pd.DataFrame, Any]]],
    future: str,
) -> None:
    other = with_nonsense(shop, MOMENT) if future == "nonsense" else known_before(shop, MOMENT)
    data = bench("quality_data")
    end = MOMENT + 90 * 86_400_000_000
    assert shop.end >= end, "the window that is reported has to be in the data, or nothing is proved"
    orders = [data.Outcomes(Logs(one, SETTINGS), end) for one in (shop, other)]
    asked = data.customers_at(Logs(shop, SETTINGS), MOMENT)
    came, changed = (outcomes.orders(asked, 90) for outcomes in orders)
    assert not np.array_equal(came, changed), "what comes after the cutoff is not the same"

    chosen, said = answered(bench, other)

    assert chosen == found[0]
    assert said.keys() == found[1].keys()
    for name, (frame, curve) in said.items():
        pd.testing.assert_frame_equal(frame, found[1][name][0], check_exact=True)
        np.testing.assert_array_equal(curve, found[1][name][1])


def test_peers_are_told_nothing_of_the_reported_window(
    bench: Callable[[str], Any], shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bench("quality_data")
    told = []
    for name, one in (("as it was", shop), ("nonsense", with_nonsense(shop, MOMENT))):
        monkeypatch.setattr(data, "BUILD", tmp_path / name)
        question = data.Question("simulated", 90, CUTOFF)
        data.write_inputs(question, data.Scene(Logs(one, SETTINGS), MOMENT, SETTINGS))
        told.append({path.name: path for path in question.inputs.iterdir()})

    assert told[0].keys() == told[1].keys() == {"orders.parquet", "asked.parquet", "learn.parquet", "question.json"}
    assert told[0]["question.json"].read_text() == told[1]["question.json"].read_text()
    for name in ("orders", "asked", "learn"):
        first, second = (pd.read_parquet(paths[f"{name}.parquet"]) for paths in told)
        pd.testing.assert_frame_equal(first, second, check_exact=True)
    assert pd.read_parquet(told[0]["orders.parquet"])["ordered_at"].max() < pd.Timestamp(CUTOFF)


@pytest.mark.slow
def test_ours_is_what_train_fits(
    bench: Callable[[str], Any], shop: Shop, found: tuple[dict[str, str], dict[str, tuple[pd.DataFrame, Any]]]
) -> None:
    training = train(shop, SETTINGS, MOMENT, dataset="toys")
    scene = bench("quality_data").Scene(Logs(shop, SETTINGS), MOMENT, SETTINGS)
    winners = {one.component: one.winner for one in training.promotion.decisions}
    chosen, said = found

    assert chosen == {component: winners[component] for component in ("order_times", "value")}
    curves = training.models.order_times.predict_curves(scene.table)
    worth = training.models.value.predict(scene.table, curves, 90)
    if chosen["order_times"] != "order_time":
        ours = bench("quality_ours")
        said = ours.frames(scene, ours.answers(scene, by=chosen["order_times"]))
    frame, value = said[chosen["order_times"]][0], said[chosen["value"]][0]
    np.testing.assert_array_equal(frame["churn"], curves.churn(90))
    np.testing.assert_array_equal(value["margin"], worth.expected)
    np.testing.assert_array_equal(value["margin_low"], worth.low)


def test_a_difference_is_ours_less_theirs_and_behind_means_worse(bench: Callable[[str], Any]) -> None:
    judge = bench("quality_judge")

    def gap(metric: str, low: float, high: float) -> bool:
        return bool(judge.behind({"metric": metric, "gap_low": low, "gap_high": high}))

    assert gap("auc", -0.02, -0.01)
    assert not gap("auc", -0.02, 0.01)
    assert not gap("auc", 0.01, 0.02)
    assert gap("log_loss", 0.01, 0.02)
    assert not gap("log_loss", -0.02, -0.01)
    assert gap("margin_rank_correlation", -0.2, -0.1)
    assert gap("orders_mae", 0.1, 0.2)
    assert not judge.behind({"metric": "auc"})


def test_metrics_of_a_small_table_are_those_seen_by_eye(bench: Callable[[str], Any]) -> None:
    judge, data = bench("quality_judge"), bench("quality_data")
    customers = [f"c{i}" for i in range(4)]
    truth = pd.DataFrame(
        {
            "customer_id": customers,
            "orders": [0, 2, 0, 1],
            "days_to_next": [np.nan, 10.0, np.nan, 40.0],
            "margin": [0.0, 30.0, 0.0, 10.0],
        }
    )
    right = pd.DataFrame(
        {"customer_id": customers, "churn": [0.9, 0.1, 0.8, 0.2], "orders": [0, 1, 0, 0.5], "margin": [1.0, 20, 0, 5]}
    )
    wrong = right.assign(churn=[0.1, 0.9, 0.2, 0.8])
    told = {"ours": judge.Told(right, None), "wrong": judge.Told(wrong, None)}

    records = judge._judge(data.Question("toys", 90, CUTOFF), told, truth)

    value = {(one["model"], one["metric"]): one for one in records}
    assert value["ours", "auc"]["value"] == 1
    assert value["wrong", "auc"]["value"] == 0
    assert value["wrong", "auc"]["gap"] == 1
    assert value["ours", "total_orders_ratio"]["value"] == 0.5
    assert value["ours", "orders_mae"]["value"] == 0.375
    assert value["ours", "margin_mae"]["value"] == 4
    assert value["what came", "mean_churn"]["value"] == 0.5
    assert value["ours", "log_loss"]["value"] == pytest.approx(-np.log(0.9 * 0.9 * 0.8 * 0.8) / 4)


def test_the_median_in_the_window_halves_the_chance_of_an_order_in_it(bench: Callable[[str], Any]) -> None:
    survival = np.array([[1.0, 0.8, 0.6, 0.4], [1.0, 0.5, 0.5, 0.5], [1.0, 1.0, 1.0, 0.9]])

    days = bench("quality_judge").median_in_window(survival, np.array([0.0, 30, 60, 90]))

    np.testing.assert_allclose(days, [45, 15, 75])


def test_a_key_changes_with_code_and_not_with_its_layout(bench: Callable[[str], Any], tmp_path: Path) -> None:
    digest = bench("quality_data").digest
    file = tmp_path / "code.py"

    def key(text: str) -> str:
        file.write_text(text)
        return str(digest(tmp_path))

    assert key("a = f(1,2)") == key("a = f(\n    1, 2\n)  # three")
    assert key("a = f(1, 2)") != key("a = f(1, 3)")
