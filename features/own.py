"""A shop's own features and event tables, from the Python files and modules that `[features] own` names.

Such a file is written like those in `features/families/`: it declares a `Family`, features of it, and, if need be,
event tables (`tables.EventTable`). What it declares at its top level is taken; a feature of one's own comes after the
built-in ones.

Own code is code. It is run only where the settings at hand name it, never because a bundle does: a bundle records the
names of the features it was fitted with and the SHA-256 of their source, and `lacking` and `changed` compare. A file is
run once in a process, as an import is; whoever changes it afterwards is warned that the process goes on with the first.
"""

from __future__ import annotations

import hashlib
import re
import traceback
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import import_module, metadata
from pathlib import Path
from sys import modules as imported
from types import ModuleType
from typing import Any

from regulars.features.define import Family, Feature
from regulars.features.families import FAMILIES
from regulars.features.own_checks import OwnError, check_family, check_names, check_needs, check_tables, guarded
from regulars.features.settings import Settings
from regulars.features.tables import TABLES, EventTable, Table

ENTRY_POINTS = "regulars.features"
"""Group of the entry points by which an installed package offers features."""


_brought: dict[str, bytes] = {}
"""Sources of own files that another machine sent, by path."""


class OwnChangedWarning(UserWarning):
    """A file of own features was changed after this process had run it."""


@dataclass(frozen=True)
class OwnModule:
    """What one entry of `[features] own` brings.

    Attributes:
        name: as people know it: the file's name, or the module's.
        origin: the file, or the folder of a package.
        sha256: of its source text (of a package: of all its Python files).
        families: of features, in the order in which they are declared.
        tables: event tables it declares.
        changed_at: when the file was last written, in nanoseconds; None for a module, which is imported once.
        source: what the file held when it was run; empty for a module.
    """

    name: str
    origin: Path
    sha256: str
    families: tuple[Family, ...]
    tables: tuple[type[EventTable], ...]
    changed_at: int | None = None
    source: bytes = b""

    def features(self, windows: Iterable[int]) -> list[Feature]:
        """Its features for these look-back windows; their results are checked when they are computed."""
        chosen = tuple(windows)
        found = [feature for family in self.families for feature in check_family(self.name, family, chosen)]
        return [replace(feature, compute=guarded(feature, self.name), scalars=False) for feature in found]


@dataclass(frozen=True)
class Own:
    """Everything of a shop's own."""

    modules: tuple[OwnModule, ...] = ()

    @property
    def tables(self) -> tuple[type[EventTable], ...]:
        """The event tables, in the order in which they are declared."""
        return tuple(table for module in self.modules for table in module.tables)

    def table(self, title: str) -> type[EventTable]:
        """The event table of this title.

        Raises:
            OwnError: if there is none; the message lists those there are.
        """
        for table in self.tables:
            if table.title == title:
                return table
        if title in {table.title for table in TABLES}:
            raise OwnError(f"past.table({title!r}): {title} is one of the six tables; write past.{title}")
        titles = ", ".join(table.title for table in self.tables) or "none"
        raise OwnError(f"past.table({title!r}): there is no such table; the own files declare: {titles}")

    def features(self, windows: Iterable[int]) -> list[Feature]:
        """The features for these look-back windows (days)."""
        chosen = tuple(windows)
        return [feature for module in self.modules for feature in module.features(chosen)]


def own_of(settings: Settings) -> Own:
    """The features and tables that `[features] own` of these settings names.

    Raises:
        OwnError: naming the file, where it is not there, fails, or declares something that cannot be.
    """
    if not settings.features.own:
        return Own()
    own = _checked(settings.features.own, settings.features.windows_days)
    for module in own.modules:
        _warn_if_changed(module)
    return own


def tables_of(settings: Settings) -> tuple[type[Table], ...]:
    """The tables that a shop with these settings may bring: the six, then its own."""
    return (*TABLES, *own_of(settings).tables)


