"""The commands on a database: the same answers as on files, and the password nowhere."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from pyarrow import parquet
from tests.cli.conftest import Give, Said, start
from tests.server import PASSWORD, Server, Shop

from regulars.cli.common import as_place

FORMS = [PASSWORD.encode(), quote(PASSWORD, safe="").encode(), quote(PASSWORD, safe="").lower().encode()]


@pytest.fixture
def stored(trained: Path, database: Shop) -> Shop:
    """The trained shop's tables in a database."""
    for path in (trained / "shop").glob("*.parquet"):
        database.store(path.stem, parquet.read_table(path))
    return database


def silent(said: Said, at: Path) -> None:
    """Nothing that was said or written holds the password."""
    texts = [said.out.encode(), said.err.encode()]
    texts += [path.name.encode() for path in at.rglob("*")]
    texts += [path.read_bytes() for path in at.rglob("*") if path.is_file()]
    assert not [text[:80] for text in texts if any(form in text for form in FORMS)]


def test_features_and_scores_are_those_of_files(stored: Shop, trained: Path, tmp_path: Path, give: Give) -> None:
    for name, source in (("file", trained / "shop"), ("base", stored.url)):
        at = tmp_path / name
        at.mkdir()
        for words in (
            ("check", source),
            ("features", source, "--out", "features.csv"),
            ("score", source, "--model", trained / "champion", "--out", "scores.csv"),
        ):
            said = give(*words, at=at)
            assert said.code == 0, said.err
            silent(said, at)
            if words[0] == "check":
                assert f"Readiness of {'shop' if name == 'file' else stored.name}: " in said.out
    for name in ("features.csv", "scores.csv"):
        assert (tmp_path / "file" / name).read_bytes() == (tmp_path / "base" / name).read_bytes()


@pytest.mark.slow
def test_all_other_commands_take_a_database(stored: Shop, trained: Path, tmp_path: Path, give: Give) -> None:
    model, until = ("--model", trained / "champion"), ("--as-of", "2025-01-01")
    for words in (
        ("outreach", stored.url, *model, *until, "--out", "list.csv"),
        ("measure", stored.url, "--list", "list.csv", "--out", "measured.json"),
        ("report", stored.url, *model, "--out", "report.html"),
        ("explain", stored.url, "C000001", *model),
    ):
        said = give(*words, at=tmp_path)
        assert said.code == 0, said.err
        silent(said, tmp_path)


@pytest.mark.slow
def test_training_on_a_database_keeps_the_password_to_itself(stored: Shop, trained: Path, tmp_path: Path) -> None:
    said = start("train", stored.url, "--seed", "7", at=tmp_path)
    assert said.code == 0, said.err
    silent(said, tmp_path)
    bundle = "champion/bundle.json"
    assert '"data_fingerprint"' in (trained / bundle).read_text()
    prints = [
        line for folder in (trained, tmp_path) for line in (folder / bundle).read_text().splitlines()
        if "data_fingerprint" in line
    ]  # fmt: skip
    assert prints[0] == prints[1]
    assert stored.name.encode() in (tmp_path / "mlflow.db").read_bytes()
    judged = start("backtest", stored.url, "--json", "records.json", at=tmp_path)
    assert judged.code == 0, judged.err
    silent(judged, tmp_path)


def test_bad_rows_are_set_aside_here(stored: Shop, trained: Path, tmp_path: Path, give: Give) -> None:
    stored.run(
        "ALTER TABLE orders ALTER quantity TYPE text",
        "ALTER TABLE orders ADD line bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        "UPDATE orders SET quantity = 'many' WHERE line = 5",
    )
    words = ("score", stored.url, "--model", trained / "champion", "--out", "scores.csv")
    said = give(*words, at=tmp_path)
    assert said.code == 1
    assert "refused: the data cannot be used" in said.err
    assert "(the row with line 5: 'many')" in said.err
    silent(said, tmp_path)
    (tmp_path / "regulars.toml").write_text('[data]\nbad_rows = "set_aside"\n')
    said = give(*words, at=tmp_path)
    assert said.code == 0, said.err
    assert f"See {stored.name}-set-aside." in said.err
    assert len((tmp_path / f"{stored.name}-set-aside" / "orders.csv").read_text().splitlines()) == 2
    silent(said, tmp_path)


def test_what_is_refused_shows_no_password(postgres_server: Server, tmp_path: Path, give: Give) -> None:
    if postgres_server.socket is None:
        pytest.skip("the server is not ours, so its password is not known")
    gone = postgres_server.database("not there")
    for url, words in ((gone, 'database "not there" does not exist'), (gone.replace("ann:", "bob:"), "password")):
        for command in (("check", url), ("features", url, "--out", "x.csv")):
            said = give(*command, at=tmp_path)
            assert said.code == 1
            assert words in said.out + said.err
            assert "Traceback" not in said.err
            silent(said, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://ann:p@ss-w0rd@db/shop", "an @, / or ? too many"),
        ("postgresql://ann:ss-w0rd", "no host and port"),
        ("mysql://ann:ss-w0rd@db/shop", "not one of PostgreSQL"),
        ("host=db user=ann password=ss-w0rd", "not one of PostgreSQL"),
    ],
)
def test_a_wrong_url_is_wrong_use(url: str, words: str, tmp_path: Path, give: Give) -> None:
    for command in (("check", url), ("features", url, "--out", "x.csv"), ("train", url)):
        said = give(*command, at=tmp_path)
        assert said.code == 2
        assert said.err.splitlines()[-1].startswith("Error: ")
        assert words in said.err
        assert "ss-w0rd" not in said.err + said.out


def test_a_place_is_called_what_it_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    place = as_place("postgresql://ann:pw@db/my%20shop?schema=a%2Fb")
    assert (place.name, place.set_aside) == ("my shop.a/b", Path("my_shop.a_b-set-aside"))
    assert (str(place), place.origin) == ("postgresql://ann@db/my%20shop?schema=a/b",) * 2
    assert (as_place(".").name, as_place("x/shop").name) == (tmp_path.name, "shop")
    assert (as_place("x/shop").set_aside, as_place("x/shop").origin) == (Path("x/shop-set-aside"), "shop")
    assert not place.is_simulated


def test_long_tables_are_told_on_the_way(
    stored: Shop, trained: Path, tmp_path: Path, give: Give, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("regulars.features.postgres.SILENCE", -1.0)
    said = give("features", stored.url, "--out", "x.csv", at=tmp_path)
    rows = parquet.read_metadata(trained / "shop/orders.parquet").num_rows
    assert f"· orders: {rows:,} rows read from {stored.name}" in said.err
