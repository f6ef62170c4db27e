"""What every test may use: the public data beside the repository, and the same generated examples on every run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from tests.server import Server, Shop, server

ROOT = Path(__file__).resolve().parents[1]

# derandomize: a failure seen once is seen again; no deadline: a first call may compile a kernel.
settings.register_profile("regulars", derandomize=True, deadline=None)
settings.load_profile("regulars")


@pytest.fixture(scope="session")
def root() -> Path:
    """Folder of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the public data for development; the test skips where there is none."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the public data in ../shared/data, which is absent")
    return folder


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A PostgreSQL server; the test skips, and says so, where none can be had."""
    with server() as found:
        yield found


@pytest.fixture
def database(postgres_server: Server) -> Iterator[Shop]:
    """A new and empty database of that server."""
    with postgres_server.new_database() as made:
        yield made
