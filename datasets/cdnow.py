"""CDNOW: eighteen months of orders of one cohort of a music shop's new customers, as a table of orders.

Where to get it: Bruce Hardie's data sets, https://www.brucehardie.com/datasets/ (CDNOW_master.zip, or the 1/10 sample
CDNOW_sample.zip; unpack them first). Cite Fader and Hardie (2001), 'Forecasting repeat sales at CDNOW: a case study',
Interfaces 31(3), S94-S107. Free for research and teaching, says the page; it states no licence.

What becomes of each row: one order of one line. `customer_id` is the id of the master file, in the sample too (its
second column, the number within the sample, is left out), written without leading zeros. `quantity` is the number of
CDs and `amount` the dollars; they are not turned into a price, because for a quarter of the rows it would be off the
cent. Rows of zero dollars exist and are kept: they are of zero value, so they are no orders. Days have no hours, and
two rows of a customer on one day stay two orders: `order_id` is customer, day and running number. There are no
products.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from regulars.datasets.writing import LoadError, LoadSummary, look_at, new_folder

SOURCE = (
    "get CDNOW_master.txt or CDNOW_sample.txt from https://www.brucehardie.com/datasets/: white-space separated "
    "'customer date(yyyymmdd) CDs dollars', in the sample 'customer sample_id date CDs dollars', with or without header"
)
PARQUET_COLUMNS = ("customer_id", "date", "n_cds", "amount")
SCHEMA = pa.schema(
    {
        "customer_id": pa.string(),
        "order_id": pa.string(),
        "ordered_at": pa.timestamp("us"),
        "quantity": pa.int64(),
        "amount": pa.float64(),
    }
)


class _Order(NamedTuple):
    customer: int
    day: datetime
    cds: int
    dollars: float


def load(file: Path, out: Path, *, overwrite: bool = False) -> LoadSummary:
    """Turn the public text file (or the same rows as Parquet) into `orders` in the folder `out`.

    Args:
        file: the master's or the sample's text; or Parquet with the columns customer_id, date, n_cds, amount.
        out: the folder to make.
        overwrite: replace a folder that is not empty.

    Raises:
        LoadError: if the file is missing, or a row is not in one of the two forms; if `out` is taken.
    """
    look_at(file, SOURCE)
    orders = list(_from_parquet(file) if file.suffix == ".parquet" else _from_text(file))
    if not orders:
        raise LoadError(f"{file}: there are no rows; {SOURCE}")
    with new_folder(out, overwrite=overwrite) as folder:
        pq.write_table(_table(orders), folder / "orders.parquet")
    return LoadSummary(len(orders), len(orders), {}, {"orders": len(orders)})


def _from_text(file: Path) -> Iterator[_Order]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise LoadError(f"{file}: not text ({error}); {SOURCE}") from error
    width = 0
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words or (number == 1 and not words[0].isdigit()):
            continue
        width = width or len(words)
        if width not in {4, 5} or len(words) != width:
            wanted = width if width in {4, 5} else "4 or 5"
            raise LoadError(f"{file}: line {number} has {len(words)} values, not {wanted}; {SOURCE}")
        try:
            yield _order(words)
        except ValueError as error:
            raise LoadError(f"{file}: line {number}: {line.strip()!r} cannot be read ({error}); {SOURCE}") from error


def _order(words: list[str]) -> _Order:
    day, cds, dollars = words[-3:]
    when = datetime.strptime(day, "%Y%m%d")  # noqa: DTZ007  (the shop's wall time has no zone)
    return _Order(int(words[0]), when, int(cds), float(dollars))


def _from_parquet(file: Path) -> Iterator[_Order]:
    try:
        table = pq.read_table(file, columns=list(PARQUET_COLUMNS))
    except pa.ArrowInvalid as error:
        raise LoadError(f"{file}: not Parquet with the columns {', '.join(PARQUET_COLUMNS)} ({error})") from error
    if missing := set(PARQUET_COLUMNS) - set(table.column_names):
        raise LoadError(f"{file}: the columns {sorted(missing)} are missing; {SOURCE}")
    columns = [table["customer_id"], table["date"].cast(pa.timestamp("us")), table["n_cds"], table["amount"]]
    yield from (_Order(*row) for row in zip(*(column.to_pylist() for column in columns), strict=True))


def _table(orders: list[_Order]) -> pa.Table:
    seen: Counter[str] = Counter()
    ids = []
    for order in orders:
        prefix = f"{order.customer}-{order.day:%Y%m%d}"
        seen[prefix] += 1
        ids.append(f"{prefix}-{seen[prefix]}")
    columns = (
        [str(order.customer) for order in orders],
        ids,
        [order.day for order in orders],
        [order.cds for order in orders],
        [order.dollars for order in orders],
    )
    return pa.table([pa.array(values, type=field.type) for values, field in zip(columns, SCHEMA, strict=True)], SCHEMA)
