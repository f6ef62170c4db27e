"""Ta-Feng: baskets of a Taiwanese grocer, in the split of a next-basket study, as a table of orders.

Where to get it: the split of Li, Jullien, Ariannezhad and de Rijke (2023), 'A next basket recommendation reality
check', ACM TOIS 41(4), as one Parquet file with the columns user_id, order_number, product_id and part (history or
future). The baskets were first published for Hsu, Chung and Huang (2004), 'Mining skewed and sparse transaction data
for personalized shopping recommendation', Machine Learning 57. No licence is stated.

What becomes of each row: one order line of one piece. The split has order numbers and no dates, so dates are made:
every future basket is on `FUTURE_DAY`, and each step back is one `PERIOD` earlier (right-aligned: the customers'
last baskets share a date, their first ones do not). There are no prices either: a piece is given the price 1, so
that amounts count pieces. Nothing measured in days or money on this data means anything; products do. Every history
basket lies before `FUTURE_DAY` and every future one on it, so that a score as of that day is the study's task.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from regulars.datasets.writing import LoadError, LoadSummary, look_at, new_folder

FUTURE_DAY = datetime(2001, 2, 28)  # noqa: DTZ001  (wall time; the last day of the published baskets)
PERIOD = timedelta(days=7)
COLUMNS = ("user_id", "order_number", "product_id", "part")
SOURCE = (
    "it should be the Ta-Feng split of 'A next basket recommendation reality check' as Parquet with the columns "
    f"{', '.join(COLUMNS)}, where part is history or future"
)

_READ = "create table lines as select user_id, order_number, product_id, part from read_parquet($file)"
_USERS = """
create table users as
select user_id, coalesce(max(order_number) filter (part = 'history'), min(order_number) - 1) as last,
    count(distinct order_number) filter (part = 'future') as futures,
    min(order_number) filter (part = 'future') as future
from lines group by user_id
"""
_ORDERS = """
select cast(user_id as varchar) as customer_id, user_id || '-' || order_number as order_id,
    cast($day as timestamp) - to_days(cast(case when part = 'future' then 0
        else $period * (last + 1 - order_number) end as integer)) as ordered_at,
    cast(product_id as varchar) as product_id, cast(1 as bigint) as quantity, cast(1 as double) as unit_price
from lines join users using (user_id) order by user_id, order_number, product_id
"""


def load(file: Path, out: Path, *, overwrite: bool = False) -> LoadSummary:
    """Turn the split into `orders` in the folder `out`.

    Args:
        file: the split as Parquet.
        out: the folder to make.
        overwrite: replace a folder that is not empty.

    Raises:
        LoadError: if the file is missing or not this split; if `out` is taken.
    """
    look_at(file, SOURCE)
    with new_folder(out, overwrite=overwrite) as folder, duckdb.connect() as connection:
        _read(connection, file)
        connection.execute(f"create table orders as {_ORDERS}", {"day": FUTURE_DAY, "period": PERIOD.days})
        orders = connection.table("orders")
        orders.write_parquet(str(folder / "orders.parquet"))
        rows = len(orders)
    note = f"dates are made: future baskets on {FUTURE_DAY:%Y-%m-%d}, each one before {PERIOD.days} days earlier"
    return LoadSummary(rows, rows, {}, {"orders": rows}, (note,))


def _read(connection: duckdb.DuckDBPyConnection, file: Path) -> None:
    try:
        connection.execute(_READ, {"file": str(file)})
        connection.execute(_USERS)
    except (duckdb.InvalidInputException, duckdb.BinderException, duckdb.ConversionException) as error:
        raise LoadError(f"{file}: {error}; {SOURCE}") from error
    wrong = connection.execute(
        "select part from lines where part is null or part not in ('history', 'future')"
    ).fetchone()
    if wrong:
        raise LoadError(f"{file}: part is {wrong[0]!r} in some row; {SOURCE}")
    odd = connection.execute("select user_id from users where futures > 1 or future <= last order by 1").fetchone()
    if odd:
        raise LoadError(f"{file}: user {odd[0]} has more than one future basket, or one before the history's last")
