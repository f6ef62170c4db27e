"""Where a PostgreSQL database is: a URL that libpq reads, told to people without its password.

A URL that is cut up in another way than it was meant (an @ or a / that belongs to the password) would show a piece of
the password as the name of a host. So it is read strictly here, and what is wrong with it is said without quoting it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import unquote

FORM = "postgresql://USER@HOST:5432/DATABASE"
"""What a URL looks like; all but the scheme may be left out."""

# Long enough for a slow network, short enough for a person who waits; a connection that died in silence is noticed.
DEFAULTS = {
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "fallback_application_name": "regulars",
}
"""Parameters of the connection where the URL does not give them."""

_SCHEME = re.compile(r"postgres(?:ql)?://", re.IGNORECASE)
_LIKE_A_URL = re.compile(r"[a-z][a-z0-9+.-]*://|postgres(ql)?:|.*\bpassword\s*=", re.IGNORECASE)
_HOST = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^\[\]:]*)(:[0-9]*)?")
_SECRETS = ("password", "sslpassword")
HIDDEN = "***"


class UrlError(ValueError):
    """A URL that cannot be used; the message says why and shows no part of it that may be a password."""


def is_url(text: str) -> bool:
    """Whether the text is a URL, or was meant as one, and is no path."""
    return _LIKE_A_URL.match(text) is not None


def _silent(_: str) -> None:
    """Progress that nobody wants to hear."""


@dataclass(frozen=True)
class Database:
    """A PostgreSQL database as source of tables; `str` and `repr` show no password.

    `url` is what libpq is given, `shown` what people see, `name` what the data is called, `schema` where the tables are
    (None: wherever the search path finds them). `progress` is told on the way how many rows were read.
    """

    url: str = field(repr=False)
    shown: str
    name: str
    schema: str | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)
    progress: Callable[[str], None] = field(default=_silent, repr=False, compare=False)

    @classmethod
    def parse(cls, text: str, progress: Callable[[str], None] = _silent) -> Database:
        """The database that the URL names: libpq's form, and `?schema=NAME` beside libpq's parameters.

        Raises:
            UrlError: for anything else.

        >>> Database.parse("postgresql://ann:secret@db.example:5433/shop?schema=sales")
        Database(shown='postgresql://ann@db.example:5433/shop?schema=sales', name='shop.sales', schema='sales')
        """
        scheme = _SCHEME.match(text)
        if scheme is None:
            raise UrlError(f"the URL is not one of PostgreSQL; expected {FORM}")
        rest = text[scheme.end() :]
        if re.search(r"%(?![0-9A-Fa-f]{2})|%00|[\x00-\x20\x7f]", rest):
            raise UrlError("the URL has a % without two digits, or a space; write % as %25 and a space as %20")
        before, _, query = rest.partition("?")
        authority, _, path = before.partition("/")
        credentials, at, hosts = authority.rpartition("@")
        if "@" in credentials + path + query:
            raise UrlError("the URL has an @, / or ? too many; in user, password or a parameter write %40, %2F, %3F")
        if not all(_HOST.fullmatch(host) for host in hosts.split(",")):
            raise UrlError(f"the URL has no host and port where they should be; expected {FORM}")
        user, _, password = credentials.partition(":")
        given = _parameters(query)
        schema = unquote(given.pop("schema", "")) or None
        named = _named(path, user, given)
        shown = f"postgresql://{user}{at}{hosts}/{path}" + (f"?schema={schema}" if schema else "")
        known = {unquote(part) for part in (user, path, given.get("user", ""), given.get("dbname", ""))}
        texts = [password, *(given.get(name, "") for name in _SECRETS)]
        secrets = {secret for text in texts for secret in (text, unquote(text)) if secret} - known
        filled = given | {name: value for name, value in DEFAULTS.items() if not _is_given(name, given)}
        return cls(
            url=f"postgresql://{before}?" + "&".join(f"{name}={value}" for name, value in filled.items()),
            shown=shown,
            name=f"{named}.{schema}" if schema else named,
            schema=schema,
            # The longest first: one may be part of another.
            secrets=tuple(sorted(secrets, key=len, reverse=True)),
            progress=progress,
        )

    def __str__(self) -> str:
        return self.shown

    def hide(self, text: str) -> str:
        """The text without passwords, should a driver have put one into it."""
        for secret in self.secrets:
            text = text.replace(secret, HIDDEN)
        return text


def _parameters(query: str) -> dict[str, str]:
    given = {}
    for pair in query.split("&") if query else []:
        name, equals, value = pair.partition("=")
        if not equals or not re.fullmatch(r"[a-z_]+", name):
            raise UrlError("the URL's parameters are not written as ?name=value&name=value; write & in a value as %26")
        given[name] = value
    return given


def _named(path: str, user: str, given: dict[str, str]) -> str:
    """Name of the database: as given, or as libpq finds it."""
    wanted = (path, given.get("dbname", ""), os.environ.get("PGDATABASE", ""), user, os.environ.get("PGUSER", ""))
    return next((unquote(name) for name in wanted if name), "postgresql")


def _is_given(name: str, given: dict[str, str]) -> bool:
    return name in given or (name == "connect_timeout" and "PGCONNECT_TIMEOUT" in os.environ)
