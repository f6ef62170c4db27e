"""What must hold of a shop's own features and tables, and how it is told where it does not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from regulars.features.define import Empty, Family, Feature, Values
from regulars.features.settings import SettingsError
from regulars.features.shop import NEVER
from regulars.features.tables import TABLES, EventTable, Kind

if TYPE_CHECKING:
    from regulars.features.past import Past

NAME = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
RESERVED = frozenset(
    {
        "customer_id",
        "as_of",
        "days_since_last_order_then",
        "interval",
        "order_chance_bgnbd",
        "season_sine",
        "season_cosine",
        "year_ago_lift",
    }
)
"""Columns that stand beside the features in a file, or that models add to them."""
ARGUMENTS = ("as_of", "top", "tables")
"""Words that stand beside the tables in a question."""
RESERVED_COLUMNS = frozenset({"time", "visible", "customer"})
"""Names that the rows of an event table have for themselves."""


class OwnError(SettingsError):
    """Own features that cannot be used; the message names file and feature, what was expected and what to do."""


class OwnFeatureError(ValueError):
    """An own feature that fails, or answers with something that is no number for each moment."""


def check_family(origin: str, family: Family, windows: tuple[int, ...]) -> list[Feature]:
    """The family's features, once each has a name, a meaning, a unit and a value without events that can be."""
    try:
        found = family.features(windows)
    except (KeyError, IndexError, ValueError) as error:
        problem = f"a docstring of family {family.name!r} holds a brace that is not {{window}} ({error})"
        raise OwnError(f"{origin}: {problem}; write no other braces") from error
    for feature in found:
        where = f"{origin}: feature {feature.name}"
        if not NAME.fullmatch(feature.name):
            raise OwnError(f"{where}: its name must be lower-case letters, digits and _, beginning with a letter")
        if feature.empty not in get_args(Empty):
            raise OwnError(f"{where}: empty is {feature.empty!r}; it must be '0' or 'missing'")
        if not feature.unit:
            raise OwnError(f"{where}: say its unit, such as unit='visits'")
    return found


def check_names(features: Iterable[tuple[str, Feature]], built_in: Iterable[str]) -> None:
    """Every name is there once."""
    taken = dict.fromkeys(built_in, "Regulars itself") | dict.fromkeys(RESERVED, "Regulars itself")
    for origin, feature in features:
        if feature.name in taken:
            raise OwnError(
                f"{origin}: feature {feature.name} has a name taken by {taken[feature.name]}; give it another"
            )
        taken[feature.name] = origin


def check_needs(features: Iterable[tuple[str, Feature]], tables: Sequence[type[EventTable]]) -> None:
    """Every need is a table or a column that there can be; a misspelt one would make its feature absent for ever."""
    known = {table.title for table in (*TABLES, *tables)}
    known |= {f"{table.title}.{column.name}" for table in (*TABLES, *tables) for column in table.columns()}
    for origin, feature in features:
        for need in feature.needs:
            if need not in known:
                meant = get_close_matches(need, sorted(known), n=1)
                advice = f"; perhaps {meant[0]!r} is meant" if meant else ""
                raise OwnError(f"{origin}: feature {feature.name} needs {need!r}, which no table has{advice}")


def check_tables(tables: Iterable[tuple[str, type[EventTable]]]) -> None:
    """Every event table has a title of its own, a moment, and columns that can be read."""
    taken = {table.title: "Regulars itself" for table in TABLES} | dict.fromkeys(ARGUMENTS, "an argument of predict")
    for origin, table in tables:
        where = f"{origin}: class {table.__name__}"
        title, happened = getattr(table, "title", None), getattr(table, "happened", None)
        if not isinstance(title, str) or not NAME.fullmatch(title):
            raise OwnError(f"{where}: say title = 'visits', the name of its file, in lower-case letters, digits and _")
        if title in taken:
            raise OwnError(f"{where}: a table {title!r} is there already, by {taken[title]}; give it another title")
        taken[title] = origin
        columns = {column.name: column for column in table.columns()}
        dated = columns.get(str(happened))
        if dated is None or dated.kind is not Kind.TIME or not dated.required:
            raise OwnError(
                f"{where}: happened must name the column that dates a row, declared as Column(Kind.TIME, ..., "
                f"required=True); it is {happened!r}"
            )
        _check_columns(where, table)


def _check_columns(where: str, table: type[EventTable]) -> None:
    names = [column.name for column in table.columns()]
    for column in table.columns():
        if not NAME.fullmatch(column.name) or column.name in RESERVED_COLUMNS:
            problem = f"column {column.name!r} cannot be called that"
            raise OwnError(f"{where}: {problem}; use lower-case letters, digits and _, and not time, visible, customer")
        if f"has_{column.name}" in names:
            raise OwnError(f"{where}: column 'has_{column.name}' is made for {column.name!r}; call yours otherwise")
        if column.kind is Kind.CHOICE and not column.choices:
            raise OwnError(f"{where}: column {column.name!r} is a choice; say between what: choices=('a', 'b')")
        if any(choice != choice.lower() for choice in column.choices):
            raise OwnError(
                f"{where}: write the choices of column {column.name!r} in lower case; the files may use either"
            )


def guarded(feature: Feature, origin: str) -> Callable[[Past], Values]:
    """The feature's function, whose result is refused where it is not one number for each moment."""

    def compute(past: Past) -> Values:
        where = f"{origin}: feature {feature.name}"
        past.asked.clear()
        try:
            found = feature.compute(past)
        except Exception as error:
            raise OwnFeatureError(f"{where} failed with {type(error).__name__}: {error}") from error
        titles = {need.partition(".")[0] for need in feature.needs}
        if unsaid := sorted(past.asked - titles):
            raise OwnFeatureError(
                f"{where} reads the table {unsaid[0]} without saying so; write needs=({unsaid[0]!r},), so that it is "
                "absent where the table is, and not zero"
            )
        return _checked(found, len(past.moments), where)

    return compute


def _checked(found: Any, rows: int, where: str) -> Values:
    expected = f"expected are {rows} numbers, one for each moment, as a NumPy array of floats or integers"
    if not isinstance(found, np.ndarray):
        raise OwnFeatureError(f"{where} gives a {type(found).__name__}; {expected}")
    if found.shape != (rows,):
        raise OwnFeatureError(f"{where} gives the shape {found.shape}; {expected}")
    if found.dtype.kind not in "biuf":
        advice = " (days since a moment: past.orders.days_since(moment))" if found.dtype.kind in "Mm" else ""
        raise OwnFeatureError(f"{where} gives values of type {found.dtype}; {expected}{advice}")
    if found.dtype.kind == "f" and (endless := int(np.isinf(found).sum())):
        raise OwnFeatureError(
            f"{where} is infinite for {endless} of {rows} moments; divide by regulars.features.asof.ratio, which gives "
            "NaN (missing) where it divides by zero"
        )
    if found.dtype.kind == "i" and (found == NEVER).any():
        raise OwnFeatureError(f"{where} gives a moment that is NEVER; days since it are past.orders.days_since(moment)")
    return found
