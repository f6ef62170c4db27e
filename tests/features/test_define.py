from __future__ import annotations

import numpy as np
import pytest
from tests.features.strategies import NOW, SETTINGS, Line, rows, shop_of

from regulars.features.asof import Moments
from regulars.features.define import Family, Values
from regulars.features.logs import Logs
from regulars.features.past import Past
from regulars.features.shop import DAY

example = Family("example", needs=("orders",))


@example.feature(unit="orders", empty="0", needs=("orders.product_id",))
def everything(past: Past) -> Values:
    """All orders
    so far."""
    return past.orders.count()


@example.windowed(unit="orders", empty="0", below=90)
def recently(past: Past, last: int) -> Values:
    """Orders in the last {window} days."""
    return past.orders.count(last)


def test_a_column_is_named_like_its_function_and_window() -> None:
    assert [feature.name for feature in example.features((7, 30))] == ["everything", "recently_7d", "recently_30d"]


def test_a_definition_says_what_the_column_is() -> None:
    whole, window = example.features((7,))
    assert (whole.meaning, whole.unit, whole.empty, whole.family) == ("All orders so far.", "orders", "0", "example")
    assert whole.needs == ("orders", "orders.product_id")
    assert window.meaning == "Orders in the last 7 days."


def test_windows_that_mean_nothing_are_left_out() -> None:
    assert [feature.name for feature in example.features((30, 90, 365))] == ["everything", "recently_30d"]


def test_a_windowed_feature_computes_with_its_window() -> None:
    lines = [Line(0, order, NOW - day * DAY, NOW - day * DAY) for order, day in enumerate((3, 8, 40))]
    past = Past(Logs(shop_of(rows(lines)), SETTINGS), Moments(np.array([0], np.int32), np.array([NOW])))
    assert [feature.compute(past)[0] for feature in example.features((7, 30))] == [3, 1, 2]


def test_a_feature_without_a_meaning_is_refused() -> None:
    def silent(past: Past) -> Values:
        return past.orders.count()

    with pytest.raises(ValueError, match="feature silent has no docstring"):
        Family("example").feature(unit="orders", empty="0")(silent)
