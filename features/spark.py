"""Spark at the edge: a session, the tables of a shop where Spark finds them, what is wrong with them, and writing.

Nothing here computes a feature. Tables come in as they are, from a folder (a path or a URI such as s3a://) or from a
catalog (`spark:DATABASE`); what they hold is checked by the same code as on one machine, part by part (`parts`).
Moments never pass through Spark's own casts, so the session's time zone has no say: those without a zone stay as they
stand, those that are instants reach the checks as instants and become the shop's wall time there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regulars.features.findings import DataError, Finding, by_importance
from regulars.features.own import tables_of
from regulars.features.parts import findings_of
from regulars.features.settings import Settings
from regulars.features.sources import FORMS
from regulars.features.tables import Orders, Products, Table

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

CATALOG = "spark:"
"""Begins the name of a database of Spark's catalog, or of a table in it."""
ENDINGS = {".csv": "csv", ".csv.gz": "csv", ".parquet": "parquet", "": "parquet"}
"""How a table's file may end, and what it is."""
MOST_EXACT = 10**15
"""Whole doubles below it have one text, without an exponent."""
CONFIGURED = {"SPARK_HOME", "SPARK_CONF_DIR", "PYSPARK_SUBMIT_ARGS", "PYSPARK_GATEWAY_PORT"}
"""Variables that say that somebody has set up a Spark, which may be a cluster."""
_MARK = "regulars refuses: "
_CAUSE = re.compile(r"(?::|Caused by:) [\w.$]+: (.*)")


class SparkError(RuntimeError):
    """Spark cannot be had, or could not do what it was asked; the message says why and what to do."""


@dataclass(frozen=True)
class SparkTables:
    """The tables of a shop, by title: `frames` hold the columns that are read, `names` all that there are."""

    spark: SparkSession
    place: str
    declared: Mapping[str, type[Table]]
    frames: Mapping[str, DataFrame]
    names: Mapping[str, tuple[str, ...]]
    origins: Mapping[str, str]

    @property
    def keyed(self) -> tuple[str, ...]:
        """Titles of the tables whose rows belong to a customer; products belong to everybody."""
        return tuple(title for title in self.frames if title != Products.title)

    def with_frame(self, title: str, frame: DataFrame) -> SparkTables:
        """The same with other rows of one table."""
        return replace(self, frames={**self.frames, title: frame})


@contextmanager
def session(master: str | None = None) -> Iterator[SparkSession]:
    """A session of Spark for as long as the context lasts; one that is there already is used and left running.

    Args:
        master: where Spark runs, as Spark writes it (`local[4]`, `local-cluster[2,1,2048]`, `spark://host:7077`,
            `yarn`); None: as Spark's own configuration says, else all cores of this machine.

    Raises:
        SparkError: if PySpark or Java is not there, or Spark does not start.
    """
    if find_spec("pyspark") is None:
        raise SparkError("this needs PySpark: pip install 'regulars[spark]'")
    _needs_java()
    here = not CONFIGURED & os.environ.keys() if master is None else master.startswith("local")
    configured = _of_this_machine(master) if here else {}
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    if (running := SparkSession.getActiveSession()) is not None:
        yield running
        return
    builder = SparkSession.builder.appName("regulars").config("spark.log.level", "FATAL")
    for name, value in configured.items():
        builder = builder.config(name, value)
    with quiet():
        try:
            spark = (builder.master(master) if master else builder).getOrCreate()
        except PySparkException as error:
            raise SparkError(f"Spark does not start: {told(error)}. Is Java 17 or newer there?") from error
    try:
        yield spark
    finally:
        spark.stop()


def _needs_java() -> None:
    if "JAVA_HOME" not in os.environ and shutil.which("java") is None:
        raise SparkError(
            "Spark needs Java 17 or newer, and none is here: on Debian, apt-get install openjdk-17-jre-headless"
        )


