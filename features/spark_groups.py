"""A shop in groups of customers on Spark: surveyed as a whole, then shuffled so that a group has all that it needs.

The survey finds what no group can see: which columns have values anywhere, where the data ends, how many rows are bad
and for which reasons, and orders under two customers. A group then holds every row of its customers, in all tables, and
what is lent to referrers among them: the order lines of those they referred, and the referrals by others of the same.
Groups are told from another by a hash of the customer's id, so that a customer is in one group whatever table a row
comes from. A group is worked on as Arrow columns in one piece; a customer with a million lines makes a large group and
no slow one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from regulars.features.batch import feature_names, features_of_frames, ids_of
from regulars.features.checks import rules
from regulars.features.findings import DataError, Finding, by_importance
from regulars.features.parts import PartFound, add_up, check_columns, check_part, no_good_row
from regulars.features.reader import EXAMPLES, TableReading
from regulars.features.settings import Settings
from regulars.features.shop import DAY, NEVER
from regulars.features.spark import SparkTables, id_of, refusal, telling
from regulars.features.tables import Advocacy, Orders, Products

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

Frames = Mapping[str, pa.Table]
Answer = Callable[[Frames, Sequence[str]], pa.Table]
"""What is asked of a group: its raw tables and the ids of its own customers in, rows out."""

ROWS_A_GROUP = 200_000
ROWS_CHECKED = 250_000
"""Rows that are checked in one go."""
KEYED = tuple(title for title in ("orders", "support", "customers", "contacts", "advocacy"))
"""Tables whose rows belong to a customer; products belong to everybody."""


@dataclass(frozen=True)
class Survey:
    """What is true of the shop as a whole.

    Attributes:
        tables: the tables, the rows that cannot be used left out.
        readings: what each brought.
        given: the tables and 'table.column's with values.
        products: the products, as Arrow's file format; None without such a table.
    """

    tables: SparkTables
    readings: Mapping[str, TableReading]
    given: frozenset[str]
    products: bytes | None

    @property
    def first(self) -> int:
        """Time of the first order line."""
        return max(self.readings[Orders.title].first, 0)

    @property
    def end(self) -> int:
        """The day after the last order line, at midnight."""
        last = self.readings[Orders.title].last
        return (last // DAY + 1) * DAY if last != NEVER else 0

    @property
    def rows(self) -> int:
        """Rows of the customers, in all tables."""
        return sum(reading.rows for title, reading in self.readings.items() if title != Products.title)


def survey(tables: SparkTables, settings: Settings) -> Survey:
    """Checks every row of every table, on the workers.

    Raises:
        DataError: if a table cannot be used, or rows of it; every fault is counted over the whole table.
    """
    _check_all_columns(tables, settings)
    with telling():
        parts = _parts(tables, settings)
        shared = _shared_orders(tables.frames[Orders.title])
    findings: list[Finding] = []
    readings = {}
    for title in tables.frames:
        mine = [part for part in parts if part.title == title]
        readings[title], bad = add_up(title, tables.origins[title], tables.names[title], mine)
        findings += bad
        if readings[title].rows and not readings[title].used:
            findings.append(no_good_row(title))
    if shared is not None:
        findings.append(replace(shared, of=readings[Orders.title].rows))
    if findings:
        raise DataError(by_importance(findings))
    given = {
        name for title, one in readings.items() for name in (title, *(f"{title}.{column}" for column in one.given))
    }
    return Survey(tables, readings, frozenset(given), _products(tables))


def _check_all_columns(tables: SparkTables, settings: Settings) -> None:
    found: list[Finding] = []
    for title, frame in tables.frames.items():
        with telling():
            typed = frame.limit(0).toArrow().schema
        unread = [pa.field(name, pa.string()) for name in tables.names[title] if name not in typed.names]
        found += check_columns(title, tables.origins[title], pa.schema([*typed, *unread]), settings)
    if errors := [finding for finding in found if finding.severity == "error"]:
        raise DataError(by_importance(errors))


def _parts(tables: SparkTables, settings: Settings) -> list[PartFound]:
    """What each part of each table holds."""
    checked = [
        frame.mapInArrow(_checker(title, tables.origins[title], settings), "found string")
        for title, frame in tables.frames.items()
    ]
    together = checked[0]
    for one in checked[1:]:
        together = together.union(one)
    return [PartFound.from_json(row["found"]) for row in together.collect()]


def _checker(
    title: str, origin: str, settings: Settings
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def check(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for rows in chunks(batches):
            yield pa.RecordBatch.from_pydict({"found": [check_part(title, origin, rows, settings).as_json()]})

    return check


def chunks(batches: Iterable[pa.RecordBatch], most: int = ROWS_CHECKED) -> Iterator[pa.Table]:
    """Batches put together until they hold `most` rows."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        if sum(map(len, held)) >= most:
            yield pa.Table.from_batches(held)
            held = []
    if held and sum(map(len, held)):
        yield pa.Table.from_batches(held)


def _shared_orders(orders: DataFrame) -> Finding | None:
    """Orders under two customers, or a customer's and a guest's; the count of their lines."""
    from pyspark.sql import functions as F  # noqa: N812

    who, which = F.coalesce(id_of(orders, "customer_id"), F.lit("")), id_of(orders, "order_id")
    by_order = orders.select(who.alias("who"), which.alias("which")).where("which is not null").groupBy("which")
    counted = by_order.agg(F.min("who").alias("one"), F.max("who").alias("other"), F.count("*").alias("lines"))
    shared = counted.where("one <> other")
    lines = shared.agg(F.sum("lines")).collect()[0][0]
    if not lines:
        return None
    told = shared.orderBy("which").limit(EXAMPLES).collect()
    examples = tuple(f"order {row['which']!r} is of {row['one'] or 'a guest'!r} and {row['other']!r}" for row in told)
    rule = next(rule for rule in rules(Orders, {}) if rule.name == "two_customers")
    parts = (rule.column, rule.name, "bad_rows", rule.problem, lines, 0, examples, rule.expected, rule.advice)
    return Finding(Orders.title, *parts)


