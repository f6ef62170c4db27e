"""Where customers hold contracts: who gets which status, churn, reasons and plays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from regulars.features.context import ShopContext
from regulars.features.logs import Logs
from regulars.features.settings import Settings
from regulars.features.shop import Shop, as_time
from regulars.models.cancellation_baselines import TenureCancellations
from regulars.models.fitted import FittedModels
from regulars.models.life_table import AGES, LifeTable
from regulars.serving.bundle import load_bundle, make_bundle, save_bundle
from regulars.serving.columns import NUMBERS
from regulars.serving.explain import explain
from regulars.serving.outreach import OutreachList, make_list
from regulars.serving.plays import CONTRACT_PLAYS, PLAYS, plays_for
from regulars.serving.predictor import NotGivenWarning, Predictor
from regulars.serving.report import ReportInputs, build_report
from regulars.serving.scoring import score
from regulars.serving.sealed import BundleError

MakeShop = Callable[..., Shop]
NOW = as_time("2024-06-01")
CONTRACT = Settings.model_validate({"churn": {"by": "contract"}})
SIGNED = "2024-01-01"
PEOPLE = (
    "customer_id valid_from signed_up_at contact_allowed left_at",
    [
        ("back", SIGNED, SIGNED, "true", None),
        ("back", "2024-03-01", SIGNED, "false", "2024-03-01"),
        ("back", "2024-04-15", SIGNED, "true", None),
        ("left", None, SIGNED, "true", "2024-05-01"),
        ("never ordered", None, "2024-02-01", "true", None),
        ("new", None, "2024-05-29", "true", None),
        ("no mail", None, SIGNED, "false", None),
        ("notice", SIGNED, SIGNED, "true", None),
        ("notice", "2024-05-20", SIGNED, "true", "2024-07-15"),
        ("notice, far", SIGNED, SIGNED, "true", None),
        ("notice, far", "2024-05-20", SIGNED, "true", "2024-12-01"),
        ("regular", None, SIGNED, "true", None),
        ("silent", None, "2022-01-01", "true", None),
    ],
)
ORDERS = [
    ("back", "2024-01-05", "tea", 10.0),
    ("left", "2024-01-05", "tea", 10.0),
    ("no sign-up", "2024-03-05", "tea", 10.0),
    ("notice", "2024-01-05", "tea", 10.0),
    ("notice, far", "2024-01-05", "tea", 10.0),
    ("regular", "2024-01-05", "tea", 10.0),
    ("regular", "2024-05-05", "cup", 30.0),
    ("silent", "2022-01-10", "tea", 10.0),
]
WORK = ("customer_id occurred_at event", [("asked only", "2024-05-03", "opened")])
RATE = 0.001
CANCELS = 1 - np.exp(-90 * RATE)
EXPECTED = {
    "asked only": ("prospect", None),
    "back": ("scored", CANCELS),
    "left": ("suppressed", 1.0),
    "never ordered": ("scored", CANCELS),
    "new": ("too_new", CANCELS),
    "no mail": ("suppressed", CANCELS),
    "no sign-up": ("scored", CANCELS),
    "notice": ("scored", 1.0),
    "notice, far": ("scored", 0.0),
    "regular": ("scored", CANCELS),
    "silent": ("scored", CANCELS),
}


@pytest.fixture
def shop(make_shop: MakeShop) -> Shop:
    return make_shop(ORDERS, customers=PEOPLE, support=WORK)


@pytest.fixture
def models(fake_models: FittedModels) -> FittedModels:
    plain = TenureCancellations()
    plain.life_table_ = LifeTable(RATE, np.full(len(AGES), RATE), 5)
    return replace(fake_models, cancellations=plain)


def scored(shop: Shop, models: FittedModels, settings: Settings = CONTRACT, **options: Any) -> pd.DataFrame:
    context = ShopContext.of(Logs(shop, settings), NOW)
    return score(shop, models, context, settings, NOW, "v1", **options)


def test_everybody_has_a_row_with_the_status_and_churn_of_their_contract(shop: Shop, models: FittedModels) -> None:
    found = scored(shop, models).set_index("customer_id")
    assert found["status"].to_dict() == {name: status for name, (status, _) in EXPECTED.items()}
    for name, (_, churn) in EXPECTED.items():
        if churn is not None:
            assert found.loc[name, "churn_probability"] == pytest.approx(churn), name
    assert np.isfinite(found[list(NUMBERS)].to_numpy()).all()
    assert found.loc["left", "stage"] == "gone"
    assert found.loc["regular", "stage"] == "exploring"


def test_orders_and_money_are_what_they_are_in_other_shops(shop: Shop, models: FittedModels) -> None:
    by_contract, by_orders = scored(shop, models), scored(shop, models, Settings())
    for name in ("expected_orders", "next_order_at", "expected_margin", "profit_to_date"):
        pd.testing.assert_series_equal(by_contract[name], by_orders[name])
    prospect = (by_contract["status"] == "prospect").to_numpy()
    assert (by_contract["churn_probability"] == by_orders["churn_probability"])[prospect].all()
    assert (by_contract["churn_probability"] != by_orders["churn_probability"])[~prospect].all()


def test_reasons_speak_of_the_contract(shop: Shop, models: FittedModels) -> None:
    told = scored(shop, models).set_index("customer_id")["reasons"]
    assert told["left"] == ["cancelled: left on 2024-05-01"]
    assert told["notice"] == ["gave notice: the contract ends on 2024-07-15"]
    assert told["never ordered"][:2] == ["under contract for 4 months", "no order yet"]
    assert told["new"][0] == "under contract for 3 days"
    assert told["silent"][0] == "under contract for 2.4 years"
    assert told["asked only"][0] == "has not ordered yet"


def test_a_row_is_the_same_alone_in_a_batch_and_in_chunks(shop: Shop, models: FittedModels) -> None:
    context = replace(ShopContext.of(Logs(shop, CONTRACT), NOW), churn_quantiles=np.linspace(0, 1, 101))
    whole = score(shop, models, context, CONTRACT, NOW, "v1")
    for chunk in (1, 3):
        pd.testing.assert_frame_equal(score(shop, models, context, CONTRACT, NOW, "v1", chunk=chunk), whole)
    for name in EXPECTED:
        alone = score(shop, models, context, CONTRACT, NOW, "v1", only=[name])
        pd.testing.assert_frame_equal(alone, whole[whole["customer_id"] == name].reset_index(drop=True))


def test_without_a_model_of_cancelling_it_says_so(shop: Shop, fake_models: FittedModels) -> None:
    with pytest.raises(ValueError, match="no model of cancelling"):
        scored(shop, fake_models)


# Lists


def listed(shop: Shop, scores: pd.DataFrame, settings: Settings = CONTRACT) -> OutreachList:
    return make_list(scores, shop, NOW, settings, budget=None, seed=7, model_version="v1")


def test_a_contract_at_risk_is_kept_and_weighed_by_what_it_brings(make_shop: MakeShop, make_scores: Any) -> None:
    orders = [(name, "2024-03-01", "p", 10.0) for name in "abc"]
    settings = CONTRACT.model_copy(
        update={"outreach": CONTRACT.outreach.model_copy(update={"offer": 1.0, "hold_out_share": 0.0})}
    )
    scores = make_scores(
        "abc",
        churn_probability=[0.2, 0.2, 1.0],
        churn_percentile=[90.0, 70.0, 99.0],
        expected_orders=[2.0, 2.0, 2.0],
        expected_margin=80.0,
    )
    rows = listed(make_shop(orders), scores, settings).rows.set_index("customer_id")
    assert rows["play"].to_dict() == {"a": "retain"}, "b is not at risk, and c is lost already"
    after = 1 / (1 + 0.25 * np.exp(-0.25))
    assert rows.loc["a", "uplift"] == pytest.approx(after - 0.8, abs=1e-6)
    # V = 80 / 0.8 = 100 in the horizon if the contract is kept: p1 (V - offer) - cost - p0 V
    assert rows.loc["a", "expected_profit"] == pytest.approx(after * 99 - 0.5 - 80, abs=1e-4)
    assert rows.loc["a", "reason"] == (
        "The chance that they cancel in the next 90 days is 20%, higher than that of 90 % of the customers; a contract "
        "that is kept brings about 100.00 GBP in that time."
    )


def test_other_plays_are_weighed_by_the_chance_of_an_order(make_shop: MakeShop, make_scores: Any) -> None:
    shop = make_shop([("a", "2024-05-28", "p", 10.0)])
    scores = make_scores("a", churn_percentile=50.0, churn_probability=0.01, expected_orders=0.5, expected_margin=50.0)
    settings = CONTRACT.model_copy(update={"outreach": CONTRACT.outreach.model_copy(update={"hold_out_share": 0.0})})
    row = listed(shop, scores, settings).rows.iloc[0]
    before = 1 - np.exp(-0.5)
    after = 1 / (1 + (1 - before) / before * np.exp(-0.1))
    assert row["play"] == "thank_you"
    assert row["uplift"] == pytest.approx(after - before, abs=1e-6)
    assert row["expected_profit"] == pytest.approx((after - before) * 50 / before - 0.5, abs=1e-4)


def test_scores_of_contracts_need_their_columns(make_shop: MakeShop, make_scores: Any) -> None:
    with pytest.raises(ValueError, match=r"columns \['expected_orders', 'churn_percentile'\] are missing"):
        listed(make_shop([("a", "2024-05-28", "p", 10.0)]), make_scores("a"))


def test_nobody_is_won_back_from_silence() -> None:
    assert plays_for(Settings()) is PLAYS
    assert plays_for(CONTRACT) is CONTRACT_PLAYS
    assert {play.name for play in PLAYS} - {play.name for play in CONTRACT_PLAYS} == {"win_back"}
    assert [play.name for play in CONTRACT_PLAYS if play.keeps] == ["retain"]


# Bundle, explanation, report


@pytest.fixture
def saved(shop: Shop, models: FittedModels, tmp_path: Path) -> Path:
    context = ShopContext.of(Logs(shop, CONTRACT), NOW)
    save_bundle(tmp_path / "bundle", make_bundle(shop, models, context, CONTRACT, NOW))
    return tmp_path / "bundle"


def test_a_bundle_carries_the_model_of_cancelling(saved: Path, shop: Shop, models: FittedModels) -> None:
    bundle = load_bundle(saved)
    assert bundle.kinds["cancellations"] == "TenureCancellations"
    assert bundle.settings.churn.by == "contract"
    again = Predictor(bundle).score(shop, NOW)
    first = scored(shop, models)
    pd.testing.assert_series_equal(again["churn_probability"], first["churn_probability"])
    assert again["reasons"].tolist() == first["reasons"].tolist()


def test_a_bundle_by_contract_without_that_model_is_refused(shop: Shop, models: FittedModels, tmp_path: Path) -> None:
    context = ShopContext.of(Logs(shop, CONTRACT), NOW)
    made = make_bundle(shop, models, context, CONTRACT, NOW)
    save_bundle(
        tmp_path / "bad",
        replace(
            made,
            models=replace(models, cancellations=None),
            kinds={name: kind for name, kind in made.kinds.items() if name != "cancellations"},
        ),
    )
    with pytest.raises(BundleError, match="has no model of cancelling"):
        load_bundle(tmp_path / "bad")


def test_a_predictor_warns_where_nobody_can_have_left(saved: Path) -> None:
    orders = pd.DataFrame(
        {"customer_id": ["a"], "order_id": ["1"], "ordered_at": ["2024-05-01"], "amount": [10.0], "product_id": ["tea"]}
    )
    with pytest.warns(NotGivenWarning, match=r"customers\.left_at"):
        found = Predictor.load(saved).predict(orders, as_of="2024-06-01")
    assert found["churn_probability"][0] == pytest.approx(CANCELS)


def test_an_explanation_says_cancel(saved: Path, shop: Shop) -> None:
    predictor = Predictor.load(saved)
    assert "Chance that they cancel within 90 days: 9%" in explain(predictor, shop, "regular", NOW).text
    assert "Chance of no first order within 90 days" in explain(predictor, shop, "asked only", NOW).text


def test_the_report_says_cancel(shop: Shop, models: FittedModels) -> None:
    scores = scored(shop, models)
    plain = ReportInputs("Toys", "GBP", "2024-06-01", 90, scores, "v1", 7)
    by_contract, by_orders = build_report(replace(plain, by_contract=True)), build_report(plain)
    leaving = scores.loc[scores["status"] == "scored", "churn_probability"].sum()
    assert f"{leaving:.0f} of 7 contracts are expected to be cancelled" in by_contract
    assert "Leaving means: cancelling the contract within 90 days" in by_contract
    assert "customers with a contract" in by_contract
    assert "no order within" not in by_contract
    assert "Leaving means: no order within 90 days" in by_orders