def sources_of(settings: Settings) -> dict[str, bytes]:
    """What the own files of these settings held when they were run, by path; modules are not among them."""
    return {str(module.origin): module.source for module in own_of(settings).modules if module.source}


def bring(sources: Mapping[str, bytes]) -> None:
    """Have these sources run where settings name their paths, in place of what this machine's disk has there.

    For workers of a cluster, which are given the settings and do not share the disk.
    """
    if any(_brought.get(path) != source for path, source in sources.items()):
        _brought.update(sources)
        forget()


def forget() -> None:
    """Run the own files anew when they are next needed; for notebooks, after a file was changed."""
    _loaded.cache_clear()
    _checked.cache_clear()


def lacking(recorded: Iterable[Mapping[str, Any]], settings: Settings) -> str:
    """Why the settings at hand do not bring what a model was fitted with; '' where they do.

    Args:
        recorded: of each module: its `name`, `sha256` and the names of the `features` that are read.
        settings: at hand.
    """
    own = own_of(settings)
    brought = {
        feature.name: module for module in own.modules for feature in module.features(settings.features.windows_days)
    }
    for module in recorded:
        names = [str(name) for name in module["features"]]
        if absent := [name for name in names if name not in brought]:
            return (
                f"the models read {', '.join(absent)}, own features from {module['name']}, which the settings at hand "
                f"do not bring ({_told(own)}). Name the file in [features] own of the settings, and the settings by "
                "--config, REGULARS_CONFIG, a regulars.toml in the current folder, or Predictor.load(..., settings)"
            )
    return ""


def changed(recorded: Iterable[Mapping[str, Any]], settings: Settings) -> str:
    """Which own features were written anew since they were recorded (arguments as `lacking`); '' where none was."""
    own = own_of(settings)
    brought = {
        feature.name: module for module in own.modules for feature in module.features(settings.features.windows_days)
    }
    for module in recorded:
        here = brought[str(module["features"][0])]
        if here.sha256 != module["sha256"]:
            return (
                f"{here.origin} is not what the models were trained with: its SHA-256 is {here.sha256[:12]}..., and "
                f"that of {module['name']} was {str(module['sha256'])[:12]}... then"
            )
    return ""


def _told(own: Own) -> str:
    return "they bring " + (", ".join(module.name for module in own.modules) or "none")


def record(own: Own, features: Iterable[str], windows: Iterable[int]) -> list[dict[str, Any]]:
    """What a bundle keeps of the modules behind these features: name, hash, features, and the tables they declare."""
    wanted, chosen = set(features), tuple(windows)
    found: list[dict[str, Any]] = []
    for module in own.modules:
        names = [feature.name for feature in module.features(chosen) if feature.name in wanted]
        if names:
            titles = [table.title for table in module.tables]
            found.append({"name": module.name, "sha256": module.sha256, "features": names, "tables": titles})
    return found


@lru_cache(maxsize=16)
def _checked(named: tuple[str, ...], windows: tuple[int, ...]) -> Own:
    """What these entries bring, once everything holds between them, and between them and what is built in."""
    own = _loaded(named)
    check_tables([(module.name, table) for module in own.modules for table in module.tables])
    features = [(module.name, feature) for module in own.modules for feature in module.features(windows)]
    built_in = [feature.name for family in FAMILIES for feature in family.features(windows)]
    check_names(features, built_in)
    check_needs(features, own.tables)
    return own


@lru_cache(maxsize=16)
def _loaded(named: tuple[str, ...]) -> Own:
    seen: set[int] = set()
    return Own(tuple(_module(name, seen) for name in dict.fromkeys(named)))


