"""Who each customer is as known at a moment: consent, owner, birthday, and since when they are known."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from regulars.features.asof import F64
from regulars.features.calendar import days_to_birthday
from regulars.features.shop import DAY, I64, NEVER, NONE, CustomerChanges, Shop, Text


@dataclass(frozen=True)
class Profiles:
    """One entry per customer.

    `allowed`: may be contacted; `owner`: '' without one; `birthday`: days until the next one, `signed_up`: days since,
    both NaN where they are not known.
    """

    allowed: NDArray[np.bool_]
    owner: Text
    birthday: F64
    signed_up: F64

    def take(self, rows: NDArray[Any]) -> Self:
        """The given customers."""
        return replace(self, **{item.name: getattr(self, item.name)[rows] for item in fields(self)})


def profiles(shop: Shop, as_of: int) -> Profiles:
    """Profiles of all customers of the shop, from the rows known before `as_of` and the undated ones.

    An objection stands until a later row allows contact again in so many words; an undated one always stands. Who has
    left is not contacted either until they are back (see `_gone`).
    """
    size = len(shop.customer_ids)
    rows = shop.customers
    if rows is None:
        nothing = np.full(size, np.nan)
        return Profiles(np.ones(size, bool), np.full(size, "", np.object_), nothing, nothing)
    known = rows.take(rows.visible < as_of)  # undated rows are visible from NEVER, before every moment
    known = known.take(np.lexsort((known.time, known.visible)))
    allowed = _last(known, known.contact_allowed.astype(np.int64), known.contact_allowed != NONE, size) != 0
    undated = known.take((known.visible == NEVER) & (known.contact_allowed == 0))
    allowed[undated.customer] = False
    owner = _last(known, known.account_owner.astype(np.int64), known.account_owner != NONE, size)
    names = np.append(shop.words.get("customers.account_owner", np.zeros(0, np.object_)), "").astype(np.object_)
    born = _last(known, known.birth_date, known.birth_date != NEVER, size)
    signed = _last(known, known.signed_up_at, (known.signed_up_at != NEVER) & (known.signed_up_at < as_of), size)
    return Profiles(
        allowed & ~_gone(known, as_of, shop.has("customers.contact_allowed"), size),
        names[np.where(owner == NEVER, NONE, owner)],
        days_to_birthday(born, as_of),
        np.where(signed == NEVER, np.nan, (as_of - np.where(signed == NEVER, as_of, signed)) / DAY),
    )


def _gone(known: CustomerChanges, as_of: int, asks: bool, size: int) -> NDArray[np.bool_]:
    """Who has left and is not back, from the rows known.

    A `left_at` that has passed counts, unless a later row took it back before it came: then they never left. They are
    back with a row of a later `valid_from` whose `left_at` is empty or lies ahead (as `features.contracts` has it) and
    which, where the table asks for consent, allows contact in so many words: what was agreed to before ended with the
    leaving. An undated row holds from its `left_at` on.
    """
    undated = known.visible == NEVER
    since = np.where(undated & (known.left_at != NEVER), known.left_at, known.time)
    order = np.lexsort((since, known.customer))
    rows, since, undated = known.take(order), since[order], undated[order]
    passed = (rows.left_at != NEVER) & (rows.left_at < as_of)
    follows = np.append((rows.customer[1:] == rows.customer[:-1]) & (since[1:] > since[:-1]), False)
    taken_back = follows & (np.append(since[1:], NEVER) < rows.left_at)
    left = _last(rows, since, passed & ~taken_back, size)
    welcome = (rows.contact_allowed == 1) | (not asks)
    back = _last(rows, since, ~undated & ~passed & welcome, size)
    return np.asarray((left != NEVER) & (back <= left))


def _last(known: CustomerChanges, values: I64, given: NDArray[np.bool_], size: int) -> I64:
    """Each customer's last given value, `NEVER` where there is none; assignment in order leaves the last one."""
    out = np.full(size, NEVER)
    out[known.customer[given]] = values[given]
    return out
