"""The bench of support load: the oracle is the simulator's own, and its principle holds on a small shop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from regulars.datasets.simulate import ShopParameters, simulate_shop

Bench = Callable[[str], Any]

CUSTOMERS, SEED = 700, 5


def oracles(bench: Bench, effect: float) -> tuple[dict[str, Any], Any]:
    """Chances of every oracle on a small shop, and what was watched."""
    oracle, parameters = bench("support_oracle"), bench("support_load").parameters_of(effect, CUSTOMERS)
    watched = bench("support_watch").watch(parameters, SEED)
    names = (oracle.TRUE, oracle.NO_GRUDGE, oracle.UNSEEN, oracle.TABLES)
    return {name: oracle.chances(watched, name) for name in names}, watched


@pytest.mark.slow
def test_the_truth_worked_out_here_is_the_simulators_own(bench: Bench) -> None:
    found, watched = oracles(bench, 1.5)
    parameters: ShopParameters = watched.world.parameters
    told = simulate_shop(parameters, SEED).truth["churn"]
    for place, ahead in enumerate(watched.ahead):
        at = told[told["as_of"] == pd.Timestamp(parameters.start) + pd.Timedelta(days=ahead.day)]
        at = at[at["orders_before"] > 0]
        who = at["customer_id"].str[1:].astype(int).to_numpy() - 1
        np.testing.assert_allclose(found["true"][place][who], at["no_order_probability"], rtol=0, atol=1e-9)


@pytest.mark.slow
def test_who_sees_no_support_is_right_on_average_and_no_oracle_gains_where_there_is_no_effect(bench: Bench) -> None:
    found, watched = oracles(bench, 3.0)
    last = watched.sheet.bought[-1]
    true, unseen = found["true"][-1][last], found["unseen"][-1][last]
    # A best forecast differs from the truth by what it cannot know, and by nothing that it says itself.
    for weight in (np.ones(len(true)), unseen, unseen > 0.5):
        surprise = (true - unseen) * weight
        assert abs(surprise.mean()) < 4 * surprise.std() / np.sqrt(len(surprise))
    assert (true - unseen).std() > 0.03
    # It expects less than no bad handling at all would bring, and tables tell nearly everything.
    assert np.abs(true - found["tables"][-1][last]).mean() < 0.3 * np.abs(true - unseen).mean()

    nothing, _ = oracles(bench, 0.0)
    for name in ("no_grudge", "unseen", "tables"):
        np.testing.assert_allclose(nothing[name], nothing["true"], rtol=0, atol=1e-9)


@pytest.mark.slow
def test_support_features_gain_where_bad_handling_drives_leaving_and_only_there(bench: Bench) -> None:
    load = bench("support_load")
    records = {effect: load.record_of(effect, load.answers(effect, 3, 2_000)) for effect in (0.0, 3.0)}

    strong, none, noise = records[3.0]["ours"], records[0.0]["ours"], records[0.0]["grudge"]
    assert strong[1] > 0
    # Any other set of columns deals the trees anew, which moves a shop this small by about a thousandth: without an
    # effect the true grudge is a column that says nothing, and what it "gains" is where nothing begins.
    assert none[0] - noise[0] < 0.1 * strong[0]
    assert none[0] < strong[0] / 3
    assert records[3.0]["reasons"]["harmed_named"] > 5 * records[0.0]["reasons"]["blamed_first_of_all"]
