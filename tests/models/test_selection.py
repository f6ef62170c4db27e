"""The best few of many, against a full sort."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regulars.models.selection import largest


@given(scores=st.lists(st.sampled_from([-np.inf, -1.5, 0.0, 0.5, 2.0, 3.25]), max_size=40), most=st.integers(0, 45))
def test_they_are_the_first_of_a_full_sort(scores: list[float], most: int) -> None:
    score = np.array(scores, np.float64)
    names = np.random.default_rng(len(scores)).permutation(len(scores))

    found = largest(score, names, most)

    assert found.tolist() == np.lexsort((np.arange(len(score)), -score))[:most].tolist()


@pytest.mark.parametrize("order", [1, -1])
def test_names_that_are_left_out_are_not_met(order: int) -> None:
    score = np.array([5.0, 9.0, 1.0, 7.0, 3.0])

    assert largest(score, np.array([0, 2, 3])[::order].copy(), 2).tolist() == [3, 0]
