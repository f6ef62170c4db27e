"""Packed rows come back as they were, each at its group, own ones told from lent ones."""

from __future__ import annotations

import pyarrow as pa

from regulars.features.packing import as_stream, chunks, from_stream, packer, unpacked

ORDERS = pa.table({"customer_id": [" a", "b", "a", "7.0"], "amount": [1.0, 2.0, None, 4.0]})
ADVOCACY = pa.table({"customer_id": ["z"], "kind": ["referral"]})
EMPTY = {"orders": ORDERS.slice(0, 0), "advocacy": ADVOCACY.slice(0, 0)}


def packed(title: str, table: pa.Table, buckets: list[int | None], *, own: bool) -> pa.Table:
    batches = table.append_column("_bucket", pa.array(buckets, pa.int32())).to_batches(max_chunksize=1)
    return pa.Table.from_batches(packer(title, "_bucket", own=own)(batches))


def test_rows_come_back_at_their_group() -> None:
    rows = packed("orders", ORDERS, [5, 2, 5, 2], own=True)
    assert rows["bucket"].to_pylist() == [2, 5]
    frames, own = unpacked(rows.slice(1), EMPTY)
    assert frames["orders"].equals(ORDERS.take([0, 2]))
    assert (own, len(frames["advocacy"]), frames["advocacy"].schema) == (["a"], 0, ADVOCACY.schema)
    assert unpacked(rows.slice(0, 1), EMPTY)[1] == ["7", "b"]


def test_whom_rows_are_lent_of_is_not_the_groups_own() -> None:
    rows = pa.concat_tables(
        [
            packed("orders", ORDERS.slice(0, 1), [1], own=True),
            packed("orders", ORDERS.slice(1, 1), [1], own=False),
            packed("advocacy", ADVOCACY, [1], own=False),
        ]
    )
    frames, own = unpacked(rows, EMPTY)
    assert frames["orders"].equals(ORDERS.slice(0, 2))
    assert frames["advocacy"].equals(ADVOCACY)
    assert own == ["a"]


def test_rows_of_nobody_are_left_out() -> None:
    rows = packed("orders", ORDERS, [None, 2, None, 2], own=True)
    assert rows["bucket"].to_pylist() == [2]
    assert unpacked(rows, EMPTY)[0]["orders"].equals(ORDERS.take([1, 3]))
    assert len(packed("orders", ORDERS, [None] * 4, own=True)) == 0


def test_batches_are_put_together_and_none_is_lost() -> None:
    batches = ORDERS.to_batches(max_chunksize=1)
    assert [len(table) for table in chunks(batches, most=3)] == [3, 1]
    assert list(chunks([])) == list(chunks(ORDERS.slice(0, 0).to_batches())) == []


def test_a_table_is_the_same_after_its_stream() -> None:
    assert from_stream(as_stream(ORDERS)).equals(ORDERS)
