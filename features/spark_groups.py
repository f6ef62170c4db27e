"""A shop in groups of customers on Spark: surveyed as a whole, then shuffled so that a group has all that it needs.

The survey finds what no group can see: which columns have values anywhere, where the data ends, how many rows are bad
and for which reasons, and orders under two customers. A group then holds every row of its customers, in all tables, and
what is lent to referrers among them: the order lines of those they referred, and the referrals by others of the same.
Groups are told from another by a hash of the customer's id, so that a customer is in one group whatever table a row
comes from. Rows are packed before they are sent: all of a piece of a table that go to one group become one value, the
bytes of Arrow's stream, so that Spark moves thousands of values in place of millions of rows. A customer with a million
lines makes a large group and no slow one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pyarrow as pa

from regulars.features.batch import feature_names, features_of_frames
from regulars.features.checks import Rule, rules
from regulars.features.findings import DataError, Finding, by_importance
from regulars.features.packing import Frames, as_stream, chunks, from_stream, packer, unpacked
from regulars.features.parts import (
    REASON,
    SHARED,
    PartFound,
    add_up,
    bad_rows,
    check_columns,
    check_part,
)
from regulars.features.reader import EXAMPLES, TableReading, no_good_row
from regulars.features.sent import SentSettings
from regulars.features.settings import Settings
from regulars.features.shop import DAY, NEVER
from regulars.features.spark import SparkTables, id_of, refusal, telling
from regulars.features.tables import Advocacy, Orders, Products

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame
    from pyspark.sql.types import StructType

Answer = Callable[[Frames, Sequence[str]], pa.Table]
"""What is asked of a group: its raw tables and the ids of its own customers in, rows out."""

ROWS_A_GROUP = 200_000
BUCKET = "_bucket"
"""Column that names a row's group; no table of a shop's own can have one of that name."""
PACKED = "bucket int, title string, own boolean, rows binary"
"""The schema of packed rows, as Spark writes one."""


@dataclass(frozen=True)
class Survey:
    """What is true of the shop as a whole.

    Attributes:
        tables: the tables, the rows that cannot be used left out.
        readings: what each brought.
        given: the tables and 'table.column's with values.
        products: the products, as Arrow's stream; None without such a table.
        findings: what was set aside, and why.
        aside: the rows set aside, by table, their reason beside them.
    """

    tables: SparkTables
    readings: Mapping[str, TableReading]
    given: frozenset[str]
    products: bytes | None
    findings: tuple[Finding, ...] = ()
    aside: Mapping[str, DataFrame] = field(default_factory=dict)

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
        DataError: if a table cannot be used, or there are bad rows and the settings refuse them; every fault is counted
            over the whole table.
    """
    _check_all_columns(tables, settings)
    with telling():
        parts = _parts(tables, settings)
        shared = _shared_orders(tables.frames[Orders.title])
    bad: list[Finding] = []
    unusable: list[Finding] = []
    readings = {}
    for title in tables.frames:
        mine = [part for part in parts if part.title == title]
        readings[title], found = add_up(tables.declared[title], tables.origins[title], tables.names[title], mine)
        bad += found
        if readings[title].rows and not readings[title].used:
            unusable.append(no_good_row(title))
    if shared is not None:
        bad.append(replace(shared, of=readings[Orders.title].rows))
    if unusable or (bad and settings.data.bad_rows == "refuse"):
        raise DataError([*unusable, *bad])
    good, aside = _set_aside(tables, bad, settings) if bad else (tables, {})
    given = {
        name for title, one in readings.items() for name in (title, *(f"{title}.{column}" for column in one.given))
    }
    return Survey(good, readings, frozenset(given), _products(good), by_importance(bad), aside)


