from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regulars.features.settings import OutreachSettings, Settings
from regulars.features.shop import NONE, Shop, as_time
from regulars.serving.list_file import read_list
from regulars.serving.outreach import COLUMNS, OutreachList, lots, make_list
from regulars.serving.plays import PLAYS, prior_uplift

NOW = as_time("2024-06-01")
MakeShop = Callable[..., Shop]
MakeScores = Callable[..., pd.DataFrame]
SPRING = [("2024-01-01", 10.0), ("2024-02-01", 10.0), ("2024-03-01", 10.0)]


def settings(**outreach: Any) -> Settings:
    return Settings(outreach=OutreachSettings(**({"hold_out_share": 0.0} | outreach)))


def regulars(customers: Sequence[str]) -> list[tuple[str, str, str, float]]:
    """Customers who ordered monthly until March: 92 days ago at `NOW`, overdue."""
    return [(customer, day, "p", amount) for customer in customers for day, amount in SPRING]


def listed(scores: pd.DataFrame, shop: Shop, given: Settings | None = None, **changes: Any) -> OutreachList:
    plain: dict[str, Any] = {"budget": None, "seed": 7, "model_version": "v1"}
    return make_list(scores, shop, NOW, given or settings(), **plain | changes)


def plays(found: OutreachList) -> dict[str, str]:
    return dict(zip(found.rows["customer_id"], found.rows["play"], strict=True))


def test_who_is_overdue_is_retained_and_the_row_adds_up(make_shop: MakeShop, make_scores: MakeScores) -> None:
    found = listed(make_scores(["a"]), make_shop(regulars("a")), settings(offer=4.0))
    row = found.rows.iloc[0]
    after = 1 / (1 + np.exp(-0.25))
    assert tuple(found.rows.columns) == COLUMNS
    assert (row["customer_id"], row["audience"], row["play"], row["arm"]) == ("a", "customer", "retain", "contact")
    assert row["uplift"] == pytest.approx(after - 0.5, abs=1e-6)
    # V = 50 / 0.5 = 100: p1 (V - offer) - cost - p0 V
    assert row["expected_profit"] == pytest.approx(after * 96 - 0.5 - 50, abs=1e-4)
    assert row["cost"] == 0.5
    assert str(row["contact_by"].date()) == "2024-06-08"
    assert row["reason"] == (
        "They order every 30 days and the last order was 92 days ago; the chance of none in the next 90 days is 50%."
    )
    assert pd.isna(row["owner"])
    assert pd.isna(row["product_id"])


def test_the_list_ends_where_the_next_contact_earns_nothing(make_shop: MakeShop, make_scores: MakeScores) -> None:
    scores = make_scores("abcd", expected_margin=[50.0, 3.0, 0.5, -5.0])
    found = listed(scores, make_shop(regulars("abcd")))
    assert plays(found) == {"a": "retain"}
    assert found.coverage.outcome == {"no play earns its cost": 3, "retain": 1}
    curve = found.coverage.curve.set_index("where")
    assert curve["contacts"].to_dict() == {"best half": 0, "stop": 1, "half as many more": 1, "all eligible": 4}
    assert curve["expected_profit"]["stop"] == pytest.approx(found.rows["expected_profit"].sum(), abs=1e-3)
    assert curve["next_profit"]["stop"] < 0
    assert curve["expected_profit"].max() == curve["expected_profit"]["stop"]


def test_prospects_are_apart_and_the_lapsed_are_won_back(make_shop: MakeShop, make_scores: MakeScores) -> None:
    shop = make_shop(regulars("a"), customers=("customer_id", [("a",), ("p",)]))
    found = listed(make_scores(["p", "a"], status=["prospect", "lapsed"]), shop)
    assert plays(found) == {"a": "win_back", "p": "welcome"}
    assert dict(zip(found.rows["customer_id"], found.rows["audience"], strict=True)) == {
        "a": "customer",
        "p": "prospect",
    }


