"""Features written in parts: those of the whole shop, whatever the parts, and however often the run is stopped."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from tests.features.plain_frames import Frames, frames

from regulars.datasets.simulate import ShopParameters, simulate_shop, write_shop
from regulars.features import materialise
from regulars.features.asof import AsOf, Moments
from regulars.features.context import ShopContext
from regulars.features.findings import DataError
from regulars.features.logs import Logs
from regulars.features.materialise import NobodyError, parts, write_features
from regulars.features.reading import read_shop
from regulars.features.settings import DataSettings, Settings
from regulars.features.shop import DAY, as_time
from regulars.features.table import feature_table

TIMES = [19_650 * DAY, 19_700 * DAY, 19_801 * DAY]


def whole(source: Any, times: list[int]) -> pd.DataFrame:
    """The features as the whole shop gives them."""
    shop = read_shop(source, Settings()).shop
    assert shop is not None
    logs = Logs(shop, Settings())
    moments = Moments.grid(np.arange(logs.keys), times)
    moments = moments.take(AsOf(logs.orders, moments).count() > 0)
    return feature_table(logs, moments, ShopContext.of(logs, times[-1])).frame(shop.customer_ids)


def written(folder: Path) -> pd.DataFrame:
    found: pd.DataFrame = pa.concat_tables([pq.read_table(part) for part in parts(folder)]).to_pandas()
    return found


def assert_same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    assert list(found.columns) == list(expected.columns)
    assert found["customer_id"].tolist() == expected["customer_id"].tolist()
    assert found["as_of"].tolist() == expected["as_of"].tolist()
    ours, theirs = (frame.iloc[:, 2:].to_numpy(np.float64).view(np.int64) for frame in (found, expected))
    moved = [name for i, name in enumerate(expected.columns[2:]) if (ours[:, i] != theirs[:, i]).any()]
    assert moved == []


@settings(max_examples=10)
@given(frames())
def test_parts_are_the_whole(given_frames: Frames) -> None:
    assert_parts_are_whole(given_frames)


@pytest.mark.slow
@settings(max_examples=50)
@given(frames())
def test_parts_of_many_are_the_whole(given_frames: Frames) -> None:
    assert_parts_are_whole(given_frames)


def assert_parts_are_whole(given_frames: Frames) -> None:
    expected = whole(given_frames, TIMES)
    with tempfile.TemporaryDirectory() as folder:
        for name, lines in (("one", 1_000), ("many", 6)):
            out = Path(folder) / name
            if not len(expected):
                with pytest.raises(NobodyError):
                    write_features(given_frames, Settings(), TIMES, out, lines=lines, chunk_lines=3)
                continue
            write_features(given_frames, Settings(), TIMES, out, lines=lines, chunk_lines=3)
            assert_same(written(out), expected)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop") / "simulated"
    write_shop(simulate_shop(ShopParameters(customers=300), 5), folder)
    return folder


MOMENTS = [as_time("2024-03-01"), as_time("2024-09-01")]


def test_a_shop_with_referrals_in_other_parts(shop: Path, tmp_path: Path) -> None:
    expected = whole(shop, MOMENTS)
    assert (expected["referred_margin"] > 0).any()
    told: list[tuple[int, int]] = []
    out = tmp_path / "features"
    done = write_features(
        shop, Settings(), MOMENTS, out, lines=1_000, chunk_lines=150, progress=lambda *one: told.append(one)
    )
    assert len(parts(out)) > 10
    assert done.rows == len(expected)
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1] == 300
    assert_same(written(out), expected)
    assert not list(tmp_path.glob(".*"))


def test_lines_that_are_not_plain_give_the_same(shop: Path, tmp_path: Path) -> None:
    source = {path.stem: pq.read_table(path) for path in shop.glob("*.parquet")}
    as_text = {
        title: table.cast(pa.schema([(name, pa.string()) for name in table.column_names]))
        for title, table in source.items()
    }
    write_features(as_text, Settings(), MOMENTS, tmp_path / "features", lines=1_000, chunk_lines=150)
    assert_same(written(tmp_path / "features"), whole(shop, MOMENTS))


def test_one_family_reads_only_the_tables_it_needs(shop: Path, tmp_path: Path) -> None:
    done = write_features(shop, Settings(), MOMENTS, tmp_path / "features", families=["recency"])
    expected = whole(shop, MOMENTS)
    assert done.features == ("days_since_last_order", *done.features[1:])
    assert_same(written(tmp_path / "features"), expected[["customer_id", "as_of", *done.features]])


class StoppedError(Exception):
    """What stops the run in these tests."""


def test_a_stopped_run_goes_on_where_it_ended(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, spans = tmp_path / "features", []
    compute = materialise.chunk_features

    def count(batch: Any, first: int, end: int, *rest: Any) -> Any:
        spans.append((first, end))
        if len(spans) == 7:
            raise StoppedError
        return compute(batch, first, end, *rest)

    monkeypatch.setattr(materialise, "chunk_features", count)
    with pytest.raises(StoppedError):
        write_features(shop, Settings(), MOMENTS, out, lines=1_000, chunk_lines=150)
    assert not out.exists()
    kept = {path.name: path.read_bytes() for path in (tmp_path / ".features.unfinished").glob("part-*.parquet")}
    assert 5 <= len(kept) <= 7
    finished = {int(name[5:15]) for name in kept}
    spans[:] = [(-1, -1)] * 7  # nothing stops the second run
    write_features(shop, Settings(), MOMENTS, out, lines=1_000, chunk_lines=150)
    assert finished.isdisjoint({first for first, _ in spans})
    assert {name: (out / name).read_bytes() for name in kept} == kept
    assert_same(written(out), whole(shop, MOMENTS))


def test_what_was_begun_for_other_moments_is_not_gone_on_with(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "features"

    def stop(*_: Any) -> Any:
        raise StoppedError

    with monkeypatch.context() as patch:
        patch.setattr(materialise, "chunk_features", stop)
        with pytest.raises(StoppedError):
            write_features(shop, Settings(), MOMENTS[:1], out)
    write_features(shop, Settings(), MOMENTS, out)
    assert_same(written(out), whole(shop, MOMENTS))


def test_a_bad_row_is_named_as_it_stands_in_the_file(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "customer_id": ["a", "b", "c"],
            "order_id": ["1", "2", "3"],
            "ordered_at": pd.to_datetime(["2024-01-01", "NaT", "2024-01-03"]),
            "amount": [1.0, 2.0, 3.0],
        }
    )
    with pytest.raises(DataError, match="row 2") as refused:
        write_features({"orders": frame}, Settings(), TIMES, tmp_path / "features")
    assert "ordered_at" in str(refused.value)
    assert not list(tmp_path.iterdir())


def test_bad_rows_can_be_set_aside(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "customer_id": ["a", "b"],
            "order_id": ["1", "2"],
            "ordered_at": pd.to_datetime(["2024-01-01", "NaT"]),
            "amount": [1.0, 2.0],
        }
    )
    lenient = Settings(data=DataSettings(bad_rows="set_aside"))
    done = write_features({"orders": frame}, lenient, TIMES, tmp_path / "features", set_aside=tmp_path / "aside")
    assert [finding.count for finding in done.set_aside] == [1]
    assert "2" in (tmp_path / "aside" / "orders.csv").read_text(encoding="utf-8")
    assert written(tmp_path / "features")["customer_id"].unique().tolist() == ["a"]


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_change_nothing(shop: Path, tmp_path: Path, threads: int) -> None:
    chosen = Settings.model_validate({"train": {"threads": threads}})
    write_features(shop, chosen, MOMENTS, tmp_path / "features", chunk_lines=500)
    assert_same(written(tmp_path / "features"), whole(shop, MOMENTS))
