"""Groups of customers, shelves and tastes: what they say of tables that can be checked by eye."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from regulars.features.baskets import Baskets, PurchaseLog
from regulars.features.shop import DAY, I32, NEVER, NONE, CustomerChanges, OrderLines, ProductChanges, Shop
from regulars.models.catalogue import COLUMNS, catalogue_at
from regulars.models.factors import find_factors, fit_of, no_factors, place
from regulars.models.neighbours import build_pool
from regulars.models.next_product import NextProductModel
from regulars.models.peer_groups import SHOWN, peer_groups
from regulars.models.shelves import shelves, shelves_of

PRODUCTS = np.array(["apple", "bread", "drill", "hammer", "milk", "saw"], dtype=object)
APPLE, BREAD, DRILL, HAMMER, MILK, SAW = range(6)
END = 100 * DAY


def lines_of(rows: list[tuple[int, int, int]]) -> OrderLines:
    """Lines from customer, day and product; a customer's lines of a day are one order."""
    customer, day, product = (np.array([row[i] for row in rows], dtype=np.int64) for i in range(3))
    ones = np.ones(len(rows), dtype=np.int64)
    return OrderLines(
        time=day * DAY,
        visible=day * DAY,
        customer=customer.astype(np.int32),
        order=customer * 1_000 + day,
        product=product.astype(np.int32),
        quantity=ones * 1_000,
        revenue=ones * 50_000,
        margin=ones * 20_000,
        discount=ones * 0,
        channel=(ones * NONE).astype(np.int32),
    )


def told(segments: list[int], since: list[int]) -> CustomerChanges:
    """One row a customer: a segment, from a day on."""
    count, nothing = len(segments), np.full(len(segments), NONE, dtype=np.int32)
    time = np.array(since, dtype=np.int64) * DAY
    never = np.full(count, NEVER, dtype=np.int64)
    return CustomerChanges(
        time=time,
        visible=time,
        customer=np.arange(count, dtype=np.int32),
        signed_up_at=never,
        birth_date=never,
        country=nothing,
        segment=np.array(segments, dtype=np.int32),
        contact_allowed=nothing,
        account_owner=nothing,
        left_at=never,
    )


def shop_of(orders: OrderLines, segments: list[int], since: list[int] | None = None) -> Shop:
    """A shop with the segments 'cook' (0) and 'smith' (1)."""
    ids = np.array([f"c{i:02}" for i in range(len(segments))], dtype=object)
    return Shop(
        ids,
        PRODUCTS,
        orders,
        customers=told(segments, since or [0] * len(segments)),
        words={"customers.segment": np.array(["cook", "smith"], dtype=object)},
        given=frozenset({"orders", "orders.product_id", "customers", "customers.segment"}),
    )


def with_shelves(shop: Shop) -> Shop:
    """Food on shelf 0, tools on shelf 1, the saw's known since day 50 only."""
    count, nothing = len(PRODUCTS), np.full(len(PRODUCTS), NONE, dtype=np.int32)
    time = np.zeros(count, dtype=np.int64)
    time[SAW] = 50 * DAY
    rows = ProductChanges(
        time=time,
        visible=time,
        product=np.arange(count, dtype=np.int32),
        name=nothing,
        category=np.array([0, 0, 1, 1, 0, 1], dtype=np.int32),
        unit_cost=np.full(count, -1, dtype=np.int64),
        service_interval_days=np.full(count, np.nan),
        accessory_of=nothing,
    )
    words = {**shop.words, "products.category": np.array(["food", "tools"], dtype=object)}
    return replace(shop, products=rows, words=words, given=shop.given | {"products", "products.category"})


def baskets_of(shop: Shop, moment: int = END) -> Baskets:
    return PurchaseLog.of(shop).before(moment)


COOKS = [(c, day, product) for c in range(4) for day in (70, 80, 90) for product in (BREAD, MILK)]
SMITHS = [(c, day, product) for c in range(4, 8) for day in (75, 85) for product in (HAMMER, SAW)]


def test_lifts_by_eye() -> None:
    shop = shop_of(lines_of(COOKS + SMITHS), [0] * 4 + [1] * 4)
    found = peer_groups(shop, baskets_of(shop), 6, np.ones(6, dtype=bool), undated=False)
    assert [words.tolist() for words in found.words] == [["cook", "smith"], []]
    # Cooks bought bread in 12 of their 12 baskets; in all there are 20, and 30 of those shares are added.
    share, everybody = (12 + 30 * 12 / 20) / (12 + 30), 12 / 20
    assert found.lifts.product[found.lifts.start[0] : found.lifts.start[1]].tolist() == [BREAD, MILK]
    assert found.lifts.lift[0] == pytest.approx(share / everybody)
    assert found.lifts.product[found.lifts.start[1] :].tolist() == [HAMMER, SAW]
    assert found.lifts.top.tolist() == [[BREAD, MILK] + [NONE] * (SHOWN - 2), [HAMMER, SAW] + [NONE] * (SHOWN - 2)]
    assert found.of_customers(shop, np.array([5, 0], dtype=np.int32), END).tolist() == [[1, NONE], [0, NONE]]


