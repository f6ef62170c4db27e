"""Where training leaves its traces: the one module of training that knows MLflow.

A shop has one experiment and one registered model. A training is a run, with a run below it for each component and
model; the model goes to the store as a folder of plain files with its signature, and the alias `champion` says which
version is in use, and a tag why. Everything is written through a client with an explicit address, so a program that
uses MLflow for something else keeps its own settings; only while the model is logged does MLflow's current address
change, and it is put back.

Nothing is logged of its own accord (no autologging), nothing is sent to MLflow's makers, and the store's set-up is
guarded by a lock: two first trainings at the same moment would otherwise both create the tables.
"""

from __future__ import annotations

import fcntl
import json
import logging
import math
import os
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regulars.features.settings import Settings, tracking_uri
from regulars.training.records import Record, cutoffs, to_json

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature

SQLITE = "sqlite:///"
CHAMPION = "champion"
MODEL = "model"
RECIPE, TRAINED_UNTIL, WHY = "recipe.", "trained_until", "why"
PARENT, RUN_SOURCE, SOURCE_TYPE = "mlflow.parentRunId", "mlflow.source.name", "mlflow.source.type"
ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""Error codes with which stores say that there is no such model, or no such alias."""
LONGEST_DIGEST = 36
CHATTER = ("alembic", "mlflow.store.db.utils", "mlflow.pyfunc", "mlflow.models.model", "mlflow.utils.environment")

OWN_WARNINGS = (
    "The ``noload`` loader strategy",
    ".*Any type hint is inferred as AnyType",
    "Operation with range is deprecated",
)
"""What SQLAlchemy, MLflow and pandas warn of in MLflow's own code; nobody who trains can do anything about it."""


@dataclass(frozen=True)
class Champion:
    """The version in use.

    Attributes:
        name: of the registered model.
        version: its number.
        run_id: the training that made it.
        recipes: each component's model and its parameters, as they were given to `log_bundle`.
        trained_until: the last moment that training could see, ISO text.
        why: why it was promoted.
    """

    name: str
    version: int
    run_id: str
    recipes: Mapping[str, str]
    trained_until: str
    why: str

    @property
    def uri(self) -> str:
        """Its MLflow reference."""
        return f"models:/{self.name}/{self.version}"


@dataclass(frozen=True)
class Fingerprint:
    """Which data a training has seen: its name, a digest of its content, where it lies, and sizes worth knowing."""

    name: str
    digest: str
    source: str
    sizes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Store:
    """An open MLflow store and the shop's experiment in it."""

    uri: str
    client: MlflowClient
    experiment_id: str


