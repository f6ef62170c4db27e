"""Rows of some tables packed for a group of customers, and unpacked where the group is worked on.

A cluster that moves rows one by one spends most of its time on it. Here all rows of a piece of a table that go to one
group become one value: the bytes of Arrow's stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from regulars.features.batch import ids_of

Frames = Mapping[str, pa.Table]
"""Raw tables by title."""
ROWS_AT_A_TIME = 250_000
"""Rows that are checked, or packed, in one go."""


def chunks(batches: Iterable[pa.RecordBatch], most: int = ROWS_AT_A_TIME) -> Iterator[pa.Table]:
    """Batches put together until they hold `most` rows."""
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        held.append(batch)
        rows += len(batch)
        if rows >= most:
            yield pa.Table.from_batches(held)
            held, rows = [], 0
    if rows:
        yield pa.Table.from_batches(held)


def packer(title: str, key: str, *, own: bool) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Packs rows of a table into (bucket, title, own, rows).

    Args:
        title: of the table.
        key: of the rows' column that holds their group, and is packed no more; rows without one are left out.
        own: whether the rows are of the group's own customers, or lent to it.
    """

    def pack(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for every in chunks(batches):
            rows = every.filter(pc.is_valid(every[key]))
            bucket = rows[key].to_numpy()
            order = np.argsort(bucket, kind="stable")
            named, first = np.unique(bucket[order], return_index=True)
            plain = rows.drop_columns(key)
            # Named anew, for Spark may call a column never null in the rows of one's own and not in those lent.
            table = pa.Table.from_arrays(plain.columns, names=plain.column_names).take(order).combine_chunks()
            sizes = np.diff([*first, len(order)])
            values = [as_stream(table.slice(begin, size)) for begin, size in zip(first, sizes, strict=True)]
            columns = {
                "bucket": pa.array(named, pa.int32()),
                "title": pa.array([title] * len(named)),
                "own": pa.array([own] * len(named)),
                "rows": pa.array(values, pa.binary()),
            }
            yield pa.RecordBatch.from_pydict(columns)

    return pack


def unpacked(packed: pa.Table, empty: Frames) -> tuple[dict[str, pa.Table], list[str]]:
    """The raw tables of one group, and the ids of its own customers.

    Args:
        packed: the group's rows of `packer`.
        empty: every table that the shop has, without rows; stands for one of which the group has none.
    """
    pieces: dict[str, list[pa.Table]] = {title: [] for title in empty}
    names = []
    for title, own, rows in zip(*(packed[name] for name in ("title", "own", "rows")), strict=True):
        table = from_stream(rows.as_buffer())
        pieces[title.as_py()].append(table)
        if own.as_py():
            names.append(table["customer_id"])
    return {title: pa.concat_tables(mine) if mine else empty[title] for title, mine in pieces.items()}, ids_of(names)


def as_stream(table: pa.Table) -> bytes:
    """A table as the bytes of Arrow's stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def from_stream(content: bytes | pa.Buffer) -> pa.Table:
    """The table of what `as_stream` gave."""
    return pa.ipc.open_stream(content).read_all()
