"""Sealed folders: plain files beside a manifest with the size and SHA-256 of each, checked before anything is parsed.

A folder may come from anybody. It is read file by file, each once, into memory, and only what matches the manifest is
handed on; so nothing can be exchanged between the check and the reading. A name that leaves the folder, a link, a file
too many or too few: any of them refuses the whole folder. The seal finds damage and mix-ups; it does not prove who
made the folder, because whoever can write the files can write the manifest.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from regulars.serving.files import whole_folder
from regulars.serving.parts import as_json

MANIFEST = "manifest.json"
FORMAT = "regulars-bundle"
FORMAT_VERSION = 3
_NAME = re.compile(r"^[a-z0-9_]+(/[A-Za-z0-9_]+)?\.(json|txt|npy|parquet)$", re.ASCII)


class BundleError(ValueError):
    """A bundle that cannot be used; the message says which file, what was wrong and what to do."""


def write_sealed(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files and their manifest as a folder, whole or not at all; an older bundle in its place is replaced.

    Raises:
        BundleError: if `folder` is there and is no bundle, so that nothing of somebody else's is lost.
    """
    if folder.exists() and not (folder / MANIFEST).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise BundleError(f"{folder} is there and is no bundle; it is left as it is. Give another folder or remove it")
    listed = {name: {"bytes": len(content), "sha256": _hash(content)} for name, content in sorted(files.items())}
    manifest = {"format": FORMAT, "format_version": FORMAT_VERSION, "files": listed}
    with whole_folder(folder) as made:
        for name, content in files.items():
            path = made / _checked_name(name, folder)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        (made / MANIFEST).write_bytes(as_json(manifest))


def read_sealed(folder: Path) -> dict[str, bytes]:
    """The files of a sealed folder by name, every one as the manifest says.

    Raises:
        BundleError: if the folder is not exactly what its manifest says.
    """
    if not folder.is_dir():
        raise BundleError(f"{folder} is no folder; a bundle is the folder that `train` writes")
    found = _files_in(folder)
    listed = _listed(folder)
    if missing := sorted(set(listed) - found):
        raise BundleError(f"{folder}: {missing[0]} is missing ({len(missing)} in all); copy the bundle again")
    if unknown := sorted(found - set(listed)):
        raise BundleError(f"{folder}: {unknown[0]} is not in the manifest ({len(unknown)} in all); remove it")
    return {name: _read(folder, name, entry) for name, entry in listed.items()}


def _files_in(folder: Path) -> set[str]:
    """Names of the files in the folder, the manifest left out."""
    found = set()
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent) / name
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                raise BundleError(f"{path} is a link or a device; a bundle holds plain files only")
            if name in files:
                found.add(path.relative_to(folder).as_posix())
    return found - {MANIFEST}


def _listed(folder: Path) -> dict[str, tuple[int, str]]:
    """Size and hash of each file that the manifest names."""
    path = folder / MANIFEST
    if not path.is_file():
        raise BundleError(f"{folder} has no {MANIFEST}; a bundle is the folder that `train` writes")
    try:
        manifest = json.loads(path.read_bytes())
        if (manifest["format"], manifest["format_version"]) != (FORMAT, FORMAT_VERSION):
            raise BundleError(
                f"{path}: this is {manifest['format']!r} version {manifest['format_version']!r}, and this install "
                f"reads {FORMAT!r} version {FORMAT_VERSION}; train again with this install, or install the other one"
            )
        return {
            _checked_name(name, folder): (int(entry["bytes"]), str(entry["sha256"]))
            for name, entry in manifest["files"].items()
        }
    except (KeyError, TypeError, AttributeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BundleError(f"{path} is no manifest of a bundle ({error!r}); copy the bundle again") from error


def _checked_name(name: Any, folder: Path) -> str:
    if not isinstance(name, str) or not _NAME.match(name):
        raise BundleError(f"{folder}: {name!r} is no name of a bundle's file; the bundle is refused")
    return name


def _read(folder: Path, name: str, entry: tuple[int, str]) -> bytes:
    size, digest = entry
    path = folder / name
    if path.stat().st_size == size:
        content = path.read_bytes()
        if len(content) == size and _hash(content) == digest:
            return content
    raise BundleError(
        f"{path} is not the file that the manifest names; it was changed or damaged. Copy the bundle again"
    )


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