def test_a_product_is_named_with_its_reason(make_shop: MakeShop, make_scores: MakeScores) -> None:
    item = {"product_id": "q", "probability": 0.4, "expected_at": "2024-06-10", "reason": "bought every spring"}
    shop = make_shop([*regulars("a"), ("a", "2024-05-20", "p", 5.0)], products=("product_id name", [("q", "A quilt")]))
    found = listed(make_scores(["a"], next_products=[[item]]), shop)
    assert plays(found) == {"a": "next_product"}
    assert found.rows["product_id"][0] == "q"
    assert found.rows["reason"][0] == "A quilt is what they are most likely to buy next (40%; bought every spring)."


def test_an_accessory_goes_with_what_was_bought(make_shop: MakeShop, make_scores: MakeScores) -> None:
    goods = ("product_id name accessory_of", [("laptop", "Laptop", None), ("dock", "Dock", "laptop")])
    found = listed(make_scores(["a"]), make_shop([("a", "2024-05-20", "laptop", 500.0)], products=goods))
    assert plays(found) == {"a": "accessory"}
    assert found.rows["product_id"][0] == "dock"
    assert found.rows["reason"][0].startswith("They bought Laptop in the last 30 days, and Dock goes with it")


def test_a_new_order_is_thanked_for_once(make_shop: MakeShop, make_scores: MakeScores) -> None:
    orders = [("a", "2024-05-28", "p", 10.0)]
    assert plays(listed(make_scores("a"), make_shop(orders))) == {"a": "thank_you"}
    thanked = ("customer_id contacted_at campaign play arm", [("a", "2024-05-29", "c", "thank_you", "contacted")])
    found = listed(make_scores("a"), make_shop(orders, contacts=thanked), settings(days_between_contacts=0))
    assert plays(found) == {}


COMPLAINT = (
    "customer_id occurred_at event ticket_id is_complaint agent",
    [("a", "2024-05-30", "opened", "t", "true", "Ann")],
)


def test_a_complaint_goes_to_its_owner_and_stops_selling(make_shop: MakeShop, make_scores: MakeScores) -> None:
    shop = make_shop(regulars("ab"), support=COMPLAINT)
    found = listed(make_scores("ab", expected_margin=[-50.0, 50.0]), shop)
    assert plays(found) == {"a": "complaint_follow_up", "b": "retain"}
    row = found.rows.set_index("customer_id").loc["a"]
    assert row["owner"] == "Ann"
    assert row["expected_profit"] < 0
    assert row["cost"] == 0.5 + 5 * 0.6


def test_nothing_is_sold_meanwhile_even_when_the_answer_was_sent(make_shop: MakeShop, make_scores: MakeScores) -> None:
    sent = (
        "customer_id contacted_at campaign play arm",
        [("a", "2024-05-31", "c", "complaint_follow_up", "contacted")],
    )
    shop = make_shop(regulars("a"), support=COMPLAINT, contacts=sent)
    found = listed(make_scores("a"), shop, settings(days_between_contacts=0))
    selling = {play.name for play in PLAYS if play.selling}
    assert not selling & set(found.rows["play"])


def test_complaints_are_answered_not_experimented_with(make_shop: MakeShop, make_scores: MakeScores) -> None:
    found = listed(make_scores("a"), make_shop(regulars("a"), support=COMPLAINT), settings(hold_out_share=0.5), seed=1)
    arms = {
        listed(make_scores("a"), make_shop(regulars("a")), settings(hold_out_share=0.5), seed=s).rows["arm"][0]
        for s in range(9)
    }
    assert found.rows["arm"].tolist() == ["contact"]
    assert arms == {"contact", "hold_out"}


