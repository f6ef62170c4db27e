"""Scores: who gets a row, which status, and the promise that a row is the same alone, in a batch and in chunks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from regulars.features.context import ShopContext
from regulars.features.logs import Logs
from regulars.features.settings import Settings
from regulars.features.shop import Shop, as_time
from regulars.models.fitted import FittedModels, ValuePrediction
from regulars.models.recommendations import Recommendations
from regulars.serving.columns import COLUMNS, NUMBERS
from regulars.serving.known import NOT_YET, known_since
from regulars.serving.prospects import ProspectRates, prospect_rates
from regulars.serving.scoring import churn_quantiles, percentile, score

MakeShop = Callable[..., Shop]
NOW = as_time("2024-06-01")
ORDERS = [
    ("often", "2024-01-05", "tea", 10.0),
    ("often", "2024-02-05", "tea", 10.0),
    ("often", "2024-03-05", "cup", 30.0),
    ("often", "2024-05-25", "tea", 10.0),
    ("lapsed", "2022-01-10", "tea", 10.0),
    ("new", "2024-05-28", "cup", 30.0),
    ("quiet", "2024-03-01", "tea", 10.0),
    ("no mail", "2024-04-01", "tea", 10.0),
    ("gone away", "2024-04-01", "tea", 10.0),
    ("tomorrow", "2024-06-01", "tea", 10.0),
]
PEOPLE = (
    "customer_id signed_up_at contact_allowed left_at",
    [
        ("undated", None, "true", None),
        ("signed up", "2024-05-01", "true", None),
        ("signs up later", "2024-06-01", "true", None),
        ("no mail", None, "false", None),
        ("gone away", None, "true", "2024-05-01"),
        ("tomorrow", None, "true", None),  # the first event is at the moment: not there yet
    ],
)
WORK = (
    "customer_id occurred_at event ticket_id minutes",
    [
        ("often", "2024-05-01", "opened", "1", None),
        ("often", "2024-05-02", "worked", "1", "50"),
        ("asked only", "2024-05-03", "opened", "2", None),
    ],
)
STATUS = {
    "asked only": "prospect",
    "gone away": "suppressed",
    "lapsed": "lapsed",
    "new": "too_new",
    "no mail": "suppressed",
    "often": "scored",
    "quiet": "scored",
    "signed up": "prospect",
    "undated": "prospect",
}


@pytest.fixture
def shop(make_shop: MakeShop) -> Shop:
    return make_shop(ORDERS, customers=PEOPLE, support=WORK)


def scored(shop: Shop, models: FittedModels, as_of: int = NOW, **options: Any) -> pd.DataFrame:
    settings = options.pop("settings", Settings())
    context = options.pop("context", None) or ShopContext.of(Logs(shop, settings), as_of)
    return score(shop, models, context, settings, as_of, "v1", **options)


def test_every_known_customer_has_a_row_and_nobody_else(shop: Shop, fake_models: FittedModels) -> None:
    scores = scored(shop, fake_models)
    assert tuple(scores.columns) == COLUMNS
    assert dict(zip(scores["customer_id"], scores["status"], strict=True)) == STATUS
    assert list(scores["customer_id"]) == sorted(STATUS)
    assert scores["model_version"].unique() == ["v1"]
    assert scores["as_of"].unique() == [pd.Timestamp("2024-06-01")]
    assert scores[["next_order_at", "as_of"]].dtypes.unique() == [np.dtype("datetime64[us]")]


def test_every_status_has_numbers_in_every_column(shop: Shop, fake_models: FittedModels) -> None:
    scores = scored(shop, fake_models)
    assert np.isfinite(scores[list(NUMBERS)].to_numpy()).all()
    assert scores["reasons"].map(len).tolist() == [3] * len(scores)
    assert scores["next_products"].map(len).tolist() == [3] * len(scores)


def test_what_a_row_says(shop: Shop, fake_models: FittedModels) -> None:
    row = scored(shop, fake_models).set_index("customer_id").loc["quiet"]
    rate = 1 / (92 / 30) / 30  # one order in 92 days of tenure, by the fake model
    assert row["stage"] == "fading"
    assert row["churn_probability"] == pytest.approx(np.exp(-90 * rate))
    assert row["expected_orders"] == pytest.approx(90 * rate)
    assert row["expected_margin"] == pytest.approx(10 * 90 * rate)
    assert row["next_order_at"] == pd.Timestamp("2024-06-01") + pd.Timedelta(days=np.log(2) / rate).round("us")
    assert row["next_order_from"] < row["next_order_at"] < row["next_order_to"]
    assert row["reasons"][0] == "last order 92 days ago"
    assert row["profit_to_date"] == pytest.approx(4.0)  # 40 % of 10
    tea = {"product_id": "tea", "probability": 0.25, "expected_at": "2024-06-02T00:00:00"}
    assert row["next_products"][1] == tea | {"reason": "bought once, last 3 days ago"}
    assert [item["product_id"] for item in row["next_new_products"]] == ["cup", "urn"]


def test_cost_to_serve_is_taken_off(shop: Shop, fake_models: FittedModels) -> None:
    row = scored(shop, fake_models).set_index("customer_id").loc["often"]
    assert row["cost_to_serve"] == pytest.approx(50 * 0.6)
    assert row["profit_to_date"] == pytest.approx(60 * 0.4 - 30)


def test_dates_beyond_two_years_are_null(shop: Shop, fake_models: FittedModels) -> None:
    row = scored(shop, fake_models).set_index("customer_id").loc["lapsed"]
    rate = 1 / 873
    assert np.log(2) / rate < 730 < np.log(10) / rate
    assert pd.notna(row["next_order_at"])
    assert pd.isna(row["next_order_to"])


@pytest.mark.parametrize("chunk", [1, 2, 5, 100])
def test_chunks_change_nothing(shop: Shop, fake_models: FittedModels, chunk: int) -> None:
    told: list[tuple[int, int]] = []
    scores = scored(shop, fake_models, chunk=chunk, progress=lambda done, of: told.append((done, of)))
    pd.testing.assert_frame_equal(scores, scored(shop, fake_models), check_exact=True)
    assert told[-1] == (len(STATUS), len(STATUS))
    assert len(told) == -(-len(STATUS) // chunk)


def test_alone_equals_batch_under_one_context(shop: Shop, fake_models: FittedModels) -> None:
    context = ShopContext.of(Logs(shop, Settings()), NOW)
    rates = prospect_rates(Logs(shop, Settings()), context, NOW)
    context = replace(context, churn_quantiles=churn_quantiles(scored(shop, fake_models)))
    every = scored(shop, fake_models, context=context, prospects=rates)
    for at, name in enumerate(every["customer_id"]):
        alone = scored(shop, fake_models, context=context, prospects=rates, only=[name])
        pd.testing.assert_frame_equal(alone, every.iloc[[at]].reset_index(drop=True), check_exact=True)


def test_a_customer_who_is_not_known_cannot_be_asked_for(shop: Shop, fake_models: FittedModels) -> None:
    for name in ("tomorrow", "nobody"):
        with pytest.raises(ValueError, match=f"customer '{name}' is not known"):
            scored(shop, fake_models, only=["often", name])


def test_later_rows_change_nothing(make_shop: MakeShop, shop: Shop, fake_models: FittedModels) -> None:
    later = [*ORDERS, ("often", "2024-06-01", "urn", 99.0), ("later", "2024-07-01", "urn", 9.0)]
    with_later = make_shop(later, customers=PEOPLE, support=WORK)
    told = scored(with_later, fake_models)
    pd.testing.assert_frame_equal(told, scored(shop, fake_models), check_exact=True)


def test_without_products_the_lists_are_empty(shop: Shop, fake_models: FittedModels) -> None:
    scores = scored(shop, fake_models, products=False)
    assert scores["next_products"].map(len).sum() == scores["next_new_products"].map(len).sum() == 0


def test_a_model_that_gives_reasons_is_quoted(shop: Shop, fake_models: FittedModels) -> None:
    class Talkative:
        """The fake products, with words of its own."""

        recommend = fake_models.products.recommend

        def reasons(self, shop: Shop, found: Recommendations) -> tuple[Any, Any]:
            shape = found.product.shape
            return np.full(shape, "bought with tea", object), np.full(shape, "new", object)

    talkative: Any = Talkative()
    scores = scored(shop, replace(fake_models, products=talkative))
    assert {item["reason"] for items in scores["next_products"] for item in items} == {"bought with tea"}
    assert {item["reason"] for items in scores["next_new_products"] for item in items} == {"new"}


def test_top_bounds_the_lists(shop: Shop, fake_models: FittedModels) -> None:
    assert scored(shop, fake_models, top=2)["next_products"].map(len).tolist() == [2] * len(STATUS)


def test_before_everything_nobody_is_there_but_the_undated(shop: Shop, fake_models: FittedModels) -> None:
    scores = scored(shop, fake_models, as_time("2020-01-01"))
    assert scores["customer_id"].tolist() == ["undated"]
    assert scored(shop, fake_models, as_time("2020-01-01"), only=[]).empty


class Broken:
    """A value model that answers with what is no number, or with an interval beside the expectation."""

    def __init__(self, low: float, expected: float) -> None:
        self.low, self.expected = low, expected

    def predict(self, table: Any, curves: Any, horizon_days: float) -> ValuePrediction:
        low, expected = (np.full(len(table), value) for value in (self.low, self.expected))
        return ValuePrediction(expected, low, expected)


@pytest.mark.parametrize(
    ("low", "expected", "message"),
    [
        (0.0, np.nan, "expected_margin of customer 'gone away' is .*nan.*expected a finite number"),
        (-np.inf, 1.0, "expected_margin_low of customer 'gone away' is .*-inf"),
        (2.0, 1.0, "expected_margin_low of customer 'gone away' is .*2.0.*expected_margin or less"),
    ],
)
def test_impossible_answers_are_refused(
    shop: Shop, fake_models: FittedModels, low: float, expected: float, message: str
) -> None:
    broken: Any = Broken(low, expected)
    with pytest.raises(ValueError, match=message):
        scored(shop, replace(fake_models, value=broken))


def test_features_the_shop_cannot_make_are_named(make_shop: MakeShop, shop: Shop, fake_models: FittedModels) -> None:
    from regulars.serving.feature_choice import features_named

    wanted = features_named(["orders_per_month", "tickets_total"], Settings())
    with pytest.raises(ValueError, match="read tickets_total, and these need support"):
        scored(make_shop(ORDERS), fake_models, features=wanted)


def test_percentile_is_the_rank_among_quantiles() -> None:
    quantiles = np.linspace(0, 1, 101)
    assert percentile(np.array([0.0, 0.25, 0.255, 1.0]), quantiles) == pytest.approx([0, 25, 25.5, 100])
    assert percentile(np.array([-1.0, 2.0]), quantiles).tolist() == [0, 100]
    assert percentile(np.array([0.3, 0.1, 0.9]), np.full(101, 0.3)).tolist() == [50, 0, 100]


def test_percentile_without_quantiles_is_told_within_the_batch(shop: Shop, fake_models: FittedModels) -> None:
    scores = scored(shop, fake_models)
    two = scores[scores["status"] == "scored"].sort_values("churn_probability")
    assert two["churn_percentile"].tolist() == [0, 100]


def test_known_since(shop: Shop, make_shop: MakeShop) -> None:
    since = dict(zip(shop.customer_ids, known_since(shop), strict=True))
    assert since["often"] == as_time("2024-01-05")
    assert since["asked only"] == as_time("2024-05-03")
    assert since["tomorrow"] == as_time("2024-06-01")
    assert since["undated"] < as_time("1970-01-01")
    referral = ("customer_id occurred_at kind new_customer_id", [("often", "2024-02-01", "referral", "friend")])
    product = ("product_id accessory_of", [("cup", "tea")])
    with_friend = make_shop(ORDERS, advocacy=referral, products=product)
    since = dict(zip(with_friend.customer_ids, known_since(with_friend), strict=True))
    assert [name for name, moment in since.items() if moment == NOT_YET] == ["friend"]  # only named by another


def test_dated_rows_make_known_when_they_become_visible(make_shop: MakeShop) -> None:
    rows = [("lead", "2024-05-01", None), ("late", "2024-05-01", "2024-07-01")]
    shop = make_shop(ORDERS, customers=("customer_id valid_from recorded_at", rows))
    since = dict(zip(shop.customer_ids, known_since(shop), strict=True))
    assert since["lead"] == as_time("2024-05-01")
    assert since["late"] == as_time("2024-07-01")


def prospects_of(make_shop: MakeShop, ordering: int, staying: int) -> ProspectRates:
    """Rates of a shop with so many who signed up and ordered a month later, and who signed up and did not."""
    orders = [("old", "2023-01-01", "tea", 10.0)]
    orders += [(f"o{at}", "2024-04-01", "tea", 10.0) for at in range(ordering)]
    people: list[tuple[str, str | None]] = [(f"o{at}", "2024-03-01") for at in range(ordering)]
    people += [(f"s{at}", "2024-03-01") for at in range(staying)]
    shop = make_shop(orders, customers=("customer_id signed_up_at", people or [("old", None)]))
    logs = Logs(shop, Settings())
    return prospect_rates(logs, ShopContext.of(logs, NOW), NOW)


def test_rates_of_prospects_are_counted_and_shrunk(make_shop: MakeShop) -> None:
    rates = prospects_of(make_shop, ordering=30, staying=70)
    assert (rates.watched, rates.ordered) == (100, 30)  # at 2024-03-03, one horizon before the moment
    assert rates.chance == pytest.approx((30 + 10 * 31 / 40) / 110)
    assert rates.margin == pytest.approx(4.0)
    assert rates.margin_low == 0
    assert rates.margin_high == pytest.approx(4.0)
    curves = rates.curves(2)
    assert curves.churn(90) == pytest.approx([1 - rates.chance] * 2)


def test_without_prospects_the_newcomers_tell(make_shop: MakeShop) -> None:
    rates = prospects_of(make_shop, ordering=0, staying=0)
    assert (rates.watched, rates.ordered) == (0, 0)
    assert rates.chance == pytest.approx(1 / 10)  # no buyer lately: the prior's own
    assert rates.margin == pytest.approx(10 * 0.4)  # the usual order at the stated margin
