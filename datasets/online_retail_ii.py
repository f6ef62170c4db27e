"""Online Retail II: two years of a British giftware wholesaler's order lines, as the tables of a shop.

Where to get it: UCI Machine Learning Repository, data set 502, 'Online Retail II' (Daqing Chen, 2012,
https://doi.org/10.24432/C5CG6D, CC BY 4.0). The archive holds an .xlsx with two sheets; save both, one below the
other, as one CSV (or CSV.gz) with the header once and times written as 2009-12-01 07:45:00.

What becomes of each line:

1. The sheets overlap from 1 to 9 December 2010. Where the file goes back in time once, by more than five days, the
   second sheet begins there, and its lines of invoices that the first sheet already has are removed.
2. Bad-debt entries (invoices that start with A) are bookkeeping, not trade: removed.
3. A cancellation (an invoice that starts with C) with a positive quantity contradicts itself: removed.
4. Every other line is kept. Cancellations have negative quantities under their own order id, so they are returns,
   dated when they happened, and never orders; lines without a price are of zero value. Lines without customer are
   guests'. Identical lines are kept: most are real.
5. Codes are upper-cased and trimmed ('15056bl' is 15056BL). Postage, carriage, fees, discounts, adjustments, samples,
   manual entries, vouchers and test articles are no products: those lines keep their money and lose their product.
6. A product's name is its most frequent description among lines with a positive price (descriptions of other lines
   are notes such as 'damages'). A customer's country is that of the last line. Neither says since when it holds, so
   neither is a feature at past moments by default.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import duckdb

from regulars.datasets.writing import LoadError, LoadSummary, look_at, new_folder

HEADER = "Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country"
SOURCE = (
    "get 'Online Retail II' from the UCI Machine Learning Repository (data set 502, doi 10.24432/C5CG6D) and save both "
    f"sheets of the .xlsx, one below the other, as one CSV with the header\n{HEADER}"
)
NO_PRODUCT = "POST|DOT|C2|C3|M|D|S|B|BANK CHARGES|AMAZONFEE|CRUK|ADJUST.*|TEST.*|GIFT.*"
"""Codes that are no products, as a regular expression over the whole upper-cased code."""

OVERLAP, BAD_DEBT, CONTRADICTION = (
    "second copy of the days in both sheets (1 to 9 December 2010)",
    "bad-debt entry (invoice A...): bookkeeping, not trade",
    "cancellation (invoice C...) with a positive quantity",
)

_PARSE = """
create table parsed as
select file_row, trim(Invoice) as invoice, upper(trim(StockCode)) as code,
    nullif(regexp_replace(trim(Description), '\\s+', ' ', 'g'), '') as description,
    try_cast(regexp_extract(trim(Quantity), '^[+-]?[0-9]+(\\.0)?$') as bigint) as quantity,
    try_cast(InvoiceDate as timestamp) as sold_at,
    nullif(nullif(try_cast(Price as double), 'nan'), 'inf') as price, trim(Country) as country,
    regexp_replace(nullif(trim("Customer ID"), ''), '\\.0$', '') as customer
from lines
"""

_RULES = """
create table judged as
with falls as (
    select file_row, sold_at < max(sold_at) over (order by file_row rows between unbounded preceding and current row)
        - interval 5 days as behind
    from parsed),
starts as (select file_row from (select file_row, behind, lag(behind, 1, false) over (order by file_row) as was
    from falls) where behind and not was),
sheet as (select case when count(*) = 1 then min(file_row) end as second from starts),
repeated as (select distinct invoice from parsed, sheet where file_row < second)
select parsed.*, case
    when file_row >= second and invoice in (select invoice from repeated)
        and sold_at >= timestamp '2010-12-01' and sold_at < timestamp '2010-12-10' then $overlap
    when invoice like 'A%' then $bad_debt
    when invoice like 'C%' and quantity > 0 then $contradiction end as reason
