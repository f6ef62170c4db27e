"""The rule of promotion on losses small enough to see, and its interval against a slow bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from regulars.training.promotion import Entry, Refit, Trial, decide, decide_promotion, paired_interval

F64 = NDArray[np.float64]
CUSTOMERS = [np.arange(200), np.arange(100, 300)]


def entry(level: float, *, baseline: bool = False, seed: int = 0) -> Entry:
    noise = np.random.default_rng(seed).normal(0, 0.05, (2, 200))
    return Entry([level + row for row in noise], baseline)


def trial(champion: str | None = None, component: str = "order_times", **models: Entry) -> Trial:
    return Trial(component, CUSTOMERS, models, champion)


def test_the_best_mean_wins_and_is_set_against_the_best_baseline() -> None:
    made = decide(trial(trees=entry(0.4), factor=entry(0.6, baseline=True), bgnbd=entry(0.5, baseline=True, seed=1)))
    assert (made.winner, made.rival, made.metric) == ("trees", "bgnbd", "log_loss")
    assert made.interval is not None
    assert made.interval.value == pytest.approx(-0.1, abs=0.02)
    assert made.interval.high < 0
    assert made.values["trees"] == pytest.approx(0.4, abs=0.01)
    assert made.reason.startswith("Churn and order times: trees is best (log loss 0.39")
    assert "of the baseline bgnbd" in made.reason
    assert "chance" not in made.reason


def test_where_nothing_beats_the_best_baseline_it_is_used_and_says_so() -> None:
    made = decide(trial(trees=entry(0.6), bgnbd=entry(0.5, baseline=True, seed=1)))
    assert made.winner == "bgnbd"
    assert "the baseline bgnbd is used, because nothing beats it" in made.reason


def test_of_equal_models_the_baseline_wins_then_the_champion() -> None:
    assert decide(trial(a=entry(0.5), bgnbd=entry(0.5, baseline=True))).winner == "bgnbd"
    assert decide(trial("b", a=entry(0.5), b=entry(0.5))).winner == "b"


def test_higher_is_better_where_the_metric_says_so() -> None:
    made = decide(trial(component="next_product", ranked=entry(0.3), popular=entry(0.2, baseline=True, seed=1)))
    assert (made.winner, made.metric) == ("ranked", "ndcg_10")


def test_a_difference_that_may_be_chance_is_called_so() -> None:
    made = decide(trial(trees=entry(0.5, seed=1), bgnbd=entry(0.501, baseline=True, seed=2)))
    assert made.interval is not None
    assert made.interval.low < 0 < made.interval.high
    assert "may be chance" in made.reason


def test_a_lonely_model_wins() -> None:
    made = decide(trial(bgnbd=entry(0.5, baseline=True)))
    assert (made.winner, made.rival, made.interval) == ("bgnbd", None, None)
    assert "the only model there is" in made.reason


def test_customers_without_a_place_in_the_metric_are_left_out() -> None:
    losses = [np.array([1.0, np.nan, 3.0]), np.array([np.nan, np.nan, np.nan])]
    made = decide(Trial("value", [np.arange(3), np.arange(3)], {"median": Entry(losses, True)}))
    assert made.values == {"median": 2.0}


def test_the_first_model_is_promoted() -> None:
    made = decide_promotion([trial(trees=entry(0.4), bgnbd=entry(0.5, baseline=True))])
    assert made.promote
    assert made.why == "Promoted: it is the first model of this shop."
    assert [decision.winner for decision in made.decisions] == ["trees"]


def test_the_same_recipe_on_newer_data_is_promoted() -> None:
    made = decide_promotion([trial("trees", trees=entry(0.4), bgnbd=entry(0.5, baseline=True))])
    assert made.promote
    assert "still wins every question" in made.why


def test_a_better_recipe_takes_the_champions_place() -> None:
    made = decide_promotion([trial("old", new=entry(0.4), old=entry(0.45, seed=3), bgnbd=entry(0.5, baseline=True))])
    assert made.promote
    assert made.why == "Promoted: Churn and order times: new in place of old."
    assert made.decisions[0].rival == "old"


@pytest.mark.parametrize(("newer", "promoted"), [(0.5, False), (0.401, True), (0.3, True)])
def test_a_newer_fit_is_refused_only_where_it_is_significantly_worse(newer: float, promoted: bool) -> None:
    refit = Refit("order_times", CUSTOMERS, entry(0.4, seed=4).losses, entry(newer, seed=5).losses)
    made = decide_promotion([trial("trees", trees=entry(0.4))], refits=[refit])
    assert made.promote == promoted
    if not promoted:
        assert made.why.startswith("Not promoted. Churn and order times: fitted on newer data")
        assert made.why.endswith("The champion stays.")


def test_a_worse_ndcg_is_a_lower_one() -> None:
    refit = Refit("next_product", CUSTOMERS, entry(0.3, seed=4).losses, entry(0.2, seed=5).losses)
    same = trial("ranked", "next_product", ranked=entry(0.3))
    assert not decide_promotion([same], refits=[refit]).promote


def test_a_refit_of_a_recipe_that_lost_does_not_count() -> None:
    refit = Refit("order_times", CUSTOMERS, entry(0.4, seed=4).losses, entry(0.9, seed=5).losses)
    assert decide_promotion([trial("old", new=entry(0.4), old=entry(0.5))], refits=[refit]).promote


def slow_interval(customers: list[NDArray[np.int64]], a: list[F64], b: list[F64], samples: int) -> tuple[float, float]:
    rng = np.random.default_rng(1)
    known = sorted({int(code) for codes in customers for code in codes})
    drawn = []
    for _ in range(samples):
        copies = dict.fromkeys(known, 0)
        for code in rng.choice(known, len(known)):
            copies[int(code)] += 1
        means = []
        for codes, left, right in zip(customers, a, b, strict=True):
            weights = np.array([copies[int(code)] for code in codes])
            means.append(float(((left - right) * weights).sum() / weights.sum()))
        drawn.append(np.mean(means))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def test_interval_agrees_with_a_slow_bootstrap_that_draws_customers_with_all_their_rows() -> None:
    rng = np.random.default_rng(0)
    # A customer's difference is the same at both cutoffs, so rows drawn apart would give too narrow an interval.
    difference = rng.normal(0.1, 1, 300)
    a = [difference[codes] for codes in CUSTOMERS]
    b = [np.zeros(200), np.zeros(200)]
    made = paired_interval(CUSTOMERS, a, b, samples=2000)
    assert made.value == pytest.approx((a[0].mean() + a[1].mean()) / 2)
    assert (made.low, made.high) == pytest.approx(slow_interval(CUSTOMERS, a, b, 2000), abs=0.01)


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="order_times: there is no model to choose from"):
        decide(trial())
    with pytest.raises(ValueError, match="the champion 'gone' is not among"):
        decide(trial("gone", trees=entry(0.4)))
    with pytest.raises(ValueError, match=r"'trees' has \[3\] rows at the cutoffs, its customers are \[200, 200\]"):
        decide(trial(trees=Entry([np.zeros(3)])))


def test_where_nobody_has_a_value_a_baseline_is_used_and_says_why() -> None:
    nothing = [np.full(3, np.nan), np.full(2, np.nan)]
    customers = [np.arange(3), np.arange(2)]
    trial = Trial("next_product", customers, {"ours": Entry(nothing), "plain": Entry(nothing, is_baseline=True)})
    decision = decide(trial)
    assert decision.winner == "plain"
    assert "nothing came in the windows to judge any model by" in decision.reason


def test_a_cutoff_at_which_nobody_has_a_value_is_left_out() -> None:
    customers = [np.arange(3), np.arange(2)]
    found = paired_interval(customers, [np.array([1.0, 2.0, np.nan]), np.full(2, np.nan)], [np.zeros(3), np.zeros(2)])
    assert found.value == pytest.approx(1.5)
    assert 1.0 <= found.low <= found.high <= 2.0