def test_attention_within_what_care_may_cost(make_shop: MakeShop, make_scores: MakeScores) -> None:
    silent = [(f"s{i}", "2023-10-01", "p", 10.0) for i in range(9)]
    margins = [50.0] + [0.0] * 9
    shop = make_shop(regulars("a") + silent)
    found = listed(make_scores(["a", *(f"s{i}" for i in range(9))], expected_margin=margins), shop)
    care = found.rows[found.rows["play"] == "attention"]
    assert 0 < len(care) < 9
    rest = found.rows.loc[found.rows["play"] != "attention", "expected_profit"].sum()
    assert -care["expected_profit"].sum() <= 0.1 * rest < -care["expected_profit"].sum() + 0.5


def contacts(days: Sequence[str], play: str = "birthday", arm: str = "contacted") -> tuple[str, list[tuple[Any, ...]]]:
    return "customer_id contacted_at campaign play arm", [("a", day, "c", play, arm) for day in days]


@pytest.mark.parametrize(
    ("sent", "options", "expected"),
    [
        (contacts(["2024-05-18"]), {}, True),
        (contacts(["2024-05-19"]), {}, False),
        (contacts(["2024-05-19"], arm="held_out"), {}, True),
        (contacts(["2024-06-01"]), {}, True),
        (contacts(["2024-05-18"], play="retain"), {}, False),
        (contacts(["2024-03-05", "2024-03-06"]), {"contacts_per_year": 2}, False),
        (contacts(["2024-03-05", "2024-03-06"]), {"contacts_per_year": 3}, True),
        # three were ignored, so the rest of 14 days doubles
        (contacts(["2024-04-01", "2024-04-20", "2024-05-10"]), {}, False),
        (contacts(["2024-04-01", "2024-04-20", "2024-05-04"]), {}, True),
    ],
)
def test_nobody_is_contacted_too_often(
    make_shop: MakeShop, make_scores: MakeScores, sent: Any, options: dict[str, Any], expected: bool
) -> None:
    found = listed(make_scores("a"), make_shop(regulars("a"), contacts=sent), settings(**options))
    assert ("a" in plays(found)) is expected


def test_an_owners_hours_and_their_cost(make_shop: MakeShop, make_scores: MakeScores) -> None:
    customers = ("customer_id account_owner", [(name, "Ann" if name in "abc" else None) for name in "abcd"])
    scores = make_scores("abcd", expected_margin=[90.0, 80.0, 70.0, 60.0])
    found = listed(scores, make_shop(regulars("abcd"), customers=customers), settings(owner_hours=10 / 60))
    assert set(plays(found)) == {"a", "b", "d"}
    rows = found.rows.set_index("customer_id")
    assert rows["cost"].to_dict() == {"a": 3.5, "b": 3.5, "d": 0.5}
    assert rows["owner"].dropna().to_dict() == {"a": "Ann", "b": "Ann"}


def crowd(make_shop: MakeShop, make_scores: MakeScores, count: int = 400) -> tuple[pd.DataFrame, Shop]:
    names = [f"c{i:03d}" for i in range(count)]
    rng = np.random.default_rng(1)
    scores = make_scores(names, expected_margin=rng.lognormal(3, 1, count), churn_probability=rng.random(count))
    return scores, make_shop(regulars(names))


def test_a_budget_is_used_and_never_exceeded(make_shop: MakeShop, make_scores: MakeScores) -> None:
    scores, shop = crowd(make_shop, make_scores)
    for hold_out in (0.0, 0.3):
        found = listed(scores, shop, settings(hold_out_share=hold_out), budget=20.3)
        assert found.rows["cost"].sum() == 20.0
        assert found.manifest["cost"] == 20.0
        assert found.coverage.earned >= 0.99 * found.coverage.bound
        assert found.coverage.outcome["budget, hours or places used up"] > 0
    assert len(listed(scores, shop, budget=0).rows) == 0
    assert len(listed(scores, shop, settings(budget=1.0)).rows) == 2


