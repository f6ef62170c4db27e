"""Who is known before a moment: every customer gets an answer, and customers of tomorrow do not exist today.

A customer is known from the first thing that was heard of them: an order line, a return, a ticket, a contact, a
referral they made, an event of a table of the shop's own, a dated row of the customers table, or signing up. Being
named by who referred them is not enough: that row is the other's, and asking about the one must not answer about the
other. A row of the customers table without any date says that the customer is there now; if nothing else was ever heard
of them, they are a prospect at all times, and if something was, they are known from then.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from regulars.features.shop import I32, I64, NEVER, NONE, Shop

NOT_YET = np.iinfo(np.int64).max
"""Stands for 'not known at any moment of the data'."""


def known_since(shop: Shop) -> I64:
    """(customers,) since when each is known; `NEVER` (before every moment) for who is there without any date."""
    since = np.full(len(shop.customer_ids), NOT_YET)
    for customer, visible in _events(shop):
        there = customer != NONE
        np.minimum.at(since, customer[there], visible[there])
    if shop.customers is not None:
        listed = np.zeros(len(since), bool)
        listed[shop.customers.customer] = True
        since[listed & (since == NOT_YET)] = NEVER
    return since


def _events(shop: Shop) -> Iterator[tuple[I32, I64]]:
    """Customers, and the moments at which something became known of them."""
    tables = (shop.orders, shop.support, shop.contacts, shop.advocacy, *shop.own.values())
    yield from ((table.customer, table.visible) for table in tables if table is not None)
    rows = shop.customers
    if rows is not None:
        dated = rows.take(rows.visible != NEVER)
        yield dated.customer, dated.visible
        signed = rows.take((rows.visible == NEVER) & (rows.signed_up_at != NEVER))
        yield signed.customer, signed.signed_up_at
