"""The report: what it says, that it is whole and safe, and that it works with little to tell."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from regulars.features.readiness import Item, Readiness, Section
from regulars.serving.drawing import line_chart, ticks
from regulars.serving.outreach import Coverage, OutreachList
from regulars.serving.report import Pair, Picture, ReportInputs, build_report, write_report
from regulars.serving.report_parts import coverage, headline, number, plays, quality, stopping, totals, whale

SVG = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(2)</script></svg>'
EVIL = "<script>alert(1)</script>"


def scores() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "customer_id": ["a", "b", "c", "d"],
            "status": ["scored", "scored", "lapsed", "prospect"],
            "stage": ["committed", "fading", "gone", "prospect"],
            "churn_probability": [0.2, 0.75, 0.99, 0.9],
            "expected_orders": [2.0, 0.5, 0.0, 0.1],
            "expected_margin": [80.0, 10.0, 0.0, 1.0],
            "profit_to_date": [500.0, 100.0, -50.0, 0.0],
        }
    )


def outreach() -> OutreachList:
    rows = pd.DataFrame(
        {
            "customer_id": ["a", "b", "c"],
            "audience": "customer",
            "play": ["next product", "retain", "retain"],
            "product_id": ["P1", None, None],
            "expected_profit": [9.0, 4.0, 3.0],
            "uplift": 0.1,
            "cost": [0.5, 0.5, 0.0],
            "reason": [f"Bought {EVIL} in May.", "Late by 30 days.", "Late by 9 days."],
            "arm": ["contact", "contact", "hold_out"],
            "owner": ["Asha", None, None],
            "contact_by": pd.Timestamp("2011-09-15"),
            "list_id": "list-1",
        }
    ).astype({"product_id": "str", "owner": "str"})
    curve = pd.DataFrame(
        {
            "where": ["best half", "stop", "half as many more", "all eligible"],
            "contacts": [1, 3, 4, 4],
            "cost": [0.5, 1.5, 2.0, 2.0],
            "expected_profit": [9.0, 16.0, 14.0, 14.0],
            "next_profit": [4.0, -2.0, np.nan, np.nan],
        }
    )
    outcome = {"retain": 2, "next product": 1, "contact not allowed": 1}
    told = {"list_id": "list-1", "uplift_from": "stated priors of the plays"}
    return OutreachList(rows, told, Coverage(outcome, curve, 16.0, 16.0))


def records() -> pd.DataFrame:
    rows = [
        ("order_times", "trees", False, "2011-06-01", "log_loss", 0.4),
        ("order_times", "trees", False, "2011-09-01", "log_loss", 0.5),
        ("order_times", "BG/NBD", True, "2011-06-01", "log_loss", 0.6),
        ("order_times", "BG/NBD", True, "2011-09-01", "log_loss", 0.5),
        ("value", "value trees", False, "2011-09-01", "mae", 9.0),
        ("value", "gamma-gamma", True, "2011-09-01", "mae", 8.0),
        ("next_product", "popular", True, "2011-09-01", "hit_10", 0.1),
    ]
    frame = pd.DataFrame(rows, columns=["component", "model", "is_baseline", "as_of", "metric", "value"])
    return frame.assign(low=frame["value"] - 0.1, high=frame["value"] + 0.1, n=100)


def inputs() -> ReportInputs:
    cheaper = {"customer_id": ["c"], "margin": [10.0], "cost_to_serve": [60.0], "shortfall": [50.0]}
    ready = Readiness("fair", "", (Section("What is missing", (Item("warn", "No costs.", "Add unit_cost."),)),))
    return ReportInputs(
        "Corner & Co",
        "GBP",
        "2011-09-01T00:00:00",
        90,
        scores(),
        "regulars-corner v3",
        7,
        outreach(),
        pd.DataFrame(cheaper).assign(referred_margin=0.0, minutes_last_year=33.0, reason="Answer in groups."),
        records(),
        [Picture("gains", 'The "riskiest" fifth', SVG)],
        ["Churn: trees is best."],
        [Pair("Mower", "Chainsaw", 0.3, 4.0, 118.0, 20)],
        [Pair("Player", EVIL, 0.4, 7.0, 0.0, 9)],
        {"P1": EVIL},
        ready,
        "2011-09-01",
        True,
    )


class Page(HTMLParser):
    """What a browser would load, run, or stumble over."""

    VOID = ("meta", "img", "br", "hr", "input", "link", "line", "circle", "path")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.alts: list[str | None] = []
        self.scopes: list[str | None] = []
        self.levels: list[int] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.addresses += [given[name] or "" for name in ("src", "href") if name in given]
        if tag == "img":
            self.alts.append(given.get("alt"))
        if tag == "th":
            self.scopes.append(given.get("scope"))
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


@pytest.fixture(scope="module")
def html() -> str:
    return build_report(inputs())


def test_nothing_is_loaded_and_nothing_runs(html: str) -> None:
    page = Page(html)
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert [address for address in page.addresses if not address.startswith(("#", "data:image/svg+xml;base64,"))] == []
    assert "http://" not in html
    assert "https://" not in html
    assert "@import" not in html


def test_texts_of_the_shop_are_escaped(html: str) -> None:
    assert EVIL not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 3
    assert "Corner &amp; Co" in html
    assert "alert(2)" not in html  # inside an image, where it does not run


def test_the_page_is_well_formed_and_accessible(html: str) -> None:
    page = Page(html)
    assert page.open == []
    assert page.levels[0] == 1
    assert page.levels.count(1) == 1
    assert max(np.diff(page.levels)) <= 1
    assert page.alts == ['The "riskiest" fifth']
    assert set(page.scopes) <= {"row", "col"}
    assert html.count('role="img" aria-label="') == 2
    assert '<html lang="en">' in html
    ids = set(re.findall(r' id="([^"]+)"', html))
    assert {address[1:] for address in page.addresses if address.startswith("#")} <= ids


@pytest.mark.parametrize(
    "told",
    [
        "1 of 2 customers are more likely to leave than to order",
        "Whom to contact: 2 customers, expected to earn £13.00 for £1.00",
        "what the list really earned can be measured: 1.",
        "The list stops at 3 customers, with £16.00 expected if all were contacted. Writing to all 4 would lose £2.00.",
        "All customers together have brought £550, and the best 20% alone £500. 1 has cost more than it brought, ",
        "1 customer costs more to serve than it brings, £50.00 in all.",
        "It did better than the best of them on 1 of 2 questions.",
        "Churn: trees is best.",
        "No costs.",
        "regulars-corner v3, trained on what was known before 2011-09-01",
        "stated priors of the plays",
        "same day",
    ],
)
def test_what_the_page_says(html: str, told: str) -> None:
    assert told in re.sub(r"\s+", " ", html)


def test_simulated_is_said_where_it_is_so_and_nowhere_else(html: str) -> None:
    real = build_report(replace(inputs(), simulated=False))
    assert html.index("Simulated: this shop") < html.index("Customers known")
    assert "<title>Simulated: " in html
    assert "imulated" not in real


def test_a_page_without_list_records_and_pictures_stands() -> None:
    bare = ReportInputs("Corner", "CHF", "2011-09-01", 90, scores(), "v1", 7)
    page = build_report(bare)
    assert Page(page).open == []
    for absent in ("Whom to contact", "How good the model is", "What goes together", "Serve more cheaply", "None"):
        assert absent not in page
    assert "91.00 CHF" in page


def test_the_page_is_the_same_each_time_and_written_whole(html: str, tmp_path: Path) -> None:
    assert html == build_report(inputs())
    write_report(html, tmp_path / "new" / "report.html")
    assert (tmp_path / "new" / "report.html").read_text(encoding="utf-8") == html
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["report.html"]


def test_without_jinja_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'regulars\[train\]'"):
        build_report(inputs())


def test_margin_at_risk_is_worth_when_ordering_times_the_chance_of_no_order() -> None:
    made = headline(scores())
    assert made.at_risk == pytest.approx(80 / 0.8 * 0.2 + 10 / 0.25 * 0.75)
    assert (made.customers, made.scored, made.likely_to_leave) == (4, 2, 1)
    assert made.orders == pytest.approx(2.6)
    assert made.margin == pytest.approx(91.0)


def test_plays_count_costs_and_profit_of_what_is_sent_only() -> None:
    assert [tuple(play) for play in plays(outreach().rows)] == [
        ("next product", 1, 0, 0.5, 9.0),
        ("retain", 1, 1, 0.5, 4.0),
    ]
    assert totals(outreach())[1:] == (2, 1, 1.0, 13.0)


def test_coverage_parts_who_gets_something_from_who_does_not() -> None:
    given, left = coverage(outreach())
    assert [(bar.name, bar.count) for bar in given] == [("retain", 2), ("next product", 1)]
    assert [(bar.name, bar.count, bar.share) for bar in left] == [("contact not allowed", 1, 0.25)]


def test_quality_names_the_winner_and_skips_what_has_no_rival() -> None:
    first, second = quality(records())
    assert (first.model, first.baseline, first.better, first.cutoffs) == ("trees", "BG/NBD", True, 2)
    assert first.value == pytest.approx(0.45)
    assert first.baseline_value == pytest.approx(0.55)
    assert (second.model, second.better) == ("value trees", False)
    assert quality(None) == []


def test_nothing_is_drawn_of_nobody() -> None:
    assert whale(scores().head(0), "GBP") is None
    made = outreach()
    assert stopping(replace(made, rows=made.rows.head(0)), "GBP") is None


def test_a_chart_keeps_its_points_and_escapes_its_words() -> None:
    x, y = np.arange(1001.0), np.linspace(-5, 100, 1001)
    svg = line_chart(x, y, x_title="a < b", y_title="y", alt='say "x"', dashed_from=500)
    assert "a &lt; b" in svg
    assert 'aria-label="say &quot;x&quot;"' in svg
    assert svg.count('class="line dashed"') == 1
    assert svg.count('class="zero"') == 1
    assert "nan" not in svg


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 0.003), (-7, 12345), (0, 0), (3, 87)])
def test_ticks_are_few_and_reach_around_both_ends(low: float, high: float) -> None:
    made = ticks(low, high)
    assert made[0] <= low
    assert made[-1] >= high
    assert 1 <= len(made) <= 9


def test_numbers_are_told_with_three_digits() -> None:
    assert [number(value) for value in (0.4567, 12.345, 1234.5, float("nan"))] == ["0.457", "12.3", "1,234", "\u2013"]
