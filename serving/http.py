"""Answers over HTTP, as an application of its own or mounted in another one in a line.

    app.mount("/regulars", create_app(Predictor.load("champion")))

A question brings a customer's rows, as in `Predictor.predict`, and the moment; the answer is the score rows. The shapes
of both are made from where the columns are declared. A row is checked twice: here, that JSON holds what can be read at
all, and at the edge of `features`, whose findings are handed on. Nothing of what is asked or answered is logged, and
what goes wrong inside is logged by kind and place only, because its message may name a customer.
"""

from __future__ import annotations

import logging
import math
import traceback
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, create_model
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from regulars.features.findings import DataError, Finding
from regulars.features.own import tables_of
from regulars.features.shop import as_datetime, as_time
from regulars.features.tables import Column, Kind, Orders, Table
from regulars.serving.columns import LISTS, MOMENTS, NUMBERS, TYPES
from regulars.serving.feature_choice import in_which_nothing_happened
from regulars.serving.predictor import Predictor, read

MOST_BYTES = 32 * 2**20
"""A question may be this large: some 150,000 order lines."""
NOT_GIVEN = "Regulars-Not-Given"
"""Header of an answer: tables and columns that the models read and the question did not bring."""

_LOG = logging.getLogger(__name__)
_TYPES: dict[Kind, tuple[Any, Any]] = {
    Kind.MONEY: (FiniteFloat, pa.float64()),
    Kind.NUMBER: (FiniteFloat, pa.float64()),
    Kind.FLAG: (bool, pa.bool_()),
}
_TEXT: tuple[Any, Any] = (str, pa.string())
_UNTOLD = ("records", "pictures")
"""Parts of a bundle's metrics that are too long to tell; the report shows them."""


class Row(BaseModel):
    """A row of a table. Columns that nothing reads are ignored, as in files; an id may be a number."""

    model_config = ConfigDict(coerce_numbers_to_str=True)


class Asked(BaseModel):
    """A question; the tables are added from their declarations."""

    model_config = ConfigDict(extra="forbid")

    as_of: str = Field(description="the moment to score at, in the shop's wall time: only what was known before counts")
    top: int | None = Field(None, ge=1, le=100, description="products for each customer; default: the shop's setting")


class Suggestion(BaseModel):
    """A product that a customer may buy next."""

    product_id: str
    probability: float
    expected_at: str | None
    reason: str


def _row_model(table: type[Table]) -> type[Row]:
    columns: dict[str, Any] = {column.name: _field(column) for column in table.columns()}
    return create_model(f"{table.__name__}Row", __base__=Row, **columns)


def _field(column: Column) -> tuple[Any, Any]:
    kind = _TYPES.get(column.kind, _TEXT)[0]
    # What a customer, order or product must have is said by the edge, in the words of all other refusals.
    described = Field(None, description=f"{'needed: ' if column.required else ''}{column.meaning}")
    return kind | None, described


def _question_model(declared: Sequence[type[Table]]) -> type[Asked]:
    tables: dict[str, Any] = {}
    for table in declared:
        rows: Any = list[_row_model(table)]  # type: ignore[misc]  # made from its declaration
        needed = table is Orders
        default = ... if needed else None
        tables[table.title] = (rows if needed else rows | None, Field(default, description=table.one_row))
    return create_model("Question", __base__=Asked, **tables)


def _score_model() -> type[BaseModel]:
    kinds: dict[str, Any] = dict.fromkeys(TYPES, str)
    kinds |= dict.fromkeys(NUMBERS, float) | dict.fromkeys(LISTS, list[Suggestion]) | {"reasons": list[str]}
    kinds |= {name: str | None for name in MOMENTS if name != "as_of"}
    columns: dict[str, Any] = {name: (kind, ...) for name, kind in kinds.items()}
    return create_model("Score", **columns)


Score = _score_model()


class Told(BaseModel):
    """The model that answers."""

    version: str
    trained_as_of: str
    horizon_days: int
    currency: str
    models: dict[str, str]
    features: list[str]
    metrics: dict[str, Any]


def create_app(predictor: Predictor, *, most_bytes: int = MOST_BYTES) -> FastAPI:
    """The application that answers with this predictor: POST /predict, GET /health, GET /model.

    Args:
        predictor: what answers; it never learns from a question.
        most_bytes: a larger question is refused with 413 before it is read to its end.
    """
    # Without the pages that load scripts from elsewhere; /openapi.json describes it all.
    app = FastAPI(title="Regulars", version=predictor.bundle.version, docs_url=None, redoc_url=None)
    app.add_middleware(_BodyLimit, most_bytes=most_bytes)
    app.add_middleware(_LastDoor)  # the last to be added is the outermost
    app.add_exception_handler(DataError, _data_error)
    app.add_exception_handler(RequestValidationError, _not_understood)

    tables = tables_of(predictor.bundle.settings)

    # A plain function runs in the pool of threads, so that one long answer does not keep the others waiting.
    def predict(question: Any) -> Response:
        """Scores of every customer in the rows who was known before `as_of`."""
        return _answer(predictor, question, tables)

    # FastAPI reads the question's shape here, which is made from the tables' declarations.
    predict.__annotations__ |= {"question": _question_model(tables), "return": Response}
    app.post("/predict", response_model=list[Score])(predict)  # type: ignore[valid-type]  # made from the columns

    @app.get("/health")
    def health() -> dict[str, str]:
        """Whether it answers."""
        return {"status": "ok"}

    @app.get("/model")
    def model() -> Told:
        """Which model answers, and how it did."""
        return _told(predictor)

    return app


