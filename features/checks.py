r"""How a value of each kind is read, and what makes a row unusable, as SQL.

A column goes through two forms. Its *raw* form is what stands in the file, NULL where nothing does (an empty string is
nothing). Its *typed* form is what the code behind the edge trusts: ids and words as trimmed text, moments as
microseconds of the shop's wall time, numbers as exact decimals with nine places. A raw value without a typed one cannot
be read, and its row is bad. Each `Rule` is one way to be bad and one bit of a row's `bad` number, so that a single pass
over the table reads it and checks it.

Numbers go through their text: the shortest text of the double 0.1 is '0.1', so a CSV file, a Parquet file and a frame
give the same decimal. So do ids: the double 13085.0, which pandas makes of an integer column with gaps, and the text
'13085.0', which it writes of it, are both the id '13085'.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from regulars.features.shop import DAY
from regulars.features.sources import literal, quote
from regulars.features.tables import Column, Kind, Orders, Table

FIRST_MOMENT = 0
END_OF_MOMENTS = 84_006 * DAY
"""1970-01-01 and 2200-01-01."""
FIRST_DAY = -36_524 * DAY
"""1870-01-01: nobody's birthday is earlier."""
MOST_MONEY = 100_000_000_000
MOST_NUMBER = 1_000_000_000

TEXT_KINDS = (Kind.ID, Kind.TEXT, Kind.CHOICE, Kind.FLAG)
NUMBER_KINDS = (Kind.MONEY, Kind.NUMBER)
TIME_KINDS = (Kind.TIME, Kind.DATE)
DECIMALS = {Kind.MONEY: "DECIMAL(20, 9)", Kind.NUMBER: "DECIMAL(18, 9)"}

SPACE = r"E' \t\r\n'"
WALL = r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?)?"
ZONED = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)? ?([Zz]|UTC|[+-]\d\d(:?\d\d)?)"
TRUE = ("true", "t", "yes", "y", "1")
FALSE = ("false", "f", "no", "n", "0")

ISO = "a moment like 2011-09-01T08:00 (ISO 8601, with or without an offset), from 1970 to 2199"
TIME_ADVICE = (
    "Write it as YYYY-MM-DD HH:MM:SS; a number, or a date with the day or the month first, could be read in two ways."
)
NUMBER_ADVICE = "Write numbers with a full stop as decimal point, without thousands separator or currency sign."


@dataclass(frozen=True)
class Rule:
    """A way for a row to be bad: `when` is SQL over raw and typed columns."""

    column: str
    name: str
    when: str
    problem: str
    expected: str
    advice: str


def raw(column: Column, type_: str) -> str:
    """SQL of what stands in the column, as text, NULL where nothing does."""
    name = quote(column.name)
    if type_.startswith("TIMESTAMP") or type_ == "DATE":
        return name
    if type_ in {"FLOAT", "DOUBLE"} and column.kind not in NUMBER_KINDS:
        return f"CASE WHEN NOT isnan({name}) THEN {name}::VARCHAR END"
    text = f"({name}::VARCHAR)"
    # Trimming a million texts costs more than all else here, so only those are trimmed that begin or end with a space.
    # A number is read whatever follows it.
    padded = f"{text} < '!'" if column.kind in NUMBER_KINDS else f"{text} < '!' OR {text}[-1] < '!'"
    return f"CASE WHEN {padded} THEN nullif(trim({text}, {SPACE}), '') ELSE {text} END"


def typed(column: Column, type_: str, zone: str) -> str:
    """SQL of the column's value from its raw form, NULL where it cannot be read."""
    name = quote(raw_name(column.name))
    if column.kind in TIME_KINDS:
        return _moment(name, type_, zone, whole_days=column.kind is Kind.DATE)
    if type_.startswith("TIMESTAMP") or type_ == "DATE":
        return f"{name}::VARCHAR" if column.kind in {Kind.ID, Kind.TEXT} else "NULL"
    if column.kind in NUMBER_KINDS:
        return f"try_cast({name} AS {DECIMALS[column.kind]})"
    text = _text(name)
    if column.kind is Kind.CHOICE:
        return f"(list_position({_words(column.choices)}, lower({text})) - 1)::INTEGER"
    if column.kind is Kind.FLAG:
        word = f"lower({text})"
        return f"CASE WHEN {word} IN {_tuple(TRUE)} THEN 1 WHEN {word} IN {_tuple(FALSE)} THEN 0 END"
    return f"CASE WHEN {name} NOT IN ('inf', '-inf') THEN {text} END" if type_ in {"FLOAT", "DOUBLE"} else text


def raw_name(name: str) -> str:
    """What the raw form of a column is called beside its typed one."""
    return f"raw {name}"


def _text(name: str) -> str:
    return rf"CASE WHEN contains({name}, '.0') THEN regexp_replace({name}, '^(-?\d+)\.0+$', '\1') ELSE {name} END"


def _moment(name: str, type_: str, zone: str, *, whole_days: bool) -> str:
    """Microseconds of wall time; a moment with an offset is converted to `zone`, one without stands as it is."""
    if type_ == "TIMESTAMP_NS":
        moment = f"make_timestamp(epoch_ns({name}) // 1000)"
    elif type_ == "TIMESTAMPTZ_NS":
        moment = f"make_timestamp(epoch_ns(timezone({literal(zone)}, {name})) // 1000)"
    elif type_ == "TIMESTAMP WITH TIME ZONE":
        moment = f"timezone({literal(zone)}, {name})"
    elif type_.startswith("TIMESTAMP") or type_ == "DATE":
        moment = f"{name}::TIMESTAMP"
    elif type_ == "VARCHAR" or type_.startswith("ENUM"):
        offset = f"replace(replace(upper({name}), ' +', '+'), ' -', '-')"
        moment = (
            f"CASE WHEN regexp_full_match({name}, '{WALL}') THEN try_cast({name} AS TIMESTAMP)"
            f" WHEN regexp_full_match({name}, '{ZONED}')"
            f" THEN timezone({literal(zone)}, try_cast({offset} AS TIMESTAMPTZ)) END"
        )
    else:
        return "NULL::BIGINT"
    if whole_days:
        moment = f"date_trunc('day', {moment})::TIMESTAMP"
    return f"CASE WHEN isfinite({moment}) THEN epoch_us({moment}) END"


