"""One customer explained: the numbers are those of the score and of the tables, and the words say them."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from regulars.features.context import ShopContext
from regulars.features.logs import Logs
from regulars.features.settings import Settings
from regulars.features.shop import Shop, as_time
from regulars.models.fitted import FittedModels
from regulars.serving.bundle import make_bundle
from regulars.serving.explain import _text, explain
from regulars.serving.predictor import Predictor

NOW = as_time("2024-06-01")
ORDERS = [
    ("ann", "2024-01-05", "tea", 10.0),
    ("ann", "2024-02-05", "tea", 10.0),
    ("ann", "2024-05-05", "cup", 30.0),
    ("old", "2020-01-01", "tea", 10.0),
]
WORK = (
    "customer_id occurred_at event ticket_id minutes is_complaint",
    [("ann", "2024-03-01", "opened", "1", None, "true"), ("ann", "2024-03-02", "worked", "1", "10", None)],
)


@pytest.fixture
def shop(make_shop: Callable[..., Shop]) -> Shop:
    products = ("product_id name", [("tea", "Green tea"), ("urn", "Brass urn")])
    people = ("customer_id signed_up_at", [("dan", "2024-05-01")])
    return make_shop(ORDERS, support=WORK, products=products, customers=people)


@pytest.fixture
def predictor(shop: Shop, fake_models: FittedModels) -> Predictor:
    context = ShopContext.of(Logs(shop, Settings()), NOW)
    return Predictor(make_bundle(shop, fake_models, context, Settings(), NOW, version="v1"))


def test_the_numbers_add_up(shop: Shop, predictor: Predictor) -> None:
    values = explain(predictor, shop, "ann", NOW).values
    money = values["money"]
    assert money["profit"] == money["margin"] - money["cost_to_serve"] + money["referred_margin"]
    assert money["profit"] == values["score"]["profit_to_date"] == pytest.approx(50 * 0.4 - 10 * 0.6)
    assert values["history"] == {
        "orders": 3,
        "first_order_at": "2024-01-05",
        "last_order_at": "2024-05-05",
        "usual_gap_days": 60.5,
        "tickets": 1,
        "complaints": 1,
        "contacts": 0,
        "last_contact_at": None,
        "referrals": 0,
    }
    assert values["features"]["orders_total"] == {"value": 3.0, "unit": "orders", "meaning": "Orders so far."}
    assert json.loads(json.dumps(values, allow_nan=False)) == values


def test_the_words_say_the_numbers(shop: Shop, predictor: Predictor) -> None:
    told = explain(predictor, shop, "ann", NOW)
    for part in (
        "Customer ann as known before 2024-06-01 (model v1)",
        "Status: scored. Stage: expanding.",
        f"Chance of no order within 90 days: {told.values['score']['churn_probability']:.0%}",
        "last order 27 days ago",
        "History: 3 orders from 2024-01-05 to 2024-05-05, usually 60 days apart; 1 ticket, 1 complaint",
        "Profit to date: 14.00 GBP = margin 20.00 - cost to serve 6.00 + credited for referrals 0.00",
        "Green tea: 25% (bought 2 times",
        "Likely to buy for the first time:\n  - Brass urn: 50%",
    ):
        assert part in told.text, told.text


def test_a_hair_below_nothing_is_told_as_nothing(shop: Shop, predictor: Predictor) -> None:
    values = explain(predictor, shop, "ann", NOW).values
    values["score"]["expected_margin_low"] = -0.001
    assert "(80 %: 0.00 to " in _text(values, Settings(), {"tea": "Green tea", "urn": "Brass urn"})


def test_a_prospect_is_explained_too(shop: Shop, predictor: Predictor) -> None:
    text = explain(predictor, shop, "dan", NOW).text
    assert "Status: prospect (no order yet). Stage: prospect." in text
    assert "Chance of no first order within 90 days" in text
    assert "The first order is " in text
    assert "known for 31 days" in text
    assert "No order yet; 0 tickets" in text


def test_a_late_answer_has_no_end(shop: Shop, predictor: Predictor) -> None:
    text = explain(predictor, shop, "old", NOW).text
    assert "not expected within two years" in text


def test_a_stranger_is_refused(shop: Shop, predictor: Predictor) -> None:
    with pytest.raises(ValueError, match="'eve' is not known"):
        explain(predictor, shop, "eve", NOW)
