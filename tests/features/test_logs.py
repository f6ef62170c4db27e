"""What the logs add to the rows of the tables, on rows that can be read at a glance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from tests.features.strategies import NOW, SETTINGS, Birth, Item, Line, Sent, Word, Work, rows, shop_of

from regulars.features.logs import Logs
from regulars.features.settings import Settings
from regulars.features.shop import DAY, NEVER

TRUSTING = Settings.model_validate({"data": {"trust_undated": True}})


def day(number: int) -> int:
    return NOW + number * DAY


def line(
    order: int, when: int, product: int = 0, revenue: int = 10_000, known: int | None = None, who: int = 0
) -> Line:
    return Line(who, order, day(when), day(when if known is None else known), product, 1_000, revenue, revenue // 2)


def test_an_order_is_its_lines_of_positive_value_at_the_time_of_the_first() -> None:
    logs = Logs(
        shop_of(rows([line(7, 2), line(7, 1, 1), line(8, 1, 0, 0), line(9, 3, 0, -5_000), line(6, 4)])), SETTINGS
    )
    assert logs.orders.columns["order"].tolist() == [7, 6]
    assert (logs.orders.time // DAY - NOW // DAY).tolist() == [1, 4]
    assert (len(logs.sales), len(logs.returns), len(logs.lines)) == (3, 1, 5)
    assert logs.returns.columns["refunded"].tolist() == [5_000]


def test_a_line_entered_late_does_not_move_its_order() -> None:
    logs = Logs(shop_of(rows([line(7, 2), line(7, 1, known=5)])), SETTINGS)
    assert (logs.orders.time // DAY - NOW // DAY).tolist() == [2]


def test_identical_lines_are_kept() -> None:
    logs = Logs(shop_of(rows([line(1, 2), line(1, 2)])), SETTINGS)
    assert (len(logs.sales), len(logs.orders)) == (2, 1)


def test_a_product_is_new_once() -> None:
    given = [line(1, 1, 0), line(2, 2, 0), line(2, 2, 1), line(3, 3, -1), line(4, 4, 2, -10_000), line(5, 5, 2)]
    log = Logs(shop_of(rows(given)), SETTINGS).lines
    assert log.columns["new_product"].tolist() == [1, 0, 1, 0, 0, 1]


def test_an_order_is_discounted_once() -> None:
    given = [line(1, 1), line(1, 1, 1), line(1, 2, 2), line(2, 3), line(3, 4, revenue=-10_000)]
    given = [given[0], *(row._replace(discount=500) for row in given[1:3]), given[3], given[4]._replace(discount=500)]
    log = Logs(shop_of(rows(given)), SETTINGS).lines
    assert log.columns["order_discounted"].tolist() == [0, 1, 0, 0, 0]


def test_guests_have_no_log() -> None:
    logs = Logs(shop_of(rows([line(1, 1, who=-1), line(2, 1, who=2)])), SETTINGS)
    assert logs.lines.key.tolist() == [2]


def test_lines_by_order() -> None:
    logs = Logs(shop_of(rows([line(5, 1, who=0), line(2, 1, who=1), line(5, 2, who=0)])), SETTINGS)
    assert logs.sales_by_order.key.tolist() == [2, 5, 5]


def test_the_category_is_the_one_known_when_the_line_was() -> None:
    items = [Item(0, 3, day(1), day(1)), Item(0, 4, day(5), day(5)), Item(0, 9, NEVER, NEVER)]
    shop = shop_of(rows([line(1, 0), line(2, 1), line(3, 4), line(4, 6)], products=items))
    assert Logs(shop, SETTINGS).lines.columns["category"].tolist() == [-1, 3, 3, 4]
    assert Logs(shop, TRUSTING).lines.columns["category"].tolist() == [9, 3, 3, 4]


def test_a_category_heard_of_late_does_not_replace_a_newer_one() -> None:
    items = [Item(0, 4, day(5), day(5)), Item(0, 3, day(1), day(6))]
    shop = shop_of(rows([line(1, 7)], products=items))
    assert Logs(shop, SETTINGS).lines.columns["category"].tolist() == [4]


def test_a_complaint_counts_once_a_ticket_and_each_time_outside() -> None:
    given = [
        Work(0, "opened", day(1), day(1), 0, complaint=1),
        Work(0, "worked", day(2), day(2), 0, complaint=1),
        Work(0, "worked", day(3), day(3), complaint=1),
        Work(0, "worked", day(4), day(4), complaint=1),
        Work(0, "rated", day(5), day(5), 0, satisfaction=2),
        Work(0, "rated", day(6), day(6), 0, satisfaction=3),
    ]
    log = Logs(shop_of(rows(support=given)), SETTINGS).support
    assert log.columns["complained"].tolist() == [1, 0, 1, 1, 0, 0]
    assert log.columns["bad"].tolist() == [1, 0, 1, 1, 1, 0]


def test_waits_are_dated_where_they_end_and_corrected_where_they_turn_out_longer() -> None:
    given = [
        Work(0, "opened", day(1), day(1), 0, complaint=1),
        Work(0, "closed", day(4) + 1, day(4) + 1, 0),
        Work(0, "opened", day(4), day(5), 1),
        Work(0, "closed", day(6), day(7), 1),
        Work(0, "reopened", day(2), day(8), 1),  # known late: the ticket was waiting since day 2
    ]
    log = Logs(shop_of(rows(support=given)), SETTINGS).support
    assert (log.columns["waited"] // DAY).tolist() == [0, 3, 0, 2, 2]
    assert (log.columns["complaint_waited"] // DAY).tolist() == [0, 3, 0, 0, 0]
    assert log.columns["slow_complaint"].tolist() == [0, 1, 0, 0, 0]  # a microsecond more than three days


def test_who_is_held_out_heard_nothing() -> None:
    logs = Logs(shop_of(rows(contacts=[Sent(0, day(1), day(1)), Sent(0, day(2), day(2), held_out=1)])), SETTINGS)
    assert len(logs.contacts) == 1


def test_a_contact_is_answered_once_the_order_and_the_contact_are_known() -> None:
    sent = [
        Sent(0, day(1), day(1)),  # the order of day 14 is within 14 days, and heard of on day 20
        Sent(0, day(0), day(0)),  # it is not: 14 days are over when it comes
        Sent(0, day(30), day(40)),  # an order at the very moment; the contact was entered late
        Sent(0, day(50), day(50)),
        Sent(1, day(1), day(1)),
    ]
    given = [line(1, 14, known=20), line(2, 30), line(3, 49), line(4, 14, who=2)]
    log = Logs(shop_of(rows(given, contacts=sent)), SETTINGS).answers
    assert ((log.time - NOW) // DAY).tolist() == [1, 30]
    assert ((log.visible - NOW) // DAY).tolist() == [20, 40]


def test_of_two_orders_after_a_contact_the_one_known_first_answers_it() -> None:
    given = [line(1, 3, known=9), line(2, 5, known=6)]
    log = Logs(shop_of(rows(given, contacts=[Sent(0, day(2), day(2))])), SETTINGS).answers
    assert ((log.visible - NOW) // DAY).tolist() == [6]


def test_an_undated_birth_is_known_where_it_is_trusted() -> None:
    told = [Birth(0, day(-9_000), day(3), day(5)), Birth(0, day(-8_000), NEVER, NEVER), Birth(1, NEVER, day(1), day(1))]
    shop = shop_of(rows(births=told))
    assert ((Logs(shop, SETTINGS).births.columns["birth_date"] - NOW) // DAY).tolist() == [-9_000]
    assert ((Logs(shop, TRUSTING).births.columns["birth_date"] - NOW) // DAY).tolist() == [-8_000, -9_000]


def test_who_was_referred_by_others() -> None:
    words = [
        Word(1, "referral", day(3), day(4), new_customer=0),
        Word(0, "referral", day(1), day(1), new_customer=0),  # nobody refers themselves
        Word(2, "review", day(1), day(1), new_customer=1),
        Word(2, "referral", day(1), day(1)),
    ]
    log = Logs(shop_of(rows(advocacy=words)), SETTINGS).recommendations
    assert (log.key.tolist(), ((log.visible - NOW) // DAY).tolist()) == ([0], [4])


def test_orders_of_the_referred_are_the_first_referrers_once_both_are_known() -> None:
    words = [
        Word(1, "referral", day(3), day(3), new_customer=0),
        Word(2, "referral", day(4), day(4), new_customer=0),
        Word(2, "referral", day(0), day(9), new_customer=0),  # it was earlier, but nobody knew
        Word(0, "referral", day(1), day(1), new_customer=0),  # nobody refers themselves
        Word(2, "review", day(1), day(1), new_customer=0),
    ]
    log = Logs(shop_of(rows([line(1, 2), line(2, 5), line(3, 5, who=-1)], advocacy=words)), SETTINGS).referred
    assert log.key.tolist() == [1, 1]
    assert ((log.visible - NOW) // DAY).tolist() == [3, 5]
    assert ((log.time - NOW) // DAY).tolist() == [2, 5]


def test_tables_that_are_not_there_have_logs_in_which_nothing_happens() -> None:
    shop = replace(
        shop_of(rows([line(1, 1)])), support=None, contacts=None, advocacy=None, products=None, customers=None
    )
    logs, full = Logs(shop, SETTINGS), Logs(shop_of(rows([line(1, 1)])), SETTINGS)
    for name in ("support", "contacts", "answers", "advocacy", "referred", "recommendations", "births"):
        assert len(getattr(logs, name)) == 0
        assert set(getattr(logs, name).columns) == set(getattr(full, name).columns)
    assert logs.lines.columns["category"].tolist() == [-1]


def test_a_shop_without_orders() -> None:
    logs = Logs(shop_of(rows()), SETTINGS)
    for name in ("lines", "sales", "returns", "orders", "sales_by_order", "referred"):
        assert len(getattr(logs, name)) == 0
    assert np.array_equal(logs.lines.start, [0, 0, 0, 0])
