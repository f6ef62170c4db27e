"""The bundle in MLflow: signature, example, and the registered model answering over MLflow's own scoring server."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from regulars.features.context import ShopContext
from regulars.features.logs import Logs
from regulars.features.reading import read_shop
from regulars.features.settings import Settings
from regulars.features.shop import Shop, as_time
from regulars.models.fitted import FittedModels
from regulars.serving import Predictor
from regulars.serving.bundle import make_bundle, save_bundle
from regulars.serving.columns import COLUMNS

mlflow_model = pytest.importorskip("regulars.serving.mlflow_model", reason="needs MLflow", exc_type=ImportError)

ORDERS = pd.DataFrame(
    {
        "customer_id": ["ann-4711", "ann-4711", "bob-4712"],
        "order_id": ["1", "2", "3"],
        "ordered_at": pd.to_datetime(["2024-01-05", "2024-05-05", "2020-03-01"]),
        "product_id": ["tea", "cup", "tea"],
        "quantity": [1.0, 2.0, 1.0],
        "unit_price": [10.0, 15.0, 10.0],
    }
)
NOW = "2024-06-01"


def save(folder: Path, models: FittedModels) -> None:
    shop = read_shop({"orders": ORDERS}, Settings()).shop
    assert shop is not None
    context = ShopContext.of(Logs(shop, Settings()), as_time(NOW))
    save_bundle(folder, make_bundle(shop, models, context, Settings(), as_time(NOW), version="v7"))


@pytest.fixture
def folder(tmp_path: Path, fake_models: FittedModels) -> Path:
    save(tmp_path / "bundle", fake_models)
    return tmp_path / "bundle"


def test_the_signature_says_every_column_and_nothing_is_any() -> None:
    told = mlflow_model.signature()
    assert [column.name for column in told.outputs] == list(COLUMNS)
    assert told.inputs.required_input_names() == ["customer_id", "order_id", "ordered_at"]
    assert "any" not in json.dumps(told.to_dict()).lower().replace("company", "")
    again = type(told).from_dict(told.to_dict())
    assert again == told


def test_the_example_names_nobody_and_can_be_answered(folder: Path) -> None:
    lines, params = mlflow_model.input_example()
    assert set(lines["customer_id"]) == {"A", "B"}
    scores = mlflow_model._load_pyfunc(str(folder)).predict(lines, params)
    assert scores["customer_id"].tolist() == ["A", "B"]
    assert tuple(scores.columns) == COLUMNS


def test_dates_beyond_two_years_are_none_and_not_nat(folder: Path) -> None:
    model = mlflow_model._load_pyfunc(str(folder))
    scores = model.predict(ORDERS, {"as_of": NOW})
    assert scores["next_order_to"].tolist()[1] is None
    assert scores["next_order_to"].tolist()[0] == Predictor.load(folder).predict(ORDERS, as_of=NOW)["next_order_to"][0]


@pytest.mark.parametrize("params", [None, {}, {"as_of": ""}])
def test_a_moment_is_needed(folder: Path, params: dict[str, Any] | None) -> None:
    with pytest.raises(ValueError, match="params has no 'as_of'"):
        mlflow_model._load_pyfunc(str(folder)).predict(ORDERS, params)


def test_requirements_are_pinned_and_name_no_index() -> None:
    assert all("==" in line and "/" not in line for line in mlflow_model.pip_requirements())


def register(bundle: Path, store: str, home: Path) -> str:
    """The reference of the bundle, logged and registered as training does."""
    import mlflow

    mlflow.set_tracking_uri(store)
    mlflow.set_registry_uri(store)
    mlflow.create_experiment("regulars", artifact_location=(home / "artifacts").as_uri())
    mlflow.set_experiment("regulars")
    with mlflow.start_run():
        mlflow.pyfunc.log_model(
            name="model",
            loader_module=mlflow_model.LOADER_MODULE,
            data_path=str(bundle),
            signature=mlflow_model.signature(),
            input_example=mlflow_model.input_example(),
            pip_requirements=mlflow_model.pip_requirements(),
            registered_model_name="regulars",
        )
    mlflow.MlflowClient().set_registered_model_alias("regulars", "champion", "1")
    return "models:/regulars@champion"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def served(tmp_path: Path, small_models: Callable[[Shop, int], FittedModels]) -> Iterator[tuple[Path, str, str]]:
    """A registered model of real components behind `mlflow models serve`: its bundle, store and address."""
    shop = read_shop({"orders": ORDERS}, Settings()).shop
    assert shop is not None
    save(tmp_path / "bundle", small_models(shop, as_time(NOW)))
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    ref = register(tmp_path / "bundle", store, tmp_path)
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", ref, "--env-manager", "local"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    # The server starts programs of its own by name, from the folder of this interpreter.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    environment = os.environ | {"MLFLOW_TRACKING_URI": store, "MLFLOW_REGISTRY_URI": store, "PATH": path}
    with (tmp_path / "server.log").open("wb") as log:
        server = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, cwd=tmp_path, start_new_session=True
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/ping", server, tmp_path / "server.log")
        yield tmp_path / "bundle", store, f"http://127.0.0.1:{port}/invocations"
    finally:
        os.killpg(server.pid, 15)
        server.wait(30)


def wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(240):
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(log.read_text())


def post(address: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        address, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.loads(answer.read())["predictions"]


@pytest.mark.slow
# MLflow warns of itself: of what its store uses of SQLAlchemy, and of its own type hints.
@pytest.mark.filterwarnings(r"default:::mlflow\..*")
def test_mlflows_own_server_answers_as_the_predictor(served: tuple[Path, str, str]) -> None:
    bundle, store, address = served
    lines = ORDERS.assign(ordered_at=ORDERS["ordered_at"].dt.strftime("%Y-%m-%dT%H:%M:%S"))
    params = {"as_of": NOW, "top": 2}
    split = {"dataframe_split": lines.to_dict(orient="split", index=False), "params": params}
    by_rows = {"inputs": lines.to_dict(orient="list"), "params": params}
    predictor = Predictor.load(bundle)
    wanted = predictor.predict(ORDERS, as_of=NOW, top=2)
    for body in (split, by_rows):
        answer = pd.DataFrame(post(address, body))
        assert tuple(answer.columns) == COLUMNS
        for name in COLUMNS:
            if wanted[name].dtype.kind == "M":
                got = pd.to_datetime(answer[name]).astype("datetime64[us]")
                assert got.equals(wanted[name]), name
            elif wanted[name].dtype.kind == "f":
                assert np.array_equal(answer[name], wanted[name]), name
            else:
                assert answer[name].tolist() == wanted[name].tolist(), name
    with pytest.raises(urllib.error.HTTPError) as refused:
        post(address, {"dataframe_split": split["dataframe_split"]})
    assert refused.value.code == 400
    assert "as_of" in refused.value.read().decode()
    fetched = Predictor(mlflow_model.fetch("models:/regulars@champion", store))
    pd.testing.assert_frame_equal(fetched.predict(ORDERS, as_of=NOW, top=2), wanted, check_exact=True)
    with pytest.raises(mlflow_model.UnknownReferenceError, match="is not in sqlite"):
        mlflow_model.fetch("models:/regulars/99", store)
    artifacts = [path for path in bundle.parent.joinpath("artifacts").rglob("*") if path.is_file()]
    everything = b"".join(path.read_bytes() for path in artifacts)
    assert artifacts
    assert not [path for path in artifacts if path.suffix in {".pkl", ".pickle"}]
    assert not [name for name in ORDERS["customer_id"] if name.encode() in everything]