def _answer(predictor: Predictor, question: Asked, tables: Sequence[type[Table]]) -> Response:
    try:
        moment = as_time(question.as_of)
    except ValueError as error:
        return _refused(422, [{"table": "", "column": "as_of", "row": None, "problem": str(error)}])
    frames = {table.title: _frame(table, getattr(question, table.title)) for table in tables}
    shop = read({title: frame for title, frame in frames.items() if frame is not None}, predictor.bundle.settings)
    absent = ", ".join(predictor.lacking(shop))
    # Completed here and told in the header: a warning would be told once, and to nobody who asks.
    whole = in_which_nothing_happened(shop, predictor.bundle.feature_list())
    scores = predictor.score(whole, moment, top=question.top)
    return JSONResponse(as_rows(scores), headers={NOT_GIVEN: absent} if absent else None)


def _frame(table: type[Table], rows: Sequence[Row] | None) -> pa.Table | None:
    """The rows as columns: those that any row names, and all of them where there is no row."""
    if rows is None:
        return None
    named = set().union(*(row.model_fields_set for row in rows))
    columns = [column for column in table.columns() if column.name in named or not rows]
    cells = [
        pa.array([getattr(row, column.name) for row in rows], _TYPES.get(column.kind, _TEXT)[1]) for column in columns
    ]
    return pa.table(dict(zip([column.name for column in columns], cells, strict=True)))


def as_rows(scores: pd.DataFrame) -> list[dict[str, Any]]:
    """Scores as JSON values: moments as ISO text, null where there is none."""
    columns = {name: scores[name].tolist() for name in TYPES}
    for name in MOMENTS:
        texts = scores[name].to_numpy("datetime64[s]").astype(str)
        columns[name] = [None if text == "NaT" else text for text in texts.tolist()]
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def _told(predictor: Predictor) -> Told:
    bundle = predictor.bundle
    return Told(
        version=bundle.version,
        trained_as_of=str(as_datetime(np.array([bundle.trained_as_of]))[0].astype("datetime64[s]")),
        horizon_days=bundle.settings.churn.horizon_days,
        currency=bundle.settings.shop.currency,
        models=dict(bundle.kinds),
        features=list(bundle.features),
        metrics={name: _plain(part) for name, part in bundle.metrics.items() if name not in _UNTOLD},
    )


def _plain(part: Any) -> Any:
    """The part without numbers that JSON does not know."""
    if isinstance(part, dict):
        return {name: _plain(inner) for name, inner in part.items()}
    if isinstance(part, list):
        return [_plain(inner) for inner in part]
    return None if isinstance(part, float) and not math.isfinite(part) else part


def _refused(status: int, problems: list[dict[str, Any]]) -> JSONResponse:
    return JSONResponse({"detail": problems}, status_code=status)


def _data_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, DataError)  # noqa: S101 - registered for it
    return _refused(422, [_finding(finding) for finding in error.findings])


def _finding(finding: Finding) -> dict[str, Any]:
    rows = {"count": finding.count, "of": finding.of, "examples": list(finding.examples)}
    told = {"problem": finding.problem, "expected": finding.expected, "advice": finding.advice}
    return {"table": finding.table, "column": finding.column, "rule": finding.rule, **told, **rows}


def _not_understood(_: Request, error: Exception) -> JSONResponse:
    """What is no JSON (400), or is not of the question's shape (422)."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
    found = error.errors()
    if any(one["type"] == "json_invalid" for one in found):
        place = found[0]["loc"][-1]
        return _refused(400, [{"table": "", "column": "", "row": None, "problem": f"no JSON (at character {place})"}])
    return _refused(422, [_problem(one["loc"][1:], one["msg"]) for one in found])


def _problem(place: Sequence[int | str], message: str) -> dict[str, Any]:
    """A place such as ('orders', 2, 'quantity'), rows counted from 1 as findings do."""
    table = str(place[0]) if len(place) > 1 else ""
    row = next((part + 1 for part in place if isinstance(part, int)), None)
    column = str(place[-1]) if place and isinstance(place[-1], str) else ""
    return {"table": table, "column": column, "row": row, "problem": message}


class _BodyLimit:
    """Refuses a question that is too large, whether or not it says so in its header."""

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self.app = app
        self.most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        length = dict(scope.get("headers", [])).get(b"content-length", b"0")
        if length.isdigit() and int(length) > self.most_bytes:
            await self._refusal()(scope, receive, send)
            return
        came = 0

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > self.most_bytes:
                raise HTTPException(413, self._sentence())
            return message

        await self.app(scope, counted, send)

    def _sentence(self) -> str:
        return f"the question is larger than {self.most_bytes:,} bytes; ask about fewer customers at a time"

    def _refusal(self) -> JSONResponse:
        return JSONResponse({"detail": self._sentence()}, status_code=413)


class _LastDoor:
    """Whatever goes wrong inside ends here: the caller learns that it did, and the log where."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            await self.app(scope, receive, send)
        except Exception as error:  # noqa: BLE001 - no kind of error may carry customers into an answer or a log
            place = traceback.extract_tb(error.__traceback__)[-1]
            _LOG.error("%s in %s, line %s", type(error).__name__, place.filename, place.lineno)
            told = {"detail": "something went wrong inside; the log says where"}
            await JSONResponse(told, status_code=500)(scope, receive, send)
