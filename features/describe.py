"""What every feature means, from its own definition: the table behind `regulars features --describe` and the docs.

`python -m regulars.features.describe` writes `docs/features.md` of the repository; a test says when that is due.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from inspect import getdoc
from pathlib import Path

from regulars.features.families import FAMILIES
from regulars.features.own import own_of
from regulars.features.settings import FeatureSettings, Settings

PAGE = Path(__file__).resolve().parents[1] / "docs" / "features.md"
"""Where the page stands in the repository."""

_OPENING = """# Features

One row per customer and moment, one column per feature. Every feature says what was known just before the moment: an
event exactly at the moment is the future, and a window of 30 days at moment t is [t - 30 days, t). A row that was
recorded late counts from when it was known, at the time it happened. A feature whose tables or columns the shop does
not have is absent. *Without events* is the value for a customer to whom nothing has happened yet; `missing` is NaN, and
`set` a value that has nothing to do with events.

The columns below are those of the default look-back windows (`[features] windows_days`). This page is written by
`python -m regulars.features.describe` from the definitions in `features/families/`.
"""


@dataclass(frozen=True)
class Description:
    """One column: its family, name and meaning, its unit, its value without events, and what it needs."""

    family: str
    name: str
    meaning: str
    unit: str
    empty: str
    needs: str


def describe(windows: Iterable[int] | None = None) -> list[Description]:
    """All features for these look-back windows (days; by default those of the settings), in the order of columns."""
    chosen = FeatureSettings().windows_days if windows is None else tuple(windows)
    return [
        Description(one.family, one.name, one.meaning, one.unit, one.empty, ", ".join(one.needs))
        for family in FAMILIES
        for one in family.features(chosen)
    ]


def describe_own(settings: Settings) -> list[Description]:
    """The features of the shop's own that the settings name; the family says which file or module they are from."""
    return [
        Description(module.name, one.name, one.meaning, one.unit, one.empty, ", ".join(one.needs))
        for module in own_of(settings).modules
        for one in module.features(settings.features.windows_days)
    ]


def markdown() -> str:
    """The page for the docs."""
    rows = describe()
    parts = [_OPENING]
    for family in FAMILIES:
        parts.append(f"## {family.name.replace('_', ' ').capitalize()}\n\n{_idea(family.name)}\n")
        parts.append("| feature | meaning | unit | without events | needs |\n|---|---|---|---|---|")
        parts.extend(
            f"| `{row.name}` | {row.meaning} | {row.unit} | {row.empty} | {row.needs} |"
            for row in rows
            if row.family == family.name
        )
        parts.append("")
    return "\n".join(parts)


def _idea(family: str) -> str:
    """What a family is about: the docstring of its module, without the name in front."""
    text = " ".join((getdoc(import_module(f"regulars.features.families.{family}")) or "").split())
    idea = text.partition(": ")[2]
    return idea[:1].upper() + idea[1:]


def main() -> None:
    """Writes the page."""
    PAGE.write_text(markdown(), encoding="utf-8")


if __name__ == "__main__":
    main()
