"""Shops whose customers hold contracts: leaving is said, and the true chance of cancelling is how often it comes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from regulars.datasets.simulate import ShopParameters, SimulatedShop, simulate_shop

PARAMETERS = ShopParameters(
    customers=1_500, history_days=400, contract=True, lifetime_days=300, support_effect=2.0, problem_share=0.3
)


@pytest.fixture(scope="module")
def contract_shop() -> SimulatedShop:
    return simulate_shop(PARAMETERS, seed=11)


def test_everybody_who_leaves_says_so_and_orders_no_more(contract_shop: SimulatedShop) -> None:
    truth = contract_shop.truth["customers"].set_index("customer_id")
    end = pd.Timestamp(PARAMETERS.end)
    left = truth["left_at"][truth["left_at"] < end]
    told = contract_shop.customers.groupby("customer_id")["left_at"].max().dropna()
    pd.testing.assert_series_equal(told.sort_index(), left.sort_index(), check_names=False, check_freq=False)
    last = contract_shop.orders[contract_shop.orders["quantity"] > 0].groupby("customer_id")["ordered_at"].max()
    both = last.index.intersection(left.index)
    assert (last[both] < left[both]).all()
    assert len(left) > 200
    assert (~truth.loc[left.index, "orders"].gt(0)).any(), "some leave without any order"


def test_the_true_chance_of_cancelling_is_how_often_it_comes(contract_shop: SimulatedShop) -> None:
    churn = contract_shop.truth["churn"]
    assert churn.loc[~churn["active"], "cancel_probability"].isna().all()
    active = churn[churn["active"]]
    chance, came = active["cancel_probability"].to_numpy(), active["cancelled"].to_numpy()
    left = contract_shop.truth["customers"].set_index("customer_id")["left_at"][active["customer_id"]].to_numpy()
    begin = active["as_of"].to_numpy()
    assert (came == ((left >= begin) & (left < begin + np.timedelta64(90, "D")))).all()
    for low, high in ((0, 0.1), (0.1, 0.25), (0.25, 0.5), (0.5, 1), (0, 1)):
        band = (chance >= low) & (chance < high)
        error = np.sqrt((chance[band] * (1 - chance[band])).sum())
        assert abs(came[band].sum() - chance[band].sum()) < 4 * error, (low, high)
        assert band.sum() > 100


def test_the_truth_does_not_move_the_shop(contract_shop: SimulatedShop) -> None:
    rare = ShopParameters(**vars(PARAMETERS) | {"moment_every_days": 1_000})
    other = simulate_shop(rare, seed=11)
    pd.testing.assert_frame_equal(other.orders, contract_shop.orders)
    pd.testing.assert_frame_equal(other.customers, contract_shop.customers)


def test_other_shops_know_nothing_of_cancelling() -> None:
    plain = simulate_shop(ShopParameters(customers=50, history_days=200), seed=1)
    assert {"cancelled", "cancel_probability"}.isdisjoint(plain.truth["churn"].columns)
