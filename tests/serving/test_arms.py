"""Contacted against held out: by eye, against SciPy, and on populations whose truth is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from regulars.serving.arms import FEWEST, Listed, compare_all, compare_plays, too_few

Arm = Sequence[float]


def listed(*plays: tuple[str, Arm, Arm]) -> Listed:
    """Customers from (play, margins of the contacted, margins of the held out); a contact costs 0.5."""
    rows = [(play, True, value) for play, one, _ in plays for value in one]
    rows += [(play, False, value) for play, _, two in plays for value in two]
    contacted = np.array([row[1] for row in rows], bool)
    margin = np.array([row[2] for row in rows], float)
    play = np.array([row[0] for row in rows], object)
    return Listed(play, contacted, np.sign(margin), margin, np.where(contacted, 0.5, 0.0))


def test_one_play_by_eye() -> None:
    # 10 and 14 by turns against 8 and 12: means 12 and 10, each customer 2 away from the mean of the arm,
    # so the variance is 40 x 4 / 38 and the difference 2 with a half-width of
    # 2.024394 x sqrt(160 / 38 x (1/20 + 1/20)) = 1.313600.
    (found,) = compare_plays(listed(("retain", [10, 14] * 10, [8, 12] * 10)))
    assert (found.play, found.contacted, found.held_out, found.too_few) == ("retain", 20, 20, "")
    assert found.orders == pytest.approx((1, 1))
    assert found.margin == pytest.approx((12, 10))
    assert found.cost == 10
    assert found.more == pytest.approx((2, 2 - 1.313600, 2 + 1.313600))
    assert found.earned == pytest.approx((30, 30 - 26.27201, 30 + 26.27201), rel=1e-5)


def test_it_is_students_interval() -> None:
    rng = np.random.default_rng(3)
    one, two = rng.lognormal(3, 1, 300), rng.lognormal(2.9, 1, 40)
    found = compare_all(listed(("retain", list(one), list(two)))).more
    judge = stats.ttest_ind(one, two, equal_var=True).confidence_interval(0.95)
    assert found == pytest.approx((one.mean() - two.mean(), judge.low, judge.high))


def test_in_total_a_play_counts_by_its_contacted() -> None:
    # retain brings 1 to each of 40, thank_you 4 to each of 20: 120 over 60. All in one pot would say
    # (40 x 11 + 20 x 104) / 60 - (20 x 10 + 20 x 100) / 40 = -13.
    found = compare_all(listed(("retain", [11] * 40, [10] * 20), ("thank_you", [104] * 20, [100] * 20)))
    assert found.more == pytest.approx((2, 2, 2))
    assert found.margin == pytest.approx((42, 40))
    assert found.earned.value == pytest.approx(120 - 30)


def test_plays_with_few_customers_are_compared_together() -> None:
    large, one, two = ("a", [3] * 40, [1] * 20), ("b", [5] * 15, [4] * 15), ("c", [7] * 15, [4] * 15)
    assert [found.too_few for found in compare_plays(listed(large, one, two))] == [
        "",
        "15 contacted, and 20 are needed",
        "15 contacted, and 20 are needed",
    ]
    found = compare_all(listed(large, one, two))  # a: 2 to each of 40; b and c together: 6 - 4 to each of 30
    assert found.too_few == ""
    assert found.more.value == pytest.approx(2)
    # c alone is too few for a group of its own and joins the smallest play that is not
    joined = compare_all(listed(large, ("c", [7] * 15, [4] * 15)))
    assert joined.more.value == pytest.approx((40 * 3 + 15 * 7) / 55 - (20 * 1 + 15 * 4) / 35)


@pytest.mark.parametrize(
    ("contacted", "held_out", "told"),
    [
        ([1] * 90, [1] * (FEWEST - 1), "19 held out, and 20 are needed"),
        ([1] * 19, [1] * 40, "19 contacted, and 20 are needed"),
        ([1] * 90, [], "0 held out, and 20 are needed"),
        ([0] * 380 + [9], [0] * 20, "1 of 401 brought any margin, too few for arms of this size"),
    ],
)
def test_too_few_to_tell_is_told(contacted: Arm, held_out: Arm, told: str) -> None:
    group = listed(("retain", contacted, held_out))
    assert too_few(group) == told
    found = compare_all(group)
    assert found.too_few == told
    assert np.isnan([*found.more, *found.earned]).all()
    assert found.cost == len(contacted) / 2


def test_the_order_of_rows_does_not_matter() -> None:
    rng = np.random.default_rng(5)
    given = listed(*((play, list(rng.gamma(1, 9, 60)), list(rng.gamma(1, 9, 25))) for play in "abc"))
    found, other = compare_all(given), compare_all(given.take(rng.permutation(len(given))))
    assert other.more == pytest.approx(found.more)
    assert [play.play for play in compare_plays(given)] == ["a", "b", "c"]


SHARES = {"retain": 0.5, "win_back": 0.15, "thank_you": 0.35, "birthday": 0.3}
SIZES = {"retain": 500, "win_back": 250, "thank_you": 200, "birthday": 12}
SPREAD = 0.8


def population(rng: np.random.Generator, effect: float) -> tuple[Listed, float]:
    """A list a tenth of which is held out, and what a contact truly brings on average.

    Most buy nothing, the others a lognormal margin; a contact multiplies the chance to buy.
    """
    play = np.repeat(np.array(list(SIZES), object), list(SIZES.values()))
    chance = np.array([SHARES[name] for name in play])
    contacted = rng.random(len(play)) >= 0.1
    bought = rng.random(len(play)) < chance * np.where(contacted, effect, 1)
    margin = np.where(bought, rng.lognormal(3, SPREAD, len(play)), 0)
    mean = np.exp(3 + SPREAD**2 / 2)
    return (
        Listed(play, contacted, bought.astype(float), margin, np.where(contacted, 0.5, 0.0)),
        float((chance[contacted] * (effect - 1) * mean).mean()),
    )


@pytest.mark.parametrize("effect", [1.0, 1.3])
def test_the_interval_holds_the_truth_as_often_as_it_says(effect: float) -> None:
    rng = np.random.default_rng(11)
    held, error = [], []
    for _ in range(600):
        given, truth = population(rng, effect)
        found = compare_all(given)
        held.append(found.more.low <= truth <= found.more.high)
        error.append(found.more.value - truth)
    assert 0.93 <= np.mean(held) <= 0.975
    assert abs(np.mean(error)) < 3 * np.std(error) / 600**0.5