def _words(words: tuple[str, ...]) -> str:
    return f"[{', '.join(map(literal, words))}]"


def _tuple(words: tuple[str, ...]) -> str:
    return f"({', '.join(map(literal, words))})"


def rules(table: type[Table], given: Mapping[str, str]) -> list[Rule]:
    """Every rule for the columns that were given (name to DuckDB type), in the order of a row's bits."""
    made = [rule for column in table.columns() if column.name in given for rule in _column_rules(table, column)]
    return made + (list(_order_rules(given)) if table is Orders else [])


def _column_rules(table: type[Table], column: Column) -> Iterator[Rule]:
    name, before = quote(column.name), quote(raw_name(column.name))
    nothing = f"{before} IS NULL"
    unread = f"{before} IS NOT NULL AND {name} IS NULL"
    if column.required and not (table is Orders and column.name == "customer_id"):
        yield Rule(column.name, "missing", nothing, "is empty", column.meaning, "Fill it in, or leave the row out.")
    if column.kind in NUMBER_KINDS:
        yield from _number_rules(column, unread)
    elif column.kind in TIME_KINDS:
        low = FIRST_MOMENT if column.kind is Kind.TIME else FIRST_DAY
        expected = ISO if column.kind is Kind.TIME else "a day like 1980-05-17, from 1870 to 2199"
        yield Rule(column.name, "moment", unread, "is no moment that can be read safely", expected, TIME_ADVICE)
        outside = f"{name} < {low} OR {name} >= {END_OF_MOMENTS}"
        advice = "Correct it, or leave it empty where it is not known." if not column.required else "Correct it."
        yield Rule(column.name, "moment_range", outside, "is outside of the years that can be", expected, advice)
    elif column.kind is Kind.CHOICE:
        choices = f"one of {', '.join(column.choices)}"
        yield Rule(column.name, "choice", unread, "is a word that is not known", choices, "Use one of these words.")
    elif column.kind is Kind.FLAG:
        yield Rule(column.name, "flag", unread, "is neither true nor false", "true or false", "Write true or false.")
    else:
        yield Rule(column.name, "id", unread, "is no id", "a text or a whole number", "Correct it.")


def _number_rules(column: Column, unread: str) -> Iterator[Rule]:
    name, before = quote(column.name), quote(raw_name(column.name))
    most = MOST_MONEY if column.kind is Kind.MONEY else MOST_NUMBER
    low = column.low if column.low is not None else -most
    high = column.high if column.high is not None else most
    expected = f"a number from {low:,.0f} to {high:,.0f}" + ("" if column.high is not None else " (exclusive)")
    finite = f"CASE WHEN {unread} THEN coalesce(isfinite(try_cast({before} AS DOUBLE)), false) ELSE false END"
    outside = f"{finite} OR {name} < {low} OR {name} > {high}"
    yield Rule(column.name, "number", f"{unread} AND NOT {finite}", "is no number", expected, NUMBER_ADVICE)
    advice = "Correct it, or leave it empty where it is not known."
    yield Rule(column.name, "range", outside, "is out of range", expected, advice)


def _order_rules(given: Mapping[str, str]) -> Iterator[Rule]:
    """Rules over several columns of an order line; `gross` is its value before discount, from `gross_value`."""
    raws = [quote(raw_name(name)) for name in ("amount", "quantity", "unit_price") if name in given]
    # A value that is there and cannot be read is the fault of its own column, and is not told twice.
    readable = " AND ".join(
        f"({quote(raw_name(name))} IS NULL OR {quote(name)} IS NOT NULL)"
        for name in ("amount", "quantity", "unit_price")
        if name in given
    )
    if raws:
        yield Rule(
            "amount" if "amount" in given else "unit_price",
            "no_value",
            f"gross IS NULL AND {readable}",
            "has no value",
            "amount, or quantity and unit_price",
            "Fill in what was paid (0 for a gift).",
        )
        yield Rule(
            "amount" if "amount" in given else "unit_price",
            "money_range",
            f"abs(gross) >= {MOST_MONEY}",
            "is beyond the range of money",
            f"a line's value below {MOST_MONEY:,}",
            "Correct quantity or price.",
        )
    if "unit_cost" in given and "quantity" in given:
        yield Rule(
            "unit_cost",
            "money_range",
            f"abs(unit_cost * quantity) >= {MOST_MONEY}",
            "is beyond the range of money",
            f"a line's cost below {MOST_MONEY:,}",
            "Correct quantity or cost; unit_cost is for one piece.",
        )
    yield Rule(
        "order_id",
        "two_customers",
        "false",  # needs other rows: set where the table is put together
        "is one order under two customers",
        "one customer for all lines of an order (a guest's line is not a customer's)",
        "Number orders so that an order_id is used once, or fill in the missing customer_id.",
    )


def gross_value(given: Mapping[str, str]) -> str:
    """SQL of an order line's value before discount: what was paid where given, else pieces times price."""
    product = "quantity * unit_price" if {"quantity", "unit_price"} <= set(given) else "NULL"
    paid = "amount::DECIMAL(38, 18)" if "amount" in given else "NULL"
    return f"coalesce({paid}, {product})::DECIMAL(38, 18)"
