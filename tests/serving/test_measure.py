"""What a list earned, on a shop small enough to check by eye."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from regulars.features.settings import Settings
from regulars.features.shop import Shop, as_time
from regulars.serving.list_file import manifest_path, write_list
from regulars.serving.measure import ListError, Measured, SentList, measure, read_sent_list

MOMENT = "2024-03-01T00:00:00"
WriteList = Callable[..., Path]
TEXTS = ["customer_id", "audience", "play", "product_id", "reason", "arm", "owner", "list_id"]

# Of every 100 paid, 40 are margin (the setting where no cost is known).
ORDERS = [
    ("ann", "2024-02-29", "tea", 500.0),  # before the list
    ("ann", "2024-03-01", "tea", 100.0),  # at its very moment
    ("ann", "2024-04-01", "tea", -50.0),  # a return: margin, and no order
    ("bob", "2024-03-10", "tea", 100.0),
    ("bob", "2024-03-20", "tea", 100.0),
    ("cyd", "2024-05-01", "tea", 50.0),
    ("cyd", "2024-06-01", "tea", 50.0),
    ("dan", "2024-01-01", "tea", 10.0),
    ("eve", "2024-03-05", "tea", 999.0),  # a complaint: answered, and not experimented with
]
LIST = [
    ("ann", "retain", "contact"),
    ("bob", "retain", "contact"),
    ("cyd", "retain", "hold_out"),
    ("dan", "thank_you", "contact"),
    ("eve", "complaint_follow_up", "contact"),
]


@pytest.fixture
def write(tmp_path: Path) -> WriteList:
    """A list from (customer, play, arm), with its manifest; a contact costs 1."""

    def make(rows: Sequence[tuple[str, str, str]] = LIST, name: str = "list.csv", **manifest: Any) -> Path:
        frame = pd.DataFrame(list(rows), columns=["customer_id", "play", "arm"])
        frame = frame.assign(audience="customer", product_id=None, expected_profit=1.0, uplift=0.1, reason="why")
        frame = frame.assign(cost=np.where(frame["arm"] == "contact", 1.0, 0.0), owner=None, list_id="list-1")
        frame["contact_by"] = np.datetime64("2024-03-08", "us")
        arms = {
            "contacts": int((frame["arm"] == "contact").sum()),
            "hold_outs": int((frame["arm"] == "hold_out").sum()),
        }
        told = {"list_id": "list-1", "as_of": MOMENT, **arms, "never_held_out": ["complaint_follow_up"]}
        told |= {"settings": Settings().model_dump(mode="json")}
        write_list(frame.astype(dict.fromkeys(TEXTS, "str")), told | manifest, tmp_path / name)
        return tmp_path / name

    return make


@pytest.fixture
def shop(make_shop: Callable[..., Shop]) -> Shop:
    return make_shop(ORDERS)


def measured(path: Path, shop: Shop, until: str | None = "2024-05-30") -> Measured:
    return measure(read_sent_list(path), shop, Settings(), None if until is None else as_time(until))


@pytest.mark.parametrize("name", ["list.csv", "list.parquet"])
def test_what_each_arm_did_by_eye(write: WriteList, shop: Shop, name: str) -> None:
    found = measured(write(name=name), shop)
    retain, thank_you = found.plays
    assert (retain.play, retain.contacted, retain.held_out) == ("retain", 2, 1)
    assert retain.orders == pytest.approx((1.5, 1))  # ann 1 and bob 2; cyd's second came later
    assert retain.margin == pytest.approx(((40 - 20 + 80) / 2, 20))
    assert retain.cost == 2
    assert (thank_you.contacted, thank_you.held_out, thank_you.margin[0]) == (1, 0, 0)
    assert found.total.contacted == 3
    assert found.total.cost == 3
    assert found.left_out == {"complaint_follow_up": 1}
    assert found.verdict == "Too few to tell what the list earned: 1 held out, and 20 are needed."
    assert found.notes == ()


def test_without_an_end_it_is_the_datas(write: WriteList, shop: Shop) -> None:
    found = measured(write(), shop, None)
    assert found.until == as_time("2024-06-02")
    assert found.plays[0].margin[1] == 40  # with cyd's order of the first of June
    (note,) = found.notes
    assert "`--until 2024-05-30` leaves it out" in note


def test_an_open_window_is_told(write: WriteList, shop: Shop) -> None:
    found = measured(write(), shop, "2024-03-21")
    assert found.notes == (
        "the list's 90 days are not over before 2024-05-30: 20 are watched, and this is what came so far",
    )
    assert found.plays[0].orders == pytest.approx((1.5, 0))


def test_beyond_the_data_nothing_is_known(write: WriteList, shop: Shop) -> None:
    assert "the data ends at 2024-06-02, before 2025-01-01" in measured(write(), shop, "2025-01-01").notes[0]


def test_a_large_list_is_judged(write: WriteList, make_shop: Callable[..., Shop]) -> None:
    # Contacted pay 100 or 120 (margin 40 or 48), held out 50 or 70 (20 or 28): a contact brings 20 and costs 1.
    sent = [(f"c{at}", "retain", "contact") for at in range(60)] + [
        (f"h{at}", "retain", "hold_out") for at in range(30)
    ]
    orders = [
        (name, "2024-03-02", "tea", (100.0 if name[0] == "c" else 50.0) + 20 * (int(name[1:]) % 2)) for name, *_ in sent
    ]
    found = measured(write(sent), make_shop([*orders, ("zed", "2024-06-01", "tea", 1.0)]))
    assert found.total.more.value == pytest.approx(20)
    assert found.total.earned == pytest.approx([60 * end - 60 for end in found.total.more])
    assert found.verdict.startswith("The list earned 1,140 GBP after the cost of the contacts (95 %: 1,0")
    assert found.plays[0].more == found.total.more


@pytest.mark.parametrize(
    ("held_out", "told"),
    [(100.0, "cannot be told yet: -60 GBP"), (200.0, "The list cost more than it brought: -2,460 GBP")],
)
def test_no_effect_and_harm_are_told(
    write: WriteList, make_shop: Callable[..., Shop], held_out: float, told: str
) -> None:
    sent = [(f"c{at}", "retain", "contact") for at in range(60)] + [
        (f"h{at}", "retain", "hold_out") for at in range(30)
    ]
    orders = [
        (name, "2024-03-02", "tea", (100.0 if name[0] == "c" else held_out) + 40 * (int(name[1:]) % 2 * 2 - 1))
        for name, *_ in sent
    ]
    found = measured(write(sent), make_shop([*orders, ("zed", "2024-06-01", "tea", 1.0)]))
    assert told in found.verdict
    assert (found.total.more.low < 0 < found.total.more.high) == (held_out == 100)


CONTACTS = "customer_id contacted_at campaign play arm list_id"


def contacts(*customers: str, list_id: str | None = "list-1") -> dict[str, Any]:
    rows = [(name, "2024-03-02", "spring", "retain", "contacted", list_id) for name in customers]
    rows.append(("zed", "2024-03-02", "spring", "retain", "held_out", "list-0" if list_id else None))
    return {"contacts": (CONTACTS, rows)}


def test_a_list_that_was_not_sent_is_told(write: WriteList, make_shop: Callable[..., Shop]) -> None:
    found = measured(write(), make_shop(ORDERS, **contacts("ann", list_id="another")))
    assert found.unsent
    assert found.verdict == "contacts knows nobody who was sent list-1: if it was not sent, the figures are chance."


def test_a_list_that_was_sent_otherwise_than_drawn_is_told(write: WriteList, make_shop: Callable[..., Shop]) -> None:
    found = measured(write(), make_shop(ORDERS, **contacts("ann", "cyd")))
    assert not found.unsent
    assert [note.split(";")[0] for note in found.notes] == [
        "2 of 3 to contact were not sent anything, as contacts tells",
        "1 held out were sent something all the same",
    ]
    assert measured(write(), make_shop(ORDERS, **contacts("ann", "bob", "dan"))).notes == ()


def test_contacts_without_list_id_cannot_tell(write: WriteList, make_shop: Callable[..., Shop]) -> None:
    found = measured(write(), make_shop(ORDERS, **contacts("ann", list_id=None)))
    assert not found.unsent
    assert found.notes[0].startswith("contacts has no list_id")


def test_the_erased_are_left_out(write: WriteList, shop: Shop) -> None:
    found = measured(write([*LIST, ("gone", "retain", "hold_out")]), shop)
    assert found.plays[0].held_out == 1
    assert found.notes == ("1 customers of the list are no longer in the tables and are left out",)


def test_json_holds_it_all_and_no_nan(write: WriteList, shop: Shop) -> None:
    told = json.loads(json.dumps(measured(write(), shop).as_json(), allow_nan=False))
    assert (told["list_id"], told["as_of"], told["until"]) == ("list-1", "2024-03-01", "2024-05-30")
    assert told["plays"][0] == {
        "play": "retain",
        "contacted": 2,
        "held_out": 1,
        "orders": {"contacted": 1.5, "held_out": 1.0},
        "margin": {"contacted": 50.0, "held_out": 20.0},
        "more": {"value": None, "low": None, "high": None},
        "cost": 2.0,
        "earned": {"value": None, "low": None, "high": None},
        "too_few": "1 held out, and 20 are needed",
    }


def test_a_changed_file_is_told_and_one_with_other_rows_refused(write: WriteList, shop: Shop) -> None:
    path = write()
    text = path.read_text()
    path.write_text(text.replace("why", "because"))
    assert measured(path, shop).notes[0].startswith("the list's file was changed")
    path.write_text("\n".join(text.splitlines()[:-1]) + "\n")
    with pytest.raises(ListError, match="3 to contact and 1 held out, its manifest 4 and 1"):
        read_sent_list(path)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("hold_out", "helt_out", "arm of row 3 is 'helt_out'; expected contact or hold_out"),
        ("bob", "ann", "customer_id 'ann' is there more than once"),
        ("cost", "price", r"the columns \['cost'\] are missing"),
        ("customer_id", "who", "cannot be read as a list"),
        ("contact_by", "soon", "cannot be read as a list"),
    ],
)
def test_what_is_no_list_is_refused(write: WriteList, old: str, new: str, told: str) -> None:
    path = write()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(ListError, match=told):
        read_sent_list(path)


@pytest.mark.parametrize(
    ("manifest", "told"),
    [
        ("{}", "list_id: Field required"),
        ("no", "the file: Invalid JSON"),
        ("[]", "the file: Input should be an object"),
    ],
)
def test_what_is_no_manifest_is_refused(write: WriteList, manifest: str, told: str) -> None:
    path = write()
    manifest_path(path).write_text(manifest)
    with pytest.raises(ListError, match=told):
        read_sent_list(path)


def test_a_manifest_with_no_moment_is_refused(write: WriteList) -> None:
    with pytest.raises(ListError, match="as_of: Value error, 'soon' is no moment"):
        read_sent_list(write(as_of="soon"))


def test_missing_files_are_named(write: WriteList, tmp_path: Path) -> None:
    path = write()
    manifest_path(path).unlink()
    with pytest.raises(ListError, match=r"list\.manifest\.json is missing"):
        read_sent_list(path)
    with pytest.raises(ListError, match=r"none\.csv is missing"):
        read_sent_list(tmp_path / "none.csv")


def test_before_anything_happened_there_is_nothing_to_measure(write: WriteList, shop: Shop) -> None:
    with pytest.raises(ListError, match="nothing to measure yet"):
        measured(write(), shop, "2024-03-01")


def test_the_tables_of_another_shop_are_refused(write: WriteList, make_shop: Callable[..., Shop]) -> None:
    with pytest.raises(ListError, match="no customer of the list"):
        measured(write(), make_shop([("zed", "2024-04-01", "tea", 1.0)]))


def test_the_list_is_not_changed(write: WriteList, shop: Shop) -> None:
    sent = read_sent_list(write())
    before = sent.rows.copy(deep=True)
    measure(SentList(sent.rows, sent.manifest, changed=False), shop, Settings())
    pd.testing.assert_frame_equal(sent.rows, before)
