from __future__ import annotations

from pathlib import Path

import pytest

from regulars.datasets.writing import LoadError, LoadSummary, look_at, new_folder


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "shop"
    with new_folder(out) as folder:
        (folder / "orders.parquet").write_text("1")
        assert not out.exists()
    assert (out / "orders.parquet").read_text() == "1"
    assert [path.name for path in out.parent.iterdir()] == ["shop"]


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), new_folder(tmp_path / "shop") as folder:
        (folder / "orders.parquet").write_text((folder / "missing").read_text())
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_old_folder(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "old").write_text("1")
    with pytest.raises(KeyError), new_folder(tmp_path / "shop", overwrite=True):
        raise KeyError
    assert [path.name for path in (tmp_path / "shop").iterdir()] == ["old"]


def test_a_folder_with_something_in_it_is_refused_unless_asked(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "old").write_text("1")
    with pytest.raises(LoadError, match="not empty"), new_folder(tmp_path / "shop"):
        pass
    with new_folder(tmp_path / "shop", overwrite=True) as folder:
        (folder / "new").write_text("2")
    assert [path.name for path in (tmp_path / "shop").iterdir()] == ["new"]


def test_an_empty_folder_is_taken_and_a_file_refused(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    with new_folder(tmp_path / "shop"):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(LoadError, match="is a file"), new_folder(tmp_path / "file", overwrite=True):
        pass


def test_a_missing_file_says_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="no such file; get it there"):
        look_at(tmp_path / "none", "get it there")


def test_the_summary_names_only_what_happened() -> None:
    text = str(LoadSummary(1_200, 1_199, {"bad debt": 1, "never": 0}, {"orders": 1_199}, ("dates are made",)))
    assert text.splitlines() == [
        "1,200 rows read, 1,199 kept as order lines",
        "1 removed: bad debt",
        "orders: 1,199 rows",
        "dates are made",
    ]
