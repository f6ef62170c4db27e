"""What a training leaves in the store, and what it does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

from regulars.features.settings import Settings
from regulars.training.records import Record
from regulars.training.tracking import (
    Champion,
    Fingerprint,
    Store,
    TrainRun,
    champion,
    download,
    open_store,
    store_uri,
    train_run,
)

LOADER = "a_loader_of_these_tests"
SETTINGS = Settings.model_validate({"shop": {"name": "corner"}})


class Loaded:
    def predict(self, rows: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        return pd.DataFrame({"churn_probability": [0.5] * len(rows)})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A current folder with a bundle and a store; MLflow's loader is a module made up here."""
    place = tmp_path_factory.mktemp("shop")
    loader = ModuleType(LOADER)
    loader.__dict__["_load_pyfunc"] = lambda path: Loaded()
    before = Path.cwd()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setitem(sys.modules, LOADER, loader)
        os.chdir(place)
        bundle = place / "bundle"
        bundle.mkdir()
        (bundle / "manifest.json").write_text("{}")
        yield place
        os.chdir(before)


@pytest.fixture(scope="module")
def store(folder: Path) -> Store:
    return open_store(SETTINGS)


def signature() -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    return ModelSignature(Schema([ColSpec("string", "customer_id")]), Schema([ColSpec("double", "churn_probability")]))


def record(metric: str, as_of: str, value: float, model: str = "trees") -> Record:
    return Record("corner", "order_times", model, False, as_of, metric, value, value - 0.1, value + 0.1, 100)


RECORDS = [
    record("log_loss", "2011-06-01", 0.5),
    record("log_loss", "2011-09-01", 0.4),
    record("auc", "2011-09-01", float("nan")),
    record("log_loss", "2011-09-01", 0.9, model="recency"),
]


def log_bundle(run: TrainRun, folder: Path) -> int:
    return run.log_bundle(
        folder / "bundle",
        loader_module=LOADER,
        signature=signature(),
        input_example=pd.DataFrame({"customer_id": ["example"]}),
        pip_requirements=["regulars"],
        registered_name=SETTINGS.model_name,
        recipes={"order_times": "trees rounds=150", "value": "gamma-gamma"},
        trained_until="2011-09-01",
    )


def test_address_is_the_environment_then_the_settings_then_the_current_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = Settings.model_validate({"mlflow": {"tracking_uri": "sqlite:///other/store.db"}})
    assert store_uri(Settings()) == f"sqlite:///{folder}/mlflow.db"
    assert store_uri(elsewhere) == f"sqlite:///{folder}/other/store.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://somewhere:5000")
    assert store_uri(elsewhere) == "http://somewhere:5000"


def test_there_is_no_champion_before_there_is_a_store_and_asking_makes_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    assert champion(SETTINGS) is None
    assert list(tmp_path.iterdir()) == []


def test_there_is_no_champion_before_one_is_promoted(store: Store) -> None:
    other = Settings.model_validate({"shop": {"name": "another"}})
    assert champion(other) is None


def test_a_training_is_a_run_with_one_below_for_each_model(store: Store) -> None:
    with train_run(store, "train 2011-09-01", {"seed": "7"}) as run:
        nested = run.model("order_times", "trees", params={"rounds": 150}, records=RECORDS, is_baseline=False)
    found = store.client.get_run(nested)
    assert found.info.run_name == "order_times: trees"
    assert found.data.tags["mlflow.parentRunId"] == run.run_id
    assert found.data.tags["is_baseline"] == "false"
    assert found.data.params == {"rounds": "150"}
    assert found.data.metrics == {"log_loss": 0.4, "log_loss.mean": pytest.approx(0.45)}
    history = store.client.get_metric_history(nested, "log_loss")
    assert sorted((one.step, one.value) for one in history) == [(0, 0.5), (1, 0.4)]
    assert {store.client.get_run(one).info.status for one in (nested, run.run_id)} == {"FINISHED"}


def test_a_training_that_breaks_is_marked_as_failed(store: Store) -> None:
    with pytest.raises(RuntimeError, match="out of memory"), train_run(store, "train") as run:
        raise RuntimeError("out of memory")
    assert store.client.get_run(run.run_id).info.status == "FAILED"