def test_the_order_of_rows_does_not_matter(make_shop: MakeShop, make_scores: MakeScores) -> None:
    scores, shop = crowd(make_shop, make_scores)
    given = scores.copy(deep=True)
    one = listed(scores, shop, settings(hold_out_share=0.2), budget=50)
    two = listed(scores.sample(frac=1, random_state=3), shop, settings(hold_out_share=0.2), budget=50)
    pd.testing.assert_frame_equal(one.rows, two.rows)
    assert one.manifest == two.manifest
    pd.testing.assert_frame_equal(scores, given)


def test_the_hold_out_is_a_random_share_drawn_per_customer(make_shop: MakeShop, make_scores: MakeScores) -> None:
    scores, shop = crowd(make_shop, make_scores)
    whole = listed(scores, shop, settings(hold_out_share=0.2)).rows.set_index("customer_id")
    half = listed(scores.iloc[::2], shop, settings(hold_out_share=0.2)).rows.set_index("customer_id")
    held = whole["arm"] == "hold_out"
    assert 0.12 < held.mean() < 0.28
    assert (whole.loc[held, "cost"] == 0).all()
    assert (whole.loc[held, "expected_profit"] > 0).all()
    pd.testing.assert_series_equal(half["arm"].sort_index(), whole.loc[half.index, "arm"].sort_index())
    other = listed(scores, shop, settings(hold_out_share=0.2), seed=8).rows.set_index("customer_id")
    assert (other.loc[whole.index, "arm"] != whole["arm"]).any()


def test_lots_are_uniform_and_of_the_customer_alone() -> None:
    names = np.array([f"c{i}" for i in range(20_000)], object)
    draw, tie = lots(names, 7, "l")
    assert abs(draw.mean() - 0.5) < 0.01
    assert abs(np.corrcoef(draw, tie)[0, 1]) < 0.03
    assert lots(names[5:6], 7, "l")[0][0] == draw[5]


def test_the_list_id_follows_from_what_was_asked(make_shop: MakeShop, make_scores: MakeScores) -> None:
    scores, shop = make_scores("a"), make_shop(regulars("a"))
    plain = listed(scores, shop).manifest["list_id"]
    assert plain.startswith("list-2024-06-01-")
    assert listed(scores, shop).manifest["list_id"] == plain
    for change in ({"seed": 8}, {"budget": 5.0}, {"model_version": "v2"}):
        assert listed(scores, shop, **change).manifest["list_id"] != plain
    assert listed(scores, shop, settings(offer=1.0)).manifest["list_id"] != plain


@given(st.lists(st.sampled_from([1, 0, NONE]), min_size=6, max_size=6), st.integers(0, 63))
def test_consent_is_absolute(make_shop: MakeShop, make_scores: MakeScores, allowed: list[int], suppressed: int) -> None:
    names = "abcdef"
    customers = ("customer_id contact_allowed", [(name, None) for name in names])
    shop = make_shop(regulars(names), customers=customers, support=COMPLAINT)
    assert shop.customers is not None
    shop = replace(shop, customers=replace(shop.customers, contact_allowed=np.array(allowed, np.int32)))
    status = ["suppressed" if suppressed >> i & 1 else "scored" for i in range(6)]
    found = listed(make_scores(names, status=status), shop, settings(hold_out_share=0.3))
    told = zip(names, allowed, status, strict=True)
    blocked = {name for name, may, now in told if may == 0 or now == "suppressed"}
    assert not blocked & set(found.rows["customer_id"])
    assert set(found.rows["customer_id"]) == set(names) - blocked
    assert found.coverage.outcome.get("contact not allowed", 0) == len(blocked)


def test_at_most_one_row_a_customer_and_everyone_is_accounted_for(make_shop: MakeShop, make_scores: MakeScores) -> None:
    scores, shop = crowd(make_shop, make_scores)
    found = listed(scores, shop, settings(hold_out_share=0.1), budget=60)
    assert found.rows["customer_id"].is_unique
    assert sum(found.coverage.outcome.values()) == len(scores)


