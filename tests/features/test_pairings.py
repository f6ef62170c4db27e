from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regulars.features.baskets import Baskets, Returned
from regulars.features.pairings import accessories, benjamini_hochberg, main_first, sequences
from regulars.features.shop import DAY

NOBODY = np.zeros(0, dtype=np.int32)


def baskets_of(rows: list[tuple[int, int, int]]) -> Baskets:
    """Baskets from customer, day, product; a customer's purchases of one day are one basket."""
    rows = sorted(rows)
    customer, day, product = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    starts = [i for i in range(len(rows)) if i == 0 or rows[i][:2] != rows[i - 1][:2]]
    return Baskets(
        moment=int(day.max() + 1) * DAY,
        customer=customer.astype(np.int32),
        time=day * DAY,
        product=product.astype(np.int32),
        pieces=np.full(len(rows), 1_000),
        revenue=np.full(len(rows), 10_000),
        basket=np.repeat(np.arange(len(starts)), np.diff([*starts, len(rows)])),
        basket_start=np.array([*starts, len(rows)], dtype=np.int64),
        returned=Returned(NOBODY, NOBODY, np.zeros(0, dtype=np.int64)),
    )


def random_rows(customers: int, products: int, seed: int) -> list[tuple[int, int, int]]:
    """Six purchases of one product a customer, on random days of two years; popular products are bought oftener."""
    rng = np.random.default_rng(seed)
    share = np.arange(1, products + 1) / np.arange(1, products + 1).sum()
    chosen, days = rng.choice(products, (customers, 6), p=share), rng.integers(0, 730, (customers, 6))
    return sorted({(c, int(days[c, i]), int(chosen[c, i])) for c in range(customers) for i in range(6)})


def planted(seed: int = 5) -> list[tuple[int, int, int]]:
    """Random rows of 20 products, with a sequence (20, then 21 after 100 to 140 days) and an accessory (22 with 23)."""
    rng = np.random.default_rng(seed)
    rows = random_rows(400, 20, seed)
    for customer in range(0, 400, 4):
        day = int(rng.integers(0, 500))
        rows += [(customer, day, 20), (customer, day + int(rng.integers(100, 141)), 21)]
    for customer in range(1, 400, 4):
        day = int(rng.integers(0, 700))
        rows += [(customer, day, 22), (customer, day + int(rng.integers(0, 8)), 23)]
    return rows


def test_a_planted_sequence_is_found_with_its_delay() -> None:
    found = sequences(baskets_of(planted()), 24)
    assert (found.first[0], found.second[0]) == (20, 21)
    assert (found.buyers[0], found.support[0]) == (100, 100)
    assert found.lift[0] > 3
    assert 110 < found.typical_days[0] < 130
    assert 130 < found.within_days[0] <= 140


def test_a_planted_accessory_is_found_and_is_no_sequence() -> None:
    baskets = baskets_of(planted())
    found = accessories(baskets, 24)
    assert (found.first[0], found.second[0], found.support[0]) == (22, 23, 100)
    assert found.within_days[0] <= 7
    later = sequences(baskets, 24)
    assert (22, 23) not in zip(later.first.tolist(), later.second.tolist(), strict=True)


@pytest.mark.parametrize("seed", range(5))
def test_random_purchases_make_no_pairs(seed: int) -> None:
    baskets = baskets_of(random_rows(600, 20, seed))
    assert len(sequences(baskets, 20)) == 0
    assert len(accessories(baskets, 20)) == 0


def test_guests_count_for_accessories_only() -> None:
    rows = random_rows(200, 20, 1)
    with_guests = baskets_of_guests(rows, [(day, product) for day in range(60) for product in (20, 21)])
    assert len(accessories(baskets_of(rows), 22)) == 0
    assert {20, 21} == {int(accessories(with_guests, 22).first[0]), int(accessories(with_guests, 22).second[0])}
    assert len(sequences(with_guests, 22)) == 0


def baskets_of_guests(rows: list[tuple[int, int, int]], guests: list[tuple[int, int]]) -> Baskets:
    """Baskets of customers, and of guests (one basket a day)."""
    # Numbered below the customers they are sorted and cut into baskets alike; then they become nobody.
    found = baskets_of([(-9_999 + day, day, product) for day, product in guests] + rows)
    return replace(found, customer=np.maximum(found.customer, -1).astype(np.int32))


def test_of_mirrored_pairs_the_dearer_product_leads() -> None:
    rows = random_rows(300, 20, 3) + [(c, 800, p) for c in range(60) for p in (20, 21)]
    found = accessories(baskets_of(rows), 22)
    assert sorted(zip(found.first.tolist(), found.second.tolist(), strict=True)) == [(20, 21), (21, 20)]
    price = np.ones(22)
    price[21] = 900
    kept = main_first(found, price)
    assert (kept.first.tolist(), kept.second.tolist()) == ([21], [20])


def test_step_up_by_hand() -> None:
    # 0.01 x 5 / 1, 0.02 x 5 / 2, 0.2 x 5 / 3: each no larger than the next.
    assert np.allclose(benjamini_hochberg(np.array([0.2, 0.01, 0.02]), 5), [1 / 3, 0.05, 0.05])


@given(
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 60), st.integers(0, 4)), min_size=1, max_size=60),
    st.integers(0, 10),
    st.integers(11, 60),
)
def test_a_slow_judge_counts_the_same(rows: list[tuple[int, int, int]], low: int, high: int) -> None:
    first: dict[tuple[int, int], int] = {}
    for customer, day, product in sorted(set(rows)):
        first.setdefault((customer, product), day)
    expected = {}
    for a in range(5):
        for b in range(5):
            delays = [first[c, b] - first[c, a] for c in range(8) if (c, a) in first and (c, b) in first and a != b]
            count = sum(low < delay <= high for delay in delays)
            if count >= 2:
                expected[a, b] = count
    found = sequences(baskets_of(sorted(set(rows))), 5, low, high, least=2, false_share=1, lift=0)
    pairs = zip(found.first.tolist(), found.second.tolist(), found.support.tolist(), strict=True)
    assert {(a, b): n for a, b, n in pairs} == expected
