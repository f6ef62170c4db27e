"""HTTP: the same answers as in process, errors that name table, column and row, and no customer in logs."""

from __future__ import annotations

import json
import logging
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import httpx
import pandas as pd
import pytest
from fastapi import FastAPI

from regulars.features.context import ShopContext
from regulars.features.logs import Logs
from regulars.features.settings import Settings
from regulars.features.shop import Shop, as_time
from regulars.features.tables import TABLES, Orders
from regulars.models.fitted import FittedModels
from regulars.serving import Predictor
from regulars.serving.bundle import Bundle, load_bundle, make_bundle, save_bundle
from regulars.serving.columns import COLUMNS, MOMENTS
from regulars.serving.http import NOT_GIVEN, create_app
from regulars.serving.predictor import read

NOW = "2024-06-01"
Rows = list[dict[str, Any]]


class Client:
    """Asks an application in this process; what it raises is raised here."""

    def __init__(self, app: FastAPI) -> None:
        self._transport = httpx.ASGITransport(app)

    def get(self, path: str) -> httpx.Response:
        return self._ask("GET", path)

    def post(self, path: str, **given: Any) -> httpx.Response:
        return self._ask("POST", path, **given)

    def _ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, base_url="http://here") as client:
                return await client.request(method, path, **given)

        return anyio.run(ask)


async def in_parts(content: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(content), 50):
        yield content[at : at + 50]


def order(customer: str, number: str, day: str, product: str, price: float) -> dict[str, Any]:
    names = ("customer_id", "order_id", "ordered_at", "product_id", "quantity", "unit_price")
    return dict(zip(names, (customer, number, day, product, 1, price), strict=True))


ORDERS: Rows = [
    order("ann", "1", "2024-01-05T09:30:00", "tea", 10.0),
    order("ann", "2", "2024-05-05", "cup", 15.25),
    order("bob", "3", "2024-03-01 10:00", "tea", 10.0),
    order("cyd", "4", "2022-03-01", "tea", 10.0),
]
SUPPORT: Rows = [
    {"customer_id": "ann", "occurred_at": "2024-03-01", "event": "opened", "ticket_id": "t1"},
    {"customer_id": "ann", "occurred_at": "2024-03-02", "event": "worked", "ticket_id": "t1", "minutes": 30},
]
CUSTOMERS: Rows = [{"customer_id": "dan", "signed_up_at": "2024-05-01", "contact_allowed": True}]
QUESTION: dict[str, Any] = {"as_of": NOW, "orders": ORDERS, "support": SUPPORT, "customers": CUSTOMERS}


def known_shop() -> Shop:
    frames = {"orders": ORDERS, "support": SUPPORT, "customers": CUSTOMERS}
    return read({title: pd.DataFrame(rows) for title, rows in frames.items()}, Settings())


def bundle_of(models: FittedModels) -> Bundle:
    shop, settings = known_shop(), Settings()
    context = ShopContext.of(Logs(shop, settings), as_time(NOW))
    metrics = {"records": [1], "pictures": ["svg"], "decisions": ["best"], "odd": [float("nan")]}
    return make_bundle(shop, models, context, settings, as_time(NOW), version="v7", metrics=metrics)


@pytest.fixture
def predictor(fake_models: FittedModels) -> Predictor:
    return Predictor(bundle_of(fake_models))


@pytest.fixture
def client(predictor: Predictor) -> Client:
    return Client(create_app(predictor))


def as_json(frame: pd.DataFrame) -> Rows:
    """A slow second way: cell by cell."""
    rows: Rows = []
    for _, row in frame.iterrows():
        cells = {name: row[name] for name in COLUMNS}
        cells |= {name: None if pd.isna(row[name]) else row[name].isoformat(timespec="seconds") for name in MOMENTS}
        rows.append(cells)
    return rows


def test_the_answer_is_the_predictors(client: Client, predictor: Predictor) -> None:
    answer = client.post("/predict", json=QUESTION | {"top": 2})
    frames = (pd.DataFrame(rows) for rows in (ORDERS, SUPPORT, CUSTOMERS))
    assert answer.status_code == 200
    assert answer.json() == as_json(predictor.predict(*frames, as_of=NOW, top=2))
    assert [row["customer_id"] for row in answer.json()] == ["ann", "bob", "cyd", "dan"]
    assert [list(row) for row in answer.json()] == [list(COLUMNS)] * 4
    assert NOT_GIVEN not in answer.headers


