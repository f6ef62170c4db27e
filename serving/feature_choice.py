"""Which features a fitted model reads, and a shop made fit to compute them.

A model was fitted on the columns that its shop's tables allowed. Whoever asks it later may not have brought all of
those tables; for one that is absent nothing has happened, which the features must say in the columns the model knows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any, get_type_hints

import numpy as np

from regulars.features import shop as shapes
from regulars.features.define import Feature
from regulars.features.families import FAMILIES
from regulars.features.own import own_of
from regulars.features.settings import Settings
from regulars.features.shop import Rows, Shop

ABSENT: dict[str, type[Rows]] = {
    "support": shapes.SupportEvents,
    "customers": shapes.CustomerChanges,
    "products": shapes.ProductChanges,
    "contacts": shapes.ContactEvents,
    "advocacy": shapes.AdvocacyEvents,
}
"""The optional tables and what their rows are."""


def features_named(names: Iterable[str], settings: Settings) -> list[Feature]:
    """The features of these names, in their order.

    Raises:
        ValueError: naming those that this install does not define.
    """
    windows = settings.features.windows_days
    known = {feature.name: feature for family in FAMILIES for feature in family.features(windows)}
    known |= {feature.name: feature for feature in own_of(settings).features(windows)}
    wanted = list(names)
    if unknown := [name for name in wanted if name not in known]:
        raise ValueError(
            f"the models read features that this install does not define: {', '.join(unknown)}. Install the version "
            "of regulars that trained them, or train again with this one"
        )
    return [known[name] for name in wanted]


def lacking(shop: Shop, features: Iterable[Feature]) -> list[str]:
    """What the features need and the shop was not given: tables, or columns (`table.column`) of tables that it was."""
    needs = {need for feature in features for need in feature.needs}
    absent = sorted(need for need in needs if not shop.has(need))
    return [need for need in absent if "." not in need or need.split(".")[0] not in absent]


def require(shop: Shop, features: Iterable[Feature]) -> None:
    """Raises `ValueError`, naming tables and features, where the shop lacks what the features need."""
    wanted = list(features)
    if absent := lacking(shop, wanted):
        lost = [feature.name for feature in wanted if not shop.has(*feature.needs)]
        raise ValueError(
            f"the models read {', '.join(lost)}, and these need {', '.join(absent)}, which the shop's tables do not "
            "have. Bring them, or train again on the tables there are"
        )


def in_which_nothing_happened(shop: Shop, features: Iterable[Feature]) -> Shop:
    """The shop with what the features need and it was not given: tables without rows, and columns without values."""
    wanted = list(features)
    titles = {need.split(".")[0] for feature in wanted for need in feature.needs}
    empty: dict[str, Any] = {
        title: no_rows(rows) for title, rows in ABSENT.items() if title in titles and getattr(shop, title) is None
    }
    # For a table of the shop's own, which needs its declaration, `Logs.own` says that nothing happened.
    given = shop.given | {need for feature in wanted for need in feature.needs}
    return replace(shop, **empty, given=given)


def no_rows(rows: type[Rows]) -> Rows:
    """A table without rows."""
    return rows(**{item.name: np.zeros(0, _dtype(rows, item.name)) for item in fields(rows)})


def _dtype(rows: type[Rows], name: str) -> Any:
    hint = get_type_hints(rows)[name]
    return hint.__args__[1].__args__[0]  # NDArray[np.int32] is ndarray[shape, dtype[int32]]
