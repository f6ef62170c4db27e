from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regulars.training import ranking_metrics as ranking

K = 4
customers = st.lists(
    st.tuples(st.lists(st.integers(-1, 9), min_size=6, max_size=6), st.lists(st.integers(0, 9), max_size=8)),
    min_size=1,
    max_size=6,
)


def csr(baskets: list[list[int]]) -> tuple[Any, Any]:
    return np.cumsum([0, *map(len, baskets)]), np.array([item for basket in baskets for item in basket], dtype=np.int32)


def slow(recommended: list[int], basket: list[int], k: int) -> dict[str, float]:
    """One customer, place by place."""
    bought, seen, places = set(basket), set(), []
    for place, item in enumerate(recommended[:k], start=1):
        if item in bought and item not in seen:
            places.append(place)
        seen.add(item)
    if not bought:
        return dict.fromkeys(("recall", "ndcg", "ndcg_first_k", "hit_rate", "mrr"), np.nan)
    gain = sum(1 / np.log2(place + 1) for place in places)

    def best(count: int) -> float:
        return float(sum(1 / np.log2(place + 1) for place in range(1, count + 1)))

    return {
        "recall": len(places) / len(bought),
        "ndcg": gain / best(len(bought)),
        "ndcg_first_k": gain / best(min(k, len(bought))),
        "hit_rate": float(bool(places)),
        "mrr": 1 / places[0] if places else 0.0,
    }


@given(customers)
def test_metrics_are_those_of_going_place_by_place(drawn: list[tuple[list[int], list[int]]]) -> None:
    lists, baskets = [row[0] for row in drawn], [row[1] for row in drawn]

    got = ranking.ranking_metrics(np.array(lists), *csr(baskets), ks=(1, K, 10))

    for k in (1, K, 10):
        for row, (recommended, basket) in enumerate(drawn):
            for name, expected in slow(recommended, basket, k).items():
                np.testing.assert_allclose(got[f"{name}@{k}"][row], expected, err_msg=f"{name}@{k}")


def test_small_example_by_eye() -> None:
    recommended = np.array([[7, 3, 5], [1, 2, -1], [4, 4, 6]], dtype=np.int32)
    indptr, items = csr([[3, 8], [], [6, 4, 4]])

    np.testing.assert_allclose(ranking.recall_at_k(recommended, indptr, items, 3), [0.5, np.nan, 1.0])
    np.testing.assert_allclose(ranking.hit_rate_at_k(recommended, indptr, items, 1), [0.0, np.nan, 1.0])
    np.testing.assert_allclose(ranking.mrr_at_k(recommended, indptr, items, 3), [0.5, np.nan, 1.0])
    # Customer 0: a hit in place 2 of a basket of two. Customer 2: 4 counts once, 6 stands in place 3.
    ideal = 1 + 1 / np.log2(3)
    np.testing.assert_allclose(
        ranking.ndcg_at_k(recommended, indptr, items, 3), [(1 / np.log2(3)) / ideal, np.nan, 1.5 / ideal]
    )


def test_the_two_ideals_differ_where_more_was_bought_than_there_are_places() -> None:
    recommended, (indptr, items) = np.array([[0, 1]]), csr([[0, 1, 2, 3]])

    assert ranking.ndcg_at_k(recommended, indptr, items, 2, ideal="first_k") == pytest.approx([1.0])
    whole = sum(1 / np.log2(place + 1) for place in range(1, 5))
    assert ranking.ndcg_at_k(recommended, indptr, items, 2) == pytest.approx([(1 + 1 / np.log2(3)) / whole])


def test_a_list_shorter_than_k_and_no_list_at_all() -> None:
    indptr, items = csr([[2]])

    assert ranking.recall_at_k(np.array([[2]]), indptr, items, 20) == [1.0]
    assert ranking.recall_at_k(np.full((1, 3), -1), indptr, items, 3) == [0.0]
    assert ranking.mrr_at_k(np.empty((0, 3)), [0], [], 3).shape == (0,)


@pytest.mark.parametrize(
    ("recommended", "indptr", "items", "message"),
    [
        ([1, 2], [0, 1], [1], "recommended must be"),
        ([[1, 2]], [0, 2], [1], "ending at the number of items"),
        ([[1, 2]], [0, 1], [-1], "product codes must be 0 or more"),
        ([[1, -2]], [0, 1], [1], "product codes must be 0 or more"),
    ],
)
def test_impossible_lists_are_refused(recommended: Any, indptr: Any, items: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ranking.find_hits(recommended, indptr, items)


def test_a_list_of_no_length_is_refused() -> None:
    with pytest.raises(ValueError, match="k is 0"):
        ranking.recall_at_k([[1]], [0, 1], [1], 0)
