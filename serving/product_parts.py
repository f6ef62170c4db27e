"""Next products for everybody of a shop of any size, alone and without reasons: a folder of Parquet parts (`in_parts`).

This is what a recommender is asked for in the night: both lists of every customer, with chances and dates, as arrays
from the model to the file. Scores hold the same lists with reasons in words, beside all else (`score_parts`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from regulars.features.findings import Finding
from regulars.features.in_parts import Chunk, Job
from regulars.features.scan import Batch, Scan
from regulars.features.shop import I32, Shop, as_datetime, iso
from regulars.models.fitted import Products
from regulars.models.recommendations import ProductList, Recommendations
from regulars.serving.known import known_since
from regulars.serving.parts import to_files

TITLES = frozenset({"orders", "customers", "products"})
"""The tables that models of products read."""
PRODUCTS = pa.list_(
    pa.struct([("product_id", pa.string()), ("probability", pa.float64()), ("expected_at", pa.timestamp("us"))])
)
SCHEMA = pa.schema([("customer_id", pa.string()), ("next_products", PRODUCTS), ("next_new_products", PRODUCTS)])


def write_products(job: Job, model: Products, as_of: int | None, out: Path, *, top: int = 10) -> tuple[Finding, ...]:
    """Both lists of every customer known before a moment by orders or their own row, in the order of customer ids.

    Args:
        job: the shop, and how much of it at a time.
        model: is asked.
        as_of: the moment, in microseconds of the shop's wall time; None: the end of the data.
        out: folder to make; one that is there is replaced at the end.
        top: products at most in each list.

    Returns:
        What is wrong with rows that were set aside.

    Raises:
        DataError: if a table cannot be used.
        NobodyError: if nobody was known before the moment.
    """
    return tuple(job.write(_Lists(model, as_of, top), out))


def as_arrow(shop: Shop, customers: I32, found: Recommendations) -> pa.Table:
    """Recommendations as rows of `SCHEMA`."""
    ids = pa.array(shop.customer_ids[customers], pa.string())
    names = pa.array(found.product_ids, pa.string())
    return pa.table([ids, _lists(names, found.all), _lists(names, found.new)], schema=SCHEMA)


def _lists(names: pa.Array, products: ProductList) -> pa.Array:
    there = products.product >= 0
    columns = [
        names.take(pa.array(products.product[there])),
        pa.array(products.probability[there]),
        pa.array(as_datetime(products.expected_at[there])),
    ]
    ends = np.concatenate(([0], np.cumsum(there.sum(axis=1)))).astype(np.int32)
    return pa.ListArray.from_arrays(
        pa.array(ends), pa.StructArray.from_arrays(columns, fields=list(PRODUCTS.value_type))
    )


def _digest(files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(name.encode() + b"\0" + content)
    return digest.hexdigest()


@dataclass(frozen=True)
class _Lists:
    """Lists at a moment."""

    model: Products
    as_of: int | None
    top: int
    titles: frozenset[str] = TITLES

    @property
    def plan(self) -> Any:
        """The model, the moment, and how many products."""
        return ["products", _digest(to_files(self.model.state(), "products")), self.as_of, self.top]

    def of(self, scan: Scan) -> Chunk:
        """Everybody known before the moment."""
        return partial(self._chunk, self._moment(scan))

    def _chunk(self, moment: int, batch: Batch, first: int, end: int) -> pa.Table:
        shop, own = batch.shop(first, end)
        customers = own[known_since(shop)[own] < moment].astype(np.int32)
        return as_arrow(shop, customers, self.model.recommend(shop, customers, moment, self.top))

    def nobody(self, scan: Scan) -> str:
        """That nobody was known."""
        return f"no customer was known before {iso(self._moment(scan))}; the first order line is of {iso(scan.span[0])}"

    def _moment(self, scan: Scan) -> int:
        return scan.span[1] if self.as_of is None else self.as_of
