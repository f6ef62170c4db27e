"""Small frames in memory made into a shop without a database.

Starting DuckDB and planning its queries takes hundreds of times as long as reading the rows of one customer. So small
frames whose columns are plain (moments as timestamps, numbers as numbers, ids as text or whole numbers) are read by
NumPy here. The rules are those of `checks`: whatever might break one, or be read in another way there, is not decided
here (`NotPlainError`), and goes through `reading`. Where both give an answer it is the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from regulars.features import encoding, plain
from regulars.features.checks import END_OF_MOMENTS, FIRST_DAY, FIRST_MOMENT, MOST_MONEY, MOST_NUMBER
from regulars.features.plain import NotPlainError
from regulars.features.plain_orders import NUMBERS, Costs
from regulars.features.settings import Settings
from regulars.features.shop import DAY, I32, I64, NEVER, NONE, OrderLines, Rows, Shop, Text
from regulars.features.tables import TABLES, Column, Kind, Orders, Products, Table

if TYPE_CHECKING:
    import pandas as pd

ROWS = 5_000
"""Rows of a table up to which this is the quicker way."""

F64 = NDArray[np.float64]
_IDS = (Kind.ID, Kind.TEXT)
_TIMES = (Kind.TIME, Kind.DATE)


def is_small(frames: Mapping[str, Any]) -> bool:
    """Whether all that is given are small pandas frames."""
    return all(hasattr(frame, "iloc") and len(frame) <= ROWS for frame in frames.values())


def small_shop(frames: Mapping[str, pd.DataFrame], settings: Settings, *, count_empty: bool = False) -> Shop:
    """The shop of small frames, as `reading.read_shop` makes it.

    Args:
        frames: by table.
        settings: of the shop.
        count_empty: whether a column that is there without any value was given all the same.

    Raises:
        NotPlainError: if a column or a value is not plain, or a rule might be broken.
    """
    tables = {
        table: _SmallTable(table, frames[table.title], settings.shop.time_zone)
        for table in TABLES
        if table.title in frames
    }
    if Orders not in tables or set(frames) - {table.title for table in TABLES}:
        raise NotPlainError
    codes = _Codes(tables.values())
    if not len(codes.words["customer"]):
        raise NotPlainError
    for one in tables.values():
        one.codes = codes
    rows: dict[str, Any] = {}
    for table, one in tables.items():
        if table is not Orders:
            made, columns = encoding.rows_as(cast(encoding.Checked, one))
            rows[table.title] = made(**_typed(made, cast(dict[str, Any], columns)))
    return Shop(
        customer_ids=codes.words["customer"],
        product_ids=codes.words["product"],
        orders=_orders(tables[Orders], tables.get(Products), settings, codes),
        **rows,
        words=codes.own,
        given=frozenset(_given(tables.values(), count_empty=count_empty)),
    )


def _given(tables: Iterable[_SmallTable], *, count_empty: bool) -> Iterator[str]:
    for one in tables:
        yield one.table.title
        yield from (f"{one.table.title}.{name}" for name in (one.columns if count_empty else one.given))


_FORMS: dict[type[Rows], tuple[dict[str, Any], tuple[str, ...]]] = {}


def _form(made: type[Rows]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The types of the columns of a class in `shop`, and by which they are sorted, last first."""
    if made not in _FORMS:
        _FORMS[made] = encoding.dtypes_of(made), tuple(reversed(encoding.sorted_by(made)))
    return _FORMS[made]


