"""Finding a bundle: by its folder, by its name in MLflow, or as the champion of the place where one stands."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from regulars.features.settings import Settings, read_settings, tracking_uri
from regulars.serving.bundle import Bundle, load_bundle
from regulars.serving.sealed import MANIFEST, BundleError

VARIABLE = "REGULARS_MODEL"
"""Environment variable that names the bundle where no reference is given."""
CHAMPION = "champion"
"""Alias of the model in use, and name of the folder beside the store to which it is exported."""
_SQLITE = "sqlite:///"
_REMOTE = ("models:/", "runs:/", "mlflow-artifacts:/")


def load_reference(ref: str | Path | None = None, settings: Settings | None = None) -> Bundle:
    """The bundle that a reference means.

    Args:
        ref: a bundle folder, or an MLflow reference such as `models:/regulars@champion`. None: the environment
            variable `REGULARS_MODEL`, else the champion of the store, else the folder `champion` beside the store.
        settings: name store and model, and bring the shop's own features; None: those of REGULARS_CONFIG, or of
            `regulars.toml` in the current folder, if there is one.

    Raises:
        BundleError: if the reference means nothing, or the bundle cannot be used; the message says what was tried.
    """
    chosen = read_settings() if settings is None else settings
    named = str(ref) if ref is not None else os.environ.get(VARIABLE, "")
    if named:
        return _named(named, chosen)
    tried: list[str] = []
    for place in (_of_store, _beside_store):
        bundle = place(chosen, tried)
        if bundle is not None:
            return bundle
    raise BundleError(
        f"no model was named and none was found. Tried: {VARIABLE} is not set; {'; '.join(tried)}. "
        "Run `regulars train DIR` first, or name a bundle folder or an MLflow reference"
    )


def champion_folder(settings: Settings) -> Path:
    """The folder `champion` beside the store; in the current folder where the store is no file."""
    file = _store_file(settings)
    return (file.parent if file is not None else Path()) / CHAMPION


def _store_file(settings: Settings) -> Path | None:
    uri = tracking_uri(settings)
    return Path(uri.removeprefix(_SQLITE)) if uri.startswith(_SQLITE) else None


def _named(ref: str, settings: Settings) -> Bundle:
    if ref.startswith(_REMOTE):
        return _from_mlflow(ref, settings)
    if not (Path(ref) / MANIFEST).is_file():
        raise BundleError(
            f"{ref!r} is no bundle: there is no {MANIFEST} in it. Name the folder that `regulars train` exported "
            f"(such as {champion_folder(settings)}), or an MLflow reference such as models:/{settings.model_name}"
            f"@{CHAMPION}"
        )
    return load_bundle(Path(ref), settings)


def _of_store(settings: Settings, tried: list[str]) -> Bundle | None:
    def load() -> Bundle:
        _needs_store(settings)
        return _from_mlflow(f"models:/{settings.model_name}@{CHAMPION}", settings)

    return _attempt(load, tried)


def _beside_store(settings: Settings, tried: list[str]) -> Bundle | None:
    folder = champion_folder(settings)
    if not (folder / MANIFEST).is_file():
        tried.append(f"there is no bundle in {folder}")
        return None
    return load_bundle(folder, settings)


def _attempt(load: Callable[[], Bundle], tried: list[str]) -> Bundle | None:
    try:
        return load()
    except UnknownReferenceError as error:
        tried.append(str(error))
        return None


class UnknownReferenceError(BundleError):
    """An MLflow reference that means nothing here: no such model, or no MLflow."""


def _needs_store(settings: Settings) -> None:
    """Refuses a store that is a file and is not there; asking for it would make an empty one."""
    file = _store_file(settings)
    if file is not None and not file.exists():
        raise UnknownReferenceError(f"there is no store {file}")


def _from_mlflow(ref: str, settings: Settings) -> Bundle:
    if find_spec("mlflow") is None:
        raise UnknownReferenceError(f"{ref} is an MLflow reference, and MLflow is not installed (regulars[train])")
    _needs_store(settings)
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nothing is sent unless the user has decided otherwise
    from regulars.serving.mlflow_model import fetch

    return fetch(ref, tracking_uri(settings), settings)
