"""What a PostgreSQL driver hands out, as what Parquet stores and DuckDB reads.

The driver moves PostgreSQL's epoch (2000) to Arrow's (1970) without looking, so that `infinity`, and all that Arrow
cannot count to, come out below the earliest moment that PostgreSQL knows. Here they become DuckDB's infinities, which
the checks know as no moment.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

EARLIEST = {"timestamp": -210_866_803_200_000_000, "date": -2_440_588}
"""4714-11-24 BC, in microseconds and in days from 1970."""
LATEST_DAY = 106_751_990
"""The last day that has a moment in microseconds."""
EPOCH = {"int64": 946_684_800_000_000, "int32": 10_957}
"""2000-01-01, in the same units."""


def plain_field(field: pa.Field) -> pa.Field:
    """The field with the type in which Parquet stores it."""
    type_ = field.type.storage_type if isinstance(field.type, pa.BaseExtensionType) else field.type
    return pa.field(field.name, type_)


def plain_column(column: pa.Array) -> pa.Array:
    """The column in plain types, with moments that are beyond Arrow as DuckDB's infinities."""
    if isinstance(column, pa.ExtensionArray):
        return column.storage
    if pa.types.is_timestamp(column.type):
        return _with_infinities(column, pa.int64(), EARLIEST["timestamp"], None)
    if pa.types.is_date(column.type):
        return _with_infinities(column, pa.int32(), EARLIEST["date"], LATEST_DAY)
    return column


def _with_infinities(column: pa.Array, whole: pa.DataType, earliest: int, latest: int | None) -> pa.Array:
    numbers = column.view(whole)
    strange = pc.less(numbers, earliest)
    if latest is not None:
        strange = pc.or_(strange, pc.greater(numbers, latest))
    if not pc.any(strange).as_py():
        return column
    most = 2 ** (whole.bit_width - 1) - 1
    # `-infinity` is PostgreSQL's smallest number, and so it stands just above where `infinity` has come to.
    smallest = pc.equal(numbers, -most - 1 + EPOCH[str(whole)])
    infinite = pc.if_else(smallest, pa.scalar(-most, whole), pa.scalar(most, whole))
    return pc.if_else(strange, infinite, numbers).view(column.type)