def _module(named: str, seen: set[int]) -> OwnModule:
    """Runs one file or imports one module, and takes what it declares and none before it has declared."""
    path = Path(named) if named.endswith(".py") else None
    before = [family.declared for family in FAMILIES]
    source, changed_at = _source(path) if path else (b"", None)
    module = _run(path, source) if path else _imported(named)
    for family, length in zip(FAMILIES, before, strict=True):
        if family.declared > length:
            family.cut(length)
            raise OwnError(f"{named} adds to the built-in family {family.name!r}; declare a Family of its own")
    families = [one for one in _declared(module, Family, seen) if not any(one is family for family in FAMILIES)]
    tables = [one for one in _declared_types(module) if id(one) not in seen]
    seen.update(map(id, tables))
    if not families and not tables:
        raise OwnError(
            f"{named} declares neither a Family nor an EventTable at its top level; see docs/own-features.md"
        )
    origin = path or _place(module)
    digest = hashlib.sha256(_plain(source)).hexdigest() if path else _digest(origin)
    name = path.name if path else named
    return OwnModule(name, origin, digest, tuple(families), tuple(tables), changed_at, source)


def _declared(module: ModuleType, kind: type[Family], seen: set[int]) -> Iterator[Family]:
    for value in vars(module).values():
        if isinstance(value, kind) and id(value) not in seen:
            seen.add(id(value))
            yield value


def _declared_types(module: ModuleType) -> list[type[EventTable]]:
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, EventTable) and value is not EventTable
    ]


def _source(path: Path) -> tuple[bytes, int | None]:
    """What a file holds, and when it was last written; None for one that was brought from elsewhere."""
    if str(path) in _brought:
        return _brought[str(path)], None
    try:
        return path.read_bytes(), path.stat().st_mtime_ns
    except OSError as error:
        advice = "[features] own names files from the folder of the settings"
        raise OwnError(f"{path} cannot be read ({error.strerror}); {advice}") from error


def _run(path: Path, source: bytes) -> ModuleType:
    """The module of a file, from the very bytes whose hash is taken."""
    digest = hashlib.sha256(str(path).encode() + source).hexdigest()[:12]
    module = ModuleType(f"regulars_own_{re.sub(r'[^A-Za-z0-9_]', '_', path.stem)}_{digest}")
    module.__file__ = str(path)
    imported[module.__name__] = module  # dataclasses and the like look their module up
    try:
        exec(compile(source, str(path), "exec"), vars(module))  # noqa: S102 - the user's own settings name this file
    except Exception as error:
        del imported[module.__name__]
        raise OwnError(f"{path}{_line(error, path)}: {type(error).__name__}: {error}") from error
    return module


def _line(error: Exception, path: Path) -> str:
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f", line {lines[-1]}" if lines else ""


def _imported(named: str) -> ModuleType:
    offered = [point for point in metadata.entry_points(group=ENTRY_POINTS) if point.name == named]
    name = offered[0].module if offered else named
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise OwnError(
            f"[features] own names {named!r}, which is no file (.py), no entry point of the group {ENTRY_POINTS}, and "
            f"no module that can be imported ({error})"
        ) from error
    except Exception as error:
        raise OwnError(f"{name} cannot be imported: {type(error).__name__}: {error}") from error


def _place(module: ModuleType) -> Path:
    """The file of a module, or the folder of a package."""
    file = Path(str(module.__file__))
    return file.parent if file.stem == "__init__" else file


def _digest(origin: Path) -> str:
    """Hash of a file, or of all Python files of a package with their names."""
    if origin.is_file():
        return hashlib.sha256(_plain(origin.read_bytes())).hexdigest()
    digest = hashlib.sha256()
    for path in sorted(origin.rglob("*.py")):
        text = _plain(path.read_bytes())
        digest.update(f"{path.relative_to(origin).as_posix()} {len(text)} ".encode() + text)
    return digest.hexdigest()


def _plain(source: bytes) -> bytes:
    """The source as it is on every system: lines end in one way."""
    return source.replace(b"\r\n", b"\n")


def _warn_if_changed(module: OwnModule) -> None:
    if module.changed_at is None or not module.origin.exists():
        return
    if module.origin.stat().st_mtime_ns != module.changed_at and _digest(module.origin) != module.sha256:
        warnings.warn(
            f"{module.origin} was changed after this process had run it, and the process goes on with what it ran. "
            "Start it anew, or call regulars.features.own.forget()",
            OwnChangedWarning,
            stacklevel=3,
        )
