"""Bundles: everything that is needed to answer, as a folder of plain files that can be loaded from a stranger.

`bundle.json` says what the models are, which features they read, and what they came from; `settings.json`,
`context.json` (with its series beside it) and `prospects.json` are what they were made under; each model has a folder
with its parts (`models.state`). The classes that read those parts are named in this module and nowhere else: a bundle
may choose among them by name and can bring no code of its own. No customer is named in a bundle.
"""

from __future__ import annotations

import hashlib
import platform
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, cast

import numpy as np
from pydantic import ValidationError

from regulars.features.context import ShopContext
from regulars.features.define import Feature
from regulars.features.logs import Logs
from regulars.features.own import OwnChangedWarning, changed, lacking, own_of, record
from regulars.features.settings import Settings, SettingsError, read_settings
from regulars.features.shop import Shop, as_datetime
from regulars.features.table import features_of
from regulars.models.fitted import FittedModels
from regulars.models.state import Part, Stored, array_part, dict_part
from regulars.serving.feature_choice import features_named
from regulars.serving.parts import as_json, from_files, parsed, to_files
from regulars.serving.prospects import ProspectRates, prospect_rates
from regulars.serving.scoring import Progress, churn_quantiles, score
from regulars.serving.sealed import BundleError, read_sealed, write_sealed

COMPONENTS: dict[str, dict[str, str]] = {
    "order_times": {
        "OrderTimeModel": "regulars.models.order_time",
        "BgNbdOrderTimes": "regulars.models.order_time_baselines",
        "ScoreOrderTimes": "regulars.models.order_time_baselines",
        "UsualGapOrderTimes": "regulars.models.order_time_baselines",
    },
    "value": {
        "ValueModel": "regulars.models.value",
        "BaselineValue": "regulars.models.value_baselines",
    },
    "products": {
        "NextProductModel": "regulars.models.next_product",
        "PersonalTopProducts": "regulars.models.next_product_baselines",
        "PopularProducts": "regulars.models.next_product_baselines",
    },
    "cancellations": {
        "CancellationModel": "regulars.models.cancellation",
        "TenureCancellations": "regulars.models.cancellation_baselines",
    },
}
"""The kinds of models a bundle may hold, by the answer they give, and where each is defined."""

OPTIONAL = ("cancellations",)
"""Answers that not every bundle gives; one that learnt with churn by contract gives all."""

OF_THE_PLACE: Any = {"mlflow": True, "features": {"own", "own_changed", "known_ahead"}}
"""Settings that belong to the place and not to the model: where runs are tracked may hold a password, and files of own
features are code, which is run where somebody's own settings name it and nowhere else."""

LIBRARIES = ("regulars", "numpy", "pandas", "pyarrow", "duckdb", "numba", "scipy", "scikit-learn", "lightgbm")


@dataclass(frozen=True)
class Bundle:
    """Fitted models and what they need to answer.

    Attributes:
        models: one for each answer.
        context: the shop as the models see it, with the churn quantiles of the scored.
        prospects: what customers without an order do.
        settings: of the shop; where runs are tracked is left out. Where the models read features of the shop's own,
            they name the files of the settings at hand, and never any of the bundle's.
        features: names of the columns the models read, in order.
        version: what scores tell as `model_version`.
        trained_as_of: the moment, in microseconds, before which everything learnt was known.
        fingerprint: of the data, in whatever form training gives it.
        metrics: a summary of how the models did, for people.
        kinds: class name of each model.
        libraries: versions under which the models were fitted.
        own: of each module of the shop's own features that the models read: name, sha256, features, tables.
    """

    models: FittedModels
    context: ShopContext
    prospects: ProspectRates
    settings: Settings
    features: tuple[str, ...]
    version: str
    trained_as_of: int
    fingerprint: str = ""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)
    own: Sequence[Mapping[str, Any]] = ()

    def feature_list(self) -> list[Feature]:
        """The features themselves, in the order of their columns."""
        return features_named(self.features, self.settings)