@dataclass(frozen=True)
class TrainRun:
    """A training that is being tracked; made by `train_run`."""

    store: Store
    run_id: str

    def model(
        self, component: str, model: str, *, params: Mapping[str, Any], records: Iterable[Record], is_baseline: bool
    ) -> str:
        """Log a component's model as a nested run: parameters, and each metric with the cutoff's number as its step.

        Returns:
            The nested run's id.
        """
        tags = {PARENT: self.run_id, "component": component, "model": model, "is_baseline": str(is_baseline).lower()}
        mine = [record for record in records if (record.component, record.model) == (component, model)]
        run_id = _create_run(self.store, f"{component}: {model}", tags)
        _log(self.store, run_id, params=params, metrics=_metrics(mine))
        self.store.client.set_terminated(run_id)
        return run_id

    def metrics(self, values: Mapping[str, float]) -> None:
        """Log single numbers of the training as a whole; those that are not finite are left out."""
        from mlflow.entities import Metric

        rows = [Metric(name, float(value), 0, 0) for name, value in values.items() if math.isfinite(value)]
        _log(self.store, self.run_id, params={}, metrics=rows)

    def params(self, values: Mapping[str, Any]) -> None:
        """Log parameters of the training as a whole."""
        _log(self.store, self.run_id, params=values, metrics=[])

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags of the training."""
        from mlflow.entities import RunTag

        tags = [RunTag(name, value) for name, value in values.items()]
        self.store.client.log_batch(self.run_id, tags=tags)

    def data(self, fingerprint: Fingerprint) -> None:
        """Log what the training has seen as MLflow's data set, and its digest as a tag."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        data = Dataset(
            name=fingerprint.name,
            digest=fingerprint.digest[:LONGEST_DIGEST],
            source_type="local",
            source=json.dumps({"uri": fingerprint.source}),
            profile=json.dumps(dict(fingerprint.sizes)),
        )
        self.store.client.log_inputs(
            self.run_id, datasets=[DatasetInput(data, [InputTag("mlflow.data.context", "training")])]
        )
        self.tags({"data.digest": fingerprint.digest})

    def pictures(self, pictures: Mapping[str, bytes]) -> None:
        """Log pictures under plots/, by file name: `calibration.png`."""
        with tempfile.TemporaryDirectory() as folder:
            for name, content in pictures.items():
                Path(folder, name).write_bytes(content)
            self.store.client.log_artifacts(self.run_id, folder, "plots")

    def texts(self, texts: Mapping[str, str]) -> None:
        """Log texts as files, by file name: `readiness.txt`, `settings.json`, `report.html`."""
        for name, text in texts.items():
            self.store.client.log_text(self.run_id, text, name)

    def records(self, records: Iterable[Record]) -> None:
        """Log the whole backtest as `backtest.json`."""
        self.texts({"backtest.json": to_json(records)})

    def log_bundle(
        self,
        folder: Path,
        *,
        loader_module: str,
        signature: ModelSignature,
        input_example: Any,
        pip_requirements: Sequence[str],
        registered_name: str,
        recipes: Mapping[str, str],
        trained_until: str,
    ) -> int:
        """Log the bundle as this run's model and register it; it is not the champion yet.

        Args:
            folder: the bundle.
            loader_module: module with MLflow's `_load_pyfunc`.
            signature: written by hand; inference makes `Any` of nested lists.
            input_example: rows to ask with, without real customers in them.
            pip_requirements: what the model needs to be loaded; named, so that nothing is guessed by running it.
            registered_name: name of the registered model.
            recipes: each component's model with its parameters, in words that tell one recipe from another.
            trained_until: the last moment that training could see, ISO text.

        Returns:
            The version.
        """
        with _quiet(), _current_store(self.store.uri):
            from mlflow import pyfunc
            from mlflow.models import Model

            # Made here, for Model.log would put it into MLflow's current experiment.
            made = self.store.client.create_logged_model(self.store.experiment_id, MODEL, self.run_id)
            logged = Model.log(
                artifact_path=None,
                name=MODEL,
                model_id=made.model_id,
                flavor=pyfunc,
                run_id=self.run_id,
                loader_module=loader_module,
                data_path=str(folder),
                signature=signature,
                input_example=input_example,
                pip_requirements=list(pip_requirements),
            )
        tags = {TRAINED_UNTIL: trained_until, **{f"{RECIPE}{part}": recipe for part, recipe in recipes.items()}}
        _ensure_registered(self.store.client, registered_name)
        version = self.store.client.create_model_version(
            registered_name, logged.model_uri, self.run_id, tags=tags, model_id=logged.model_id
        )
        return int(version.version)

    def promote(self, registered_name: str, version: int, why: str) -> None:
        """Make the version the champion, and say why on it and on the run."""
        client = self.store.client
        client.update_model_version(registered_name, str(version), why)
        client.set_model_version_tag(registered_name, str(version), WHY, why)
        client.set_registered_model_alias(registered_name, CHAMPION, str(version))
        self.tags({"promoted": "true", WHY: why})

    def keep(self, registered_name: str, version: int, why: str) -> None:
        """Leave the champion as it is, and say on this version and on the run why it was not promoted."""
        self.store.client.update_model_version(registered_name, str(version), why)
        self.store.client.set_model_version_tag(registered_name, str(version), WHY, why)
        self.tags({"promoted": "false", WHY: why})


class StoreError(ValueError):
    """A store that cannot be used; the message says which, and where it is set."""


def store_uri(settings: Settings) -> str:
    """Address of the store: `MLFLOW_TRACKING_URI`, else the settings', else SQLite in the current folder.

    A relative SQLite path is made absolute, so that the store stays the same when a program changes its folder.
    """
    uri = tracking_uri(settings)
    return f"{SQLITE}{file.absolute()}" if (file := _file(uri)) else uri


def open_store(settings: Settings) -> Store:
    """The store, made where there is none (some seconds), and the shop's experiment in it.

    Raises:
        StoreError: if there can be no store at its address.
    """
    uri = store_uri(settings)
    with _quiet(), _reachable(uri), _one_at_a_time(uri):
        client = _client(uri)
        return Store(uri, client, _experiment(client, settings, uri))


@contextmanager
def train_run(store: Store, name: str, tags: Mapping[str, str] | None = None) -> Iterator[TrainRun]:
    """A tracked training; it is marked as finished at the end of the block, and as failed where the block raises."""
    run = TrainRun(store, _create_run(store, name, tags or {}))
    try:
        yield run
    except BaseException:
        store.client.set_terminated(run.run_id, "FAILED")
        raise
    store.client.set_terminated(run.run_id)


