"""Compiled loops against whole columns, on customers in every state."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import numpy as np
import pytest
from tests.datasets.simulate import judge

from regulars.datasets.simulate import ShopParameters, process
from regulars.datasets.simulate.arrays import NEVER
from regulars.datasets.simulate.outlook import ALONE, AS_PLANNED, CONTACTED, no_order_if_active
from regulars.datasets.simulate.state import Agenda, State, World, first_state

DAY = 400
CUSTOMERS = 600


def _scattered(world: World, rng: np.random.Generator) -> tuple[State, Agenda]:
    """A state in which everything occurs: grudges and goodwill, contacts, gadgets, prospects, those who left."""
    n = len(world.traits)
    state = first_state(world, rng)
    state.orders[:] = rng.integers(0, 4, n)
    state.last_order[:] = np.where(state.orders > 0, DAY - rng.integers(1, 300, n), -NEVER)
    state.clock[:] = rng.uniform(0, 2, n)
    state.threshold[:] = state.clock + rng.exponential(0.2, n)
    state.leave_threshold[:] = rng.exponential(0.05, n)
    state.grudge[:] = np.where(rng.random(n) < 0.4, rng.uniform(-2, 4, n), 0.0)
    state.last_contact[:] = np.where(rng.random(n) < 0.5, DAY - rng.integers(1, 60, n), -NEVER)
    state.gadget_day[:] = np.where(rng.random(n) < 0.3, DAY - rng.integers(1, 40, n), -NEVER)
    state.left_day[:] = np.where(rng.random(n) < 0.2, DAY - 5, NEVER)
    state.belief[:] = rng.uniform(0, 1, n)
    state.announced[:] = (state.left_day < DAY) & (rng.random(n) < 0.5)
    agenda = Agenda(rng.integers(0, n, 500), DAY + rng.integers(-1, 120, 500), rng.choice([1.0, 0.4, -0.2], 500))
    return state, agenda


@pytest.fixture
def world(make_world: Callable[[ShopParameters], World]) -> World:
    return make_world(ShopParameters(customers=CUSTOMERS))


def test_probabilities_are_those_of_the_judge(world: World) -> None:
    state, agenda = _scattered(world, np.random.default_rng(1))
    found = no_order_if_active(world, state, DAY, agenda)
    asked = (world.traits.sign_up_day < DAY) & ~state.announced
    assert 200 < asked.sum() < CUSTOMERS
    contacted_now = np.full(CUSTOMERS, DAY)
    for future, last_contact, campaigns in (
        (AS_PLANNED, state.last_contact, True),
        (CONTACTED, contacted_now, False),
        (ALONE, state.last_contact, False),
    ):
        expected = judge.no_order(world, state, DAY, agenda, last_contact, campaigns=campaigns)
        np.testing.assert_allclose(found[future, asked], expected[asked], rtol=1e-11)
    assert (found[:, state.announced] == 1).all()


def test_a_day_is_that_of_the_judge(world: World) -> None:
    rng = np.random.default_rng(2)
    state, _ = _scattered(world, rng)
    before = deepcopy(state)
    ordered = process._leave_and_buy(world, state, DAY, rng)["customer"]

    p, traits = world.parameters, world.traits
    contact = DAY - before.last_contact < p.campaign_days
    leaves, x = (
        judge.leave_probability(world, before, before.grudge, contact),
        judge.stages(world, before, DAY, contact),
    )
    there = (traits.sign_up_day < DAY) & ~before.announced
    went = there & (before.left_day > DAY) & (before.leave_clock - np.log1p(-leaves) >= before.leave_threshold)
    assert 5 < went.sum() < 100
    assert (state.left_day[went] == DAY).all()
    np.testing.assert_array_equal(state.announced, before.announced | (went & traits.announces))

    stays = there & (before.left_day > DAY) & ~went
    due = stays & (before.clock + x >= before.threshold)
    assert due.sum() > 10
    new = (traits.sign_up_day == DAY) & ~traits.prospect
    for_accessory = np.setdiff1d(ordered, np.flatnonzero(due | new))
    assert np.isin(np.flatnonzero(due | new), ordered).all()
    assert stays[for_accessory].all()
    assert (judge.accessory_order(world, before.gadget_day, DAY)[for_accessory] > 0).all()

    silent = there & ~state.announced & ~np.isin(np.arange(CUSTOMERS), ordered)
    np.testing.assert_allclose(state.clock[silent], (before.clock + x)[silent])
    none = judge.no_regular_order(world, before, before.clock, x) * (
        1 - judge.accessory_order(world, before.gadget_day, DAY)
    )
    unseen = before.belief * (1 - leaves)
    unseen /= unseen + before.belief * leaves * (1 - p.announce_share) + 1 - before.belief
    unseen = unseen * none / (unseen * none + 1 - unseen)
    np.testing.assert_allclose(state.belief[silent], unseen[silent], rtol=1e-11)
