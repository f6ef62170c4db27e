"""Trees grown the same everywhere."""

from __future__ import annotations

import numpy as np
import pytest

from regulars.models.trees import (
    Growth,
    booster_part,
    contributions,
    grow_all,
    predictions,
    raw_scores,
    texts_of,
)

RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(500, 4))
TARGET = (INPUTS[:, 1] > 0).astype(np.float64)


BY_ROW = {"force_row_wise": True, "force_col_wise": False}


def growths(count: int) -> list[Growth]:
    return [Growth(INPUTS, TARGET, 5, {"objective": "binary", "seed": seed}) for seed in range(count)]


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_boosters_come_in_order_and_do_not_depend_on_threads(threads: int) -> None:
    grown = grow_all(growths(3), threads)

    assert [booster.model_to_string() for booster in grown] == [one.grow().model_to_string() for one in growths(3)]


def test_counting_by_column_grows_the_same_trees() -> None:
    inputs = np.random.default_rng(1).normal(size=(5000, 30)).astype(np.float32)
    inputs[inputs > 1.5] = np.nan
    target = (np.nan_to_num(inputs[:, 1]) + inputs[:, 2] > 0).astype(np.float64)
    settings = {"objective": "binary", "feature_fraction": 0.3, "seed": 3}

    texts = [Growth(inputs, target, 30, settings | dict(more)).grow().model_to_string() for more in ({}, BY_ROW)]

    one, other = (text.partition("\nparameters:")[0] for text in texts)
    assert one == other


def test_nothing_to_grow() -> None:
    assert grow_all([], 2) == []


def test_trees_find_the_column_that_matters() -> None:
    booster = growths(1)[0].grow()

    churn, raw, pushes = predictions(booster, INPUTS), raw_scores(booster, INPUTS), contributions(booster, INPUTS)

    np.testing.assert_allclose(churn, 1 / (1 + np.exp(-raw)))
    assert churn[TARGET == 1].min() > churn[TARGET == 0].max()
    assert pushes.shape == INPUTS.shape
    assert (np.abs(pushes).argmax(axis=1) == 1).all()
    # The pushes and the mean raw score add up to the raw score.
    np.testing.assert_allclose((raw - pushes.sum(axis=1)).std(), 0, atol=1e-9)


def test_weights_count_like_copies() -> None:
    settings = {"objective": "regression", "min_data_in_leaf": 1, "min_sum_hessian_in_leaf": 0}
    x, y = np.array([[0.0], [0.0], [1.0]]), np.array([1.0, 4.0, 7.0])
    weighted = Growth(x, y, 200, settings | {"lambda_l2": 0.0}, weight=np.array([2.0, 1.0, 1.0])).grow()

    np.testing.assert_allclose(predictions(weighted, x), [2, 2, 7], atol=1e-2)


def test_stored_as_text_and_found_again() -> None:
    booster = growths(1)[0].grow()
    state = texts_of({"there": booster, "absent": None})

    assert list(state) == ["there"]
    assert booster_part(state, "absent") is None
    again = booster_part(state, "there")
    assert again is not None
    np.testing.assert_array_equal(raw_scores(again, INPUTS), raw_scores(booster, INPUTS))


def test_no_rows_and_no_numbers() -> None:
    booster = growths(1)[0].grow()

    assert raw_scores(booster, INPUTS[:0]).shape == (0,)
    assert predictions(booster, INPUTS[:0]).shape == (0,)
    assert contributions(booster, INPUTS[:0]).shape == (0, 4)
    blind = Growth(np.full((500, 4), np.nan), TARGET, 5, {"objective": "binary"}).grow()
    np.testing.assert_allclose(predictions(blind, INPUTS), TARGET.mean(), atol=1e-6)