def champion(settings: Settings) -> Champion | None:
    """The version in use; None where there is no store, no model or no champion yet."""
    uri = store_uri(settings)
    file = _file(uri)
    if file is not None and not file.exists():
        return None
    with _quiet(), _one_at_a_time(uri):
        from mlflow.exceptions import MlflowException

        try:
            version = _client(uri).get_model_version_by_alias(settings.model_name, CHAMPION)
        except MlflowException as error:
            if error.error_code in ABSENT:
                return None
            raise
    tags = version.tags
    recipes = {name.removeprefix(RECIPE): text for name, text in tags.items() if name.startswith(RECIPE)}
    until, why = tags.get(TRAINED_UNTIL, ""), tags.get(WHY, "")
    return Champion(version.name, int(version.version), version.run_id or "", recipes, until, why)


def download(settings: Settings, found: Champion, folder: Path) -> Path:
    """Copy the champion's bundle below `folder`, which must exist, and return where it stands."""
    with _quiet(), _current_store(store_uri(settings)):
        from mlflow.artifacts import download_artifacts

        place = Path(download_artifacts(artifact_uri=found.uri, dst_path=str(folder)))
    (bundle,) = (place / "data").iterdir()
    return bundle


def _mlflow() -> Any:
    """MLflow, imported with its messages to its makers switched off, unless the user has decided otherwise."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow

    return mlflow


def _client(uri: str) -> MlflowClient:
    client: MlflowClient = _mlflow().MlflowClient(tracking_uri=uri, registry_uri=uri)
    return client


def _file(uri: str) -> Path | None:
    """The file of a SQLite store, None for others."""
    path = uri.removeprefix(SQLITE)
    return Path(path) if uri.startswith(SQLITE) and path and path != ":memory:" else None


@contextmanager
def _one_at_a_time(uri: str) -> Iterator[None]:
    """A lock beside a SQLite store, so that only one process sets it up."""
    file = _file(uri)
    if file is None:
        yield
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_name(f"{file.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _reachable(uri: str) -> Iterator[None]:
    """What MLflow and its database say of a store that cannot be used, as a `StoreError`."""
    _mlflow()
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        told = str(error).strip().partition("\n")[0]
        raise StoreError(
            f"the MLflow store {uri} cannot be used ({told}); it is set by MLFLOW_TRACKING_URI or [mlflow] tracking_uri"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Only warnings from those parts of MLflow that report each step; what it warns of stays visible."""
    _mlflow()
    before = {name: logging.getLogger(name).level for name in CHATTER}
    for name in CHATTER:
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for message in OWN_WARNINGS:
                warnings.filterwarnings("ignore", message)
            yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


@contextmanager
def _current_store(uri: str) -> Iterator[None]:
    """MLflow's current address, for functions that take none; put back afterwards."""
    mlflow = _mlflow()
    before = os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)


def _experiment(client: MlflowClient, settings: Settings, uri: str) -> str:
    name = settings.mlflow.experiment or settings.model_name
    if known := client.get_experiment_by_name(name):
        return str(known.experiment_id)
    file = _file(uri)
    place = str(file.parent / "mlartifacts" / name) if file else None
    return str(client.create_experiment(name, artifact_location=place))


def _ensure_registered(client: MlflowClient, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _create_run(store: Store, name: str, tags: Mapping[str, str]) -> str:
    # Without these two MLflow would look for a git repository and a script's name.
    source = {RUN_SOURCE: "regulars train", SOURCE_TYPE: "LOCAL"}
    run = store.client.create_run(store.experiment_id, run_name=name, tags={**source, **tags})
    return str(run.info.run_id)


def _metrics(records: Sequence[Record]) -> list[Any]:
    """Every metric at every cutoff (step: the cutoff's number, time: the cutoff), and its mean as `NAME.mean`."""
    from mlflow.entities import Metric

    known = [record for record in records if math.isfinite(record.value)]
    step = {day: number for number, day in enumerate(cutoffs(records))}
    rows = [Metric(row.metric, float(row.value), _milliseconds(row.as_of), step[row.as_of]) for row in known]
    for name in dict.fromkeys(row.metric for row in known):
        values = [row.value for row in known if row.metric == name]
        rows.append(Metric(f"{name}.mean", float(sum(values) / len(values)), 0, 0))
    return rows


def _milliseconds(as_of: str) -> int:
    return int(datetime.fromisoformat(as_of).replace(tzinfo=UTC).timestamp() * 1_000)


def _log(store: Store, run_id: str, *, params: Mapping[str, Any], metrics: Sequence[Any]) -> None:
    from mlflow.entities import Param

    rows = [Param(name, str(value)) for name, value in params.items()]
    store.client.log_batch(run_id, metrics=metrics, params=rows)
