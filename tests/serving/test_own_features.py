"""Bundles of models that read a shop's own features: what they record, and when they are refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pytest

from regulars.features.context import ShopContext
from regulars.features.logs import Logs
from regulars.features.own import OwnChangedWarning, forget
from regulars.features.reading import read_shop
from regulars.features.settings import Settings, with_own
from regulars.features.shop import as_time
from regulars.models.fitted import FittedModels
from regulars.serving import Predictor
from regulars.serving import bundle as bundle_module
from regulars.serving.bundle import load_bundle, make_bundle, save_bundle
from regulars.serving.predictor import NotGivenWarning
from regulars.serving.sealed import BundleError, write_sealed

OWN = """
from regulars.features.define import Family
from regulars.features.tables import Column, EventTable, Kind

class Visits(EventTable):
    title = "visits"
    happened = "visited_at"
    visited_at = Column(Kind.TIME, "when", required=True)

web = Family("web", needs=("visits",))

@web.feature(unit="visits", empty="0")
def visits_total(past):
    '''Visits so far.'''
    return past.table("visits").count()
"""
LINES = {
    "customer_id": ["ann", "ann", "bob"],
    "order_id": ["1", "2", "3"],
    "ordered_at": ["2024-01-05", "2024-05-05", "2024-03-01"],
    "amount": [10.0, 20.0, 30.0],
}
SEEN = {"customer_id": ["ann", "cat"], "visited_at": ["2024-05-01", "2024-05-02"]}


@pytest.fixture
def with_own_feature(tmp_path: Path, fake_models: FittedModels) -> tuple[Path, Settings]:
    """A bundle of models that read a feature of the shop's own, and the settings that bring it."""
    (tmp_path / "mine.py").write_text(OWN)
    chosen = with_own(Settings(), [str(tmp_path / "mine.py")])
    shop = read_shop({"orders": pa.table(LINES), "visits": pa.table(SEEN)}, chosen).shop
    assert shop is not None
    now = as_time("2024-06-01")
    context = ShopContext.of(Logs(shop, chosen), now)
    save_bundle(tmp_path / "bundle", make_bundle(shop, fake_models, context, chosen, now, version="v1"))
    return tmp_path / "bundle", chosen


def test_own_features_are_recorded_and_their_place_is_not(with_own_feature: tuple[Path, Settings]) -> None:
    folder, chosen = with_own_feature
    told = json.loads((folder / "bundle.json").read_text())
    assert told["features"][-1] == "visits_total"
    (module,) = told["own_features"]
    assert module["sha256"] == hashlib.sha256(OWN.encode()).hexdigest()
    assert (module["name"], module["features"], module["tables"]) == ("mine.py", ["visits_total"], ["visits"])
    assert str(folder.parent) not in "".join(path.read_text() for path in folder.glob("*.json"))
    assert load_bundle(folder, chosen).feature_list()[-1].name == "visits_total"


def test_own_tables_are_brought_beside_the_six(with_own_feature: tuple[Path, Settings]) -> None:
    predictor = Predictor.load(*with_own_feature)
    scores = predictor.predict(pa.table(LINES), as_of="2024-06-01", tables={"visits": pa.table(SEEN)})
    assert scores["customer_id"].tolist() == ["ann", "bob", "cat"]
    assert scores["status"].tolist()[2] == "prospect"
    with pytest.warns(NotGivenWarning, match="fitted with visits, which was not given"):
        predictor.predict(pa.table(LINES), as_of="2024-06-01")
    with pytest.raises(
        ValueError, match="tables has 'visit', which is no event table of the shop's own; there are: vis"
    ):
        predictor.predict(pa.table(LINES), as_of="2024-06-01", tables={"visit": pa.table(SEEN)})


def test_a_bundle_whose_own_features_are_not_brought_is_refused(
    with_own_feature: tuple[Path, Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, chosen = with_own_feature
    expected = (
        r"read visits_total, own features from mine\.py, which the settings at hand do not bring \(they bring none\)"
    )
    with pytest.raises(BundleError, match=expected):
        load_bundle(folder, Settings())
    monkeypatch.chdir(folder.parent)
    monkeypatch.delenv("REGULARS_CONFIG", raising=False)
    with pytest.raises(BundleError, match=expected):
        load_bundle(folder)
    (folder.parent / "regulars.toml").write_text('[features]\nown = ["mine.py"]\n')
    assert load_bundle(folder).settings.features.own == chosen.features.own


def test_an_own_feature_written_anew_is_refused_or_warned_of(with_own_feature: tuple[Path, Settings]) -> None:
    folder, chosen = with_own_feature
    (folder.parent / "mine.py").write_text(OWN.replace(".count()", ".count() * 2"))
    forget()
    with pytest.raises(BundleError, match=r"mine\.py is not what the models were trained with.*put the file back"):
        load_bundle(folder, chosen)
    part = chosen.features.model_copy(update={"own_changed": "warn"})
    with pytest.warns(OwnChangedWarning, match=r"mine\.py is not what the models were trained with"):
        load_bundle(folder, chosen.model_copy(update={"features": part}))


def test_a_bundle_that_names_code_is_refused_and_runs_none(tmp_path: Path, fake_models: FittedModels) -> None:
    shop = read_shop({"orders": pa.table(LINES)}, Settings()).shop
    assert shop is not None
    context = ShopContext.of(Logs(shop, Settings()), as_time("2024-06-01"))
    bundle = make_bundle(shop, fake_models, context, Settings(), as_time("2024-06-01"), version="v1")
    evil = tmp_path / "evil.py"
    evil.write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()")
    files = bundle_module._files(bundle)
    told = json.loads(files["settings.json"])
    told["features"]["own"] = [str(evil)]
    write_sealed(tmp_path / "bundle", files | {"settings.json": json.dumps(told).encode()})
    with pytest.raises(BundleError, match="name files of features, which a bundle may not"):
        load_bundle(tmp_path / "bundle")
    assert not (tmp_path / "ran").exists()


def test_http_asks_for_own_tables_too(with_own_feature: tuple[Path, Settings]) -> None:
    testclient = pytest.importorskip("fastapi.testclient")
    from regulars.serving.http import NOT_GIVEN, create_app

    client = testclient.TestClient(create_app(Predictor.load(*with_own_feature)))
    lines = [dict(zip(LINES, row, strict=True)) for row in zip(*LINES.values(), strict=True)]
    seen = [dict(zip(SEEN, row, strict=True)) for row in zip(*SEEN.values(), strict=True)]
    answer = client.post("/predict", json={"as_of": "2024-06-01", "orders": lines, "visits": seen})
    assert [row["customer_id"] for row in answer.json()] == ["ann", "bob", "cat"]
    assert NOT_GIVEN not in answer.headers
    assert client.post("/predict", json={"as_of": "2024-06-01", "orders": lines}).headers[NOT_GIVEN] == "visits"


def test_mlflow_takes_own_features_from_the_settings_at_hand(
    with_own_feature: tuple[Path, Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow_model = pytest.importorskip("regulars.serving.mlflow_model", exc_type=ImportError)
    folder, _ = with_own_feature
    (folder.parent / "shop.toml").write_text('[features]\nown = ["mine.py"]\n')
    monkeypatch.setenv("REGULARS_CONFIG", str(folder.parent / "shop.toml"))
    model = mlflow_model._load_pyfunc(str(folder))
    with pytest.warns(NotGivenWarning, match="visits"):
        scores = model.predict(pa.table(LINES).to_pandas(), {"as_of": "2024-06-01"})
    assert scores["customer_id"].tolist() == ["ann", "bob"]
