"""Every feature against the judge, and against what its definition says of it."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.features import judge, judge_assortment, judge_service
from tests.features.known import Known
from tests.features.strategies import CUSTOMERS, NOW, SETTINGS, WINDOWS, Line, Rows, Sent, rows, shop_of, shops
from tests.features.verdicts import VERDICTS, Verdict

from regulars.features.asof import Moments
from regulars.features.context import ShopContext
from regulars.features.define import Feature
from regulars.features.families import FAMILIES
from regulars.features.logs import Logs
from regulars.features.settings import Settings
from regulars.features.shop import DAY
from regulars.features.table import FeatureTable, feature_table

FEATURES = [feature for family in FAMILIES for feature in family.features(WINDOWS)]
TRUSTING = SETTINGS.model_copy(update={"data": SETTINGS.data.model_copy(update={"trust_undated": True})})
MOMENTS = [NOW, NOW + DAY // 4 + 1, NOW + 45 * DAY]


def table_of(given_rows: Rows, moments: list[int], settings: Settings = SETTINGS) -> FeatureTable:
    logs = Logs(shop_of(given_rows), settings)
    return feature_table(logs, Moments.grid(np.arange(CUSTOMERS), moments), ShopContext.of(logs, moments[0]))


def judged(name: str) -> tuple[Verdict, tuple[int, ...]]:
    """The judge of a feature, and what it takes beside what is known."""
    if name in VERDICTS:
        return VERDICTS[name], ()
    found = re.fullmatch(r"(.*)_(\d+)d", name)
    if found is None or found[1] not in VERDICTS:
        pytest.fail(f"{name} has no judge: write its verdict in tests/features/judge.py")
    return VERDICTS[found[1]], (int(found[2]),)


@settings(max_examples=200)
@given(shops(), st.sampled_from([SETTINGS, TRUSTING]))
def test_the_judge_agrees(given_rows: Rows, chosen: Settings) -> None:
    table = table_of(given_rows, MOMENTS, chosen)
    for i, (customer, moment) in enumerate(zip(table.customer, table.moment, strict=True)):
        known = Known(given_rows, chosen, int(customer), int(moment))
        for name, value in zip(table.names, table.values[i].tolist(), strict=True):
            verdict, window = judged(name)
            expected = verdict(known, *window)
            close = math.isclose(value, expected, rel_tol=1e-9, abs_tol=1e-9)
            assert close or (math.isnan(value) and math.isnan(expected)), f"{name}: {value}, the judge says {expected}"


def test_the_judge_has_heard_every_family() -> None:
    heard = {verdict.__module__ for verdict in VERDICTS.values()}
    assert heard == {judge.__name__, judge_assortment.__name__, judge_service.__name__}


def test_every_feature_has_a_judge_and_every_judge_a_feature() -> None:
    assert {judged(feature.name)[0].__name__ for feature in FEATURES} == set(VERDICTS)


def test_names_are_unique() -> None:
    names = [feature.name for feature in FEATURES]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_definitions_are_whole(feature: Feature) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", feature.name)
    assert feature.meaning[0].isupper()
    assert feature.meaning.endswith(".")
    assert "{" not in feature.meaning
    assert feature.unit
    assert feature.needs


def test_a_customer_without_events_has_what_the_definitions_say() -> None:
    table = table_of(rows(), [NOW])
    empty = {feature.name: feature.empty for feature in FEATURES}
    found = {
        name: "missing" if np.isnan(table.column(name)[0]) else f"{table.column(name)[0]:g}" for name in table.names
    }
    found |= {name: "set" for name, value in empty.items() if value == "set" and found[name] != "missing"}
    assert found == empty


ONE_ORDER = {
    "days_since_last_order": 10,
    "days_since_new_product": 10,
    "orders_total": 1,
    "orders_30d": 1,
    "orders_90d": 1,
    "orders_400d": 1,
    "lines_total": 1,
    "lines_per_order": 1,
    "orders_decayed_60d": 0.5 ** (10 / 60),
    "orders_decayed_180d": 0.5 ** (10 / 180),
    "tenure_days": 10,
    "active_span_share": 0,
    "orders_per_month": 1,
    "revenue_30d": 30,
    "revenue_90d": 30,
    "revenue_400d": 30,
    "margin_30d": 12,
    "margin_90d": 12,
    "margin_400d": 12,
    "revenue_total": 30,
    "margin_total": 12,
    "revenue_per_order": 30,
    "margin_per_order": 12,
    "last_order_revenue": 30,
    "dearest_line": 30,
    "last_order_to_usual": 1,
    "returned_share": 0,
    "discount_share": 0.25,
    "revenue_per_piece": 15,
    "recent_orders_share": 1,
    "basket_trend": 1,
    "recent_revenue_share": 1,
    "order_value_trend": 1,
    "largest_order_to_usual": 1,
    "returned_share_365d": 0,
    "discount_share_365d": 0.25,
    "discounted_orders_share": 1,
    "margin_rate": 0.4,
    "order_days_total": 1,
    "order_days_365d": 1,
    "products_total": 1,
    "products_30d": 1,
    "products_90d": 1,
    "products_400d": 1,
    "new_product_share": 1,
    "new_product_share_90d": 1,
    "rebought_share": 0,
    "top_product_share": 1,
    "top_category_share": 0,
    "top_channel_share": 0,
    "year_ago_share_next_90d": 0,
    "days_to_anniversary": 355,
    "day_of_year": 26,
    "tickets_per_order": 0,
    "service_share_of_margin": 0,
    "profit_total": 12,
    "profit_in_30d": 12,
    "profit_in_90d": 12,
    "profit_in_400d": 12,
    "profit_per_order": 12,
    "profit_per_month": 12,
    "relationship_stage": 1,
}
"""Two pieces for 30, 10 days ago; whatever is not named is as for a customer without events."""


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_a_customer_with_one_order(feature: Feature) -> None:
    at = NOW - 10 * DAY
    table = table_of(rows([Line(0, 0, at, at, 0, 2_000, 300_000, 120_000, 100_000)]), [NOW])
    otherwise = np.nan if feature.empty == "missing" else 0.0
    np.testing.assert_allclose(table.column(feature.name)[0], ONE_ORDER.get(feature.name, otherwise))


def test_a_contact_is_ignored_until_an_order_follows() -> None:
    day = [NOW - days_ago * DAY for days_ago in range(30)]
    sent = [
        Sent(0, day[20], day[20]),
        Sent(0, day[15], day[2]),  # heard of after the order, but sent before it
        Sent(0, day[10], day[10]),  # an order at the very moment of a contact follows it
        Sent(0, day[5], day[5]),
    ]
    assert table_of(rows([Line(0, 0, day[10], day[10])], contacts=sent), [NOW]).column("ignored_in_a_row")[0] == 1
    assert table_of(rows(contacts=sent), [NOW]).column("ignored_in_a_row")[0] == 4


def test_a_table_without_rows_is_not_an_absent_one() -> None:
    names = table_of(rows(), [NOW]).names
    assert names == tuple(feature.name for feature in FEATURES)