def test_no_moment_is_null(client: Client) -> None:
    assert {row["next_order_to"] for row in client.post("/predict", json=QUESTION).json()} >= {None}


def test_one_customer_equals_the_batch(client: Client) -> None:
    every = {row["customer_id"]: row for row in client.post("/predict", json=QUESTION).json()}
    alone = [row for row in ORDERS if row["customer_id"] == "bob"]
    rows = client.post("/predict", json={"as_of": NOW, "orders": alone, "support": []}).json()
    assert rows == [every["bob"]]


def test_many_at_once_get_their_own_answers(client: Client) -> None:
    questions = [QUESTION | {"top": top} for top in (1, 2, 3)] * 8
    alone = [client.post("/predict", json=question).json() for question in questions[:3]]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda question: client.post("/predict", json=question).json(), questions))
    assert answers == alone * 8


def test_what_was_not_given_is_told(client: Client) -> None:
    answer = client.post("/predict", json={"as_of": NOW, "orders": ORDERS})
    assert answer.status_code == 200
    assert answer.headers[NOT_GIVEN] == "support"
    given = client.post("/predict", json={"as_of": NOW, "orders": ORDERS, "support": []})
    assert NOT_GIVEN not in given.headers
    assert given.json() == answer.json()


def test_a_prospect_needs_no_orders(client: Client) -> None:
    (row,) = client.post("/predict", json={"as_of": NOW, "orders": [], "customers": CUSTOMERS}).json()
    assert row["status"] == "prospect"


def test_an_id_may_be_a_number(client: Client) -> None:
    numbered = [order(7, "1", "2024-01-05", "tea", 10.0)]  # type: ignore[arg-type]  # that is the point
    (row,) = client.post("/predict", json={"as_of": NOW, "orders": numbered}).json()
    assert row["customer_id"] == "7"


def changed(row: int, **cells: Any) -> Rows:
    return [given | cells if at == row else given for at, given in enumerate(ORDERS)]


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ({"orders": changed(2, unit_price="dear")}, ("orders", "unit_price", 3)),
        ({"orders": changed(0, quantity=[1])}, ("orders", "quantity", 1)),
        ({"orders": changed(1, customer_id=True)}, ("orders", "customer_id", 2)),
        ({"support": [{**SUPPORT[0], "is_complaint": "perhaps"}]}, ("support", "is_complaint", 1)),
        ({"orders": {}}, ("", "orders", None)),
        ({"orders": None}, ("", "orders", None)),
        ({"top": 0}, ("", "top", None)),
        ({"top": 101}, ("", "top", None)),
        ({"as_of": 5.5}, ("", "as_of", None)),
        ({"as_of": "soon"}, ("", "as_of", None)),
        ({"as_of": "2024-06-01T00:00Z"}, ("", "as_of", None)),
        ({"suport": []}, ("", "suport", None)),
    ],
)
def test_what_cannot_be_understood_is_named(client: Client, question: dict[str, Any], told: Any) -> None:
    answer = client.post("/predict", json=QUESTION | question)
    assert answer.status_code == 422
    (problem,) = answer.json()["detail"]
    assert (problem["table"], problem["column"], problem["row"]) == told
    assert problem["problem"]


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ({"orders": changed(2, ordered_at="never")}, ("orders", "ordered_at", "row 3: 'never'")),
        ({"orders": changed(1, ordered_at=None)}, ("orders", "ordered_at", "row 2: empty")),
        ({"orders": changed(1, order_id="3")}, ("orders", "order_id", "row 2: '3'")),
        ({"support": [{**SUPPORT[0], "event": "shouted"}]}, ("support", "event", "row 1: 'shouted'")),
    ],
)
def test_findings_of_the_data_are_handed_on(client: Client, question: dict[str, Any], told: Any) -> None:
    answer = client.post("/predict", json=QUESTION | question)
    assert answer.status_code == 422
    found = answer.json()["detail"]
    table, column, example = told
    assert any((one["table"], one["column"]) == (table, column) and example in one["examples"] for one in found)