def _typed(made: type[Rows], columns: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The columns in their types, sorted as `encoding.fetch` sorts."""
    types, order = _form(made)
    typed = {name: np.asarray(columns[name], dtype=dtype) for name, dtype in types.items()}
    rows = np.lexsort([typed[name] for name in order])
    return {name: values[rows] for name, values in typed.items()}


class _SmallTable:
    """A frame's columns by the rules of `checks`; answers like `encoding.Checked`, with arrays in place of SQL."""

    codes: _Codes

    def __init__(self, table: type[Table], frame: pd.DataFrame, zone: str) -> None:
        self.table = table
        self.zone = zone
        self.size = len(frame)
        declared = _declared(table)
        self.columns: dict[str, Any] = {}
        self.given: set[str] = set()
        for name, column in _columns(frame):
            if name in declared:
                if name in self.columns:
                    raise NotPlainError
                self.columns[name], given = _read(declared[name], column, zone)
                if given:
                    self.given.add(name)
        self.dated = declared[table.happened].required
        for name, declaration in declared.items():
            if declaration.required and (name not in self.columns or (self.size and name not in self.given)):
                raise NotPlainError

    def code(self, column: str) -> NDArray[Any]:
        """Codes of ids or words."""
        return self.codes.of(self.table, column, self.columns[column]) if column in self.given else self._all(NONE)

    def moment(self, column: str) -> I64:
        """Moments or days."""
        found: I64 = self.columns[column] if column in self.given else self._all(NEVER)
        return found

    def value(self, column: str, otherwise: int) -> NDArray[Any]:
        """A choice's position, a flag or a mark."""
        if column not in self.given:
            return self._all(otherwise)
        return plain.units(self.columns[column], 1, otherwise)

    def units(self, column: str, scale: int, otherwise: int = 0) -> NDArray[Any]:
        """A number in integer units."""
        if column not in self.given:
            return self._all(otherwise)
        return plain.units(self.columns[column], scale, otherwise)

    def double(self, column: str) -> F64:
        """A number that stays one."""
        if column not in self.given:
            return np.full(self.size, np.nan)
        plain.units(self.columns[column], 1, 0)
        found: F64 = self.columns[column]
        return found

    def times(self) -> dict[str, I64]:
        """A row's two moments."""
        happened, recorded = self.moment(self.table.happened), self.moment("recorded_at")
        time = happened if self.dated else np.where(happened == NEVER, recorded, happened)
        return {"time": time, "visible": np.maximum(time, recorded)}

    def _all(self, value: int) -> I64:
        return np.full(self.size, value)


_DECLARED: dict[type[Table], dict[str, Column]] = {}


def _declared(table: type[Table]) -> dict[str, Column]:
    if table not in _DECLARED:
        _DECLARED[table] = {column.name: column for column in table.columns()}
    return _DECLARED[table]


def _columns(frame: pd.DataFrame) -> Iterable[tuple[Any, Any]]:
    """The columns as arrays. To make a Series of each would cost more than all that is done with it here."""
    arrays = getattr(frame, "_iter_column_arrays", None)
    if arrays is None:  # another release of pandas
        return ((name, column.array) for name, column in frame.items())
    return zip(_titles(frame.columns), arrays(), strict=True)


def _titles(columns: Any) -> list[Any]:
    """The names of the columns; Arrow's own list of them is made in a fifth of the time that an index takes."""
    found: list[Any] = pa.array(columns.array).to_pylist() if columns.dtype == "str" else columns.tolist()
    return found


def _read(column: Column, array: Any, zone: str) -> tuple[Any, bool]:
    """A column's values and whether there are any: texts are lists with None, moments have `NEVER`, numbers NaN."""
    if column.kind in _IDS:
        return _texts(column, array)
    if column.kind is Kind.CHOICE:
        return _choices(column, array)
    if column.kind in _TIMES:
        return _moments(column, array, zone)
    if column.kind is Kind.FLAG:
        return _flags(array)
    return _numbers(column, array)


def _texts(column: Column, array: Any) -> tuple[list[str | None], bool]:
    dtype = array.dtype
    values: list[str | None]
    if isinstance(dtype, np.dtype):
        if dtype.kind in "iu":
            return list(map(str, array.tolist())), len(array) > 0
        if dtype.kind != "O":
            raise NotPlainError
        values = [
            value if isinstance(value, str) else None for value in array if isinstance(value, str) or _absent(value)
        ]
    elif dtype in ("str", "string"):
        values = pa.array(array).to_pylist()
    else:
        raise NotPlainError
    distinct = set(values)
    if None in distinct:
        if column.required and column.name != "customer_id":
            raise NotPlainError
        distinct.discard(None)
    if not all(map(_is_plain, cast(set[str], distinct))):
        raise NotPlainError
    return values, len(distinct) > 0


def _absent(value: Any) -> bool:
    """Whether a value stands for nothing; any object that neither does nor is what was expected is not plain."""
    if value is not None and type(value).__name__ != "NAType" and value == value:  # noqa: PLR0124 - NaN
        raise NotPlainError
    return True


def _is_plain(text: str) -> bool:
    """Whether a text is an id as it stands, see `checks`."""
    if not text or text[0] <= " " or text[-1] <= " ":
        return False
    return not (text[-1] == "0" and text.rstrip("0")[-1:] == ".")


def _choices(column: Column, array: Any) -> tuple[F64, bool]:
    places: dict[str | None, float] = {word: float(at) for at, word in enumerate(column.choices)} | {None: np.nan}
    texts, given = _texts(column, array)
    try:
        return np.array([places[text] for text in texts], dtype=np.float64), given
    except KeyError as error:
        raise NotPlainError from error


def _moments(column: Column, array: Any, zone: str) -> tuple[I64, bool]:
    if getattr(array.dtype, "tz", None) is not None:
        array = array.tz_convert(zone).tz_localize(None)
    if array.dtype.kind != "M":
        raise NotPlainError
    values = np.asarray(array, dtype="datetime64[us]").view(np.int64)
    if column.kind is Kind.DATE:
        values = np.where(values == NEVER, NEVER, values // DAY * DAY)
    low = FIRST_MOMENT if column.kind is Kind.TIME else FIRST_DAY
    given = plain.moments_within(values, low, END_OF_MOMENTS, not column.required)
    if given < 0:
        raise NotPlainError
    return values, given > 0


def _flags(array: Any) -> tuple[F64, bool]:
    if array.dtype.kind == "b":
        values = _floats(array)
        return values, not bool(np.isnan(values).all())
    if array.dtype.kind != "O":
        raise NotPlainError
    flags = [value if isinstance(value, bool) else None for value in array if isinstance(value, bool) or _absent(value)]
    given = any(flag is not None for flag in flags)
    return np.array([np.nan if flag is None else float(flag) for flag in flags], dtype=np.float64), given


def _floats(array: Any) -> F64:
    """Numbers or flags as floats, NaN where one is missing, also of a dtype that has a mark of its own for that."""
    found: F64
    if isinstance(array.dtype, np.dtype):
        found = np.ascontiguousarray(array, dtype=np.float64)
    else:
        found = array.to_numpy(dtype=np.float64, na_value=np.nan)
    return found


def _numbers(column: Column, array: Any) -> tuple[F64, bool]:
    # The shortest text of a float of another width is another decimal.
    if array.dtype.kind not in "iuf" or (array.dtype.kind == "f" and array.dtype.itemsize != 8):
        raise NotPlainError
    values = _floats(array)
    most = MOST_MONEY if column.kind is Kind.MONEY else MOST_NUMBER
    low = column.low if column.low is not None else -most
    high = column.high if column.high is not None else most
    given = plain.numbers_within(values, float(low), float(high))
    if given < 0:
        raise NotPlainError
    return values, given > 0


class _Codes:
    """Codes of ids and words: ranks among the sorted ones, over all tables that share them."""

    def __init__(self, tables: Iterable[_SmallTable]) -> None:
        held: dict[str, set[str | None]] = {"customer": set(), "product": set()}
        for one in tables:
            for name, values in one.columns.items():
                if isinstance(values, list):
                    held.setdefault(encoding.universe(one.table, name), set()).update(values)
        self.words: dict[str, Text] = {}
        self._places: dict[str, dict[str | None, int]] = {}
        for name, values in held.items():
            values.discard(None)
            ordered = sorted(cast(set[str], values), key=_bytes)
            self._places[name] = dict(zip(ordered, range(len(ordered)), strict=True)) | {None: NONE}
            words = np.empty(len(ordered), np.object_)
            words[:] = ordered
            self.words[name] = words

    @property
    def own(self) -> dict[str, Text]:
        """The words of grouping columns."""
        left_out = {"customer", "product", "orders.order_id", "support.ticket_id"}
        return {name: words for name, words in self.words.items() if name not in left_out and len(words)}

    def of(self, table: type[Table], column: str, values: list[str | None]) -> I32:
        """Codes of a column's values."""
        places = self._places[encoding.universe(table, column)]
        return np.array(list(map(places.__getitem__, values)), dtype=np.int32)


def _bytes(text: str) -> bytes:
    """The order of ids is that of their UTF-8, as in DuckDB."""
    return text.encode()


def _orders(given: _SmallTable, products: _SmallTable | None, settings: Settings, codes: _Codes) -> OrderLines:
    """Order lines, as `encoding.order_lines_sql` makes them."""
    times = given.times()
    customer, order, product = given.code("customer_id"), given.code("order_id"), given.code("product_id")
    _refuse_shared(np.asarray(customer), np.asarray(order))
    nothing = np.zeros(0)
    amount, quantity, price, cost, discount = (given.columns.get(name, nothing) for name in NUMBERS)
    known = np.zeros(0, np.int64)
    costs = _costs(products, len(codes.words["product"]), trust=settings.data.trust_undated)
    if costs is not None:
        known = costs.known(np.asarray(product, dtype=np.int32), times["time"])
    share = encoding.millionths(settings.money.gross_margin)
    values = plain.line_values(amount, quantity, price, cost, discount, known, share)
    if values.shape[1] != given.size:
        raise NotPlainError
    columns = {
        **times,
        "customer": customer,
        "order": order,
        "product": product,
        "quantity": values[0],
        "revenue": values[1],
        "margin": values[2],
        "discount": values[3],
        "channel": given.code("channel"),
    }
    return OrderLines(**_typed(OrderLines, columns))


def _refuse_shared(customer: NDArray[Any], order: NDArray[Any]) -> None:
    """An order under two customers (or one and a guest) is a fault, which the checks will tell."""
    if len(customer) and (customer != customer[0]).any():
        pairs = len(set(zip(customer.tolist(), order.tolist(), strict=True)))
        if pairs != len(set(order.tolist())):
            raise NotPlainError


def _costs(products: _SmallTable | None, size: int, *, trust: bool) -> Costs | None:
    """What products were known to cost; where rows came late the careful way has to say which counts."""
    if products is None or "unit_cost" not in products.given:
        return None
    times, cost = products.times(), products.columns["unit_cost"]
    if (times["time"] != times["visible"]).any():
        raise NotPlainError
    kept = ~np.isnan(cost) & ((times["time"] != NEVER) | trust)
    product = np.asarray(products.code("product_id"))[kept]
    since, micro = times["time"][kept], plain.units(cost[kept], 1_000_000, NONE)
    at = np.lexsort((micro, since, product))
    product, since, micro = product[at], since[at], micro[at]
    last = np.append((product[1:] != product[:-1]) | (since[1:] != since[:-1]), True)[: len(product)]
    start, _ = plain.rows_by_key(product[last], size)
    return Costs(start, since[last], micro[last])
