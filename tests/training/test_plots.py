"""Plots say what the numbers say, in the house's style, and leave matplotlib as they found it."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from regulars.training.plots import (
    GRID_POINTS,
    ContactValue,
    calibration,
    feature_importance,
    gains,
    metric_by_cutoff,
    next_product_hits,
    profit_curve,
)
from regulars.training.plots_style import BASELINE, MODEL, OTHER, spread, to_png, to_svg
from regulars.training.records import CutoffPredictions, Record

DAYS = ("2011-06-01", "2011-09-01")


def predictions(n: int = 1_000) -> list[CutoffPredictions]:
    """Ten groups with risks .05 to .95 of whom exactly so many leave; the other model is the same for all."""
    risk = np.repeat(np.arange(10) / 10 + 0.05, n // 10)
    left = (np.arange(n) % (n // 10)) < np.round(risk * (n // 10))
    same, nothing = np.full(n, 0.5), np.zeros(n)
    made = {"trees": risk, "constant": same}
    return [CutoffPredictions(day, left, made, nothing, {}, nothing, nothing) for day in DAYS]


def records() -> list[Record]:
    models = (("trees", False, 0.4), ("BG/NBD", True, 0.5), ("recency", True, 0.7))
    made = [
        Record("corner", "order_times", name, baseline, day, "log_loss", value, value - 0.02, value + 0.02, 100)
        for name, baseline, value in models
        for day in DAYS
    ]
    rates = {"ndcg_10": 0.3, "hit_10": 0.5, "hit_10_repeat": 0.4, "hit_10_first": 0.1}
    products = (("ranked <products>", False, 1.0), ("popular", True, 0.5))
    return made + [
        Record("corner", "next_product", name, baseline, day, metric, rate * part, 0.0, 1.0, 100)
        for name, baseline, part in products
        for day in DAYS
        for metric, rate in rates.items()
    ]


PLOTS: dict[str, Callable[[], Figure]] = {
    "calibration": lambda: calibration(predictions(), "trees", 90, "constant"),
    "gains": lambda: gains(predictions(), ["trees", "constant"], 90),
    "profit": lambda: profit_curve(predictions(), ["trees", "constant"], ContactValue(60, 1, 0.05, "GBP")),
    "features": lambda: feature_importance({"days_since_last_order": 3.0, "orders_365d": 1.0}),
    "hits": lambda: next_product_hits(records()),
    "cutoffs": lambda: metric_by_cutoff(records(), "order_times"),
}


def words(figure: Figure) -> str:
    texts = [text.get_text() for text in figure.texts]
    return " ".join(texts + [text.get_text() for axes in figure.axes for text in axes.texts]).replace("\n", " ")


@pytest.mark.parametrize("name", PLOTS)
def test_every_plot_is_a_picture_the_same_each_time_and_leaves_no_settings(name: str) -> None:
    before = dict(mpl.rcParams)
    figure = PLOTS[name]()
    png, svg = to_png(figure), to_svg(figure)
    assert dict(mpl.rcParams) == before
    assert png.startswith(b"\x89PNG")
    assert svg == to_svg(PLOTS[name]())
    ET.fromstring(svg)
    assert "prefers-color-scheme:dark" in svg
    assert MODEL not in svg[svg.index("</style>") :]


def test_calibration_says_what_came_of_the_three_quarters_tenth() -> None:
    figure = PLOTS["calibration"]()
    assert "Of the customers given a risk near 75%, 75% left" in words(figure)
    lines = {line.get_color(): line for line in figure.axes[0].lines}
    assert lines[MODEL].get_xdata() == pytest.approx(np.arange(10) / 10 + 0.05)
    assert lines[MODEL].get_ydata() == pytest.approx(np.arange(10) / 10 + 0.05)
    assert lines[BASELINE].get_xdata() == pytest.approx(np.full(10, 0.5))


def test_gains_of_a_model_that_cannot_tell_are_the_diagonal() -> None:
    figure = PLOTS["gains"]()
    # The riskiest fifth are those of .95 and .85: 180 of the 500 who left.
    assert "The riskiest 20% of customers hold 36% of those who left" in words(figure)
    (constant,) = [line for line in figure.axes[0].lines if line.get_color() == BASELINE]
    assert constant.get_ydata() == pytest.approx(GRID_POINTS, abs=1e-9)


def test_profit_is_highest_where_the_next_contact_earns_what_it_costs() -> None:
    # Keeping 5 % of leavers worth 60 pays 3 a leaver, so 1 is earned from a risk of a third: the 7 groups above it.
    figure = PLOTS["profit"]()
    assert "Contacting the riskiest 70% earns most" in words(figure)
    # 1,000 * (5.95 / 10 groups' leavers * 3 - .7) with .95 + ... + .35 = 4.55.
    assert f"{1_000 * (0.455 * 3 - 0.7):,.0f} GBP" in words(figure)
    dear = profit_curve(predictions(), ["trees"], ContactValue(60, 10, 0.05, "GBP"))
    assert "No number of contacts pays at this margin" in words(dear)


def test_features_are_named_in_words_with_their_shares() -> None:
    figure = PLOTS["features"]()
    assert "What the model looks at most: days since last order" in words(figure)
    assert "75.0%" in words(figure)
    many = feature_importance({f"feature_{number:02d}": 1.0 for number in range(20)}, top=15)
    assert "The other 5 share 25%" in words(many)
    assert "looks at nothing" in words(feature_importance({}))


def test_hits_tell_repeat_and_first_purchases_apart() -> None:
    figure = PLOTS["hits"]()
    assert "40% bought a suggested product again, 10% one for the first time" in words(figure)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "all products",
        "bought before",
        "for the first time",
    ]


def test_cutoffs_show_the_model_its_baseline_and_the_rest() -> None:
    figure = PLOTS["cutoffs"]()
    assert "trees is best at 2 of 2 cutoffs" in words(figure)
    assert "lower is better" in words(figure)
    assert [line.get_color() for line in figure.axes[0].lines] == [OTHER, BASELINE, MODEL]
    assert {text.get_text() for text in figure.axes[0].texts} == {"trees", "BG/NBD", "recency"}


def test_labels_keep_their_distance_and_their_order() -> None:
    assert spread([0.5, 0.5, 0.5], 0.1) == pytest.approx([0.4, 0.5, 0.6])
    assert spread([0.1, 0.9], 0.1) == [0.1, 0.9]
    places = spread(sorted(np.random.default_rng(0).random(8).tolist()), 0.1)
    assert np.diff(places).min() >= 0.1 - 1e-9
