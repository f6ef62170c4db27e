"""The feature table: one row per customer and moment, one column per feature."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from regulars.features.asof import F64, Moments
from regulars.features.context import ShopContext
from regulars.features.define import Feature
from regulars.features.families import FAMILIES
from regulars.features.logs import Logs
from regulars.features.own import own_of
from regulars.features.past import Past
from regulars.features.settings import Settings
from regulars.features.shop import I32, I64, Shop, Text, as_datetime

if TYPE_CHECKING:
    import pandas as pd


BLOCK = 16_384
"""Moments worked on at a time: the columns in between stay in the processor's cache, and memory stays bounded."""


@dataclass(frozen=True)
class FeatureTable:
    """Features of (customer, moment) rows, with the shop's context.

    Attributes:
        customer: (n,) customer codes.
        moment: (n,) moments in microseconds.
        names: names of the columns.
        values: (n, columns) float64, NaN where missing.
        context: the shop as known when the table was made; models ask it about the season.
    """

    customer: I32
    moment: I64
    names: tuple[str, ...]
    values: F64
    context: ShopContext

    def __len__(self) -> int:
        return len(self.customer)

    def column(self, name: str) -> F64:
        """(n,) one feature.

        Raises:
            KeyError: if the table has no such feature; the message lists those it has.
        """
        if name not in self.names:
            raise KeyError(f"the feature table has no column {name!r}; it has {', '.join(self.names)}")
        return self.values[:, self.names.index(name)]

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> FeatureTable:
        """The given rows."""
        return FeatureTable(self.customer[rows], self.moment[rows], self.names, self.values[rows], self.context)

    def frame(self, customer_ids: Text) -> pd.DataFrame:
        """The table as pandas: customer_id, as_of, features."""
        import pandas as pd

        frame = pd.DataFrame(self.values, columns=list(self.names))
        frame.insert(0, "as_of", as_datetime(self.moment))
        frame.insert(0, "customer_id", customer_ids[self.customer].astype(str))
        return frame


def features_of(shop: Shop, settings: Settings) -> list[Feature]:
    """The features this shop's tables allow, in the order of their columns: its own come last."""
    windows = settings.features.windows_days
    built_in = (feature for family in FAMILIES for feature in family.features(windows))
    return [feature for feature in (*built_in, *own_of(settings).features(windows)) if shop.has(*feature.needs)]


def feature_values(logs: Logs, moments: Moments, features: Sequence[Feature]) -> F64:
    """(moments, features) as known just before each moment, NaN where missing."""
    values = np.empty((len(moments), len(features)), np.float64, order="F")
    places: Iterable[tuple[int, Feature]] = enumerate(features)
    if len(moments) == 1:
        single = Past(logs, Moments.one(moments.key[0], moments.time[0]))
        values[0] = [feature.compute(single) if feature.scalars else np.nan for feature in features]
        places = [(i, feature) for i, feature in places if not feature.scalars]
    _fill(values, logs, moments, list(places))
    return values


def _fill(values: F64, logs: Logs, moments: Moments, features: Sequence[tuple[int, Feature]]) -> None:
    """Puts features, each with its place, into the columns of `values`."""
    for begin in range(0, len(moments) if features else 0, BLOCK):
        rows = slice(begin, begin + BLOCK)
        past = Past(logs, Moments(moments.key[rows], moments.time[rows]))
        for i, feature in features:
            values[rows, i] = feature.compute(past)


def feature_table(
    logs: Logs, moments: Moments, context: ShopContext, features: list[Feature] | None = None
) -> FeatureTable:
    """Computes features (default: all that the shop allows) as known just before each moment."""
    chosen = features_of(logs.shop, logs.settings) if features is None else features
    names = tuple(feature.name for feature in chosen)
    return FeatureTable(moments.key, moments.time, names, feature_values(logs, moments, chosen), context)
