"""The predictor: frames in, scores out; one customer alone is answered as in the batch."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from regulars.features.context import ShopContext
from regulars.features.findings import DataError
from regulars.features.logs import Logs
from regulars.features.settings import Settings
from regulars.features.shop import as_time
from regulars.models.fitted import FittedModels
from regulars.serving import Predictor, predict
from regulars.serving.bundle import make_bundle, save_bundle
from regulars.serving.columns import COLUMNS

ORDERS = pd.DataFrame(
    {
        "customer_id": ["ann", "ann", "bob", "cyd", "cyd"],
        "order_id": ["1", "2", "3", "4", "5"],
        "ordered_at": pd.to_datetime(["2024-01-05", "2024-05-05", "2024-03-01", "2022-03-01", "2022-04-01"]),
        "product_id": ["tea", "cup", "tea", "tea", "tea"],
        "quantity": [1, 2, 1, 1, 1],
        "unit_price": [10.0, 15.0, 10.0, 10.0, 10.0],
    }
)
SUPPORT = pd.DataFrame(
    {
        "customer_id": ["ann", "ann"],
        "occurred_at": pd.to_datetime(["2024-03-01", "2024-03-02"]),
        "event": ["opened", "worked"],
        "ticket_id": ["t1", "t1"],
        "minutes": [None, 30.0],
    }
)
PEOPLE = pd.DataFrame({"customer_id": ["dan"], "signed_up_at": pd.to_datetime(["2024-05-01"])})
NOW = "2024-06-01"


@pytest.fixture
def folder(tmp_path: Path, fake_models: FittedModels) -> Path:
    """A bundle trained with support and customers."""
    from regulars.serving.predictor import read

    settings = Settings()
    shop = read({"orders": ORDERS, "support": SUPPORT, "customers": PEOPLE}, settings)
    context = ShopContext.of(Logs(shop, settings), as_time(NOW))
    bundle = make_bundle(shop, fake_models, context, settings, as_time(NOW), version="v7")
    assert "tickets_total" in bundle.features
    save_bundle(tmp_path / "bundle", bundle)
    return tmp_path / "bundle"


@pytest.fixture
def predictor(folder: Path) -> Predictor:
    return Predictor.load(folder)


def test_every_customer_gets_a_row(predictor: Predictor) -> None:
    scores = predictor.predict(ORDERS, support=SUPPORT, customers=PEOPLE, as_of=NOW, top=2)
    assert tuple(scores.columns) == COLUMNS
    assert scores["customer_id"].tolist() == ["ann", "bob", "cyd", "dan"]
    assert scores["status"].tolist() == ["scored", "scored", "lapsed", "prospect"]
    assert scores["model_version"].unique().tolist() == ["v7"]
    assert scores["next_products"].map(len).tolist() == [2, 2, 2, 2]


def test_one_customer_equals_the_batch(predictor: Predictor) -> None:
    every = predictor.predict(ORDERS, SUPPORT, PEOPLE, as_of=NOW)
    for at, name in enumerate(every["customer_id"]):
        parts = [frame[frame["customer_id"] == name] for frame in (ORDERS, SUPPORT, PEOPLE)]
        alone = predictor.predict(*parts, as_of=NOW)
        pd.testing.assert_frame_equal(alone, every.iloc[[at]].reset_index(drop=True), check_exact=True)


def test_the_order_of_rows_does_not_matter(predictor: Predictor) -> None:
    shuffled = predictor.predict(ORDERS.iloc[::-1], SUPPORT.iloc[::-1], PEOPLE, as_of=NOW)
    pd.testing.assert_frame_equal(shuffled, predictor.predict(ORDERS, SUPPORT, PEOPLE, as_of=NOW), check_exact=True)


class Stranger:
    """A frame of some other library, which only hands out Arrow."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self._table = pa.Table.from_pandas(frame)

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._table.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize("convert", [pa.Table.from_pandas, Stranger])
def test_any_arrow_frame_will_do(predictor: Predictor, convert: Callable[[pd.DataFrame], Any]) -> None:
    scores = predictor.predict(*(convert(frame) for frame in (ORDERS, SUPPORT, PEOPLE)), as_of=NOW)
    pd.testing.assert_frame_equal(scores, predictor.predict(ORDERS, SUPPORT, PEOPLE, as_of=NOW), check_exact=True)


def test_frames_are_left_as_they_were(predictor: Predictor) -> None:
    orders = ORDERS.copy(deep=True)
    predictor.predict(orders, SUPPORT, PEOPLE, as_of=NOW)
    pd.testing.assert_frame_equal(orders, ORDERS)


def test_a_table_the_model_knows_and_that_is_absent_is_told(predictor: Predictor) -> None:
    with pytest.warns(UserWarning, match="were fitted with support, which was not given") as told:
        scores = predictor.predict(ORDERS, as_of=NOW)
    assert len(told) == 1
    assert told[0].filename == __file__
    nothing = SUPPORT.assign(customer_id="somebody else")
    with_nothing = predictor.predict(ORDERS, nothing, as_of=NOW)
    rest = with_nothing[with_nothing["customer_id"] != "somebody else"].reset_index(drop=True)
    pd.testing.assert_frame_equal(scores, rest, check_exact=True)


def test_a_column_the_model_knows_and_that_is_absent_is_told(predictor: Predictor) -> None:
    with pytest.warns(UserWarning, match=r"were fitted with orders.product_id, support.minutes, which was"):
        predictor.predict(ORDERS.drop(columns="product_id"), SUPPORT.drop(columns="minutes"), as_of=NOW)


def test_nothing_is_said_where_nothing_is_absent(predictor: Predictor) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        predictor.predict(ORDERS, SUPPORT, as_of=NOW)


def test_the_moment_decides_what_is_known(predictor: Predictor) -> None:
    scores = predictor.predict(ORDERS, SUPPORT, PEOPLE, as_of="2024-03-01")
    assert scores["customer_id"].tolist() == ["ann", "cyd"]


@pytest.mark.parametrize("moment", ["soon", None, pd.Timestamp("2024-06-01", tz="UTC")])
def test_what_is_no_moment_is_refused(predictor: Predictor, moment: Any) -> None:
    with pytest.raises(ValueError, match=r"is no moment|has a time zone"):
        predictor.predict(ORDERS, SUPPORT, as_of=moment)


def test_bad_frames_are_refused_with_reasons(predictor: Predictor) -> None:
    with pytest.raises(DataError, match="ordered_at"):
        predictor.predict(ORDERS.drop(columns="ordered_at"), SUPPORT, as_of=NOW)


def test_predict_in_one_line(predictor: Predictor, folder: Path) -> None:
    scores = predict(ORDERS, SUPPORT, PEOPLE, as_of=NOW, top=1, model=folder)
    pd.testing.assert_frame_equal(scores, predictor.predict(ORDERS, SUPPORT, PEOPLE, as_of=NOW, top=1))
