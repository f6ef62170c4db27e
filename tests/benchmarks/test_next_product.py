"""The bench of next products: peers by eye, no method sees the reported window, and metrics are of the right rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.training.shops import frames_of, read, with_nonsense

from regulars.features.shop import Shop, as_time

MOMENT = as_time("2025-01-01")


@pytest.fixture(scope="module")
def shop() -> Shop:
    return read(frames_of(customers=60))


def history(bench: Callable[[str], Any], *baskets: tuple[int, set[int]], products: int = 5) -> Any:
    """A history of (customer, products) in time order, a day apart."""
    rows = [(who, number, number - len(baskets), what) for number, (who, held) in enumerate(baskets) for what in held]
    customer, basket, day, product = (np.array(column) for column in zip(*sorted(rows), strict=True))
    return bench("next_product_methods").History(customer, basket, day.astype(float), product, products)


def test_tifu_decays_over_the_whole_history_and_counts_groups_from_the_last(bench: Callable[[str], Any]) -> None:
    told = history(bench, (0, {0}), (0, {0}), (0, {1}), (1, {2}))

    model = bench("next_product_methods").TifuKnn(neighbours=1, within=0.5, between=0.1, alpha=0.25, groups=2)
    vectors = model.fit(told).vectors.toarray()

    # Three baskets in two groups: {first}, {second, third}. Group 0 weighs .1, group 1 weighs 1; both are halved.
    np.testing.assert_allclose(vectors[0, :2], [(0.25 * 0.1 + 0.5 / 2) / 2, 1 / 2 / 2])
    # One basket is group 0 of two, and so weighs .1 though it is the last.
    np.testing.assert_allclose(vectors[1], [0, 0, 0.1, 0, 0])
    np.testing.assert_allclose(model.scores(np.array([1]))[0, :3], 0.75 * vectors[0, :3] + 0.25 * vectors[1, :3])


def test_up_cf_takes_shares_of_the_last_baskets_and_the_asymmetric_cosine(bench: Callable[[str], Any]) -> None:
    told = history(bench, (0, {4}), (0, {0, 1}), (0, {0}), (1, {0, 2}))

    model = bench("next_product_methods").UpCf(recency=2, alpha=0.75, locality=2).fit(told)

    np.testing.assert_allclose(model.share.toarray(), np.array([[1, 0.5, 0, 0, 0], [1, 0, 1, 0, 0]]))
    like = float((1 / (1.25**0.75 * 2**0.25)) ** 2)
    np.testing.assert_allclose(model.scores(np.array([0]))[0], np.array([1 + like, 0.5, like, -np.inf, -np.inf]))


def test_item_knn_is_the_cosine_of_who_bought(bench: Callable[[str], Any]) -> None:
    told = history(bench, (0, {0, 1}), (1, {0, 1}), (2, {0}), (3, {2}), (3, {0}))
    methods = bench("next_product_methods")

    scores = methods.ItemKnn(own=False).fit(told).scores(np.array([2, 3]))

    pair, rare = 2 / np.sqrt(4 * 2), 1 / np.sqrt(4 * 1)
    np.testing.assert_allclose(scores[0], [-np.inf, pair, rare, -np.inf, -np.inf])
    np.testing.assert_allclose(scores[1], [rare, pair, rare, -np.inf, -np.inf])
    nearest = methods.ItemKnn(neighbours=1).fit(told).scores(np.array([2]))
    np.testing.assert_allclose(nearest[0], [1, -np.inf, -np.inf, -np.inf, -np.inf])


def test_ease_solves_what_it_says_it_solves(bench: Callable[[str], Any]) -> None:
    told = history(bench, (0, {0, 1}), (1, {0, 1, 3}), (2, {0}), (3, {1, 3}))

    model = bench("next_product_methods").Ease(penalty=2.0).fit(told)

    bought = np.array([[1, 1, 0], [1, 1, 1], [1, 0, 0], [0, 1, 1]])
    for column in range(3):  # each product's ridge regression on the others
        others = np.delete(bought, column, axis=1)
        weight = np.linalg.solve(others.T @ others + 2 * np.eye(2), others.T @ bought[:, column])
        np.testing.assert_allclose(np.delete(model.weight[:, column], column), weight, rtol=1e-5)
    np.testing.assert_allclose(model.scores(np.array([2]))[0, [0, 1, 3]], model.weight[0], rtol=1e-6)
    assert model.scores(np.array([2]))[0, 2] == -np.inf


def test_markov_follows_the_last_basket(bench: Callable[[str], Any]) -> None:
    told = history(bench, (0, {0}), (0, {1, 2}), (1, {0}), (1, {2}), (2, {3}), (2, {0}))

    scores = bench("next_product_methods").MarkovChain(prior=2.0).fit(told).scores(np.array([0, 2]))

    # After 0 came 1 once and 2 twice, of two; six baskets hold 0 three times, 1 once, 2 twice and 3 once.
    share = np.array([3, 1, 2, 1]) / 6
    np.testing.assert_allclose(scores[1, :4], (np.array([0, 1, 2, 0]) + 2 * share) / (2 + 2))
    # Nothing ever followed 1 or 2, the last basket of customer 0: what is left is the prior.
    np.testing.assert_allclose(scores[0, :4], share)
    assert scores[0, 4] == -np.inf


def test_top_lists(bench: Callable[[str], Any]) -> None:
    told = history(bench, (-1, {2}), (-1, {2}), (0, {3}), (0, {1}), (0, {1}), (0, {0}), (1, {2}))
    methods = bench("next_product_methods")

    assert methods.best(methods.OverallTop().fit(told).scores(np.array([0])), 5).tolist() == [[2, 1, 0, 3, -1]]
    # Ties go to what was bought first; then what is popular.
    assert methods.best(methods.GPTopFreq().fit(told).scores(np.array([0])), 5).tolist() == [[1, 3, 0, 2, -1]]
    new = bench("next_product_peers").lists_of(methods.GPTopFreq().fit(told), told, np.array([0, 1]))["new"]
    assert new[:, :3].tolist() == [[2, -1, -1], [1, 0, 3]]


def test_settings_are_chosen_one_horizon_earlier(bench: Callable[[str], Any]) -> None:
    told = history(bench, (0, {0}), (1, {1}), (0, {0, 2}), (2, {3}), (1, {1}))

    found = bench("next_product_peers").Validation.of(told, 3)

    # Days -5 and -4 were known, days -3 to -1 are the window; customer 2 was not there yet.
    assert found.history.customer.tolist() == [0, 1]
    assert found.history.day.tolist() == [-2, -1]
    assert (found.customers.tolist(), found.indptr.tolist(), found.items.tolist()) == ([0, 1], [0, 2, 3], [0, 2, 1])
    assert found.recall(bench("next_product_methods").OverallTop()) == 0.75


def test_nothing_that_a_method_is_given_is_of_the_window(bench: Callable[[str], Any], shop: Shop) -> None:
    case_of = bench("next_product_data").Case
    asked = [case_of("toys", "toys", MOMENT, 90, one) for one in (shop, with_nonsense(shop, MOMENT))]
    truths = [case.truths()["all"] for case in asked]
    assert not np.array_equal(truths[0].items, truths[1].items), "what comes after the moment is not the same"

    for case in asked:
        assert case.history.orders.visible.max() < MOMENT
        assert case.inputs()["day"].max() < 0
    first, second = (case.history.orders for case in asked)
    for name in vars(first):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    inputs = [case.inputs() for case in asked]
    assert inputs[0].keys() == inputs[1].keys()
    for name, values in inputs[0].items():
        np.testing.assert_array_equal(values, inputs[1][name])


def test_truth_and_metrics_by_eye(bench: Callable[[str], Any]) -> None:
    data, judge = bench("next_product_data"), bench("next_product_judge")
    truths = {
        "all": data.Truth(np.array([0, 2, 2, 3]), np.array([0, 1, 2])),
        "repeat": data.Truth(np.array([0, 1, 1, 1]), np.array([0])),
        "new": data.Truth(np.array([0, 1, 1, 2]), np.array([1, 2])),
    }
    lists = {"all": np.array([[0, 5, 1], [0, 1, 2], [3, 4, 5]]), "new": np.array([[1, 5], [4, 5], [2, 4]])}

    found = judge.metrics_of(lists, truths)

    np.testing.assert_array_equal(found["all recall@10"], [1, np.nan, 0])
    np.testing.assert_array_equal(found["repeat recall@10"], [1, np.nan, np.nan])
    np.testing.assert_array_equal(found["found new recall@10"], [1, np.nan, 0])
    np.testing.assert_array_equal(found["new mrr@5"], [1, np.nan, 1])
    assert judge.coverage(lists["all"], np.array([0, 1, 2, 7])) == 0.75
    said = np.array([[0.5, 0.1, 0.5], [0.1, 0.1, 0.1], [0.1, 0.1, 0.1]])
    gap, ratio = judge.calibration(lists["all"], said, truths["all"])
    assert gap == pytest.approx((0.5 * 2 + 0.1 * 7) / 9)  # nine places are nine bins of one
    assert ratio == pytest.approx((0.5 * 2 + 0.1 * 7) / 2)


def test_the_mean_draws_a_customer_once_for_all_cutoffs(bench: Callable[[str], Any]) -> None:
    judge = bench("next_product_judge")
    rng = np.random.default_rng(1)
    gain = rng.normal(1, 1, 200)

    def group(name: str, sign: float) -> Any:
        values = {"ours": {"m": sign * gain}, "peer": {"m": np.zeros(200)}}
        return judge.Group(name, np.arange(200), {}, {}, np.arange(1), values)

    same = judge.compared([group("a", 1.0), group("b", 1.0)])
    against = judge.compared([group("a", 1.0), group("b", -1.0)])

    told = {(one["group"], one["method"]): one for one in same}
    assert told["mean", "peer"]["gap"] == pytest.approx(gain.mean())
    # The same customers twice are no more certain than once, and gains that cancel in each customer are certain.
    assert told["mean", "peer"]["low"] == told["a", "peer"]["low"]
    cancelled = next(one for one in against if one["group"] == "mean" and one["method"] == "peer")
    assert abs(cancelled["low"]) < 1e-12
    assert abs(cancelled["high"]) < 1e-12
    assert "gap" not in told["a", "ours"]


def test_folds_of_our_own_share_no_customer(
    bench: Callable[[str], Any], shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shops = bench("product_shops")
    (tmp_path / "tafeng").mkdir()
    ids = [str(number) for number in range(30)]
    (tmp_path / "tafeng" / "keyset_0.json").write_text('{"test": ["3", "11", "7", "20"]}', encoding="utf-8")
    monkeypatch.setattr(shops, "DATA", tmp_path)

    folds = shops.tafeng_folds(replace(shop, customer_ids=np.array(sorted(ids), dtype=object)))

    assert [len(fold) for fold in folds] == [4, 4, 4]
    assert len(np.unique(np.concatenate(folds))) == 12
    assert [sorted(ids)[i] for i in folds[0]] == ["11", "20", "3", "7"]


def test_tables_take_the_place_of_tables(bench: Callable[[str], Any]) -> None:
    report = bench("next_product_report")
    page = f"words\n{report.BEGIN}\n\nold\n{report.END}\nmore\n"

    renewed = report.put_into(report.put_into(page, "| new |\n"), "| newer |\n")

    assert renewed == f"words\n{report.BEGIN}\n\n| newer |\n\n{report.END}\nmore\n"