def _of_this_machine(master: str | None) -> dict[str, str]:
    """What workers on this machine need to know: where Spark and Python are, and how much memory is theirs."""
    import pyspark

    os.environ.setdefault("SPARK_HOME", str(Path(pyspark.__file__).parent))
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    # A machine's name may lead to an address that its own processes cannot reach, which costs minutes.
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    found = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false"}
    if paths := os.environ.get("PYTHONPATH"):
        absolute = [str(Path(path).absolute()) for path in paths.split(os.pathsep)]
        found["spark.executorEnv.PYTHONPATH"] = os.pathsep.join(absolute)
    if master is not None and master.startswith("local-cluster["):
        found["spark.executor.memory"] = f"{master.removesuffix(']').rpartition(',')[2].strip()}m"
    return found


@contextmanager
def quiet() -> Iterator[None]:
    """Without PySpark's warning that it does not know this pandas; nothing here hands a pandas frame to it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
        yield


@contextmanager
def telling() -> Iterator[None]:
    """Turns what Spark raises into `DataError` where a worker refused the data, else into `SparkError`."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    with quiet():
        try:
            yield
        except (PySparkException, Py4JError) as error:
            _, there, refusal = str(error).partition(_MARK)
            if there:
                found, _ = json.JSONDecoder().raw_decode(refusal)
                raise DataError(findings_of(found)) from error
            raise SparkError(f"Spark could not do it: {told(error)}") from error


def refusal(error: DataError) -> RuntimeError:
    """What a worker raises so that `telling` knows what it refused."""
    return RuntimeError(_MARK + json.dumps([vars(finding) for finding in error.findings]))


def told(error: Exception) -> str:
    """What an error of Spark says, and what caused it first, without the trace of calls in either language."""
    lines = [re.sub(r" *SQLSTATE: \w+$", "", line.strip()) for line in str(error).splitlines() if line.strip()]
    if "Traceback (most recent call last):" in lines:
        raised = next((line for line in reversed(lines) if not line.startswith(("at ", "File "))), lines[0])
        return re.sub(r"^regulars(\.\w+)+: ", "", raised)
    causes = [found[1] for line in lines if (found := _CAUSE.match(line))]
    if causes:
        return causes[0] if causes[-1] == causes[0] else f"{causes[0]} ({causes[-1]})"
    return lines[0] if lines else type(error).__name__


def open_tables(spark: SparkSession, place: str, settings: Settings) -> SparkTables:
    """Opens the tables of a shop; nothing is read yet but what their columns are.

    Args:
        spark: the session.
        place: a folder, by its path or URI, or `spark:DATABASE`.
        settings: of the shop; they say which tables of its own it may bring.

    Raises:
        DataError: if there are no orders, or a table cannot be opened.
    """
    found: dict[str, DataFrame] = {}
    origins: dict[str, str] = {}
    findings: list[Finding] = []
    declared = {table.title: table for table in tables_of(settings)}
    for title in declared:
        with telling():
            there = _of_catalog(spark, place, title) if place.startswith(CATALOG) else {}
            if not place.startswith(CATALOG):
                there = _in_folder(spark, place, title, findings)
        if len(there) > 1:
            problem = f"there are {' and '.join(there)} in {place}"
            findings.append(_unreadable(title, problem, "Keep one of them."))
        for origin, frame in there.items():
            found[title], origins[title] = frame, origin
    if Orders.title not in found and not findings:
        problem = f"there is no such table in {place}; found: {', '.join(found) or 'no table at all'}"
        advice = f"Bring {FORMS.format(Orders.title)}, or a table {Orders.title} of a database."
        findings.append(Finding(Orders.title, "", "no_table", "error", problem, expected=Orders.one_row, advice=advice))
    if findings:
        raise DataError(by_importance(findings))
    names = {title: tuple(frame.columns) for title, frame in found.items()}
    frames = {title: _declared(declared[title], frame) for title, frame in found.items()}
    return SparkTables(spark, place, declared, frames, names, origins)


def _of_catalog(spark: SparkSession, place: str, title: str) -> dict[str, DataFrame]:
    name = f"{place.removeprefix(CATALOG)}.{title}"
    return {name: spark.table(name)} if spark.catalog.tableExists(name) else {}


