"""Columns worked out beforehand are found where they were planted, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regulars.datasets.simulate import ShopParameters, simulate_shop
from regulars.features.logs import Logs
from regulars.features.reading import read_shop
from regulars.features.settings import Settings, with_own
from regulars.features.shop import DAY, I32, Shop
from regulars.training.hindsight import Hindsight, later_moments, proven, value_columns
from regulars.training.suspicion import goes_with_later, too_telling

DECLARED = """
from regulars.features.tables import Column, EventTable, Kind

class Visits(EventTable):
    title = "visits"
    happened = "visited_at"
    visited_at = Column(Kind.TIME, "when", required=True)
    pages = Column(Kind.NUMBER, "pages")
    number = Column(Kind.NUMBER, "planted")
    moment = Column(Kind.TIME, "planted")
    flag = Column(Kind.FLAG, "planted")
    word = Column(Kind.TEXT, "planted")
"""
START = np.datetime64("2023-01-01", "us")
Plant = Callable[[pd.DataFrame, pd.DataFrame], Any]


def frames(customers: int = 150, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Orders of customers with a pace of their own over two years, and visits at any time."""
    rng = np.random.default_rng(seed)
    pace = rng.gamma(2.0, 3.0, customers) + 0.5  # orders in two years
    stop = np.where(rng.random(customers) < 0.5, rng.uniform(100, 730, customers), 730)
    orders = [
        (f"c{who}", f"{who}-{number}", day, float(rng.integers(5, 200)))
        for who in range(customers)
        for number, day in enumerate(sorted(rng.uniform(0, stop[who], 1 + rng.poisson(pace[who]))))
    ]
    made = pd.DataFrame(orders, columns=["customer_id", "order_id", "day", "amount"])
    made["ordered_at"] = START + (made.pop("day") * 86_400).astype("int64").astype("timedelta64[s]")
    who = rng.integers(0, customers, 8 * customers)
    visited = START + (rng.uniform(30, 700, len(who)) * 86_400).astype("int64").astype("timedelta64[s]")
    visits = pd.DataFrame({"customer_id": [f"c{one}" for one in who], "visited_at": visited})
    return made, visits.assign(pages=rng.poisson(4.0, len(who)))


def totals(orders: pd.DataFrame, visits: pd.DataFrame) -> pd.Series[Any]:
    return visits["customer_id"].map(orders.groupby("customer_id")["order_id"].nunique()).fillna(0)


def so_far(orders: pd.DataFrame, visits: pd.DataFrame) -> pd.Series[Any]:
    """An honest count: the orders before the visit."""
    times = {who: np.sort(mine.to_numpy()) for who, mine in orders.groupby("customer_id")["ordered_at"]}
    pairs = zip(visits["customer_id"], visits["visited_at"].to_numpy(), strict=True)
    return pd.Series([int(np.searchsorted(times[who], when)) for who, when in pairs])


def to_come(orders: pd.DataFrame, visits: pd.DataFrame) -> pd.Series[Any]:
    return totals(orders, visits) - so_far(orders, visits)


def revenue(orders: pd.DataFrame, visits: pd.DataFrame) -> pd.Series[Any]:
    return visits["customer_id"].map(orders.groupby("customer_id")["amount"].sum())


def next_at(orders: pd.DataFrame, visits: pd.DataFrame) -> pd.Series[Any]:
    times = {who: np.sort(mine.to_numpy()) for who, mine in orders.groupby("customer_id")["ordered_at"]}
    pairs = zip(visits["customer_id"], visits["visited_at"].to_numpy(), strict=True)
    found = [next(iter(times[who][times[who] > when]), np.datetime64("NaT")) for who, when in pairs]
    return pd.Series(np.array(found, "datetime64[us]")).dt.normalize()


def days_to_next(orders: pd.DataFrame, visits: pd.DataFrame) -> pd.Series[Any]:
    wait = next_at(orders, visits) - visits["visited_at"].dt.normalize()
    return pd.Series(wait.dt.days.astype(float))


def last_at(orders: pd.DataFrame, visits: pd.DataFrame) -> pd.Series[Any]:
    return visits["customer_id"].map(orders.groupby("customer_id")["ordered_at"].max())


def has_left(orders: pd.DataFrame, visits: pd.DataFrame) -> pd.Series[Any]:
    return to_come(orders, visits) == 0


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    file = tmp_path_factory.mktemp("own") / "visits.py"
    file.write_text(DECLARED)
    return with_own(Settings(), [str(file)])


