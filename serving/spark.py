"""Scores on Spark: every group of customers is answered by the one predictor, on the worker that holds the group.

The bundle travels as the bytes of its files, and each worker process reads it once. Whatever depends on the whole shop
(the context with the quantiles of the percentile, the rates of prospects, what is known of the products) is in the
bundle, and the names of products come with the table of products, which every group gets whole.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from regulars.features.batch import shop_of_frames
from regulars.features.own import OwnChangedWarning
from regulars.features.sent import SentSettings
from regulars.features.settings import Settings
from regulars.features.spark_groups import Survey, ask_groups
from regulars.serving.bundle import Bundle, bundle_files, bundle_of
from regulars.serving.columns import SCHEMA
from regulars.serving.known import known_since
from regulars.serving.predictor import NotGivenWarning, Predictor
from regulars.serving.score_file import as_arrow

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_loaded: dict[str, Predictor] = {}
"""The predictor that this process has loaded, by the hash of its bundle and of the settings that came with it."""


def scores(
    found: Survey,
    bundle: Bundle,
    settings: Settings,
    as_of: int,
    *,
    top: int | None = None,
    groups: int | None = None,
) -> DataFrame:
    """Scores of every customer known before a moment, with the columns of `columns.COLUMNS`.

    Args:
        found: the shop.
        bundle: answers; its own settings hold, as they do on one machine.
        settings: the tables are read under.
        as_of: the moment, in microseconds of the shop's wall time.
        top: products for each customer; None: the bundle's number.
        groups: of customers; None: so many that each has some 200,000 rows. The rows do not depend on it.

    Raises:
        ValueError: if the bundle has no quantiles to tell a percentile by, for no group knows those of the whole shop.
    """
    if bundle.context.churn_quantiles is None or not len(bundle.context.churn_quantiles):
        raise ValueError("the bundle holds no quantiles of churn, without which a group cannot tell a percentile")
    files, given, sent = bundle_files(bundle), found.given, SentSettings.of(settings)
    # A worker outlives a command: what it has loaded serves again only where settings and own features are the same.
    told = {"settings": sent.settings.model_dump_json().encode(), **sent.sources}
    digest = _digest({**files, **{f"sent {name}": content for name, content in told.items()}})

    def answer(frames: Mapping[str, pa.Table], own: Sequence[str]) -> pa.Table:
        received = sent.received()
        shop = shop_of_frames(frames, received, given)
        if shop is None:
            return SCHEMA.empty_table()
        wanted = set(own)
        known = np.flatnonzero(known_since(shop) < as_of)
        only = [name for name in shop.customer_ids[known] if name in wanted]
        if not only:
            return SCHEMA.empty_table()
        with warnings.catch_warnings():
            for told_once in (NotGivenWarning, OwnChangedWarning):  # where the command was given
                warnings.simplefilter("ignore", told_once)
            return as_arrow(_predictor(digest, files, received).score(shop, as_of, top=top, only=only))

    return ask_groups(found, answer, _schema(SCHEMA), groups)


def _predictor(digest: str, files: Mapping[str, bytes], settings: Settings) -> Predictor:
    """The predictor of these files, read once in the life of a worker process."""
    if digest not in _loaded:
        _loaded.clear()
        _loaded[digest] = Predictor(bundle_of(files, settings))
    return _loaded[digest]


def _digest(files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _schema(schema: pa.Schema) -> str:
    """An Arrow schema as Spark writes one."""
    return ", ".join(f"{field.name} {_type(field.type)}" for field in schema)


def _type(kind: Any) -> str:
    if pa.types.is_list(kind):
        return f"array<{_type(kind.value_type)}>"
    if pa.types.is_struct(kind):
        return f"struct<{', '.join(f'{part.name}: {_type(part.type)}' for part in kind)}>"
    names = {pa.string(): "string", pa.float64(): "double", pa.timestamp("us"): "timestamp_ntz"}
    return names[kind]