def _in_folder(spark: SparkSession, folder: str, title: str, findings: list[Finding]) -> dict[str, DataFrame]:
    """The files or folders in which the table may be; it should be one."""
    from pyspark.errors import AnalysisException

    found = {}
    for ending, form in ENDINGS.items():
        path = f"{address(folder)}/{title}{ending}"
        try:
            found[f"{title}{ending}" if ending else f"{title}/"] = _reader(spark, form)(path)
        except AnalysisException as error:
            if error.getCondition() != "PATH_NOT_FOUND":
                problem = f"{title}{ending} cannot be read ({told(error)})"
                findings.append(_unreadable(title, problem, f"Bring {FORMS.format(title)}."))
    return found


def address(path: str) -> str:
    """A path as Spark takes it: a URI as it is, a path of this machine as a file's; neither is a pattern."""
    plain = path if "://" in path else f"file://{Path(path).absolute()}"
    return "".join(f"\\{letter}" if letter in "*?[]{}" else letter for letter in plain).rstrip("/")


def _reader(spark: SparkSession, form: str) -> Any:
    if form == "parquet":
        return spark.read.option("mergeSchema", "true").parquet
    # As text alone, as on one machine; a row with more or fewer values than the header stops the run.
    options: dict[str, Any] = {
        "header": True,
        "multiLine": True,
        "escape": '"',
        "mode": "FAILFAST",
        "maxCharsPerColumn": -1,
    }
    return spark.read.options(**options).csv


def _unreadable(title: str, problem: str, advice: str) -> Finding:
    return Finding(title, "", "unreadable", "error", problem, advice=advice)


def _declared(table: type[Table], frame: DataFrame) -> DataFrame:
    """The columns that are read, in the order they are declared."""
    from pyspark.sql import functions as F  # noqa: N812 - as everybody calls it
    from pyspark.sql.types import NullType

    kept = []
    for column in table.columns():
        if column.name in frame.columns:
            nothing = isinstance(frame.schema[column.name].dataType, NullType)
            kept.append(F.col(column.name).cast("string").alias(column.name) if nothing else F.col(column.name))
    return frame.select(*kept)


def id_of(frame: DataFrame, name: str) -> Column:
    """The id in a column as the checks read it ('13085' for ' 13085 ', 13085 and 13085.0), null where there is none."""
    from pyspark.sql import functions as F  # noqa: N812
    from pyspark.sql.types import DecimalType, FractionalType, IntegralType

    column, type_ = F.col(name), frame.schema[name].dataType
    text = column.cast("string")
    if isinstance(type_, IntegralType):
        return text
    if isinstance(type_, FractionalType) and not isinstance(type_, DecimalType):
        whole = (F.floor(column) == column) & (F.abs(column) < MOST_EXACT)
        text = F.when(whole, column.cast("decimal(20, 0)").cast("string")).when(~F.isnan(column), text)
    trimmed = F.trim(text, F.lit(" \t\r\n"))
    # A pattern costs more than all else here, so only those are looked at that could be a whole number with a fraction.
    whole_number = F.regexp_replace(trimmed, r"^(-?\d+)\.0+\z", "$1")
    return F.when(F.contains(trimmed, F.lit(".0")), whole_number).when(trimmed != "", trimmed)


def write(frame: DataFrame, out: str) -> None:
    """Writes rows as a folder of Parquet files, or as a table where `out` is `spark:DATABASE.TABLE`.

    Raises:
        SparkError: if it is there already, or cannot be written.
    """
    with telling():
        if out.startswith(CATALOG):
            frame.write.saveAsTable(out.removeprefix(CATALOG), format="parquet", mode="errorifexists")
        else:
            frame.write.parquet(address(out), mode="errorifexists")


def write_texts(frame: DataFrame, out: str) -> None:
    """Writes rows of texts as a folder of CSV files, in place of what was there."""
    with telling():
        frame.write.csv(address(out), mode="overwrite", header=True, escape='"')


def written(spark: SparkSession, out: str) -> DataFrame:
    """What `write` wrote."""
    with telling():
        return spark.table(out.removeprefix(CATALOG)) if out.startswith(CATALOG) else spark.read.parquet(address(out))
