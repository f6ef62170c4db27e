"""A shop's own features and event tables: what they compute, and what is said where they cannot."""

from __future__ import annotations

import hashlib
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regulars.features.asof import Moments
from regulars.features.context import ShopContext
from regulars.features.describe import describe_own
from regulars.features.families import FAMILIES
from regulars.features.fingerprint import fingerprint
from regulars.features.leaks import find_leaks
from regulars.features.logs import Logs
from regulars.features.own import OwnChangedWarning, forget, own_of
from regulars.features.own_checks import OwnError, OwnFeatureError
from regulars.features.readiness import readiness
from regulars.features.reading import inspect, read_shop
from regulars.features.sent import SentSettings
from regulars.features.settings import Settings, SettingsError, read_settings, with_own
from regulars.features.shop import DAY, Shop, as_time
from regulars.features.table import FeatureTable, feature_table, features_of
from regulars.models.reasons import churn_reasons

HEAD = """
import numpy as np
from regulars.features.asof import ratio
from regulars.features.define import Family
from regulars.features.shop import MONEY, PIECES
from regulars.features.tables import Column, EventTable, Kind
"""
VISITS = (
    HEAD
    + """
class Visits(EventTable):
    title = "visits"
    happened = "visited_at"
    visited_at = Column(Kind.TIME, "when", required=True)
    pages = Column(Kind.NUMBER, "pages", low=0)
    page = Column(Kind.TEXT, "where they left")
    bounced = Column(Kind.FLAG, "left at once")
    device = Column(Kind.CHOICE, "on what", choices=("phone", "desk"))
    basket = Column(Kind.MONEY, "worth of the basket")
    product_id = Column(Kind.ID, "what they looked at")

web = Family("web", needs=("visits",))

@web.feature(unit="days", empty="missing")
def days_since_visit(past):
    '''Days since the last visit.'''
    return past.table("visits").days_since_last()

@web.windowed(unit="pages", empty="0", needs=("visits.pages",))
def pages_viewed(past, last):
    '''Pages in the last {window} days.'''
    return past.table("visits").sum("pages", last) / PIECES

@web.feature(unit="pages", empty="missing", needs=("visits.pages",))
def pages_a_visit(past):
    '''Mean pages of the visits that say.'''
    return ratio(past.table("visits").sum("pages"), past.table("visits").sum("has_pages")) / PIECES

@web.feature(unit="visits", empty="0", needs=("visits.page", "visits.bounced", "visits.device"))
def phone_checkouts(past):
    '''Visits by phone that ended at the checkout and did not bounce.'''
    return past.table("visits", page="checkout", device="phone", bounced=False).count()

@web.feature(unit="currency", empty="0", needs=("visits.basket",))
def dearest_basket(past):
    '''Largest basket.'''
    return past.table("visits").largest("basket") / MONEY

@web.feature(unit="products", empty="0", needs=("visits.product_id",))
def products_seen(past):
    '''Different products looked at.'''
    return past.table("visits").distinct("product_id")
"""
)
ORDERS = pd.DataFrame(
    {
        "customer_id": ["ann", "ann", "bob"],
        "order_id": ["1", "2", "3"],
        "ordered_at": ["2024-01-01", "2024-03-01", "2024-02-01"],
        "product_id": ["tea", "cup", "tea"],
        "amount": [10.0, 20.0, 30.0],
    }
)
SEEN = pd.DataFrame(
    {
        "customer_id": ["ann", "ann", "ann", "cat", "ann"],
        "visited_at": ["2024-02-10", "2024-02-20T12:00", "2024-01-02", "2024-02-29", "2024-03-01"],
        "pages": [2.5, None, 4, 1, 100],
        "page": ["checkout", "checkout", "home", "checkout", "checkout"],
        "bounced": ["no", "yes", "no", None, "no"],
        "device": ["phone", "phone", "Desk", "phone", "phone"],
        "basket": [12.34, 99.5, 1, 0, 1000],
        "product_id": ["tea", "cup", "tea", "pot", "jar"],
    }
)
Write = Callable[[str], Settings]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Settings with an own file of this text."""

    def made(text: str, name: str = "mine.py") -> Settings:
        (tmp_path / name).write_text(text, encoding="utf-8")
        (tmp_path / "regulars.toml").write_text(f'[features]\nown = ["{name}"]\nwindows_days = [20, 90]\n')
        return read_settings(tmp_path / "regulars.toml")

    return made


def table_at(shop: Shop, chosen: Settings, moment: str, only: list[int] | None = None) -> FeatureTable:
    logs, now = Logs(shop, chosen), as_time(moment)
    codes = np.array(range(len(shop.customer_ids)) if only is None else only, np.int32)
    own = [one for one in features_of(shop, chosen) if one.family == "web"]
    return feature_table(logs, Moments(codes, np.full(len(codes), now)), ShopContext.of(logs, now), own)


def shop_of(tables: dict[str, Any], chosen: Settings) -> Shop:
    shop = read_shop(tables, chosen).shop
    assert shop is not None
    return shop


def test_values_by_eye(write: Write) -> None:
    chosen = write(VISITS)
    shop = shop_of({"orders": ORDERS, "visits": SEEN}, chosen)
    assert shop.customer_ids.tolist() == ["ann", "bob", "cat"]
    found = table_at(shop, chosen, "2024-03-01")
    values = dict(zip(found.names, found.values.T.tolist(), strict=True))
    missing = float("nan")
    expected = {
        "days_since_visit": [9.5, missing, 1],
        "pages_viewed_20d": [2.5, 0, 1],
        "pages_viewed_90d": [6.5, 0, 1],
        "pages_a_visit": [3.25, missing, 1],
        "phone_checkouts": [1, 0, 0],
        "dearest_basket": [99.5, 0, 0],
        "products_seen": [2, 0, 1],
    }
    assert list(values) == list(expected)
    for name, wanted in expected.items():
        np.testing.assert_array_equal(values[name], wanted, name)


def test_own_features_come_last_and_only_where_their_table_is(write: Write) -> None:
    chosen = write(VISITS)
    whole = [one.name for one in features_of(shop_of({"orders": ORDERS, "visits": SEEN}, chosen), chosen)]
    assert whole[-1] == "products_seen"
    without = features_of(shop_of({"orders": ORDERS}, chosen), chosen)
    assert [one.name for one in without] == whole[:-7]
    some = shop_of({"orders": ORDERS, "visits": SEEN[["customer_id", "visited_at"]]}, chosen)
    assert [one.name for one in features_of(some, chosen)] == [*whole[:-7], "days_since_visit"]


def test_bad_rows_of_an_own_table_are_told_as_of_any_other(write: Write, tmp_path: Path) -> None:
    chosen = write(VISITS)
    bad = SEEN.assign(pages=[-1, 2, 3, 4, 5], device=["phone", "fax", "desk", "desk", "desk"])
    found = {one.where: one for one in inspect({"orders": ORDERS, "visits": bad}, chosen).of("bad_rows")}
    assert set(found) == {"visits.pages", "visits.device"}
    assert "one of phone, desk" in str(found["visits.device"])
    ORDERS.to_csv(tmp_path / "orders.csv", index=False)
    SEEN.to_csv(tmp_path / "visits.csv", index=False)
    report = readiness(inspect(tmp_path, chosen), chosen).text()
    assert "visits (visits.csv): 5 rows, from 2024-01-02 to 2024-03-01" in report
    assert "mine.py: 7 features of the shop's own." in report
    (tmp_path / "visits.csv").unlink()
    report = readiness(inspect(tmp_path, chosen), chosen).text()
    assert "There is no table visits: the features that read it are absent." in report
    assert "of which days_since_visit, " in report


def test_the_fingerprint_of_the_data_sees_own_tables(write: Write) -> None:
    chosen = write(VISITS)
    one = shop_of({"orders": ORDERS, "visits": SEEN}, chosen)
    same = shop_of({"orders": ORDERS, "visits": SEEN[::-1]}, chosen)
    other = shop_of({"orders": ORDERS, "visits": SEEN.assign(pages=1)}, chosen)
    assert fingerprint(one) == fingerprint(same) != fingerprint(other)


seen_rows = st.fixed_dictionaries(
    {
        "customer_id": st.sampled_from(["ann", "bob", "cat"]),
        "visited_at": st.integers(0, 60).map(
            lambda half: str(np.datetime64("2024-01-10T00:00") + np.timedelta64(half, "h"))
        ),
        "recorded_at": st.integers(0, 9).map(lambda day: str(np.datetime64("2024-01-10") + np.timedelta64(day, "D"))),
        "pages": st.one_of(st.none(), st.integers(0, 9)),
        "page": st.sampled_from(["checkout", "home", None]),
        "bounced": st.sampled_from([True, False, None]),
        "device": st.sampled_from(["phone", "desk", None]),
        "basket": st.one_of(st.none(), st.integers(-5, 9)),
        "product_id": st.sampled_from(["tea", "pot", None]),
    }
)


@pytest.fixture(scope="module")
def visits(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    file = tmp_path_factory.mktemp("own") / "visits.py"
    file.write_text(VISITS)
    return with_own(Settings.model_validate({"features": {"windows_days": (1, 3)}}), [str(file)])


@settings(max_examples=10)
@given(st.lists(seen_rows, min_size=1, max_size=10), st.integers(0, 2**32))
def test_own_features_see_no_future_and_one_equals_the_batch(
    visits: Settings, rows: list[dict[str, Any]], seed: int
) -> None:
    frame = pd.DataFrame(rows).astype({"page": "object", "bounced": "object", "device": "object"})
    shop = shop_of({"orders": ORDERS, "visits": frame}, visits)
    own = [one for one in features_of(shop, visits) if one.family == "web"]
    now = as_time("2024-01-12")
    assert find_leaks(shop, visits, [now], np.random.default_rng(seed), own) == []
    together = table_at(shop, visits, "2024-01-12").values
    for code in range(len(shop.customer_ids)):
        assert table_at(shop, visits, "2024-01-12", [code]).values.tobytes() == together[code].tobytes()


@settings(max_examples=10)
@given(st.lists(seen_rows, min_size=1, max_size=12))
def test_a_slow_judge_agrees(visits: Settings, rows: list[dict[str, Any]]) -> None:
    frame = pd.DataFrame(rows).astype({"page": "object", "bounced": "object", "device": "object"})
    shop = shop_of({"orders": ORDERS, "visits": frame}, visits)
    found = table_at(shop, visits, "2024-01-12")
    now = np.datetime64("2024-01-12")
    for i, who in enumerate(shop.customer_ids):
        known = [
            row
            for row in rows
            if row["customer_id"] == who
            and max(np.datetime64(row["visited_at"]), np.datetime64(row["recorded_at"])) < now
        ]
        got = dict(zip(found.names, found.values[i].tolist(), strict=True))
        if "pages_viewed_1d" in got:
            recent = [row for row in known if np.datetime64(row["visited_at"]) >= now - np.timedelta64(1, "D")]
            assert got["pages_viewed_1d"] == sum(row["pages"] or 0 for row in recent)
        if "phone_checkouts" in got:
            wanted = ("checkout", "phone", False)
            assert got["phone_checkouts"] == sum((r["page"], r["device"], r["bounced"]) == wanted for r in known)
        if "dearest_basket" in got:
            assert got["dearest_basket"] == max((row["basket"] or 0 for row in known), default=0)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("x = ", r"mine\.py, line \d+: SyntaxError"),
        ("import no_such_thing", r"mine\.py, line 7: ModuleNotFoundError: No module named 'no_such_thing'"),
        ("1 / 0", r"mine\.py, line 7: ZeroDivisionError"),
        ("x = 1", r"mine\.py declares neither a Family nor an EventTable"),
        (
            "f = Family('f')\n@f.feature(unit='orders', empty='0')\ndef silent(past): return past.orders.count()",
            r"mine\.py, line 8: ValueError: feature silent has no docstring",
        ),
        (
            "f = Family('f')\n@f.feature(unit='o', empty='0')\ndef orders_total(past):\n  'All.'\n  return 1",
            r"mine\.py: feature orders_total has a name taken by Regulars itself",
        ),
        (
            "f = Family('f')\n@f.feature(unit='o', empty='none')\ndef mine(past):\n  'All.'\n  return 1",
            r"mine\.py: feature mine: empty is 'none'; it must be '0' or 'missing'",
        ),
        (
            "f = Family('f', needs=('visit.pages',))\n@f.feature(unit='o', empty='0')\ndef mine(past):\n  'All.'",
            r"mine\.py: feature mine needs 'visit\.pages', which no table has",
        ),
        (
            "f = Family('f')\n@f.windowed(unit='o', empty='0')\ndef mine(past, last):\n  'In {days} days.'",
            r"mine\.py: a docstring of family 'f' holds a brace that is not \{window\}",
        ),
        (
            (
                "from regulars.features.families.money import money\n@money.feature(unit='o', empty='0')\n"
                "def mine(past):\n  'All.'"
            ),
            r"mine\.py adds to the built-in family 'money'",
        ),
        (
            "class Orders(EventTable):\n  title = 'orders'\n  happened = 'at'\n",
            "'orders' is there already, by Regulars",
        ),
        (
            "class Visits(EventTable):\n  title = 'visits'\n  happened = 'at'\n",
            "happened must name the column that dates",
        ),
        (
            (
                "class Visits(EventTable):\n  title = 'visits'\n  happened = 'at'\n"
                "  at = Column(Kind.TIME, 'when', required=True)\n  time = Column(Kind.NUMBER, 'x')"
            ),
            "column 'time' cannot be called that",
        ),
        ("class Visits(EventTable):\n  happened = 'at'", "class Visits: say title = 'visits'"),
    ],
)
def test_what_cannot_be_is_refused_where_it_stands(write: Write, body: str, told: str) -> None:
    built_in = [family.declared for family in FAMILIES]
    with pytest.raises(OwnError, match=told):
        own_of(write(HEAD + body))
    assert [family.declared for family in FAMILIES] == built_in


def test_a_file_that_is_not_there_and_a_module_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "regulars.toml").write_text('[features]\nown = ["gone.py"]\n')
    with pytest.raises(OwnError, match=r"gone\.py cannot be read \(No such file"):
        own_of(read_settings(tmp_path / "regulars.toml"))
    with pytest.raises(OwnError, match=r"names 'gone\.features', which is no file"):
        own_of(with_own(Settings(), ["gone.features"]))


def test_two_files_may_not_bring_one_name(tmp_path: Path) -> None:
    text = HEAD + "f = Family('f')\n@f.feature(unit='o', empty='0')\ndef twice(past):\n  'All.'"
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text(text)
    with pytest.raises(OwnError, match=r"b\.py: feature twice has a name taken by a\.py"):
        own_of(with_own(Settings(), [str(tmp_path / name) for name in ("a.py", "b.py")]))


@pytest.mark.parametrize(
    ("result", "told"),
    [
        ("[1, 2, 3]", "gives a list; expected are 3 numbers"),
        ("np.zeros(2)", r"gives the shape \(2,\); expected are 3 numbers"),
        ("np.array(['a', 'b', 'c'], object)", "gives values of type object"),
        ("np.full(3, 'NaT', 'datetime64[us]')", r"type datetime64\[us\].*past\.orders\.days_since"),
        ("np.array([1, np.inf, 0])", "is infinite for 1 of 3 moments"),
        ("past.returns.last_time()", "gives a moment that is NEVER"),
        ("1 / 0", "failed with ZeroDivisionError: division by zero"),
        ("past.table('visit').count()", "there is no such table; the own files declare: visits"),
        ("past.table('orders').count()", r"orders is one of the six tables; write past\.orders"),
        ("past.table('visits').count()", r"reads the table visits without saying so; write needs=\('visits',\)"),
        ("past.table('visits', page=3).count()", "the column holds a text; give a text"),
        ("past.table('visits', device='fax').count()", "give one of phone, desk"),
        ("past.table('visits', colour='red').count()", "visits has no such column, but pages, page, bounced"),
    ],
)
def test_a_result_that_is_no_number_for_each_moment_is_refused(write: Write, result: str, told: str) -> None:
    body = f"\n@odd.feature(unit='x', empty='0')\ndef strange(past):\n    'Strange.'\n    return {result}\n"
    chosen = write(VISITS + "\nodd = Family('odd', needs=('orders',))\n" + body)
    shop = shop_of({"orders": ORDERS, "visits": SEEN}, chosen)
    (strange,) = (one for one in features_of(shop, chosen) if one.name == "strange")
    with pytest.raises(OwnFeatureError, match=told) as caught:
        feature_table(
            Logs(shop, chosen),
            Moments(np.arange(3, dtype=np.int32), np.full(3, 19_900 * DAY)),
            ShopContext(0, 0, np.zeros(0, np.int64), np.zeros(0, np.int64)),
            [strange],
        )
    assert "mine.py: feature strange" in str(caught.value)


def test_a_file_changed_while_it_is_in_use_is_told_of_and_can_be_run_anew(write: Write, tmp_path: Path) -> None:
    chosen = write(VISITS)
    before = own_of(chosen)
    file = tmp_path / "mine.py"
    os.utime(file, ns=(1, 1))
    assert own_of(chosen) is before
    file.write_text(VISITS.replace("products_seen", "goods_seen"))
    with pytest.warns(OwnChangedWarning, match=r"mine\.py was changed after this process had run it"):
        assert own_of(chosen) is before
    forget()
    assert [one.name for one in describe_own(chosen)][-1] == "goods_seen"


def test_settings_bring_their_files_where_the_disk_has_none_or_others(write: Write, tmp_path: Path) -> None:
    chosen = write(VISITS)
    sent = [SentSettings.of(chosen)]
    (tmp_path / "mine.py").write_text(VISITS.replace("products_seen", "goods_seen"))
    forget()
    sent.append(SentSettings.of(chosen))
    (tmp_path / "mine.py").unlink()
    for one, name in zip([*sent, sent[0]], ("products_seen", "goods_seen", "products_seen"), strict=True):
        received = one.received()
        assert [feature.name for feature in describe_own(received)][-1] == name
        assert own_of(received).modules[0].sha256 == hashlib.sha256(one.sources[str(tmp_path / "mine.py")]).hexdigest()
    assert sent[0].received().train.threads == 1


def test_a_module_is_taken_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "shop_of_mine"
    package.mkdir()
    (package / "__init__.py").write_text("from shop_of_mine.web import Visits, web\n")
    (package / "web.py").write_text(VISITS)
    monkeypatch.syspath_prepend(str(tmp_path))
    (module,) = own_of(with_own(Settings(), ["shop_of_mine"])).modules
    assert (module.name, module.origin) == ("shop_of_mine", package)
    assert [table.title for table in module.tables] == ["visits"]
    first = module.sha256
    forget()
    (package / "web.py").write_text(VISITS + "\n")
    assert own_of(with_own(Settings(), ["shop_of_mine"])).modules[0].sha256 != first
    for name in ("shop_of_mine", "shop_of_mine.web"):
        sys.modules.pop(name)


def test_an_entry_point_is_taken_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "offered_visits.py").write_text(VISITS)
    told = tmp_path / "offered-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: offered\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text("[regulars.features]\nweb-visits = offered_visits\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    (module,) = own_of(with_own(Settings(), ["web-visits"])).modules
    assert [table.title for table in module.tables] == ["visits"]
    sys.modules.pop("offered_visits")


def test_settings_say_where_files_are_and_a_variable_says_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "regulars.toml").write_text('[features]\nown = ["sub/mine.py", "a.module"]\n')
    wanted = (str(tmp_path / "sub/mine.py"), "a.module")
    assert read_settings(tmp_path / "regulars.toml").features.own == wanted
    monkeypatch.setenv("REGULARS_CONFIG", str(tmp_path / "regulars.toml"))
    assert read_settings().features.own == wanted
    monkeypatch.setenv("REGULARS_CONFIG", str(tmp_path / "gone.toml"))
    with pytest.raises(SettingsError, match="there is no such settings file"):
        read_settings()


def test_reasons_tell_own_features_in_the_words_of_their_names() -> None:
    context = ShopContext(0, 0, np.zeros(0, np.int64), np.zeros(0, np.int64))
    names = ("pages_viewed_30d", "days_since_visit")
    table = FeatureTable(np.zeros(1, np.int32), np.zeros(1, np.int64), names, np.array([[12.0, np.nan]]), context)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = churn_reasons(table, (*names, "interval"), np.array([[0.3, -0.2, 9.0]]), 2)
    assert found == [["pages viewed in 30 days: 12 (raises the risk)", "days since visit: not known (lowers the risk)"]]