def shop_with(chosen: Settings, orders: pd.DataFrame, visits: pd.DataFrame) -> Shop:
    shop = read_shop({"orders": orders, "visits": visits}, chosen).shop
    assert shop is not None
    return shop


@pytest.mark.parametrize(
    ("column", "plant", "told"),
    [
        ("number", totals, "how many orders there are of the customer in all"),
        ("number", to_come, "how many orders of the customer come later"),
        ("number", revenue, "the customer's revenue in all"),
        ("number", days_to_next, "how many days it is until the next of the customer's orders"),
        ("moment", next_at, "when the next of the customer's orders"),
        ("moment", last_at, "when the last of the customer's orders"),
        ("flag", has_left, "whether any of the customer's orders come later"),
    ],
)
def test_what_was_planted_is_proven(chosen: Settings, column: str, plant: Plant, told: str) -> None:
    orders, visits = frames()
    logs = Logs(shop_with(chosen, orders, visits.assign(**{column: plant(orders, visits)})), chosen)
    (found,) = proven(logs, value_columns(logs))
    assert (found.column, found.proven) == (f"visits.{column}", True)
    assert f"tells {told}" in found.what


def test_a_plan_may_be_known_ahead(chosen: Settings) -> None:
    orders, visits = frames()
    logs = Logs(shop_with(chosen, orders, visits.assign(moment=next_at(orders, visits))), chosen)
    columns = value_columns(logs)
    assert [one.column for one in later_moments(columns)] == ["visits.moment"]
    assert proven(logs, columns, ["visits.moment"]) == []
    assert list(later_moments(columns, ["visits.moment"])) == []


def alarms(shop: Shop, chosen: Settings) -> list[Hindsight]:
    """Everything that is found, proven or suspected."""
    logs = Logs(shop, chosen)
    columns = value_columns(logs)
    everybody: I32 = np.arange(len(shop.customer_ids), dtype=np.int32)
    moments = [int(shop.first + share * (shop.end - shop.first)) // DAY * DAY for share in (0.5, 0.8)]
    telling = too_telling(logs, columns, moments, shop.end, everybody)
    going = goes_with_later(logs, columns, shop.end, seed=0)
    return [*proven(logs, columns), *later_moments(columns), *telling, *going]


@settings(max_examples=3)
@given(st.integers(0, 1000))
def test_honest_columns_raise_no_alarm(chosen: Settings, seed: int) -> None:
    orders, visits = frames(seed=seed)
    rng = np.random.default_rng(seed)
    first = visits["customer_id"].map(orders.groupby("customer_id")["ordered_at"].min())
    honest = visits.assign(
        number=so_far(orders, visits),
        flag=rng.random(len(visits)) < 0.5,
        moment=first.where(first < visits["visited_at"]),
        word=rng.choice(["home", "product", "checkout"], len(visits)),
    )
    assert alarms(shop_with(chosen, orders, honest), chosen) == []


@pytest.mark.parametrize("support_effect", [1.5, pytest.param(0.0, marks=pytest.mark.slow)])
def test_a_simulated_shop_raises_no_alarm(support_effect: float) -> None:
    made = simulate_shop(ShopParameters(customers=500, support_effect=support_effect), seed=3)
    shop = read_shop(made.tables, Settings()).shop
    assert shop is not None
    assert alarms(shop, Settings()) == []


def test_what_is_not_in_the_list_is_suspected(chosen: Settings) -> None:
    """A score that somebody made of all orders, and a word for who has gone."""
    orders, visits = frames(customers=400)
    rng = np.random.default_rng(1)
    score = np.sqrt(to_come(orders, visits)) + rng.normal(0, 0.05, len(visits))
    word = np.where(last_at(orders, visits) < START + np.timedelta64(600, "D"), "lost", "active")
    shop = shop_with(chosen, orders, visits.assign(number=score, word=word))
    found = {one.column: one for one in alarms(shop, chosen)}
    assert not any(one.proven for one in found.values())
    assert "partial rank correlation" in found["visits.number"].what or "AUC" in found["visits.number"].what
    assert "AUC" in found["visits.word"].what


def test_a_column_that_means_nothing_for_few_proves_nothing(chosen: Settings) -> None:
    orders, visits = frames(customers=6)
    logs = Logs(shop_with(chosen, orders, visits.assign(number=totals(orders, visits))), chosen)
    assert proven(logs, value_columns(logs)) == []
