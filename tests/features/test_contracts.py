"""Contracts as known at moments: by eye, and against plain rows looked through one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.features.strategies import CUSTOMERS, NOW, SETTINGS, Line, rows, shop_of

from regulars.features.asof import Moments
from regulars.features.contracts import Contracts, contracts_at, why_no_contracts
from regulars.features.logs import Logs
from regulars.features.readiness import contracts_item
from regulars.features.settings import Settings
from regulars.features.shop import DAY, NEVER, NONE, CustomerChanges, Shop


class Row(NamedTuple):
    """A row of customers, in days from NOW; None: not given. `since` None: undated."""

    since: float | None
    left: float | None = None
    signed: float | None = None
    late: float = 0
    customer: int = 0


def time_of(day: float | None) -> int:
    return NEVER if day is None else NOW + round(day * DAY)


def contract_shop(told: Sequence[Row], orders: Sequence[tuple[int, float]] = ()) -> Shop:
    """The shop of these rows and of orders as (customer, day)."""
    lines = [Line(who, at, time_of(day), time_of(day)) for at, (who, day) in enumerate(orders)]
    nothing = np.full(len(told), NONE, np.int32)
    since, left, signed = (np.array([time_of(row[at]) for row in told], np.int64) for at in range(3))
    late = np.array([round(row.late * DAY) for row in told], np.int64)
    visible = np.where(since == NEVER, NEVER, since + np.where(since == NEVER, 0, late))
    customer = np.array([row.customer for row in told], np.int32)
    never = np.full(len(told), NEVER)
    changes = CustomerChanges(since, visible, customer, signed, never, nothing, nothing, nothing, nothing, left)
    return replace(shop_of(rows(lines)), customers=changes)


def at(told: Sequence[Row], day: float, orders: Sequence[tuple[int, float]] = ()) -> Contracts:
    moment = Moments(np.array([0], np.int32), np.array([time_of(day)]))
    return contracts_at(Logs(contract_shop(told, orders), SETTINGS), moment)


def state(found: Contracts) -> str:
    names = [name for name in ("left", "noticed", "running") if getattr(found, name)[0]]
    assert len(names) <= 1
    return names[0] if names else "none"


# signed up on day 0, cancelled on day 50, back on day 80
DATED = [Row(0, signed=0), Row(50, left=50, signed=0), Row(80, signed=0)]


@pytest.mark.parametrize(
    ("told", "day", "expected"),
    [
        (DATED, 0, "none"),
        (DATED, 1, "running"),
        (DATED, 50, "running"),  # what happens just now is the future
        (DATED, 51, "left"),
        (DATED, 80, "left"),
        (DATED, 81, "running"),
        ([Row(0, signed=0), Row(20, left=50)], 20, "running"),
        ([Row(0, signed=0), Row(20, left=50)], 21, "noticed"),
        ([Row(0, signed=0), Row(20, left=50)], 50, "noticed"),
        ([Row(0, signed=0), Row(20, left=50)], 51, "left"),
        ([Row(0, signed=0), Row(20, left=50), Row(30)], 60, "running"),  # the notice was taken back
        ([Row(0, signed=0), Row(20, left=20, late=15)], 30, "running"),  # nobody knew yet
        ([Row(0, signed=0), Row(20, left=20, late=15)], 36, "left"),
        ([Row(None, signed=0, left=50)], 0, "none"),
        ([Row(None, signed=0, left=50)], 50, "running"),
        ([Row(None, signed=0, left=50)], 51, "left"),
        ([Row(None, left=50)], 40, "none"),
        ([Row(-5, signed=30)], 20, "none"),  # signs up later
        ([Row(-5, signed=30)], 31, "running"),
        ([Row(None)], 20, "none"),
        ([], 20, "none"),
    ],
)
def test_what_is_known_of_a_contract(told: list[Row], day: float, expected: str) -> None:
    assert state(at(told, day)) == expected


def test_a_contract_begins_with_the_sign_up_else_the_first_order_else_the_first_row() -> None:
    assert at([Row(-20, signed=-10)], 5, [(0, 2)]).days[0] == 15
    assert at([Row(-20)], 5, [(0, 2)]).days[0] == 3
    assert at([Row(-20)], 5).days[0] == 25
    assert at([Row(-20, signed=10)], 5, [(0, 2)]).days[0] == 3
    assert np.isnan(at([], 5).days[0])
    assert state(at([], 5, [(0, 2)])) == "running"


def test_a_shop_without_the_table() -> None:
    shop = replace(contract_shop([], [(0, 2)]), customers=None)
    moments = Moments(np.array([0, 1], np.int32), np.full(2, time_of(5)))
    assert contracts_at(Logs(shop, SETTINGS), moments).running.tolist() == [True, False]


def test_why_churn_cannot_be_cancelling() -> None:
    assert why_no_contracts(contract_shop(DATED), time_of(60)) == ""
    for told in ([], [Row(0, signed=0)], DATED):
        why = why_no_contracts(contract_shop(told), time_of(50))
        assert why.startswith("customers.left_at: no cancellation is known before 2011-")
        assert "[churn] by = 'orders'" in why
    assert "no cancellation" in why_no_contracts(replace(contract_shop(DATED), customers=None), time_of(60))
    assert "valid_from is the sign-up" in why_no_contracts(contract_shop([Row(0, left=50, signed=0)]), time_of(60))
    assert why_no_contracts(contract_shop([Row(None, left=50, signed=0)]), time_of(60)) == ""


def test_what_the_readiness_report_makes_of_it() -> None:
    by_contract = Settings.model_validate({"churn": {"by": "contract"}})
    foretold = contract_shop([Row(0, left=50, signed=0), Row(0, left=40, signed=0, customer=1)])
    dated, few = contract_shop(DATED), contract_shop([Row(0, signed=0)])

    def told(shop: Shop, settings: Settings) -> str:
        return str(contracts_item(shop, settings, time_of(60)))

    assert told(few, Settings()) == "None"
    assert told(few, by_contract) == (
        "[bad] 0 of 3 customers have a left_at (0%), and no cancellation is known before 2011-03-27. Fill in left_at."
    )
    assert told(dated, by_contract) == (
        "[warn] 1 of 3 customers have a left_at (33%): churn is cancelling. Until there are more, chances of "
        "cancelling are little else than one rate for all."
    )
    many = contract_shop([Row(50, left=50, signed=0)] * 30)
    assert told(many, by_contract).startswith("[ok]")
    assert told(dated, Settings()) == (
        "[warn] 1 of 3 customers have a left_at (33%), and churn is no order within 90 days. If customers hold "
        "contracts, set [churn] by = 'contract': churn is then cancelling, and not silence."
    )
    assert told(foretold, by_contract).startswith(
        "[warn] 2 of 3 customers have a left_at (67%), many of them in rows as"
    )


days_of = st.one_of(st.integers(-6, 6).map(float), st.sampled_from([-0.25, 0.25]))
told_rows = st.lists(
    st.builds(
        Row,
        st.one_of(st.none(), days_of, days_of),
        st.one_of(st.none(), days_of),
        st.one_of(st.none(), days_of),
        st.sampled_from([0, 0, 0, 2]),
        st.integers(0, CUSTOMERS - 1),
    ),
    max_size=8,
)
some_orders = st.lists(st.tuples(st.integers(0, CUSTOMERS - 1), days_of), max_size=3)


class Fact(NamedTuple):
    """What a row says of a contract, from when on, and since when that is known; a later one of equals holds."""

    since: float
    known: float
    left: float
    signed: float


def facts_of(told: Sequence[Row], customer: int) -> list[Fact]:
    """Rows as facts, undated ones at their own dates, in the order in which they hold; minus infinity: not given."""
    found = []
    for row in told:
        left, signed = (-np.inf if day is None else day for day in (row.left, row.signed))
        if row.customer != customer:
            continue
        if row.since is not None:
            found.append(Fact(row.since, row.since + row.late, left, signed))
        else:
            found += [Fact(signed, signed, -np.inf, signed)] if row.signed is not None else []
            found += [Fact(left, left, left, signed)] if row.left is not None else []
    return sorted(found)


@given(told_rows, some_orders, days_of)
def test_rows_looked_through_one_by_one_agree(told: list[Row], orders: list[tuple[int, float]], day: float) -> None:
    moments = Moments.grid(np.arange(CUSTOMERS), [time_of(day)])
    found = contracts_at(Logs(contract_shop(told, orders), SETTINGS), moments)
    for customer in range(CUSTOMERS):
        known = [fact for fact in facts_of(told, customer) if fact.known < day]
        ordered = [at for who, at in orders if who == customer and at < day]
        signed = [fact.signed for fact in known if fact.signed > -np.inf]
        began = min(ordered) if ordered else None
        if signed and signed[-1] < day:
            began = signed[-1]
        elif not ordered and not signed and known:
            began = known[0].since
        ends = known[-1].left if known else -np.inf
        assert found.left[customer] == (-np.inf < ends < day)
        assert found.noticed[customer] == (began is not None and ends >= day)
        assert found.running[customer] == (began is not None and ends == -np.inf)
        np.testing.assert_equal(found.days[customer], np.nan if began is None else day - began)


@given(told_rows, some_orders, days_of)
def test_what_becomes_known_later_changes_nothing(told: list[Row], orders: list[tuple[int, float]], day: float) -> None:
    shop, moments = contract_shop(told, orders), Moments.grid(np.arange(CUSTOMERS), [time_of(day)])
    assert shop.customers is not None
    before = replace(
        shop,
        customers=shop.customers.take(shop.customers.visible < time_of(day)),
        orders=shop.orders.take(shop.orders.visible < time_of(day)),
    )
    whole, part = (contracts_at(Logs(one, SETTINGS), moments) for one in (shop, before))
    assert whole.started.tobytes() == part.started.tobytes()
    assert whole.ends.tobytes() == part.ends.tobytes()
