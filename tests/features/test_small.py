"""Small frames read by NumPy: the same shop as through DuckDB, or none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from tests.features.plain_frames import Frames, contents, frames

from regulars.features.plain import NotPlainError
from regulars.features.reading import inspect, read_shop
from regulars.features.settings import DataSettings, Settings, ShopSettings
from regulars.features.small import is_small, small_shop

SETTINGS = [Settings(), Settings(data=DataSettings(trust_undated=True))]


def lines(**columns: Any) -> pd.DataFrame:
    """Two lines of one order, with the given columns in place of theirs."""
    made: dict[str, Any] = {
        "customer_id": ["a", "a"],
        "order_id": ["1", "1"],
        "ordered_at": pd.to_datetime(["2024-01-01 10:00", "2024-01-01 10:00"]),
        "quantity": [1, 2],
        "unit_price": [9.99, 0.1],
    }
    return pd.DataFrame(made | columns)


def test_a_shop_that_can_be_checked_by_eye() -> None:
    shop = small_shop({"orders": lines()}, Settings())
    assert shop.customer_ids.tolist() == ["a"]
    assert shop.orders.revenue.tolist() == [99_900, 2_000]
    assert shop.orders.margin.tolist() == [39_960, 800]  # 40 % of revenue where no cost is known
    assert shop.given == {"orders", *(f"orders.{name}" for name in lines().columns)}


@settings(max_examples=25)
@given(frames())
def test_it_is_the_shop_that_duckdb_reads(given_frames: Frames) -> None:
    assert_read_alike(given_frames)


@pytest.mark.slow
@settings(max_examples=150)
@given(frames())
def test_many_are_the_shops_that_duckdb_reads(given_frames: Frames) -> None:
    assert_read_alike(given_frames)


def assert_read_alike(given_frames: Frames) -> None:
    for chosen in SETTINGS:
        reading = inspect(given_frames, chosen)
        expected = reading.shop
        if expected is None:  # guests alone
            with pytest.raises(NotPlainError):
                small_shop(given_frames, chosen)
            continue
        try:
            found = small_shop(given_frames, chosen)
        except NotPlainError:
            # Only costs of products that were entered late are left to the careful way in these frames.
            assert "products" in given_frames
            continue
        assert contents(found) == contents(expected)


@pytest.mark.parametrize(
    "columns",
    [
        {"customer_id": [" a", "a"]},
        {"customer_id": ["13085.0", "13085"]},
        {"customer_id": ["a", "b"]},  # one order under two customers
        {"customer_id": [1.0, 2.0]},
        {"order_id": ["1", None]},
        {"order_id": ["1", ""]},
        {"ordered_at": ["2024-01-01", "2024-01-02"]},
        {"ordered_at": pd.to_datetime(["2024-01-01", "NaT"])},
        {"ordered_at": pd.to_datetime(["1969-12-31", "2024-01-01"])},
        {"quantity": ["1", "2"]},
        {"quantity": [1.0, np.nan]},
        {"quantity": [0.0001, 1]},
        {"unit_price": [1e-7, 1.0]},
        {"unit_price": [np.inf, 1.0]},
        {"unit_price": [1e12, 1.0]},
        {"unit_price": np.array([0.1, 0.2], np.float32)},
        {"unit_cost": [-1.0, 1.0]},
        {"discount": [-1.0, 1.0]},
        {"unit_price": [4e9, 4e9], "quantity": [10, 10]},
    ],
)
def test_what_is_not_plain_is_left_to_the_checks(columns: dict[str, Any]) -> None:
    with pytest.raises(NotPlainError):
        small_shop({"orders": lines(**columns)}, Settings())


@pytest.mark.parametrize("column", ["customer_id", "order_id", "ordered_at", "quantity"])
def test_a_missing_column_is_left_to_the_checks(column: str) -> None:
    with pytest.raises(NotPlainError):
        small_shop({"orders": lines().drop(columns=column)}, Settings())


def test_a_table_that_is_no_table_of_ours_is_left_to_the_checks() -> None:
    with pytest.raises(NotPlainError):
        small_shop({"orders": lines(), "order": lines()}, Settings())


def test_moments_with_a_time_zone_become_wall_time() -> None:
    berlin = Settings(shop=ShopSettings(time_zone="Europe/Berlin"))
    moments = pd.to_datetime(["2024-03-31 00:30", "2024-10-27 01:30"]).tz_localize("UTC")
    frame = {"orders": lines(ordered_at=moments)}
    expected = read_shop(frame, berlin).shop
    assert expected is not None
    assert contents(small_shop(frame, berlin)) == contents(expected)


def test_ids_may_be_whole_numbers_and_numbers_may_have_a_mark_for_missing() -> None:
    frame = lines(customer_id=[13085, 13085], discount=pd.array([1, None], "Int64"))
    expected = read_shop({"orders": frame}, Settings()).shop
    assert expected is not None
    assert contents(small_shop({"orders": frame}, Settings())) == contents(expected)


def test_the_frames_stay_as_they_were() -> None:
    frame = lines()
    before = frame.copy(deep=True)
    small_shop({"orders": frame}, Settings())
    pd.testing.assert_frame_equal(frame, before)


def test_what_counts_as_small() -> None:
    assert is_small({"orders": lines()})
    assert not is_small({"orders": pd.concat([lines()] * 2_501)})
    assert not is_small({"orders": {"customer_id": ["a"]}})
