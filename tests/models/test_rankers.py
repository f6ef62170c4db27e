"""Which rows the rankers take for one list."""

from __future__ import annotations

import numpy as np

from regulars.models.rankers import LISTWISE, POINTWISE, Growing, TrainingRows, _growth, _joined

HOW = Growing(trees=1, learning_rate=0.1, leaves=3, negatives=0.5, seed=0, threads=1)


def part(customers: list[int], label: list[bool], bought: list[int]) -> TrainingRows:
    rows = len(customers)
    return TrainingRows(
        np.zeros((rows, 2), np.float32),
        np.array(label),
        np.array(customers, dtype=np.int64),
        np.array(bought, dtype=np.int64),
        np.zeros(rows, dtype=bool),
    )


def test_a_customer_at_two_moments_has_two_lists() -> None:
    # The first moment ends with customer 0 of its sample, and the second begins with its own customer 0.
    rows = _joined([part([0, 0, 0], [True, False, False], [4] * 3), part([0, 0, 1], [True, False, True], [1, 1, 9])])
    assert _growth(rows, LISTWISE, HOW, np.arange(6)).group.tolist() == [3, 2, 1]  # type: ignore[union-attr]
    assert _growth(rows, LISTWISE, HOW, np.array([0, 2, 4, 5])).group.tolist() == [2, 1, 1]  # type: ignore[union-attr]


def test_weights_by_eye() -> None:
    rows = part([0, 0, 1], [True, False, True], [4, 4, 1])
    weight = _growth(rows, POINTWISE, HOW, np.arange(3)).weight
    # Bought: 1 / sqrt(4) and 1 / sqrt(1); not bought: twice 1 / sqrt(4), for every second one was left out.
    assert weight is not None
    np.testing.assert_allclose(weight, np.array([0.5, 1.0, 1.0]) / (2.5 / 3))
