from __future__ import annotations

import pickle
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regulars.features.database import Database, UrlError, is_url
from regulars.features.findings import DataError
from regulars.features.reading import inspect, read_shop
from regulars.features.settings import Settings

VARIABLES = ("PGDATABASE", "PGUSER", "PGCONNECT_TIMEOUT")


@pytest.fixture(autouse=True)
def without_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("url", "shown", "name", "schema"),
    [
        ("postgresql://ann:pw@db:5433/shop", "postgresql://ann@db:5433/shop", "shop", None),
        ("postgres://ann:pw@db/shop?schema=sales", "postgresql://ann@db/shop?schema=sales", "shop.sales", "sales"),
        ("POSTGRESQL://db/shop?sslmode=require", "postgresql://db/shop", "shop", None),
        ("postgresql://ann@[::1]:5432/my%20shop", "postgresql://ann@[::1]:5432/my%20shop", "my shop", None),
        ("postgresql://a.example:1,b.example:2/shop", "postgresql://a.example:1,b.example:2/shop", "shop", None),
        ("postgresql://ann@db", "postgresql://ann@db/", "ann", None),
        ("postgresql:///?host=/run&dbname=shop&password=pw", "postgresql:///", "shop", None),
        ("postgresql://", "postgresql:///", "postgresql", None),
        ("postgresql:///s?schema=We%22ird%3B", 'postgresql:///s?schema=We"ird;', 's.We"ird;', 'We"ird;'),
    ],
)
def test_what_a_url_says(url: str, shown: str, name: str, schema: str | None) -> None:
    database = Database.parse(url)
    assert (str(database), database.name, database.schema) == (shown, name, schema)
    assert "pw" not in repr(database)


def test_the_name_is_what_libpq_would_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGDATABASE", "theirs")
    assert Database.parse("postgresql://ann@db").name == "theirs"
    assert Database.parse("postgresql://ann@db/mine").name == "mine"


def test_what_libpq_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    url = urlsplit(Database.parse("postgres://ann:p%40@db/shop?sslmode=require&schema=sales&keepalives_idle=5").url)
    assert (url.scheme, url.netloc, url.path) == ("postgresql", "ann:p%40@db", "/shop")
    given = {name: value for name, (value,) in parse_qs(url.query).items()}
    assert given.items() >= {"sslmode": "require", "keepalives_idle": "5", "connect_timeout": "10"}.items()
    assert "schema" not in given
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "60")
    assert "connect_timeout" not in Database.parse("postgres://db").url


WRONG: dict[str, str] = {
    "an @ in the password": "postgresql://ann:se@cret@db/shop",
    "a / in the password": "postgresql://ann:se/cret@db/shop",
    "a ? in the password": "postgresql://ann:se?cret@db/shop",
    "a % in the password": "postgresql://ann:se%cret@db/shop",
    "a space in the password": "postgresql://ann:se cret@db/shop",
    "no host": "postgresql://ann:secret",
    "another database": "mysql://ann:secret@db/shop",
    "a driver": "postgresql+psycopg2://ann:secret@db/shop",
    "a slash too few": "postgresql:/ann:secret@db/shop",
    "libpq's other form": "host=db password=secret",
    "an & in the password": "postgresql://db/shop?password=se&cret",
    "an = in the password": "postgresql://db/shop?password=x&se-cret=x",
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_url_is_refused_and_not_shown(name: str) -> None:
    assert is_url(WRONG[name])
    with pytest.raises(UrlError) as caught:
        Database.parse(WRONG[name])
    assert not any(piece in str(caught.value) for piece in ("cret", "ann:", "ann@"))
    with pytest.raises(DataError) as refused:
        read_shop(WRONG[name], Settings())
    assert not any(piece in str(refused.value) for piece in ("cret", "ann:", "ann@"))
    assert [finding.rule for finding in inspect(WRONG[name], Settings()).findings] == ["no_source"]


@pytest.mark.parametrize("path", ["shop", "/data/shop", "./postgresql", "a:b/shop", "C:\\shop", "postgres/orders", ""])
def test_a_path_is_no_url(path: str) -> None:
    assert not is_url(path)


URL_SIGNS = st.text(st.sampled_from("ab1:/?#@&=%+,[] ;'\"\\é"), min_size=1, max_size=8)


@given(password=URL_SIGNS)
def test_a_password_written_as_it_must_be_reaches_libpq_and_nobody_else(password: str) -> None:
    database = Database.parse(f"postgresql://ann:{quote(password, safe='')}@db.example/shop")
    assert unquote(urlsplit(database.url).password or "") == password
    assert str(database) == "postgresql://ann@db.example/shop"
    shown: Any = (repr(database), str(database))
    assert all(quote(password, safe="") not in text for text in shown if len(password) > 3)
    assert password not in database.hide(f"<{password}>") or password in "<***>"
    assert pickle.loads(pickle.dumps(database)) == database


@given(password=URL_SIGNS)
def test_a_password_written_as_it_comes_is_either_read_whole_or_refused(password: str) -> None:
    try:
        database = Database.parse(f"postgresql://ann:{password}@db.example/shop")
    except UrlError:
        return
    assert str(database) == "postgresql://ann@db.example/shop"
