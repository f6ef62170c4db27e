"""What a training leaves in MLflow, read back through MLflow's own client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from regulars.cli.learning import _incumbent
from regulars.features.settings import Settings

PLOTS = {"calibration", "gains", "profit_curve", "log_loss_by_cutoff", "next_product_hits", "ndcg_by_cutoff"}


@pytest.fixture(scope="module")
def client(trained: Path) -> Any:
    from regulars.training.tracking import open_store

    uri = f"sqlite:///{trained / 'mlflow.db'}"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return open_store(Settings.model_validate({"mlflow": {"tracking_uri": uri}})).client


@pytest.fixture(scope="module")
def runs(client: Any) -> list[Any]:
    (experiment,) = [one for one in client.search_experiments() if one.name == "regulars"]
    return list(client.search_runs([experiment.experiment_id]))


@pytest.fixture(scope="module")
def parent(runs: list[Any]) -> Any:
    (found,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    return found


def files(trained: Path) -> list[Path]:
    return [path for path in (trained / "mlartifacts").rglob("*") if path.is_file()]


def test_a_training_is_one_run_with_one_below_it_for_each_model(runs: list[Any], parent: Any) -> None:
    nested = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert len(nested) == len(runs) - 1
    names = {run.info.run_name for run in nested}
    assert {"order_times: order_time", "order_times: bgnbd", "next_product: popular", "value: gamma_gamma"} <= names
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert parent.data.params == {"seed": "7", "horizon_days": "90", "judged_horizon_days": "90", "cutoffs": "4"}
    assert all(run.data.params["horizon_days"] == "90" for run in nested)


def test_metrics_are_there_by_cutoff(client: Any, runs: list[Any]) -> None:
    (ours,) = [run for run in runs if run.info.run_name == "order_times: order_time"]
    history = client.get_metric_history(ours.info.run_id, "log_loss")
    assert [one.step for one in sorted(history, key=lambda one: one.step)] == [0, 1, 2, 3]
    mean = sum(one.value for one in history) / 4
    assert ours.data.metrics["log_loss.mean"] == pytest.approx(mean)


def test_plots_and_readiness_and_settings_are_there(client: Any, parent: Any) -> None:
    plots = {Path(one.path).stem for one in client.list_artifacts(parent.info.run_id, "plots")}
    assert plots >= PLOTS
    top = {one.path for one in client.list_artifacts(parent.info.run_id)}
    assert {"readiness.txt", "settings.json", "backtest.json"} <= top


def test_the_data_is_named_by_its_fingerprint(parent: Any, trained: Path) -> None:
    (seen,) = parent.inputs.dataset_inputs
    digest = json.loads((trained / "champion/bundle.json").read_text())["data_fingerprint"]
    assert digest.startswith(seen.dataset.digest)
    assert parent.data.tags["data.digest"] == digest


def test_the_champion_is_registered_with_its_signature(client: Any, parent: Any, trained: Path) -> None:
    from mlflow.models import Model

    version = client.get_model_version_by_alias("regulars", "champion")
    assert (int(version.version), version.run_id) == (1, parent.info.run_id)
    assert version.tags["why"] == "Promoted: it is the first model of this shop."
    (folder,) = {path.parent for path in files(trained) if path.name == "MLmodel"}
    signature = Model.load(str(folder)).signature
    assert "churn_probability" in signature.outputs.input_names()


def test_nothing_is_pickled_and_no_customer_is_named(trained: Path) -> None:
    kept = [*files(trained), *(path for path in (trained / "champion").rglob("*") if path.is_file())]
    assert not [path for path in kept if path.suffix in {".pkl", ".pickle", ".joblib", ".cloudpickle"}]
    customers = pd.read_parquet(trained / "shop/customers.parquet")["customer_id"].unique()
    assert customers[0].startswith("C0")
    for path in kept:
        content = path.read_bytes()
        named = [who for who in customers if who.encode() in content]
        assert not named, path


@pytest.mark.parametrize(("churn", "told"), [({}, ""), ({"by": "contract"}, "by"), ({"horizon_days": 30}, "horizon")])
def test_a_champion_of_another_churn_is_told_of(
    trained: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, churn: dict[str, Any], told: str
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    uri = f"sqlite:///{trained / 'mlflow.db'}"
    champion, incumbent = _incumbent(Settings.model_validate({"mlflow": {"tracking_uri": uri}, "churn": churn}))
    assert champion is not None
    assert incumbent is not None
    now = {"by": "by = 'contract' and horizon_days = 90", "horizon": "by = 'orders' and horizon_days = 30"}.get(told)
    sentence = f"[churn] is {now}, where the champion has by = 'orders' and horizon_days = 90;"
    assert (sentence in capsys.readouterr().err) == bool(told)
