"""A sample of a shop's customers as local files, to train on where the whole is too much for one machine.

Customers are taken by a hash of their id, so that the same are taken again. Their histories are whole; whom they
referred comes with them, and whoever else referred the same, so that referred margin is right for the sampled. Lines of
guests are taken in the same share, by their order. Products come whole.
"""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from regulars.features.sample import Sample
from regulars.features.spark import SparkTables, id_of, telling
from regulars.features.spark_groups import referrals
from regulars.features.tables import Orders

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def take_sample(tables: SparkTables, customers: int, seed: int, folder: Path) -> Sample:
    """Writes a sample of the shop to `folder`, a Parquet file for each table.

    Args:
        tables: the tables, checked.
        customers: how many customers to take at most; whoever any table names is one.
        seed: another one takes others.
        folder: is there and empty.
    """
    with telling():
        everybody = _everybody(tables)
        total = everybody.count()
        edge = None if total <= customers else _edge(everybody, customers, seed)
        chosen = everybody if edge is None else everybody.where(_hash("id", seed) <= edge)
        taken = chosen if edge is None else _with_referrals(tables, chosen).persist()
        count = total if edge is None else taken.count()
        for title, frame in tables.frames.items():
            rows = frame if edge is None or title not in tables.keyed else _of_these(frame, taken, title, edge, seed)
            pq.write_table(rows.toArrow(), folder / f"{title}.parquet")
        if edge is not None:
            taken.unpersist()
    sampled = min(total, customers)
    return Sample(sampled, total, count - sampled)


def _everybody(tables: SparkTables) -> DataFrame:
    """Ids of all customers."""
    there = [tables.frames[title] for title in tables.keyed]
    ids = [frame.select(id_of(frame, "customer_id").alias("id")).where("id is not null") for frame in there]
    return reduce(lambda one, other: one.union(other), ids).distinct()


def _hash(name: str, seed: int) -> Column:
    from pyspark.sql import functions as F  # noqa: N812

    return F.xxhash64(F.col(name), F.lit(seed))


def _edge(everybody: DataFrame, customers: int, seed: int) -> int:
    """The hash of the last customer to take."""
    from pyspark.sql import functions as F  # noqa: N812

    least = everybody.select(_hash("id", seed).alias("hash")).orderBy("hash").limit(customers)
    return int(least.agg(F.max("hash")).collect()[0][0])


def _with_referrals(tables: SparkTables, chosen: DataFrame) -> DataFrame:
    told = referrals(tables)
    if told is None:
        return chosen
    referred = told.join(chosen, told["by"] == chosen["id"], "left_semi").select("new").distinct()
    others = told.join(referred, "new", "left_semi").select("by")
    return chosen.union(referred).union(others).distinct()


def _of_these(frame: DataFrame, taken: DataFrame, title: str, edge: int, seed: int) -> DataFrame:
    """The rows of those taken, and of guests in the same share."""
    # A table of the shop's own may have a column `id`, and none that begins with _.
    keyed = frame.withColumn("_id", id_of(frame, "customer_id"))
    rows = keyed.join(taken.withColumnRenamed("id", "_id"), "_id", "left_semi").select(*frame.columns)
    if title != Orders.title:
        return rows
    guests = keyed.where("_id is null").withColumn("_id", id_of(frame, "order_id"))
    return rows.union(guests.where(_hash("_id", seed) <= edge).select(*frame.columns))
