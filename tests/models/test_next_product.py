"""Promises of everything that recommends products, and what the model makes of a shop with known habits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numba import typeof
from sklearn.base import clone

from regulars.features.baskets import PurchaseLog
from regulars.features.shop import DAY, I32, NEVER, NONE, OrderLines, Shop
from regulars.models.next_product import NextProductModel
from regulars.models.next_product_baselines import PersonalTopProducts, PopularProducts
from regulars.models.recommendations import ProductList, Recommendations
from regulars.serving.parts import from_files, to_files

Make = Callable[[], Any]

PRODUCTS = np.array(
    sorted(["bread", "chainsaw", "gone", "milk", "mower", "oil", "rake", "seed", "tea", "unseen"]), object
)
CODE = {name: code for code, name in enumerate(PRODUCTS)}
END = 500 * DAY
HORIZON = 60


def lines_of(rows: list[tuple[int, int, int, str]]) -> OrderLines:
    """Lines from customer, order, day and product."""
    customer, order, day = (np.array([row[i] for row in rows], dtype=np.int64) for i in range(3))
    ones = np.ones(len(rows), dtype=np.int64)
    return OrderLines(
        time=day * DAY + order % 1_000,
        visible=day * DAY + order % 1_000,
        customer=customer.astype(np.int32),
        order=order,
        product=np.array([CODE.get(row[3], NONE) for row in rows], dtype=np.int32),
        quantity=ones * 1_000,
        revenue=ones * 50_000,
        margin=ones * 20_000,
        discount=ones * 0,
        channel=(ones * -1).astype(np.int32),
    )


def make_shop(customers: int = 80, seed: int = 0) -> Shop:
    """Milk every ten days or so and bread in half the baskets; a mower once, then a chainsaw; gone until day 200."""
    rng = np.random.default_rng(seed)
    rows = []
    for customer in range(customers):
        days = np.cumsum(rng.integers(5, 16, 60)) + int(rng.integers(0, 60))
        mown = int(rng.integers(0, len(days) - 8)) if customer % 2 else None
        for place, day in enumerate(days[days < 560].tolist()):
            basket = {"milk"} | {name for name in ("bread", "oil", "rake", "seed", "tea") if rng.random() < 0.2}
            basket |= {"gone"} if day < 200 and rng.random() < 0.5 else set()
            basket |= {"mower"} if place == mown else set()
            basket |= {"chainsaw"} if mown is not None and place == mown + 4 else set()
            rows += [(customer, customer * 100 + place, day, name) for name in sorted(basket)]
    rows += [(NONE, 90_000 + i, i, "tea") for i in range(0, 480, 3)]
    ids = np.array([f"c{i:03}" for i in range(customers)], dtype=object)
    return Shop(ids, PRODUCTS, lines_of(rows), given=frozenset({"orders", "orders.product_id"}))


def model() -> NextProductModel:
    return NextProductModel(HORIZON, trees=30, customers_per_moment=200)


RECOMMENDERS = [model, lambda: PopularProducts(HORIZON), lambda: PersonalTopProducts(HORIZON)]
everyone = pytest.mark.parametrize("make", RECOMMENDERS, ids=["model", "popular", "personal"])


@pytest.fixture(scope="module")
def shop() -> Shop:
    return make_shop()


def customers_of(shop: Shop) -> I32:
    return np.arange(len(shop.customer_ids), dtype=np.int32)


def same(one: ProductList, other: ProductList, rows: Any = slice(None)) -> bool:
    """Whether two lists agree to the last bit, products by code."""
    return all(
        np.array_equal(getattr(one, name)[rows], getattr(other, name), equal_nan=name != "product")
        for name in ("product", "probability", "expected_at", "times", "last_days", "gap_days")
    )


def alike(one: Recommendations, other: Recommendations, rows: Any = slice(None)) -> bool:
    return same(one.all, other.all, rows) and same(one.new, other.new, rows)


@everyone
def test_lists_are_sorted_and_sound(make: Make, shop: Shop) -> None:
    found = make().fit(shop, END).recommend(shop, customers_of(shop), END, top=6)
    known = PurchaseLog.of(shop).before(END)
    for chosen in (found.all, found.new):
        assert chosen.product.shape == (80, 6)
        there = chosen.product >= 0
        assert ((chosen.probability >= 0) & (chosen.probability <= 1)).all()
        assert (chosen.expected_at[there] >= END).all()
        assert (chosen.expected_at[~there] == NEVER).all()
        for row in np.where(there, chosen.product, -1 - np.arange(6)):
            assert len(set(row)) == 6
    bought = set(zip(known.customer.tolist(), known.product.tolist(), strict=True))
    for customer, row in enumerate(found.in_codes_of(shop.product_ids, found.new.product)):
        assert not any((customer, int(product)) in bought for product in row)


def test_probabilities_fall_along_the_list(shop: Shop) -> None:
    found = model().fit(shop, END).recommend(shop, customers_of(shop), END, top=6)
    for chosen in (found.all, found.new):
        assert (np.diff(chosen.probability, axis=1) <= 0).all()


@everyone
def test_the_future_changes_nothing(make: Make, shop: Shop) -> None:
    future = shop.orders.time >= END
    product = np.where(future, CODE["unseen"], shop.orders.product).astype(np.int32)
    changed = replace(shop, orders=replace(shop.orders, product=product, revenue=shop.orders.revenue * (1 + future)))
    cut = replace(shop, orders=shop.orders.take(~future))
    expected = make().fit(shop, END).recommend(shop, customers_of(shop), END)
    for other in (changed, cut):
        assert alike(expected, make().fit(other, END).recommend(other, customers_of(shop), END))


@everyone
def test_row_order_and_the_callers_frame_stay_out_of_it(make: Make, shop: Shop) -> None:
    rows = np.random.default_rng(3).permutation(len(shop.orders))
    shuffled = replace(shop, orders=shop.orders.take(rows))
    before = shuffled.orders.product.copy()
    expected = make().fit(shop, END).recommend(shop, customers_of(shop), END)
    assert alike(expected, make().fit(shuffled, END).recommend(shuffled, customers_of(shop), END))
    assert np.array_equal(before, shuffled.orders.product)


@everyone
def test_one_customer_equals_the_batch(make: Make, shop: Shop) -> None:
    fitted = make().fit(shop, END)
    batch = fitted.recommend(shop, customers_of(shop)[::-1], END)
    for customer in (0, 7, 33):
        mine = shop.orders.take(shop.orders.customer == customer)
        sold, product = np.unique(mine.product, return_inverse=True)
        alone = Shop(
            shop.customer_ids[[customer]],
            shop.product_ids[sold],
            replace(mine, customer=np.zeros(len(mine), np.int32), product=product.astype(np.int32)),
        )
        found = fitted.recommend(alone, np.zeros(1, np.int32), END)
        assert found.product_ids.tolist() == batch.product_ids.tolist()[: len(found.product_ids)]
        assert alike(batch, found, [79 - customer])


@everyone
def test_put_away_and_made_again(make: Make, shop: Shop) -> None:
    fitted = make().fit(shop, END)
    again = type(fitted).from_state(fitted.state())
    expected = fitted.recommend(shop, customers_of(shop), END)
    assert alike(expected, again.recommend(shop, customers_of(shop), END))
    assert again.get_params() == fitted.get_params()
    assert not any("c0" in str(part) for part in fitted.state().values())


@everyone
def test_refitting_starts_afresh(make: Make, shop: Shop) -> None:
    fresh = make().fit(shop, END)
    again = clone(make().fit(make_shop(30, seed=4), END)).fit(shop, END)
    assert alike(*(one.recommend(shop, customers_of(shop), END) for one in (fresh, again)))


def test_threads_change_nothing(shop: Shop) -> None:
    one, two = (replaced.fit(shop, END) for replaced in (model().set_params(threads=1), model().set_params(threads=2)))
    assert alike(*(fitted.recommend(shop, customers_of(shop), END) for fitted in (one, two)))


@pytest.mark.parametrize("threads", [1, 2])
def test_customers_are_answered_a_few_at_a_time(shop: Shop, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = model().set_params(threads=threads).fit(shop, END)
    whole = fitted.recommend(shop, customers_of(shop), END)
    monkeypatch.setattr("regulars.models.next_product.CUSTOMERS_AT_ONCE", 7)
    assert alike(whole, fitted.recommend(shop, customers_of(shop), END))
    nobody = fitted.recommend(shop, np.zeros(0, dtype=np.int32), END)
    assert nobody.all.product.shape == (0, 10)


@everyone
def test_a_shop_without_products(make: Make, shop: Shop) -> None:
    nothing = replace(
        shop,
        product_ids=np.zeros(0, dtype=object),
        orders=replace(shop.orders, product=np.full(len(shop.orders), NONE, dtype=np.int32)),
    )
    fitted = make().fit(nothing, END)
    found = type(fitted).from_state(fitted.state()).recommend(nothing, customers_of(shop), END)
    assert (found.product == NONE).all()
    assert (found.probability == 0).all()


@everyone
def test_customers_and_shops_without_history(make: Make, shop: Shop) -> None:
    young = replace(shop, orders=shop.orders.take(shop.orders.time < 20 * DAY))
    found = make().fit(young, 20 * DAY).recommend(young, customers_of(shop), 20 * DAY)
    assert (found.product[:, 0] >= 0).all()
    empty = replace(shop, orders=shop.orders.take(shop.orders.time < 0))
    assert make().fit(empty, END).recommend(empty, customers_of(shop), END).product.shape == (80, 10)


def test_what_is_no_longer_sold_is_never_recommended(shop: Shop) -> None:
    found = model().fit(shop, END).recommend(shop, customers_of(shop), END)
    assert "milk" in found.ids(found.product)[:, 0]
    for chosen in (found.all, found.new):
        assert "gone" not in found.ids(chosen.product)


def test_staples_lead_and_are_likely(shop: Shop) -> None:
    found = model().fit(shop, END).recommend(shop, customers_of(shop), END, top=2)
    assert (found.ids(found.product)[:, 0] == "milk").mean() > 0.9
    assert found.probability[:, 0].mean() > 0.9


def test_a_mower_calls_for_a_chainsaw() -> None:
    shop = make_shop(300, seed=1)
    fitted = NextProductModel(HORIZON, trees=60).fit(shop, END)
    pairs, ids = fitted.sequences_, fitted.codes_.product_ids
    assert ("mower", "chainsaw") in zip(ids[pairs.first], ids[pairs.second], strict=True)
    known = PurchaseLog.of(shop).before(END)
    holds = {name: set(known.customer[known.product == CODE[name]].tolist()) for name in ("mower", "chainsaw")}
    waiting = np.array(sorted(holds["mower"] - holds["chainsaw"]), dtype=np.int32)
    others = np.array(sorted(set(range(300)) - holds["mower"] - holds["chainsaw"]), dtype=np.int32)
    found = fitted.recommend(shop, np.concatenate([waiting, others]), END)
    chance = np.where(found.ids(found.new.product) == "chainsaw", found.new.probability, 0).max(axis=1)
    assert chance[: len(waiting)].mean() > 4 * chance[len(waiting) :].mean()


def test_a_product_the_model_never_saw_is_bought_again(shop: Shop) -> None:
    fitted = model().fit(shop, END)
    rows = [(0, 50_000 + i, 460 + 8 * i, "unseen") for i in range(5)]
    new = replace(shop, orders=lines_of(rows), customer_ids=shop.customer_ids[:1])
    found = fitted.recommend(new, np.zeros(1, np.int32), END)
    assert "unseen" in found.ids(found.all.product)[0]
    assert "unseen" not in found.ids(found.new.product)[0]
    assert found.in_codes_of(PRODUCTS, found.all.product).max() <= CODE["unseen"]


def test_reasons_in_words(shop: Shop) -> None:
    fitted = model().fit(shop, END)
    found = fitted.recommend(shop, customers_of(shop), END, top=3)
    every, new = fitted.reasons(shop, found)
    milk = found.ids(found.all.product) == "milk"
    assert all(text.startswith("usually every ") and " days, last " in text for text in every[milk])
    assert (every[found.all.product == NONE] == "").all()
    assert all(text.split()[0] in {"bought", "popular"} for text in new[found.new.product >= 0])


def test_returns_count_against(shop: Shop) -> None:
    from regulars.models.candidates import collect
    from regulars.models.own_history import RETURNED

    fitted = model().fit(shop, END)
    back = replace(lines_of([(0, 70_000, 499, "milk")]), quantity=np.array([-5_000]), revenue=np.array([-50_000]))
    joined = {name: np.concatenate([getattr(shop.orders, name), getattr(back, name)]) for name in vars(back)}
    returned = replace(shop, orders=OrderLines(**joined))
    share = {}
    for name, some in (("kept", shop), ("returned", returned)):
        recode, ids = fitted.codes_.extended(some)
        baskets = PurchaseLog.of(some, np.zeros(1, np.int32)).recoded(recode).before(END)
        nobody = np.full((1, 2), NONE, np.int32)
        rows = collect(
            baskets, np.zeros(1, np.int32), nobody, fitted.context_, len(ids), HORIZON * DAY, fitted.candidates
        )
        share[name] = float(rows.evidence[ids[rows.product] == "milk", RETURNED][0])
        times = float(rows.evidence[ids[rows.product] == "milk", 0][0])
    assert share == {"kept": 0, "returned": pytest.approx(5 / times)}


def test_loops_are_not_compiled_again_for_a_stored_model(shop: Shop) -> None:
    """What is read from files has the types of what was learnt: another type costs a newcomer many seconds."""
    fitted = NextProductModel(moments=2, customers_per_moment=60, trees=5, threads=1).fit(shop, END)
    files = from_files(to_files(fitted.state(), "products"), "products")
    again = NextProductModel.from_state(files)
    here, there = (typeof(model.context_.part()) for model in (again, fitted))  # type: ignore[no-untyped-call]
    assert here == there
