"""Reasons in words: which themes, which sentences, and whether they are true of the model."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from tests.models.shops import Training, context, made_shop

from regulars.features.families import FAMILIES
from regulars.features.table import FeatureTable
from regulars.models.hazard_rows import ADDED, SEASONAL
from regulars.models.order_time import OrderTimeModel
from regulars.models.reasons import SENTENCES, churn_reasons, count, theme_of


def row(**values: float) -> FeatureTable:
    """A table of one row."""
    return FeatureTable(
        np.zeros(1, np.int32),
        np.zeros(1, np.int64),
        tuple(values),
        np.array([list(values.values())], np.float64),
        context(),
    )


@pytest.mark.parametrize(
    ("column", "theme"),
    [
        ("days_since_last_order", "rhythm"),
        ("orders_90d", "rhythm"),
        ("orders_730d", "rhythm"),
        ("usual_gap_days", "rhythm"),
        ("order_chance_bgnbd", "rhythm"),
        ("days_since_last_return", "returns"),
        ("returned_share", "returns"),
        ("revenue_30d", "money"),
        ("reopened_365d", "support_load"),
        ("returned_share_365d", "returns"),
        ("discounted_orders_share", "discounts"),
        ("relationship_stage", "rhythm"),
        ("days_to_birthday", "birthday"),
        ("tickets_365d", "support_load"),
        ("year_ago_lift", "season"),
        ("days_to_anniversary", "season"),
        ("interval", ""),
        ("something_else", ""),
    ],
)
def test_theme_of_a_column(column: str, theme: str) -> None:
    assert theme_of(column) == theme


def test_every_feature_is_told_under_a_theme_that_has_a_sentence() -> None:
    names = [feature.name for family in FAMILIES for feature in family.features((30, 90, 365))]

    assert [
        name for name in (*names, *ADDED, *SEASONAL) if name != "interval" and theme_of(name) not in SENTENCES
    ] == []


@pytest.mark.parametrize(
    ("theme", "values", "sentence"),
    [
        (
            "rhythm",
            {"days_since_last_order": 134.2, "usual_gap_days": 17.0, "orders_total": 5.0},
            "last order 134 days ago; usually every 17",
        ),
        (
            "rhythm",
            {"days_since_last_order": 1.2, "usual_gap_days": np.nan, "orders_total": 1.0},
            "last order 1 day ago; 1 order so far",
        ),
        ("rhythm", {"days_since_last_order": np.nan}, "no order yet"),
        (
            "rhythm",
            {
                "days_since_last_order": 134.2,
                "usual_gap_days": 17.0,
                "longest_gap_days": 61.0,
                "wait_to_longest_gap": 2.2,
            },
            "last order 134 days ago; usually every 17, never so long: the longest gap was 61",
        ),
        ("tenure", {"tenure_days": 400.0, "orders_total": 3.0}, "customer for 13 months, 3 orders so far"),
        ("tenure", {"tenure_days": 1095.0, "orders_total": 30.0}, "customer for 3.0 years, 30 orders so far"),
        (
            "money",
            {"last_order_revenue": 77184.4, "revenue_per_order": 6463.0},
            "the last order was worth 77,184, usually 6,463",
        ),
        ("money", {"last_order_revenue": np.nan, "revenue_per_order": 6463.0}, ""),
        ("breadth", {"products_total": 1.0}, "bought 1 different product so far"),
        (
            "breadth",
            {"products_total": 3.0, "top_product_share": 0.75},
            "bought 3 different products so far, mostly one of them",
        ),
        ("discounts", {"discounted_orders_share": 0.5}, "50% of their orders had a discount"),
        ("channel", {"channels_total": 1.0, "top_channel_share": 1.0}, "always orders by the same channel"),
        (
            "channel",
            {"channels_total": 2.0, "top_channel_share": 0.75},
            "orders through 2 channels, 75% of the time through one",
        ),
        ("channel", {"channels_total": 0.0, "top_channel_share": 0.0}, ""),
        ("birthday", {"days_to_birthday": 1.0}, "birthday in 1 day"),
        ("season", {"orders_year_ago_next_90d": 2.0}, "2 orders in the same 90 days last year"),
        ("season", {"orders_year_ago_next_90d": 0.0}, "the shop's season at this time of the year"),
        ("returns", {"returned_share": 0.5}, "50% of what they bought came back"),
        ("returns", {"returned_share": 0.0}, ""),
        ("contacts", {"days_since_contact": np.nan}, "never contacted"),
        (
            "contacts",
            {"days_since_contact": 9.0, "ignored_in_a_row": 3.0},
            "no order after the last 3 contacts",
        ),
        ("contacts", {"days_since_contact": 9.0, "ignored_in_a_row": 0.0}, "contacted 9 days ago"),
        (
            "contacts",
            {"days_since_contact": 9.0, "ignored_in_a_row": 1.0, "answered_share": 0.4},
            "contacted 9 days ago; 40% of earlier contacts were followed by an order",
        ),
        ("advocacy", {"referrals_made": 0.0, "was_referred": 1.0}, "came on another customer's recommendation"),
        ("advocacy", {"referrals_made": 1.0}, "recommended the shop 1 time"),
        ("profit", {"profit_total": -12.6}, "profit of -13 so far, service counted"),
    ],
)
def test_sentences(theme: str, values: dict[str, float], sentence: str) -> None:
    assert SENTENCES[theme](values) == sentence


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"tickets_open": 2.0, "oldest_open_ticket_days": 9.0}, "2 tickets open for 9 days"),
        (
            {"tickets_open": 2.0, "oldest_open_ticket_days": 9.0, "unanswered_days": 4.0},
            "a ticket unanswered for 4 days",
        ),
        (
            {"tickets_open": 0.0, "days_since_bad_experience": 3.0},
            "a complaint, reopened ticket or bad rating 3 days ago",
        ),
        ({"tickets_total": 2.0, "satisfaction": 4.25}, "2 support tickets so far, satisfaction 4.2 of 5"),
        (
            {"tickets_total": 1.0, "days_since_bad_experience": 12.0, "last_resolution_days": 9.2},
            "a complaint, reopened ticket or bad rating 12 days ago; the last ticket took 9 days",
        ),
        ({"tickets_total": 1.0, "last_resolution_days": 3.0}, "1 support ticket so far; the last ticket took 3 days"),
        ({"tickets_total": 1.0, "last_resolution_days": 2.9}, "1 support ticket so far"),
        ({"tickets_total": 0.0}, "never needed support"),
        ({}, ""),
    ],
)
def test_sentences_of_support(values: dict[str, float], sentence: str) -> None:
    assert SENTENCES["support_load"](values) == sentence


def test_strongest_themes_first_with_their_direction() -> None:
    table = row(days_since_last_order=30.0, orders_total=2.0, orders_90d=2.0, tenure_days=60.0, products_total=4.0)
    # The two columns of the rhythm add up to +0.5; the products push the other way; the tenure next to nothing.
    push = np.array([[0.9, 0.0, -0.4, 0.01, -1.0]])

    assert churn_reasons(table, table.names, push, 3) == [
        [
            "bought 4 different products so far (lowers the risk)",
            "last order 30 days ago; 2 orders so far (raises the risk)",
            "customer for 2 months, 2 orders so far",
        ]
    ]
    assert churn_reasons(table, table.names, push, 1) == [["bought 4 different products so far (lowers the risk)"]]


def test_what_is_known_fills_up_where_little_pushed() -> None:
    table = row(days_since_last_order=30.0, orders_total=2.0)

    # No contacts are on record, and of support there is no table; nothing is said twice.
    assert churn_reasons(table, ("interval",), np.ones((1, 1)), 3) == [
        [
            "last order 30 days ago; 2 orders so far",
            "never contacted",
        ]
    ]


def test_that_nobody_needed_support_is_no_reason_to_leave() -> None:
    table = row(days_since_last_order=30.0, orders_total=2.0, tickets_total=0.0)
    last = "last order 30 days ago; 2 orders so far"

    assert churn_reasons(table, table.names, np.array([[0.1, 0.0, -0.4]]), 2) == [
        ["never needed support (lowers the risk)", f"{last} (raises the risk)"]
    ]
    # Where it pushes up it gives way; the gap is filled by what is known.
    assert churn_reasons(table, table.names, np.array([[0.1, 0.0, 0.4]]), 1) == [[f"{last} (raises the risk)"]]
    assert "never needed support" in churn_reasons(table, table.names, np.array([[0.1, 0.0, 0.0]]), 2)[0]


def test_counts_in_words() -> None:
    assert [count(1, "day"), count(2, "day"), count(0, "reply", "replies"), count(1234.4, "day")] == [
        "1 day",
        "2 days",
        "0 replies",
        "1,234 days",
    ]


@pytest.fixture(scope="module")
def shop() -> Training:
    shop = made_shop(400)
    return shop.take(shop.table.column("orders_total") > 0)


@pytest.fixture(scope="module")
def model(shop: Training) -> OrderTimeModel:
    return OrderTimeModel(rounds=40, least_rows=20, seasonal=False).fit(shop.table, shop.orders)


OPENINGS = {"last order": "rhythm", "customer for": "tenure", "never needed": "support_load"}
"""First words of a sentence and its theme."""


def test_reasons_are_faithful(shop: Training, model: OrderTimeModel) -> None:
    """With the strongest theme's columns at the shop's typical values, the churn moves against what was said."""
    rows = shop.table.take(np.flatnonzero(shop.table.moment == shop.table.moment.max())[:150])
    known = ~np.isnan(shop.table.values).all(axis=0)
    typical = np.full((1, len(rows.names)), np.nan)
    typical[:, known] = np.nanmedian(shop.table.values[:, known], axis=0)
    churn = model.predict_curves(rows).churn(90)
    agreed = []
    for i, (said,) in enumerate(model.reasons(rows, 90, top=1)):
        theme = next((name for opening, name in OPENINGS.items() if said.startswith(opening)), None)
        if theme is None or "risk" not in said:
            continue
        values = rows.values[[i]].copy()
        mine = [k for k, name in enumerate(rows.names) if theme_of(name) == theme]
        values[:, mine] = typical[:, mine]
        without = model.predict_curves(dataclasses.replace(rows.take(np.array([i])), values=values)).churn(90)[0]
        agreed.append((churn[i] > without) == ("raises" in said))

    assert len(agreed) > 80
    assert np.mean(agreed) > 0.8