def make_bundle(
    shop: Shop,
    models: FittedModels,
    context: ShopContext,
    settings: Settings,
    as_of: int,
    *,
    features: Iterable[str] | None = None,
    fingerprint: str = "",
    metrics: Mapping[str, Any] | None = None,
    version: str | None = None,
    progress: Progress | None = None,
) -> Bundle:
    """The bundle of freshly fitted models: adds the rates of prospects, and the quantiles that tell a percentile.

    Args:
        shop: what the models were fitted on.
        models: the models.
        context: the shop as known at `as_of`.
        settings: of the shop.
        as_of: the moment at which training stood, in microseconds.
        features: names of the columns the models were fitted on; None: all that the shop allows.
        fingerprint: of the data.
        metrics: a summary of how the models did.
        version: None: the day of `as_of` and a few letters of the bundle's hash.
        progress: called while everybody is scored once, for the quantiles.
    """
    chosen = features_of(shop, settings) if features is None else features_named(features, settings)
    rates = prospect_rates(Logs(shop, settings), context, as_of)
    everybody = score(
        shop, models, context, settings, as_of, "", products=False, progress=progress, features=chosen, prospects=rates
    )
    bundle = Bundle(
        models=models,
        context=replace(context, churn_quantiles=churn_quantiles(everybody)),
        prospects=rates,
        settings=settings,
        features=tuple(feature.name for feature in chosen),
        version=version or "",
        trained_as_of=as_of,
        fingerprint=fingerprint,
        metrics=dict(metrics or {}),
        kinds=_kinds(models),
        libraries=_libraries(),
        own=record(own_of(settings), (feature.name for feature in chosen), settings.features.windows_days),
    )
    return bundle if version else replace(bundle, version=_own_version(bundle))


def save_bundle(folder: Path, bundle: Bundle) -> None:
    """Write a bundle as a folder, whole or not at all; see `sealed.write_sealed`."""
    write_sealed(Path(folder), _files(bundle))


def load_bundle(folder: Path, settings: Settings | None = None) -> Bundle:
    """Read a bundle, after its hashes have been checked.

    Args:
        folder: of the bundle.
        settings: at hand, which bring features of the shop's own where the models read any; None: those of
            REGULARS_CONFIG, or of `regulars.toml` in the current folder. A bundle cannot bring code by itself.

    Raises:
        BundleError: if a file is missing, unknown, changed or a link, if the bundle is of another version, if it
            names a model or a feature that this install does not have, or if the settings at hand do not bring the
            own features that the models read, or bring them changed.
        SettingsError: if own features are read and the settings at hand, or the files they name, cannot be used.
    """
    files = read_sealed(Path(folder))
    try:
        return _bundle(files, settings)
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, BundleError | SettingsError):
            raise
        raise BundleError(f"{folder} is whole, but this install cannot use it: {error}") from error


def bundle_files(bundle: Bundle) -> dict[str, bytes]:
    """What a bundle's folder holds, by file name, for places that share no disk; without the seal."""
    return _files(bundle)


def bundle_digest(bundle: Bundle) -> str:
    """A hash of all that a bundle's folder holds."""
    digest = hashlib.sha256()
    for name, content in sorted(_files(bundle).items()):
        digest.update(name.encode() + b"\0" + content)
    return digest.hexdigest()


def bundle_of(files: Mapping[str, bytes], settings: Settings | None = None) -> Bundle:
    """The bundle of what `bundle_files` gave; settings as `load_bundle` takes them."""
    return _bundle(files, settings)


def _files(bundle: Bundle) -> dict[str, bytes]:
    told = {
        "version": bundle.version,
        "trained_as_of": str(as_datetime(np.array([bundle.trained_as_of]))[0]),
        "models": dict(bundle.kinds),
        "features": list(bundle.features),
        "data_fingerprint": bundle.fingerprint,
        "metrics": dict(bundle.metrics),
        "libraries": dict(bundle.libraries),
        "own_features": [dict(module) for module in bundle.own],
    }
    files = {
        "bundle.json": as_json(told),
        "settings.json": as_json(bundle.settings.model_dump(mode="json", exclude=OF_THE_PLACE)),
        "prospects.json": as_json(asdict(bundle.prospects)),
        **to_files(_context_parts(bundle.context), "context"),
    }
    for role in _roles(bundle.models):
        files |= to_files(getattr(bundle.models, role).state(), role)
    return files


