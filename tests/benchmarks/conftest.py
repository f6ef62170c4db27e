"""What the tests of the benches have in common."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def bench(root: Path) -> Callable[[str], Any]:
    """Imports a module of benchmarks/ by its name."""
    folder = str(root / "benchmarks")
    if folder not in sys.path:
        sys.path.append(folder)
    return import_module
