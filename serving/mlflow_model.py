"""The bundle as an MLflow model: how MLflow loads it, what goes in and out, and how a registered one is fetched.

MLflow keeps the bundle's folder as it is (`data_path`) and loads it through this module (`loader_module`), so that
nothing is pickled. The signature is written by hand, because an inferred one turns nested lists into `Any`. The scoring
server takes order lines as rows and the moment as a parameter:

    {"dataframe_split": {"columns": [...], "data": [...]}, "params": {"as_of": "2011-09-01"}}
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import Array, DataType, Object, Property

from regulars.features.settings import Settings
from regulars.features.tables import Column, Kind, Orders
from regulars.serving.bundle import Bundle, load_bundle
from regulars.serving.columns import LISTS, MOMENTS, NUMBERS, TYPES
from regulars.serving.predictor import Predictor
from regulars.serving.references import UnknownReferenceError

LOADER_MODULE = "regulars.serving.mlflow_model"
_KINDS = {Kind.TIME: DataType.datetime, Kind.MONEY: DataType.double, Kind.NUMBER: DataType.double}
_PACKAGES = (
    "regulars",
    "duckdb",
    "lightgbm",
    "numba",
    "numpy",
    "pandas",
    "pyarrow",
    "pydantic",
    "scikit-learn",
    "scipy",
)


class BundleModel:
    """What MLflow calls: order lines in, one row per customer out."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def predict(self, model_input: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Scores of every customer in the order lines.

        Args:
            model_input: order lines, columns as in `features.tables.Orders`.
            params: `as_of`, the moment (needed), and `top`, products for each customer (0: the settings' number).

        Raises:
            ValueError: if there is no `as_of`, or the lines cannot be used.
        """
        asked = dict(params or {})
        if not asked.get("as_of"):
            raise ValueError('params has no \'as_of\'; give the moment to score at, such as {"as_of": "2011-09-01"}')
        given = model_input.dropna(axis="columns", how="all")  # an optional column that was not sent comes as empty
        scores = self._predictor.predict(given, as_of=asked["as_of"], top=asked.get("top") or None)
        # JSON knows null, and would call an empty moment 'NaT'.
        empty = {name: scores[name].astype(object).where(scores[name].notna(), None) for name in MOMENTS}
        return scores.assign(**empty)


def _load_pyfunc(path: str) -> BundleModel:
    """MLflow's door: the model whose bundle stands at `path`.

    Features of the shop's own come from the settings that REGULARS_CONFIG names, or `regulars.toml` where one stands.
    """
    return BundleModel(Predictor(load_bundle(Path(path))))


def signature() -> ModelSignature:
    """What goes in (order lines), what comes out (scores), and the parameters."""
    params = ParamSchema([ParamSpec("as_of", DataType.string, ""), ParamSpec("top", DataType.long, 0)])
    return ModelSignature(
        inputs=Schema([_input(column) for column in Orders.columns()]),
        outputs=Schema([_output(name) for name in TYPES]),
        params=params,
    )


def _input(column: Column) -> ColSpec:
    return ColSpec(_KINDS.get(column.kind, DataType.string), column.name, required=column.required)


def _output(name: str) -> ColSpec:
    if name == "reasons":
        return ColSpec(Array(DataType.string), name)
    if name in LISTS:
        texts = [Property(part, DataType.string) for part in ("product_id", "expected_at", "reason")]
        return ColSpec(Array(Object([*texts, Property("probability", DataType.double)])), name)
    if name in MOMENTS:
        return ColSpec(DataType.datetime, name, required=name == "as_of")
    return ColSpec(DataType.double if name in NUMBERS else DataType.string, name)


def input_example() -> tuple[pd.DataFrame, dict[str, Any]]:
    """Made-up order lines and parameters; nobody's data."""
    lines = pd.DataFrame(
        {
            "customer_id": ["A", "A", "B"],
            "order_id": ["1", "2", "3"],
            "ordered_at": pd.to_datetime(["2024-01-05", "2024-02-10", "2024-02-20"]),
            "product_id": ["tea", "tea", "cup"],
            "quantity": [1.0, 2.0, 1.0],
            "unit_price": [4.5, 4.5, 12.0],
        }
    )
    return lines, {"as_of": "2024-03-01", "top": 3}


def pip_requirements() -> list[str]:
    """The packages that answering needs, at the versions installed here; without asking any index."""
    return [f"{name}=={metadata.version(name)}" for name in _PACKAGES]


def fetch(ref: str, tracking_uri: str, settings: Settings | None = None) -> Bundle:
    """The bundle of a model in MLflow.

    Args:
        ref: `models:/NAME@ALIAS`, `models:/NAME/VERSION` or `runs:/...`.
        tracking_uri: the store.
        settings: at hand, as `load_bundle` wants them.

    Raises:
        UnknownReferenceError: if the store has no such model, or the model holds no bundle.
        BundleError: if its bundle cannot be used.
    """
    with tempfile.TemporaryDirectory(prefix="regulars-") as scratch:
        try:
            model = Path(_download(ref, scratch, tracking_uri))
            flavour = Model.load(str(model)).flavors.get("python_function", {})
        except (MlflowException, OSError) as error:
            raise UnknownReferenceError(f"{ref} is not in {tracking_uri} ({_first_line(error)})") from error
        if flavour.get("loader_module") != LOADER_MODULE or not flavour.get("data"):
            raise UnknownReferenceError(f"{ref} is a model, but not one that `regulars train` made")
        return load_bundle(model / flavour["data"], settings)


def _download(ref: str, scratch: str, tracking_uri: str) -> str:
    with warnings.catch_warnings():
        # SQLAlchemy says it of MLflow's own code; nobody who asks for scores can do anything about it.
        warnings.filterwarnings("ignore", "The ``noload`` loader strategy")
        found = mlflow.artifacts.download_artifacts(
            artifact_uri=ref, dst_path=scratch, tracking_uri=tracking_uri, registry_uri=tracking_uri
        )
    return str(found)


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