def _bundle(files: Mapping[str, bytes], at_hand: Settings | None) -> Bundle:
    told, prospects = (dict_part({name: _json(files, name)}, name) for name in ("bundle.json", "prospects.json"))
    own = tuple(told.get("own_features", ()))
    settings = _with_own(_settings(files), own, at_hand) if own else _settings(files)
    features = tuple(str(name) for name in told["features"])
    features_named(features, settings)
    models = _models(files, told["models"])
    if settings.churn.is_contract and models.cancellations is None:
        raise BundleError("the bundle's churn is by contract, and it has no model of cancelling; train again")
    return Bundle(
        models=models,
        context=_context(from_files(files, "context")),
        prospects=ProspectRates(**prospects),
        settings=settings,
        features=features,
        version=str(told["version"]),
        trained_as_of=int(np.datetime64(told["trained_as_of"], "us").astype(np.int64)),
        fingerprint=str(told["data_fingerprint"]),
        metrics=told["metrics"],
        kinds=told["models"],
        libraries=told["libraries"],
        own=own,
    )


def _json(files: Mapping[str, bytes], name: str) -> Part:
    if name not in files:
        raise BundleError(f"the bundle has no {name}; it was not written by `train`")
    return parsed(name, files[name])


def _settings(files: Mapping[str, bytes]) -> Settings:
    try:
        settings = Settings.model_validate(_json(files, "settings.json"))
    except ValidationError as error:
        raise BundleError(
            f"the bundle's settings are not ones this install knows ({error.errors()[0]['loc']}: "
            f"{error.errors()[0]['msg']}); train again with this install"
        ) from error
    if settings.features.own:
        raise BundleError("the bundle's settings name files of features, which a bundle may not; it is refused")
    return settings


def _with_own(settings: Settings, own: Sequence[Mapping[str, Any]], at_hand: Settings | None) -> Settings:
    """The bundle's settings with the own features of those at hand, once they are what the models were fitted with."""
    place = read_settings() if at_hand is None else at_hand
    part = {name: getattr(place.features, name) for name in OF_THE_PLACE["features"]}
    whole = settings.model_copy(update={"features": settings.features.model_copy(update=part)})
    if why := lacking(own, whole):
        raise BundleError(why)
    if why := changed(own, whole):
        if place.features.own_changed == "refuse":
            raise BundleError(
                f"{why}. A feature that is computed otherwise than in training gives wrong answers: put the file back "
                "as it was, train again, or, where the change is of no account, set [features] own_changed = 'warn'"
            )
        warnings.warn(why, OwnChangedWarning, stacklevel=5)
    return whole


def _models(files: Mapping[str, bytes], kinds: Mapping[str, str]) -> FittedModels:
    roles = [role for role in COMPONENTS if role in kinds or role not in OPTIONAL]
    made = {role: _component(role, kinds[role]).from_state(from_files(files, role)) for role in roles}
    return FittedModels(**cast(dict[str, Any], made))


def _roles(models: FittedModels) -> list[str]:
    """The answers these models give."""
    return [role for role in COMPONENTS if getattr(models, role) is not None]


def _component(role: str, kind: str) -> type[Stored]:
    allowed = COMPONENTS[role]
    if kind not in allowed:
        raise BundleError(
            f"the bundle's model for {role} is a {kind!r}, which this install does not have (it has "
            f"{', '.join(allowed)}); train again with this install, or install the version that wrote the bundle"
        )
    return cast(type[Stored], getattr(import_module(allowed[kind]), kind))


def _kinds(models: FittedModels) -> dict[str, str]:
    kinds = {role: type(getattr(models, role)).__name__ for role in _roles(models)}
    for role, kind in kinds.items():
        _component(role, kind)
    return kinds


def _context_parts(context: ShopContext) -> dict[str, Part]:
    parts: dict[str, Part] = {
        "numbers": {"as_of": context.as_of, "first_day": context.first_day, "scale": context.scale},
        "orders": context.orders,
        "first_orders": context.first_orders,
    }
    return parts if context.churn_quantiles is None else parts | {"churn_quantiles": context.churn_quantiles}


def _context(parts: Mapping[str, Part]) -> ShopContext:
    return ShopContext(
        **dict_part(parts, "numbers"),
        orders=array_part(parts, "orders"),
        first_orders=array_part(parts, "first_orders"),
        churn_quantiles=array_part(parts, "churn_quantiles"),
    )


def _libraries() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: _version(name) for name in LIBRARIES}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed as a package"


def _own_version(bundle: Bundle) -> str:
    day = str(as_datetime(np.array([bundle.trained_as_of]))[0])[:10]
    return f"{day}-{bundle_digest(bundle)[:8]}"