from parsed, sheet
"""

_TABLES = {
    "orders": f"""
        select customer as customer_id, invoice as order_id, sold_at as ordered_at,
            case when not regexp_full_match(code, '{NO_PRODUCT}') then code end as product_id,
            quantity, price as unit_price
        from judged where reason is null order by file_row""",
    "products": f"""
        with named as (select code, description, count(*) as times from judged
            where reason is null and price > 0 and description is not null group by all),
        best as (select code, first(description order by times desc, description) as name from named group by code)
        select distinct code as product_id, name from judged left join best using (code)
        where reason is null and not regexp_full_match(code, '{NO_PRODUCT}') order by product_id""",
    "customers": """
        select customer as customer_id, last(country order by sold_at, file_row) as country
        from judged where reason is null and customer is not null group by customer order by customer""",
}


def load(file: Path, out: Path, *, overwrite: bool = False) -> LoadSummary:
    """Turn the public CSV into `orders`, `products` and `customers` in the folder `out`.

    Args:
        file: the CSV or CSV.gz.
        out: the folder to make.
        overwrite: replace a folder that is not empty.

    Raises:
        LoadError: if the file is missing, is not this data, or holds values that cannot be read; if `out` is taken.
    """
    _check_header(look_at(file, SOURCE))
    with new_folder(out, overwrite=overwrite) as folder, duckdb.connect() as connection:
        _read(connection, file)
        reasons = {"overlap": OVERLAP, "bad_debt": BAD_DEBT, "contradiction": CONTRADICTION}
        connection.execute(_RULES, reasons)
        for name, query in _TABLES.items():
            connection.execute(f"create table {name} as {query}")
            connection.table(name).write_parquet(str(folder / f"{name}.parquet"))
        counted = dict(connection.execute("select reason, count(*) from judged group by reason").fetchall())
        sizes = {name: _count(connection, name) for name in _TABLES}
    removed = {reason: counted.get(reason, 0) for reason in reasons.values()}
    return LoadSummary(sum(counted.values()), counted.get(None, 0), removed, sizes)


def _check_header(file: Path) -> None:
    if file.suffix.lower() in {".xlsx", ".xls"}:
        raise LoadError(
            f"{file}: a workbook is not read; save its sheets as one CSV, one below the other with the header once "
            f"(the days they share, 1 to 9 December 2010, are then counted once)\n{HEADER}"
        )
    try:
        with gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb") as stream:
            first = stream.readline(1000).decode("utf-8-sig").strip().replace('"', "")
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError) as error:
        raise LoadError(f"{file}: not a CSV file in UTF-8 ({error}); {SOURCE}") from error
    if first != HEADER:
        raise LoadError(f"{file}: the first line is\n{first[:200]}\n{SOURCE}")


def _read(connection: duckdb.DuckDBPyConnection, file: Path) -> None:
    """The lines as the table `parsed`, or an error naming the first value that cannot be read."""
    form = "header=true, all_varchar=true, delim=',', quote='\"', escape='\"'"
    try:
        connection.execute(
            f"create table lines as select row_number() over () as file_row, * from read_csv($file, {form})",
            {"file": str(file)},
        )
    except duckdb.InvalidInputException as error:
        raise LoadError(f"{file}: {error}\n{SOURCE}") from error
    connection.execute(_PARSE)
    bad = connection.execute(
        "select file_row, l.Invoice, StockCode, l.Quantity, InvoiceDate, l.Price "
        "from parsed p join lines l using (file_row) "
        "where p.invoice is null or code is null or p.quantity is null or sold_at is null or p.price is null "
        "order by file_row limit 1"
    ).fetchone()
    if bad:
        raise LoadError(
            f"{file}: row {bad[0]} below the header cannot be read: Invoice {bad[1]!r}, StockCode {bad[2]!r}, "
            f"Quantity {bad[3]!r} (a whole number), InvoiceDate {bad[4]!r} (as 2009-12-01 07:45:00), "
            f"Price {bad[5]!r} (a number with a full stop); correct or remove it"
        )
    if not _count(connection, "parsed"):
        raise LoadError(f"{file}: there are no lines below the header")


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    row = connection.execute(f"select count(*) from {table}").fetchone()
    return int(row[0]) if row else 0
