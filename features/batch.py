"""The features of some of a shop's customers, from their raw tables: what every worker of a cluster runs.

A customer's row is made of the customer's own rows alone, so a shop can be worked on in groups of customers. Only three
things have to be said from outside: which tables and columns the whole shop has (a group may be without a single
rating, and must have the column all the same), the products, and, for a referrer, the order lines of those they
referred, with whoever else referred them. Those lent rows bring customers of other groups along; `own` leaves them out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from regulars.features.asof import AsOf, Moments
from regulars.features.checks import raw, raw_name, typed
from regulars.features.context import ShopContext
from regulars.features.findings import DataError
from regulars.features.logs import Logs
from regulars.features.plain import NotPlainError
from regulars.features.reading import read_shop
from regulars.features.scan import open_scan
from regulars.features.settings import Settings
from regulars.features.shop import I32, OrderLines, Shop, Text, as_datetime
from regulars.features.sources import open_source, quote
from regulars.features.table import FeatureTable, feature_table, features_of
from regulars.features.tables import Orders

if TYPE_CHECKING:
    import pandas as pd


def features_of_frames(
    frames: Mapping[str, pa.Table | pd.DataFrame],
    settings: Settings,
    times: Sequence[int],
    *,
    given: frozenset[str] | None = None,
    own: Sequence[str] | None = None,
) -> pa.Table:
    """The feature rows of some customers, as `regulars features` gives them for the whole shop.

    Args:
        frames: raw tables by title; every row of these customers, all products, and what is lent to referrers.
        settings: of the shop.
        times: the moments, in microseconds of the shop's wall time.
        given: the tables and 'table.column's with values in the whole shop; None: in these frames.
        own: ids of the customers to answer for; None: everybody in the frames.

    Returns:
        customer_id (string), as_of (timestamp[us]) and the features (float64, null where missing), one row for each
        customer with an order before the moment, by customer and then by time.

    Raises:
        DataError: if the frames cannot be used.
    """
    shop = shop_of_frames(frames, settings, given)
    if shop is None:
        return feature_rows(_nothing(given or frozenset(), settings), np.zeros(0, np.object_))
    logs, moments = Logs(shop, settings), sorted(set(times))
    everyone = Moments.grid(_codes(shop, own), moments)
    there = everyone.take(AsOf(logs.orders, everyone).count() > 0)
    return feature_rows(feature_table(logs, there, ShopContext.of(logs, moments[-1])), shop.customer_ids)


def shop_of_frames(
    frames: Mapping[str, pa.Table | pd.DataFrame], settings: Settings, given: frozenset[str] | None = None
) -> Shop | None:
    """The shop of some customers; None where there is no customer in the frames.

    Args:
        frames: raw tables by title.
        settings: of the shop.
        given: the tables and 'table.column's with values in the whole shop; None: in these frames.

    Raises:
        DataError: if the frames cannot be used.
    """
    try:
        shop = _plain_shop(frames, settings) or read_shop(frames, settings).shop
    except DataError as error:
        if all(finding.rule == "no_customer" for finding in error.findings):
            return None
        raise
    assert shop is not None  # noqa: S101 - read_shop has raised otherwise
    return shop if given is None else replace(shop, given=given)


def _plain_shop(frames: Mapping[str, pa.Table | pd.DataFrame], settings: Settings) -> Shop | None:
    """The shop by the quick way; None where that cannot be."""
    try:
        with open_scan(frames, settings, frames) as scan:
            return scan.batch(0, len(scan)).shop(0, len(scan))[0] if len(scan) else None
    except (NotPlainError, DataError):
        return None


def feature_names(given: frozenset[str], settings: Settings) -> tuple[str, ...]:
    """The names of the features that a shop with these tables and columns has, in the order of their columns."""
    return tuple(feature.name for feature in features_of(empty_shop(given), settings))


def feature_rows(table: FeatureTable, customer_ids: Text) -> pa.Table:
    """A feature table in Arrow, its customers by their ids; what is missing is null."""
    columns = [
        pa.array(customer_ids[table.customer], pa.string()),
        pa.array(as_datetime(table.moment), pa.timestamp("us")),
        *(pa.array(table.values[:, i], pa.float64(), from_pandas=True) for i in range(len(table.names))),
    ]
    return pa.Table.from_arrays(columns, names=["customer_id", "as_of", *table.names])


def empty_shop(given: frozenset[str]) -> Shop:
    """A shop with these tables and columns in which nobody is and nothing happened."""
    nothing = np.zeros(0, np.object_)
    columns: dict[str, Any] = {item.name: np.zeros(0, np.int64) for item in fields(OrderLines)}
    return Shop(customer_ids=nothing, product_ids=nothing, orders=OrderLines(**columns), given=given)


def ids_of(columns: Iterable[pa.Array | pa.ChunkedArray]) -> list[str]:
    """The ids in raw columns of customer_id, as reading them gives them: each once, sorted."""
    found: set[str] = set()
    with open_source({}, threads=1) as opened:
        for column in columns:
            opened.connection.register("ids", pa.table({Orders.customer_id.name: column.unique()}))
            described = opened.connection.execute("DESCRIBE ids").fetchall()[0]
            declared, type_ = Orders.customer_id, described[1]
            inner = f"SELECT {raw(declared, type_)} AS {quote(raw_name(declared.name))} FROM ids"
            query = f"SELECT {typed(declared, type_, 'UTC')} FROM ({inner})"
            found.update(row[0] for row in opened.connection.execute(query).fetchall() if row[0] is not None)
            opened.connection.unregister("ids")
    return sorted(found)


def _codes(shop: Shop, own: Sequence[str] | None) -> I32:
    """Codes of the customers to answer for, rising."""
    if own is None:
        return np.arange(len(shop.customer_ids), dtype=np.int32)
    wanted = set(own)
    mask = np.fromiter((name in wanted for name in shop.customer_ids), bool, len(shop.customer_ids))
    return np.flatnonzero(mask).astype(np.int32)


def _nothing(given: frozenset[str], settings: Settings) -> FeatureTable:
    """The feature table of nobody."""
    names, logs = feature_names(given, settings), Logs(empty_shop(given), settings)
    none = np.zeros(0, np.int64)
    return FeatureTable(none.astype(np.int32), none, names, np.zeros((0, len(names))), ShopContext.of(logs, 0))
