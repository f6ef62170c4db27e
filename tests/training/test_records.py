"""Records of a backtest survive the way to a file and back, and are summed up without mixing models."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from regulars.training.records import (
    COMPONENTS,
    Record,
    as_frame,
    best_baselines,
    cutoffs,
    distance,
    mean_of,
    mean_over_cutoffs,
    ranked,
    read_records,
    write_records,
)


def record(model: str, as_of: str, value: float, *, baseline: bool = False, metric: str = "log_loss") -> Record:
    return Record("corner", "order_times", model, baseline, as_of, metric, value, value - 1, value + 1, 10)


RECORDS = [
    record("trees", "2011-09-01", 0.4),
    record("trees", "2011-06-01", 0.6),
    record("BG/NBD", "2011-06-01", 0.7, baseline=True),
    record("BG/NBD", "2011-09-01", math.nan, baseline=True),
    record("recency", "2011-06-01", 0.9, baseline=True),
]


def test_a_file_holds_the_records_and_null_for_what_is_not_there(tmp_path: Path) -> None:
    write_records(RECORDS, tmp_path / "new" / "backtest.json")
    rows = json.loads((tmp_path / "new" / "backtest.json").read_text())
    assert rows[0] == {
        "dataset": "corner",
        "component": "order_times",
        "model": "trees",
        "is_baseline": False,
        "as_of": "2011-09-01",
        "metric": "log_loss",
        "value": 0.4,
        "low": -0.6,
        "high": 1.4,
        "n": 10,
    }
    assert rows[3]["value"] is None
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["backtest.json"]


def test_records_come_back_as_they_went(tmp_path: Path) -> None:
    write_records(RECORDS, tmp_path / "backtest.json")
    assert str(read_records(tmp_path / "backtest.json")) == str(RECORDS)  # as text, for NaN equals nothing


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("{}", "expected a list of records, found dict"),
        ('[{"model": "trees"}]', r"record 1: expected the fields .*found \['model'\]"),
    ],
)
def test_another_file_is_refused_with_the_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_records(path)


def test_means_leave_out_cutoffs_without_a_value() -> None:
    means = mean_over_cutoffs(RECORDS).set_index("model")
    assert means["value"].to_dict() == pytest.approx({"trees": 0.5, "BG/NBD": 0.7, "recency": 0.9})
    assert means["cutoffs"].to_dict() == {"trees": 2, "BG/NBD": 1, "recency": 1}
    assert mean_of(RECORDS, "order_times", "trees", "log_loss") == pytest.approx(0.5)
    assert math.isnan(mean_of(RECORDS, "order_times", "trees", "auc"))


def test_cutoffs_are_in_order_and_a_frame_has_a_row_a_record() -> None:
    assert cutoffs(RECORDS) == ["2011-06-01", "2011-09-01"]
    assert len(as_frame(RECORDS)) == 5
    assert list(as_frame([]).columns)[:3] == ["dataset", "component", "model"]


def test_models_are_ranked_on_their_components_metric() -> None:
    assert ranked(RECORDS, "order_times") == ["trees", "BG/NBD", "recency"]
    assert ranked(RECORDS, "order_times", baselines=True) == ["BG/NBD", "recency"]
    assert best_baselines(RECORDS) == {"order_times": "BG/NBD"}
    assert ranked(RECORDS, "value") == []
    assert "value" in COMPONENTS


@pytest.mark.parametrize(
    ("metric", "better", "worse"),
    [
        ("log_loss", 0.4, 0.5),
        ("auc", 0.9, 0.8),
        ("ndcg_10_first", 0.3, 0.2),
        ("lift_top_decile", 2.0, 1.5),
        ("calibration_slope", 0.95, 1.2),
        ("interval_coverage", 0.79, 0.95),
        ("mae", 10.0, math.nan),
    ],
)
def test_lower_distance_is_better(metric: str, better: float, worse: float) -> None:
    assert distance(metric, better) < distance(metric, worse)
