"""A PostgreSQL server for tests: one's own, or one that is started for them in a folder of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

OWN = "REGULARS_POSTGRES_URL"
"""Environment variable with the URL of a server whose user may create databases and roles."""
PASSWORD = "pass/w@rd:?#%é"
NEEDS = (
    "needs a PostgreSQL server: install one (Debian: apt-get install postgresql), or give the URL of one, whose user "
    f"may create databases, as {OWN}"
)
SETTINGS = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "shared_buffers=32MB", "max_connections=20")
UNPRIVILEGED = ("postgres", "nobody")
"""Users under whom the server is started where the tests run as root, which PostgreSQL refuses."""

_numbers = count(1)


@dataclass(frozen=True)
class Server:
    """A server: `url` up to and without the name of a database, parameters after it; `socket` is its folder's."""

    url: str
    parameters: str = ""
    socket: Path | None = None

    def database(self, name: str) -> str:
        """URL of the database."""
        return f"{self.url}/{quote(name, safe='')}{self.parameters}"

    def run(self, name: str, *statements: str) -> None:
        """Run statements in the database, each in a transaction of its own."""
        with connect(self.database(name)) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.executescript(statement)

    @contextmanager
    def new_database(self, options: str = "") -> Iterator[Shop]:
        """A new database, for as long as the context lasts."""
        name = f"regulars_test_{os.getpid()}_{next(_numbers)}"
        self.run("postgres", f"CREATE DATABASE {name} {options}")
        try:
            yield Shop(self, name)
        finally:
            self.run("postgres", f"DROP DATABASE {name} WITH (FORCE)")


@dataclass(frozen=True)
class Shop:
    """A database of the server."""

    server: Server
    name: str

    @property
    def url(self) -> str:
        """Its URL, password included."""
        return self.server.database(self.name)

    def url_with(self, parameter: str, url: str = "") -> str:
        """Its URL, or the one given, with one more parameter."""
        before = url or self.url
        return f"{before}{'&' if '?' in before else '?'}{parameter}"

    def run(self, *statements: str) -> None:
        """Run statements in it."""
        self.server.run(self.name, *statements)

    def store(self, title: str, frame: Any) -> None:
        """Make a table of an Arrow table."""
        with connect(self.url) as connection, connection.cursor() as cursor:
            cursor.adbc_ingest(title, frame, mode="create")


def connect(url: str) -> Any:
    """A connection in which every statement is a transaction."""
    from adbc_driver_postgresql import dbapi

    return dbapi.connect(url, autocommit=True)


@contextmanager
def server() -> Iterator[Server]:
    """One's own server, or a new one; the test skips where there is neither."""
    pytest.importorskip("adbc_driver_postgresql", reason="needs the extra `postgres`")
    if url := os.environ.get(OWN):
        before, _, parameters = url.partition("?")
        yield Server(before.rpartition("/")[0] if before.count("/") > 2 else before, parameters and f"?{parameters}")
        return
    programs = _programs()
    if programs is None:
        pytest.skip(NEEDS)
    with tempfile.TemporaryDirectory(prefix="regulars-pg-") as folder, _started(programs, Path(folder)) as started:
        yield started


def _programs() -> Path | None:
    """Folder of the newest server's programs."""
    places = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda place: place.parent.name.zfill(3), reverse=True
    )
    on_path = shutil.which("initdb")
    places += [Path(on_path).resolve().parent] if on_path else []
    return next((place for place in places if (place / "initdb").exists() and (place / "postgres").exists()), None)


def _as_user(folder: Path) -> dict[str, Any]:
    """How a program is started that refuses to run as root; the folder becomes its user's."""
    if os.geteuid() != 0:
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = next((known[name] for name in UNPRIVILEGED if name in known), None)
    if user is None:
        pytest.skip(f"{NEEDS}; as root it cannot be started, and there is no user {' or '.join(UNPRIVILEGED)}")
    for path in (folder, *folder.iterdir()):
        os.chown(path, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@contextmanager
def _started(programs: Path, folder: Path) -> Iterator[Server]:
    (folder / "password").write_text(PASSWORD, encoding="utf-8")
    how = _as_user(folder)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {
        "LC_ALL": "C.UTF-8"
    }
    data = folder / "data"
    words: list[str | Path] = [
        "-D",
        data,
        "-U",
        "ann",
        "--auth=scram-sha-256",
        f"--pwfile={folder / 'password'}",
        "--encoding=UTF8",
    ]
    made = subprocess.run(
        [programs / "initdb", *words],
        cwd=folder, env=environment, capture_output=True, text=True, check=False, **how,
    )  # fmt: skip
    if made.returncode:
        pytest.skip(f"{NEEDS}; initdb failed: {made.stderr.strip()[-500:]}")
    port = _free_port()
    settings = [*SETTINGS, "listen_addresses=127.0.0.1", f"port={port}", f"unix_socket_directories={folder}"]
    options = [word for setting in settings for word in ("-c", setting)]
    log = folder / "log"
    with log.open("w") as said, subprocess.Popen(
        [programs / "postgres", "-D", data, *options],
        cwd=folder, env=environment, stdout=said, stderr=said, start_new_session=True, **how,
    ) as process:  # fmt: skip
        try:
            started = Server(f"postgresql://ann:{quote(PASSWORD, safe='')}@127.0.0.1:{port}", socket=folder)
            _wait(started, process, log)
            yield started
        finally:
            process.send_signal(signal.SIGQUIT)  # at once, without tidying up


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(started: Server, process: subprocess.Popen[bytes], log: Path, seconds: float = 30) -> None:
    from adbc_driver_manager import OperationalError

    until = time.monotonic() + seconds
    while True:
        try:
            return started.run("postgres", "SELECT 1")
        except OperationalError:
            if process.poll() is not None or time.monotonic() > until:
                pytest.skip(f"{NEEDS}; the one that is installed does not start: {log.read_text()[-500:]}")
            time.sleep(0.05)