def test_a_group_is_that_of_the_moment() -> None:
    shop = shop_of(lines_of(COOKS + SMITHS), [0] * 4 + [1] * 4, [0] * 4 + [0, 0, 0, 95])
    found = peer_groups(shop, baskets_of(shop), 6, np.ones(6, dtype=bool), undated=False)
    late = np.array([7], dtype=np.int32)
    assert found.of_customers(shop, late, 95 * DAY).tolist() == [[NONE, NONE]]
    assert found.of_customers(shop, late, END).tolist() == [[1, NONE]]
    before = peer_groups(shop, baskets_of(shop, 95 * DAY), 6, np.ones(6, dtype=bool), undated=False)
    assert before.lifts.lift[-1] < found.lifts.lift[-1]


def test_what_is_not_on_sale_is_not_popular() -> None:
    shop = shop_of(lines_of(COOKS + SMITHS), [0] * 4 + [1] * 4)
    on_sale = np.arange(6) != HAMMER
    assert peer_groups(shop, baskets_of(shop), 6, on_sale, undated=False).lifts.top[1, :2].tolist() == [SAW, NONE]


def test_shelves_by_eye() -> None:
    shop = with_shelves(shop_of(lines_of(COOKS + SMITHS), [0] * 8))
    same = np.append(np.arange(6), NONE).astype(np.int32)
    assert shelves_of(shop, same, 6, 50 * DAY, undated=False).tolist() == [0, 0, 1, 1, 0, NONE]
    of = shelves_of(shop, same, 6, END, undated=False)
    assert of.tolist() == [0, 0, 1, 1, 0, 1]
    made = shelves(of, np.array([MILK, SAW, BREAD, HAMMER]))
    assert made.top[:, :3].tolist() == [[MILK, BREAD, NONE], [SAW, HAMMER, NONE]]


def test_repeats_by_baskets_by_eye() -> None:
    # One customer: bread, milk, bread, bread. Two purchases of bread have a basket after them, and one has bread in it.
    shop = shop_of(lines_of([(0, 10, BREAD), (0, 20, MILK), (0, 30, BREAD), (0, 40, BREAD)]), [0])
    table = catalogue_at(baskets_of(shop), 6, 30 * DAY).table
    usual = (1 + 0) / (2 + 1)
    assert table[BREAD, COLUMNS.index("again_next")] == pytest.approx((1 + 5 * usual) / (2 + 5))
    assert table[MILK, COLUMNS.index("again_next")] == pytest.approx((0 + 5 * usual) / (1 + 5))
    # Only bread's first purchase has three baskets after it, and one of them holds bread.
    assert table[BREAD, COLUMNS.index("again_soon")] == pytest.approx((1 + 5 * 1.0) / (1 + 5))


def test_tastes_join_what_nobody_bought_together() -> None:
    # Apples go with bread and bread with milk; nobody holds apples and milk. Tools are another taste.
    pairs = [(APPLE, BREAD)] * 20 + [(BREAD, MILK)] * 20 + [(DRILL, HAMMER)] * 20 + [(HAMMER, SAW)] * 20
    rows = [(i, 50, product) for i, pair in enumerate(pairs) for product in pair]
    shop = shop_of(lines_of(rows), [0] * len(pairs))
    baskets = baskets_of(shop)
    first, last = baskets.rows_of(baskets.buyers())
    padded = 8  # a quarter as many tastes: food and tools
    pool = build_pool(first, last, baskets.product, baskets.basket, padded, 11, 0.9, 0.9)
    factors = find_factors(pool, padded)
    assert factors.taste.shape == (padded, 2)
    where = place(np.array([APPLE]), np.array([0.5]), factors)
    assert fit_of(MILK, where, factors)[0] > 10 * abs(fit_of(SAW, where, factors)[0])
    assert fit_of(99, where, factors) == (0.0, 0.0)
    nowhere: I32 = np.zeros(0, dtype=np.int32)
    assert (place(nowhere.astype(np.int64), np.zeros(0), factors) == 0).all()
    assert (
        find_factors(build_pool(first[:5], last[:5], baskets.product, baskets.basket, padded, 11, 0.9, 0.9), padded)[
            0
        ].shape
        == no_factors(padded).taste.shape
    )


def test_a_new_customer_gets_what_their_segment_buys() -> None:
    rng = np.random.default_rng(0)
    rows = []
    for customer in range(200):
        start = int(rng.integers(0, 90))
        own = (BREAD, MILK, APPLE) if customer % 2 == 0 else (HAMMER, SAW, DRILL)
        for day in np.cumsum(rng.integers(3, 12, 12)).tolist():
            rows += [(customer, start + int(day), product) for product in own if rng.random() < 0.5]
    rows = [row for row in rows if row[1] < 100]
    segments = [customer % 2 for customer in range(200)] + [0, 1]
    shop = shop_of(lines_of(rows), segments)
    fitted = NextProductModel(15, trees=20, customers_per_moment=150, mine=False).fit(shop, END)
    found = fitted.recommend(shop, np.array([200, 201], dtype=np.int32), END, top=3)
    assert set(found.ids(found.all.product)[0]) == {"apple", "bread", "milk"}
    assert set(found.ids(found.all.product)[1]) == {"drill", "hammer", "saw"}
    again = NextProductModel.from_state(fitted.state()).recommend(
        shop, np.array([200, 201], dtype=np.int32), END, top=3
    )
    assert np.array_equal(again.all.probability, found.all.probability)