def test_artefacts_lie_beside_the_store(store: Store, folder: Path) -> None:
    with train_run(store, "train") as run:
        run.pictures({"gains.png": b"\x89PNG"})
        run.texts({"readiness.txt": "fine"})
        run.records(RECORDS)
    artefacts = folder / "mlartifacts" / "regulars-corner" / run.run_id / "artifacts"
    assert (artefacts / "plots" / "gains.png").read_bytes().startswith(b"\x89PNG")
    assert (artefacts / "readiness.txt").read_text() == "fine"
    assert len(json.loads((artefacts / "backtest.json").read_text())) == 4


def test_the_data_are_told_by_their_digest(store: Store) -> None:
    with train_run(store, "train") as run:
        run.data(Fingerprint("corner", "ab" * 32, "shop", {"orders": 12}))
    found = store.client.get_run(run.run_id)
    assert found.inputs is not None
    (given,) = found.inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("corner", "ab" * 18)
    assert json.loads(given.dataset.profile or "") == {"orders": 12}
    assert found.data.tags["data.digest"] == "ab" * 32


def test_promotion_moves_the_champion_and_says_why(store: Store, folder: Path, tmp_path: Path) -> None:
    with train_run(store, "train 2011-09-01") as run:
        first = log_bundle(run, folder)
        run.promote(SETTINGS.model_name, first, "the first model")
    recipes = {"order_times": "trees rounds=150", "value": "gamma-gamma"}
    expected = Champion("regulars-corner", first, run.run_id, recipes, "2011-09-01", "the first model")
    assert champion(SETTINGS) == expected
    with train_run(store, "train 2011-10-01") as run:
        second = log_bundle(run, folder)
        run.keep(SETTINGS.model_name, second, "worse")
    assert champion(SETTINGS) == expected
    assert second == first + 1
    assert store.client.get_run(run.run_id).data.tags["why"] == "worse"
    bundle = download(SETTINGS, expected, tmp_path)
    assert [path.name for path in bundle.iterdir()] == ["manifest.json"]


def test_the_logged_model_answers_and_keeps_its_signature(store: Store, folder: Path) -> None:
    from mlflow import pyfunc

    with train_run(store, "train") as run:
        version = log_bundle(run, folder)
    place = store.client.get_model_version(SETTINGS.model_name, str(version))
    (model,) = (folder / "mlartifacts").rglob(f"{(place.source or '').rpartition('/')[2]}/artifacts")
    loaded = pyfunc.load_model(str(model))
    assert loaded.metadata.signature == signature()
    assert loaded.predict(pd.DataFrame({"customer_id": ["a"]}))["churn_probability"].tolist() == [0.5]


def test_the_users_own_mlflow_settings_stay(store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with train_run(store, "train") as run:
        log_bundle(run, folder)
    assert "MLFLOW_TRACKING_URI" not in os.environ


def test_nothing_is_said_and_nothing_but_plain_files_is_written(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own = open_store(SETTINGS)
    with train_run(own, "train") as run:
        run.model("order_times", "trees", params={}, records=RECORDS, is_baseline=False)
        version = log_bundle(run, folder)
        run.promote(SETTINGS.model_name, version, "first")
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")
    files = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert {path for path in files if path.endswith((".pkl", ".pickle", ".joblib", ".py"))} == set()
    assert {path.name for path in tmp_path.iterdir()} == {"mlflow.db", "mlflow.db.lock", "mlartifacts"}
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"python_model.pkl" not in written


def test_processes_that_set_up_the_same_store_at_once_agree(tmp_path: Path) -> None:
    asked = (
        "from regulars.features.settings import Settings; from regulars.training.tracking import open_store;"
        "print(open_store(Settings()).experiment_id)"
    )
    inherited = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    started = [
        subprocess.Popen([sys.executable, "-c", asked], cwd=tmp_path, env=inherited, stdout=-1, stderr=-1, text=True)
        for _ in range(2)
    ]
    said = [one.communicate(timeout=300) for one in started]
    assert [err for _, err in said] == ["", ""]
    assert len({out for out, _ in said}) == 1
