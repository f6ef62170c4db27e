"""Which moments a training looks at, who is there, and what it is told of what came."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.features.strategies import CUSTOMERS, NOW, Line, Rows, rows, shop_of, shops
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

from regulars.features.asof import Moments
from regulars.features.families import FAMILIES
from regulars.features.logs import Logs
from regulars.features.settings import Settings
from regulars.features.shop import DAY, MONEY, Shop, as_time
from regulars.features.table import FeatureTable
from regulars.models.hazard_rows import FURTHER_DAYS
from regulars.models.order_time import OrderTimeModel
from regulars.training.labels import Outcomes
from regulars.training.snapshots import (
    SNAPSHOTS_AT_MOST,
    TrainingSet,
    customers_at,
    first_known,
    order_labels,
    snapshot_moments,
    some_customers,
    training_set,
    value_labels,
)

CUTOFF = "2025-01-01"


def bought(*orders: tuple[int, float], late: float = 0) -> list[Line]:
    """One order line of 5 (margin 2) for each (customer, day from `NOW`); each entered `late` days after."""
    return [
        Line(who, 10 * at + who, NOW + round(day * DAY), NOW + round((day + late) * DAY), 0, 1_000, 50_000, 20_000)
        for at, (who, day) in enumerate(orders)
    ]


def logs_of(lines: Iterable[Line]) -> Logs:
    return Logs(shop_of(rows(lines)), settings_of())


def days_of(logs: Logs, until: int = NOW, **train: int) -> list[int]:
    return [int((moment - NOW) // DAY) for moment in snapshot_moments(logs, until, settings_of(**train))]


# Which moments


def test_moments_go_back_from_where_training_stands() -> None:
    logs = logs_of(bought((0, -200)))

    assert days_of(logs) == [0, -30, -60, -90, -120]  # the first order has to be two steps back
    assert days_of(logs, snapshot_every_days=50) == [0, -50, -100]


def test_however_short_the_history_one_moment_lies_a_horizon_back() -> None:
    assert days_of(logs_of(bought((0, -100)))) == [0, -30, -60, -90]
    assert days_of(logs_of(bought((0, -101))), snapshot_every_days=40) == [
        0,
        -40,
        -80,
    ]  # 120 days back nobody was there


def test_there_is_always_the_moment_itself() -> None:
    assert days_of(logs_of(bought((0, -1)))) == [0]
    assert days_of(logs_of([])) == [0]


@pytest.mark.parametrize(("horizon", "step", "count"), [(90, 30, SNAPSHOTS_AT_MOST), (365, 7, 106)])
def test_there_are_enough_moments_for_a_horizon_and_not_many_more(horizon: int, step: int, count: int) -> None:
    logs = logs_of(bought((0, -4_000)))
    given_settings = Settings.model_validate(
        {"churn": {"horizon_days": horizon}, "train": {"snapshot_every_days": step}}
    )

    assert len(snapshot_moments(logs, NOW, given_settings)) == count


def test_an_old_order_that_is_entered_later_moves_no_moment() -> None:
    logs = logs_of([*bought((0, -100)), *bought((1, -900), late=900)])

    assert first_known(logs, NOW) == NOW - 100 * DAY
    assert days_of(logs) == [0, -30, -60, -90]
    assert first_known(logs, NOW + 1) == NOW - 900 * DAY


# Who is there


def test_customers_are_there_once_they_have_ordered_before_the_moment() -> None:
    logs = logs_of([*bought((0, -1), (1, 0)), *bought((2, -10), late=10)])

    assert customers_at(logs, NOW).key.tolist() == [0]
    assert customers_at(logs, NOW + 1).key.tolist() == [0, 1, 2]


def test_rows_are_customers_at_moments_after_their_first_order() -> None:
    found = training_set(logs_of(bought((0, -200), (1, -45), (1, -30), (2, 5))), NOW, settings_of())

    pairs = [(who, (moment - NOW) // DAY) for who, moment in zip(found.table.customer, found.table.moment, strict=True)]
    assert pairs == [(0, 0), (0, -30), (0, -60), (0, -90), (0, -120), (1, 0), (1, -30)]
    assert found.table.column("orders_total").tolist() == [1, 1, 1, 1, 1, 2, 1]


def test_some_customers_come_with_all_their_rows() -> None:
    customer = np.repeat(np.arange(100), 7)

    kept = some_customers(customer, 350)

    assert len(kept) == 350
    assert (np.bincount(customer[kept], minlength=100) % 7 == 0).all()
    assert len(np.unique(customer[kept])) == 50
    assert some_customers(customer, 700).tolist() == list(range(700))
    assert len(some_customers(customer, 1)) == 7


def test_codes_do_not_matter_for_who_is_taken() -> None:
    customer = np.repeat(np.arange(100), 3)

    assert some_customers(customer, 60).tolist() == some_customers(3 * customer + 1_000, 60).tolist()


def test_a_big_shop_is_sampled_by_customer() -> None:
    lines = [
        Line(who, 3 * who + at, NOW - day * DAY, NOW - day * DAY)
        for who in range(200)
        for at, day in enumerate([400, 200])
    ]
    logs = Logs(shop_of(rows(lines), customers=200), settings_of())

    found = training_set(logs, NOW, settings_of(max_snapshot_rows=1_000))

    moments = len(snapshot_moments(logs, NOW, settings_of()))
    assert 1_000 - moments < len(found.table) <= 1_000
    assert set(np.unique(found.table.customer, return_counts=True)[1]) == {moments}


# What came


def labels_at(lines: list[Line], day: float, until: int) -> tuple[float, ...]:
    """Labels of customer 0 at a day: to next, watched, further orders, further days; margin, orders, whole horizon."""
    outcomes = Outcomes(logs_of(lines), until)
    moment = Moments(np.array([0], np.int32), np.array([NOW + round(day * DAY)]))
    orders, value = order_labels(outcomes, moment), value_labels(outcomes, moment, settings_of())
    return tuple(float(column[0]) for part in (orders, value) for column in vars(part).values())


# Customer 0 orders on days -30, 0, 10, 40, 170 and 300.
STORY = bought((0, -30), (0, 0), (0, 10), (0, 40), (0, 170), (0, 300))


def test_labels_of_a_window_that_is_over() -> None:
    until = NOW + 320 * DAY
    # On day 1 the next order comes in 9 days, and until day 181 two more (40 and 170); three in 90 days are two.
    assert labels_at(STORY, 1, until) == (9, 319, 2, FURTHER_DAYS - 9, 2 * 2, 2, 1)
    # At the moment of an order that order is still to come.
    assert labels_at(STORY, 0, until)[:3] == (0, 320, 3)


def test_labels_are_censored_where_training_stands() -> None:
    # On day 60 nobody knows of day 170 yet: watched for 59 days, two orders came.
    assert labels_at(STORY, 1, NOW + 60 * DAY) == (9, 59, 1, 50, 2 * 2, 2, 0)
    # On day 10 not even the order of that day has come.
    never = labels_at(STORY, 1, NOW + 10 * DAY)
    assert math.isnan(never[0])
    assert never[1:] == (9, 0, 0, 0, 0, 0)


def test_an_order_beyond_the_further_days_leaves_none() -> None:
    next_order, _, further, further_days, *_ = labels_at(STORY, 41, NOW + 320 * DAY)
    assert (next_order, further, further_days) == (129, 0, FURTHER_DAYS - 129)
    lonely = labels_at(bought((0, -30), (0, 300)), 41, NOW + 320 * DAY)
    assert (lonely[0], *lonely[2:4]) == (259, 0, 0)  # it comes later than we count


@settings(max_examples=40)
@given(shops(), st.sampled_from([NOW, NOW - 30 * DAY, NOW + 40 * DAY]))
def test_plain_loops_agree(given_rows: Rows, until: int) -> None:
    shop = shop_of(given_rows)
    logs, set_up = Logs(shop, settings_of()), settings_of()
    found = training_set(logs, until, set_up)

    moments = snapshot_moments(logs, until, set_up)
    starts = order_starts(logs, until)
    expected = [
        (who, moment, *slow_labels([at for one, at in starts if one == who], moment, until))
        for who in range(CUSTOMERS)
        for moment in moments
        if any(
            one == who and visible < moment for one, visible in zip(logs.orders.key, logs.orders.visible, strict=True)
        )
    ]
    got = zip(
        found.table.customer,
        found.table.moment,
        found.orders.days_to_next,
        found.orders.observed_days,
        found.orders.further_orders,
        found.orders.further_days,
        found.value.orders,
        strict=True,
    )
    np.testing.assert_array_equal(np.array(list(got), float).reshape(-1, 7), np.array(expected, float).reshape(-1, 7))


def order_starts(logs: Logs, until: int) -> list[tuple[int, int]]:
    log = logs.orders
    return [(int(who), int(at)) for who, at, seen in zip(log.key, log.time, log.visible, strict=True) if seen < until]


def slow_labels(times: list[int], moment: int, until: int) -> tuple[float, float, float, float, float]:
    coming = sorted(at for at in times if at >= moment)
    watched = (until - moment) / DAY
    following = (coming[0] - moment) / DAY if coming else math.nan
    counted_for = min(watched, FURTHER_DAYS)
    in_horizon = sum(at < moment + 90 * DAY for at in coming)
    if not coming or following >= counted_for:
        return following, watched, 0, 0, in_horizon
    further = sum(at < moment + FURTHER_DAYS * DAY for at in coming) - 1
    return following, watched, further, counted_for - following, in_horizon


def test_margin_is_of_the_horizon_alone() -> None:
    lines = [*STORY, Line(0, 70, NOW + 50 * DAY, NOW + 50 * DAY, 0, -1_000, -20_000, -10_000)]
    assert labels_at(lines, 1, NOW + 320 * DAY)[4] == 2 * 2 - 10_000 / MONEY


# Blind to the future


@pytest.fixture(scope="module")
def frames() -> Frames:
    return frames_of(360)


@pytest.fixture(scope="module")
def shop(frames: Frames) -> Shop:
    return read(frames)


def told(found: TrainingSet, shop: Shop) -> list[bytes]:
    """Everything a training sees, to the last bit, customers by their ids."""
    parts = (found.orders, found.value)
    arrays = [found.table.values, found.table.moment, *(column for part in parts for column in vars(part).values())]
    ids = "\0".join(shop.customer_ids[found.table.customer])
    context = found.table.context
    return [ids.encode(), context.orders.tobytes(), *(np.ascontiguousarray(array).tobytes() for array in arrays)]


@pytest.mark.parametrize("most", [500_000, 1_000])
def test_nothing_at_or_after_the_moment_is_seen(frames: Frames, shop: Shop, most: int) -> None:
    until, how = as_time(CUTOFF), settings_of(max_snapshot_rows=most)
    expected = told(training_set(Logs(shop, how), until, how), shop)
    there = sorted(shop.customer_ids[customers_at(Logs(shop, how), until).key])

    futures = {
        "gone": known_before(shop, until),
        "nonsense": with_nonsense(shop, until),
        "newcomers": read(with_newcomers(frames, pd.Timestamp(CUTOFF))),
    }
    for name, other in futures.items():
        logs = Logs(other, how)
        assert told(training_set(logs, until, how), other) == expected, name
        assert sorted(other.customer_ids[customers_at(logs, until).key]) == there, name


def test_the_sample_of_a_big_shop_is_a_sample(shop: Shop) -> None:
    until = as_time(CUTOFF)
    few, all_ = (
        training_set(Logs(shop, how), until, how) for how in (settings_of(max_snapshot_rows=1_000), settings_of())
    )

    assert 800 < len(few.table) <= 1_000 < len(all_.table)


def test_a_row_before_the_moment_is_seen(shop: Shop) -> None:
    until, how = as_time(CUTOFF), settings_of()
    lines = shop.orders
    last = np.flatnonzero((lines.visible < until) & (lines.customer >= 0) & (lines.revenue > 0))
    last = last[[lines.visible[last].argmax()]]
    orders = lines.take(np.setdiff1d(np.arange(len(lines)), last))
    expected = told(training_set(Logs(shop, how), until, how), shop)

    other = Shop(**{**vars(shop), "orders": orders})

    assert told(training_set(Logs(other, how), until, how), other) != expected


def test_row_order_does_not_matter(shop: Shop) -> None:
    until, how = as_time(CUTOFF), settings_of()
    other = shuffled(shop)

    assert told(training_set(Logs(other, how), until, how), other) == told(
        training_set(Logs(shop, how), until, how), shop
    )


def test_a_shop_without_a_support_table_loses_the_support_features_and_nothing_else() -> None:
    frames, settings = frames_of(customers=120), settings_of()
    whole = training_set(Logs(read(frames), settings), as_time(CUTOFF), settings)
    bare = training_set(
        Logs(read({name: frame for name, frame in frames.items() if name != "support"}), settings),
        as_time(CUTOFF),
        settings,
    )
    names = {
        feature.name
        for family in FAMILIES
        for feature in family.features(settings.features.windows_days)
        if any(need.split(".")[0] == "support" for need in feature.needs)
    }
    kept = [place for place, name in enumerate(whole.table.names) if name not in names]

    assert len(names) > 40
    assert bare.table.names == tuple(whole.table.names[place] for place in kept)
    np.testing.assert_array_equal(bare.table.values, whole.table.values[:, kept])
    left = dataclasses.replace(whole.table, names=bare.table.names, values=whole.table.values[:, kept])
    np.testing.assert_array_equal(churn_of(bare, bare.table), churn_of(whole, left))


def churn_of(rows: TrainingSet, table: FeatureTable) -> np.ndarray:
    """What a model learns from a table with the labels of a training set, and says of its customers."""
    model = OrderTimeModel(rounds=5, least_rows=20).fit(table, rows.orders)
    return np.asarray(model.predict_proba(table)[:, 1])
