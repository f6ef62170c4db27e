from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regulars.serving.list_file import manifest_path, read_list, replace_file, safe, write_list


def rows(**columns: object) -> pd.DataFrame:
    plain = {
        "customer_id": ["=HYPERLINK(1)", "-5"],
        "audience": "customer",
        "play": "retain",
        "product_id": [None, "+1+2"],
        "expected_profit": [-0.5, 2.0],
        "uplift": [0.1, 0.05],
        "cost": 0.5,
        "reason": ['@cmd, "quoted"', "plain"],
        "arm": ["contact", "hold_out"],
        "owner": ["'Ann", None],
        "contact_by": np.array(["2024-01-05", "2024-01-06"], "datetime64[us]"),
        "list_id": "l",
    }
    return pd.DataFrame(plain | columns)


def test_a_csv_holds_no_formula_and_numbers_stay(tmp_path: Path) -> None:
    write_list(rows(), {"seed": 1}, tmp_path / "list.csv")
    text = (tmp_path / "list.csv").read_bytes().decode()
    assert text.splitlines()[1:] == [
        '\'=HYPERLINK(1),customer,retain,,-0.5,0.1,0.5,"\'@cmd, ""quoted""",contact,\'\'Ann,2024-01-05,l',
        "-5,customer,retain,'+1+2,2.0,0.05,0.5,plain,hold_out,,2024-01-06,l",
    ]
    assert "\r" not in text


@pytest.mark.parametrize("name", ["list.csv", "list.parquet"])
def test_what_was_written_is_read_back(tmp_path: Path, name: str) -> None:
    texts = ["customer_id", "audience", "play", "product_id", "reason", "arm", "owner", "list_id"]
    given = rows().astype(dict.fromkeys(texts, "str"))
    write_list(given, {}, tmp_path / name)
    pd.testing.assert_frame_equal(read_list(tmp_path / name), given, check_dtype=False)


def test_the_manifest_stands_beside_and_names_the_hash(tmp_path: Path) -> None:
    write_list(rows(), {"seed": 1}, tmp_path / "list.csv")
    told = json.loads((tmp_path / "list.manifest.json").read_text())
    assert told["seed"] == 1
    assert told["file"] == "list.csv"
    assert told["sha256"] == hashlib.sha256((tmp_path / "list.csv").read_bytes()).hexdigest()
    assert manifest_path(Path("a/b.csv")) == Path("a/b.manifest.json")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["list.csv", "list.manifest.json"]


def test_a_failure_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "list.csv"
    file.write_bytes(b"old")

    def fail(self: Path, target: Path) -> Path:
        raise OSError("the disk is gone")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="the disk is gone"):
        replace_file(file, b"new")
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_other_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.csv or \.parquet"):
        write_list(rows(), {}, tmp_path / "list.xlsx")


@given(st.text(max_size=8))
def test_no_cell_is_a_formula_and_every_text_comes_back(text: str) -> None:
    cell = safe(text)
    assert cell.removeprefix("'") == text
    numeric = cell.lstrip("+-").replace(".", "", 1).isdecimal()
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) or numeric


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=6), min_size=2, max_size=2))
def test_any_text_survives_the_csv(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    file = tmp_path_factory.mktemp("lists") / "list.csv"
    write_list(rows(reason=texts), {}, file)
    with file.open(newline="", encoding="utf-8") as stream:
        cells = [row["reason"] for row in csv.DictReader(stream)]
    assert cells == [safe(text) for text in texts]