def _products(tables: SparkTables) -> bytes | None:
    if Products.title not in tables.frames:
        return None
    with telling():
        table = tables.frames[Products.title].toArrow()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def features(found: Survey, settings: Settings, times: Sequence[int], groups: int | None = None) -> DataFrame:
    """The feature table of everybody with an order, at each moment; rows as `batch.features_of_frames` gives them.

    Args:
        found: the shop.
        settings: of the shop.
        times: the moments, in microseconds of the shop's wall time.
        groups: of customers; None: so many that each has some 200,000 rows. The rows do not depend on it.
    """
    given, alone = found.given, one_thread(settings)
    moments = sorted(set(times))

    def answer(frames: Frames, own: Sequence[str]) -> pa.Table:
        return features_of_frames(frames, alone, moments, given=given, own=own)

    columns = [
        "customer_id string",
        "as_of timestamp_ntz",
        *(f"{name} double" for name in feature_names(given, settings)),
    ]
    return ask_groups(found, answer, ", ".join(columns), groups)


def one_thread(settings: Settings) -> Settings:
    """The settings with one thread: a worker has one core for each group that it works on."""
    return settings.model_copy(update={"train": settings.train.model_copy(update={"threads": 1})})


def ask_groups(found: Survey, answer: Answer, schema: str, groups: int | None = None) -> DataFrame:
    """What `answer` says of every group of customers.

    Args:
        found: the shop.
        answer: is sent to the workers.
        schema: of its rows, as Spark writes one.
        groups: of customers; None: so many that each has some 200,000 rows.
    """
    with telling():
        count = _groups(found) if groups is None else groups
        rows = _grouped(found.tables, count)
        asked = _asker(answer, found.products)
        return rows.repartitionById(count, "bucket").groupBy("bucket").applyInArrow(asked, schema)


def _groups(found: Survey) -> int:
    cores = found.tables.spark.sparkContext.defaultParallelism
    return max(math.ceil(found.rows / ROWS_A_GROUP), 2 * cores)


def _asker(answer: Answer, products: bytes | None) -> Callable[[pa.Table], pa.Table]:
    def ask(rows: pa.Table) -> pa.Table:
        frames, own = _unpacked(rows)
        if products is not None:
            frames[Products.title] = pa.ipc.open_stream(products).read_all()
        try:
            return answer(frames, own)
        except DataError as error:
            raise refusal(error) from None

    return ask


def _unpacked(rows: pa.Table) -> tuple[dict[str, pa.Table], list[str]]:
    """The raw tables of a group, and the ids of its own customers."""
    frames, names = {}, []
    for title in KEYED:
        if title in rows.column_names:
            column = rows[title].combine_chunks()
            there = pc.is_valid(column)
            table = pa.Table.from_struct_array(column.filter(there))
            frames[title] = table
            names.append(table["customer_id"].filter(rows["own"].filter(there)))
    return frames, ids_of(names)


def _grouped(tables: SparkTables, count: int) -> DataFrame:
    """Rows of all tables as (bucket, own, a struct for each table of which one is filled)."""
    parts = []
    for title in KEYED:
        if title in tables.frames:
            frame = tables.frames[title]
            keyed = frame.withColumn("bucket", bucket_of(id_of(frame, "customer_id"), count))
            parts.append(_packed(keyed.where("bucket is not null"), title, frame.columns, own=True))
    parts += _lent(tables, count)
    rows = parts[0]
    for part in parts[1:]:
        rows = rows.unionByName(part, allowMissingColumns=True)
    return rows


def bucket_of(key: Column, count: int) -> Column:
    """The group of an id, null where there is none."""
    from pyspark.sql import functions as F  # noqa: N812

    return F.when(key.isNotNull(), F.pmod(F.xxhash64(key), F.lit(count)).cast("int"))


def _packed(frame: DataFrame, title: str, columns: Sequence[str], *, own: bool) -> DataFrame:
    from pyspark.sql import functions as F  # noqa: N812

    return frame.select("bucket", F.lit(own).alias("own"), F.struct(*columns).alias(title))


def _lent(tables: SparkTables, count: int) -> list[DataFrame]:
    """What referrers need of others: order lines of those they referred, and who else referred them."""
    from pyspark.sql import functions as F  # noqa: N812

    advocacy, orders = tables.frames.get(Advocacy.title), tables.frames[Orders.title]
    if advocacy is None or "new_customer_id" not in advocacy.columns:
        return []
    by, new = id_of(advocacy, "customer_id"), id_of(advocacy, "new_customer_id")
    told = (
        advocacy.withColumn("by", by).withColumn("new", new).where("by is not null and new is not null and by <> new")
    )
    told = told.withColumn("home", bucket_of(F.col("by"), count))
    # Two referrers in one group ask for the same rows once, and rows that are there already are not lent.
    asked = told.select("new", F.col("home").alias("bucket")).distinct()
    words = told.join(asked, "new").where("bucket <> home")
    lines = orders.withColumn("new", id_of(orders, "customer_id")).join(asked, "new")
    lines = lines.where(F.col("bucket") != bucket_of(F.col("new"), count))
    return [
        _packed(words, Advocacy.title, advocacy.columns, own=False),
        _packed(lines, Orders.title, orders.columns, own=False),
    ]
