"""`regulars check DIR --leaks`: whether the shop's features, its own among them, or its columns know the future."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from regulars.cli.common import RefusedError, iso, read_tables, result, say
from regulars.cli.place import Place

if TYPE_CHECKING:
    from regulars.features.leaks import Leak
    from regulars.features.settings import Settings
    from regulars.features.shop import I32, Shop

SHARES = (0.5, 0.8)
"""Where to stand in the history, if nobody says."""
MOST_CUSTOMERS = 2_000
"""Customers asked about; of a larger shop, so many at random."""


def check_leaks(
    place: Place, settings: Settings, asked: Sequence[int], earlier: Path | None = None, seed: int = 0
) -> None:
    """Looks for leaks and tells them; raises `RefusedError` where there are any."""
    import numpy as np

    from regulars.features.leaks import NOT_AS_SAID, find_leaks

    whole, _ = read_tables(place, settings)
    shop, customers = some_of(whole, np.random.default_rng(seed))
    moments = list(asked) or default_moments(shop)
    told = ", ".join(iso(moment) for moment in moments)
    say(f"standing at {told}; {len(customers):,} of {len(whole.customer_ids):,} customers")
    found = find_leaks(shop, settings, moments, np.random.default_rng(seed), customers=customers)
    leaks = [leak for leak in found if leak.alteration != NOT_AS_SAID]
    proven, suspected = _columns(shop, settings, moments, customers, seed)
    rewritten = _rewritten(earlier, whole, settings) if earlier is not None else []
    for sentence in [*_moved(leaks, len(customers)), *proven, *rewritten]:
        result.print(Text.assemble(("leak ", "red"), sentence))
    for sentence in [*suspected, *_not_as_said([one for one in found if one.alteration == NOT_AS_SAID])]:
        result.print(Text.assemble(("look ", "yellow"), sentence))
    if count := len({leak.name for leak in leaks}) + len(proven) + len(rewritten):
        raise RefusedError(
            f"{count} leak{'s' if count > 1 else ''}; a model that learns from them does worse than it says"
        )
    result.print(Text(_nothing_found(shop, settings, moments, earlier)))


def default_moments(shop: Shop) -> list[int]:
    """Midnights at half and at four fifths of the history."""
    from regulars.features.shop import DAY

    return [int(shop.first + share * (shop.end - shop.first)) // DAY * DAY for share in SHARES]


def some_of(shop: Shop, rng: object) -> tuple[Shop, I32]:
    """The shop cut down to at most so many customers with all their rows, and who they are."""
    import numpy as np

    count = len(shop.customer_ids)
    if count <= MOST_CUSTOMERS:
        return shop, np.arange(count, dtype=np.int32)
    assert isinstance(rng, np.random.Generator)  # noqa: S101 - typed so that NumPy is imported late
    drawn = np.sort(rng.choice(count, MOST_CUSTOMERS, replace=False)).astype(np.int32)
    chosen = np.zeros(count + 1, bool)  # the last entry is for guests, whose code is -1
    chosen[drawn] = True
    tables = shop.tables()
    cut = {title: rows.take(chosen[rows.arrays()["customer"]]) for title, rows in tables.items() if title != "products"}
    return shop.with_tables(cut), drawn


def _columns(
    shop: Shop, settings: Settings, moments: Sequence[int], customers: I32, seed: int
) -> tuple[list[str], list[str]]:
    """Sentences about columns that know what came later, and about those that may."""
    from regulars.features.logs import Logs
    from regulars.training.hindsight import later_moments, proven, value_columns
    from regulars.training.suspicion import goes_with_later, too_telling

    logs, ahead = Logs(shop, settings), settings.features.known_ahead
    columns = [column for column in value_columns(logs) if column.name not in ahead]
    sure = proven(logs, columns)
    rest = [column for column in columns if column.name not in {one.column for one in sure}]
    maybe = [
        *later_moments(rest),
        *too_telling(logs, rest, moments, shop.end, customers),
        *goes_with_later(logs, rest, shop.end, seed),
    ]
    told = [
        f"{one.column} {one.what}. Leave it out, or write the value as it was known at the row's time; if it truly was "
        f"known ahead, name it in [features] known_ahead."
        for one in sure
    ]
    return told, [f"{one.column} {one.what}. Find out when it is written; this is no proof." for one in maybe]


def _moved(leaks: Sequence[Leak], customers: int) -> Iterator[str]:
    """A sentence for each column that moved."""
    from regulars.features.leaks import ASKED_ALONE, BESIDE

    advice = {
        BESIDE: "It reads something else than `past`: a file, a table kept beside. Declare it as an EventTable.",
        ASKED_ALONE: "It depends on who else is asked about. Compare with the customer's own past instead.",
    }
    for name in dict.fromkeys(leak.name for leak in leaks):
        mine = [leak for leak in leaks if leak.name == name]
        how = dict.fromkeys(f"{leak.alteration} at {iso(leak.moment)}: {leak.customers:,}" for leak in mine)
        told = next((advice[leak.alteration] for leak in mine if leak.alteration in advice), "")
        told = told or "It reads rows that were not known yet. Ask `past` alone, and nothing of it that begins with _."
        yield f"feature {name} moved for some of {customers:,} customers ({'; '.join(how)}). {told}"


def _not_as_said(found: Sequence[Leak]) -> Iterator[str]:
    for name in dict.fromkeys(leak.name for leak in found):
        yield f"feature {name} has another value without events than its `empty` says. Correct the one or the other."


def _rewritten(earlier: Path, shop: Shop, settings: Settings) -> list[str]:
    """Sentences about what an earlier export said otherwise."""
    from regulars.features.exports import rewritten

    before, _ = read_tables(Place(earlier), settings)
    advice = {
        "changed": "It was written over. Keep what was known, and add a row with the new value and its time.",
        "appeared": "They were entered later. Give such rows recorded_at.",
        "vanished": "They were removed. Keep them, or what was known then is lost.",
    }
    return [
        f"{one.where}: {one.how} since {earlier} in {one.rows:,} of {one.of:,} rows of the past, such as "
        f"{one.example}. {advice[one.how]}"
        for one in rewritten(before, shop)
    ]


def _nothing_found(shop: Shop, settings: Settings, moments: Sequence[int], earlier: Path | None) -> str:
    from regulars.features.leaks import ALTERATIONS
    from regulars.features.logs import Logs
    from regulars.features.table import features_of
    from regulars.training.hindsight import value_columns

    features, columns = features_of(shop, settings), value_columns(Logs(shop, settings))
    against = "" if earlier is None else f", and the past stands as it stood in {earlier}"
    return (
        f"No leak found: {len(features)} features at {len(moments)} moments do not move when {', '.join(ALTERATIONS)}; "
        f"{len(columns)} columns do not repeat what came later{against}. A column that knows the future in another way "
        "can only be found by comparing two exports (--earlier)."
    )
