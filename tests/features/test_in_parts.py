"""What becomes of a folder of parts where runs meet, are stopped, or are called again with something else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from regulars.features import own
from regulars.features.in_parts import BusyError, Chunk, Job, parts
from regulars.features.scan import Batch, Scan
from regulars.features.settings import FeatureSettings, Settings

CUSTOMERS = 20
ORDERS = "customer_id,order_id,ordered_at,amount\n" + "".join(
    f"c{i:02d},{i},2024-01-{1 + i:02d},10\n" for i in range(CUSTOMERS)
)


class StoppedError(Exception):
    """What stops a run in these tests."""


@dataclass
class Numbers:
    """Asks for a row for each customer: its number, and a word."""

    word: str
    titles: frozenset[str] = frozenset({"orders"})

    @property
    def plan(self) -> Any:
        return self.word

    def of(self, scan: Scan) -> Chunk:
        del scan
        return self.chunk

    def chunk(self, batch: Batch, first: int, end: int) -> pa.Table:
        del batch
        return pa.table({"customer_id": [f"{i}" for i in range(first, end)], "word": [self.word] * (end - first)})

    def nobody(self, scan: Scan) -> str:
        del scan
        return ""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "orders.csv").write_text(ORDERS, encoding="utf-8")
    return tmp_path / "shop"


def job(source: Path, settings: Settings | None = None, **options: Any) -> Job:
    return Job(source, settings or Settings(), lines=100, chunk_lines=4, **options)


def stop(done: int, _: int) -> None:
    if done >= 8:
        raise StoppedError


def words(out: Path) -> list[str]:
    return [row["word"] for part in parts(out) for row in pq.read_table(part).to_pylist()]


def test_a_second_run_into_the_same_folder_is_refused_and_harms_nothing(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    met: list[str] = []

    def meanwhile(done: int, _: int) -> None:
        if done >= 8 and not met:
            for word in ("one", "two"):  # the same once more, and something else
                with pytest.raises(BusyError, match="another run is writing there") as refused:
                    job(source).write(Numbers(word), out)
                met.append(str(refused.value))

    job(source, progress=meanwhile).write(Numbers("one"), out)
    assert len(met) == 2
    assert words(out) == ["one"] * CUSTOMERS
    job(source).write(Numbers("two"), out)
    assert words(out) == ["two"] * CUSTOMERS
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "shop"]


def test_what_is_there_stays_whole_until_it_is_replaced(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    job(source).write(Numbers("one"), out)
    with pytest.raises(StoppedError):
        job(source, progress=stop).write(Numbers("two"), out)
    assert words(out) == ["one"] * CUSTOMERS


def test_a_part_that_lost_its_end_is_made_again(source: Path, tmp_path: Path) -> None:
    out, work = tmp_path / "out", tmp_path / ".out.unfinished"
    with pytest.raises(StoppedError):
        job(source, progress=stop).write(Numbers("one"), out)
    broken, *others = parts(work)
    broken.write_bytes(broken.read_bytes()[:-20])
    kept = {part.name: part.stat().st_mtime_ns for part in others}
    assert kept
    job(source).write(Numbers("one"), out)
    assert words(out) == ["one"] * CUSTOMERS
    assert {name: (out / name).stat().st_mtime_ns for name in kept} == kept


def test_a_folder_within_the_shop_is_gone_on_with(source: Path) -> None:
    with pytest.raises(StoppedError):
        job(source, progress=stop).write(Numbers("one"), source / "out")
    kept = {part.name: part.stat().st_mtime_ns for part in parts(source / ".out.unfinished")}
    job(source).write(Numbers("one"), source / "out")
    assert kept
    assert {name: (source / "out" / name).stat().st_mtime_ns for name in kept} == kept


@pytest.mark.parametrize("changed", ["word", "table", "own"])
def test_what_was_begun_otherwise_is_not_gone_on_with(source: Path, tmp_path: Path, changed: str) -> None:
    file, out = tmp_path / "ours.py", tmp_path / "out"
    text = "from regulars.features.define import Family\nours = Family('ours', 'Ours.')\n"
    file.write_text(text, encoding="utf-8")
    settings = Settings(features=FeatureSettings(own=(str(file),)))
    with pytest.raises(StoppedError):
        job(source, settings, progress=stop).write(Numbers("one"), out)
    before = {part.name: part.stat().st_mtime_ns for part in parts(tmp_path / ".out.unfinished")}
    if changed == "table":
        (source / "orders.csv").write_text(ORDERS.replace(",10\n", ",11\n"), encoding="utf-8")
    if changed == "own":
        file.write_text(text + "more = 1\n", encoding="utf-8")
        own.forget()
    word = "two" if changed == "word" else "one"
    job(source, settings).write(Numbers(word), out)
    assert words(out) == [word] * CUSTOMERS
    assert all((out / name).stat().st_mtime_ns != at for name, at in before.items())
