"""Feature rows of customers whose events are at hand, as an application has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from regulars.features.asof import F64, Moments
from regulars.features.define import Feature
from regulars.features.logs import Logs
from regulars.features.plain import NotPlainError
from regulars.features.reading import read_shop
from regulars.features.settings import Settings
from regulars.features.shop import I32, Shop
from regulars.features.small import is_small, small_shop
from regulars.features.table import feature_values

if TYPE_CHECKING:
    import pandas as pd


def feature_rows(
    frames: Mapping[str, pd.DataFrame], as_of: int, settings: Settings, features: Sequence[Feature]
) -> F64:
    """Features of the customers in some frames, as known just before a moment.

    A table or column that a feature needs and that is not given is taken as one in which nothing happened.

    Args:
        frames: by table, with all that is known of these customers; for one customer in small frames this takes about
            a millisecond.
        as_of: the moment, in microseconds of the shop's wall time (`shop.as_time`).
        settings: of the shop.
        features: the columns, for example `table.features_of(shop, settings)` or those of a bundle.

    Returns:
        (customers, features), the customers in the order of their ids; NaN where missing.

    Raises:
        DataError: if the frames cannot be used.
    """
    shop = shop_at_hand(frames, settings)
    everybody: I32 = np.arange(len(shop.customer_ids), dtype=np.int32)
    return feature_values(Logs(shop, settings), Moments(everybody, np.full(len(everybody), as_of)), features)


def shop_at_hand(frames: Mapping[str, pd.DataFrame], settings: Settings) -> Shop:
    """The frames as a shop, without a database where they are small and plain.

    Raises:
        DataError: if they cannot be used.
    """
    if is_small(frames):
        with suppress(NotPlainError):  # else the careful way says what is wrong, or reads what is odd
            return small_shop(frames, settings)
    shop = read_shop(frames, settings).shop
    assert shop is not None  # noqa: S101 - read_shop has raised otherwise
    return shop