def test_what_happens_later_changes_nothing(make_shop: MakeShop, make_scores: MakeScores) -> None:
    later = [("a", "2024-06-01", "p", 10.0), ("a", "2024-07-01", "q", 10.0), ("b", "2024-06-02", "p", 1.0)]
    sent = contacts(["2024-06-01"])
    support = (COMPLAINT[0], [("b", "2024-06-01", "opened", "u", "true", "Ann")])
    plain = listed(make_scores("ab"), make_shop(regulars("ab")))
    changed = listed(make_scores("ab"), make_shop([*regulars("ab"), *later], contacts=sent, support=support))
    pd.testing.assert_frame_equal(plain.rows, changed.rows)


def test_a_learnt_uplift_takes_the_priors_place(make_shop: MakeShop, make_scores: MakeScores) -> None:
    scores, shop = make_scores("ab"), make_shop(regulars("ab"))
    found = listed(scores, shop, uplift=lambda play, facts: np.where(facts.customer_id == "a", 0.3, -0.1))
    assert set(plays(found)) == {"a"}
    assert found.rows["uplift"].tolist() == [0.3]


def test_the_prior_moves_the_middle_most(make_shop: MakeShop, make_scores: MakeScores) -> None:
    scores = make_scores("abc", churn_probability=[0.01, 0.5, 0.99], expected_margin=1_000.0)
    found = listed(scores, make_shop(regulars("abc"))).rows.set_index("customer_id")
    assert found["uplift"]["b"] > 5 * max(found["uplift"]["a"], found["uplift"]["c"])
    assert prior_uplift.__doc__ is not None


def test_places_of_a_play_bound_it(make_shop: MakeShop, make_scores: MakeScores) -> None:
    few = tuple(replace(play, places=1) for play in PLAYS)
    scores = make_scores("abc", expected_margin=[60.0, 50.0, 70.0])
    assert plays(listed(scores, make_shop(regulars("abc")), plays=few)) == {"c": "retain"}


def test_written_whole_with_its_manifest(make_shop: MakeShop, make_scores: MakeScores, tmp_path: Path) -> None:
    scores, shop = crowd(make_shop, make_scores, 30)
    found = listed(scores, shop, settings(hold_out_share=0.2))
    for name in ("list.csv", "list.parquet"):
        found.write(tmp_path / name)
        pd.testing.assert_frame_equal(read_list(tmp_path / name), found.rows, check_dtype=False)
    told = json.loads((tmp_path / "list.manifest.json").read_text())
    assert told["as_of"] == "2024-06-01T00:00:00"
    assert told["rows"] == len(found.rows) == told["contacts"] + told["hold_outs"]
    assert told["settings"]["outreach"]["hold_out_share"] == 0.2


def test_an_empty_list_is_a_list(make_shop: MakeShop, make_scores: MakeScores, tmp_path: Path) -> None:
    found = listed(make_scores("a", status="suppressed"), make_shop(regulars("a")))
    found.write(tmp_path / "list.csv")
    assert (tmp_path / "list.csv").read_text() == ",".join(COLUMNS) + "\n"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"customer_id": ["a", "a"]}, "'a' is there more than once"),
        ({"customer_id": ["a", "z"]}, "'z' is unknown"),
        ({"churn_probability": [0.5, np.nan]}, "churn_probability is not a finite number in 1 rows"),
        ({"churn_probability": [0.5, 1.5]}, "not between 0 and 1"),
    ],
)
def test_wrong_scores_are_refused(
    make_shop: MakeShop, make_scores: MakeScores, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        listed(make_scores("ab").assign(**change), make_shop(regulars("ab")))


def test_missing_columns_and_a_negative_budget_are_refused(make_shop: MakeShop, make_scores: MakeScores) -> None:
    shop = make_shop(regulars("a"))
    with pytest.raises(ValueError, match="'stage'"):
        listed(make_scores("a").drop(columns="stage"), shop)
    with pytest.raises(ValueError, match="budget is -1"):
        listed(make_scores("a"), shop, budget=-1)
