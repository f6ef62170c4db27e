from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from regulars.serving.choosing import Choice, Limits, Options, choose

Row = tuple[int, int, float, int, int, int]
FREE = Limits(np.inf, np.full(3, np.inf), np.full(2, np.inf))


def options(rows: list[Row], held_out: list[bool] | None = None) -> Options:
    customer, play, gain, cost, minutes, owner = (np.array(column) for column in zip(*rows, strict=True))
    ties = np.arange(len(rows)) / len(rows)
    out = np.array(held_out if held_out is not None else [False] * len(rows))
    return Options(customer, play, gain.astype(float), cost, minutes, owner, ties, out)


def limits(budget: float = np.inf, places: Any = np.inf, minutes: Any = np.inf) -> Limits:
    return Limits(budget, np.broadcast_to(np.float64(places), 3).copy(), np.broadcast_to(np.float64(minutes), 2).copy())


def judge(given: Options, within: Limits) -> float:
    """The most that can be gained, by an exact solver."""
    rows, tops = [], []
    for customer in np.unique(given.customer):
        rows.append((given.customer == customer).astype(float))
        tops.append(1.0)
    rows.append(given.cost.astype(float))
    tops.append(within.budget)
    for play, places in enumerate(within.places):
        rows.append((given.play == play).astype(float))
        tops.append(places)
    for owner, minutes in enumerate(within.minutes):
        rows.append(np.where(given.owner == owner, given.minutes, 0.0))
        tops.append(minutes)
    found = milp(
        -given.gain,
        integrality=np.ones(len(given), np.int64),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(np.array(rows), ub=tops),
    )
    assert found.fun is not None
    return -float(found.fun)


def assert_allowed(given: Options, within: Limits, choice: Choice) -> None:
    taken = given.take(choice.chosen)
    assert len(np.unique(taken.customer)) == len(taken)
    left = within.less(taken)
    assert left.budget >= 0
    assert (left.places >= 0).all()
    assert (left.minutes >= 0).all()


def test_without_limits_everyone_gets_their_best() -> None:
    given = options([(0, 0, 1, 5, 0, -1), (0, 1, 3, 9, 0, -1), (1, 0, 2, 5, 0, -1)])
    choice = choose(given, FREE)
    assert choice.chosen.tolist() == [1, 2]
    assert choice.bound == 5


def test_a_budget_goes_where_it_earns_most() -> None:
    given = options([(0, 0, 10, 4, 0, -1), (1, 0, 9, 2, 0, -1), (2, 0, 8, 2, 0, -1)])
    assert choose(given, limits(budget=4)).chosen.tolist() == [1, 2]


def test_a_dear_best_gives_way_to_a_cheap_second() -> None:
    given = options([(0, 0, 10, 4, 0, -1), (0, 1, 9, 1, 0, -1), (1, 0, 8, 3, 0, -1)])
    assert choose(given, limits(budget=4)).chosen.tolist() == [1, 2]


def test_places_and_minutes_bound() -> None:
    given = options([(0, 0, 3, 1, 5, 0), (1, 0, 2, 1, 5, 0), (2, 0, 1, 1, 5, 1)])
    assert choose(given, limits(places=2)).chosen.tolist() == [0, 1]
    assert choose(given, limits(minutes=5)).chosen.tolist() == [0, 2]


def test_the_held_out_take_nothing_and_stand_where_they_would() -> None:
    rows: list[Row] = [(i, 0, 10.0 - i, 1, 0, -1) for i in range(6)]
    plain = choose(options(rows), limits(budget=3)).chosen.tolist()
    held = choose(options(rows, [False, True, False, False, False, False]), limits(budget=3)).chosen.tolist()
    assert plain == [0, 1, 2]
    assert held == [0, 1, 2, 3]


def test_the_held_out_past_the_budget_stay_out() -> None:
    rows: list[Row] = [(i, 0, 10.0 - i, 1, 0, -1) for i in range(6)]
    out = [False, False, False, False, True, True]
    assert choose(options(rows, out), limits(budget=3)).chosen.tolist() == [0, 1, 2]


def test_nothing_to_choose() -> None:
    none = np.zeros(0)
    codes = none.astype(np.int64)
    assert len(choose(Options(codes, codes, none, codes, codes, codes, none, none.astype(bool)), FREE).chosen) == 0


def test_wrong_options_are_refused() -> None:
    with pytest.raises(ValueError, match="positive gain"):
        choose(options([(0, 0, 0, 1, 0, -1)]), FREE)
    with pytest.raises(ValueError, match="stand together"):
        choose(options([(1, 0, 1, 1, 0, -1), (0, 0, 1, 1, 0, -1)]), FREE)


row = st.tuples(
    st.integers(0, 9),
    st.integers(0, 2),
    st.floats(0.1, 20),
    st.integers(0, 50),
    st.sampled_from([0, 5, 10]),
    st.integers(-1, 1),
)
bound = st.one_of(st.just(np.inf), st.integers(0, 5).map(float))


@given(
    st.lists(row, min_size=1, max_size=30).map(sorted),
    st.one_of(st.just(np.inf), st.integers(0, 200).map(float)),
    st.tuples(bound, bound, bound),
    st.tuples(bound, bound).map(lambda pair: tuple(5 * x for x in pair)),
)
def test_never_over_the_limits_and_near_the_exact_optimum(
    rows: list[Row], budget: float, places: tuple[float, ...], minutes: tuple[float, ...]
) -> None:
    given = options(rows)
    within = Limits(budget, np.array(places), np.array(minutes))
    choice = choose(given, within)
    assert_allowed(given, within, choice)
    best, gained = judge(given, within), float(given.gain[choice.chosen].sum())
    binding = np.isfinite([budget, *places, *minutes]).sum()
    assert gained <= best + 1e-6 <= choice.bound + 1e-5
    # Rounding can cost one option for each limit that binds: the vertices of the relaxation have no more fractions.
    assert gained >= best - binding * given.gain.max() - 1e-6


@pytest.mark.parametrize("seed", range(3))
def test_the_loss_is_small_where_there_are_many(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = 3_000
    customer = np.sort(rng.integers(0, 1_500, count))
    owner = (customer % 12) - 4
    given = Options(
        customer,
        rng.integers(0, 3, count),
        rng.lognormal(1, 1, count),
        rng.integers(1_000, 60_000, count),
        np.full(count, 5),
        np.maximum(owner, -1),
        rng.random(count),
        np.zeros(count, bool),
    )
    within = Limits(10_000_000.0, np.array([np.inf, 100.0, 80.0]), np.full(8, 100.0))
    choice = choose(given, within)
    assert_allowed(given, within, choice)
    assert given.gain[choice.chosen].sum() >= 0.99 * choice.bound