def _set_aside(
    tables: SparkTables, bad: Sequence[Finding], settings: Settings
) -> tuple[SparkTables, dict[str, DataFrame]]:
    """The tables without their bad rows, and the bad rows as texts, each beside its reason."""
    from pyspark.sql import functions as F  # noqa: N812

    aside: dict[str, DataFrame] = {}
    with telling():
        for title in {finding.table for finding in bad if finding.rule != SHARED}:
            frame = tables.frames[title]
            judged = frame.mapInArrow(_judge(title, tables.origins[title], settings), _with_reason(frame))
            tables = tables.with_frame(title, judged.where(f"{REASON} is null").drop(REASON))
            aside[title] = judged.where(f"{REASON} is not null")
        if any(finding.rule == SHARED for finding in bad):
            orders = tables.frames[Orders.title]
            shared = _orders_shared(orders).select("which")
            keyed = orders.withColumn("which", id_of(orders, "order_id"))
            told = keyed.join(shared, "which", "left_semi").select(
                *orders.columns, F.lit(_shared_reason()).alias(REASON)
            )
            others = aside.get(Orders.title)
            aside[Orders.title] = told if others is None else others.unionByName(told)
            tables = tables.with_frame(Orders.title, keyed.join(shared, "which", "left_anti").select(*orders.columns))
    texts = {
        title: frame.select(
            F.col(REASON).alias(REASON if "reason" in frame.columns else "reason"),
            *(F.col(name).cast("string") for name in frame.columns if name != REASON),
        )
        for title, frame in aside.items()
    }
    return tables, texts


def _with_reason(frame: DataFrame) -> StructType:
    from pyspark.sql.types import StringType, StructField, StructType

    return StructType([*frame.schema.fields, StructField(REASON, StringType())])


