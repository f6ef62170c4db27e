"""Scores and next products in parts: those of the whole shop, whatever the parts, and however often stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from regulars.datasets.simulate import ShopParameters, simulate_shop, write_shop
from regulars.features.context import ShopContext
from regulars.features.in_parts import Job, NobodyError, parts
from regulars.features.logs import Logs
from regulars.features.reading import read_shop
from regulars.features.settings import Settings
from regulars.features.shop import Shop, as_time
from regulars.models.next_product import NextProductModel
from regulars.serving.bundle import make_bundle
from regulars.serving.known import known_since
from regulars.serving.predictor import Predictor
from regulars.serving.product_parts import SCHEMA, as_arrow, write_products
from regulars.serving.score_file import as_arrow as scores_as_arrow
from regulars.serving.score_parts import write_score_parts

NOW = as_time("2024-09-01")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("shop") / "simulated"
    write_shop(simulate_shop(ShopParameters(customers=150), 5), place)
    return place


@pytest.fixture(scope="module")
def shop(folder: Path) -> Shop:
    found = read_shop(folder, Settings()).shop
    assert found is not None
    return found


@pytest.fixture(scope="module")
def model(shop: Shop) -> NextProductModel:
    return NextProductModel(moments=1, trees=5, mine=False, threads=1).fit(shop, NOW)


@pytest.fixture(scope="module")
def predictor(shop: Shop, small_models: Callable[..., Any], model: NextProductModel) -> Predictor:
    models = replace(small_models(shop, NOW), products=model)
    context = ShopContext.of(Logs(shop, Settings()), NOW)
    return Predictor(make_bundle(shop, models, context, Settings(), NOW))


def small(folder: Path, **options: Any) -> Job:
    """Some ten parts in several batches."""
    return Job(folder, Settings(), lines=700, chunk_lines=200, **options)


def written(folder: Path) -> pa.Table:
    return pa.concat_tables([pq.read_table(part) for part in parts(folder)])


class StoppedError(Exception):
    """What stops a run in these tests."""


def test_scores_in_parts_are_the_whole(folder: Path, shop: Shop, predictor: Predictor, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    opened: list[Any] = []
    done = write_score_parts(
        small(folder, progress=lambda *one: told.append(one)),
        predictor,
        NOW,
        tmp_path / "scores",
        top=3,
        opened=lambda *one: opened.append(one),
    )
    expected = predictor.score(shop, NOW, top=3)
    assert len(parts(tmp_path / "scores")) > 5
    assert written(tmp_path / "scores").equals(scores_as_arrow(expected))
    assert done.counts == expected["status"].value_counts().to_dict()
    assert opened == [(NOW, shop.end, [])]
    assert told == sorted(told)
    assert told[-1] == (150, 150)


def test_products_in_parts_are_the_whole(folder: Path, shop: Shop, model: NextProductModel, tmp_path: Path) -> None:
    write_products(small(folder), model, NOW, tmp_path / "lists", top=4)
    customers = np.flatnonzero(known_since(shop) < NOW).astype(np.int32)
    found, expected = written(tmp_path / "lists"), model.recommend(shop, customers, NOW, 4)
    assert found.equals(as_arrow(shop, customers, expected))
    assert found.schema == SCHEMA
    row = found.to_pylist()[0]
    assert [one["product_id"] for one in row["next_products"]] == list(expected.ids(expected.all.product)[0])
    assert row["next_new_products"][0]["probability"] == expected.new.probability[0, 0]


def test_a_stopped_run_goes_on_and_writes_the_same_bytes(folder: Path, model: NextProductModel, tmp_path: Path) -> None:
    def stop(done: int, _: int) -> None:
        if done > 60:
            raise StoppedError

    write_products(small(folder), model, NOW, tmp_path / "alone")
    with pytest.raises(StoppedError):
        write_products(small(folder, progress=stop), model, NOW, tmp_path / "lists")
    assert not (tmp_path / "lists").exists()
    kept = {path.name: path.stat().st_mtime_ns for path in parts(tmp_path / ".lists.unfinished")}
    assert kept
    write_products(small(folder), model, NOW, tmp_path / "lists")
    names = [path.name for path in parts(tmp_path / "alone")]
    assert [path.name for path in parts(tmp_path / "lists")] == names
    assert {name: (tmp_path / "lists" / name).stat().st_mtime_ns for name in kept} == kept, "what was there was kept"
    for name in names:
        assert (tmp_path / "lists" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()


def test_what_another_model_began_is_not_gone_on_with(folder: Path, model: NextProductModel, tmp_path: Path) -> None:
    def stop(done: int, _: int) -> None:
        if done > 60:
            raise StoppedError

    other = NextProductModel.from_state(model.state()).set_params(horizon_days=30)
    with pytest.raises(StoppedError):
        write_products(small(folder, progress=stop), other, NOW, tmp_path / "lists")
    write_products(small(folder), model, NOW, tmp_path / "lists")
    write_products(small(folder), model, NOW, tmp_path / "alone")
    assert written(tmp_path / "lists").equals(written(tmp_path / "alone"))


def test_before_everybody_there_is_nobody(
    folder: Path, predictor: Predictor, model: NextProductModel, tmp_path: Path
) -> None:
    early = as_time("1999-01-01")
    with pytest.raises(NobodyError, match="no customer was known before 1999-01-01; the first order line is of"):
        write_score_parts(small(folder), predictor, early, tmp_path / "scores")
    with pytest.raises(NobodyError, match="no customer was known before"):
        write_products(small(folder), model, early, tmp_path / "lists")
    assert not list(tmp_path.iterdir())


def test_a_part_needs_quantiles(folder: Path, predictor: Predictor, tmp_path: Path) -> None:
    context = replace(predictor.bundle.context, churn_quantiles=None)
    without = Predictor(replace(predictor.bundle, context=context))
    with pytest.raises(ValueError, match="no quantiles of churn"):
        write_score_parts(small(folder), without, NOW, tmp_path / "scores")