def test_a_missing_column_is_named(client: Client) -> None:
    rows = [{name: cell for name, cell in row.items() if name != "ordered_at"} for row in ORDERS]
    answer = client.post("/predict", json=QUESTION | {"orders": rows})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["rule"] == "missing_column"
    assert answer.json()["detail"][0]["column"] == "ordered_at"


@pytest.mark.parametrize("body", ["{", "", "no", '{"as_of": NaN, "orders": []}'])
def test_what_is_no_json_is_refused(client: Client, body: str) -> None:
    answer = client.post("/predict", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in {400, 422}
    assert answer.json()["detail"][0]["problem"]


def test_a_question_may_not_be_too_large(predictor: Predictor) -> None:
    client = Client(create_app(predictor, most_bytes=100))
    assert client.post("/predict", json=QUESTION).status_code == 413
    parts = in_parts(json.dumps(QUESTION).encode())  # of unsaid length
    answer = client.post("/predict", content=parts, headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert "100 bytes" in answer.json()["detail"]
    assert client.get("/health").status_code == 200


def test_health_and_model(client: Client, predictor: Predictor) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    told = client.get("/model").json()
    assert (told["version"], told["trained_as_of"], told["horizon_days"]) == ("v7", "2024-06-01T00:00:00", 90)
    assert told["features"] == list(predictor.bundle.features)
    assert told["metrics"] == {"decisions": ["best"], "odd": [None]}


def test_it_can_be_mounted(predictor: Predictor, client: Client) -> None:
    app = FastAPI()
    app.mount("/regulars", create_app(predictor))
    inside = Client(app)
    assert inside.post("/regulars/predict", json=QUESTION).json() == client.post("/predict", json=QUESTION).json()
    assert inside.post("/regulars/predict", json=QUESTION | {"top": 0}).json()["detail"][0]["column"] == "top"


def test_what_goes_wrong_inside_names_no_customer(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ValueError("the margin of customer 'ann' is odd")

    monkeypatch.setattr("regulars.serving.predictor.score", fail)
    with caplog.at_level(logging.DEBUG):
        answer = Client(create_app(predictor)).post("/predict", json=QUESTION)
    assert answer.status_code == 500
    assert answer.json() == {"detail": "something went wrong inside; the log says where"}
    assert re.search(r"ValueError in .*test_http.py, line \d+", caplog.text)
    assert "'ann'" not in caplog.text


def test_the_description_has_every_column(client: Client) -> None:
    described = client.get("/openapi.json").json()["components"]["schemas"]
    for table in TABLES:
        assert list(described[f"{table.__name__}Row"]["properties"]) == [column.name for column in table.columns()]
    assert list(described["Score"]["properties"]) == list(COLUMNS)
    assert set(described["Question"]["required"]) == {"as_of", Orders.title}


@pytest.mark.slow
def test_a_real_server_answers(tmp_path: Path, small_models: Any) -> None:
    shop, settings = known_shop(), Settings()
    context = ShopContext.of(Logs(shop, settings), as_time(NOW))
    made = make_bundle(shop, small_models(shop, as_time(NOW)), context, settings, as_time(NOW), version="v8")
    save_bundle(tmp_path / "bundle", made)
    command = [sys.executable, "-c", "from regulars.cli.app import main; main()"]
    log = tmp_path / "log.txt"
    with log.open("wb") as stream:
        server = subprocess.Popen(
            [*command, "serve", "--model", str(tmp_path / "bundle"), "--port", "0"],
            cwd=tmp_path,
            stdout=stream,
            stderr=stream,
        )
        try:
            place = address(server, log)
            request = urllib.request.Request(
                f"{place}/predict", json.dumps(QUESTION).encode(), {"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(request, timeout=60) as answer:
                rows = json.load(answer)
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(timeout=30)
    frames = (pd.DataFrame(rows_) for rows_ in (ORDERS, SUPPORT, CUSTOMERS))
    assert rows == as_json(Predictor(load_bundle(tmp_path / "bundle")).predict(*frames, as_of=NOW))
    assert not any(name in log.read_text() for name in ("ann", "bob", "cyd"))


def address(server: subprocess.Popen[bytes], log: Path) -> str:
    """Where the server says it listens."""
    for _ in range(600):
        found = re.search(r"http://127\.0\.0\.1:\d+", log.read_text())
        if found:
            return found.group()
        assert server.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(log.read_text())