def _judge(
    title: str, origin: str, settings: Settings
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    sent = SentSettings.of(settings)

    def judge(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        received = sent.received()
        for rows in chunks(batches):
            yield from rows.append_column(REASON, bad_rows(title, origin, rows, received)).to_batches()

    return judge


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
    sent = SentSettings.of(settings)

    def check(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        received = sent.received()
        for rows in chunks(batches):
            yield pa.RecordBatch.from_pydict({"found": [check_part(title, origin, rows, received).as_json()]})

    return check


def _orders_shared(orders: DataFrame) -> DataFrame:
    """Orders under two customers, or a customer's and a guest's: which, two that they are of, and their lines."""
    from pyspark.sql import functions as F  # noqa: N812

    who, which = F.coalesce(id_of(orders, "customer_id"), F.lit("")), id_of(orders, "order_id")
    by_order = orders.select(who.alias("who"), which.alias("which")).where("which is not null").groupBy("which")
    counted = by_order.agg(F.min("who").alias("one"), F.max("who").alias("other"), F.count("*").alias("lines"))
    return counted.where("one <> other")


def _shared_orders(orders: DataFrame) -> Finding | None:
    """What is to be said of orders under two customers; the number of all lines is still open."""
    from pyspark.sql import functions as F  # noqa: N812

    shared = _orders_shared(orders)
    lines = shared.agg(F.sum("lines")).collect()[0][0]
    if not lines:
        return None
    first = shared.orderBy("which").limit(EXAMPLES).collect()
    examples = tuple(f"order {row['which']!r} is of {row['one'] or 'a guest'!r} and {row['other']!r}" for row in first)
    rule = _shared_rule()
    problem, expected, advice = rule.problem, rule.expected, rule.advice
    return Finding(Orders.title, rule.column, SHARED, "bad_rows", problem, lines, 0, examples, expected, advice)


def _shared_rule() -> Rule:
    return next(rule for rule in rules(Orders, {}) if rule.name == SHARED)


def _shared_reason() -> str:
    return f"{_shared_rule().column} {_shared_rule().problem}"


def _products(tables: SparkTables) -> bytes | None:
    if Products.title not in tables.frames:
        return None
    with telling():
        return as_stream(tables.frames[Products.title].toArrow())


def features(found: Survey, settings: Settings, times: Sequence[int], groups: int | None = None) -> DataFrame:
    """The feature table of everybody with an order, at each moment; rows as `batch.features_of_frames` gives them.

    Args:
        found: the shop.
        settings: of the shop.
        times: the moments, in microseconds of the shop's wall time.
        groups: of customers; None: so many that each has some 200,000 rows. The rows do not depend on it.
    """
    given, sent = found.given, SentSettings.of(settings)
    moments = sorted(set(times))

    def answer(frames: Frames, own: Sequence[str]) -> pa.Table:
        return features_of_frames(frames, sent.received(), moments, given=given, own=own)

    columns = [
        "customer_id string",
        "as_of timestamp_ntz",
        *(f"{name} double" for name in feature_names(given, settings)),
    ]
    return ask_groups(found, answer, ", ".join(columns), groups)


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
        empty = {
            title: frame.limit(0).toArrow()
            for title, frame in found.tables.frames.items()
            if title in found.tables.keyed
        }
        asked = _asker(answer, empty, found.products)
        return rows.repartitionById(count, "bucket").groupBy("bucket").applyInArrow(asked, schema)


def _groups(found: Survey) -> int:
    cores: int = found.tables.spark.sparkContext.defaultParallelism
    return max(math.ceil(found.rows / ROWS_A_GROUP), 2 * cores)


def _asker(answer: Answer, empty: Frames, products: bytes | None) -> Callable[[pa.Table], pa.Table]:
    def ask(packed: pa.Table) -> pa.Table:
        frames, own = unpacked(packed, empty)
        if products is not None:
            frames[Products.title] = from_stream(products)
        try:
            return answer(frames, own)
        except DataError as error:
            raise refusal(error) from None

    return ask


def _grouped(tables: SparkTables, count: int) -> DataFrame:
    """The packed rows of all tables."""
    parts = []
    for title in tables.keyed:
        frame = tables.frames[title]
        keyed = frame.withColumn(BUCKET, bucket_of(id_of(frame, "customer_id"), count))
        parts.append(_packed(keyed, title, frame.columns, own=True))
    parts += _lent(tables, count)
    rows = parts[0]
    for part in parts[1:]:
        rows = rows.union(part)
    return rows


def bucket_of(key: Column, count: int) -> Column:
    """The group of an id, null where there is none."""
    from pyspark.sql import functions as F  # noqa: N812

    return F.when(key.isNotNull(), F.pmod(F.xxhash64(key), F.lit(count)).cast("int"))


def _packed(frame: DataFrame, title: str, columns: Sequence[str], *, own: bool) -> DataFrame:
    """Rows of one table, which have a BUCKET, as (bucket, title, own, rows); see `packing`."""
    return frame.select(BUCKET, *columns).mapInArrow(packer(title, BUCKET, own=own), PACKED)


def referrals(tables: SparkTables) -> DataFrame | None:
    """Rows of advocacy that name another customer, with both ids beside: `by` referred `new`."""
    advocacy = tables.frames.get(Advocacy.title)
    if advocacy is None or "new_customer_id" not in advocacy.columns:
        return None
    by, new = id_of(advocacy, "customer_id"), id_of(advocacy, "new_customer_id")
    told = advocacy.withColumn("by", by).withColumn("new", new)
    return told.where("by is not null and new is not null and by <> new")


def _lent(tables: SparkTables, count: int) -> list[DataFrame]:
    """What is needed of others: order lines of those whom one referred, and who referred them or oneself."""
    from pyspark.sql import functions as F  # noqa: N812

    told, orders = referrals(tables), tables.frames[Orders.title]
    if told is None:
        return []
    told = told.withColumn("home", bucket_of(F.col("by"), count))
    # Two referrers in one group ask for the same rows once, and rows that are there already are not lent.
    asked = told.select("new", F.col("home").alias(BUCKET)).distinct()
    heard = asked.union(told.select("new", bucket_of(F.col("new"), count).alias(BUCKET))).distinct()
    words = told.join(heard, "new").where(F.col(BUCKET) != F.col("home"))
    lines = orders.withColumn("new", id_of(orders, "customer_id")).join(asked, "new")
    lines = lines.where(F.col(BUCKET) != bucket_of(F.col("new"), count))
    columns = tables.frames[Advocacy.title].columns
    return [_packed(words, Advocacy.title, columns, own=False), _packed(lines, Orders.title, orders.columns, own=False)]
