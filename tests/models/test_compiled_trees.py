"""The compiled walk beside LightGBM's own, to the last bit."""

from __future__ import annotations

from typing import Any

import lightgbm as lgb
import numpy as np
import pytest

from regulars.models.compiled_trees import CompiledTrees
from regulars.models.trees import raw_scores


def rows_of(count: int, seed: int, missing: float = 0.1) -> Any:
    """Numbers of many sizes, whole ones among them, some missing or infinite."""
    rng = np.random.default_rng(seed)
    table = (rng.normal(size=(count, 8)) * 10.0 ** rng.integers(-6, 7, 8)).astype(np.float32)
    table[:, 2] = rng.integers(-3, 4, count)
    table[:, 3] = 0.0
    table[rng.random(table.shape) < missing] = np.nan
    table[rng.random(table.shape) < 0.01] = np.inf
    table[rng.random(table.shape) < 0.01] = -np.inf
    table[:, 7] = rng.integers(0, 5, count)  # never missing where the trees are grown
    return table


def grown(seed: int, missing: float = 0.1, **settings: Any) -> lgb.Booster:
    table = rows_of(2_000, seed, missing)
    target = np.nan_to_num(table[:, 2], posinf=5, neginf=-5) + np.isnan(table[:, 0]) + (table[:, 7] > 2)
    noise = np.random.default_rng(seed).normal(size=len(table))
    told = {"objective": "regression", "num_leaves": 15, "verbose": -1, "num_threads": 1, "min_data_in_leaf": 5}
    return lgb.train({**told, **settings}, lgb.Dataset(table, target + noise), 20)


def own_scores(booster: lgb.Booster, rows: Any) -> Any:
    """What LightGBM itself says."""
    return booster.predict(rows, raw_score=True)


@pytest.mark.parametrize("missing", [0.0, 0.1, 0.6])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_same_sums_as_lightgbm(seed: int, missing: float) -> None:
    booster = grown(seed, missing)
    rows = rows_of(1_001, seed + 10)
    rows[::50, 7] = np.nan
    assert np.array_equal(CompiledTrees.of(booster).raw_scores(rows), own_scores(booster, rows))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 7, 8, 9, 63, 64, 65, 130])
def test_any_number_of_rows(count: int) -> None:
    booster, rows = grown(3), rows_of(130, 4)
    expected = own_scores(booster, rows)
    assert np.array_equal(raw_scores(booster, rows[:count]), expected[:count])
    assert np.array_equal(raw_scores(booster, np.asfortranarray(rows)[:count]), expected[:count])


def test_a_tree_without_a_split() -> None:
    rows = rows_of(100, 0)
    booster = lgb.train(
        {"objective": "binary", "verbose": -1, "min_data_in_leaf": 90}, lgb.Dataset(rows, np.arange(100) % 2), 3
    )
    assert np.array_equal(CompiledTrees.of(booster).raw_scores(rows), own_scores(booster, rows))


def test_what_cannot_be_compiled_is_refused() -> None:
    zeros = grown(0, zero_as_missing=True)
    with pytest.raises(ValueError, match="zeros as missing"):
        CompiledTrees.of(zeros)
    rows = rows_of(300, 1)
    three = lgb.train(
        {"objective": "multiclass", "num_class": 3, "verbose": -1}, lgb.Dataset(rows, np.arange(300) % 3), 2
    )
    with pytest.raises(ValueError, match="one output"):
        CompiledTrees.of(three)
    linear = grown(0, 0.0, linear_tree=True)
    with pytest.raises(ValueError, match="linear"):
        CompiledTrees.of(linear)


def test_rows_of_another_width_or_precision_are_refused() -> None:
    with pytest.raises(ValueError, match="8 columns"):
        CompiledTrees.of(grown(0)).raw_scores(rows_of(5, 0)[:, :7])
    with pytest.raises(ValueError, match="float64"):
        CompiledTrees.of(grown(0)).raw_scores(rows_of(5, 0).astype(np.float64))
