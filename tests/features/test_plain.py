"""The integers of plain order lines: by eye, and against decimals."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regulars.features.plain import NotPlainError, line_values, order_codes, rows_by_key, text_heads, units

NOTHING = np.zeros(0)
NO_COST = np.zeros(0, np.int64)


def floats(*values: float | None) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([np.nan if value is None else value for value in values])


def rounded(value: Decimal) -> int:
    return int(value.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def test_a_line_is_pieces_times_price_less_its_discount() -> None:
    found = line_values(NOTHING, floats(3, 2, -2), floats(0.1, 10, 10), NOTHING, floats(None, 5, 5), NO_COST, 400_000)
    assert found.tolist() == [
        [3_000, 2_000, -2_000],
        [3_000, 150_000, -150_000],
        [1_200, 60_000, -60_000],
        [0, 50_000, 50_000],
    ]


def test_what_was_paid_goes_before_pieces_times_price() -> None:
    found = line_values(floats(10, None), floats(4, 4), floats(99, 1), NOTHING, floats(3, 3), NO_COST, 400_000)
    assert found[1].tolist() == [100_000, 10_000]


def test_a_line_without_value_counts_for_nothing() -> None:
    found = line_values(NOTHING, floats(0, 1, 2), floats(5, 0, 5), NOTHING, floats(None, None, 10), NO_COST, 400_000)
    assert not found[:3].any()


def test_the_line_says_what_it_cost_then_the_product_then_the_shop() -> None:
    known = np.array([7_000_000, 7_000_000, -1])
    found = line_values(NOTHING, floats(2, 2, 2), floats(10, 10, 10), floats(3, None, None), NOTHING, known, 400_000)
    assert found[2].tolist() == [140_000, 60_000, 80_000]


@pytest.mark.parametrize("price", [0.1234567, 1e-7, np.inf, 2e11, 5e9])
def test_a_price_that_is_not_plain(price: float) -> None:
    assert line_values(NOTHING, floats(1), floats(price), NOTHING, NOTHING, NO_COST, 0).shape == (4, 0)


decimals = st.integers(-(10**9), 10**9)


@given(
    decimals,
    st.integers(-(10**5), 10**5),
    st.none() | st.integers(0, 10**9),
    st.none() | st.integers(0, 10**8),
    st.integers(0, 10**6),
)
def test_money_is_what_decimals_say(price: int, pieces: int, cost: int | None, off: int | None, share: int) -> None:
    micro, thousandth, unit = Decimal(10) ** 6, Decimal(1_000), Decimal(10_000)
    exact_price, exact_pieces = price / micro, pieces / thousandth
    found = line_values(
        NOTHING,
        floats(pieces / 1_000),
        floats(price / 1_000_000),
        NOTHING if cost is None else floats(cost / 1_000_000),
        NOTHING if off is None else floats(off / 1_000_000),
        NO_COST,
        share,
    )
    gross = exact_price * exact_pieces
    size = max(abs(gross) - (0 if off is None else off / micro), Decimal(0))
    revenue = rounded(size * unit)
    margin = (
        rounded(revenue * (share / micro))
        if cost is None
        else rounded((size - cost / micro * abs(exact_pieces)) * unit)
    )
    sign = -1 if pieces < 0 or gross < 0 else 1
    some = revenue != 0 and pieces != 0
    assert found.shape == (4, 1)
    assert found[:3, 0].tolist() == [sign * abs(pieces) * some, sign * revenue * some, sign * margin * some]


def test_numbers_become_units_rounded_half_away_from_zero() -> None:
    assert units(floats(0.0005, 0.0015, -0.0005, None), 1_000, 7).tolist() == [1, 2, -1, 7]
    with pytest.raises(NotPlainError):
        units(floats(0.0000001), 1_000, 0)


def codes_of(ids: list[str], customer: list[int]) -> list[int]:
    start, rows = rows_by_key(np.array(customer, np.int64), max(customer, default=-1) + 1)
    _, offset, text = pa.array(ids, pa.string()).buffers()
    data = np.frombuffer(text, np.uint8) if text is not None else np.zeros(0, np.uint8)
    offsets = np.frombuffer(offset, np.int32)[: len(ids) + 1]
    heads = text_heads(offsets, data)
    if heads.shape[1] != len(ids):
        return []
    codes = np.empty(len(ids), np.int64)
    codes[rows] = order_codes(start, rows, offsets, data, heads)
    return codes.tolist()


def test_codes_of_orders_rise_with_the_ids_of_a_customer() -> None:
    assert codes_of(["b", "a", "b", "a"], [0, 0, 1, 0]) == [1, 0, 3, 0]


@pytest.mark.parametrize("odd", ["", " a", "a ", "13085.0", "1.000", "a\0b"])
def test_an_id_that_is_not_plain(odd: str) -> None:
    assert codes_of(["b", odd], [0, 0]) == []


ids = st.text("aé0.-", min_size=1, max_size=3).map(lambda text: f"a-long-order-number-{text}-x")


@given(st.lists(st.tuples(ids | st.sampled_from(["a", "ab", "abcdefgh", "abcdefghi"]), st.integers(0, 2)), max_size=80))
def test_codes_of_orders_are_ranks(lines: list[tuple[str, int]]) -> None:
    found = codes_of([one for one, _ in lines], [customer for _, customer in lines])
    assert len(found) == len(lines)
    mine = [
        sorted({(one.encode(), code) for (one, who), code in zip(lines, found, strict=True) if who == c})
        for c in range(3)
    ]
    for pairs in mine:  # one code for one id, and in the order of ids
        assert len({one for one, _ in pairs}) == len(pairs)
        assert [code for _, code in pairs] == sorted({code for _, code in pairs})
    every = [code for pairs in mine for _, code in pairs]
    assert len(every) == len(set(every))
