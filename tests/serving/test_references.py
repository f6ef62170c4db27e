"""References: what is tried, in which order, and what is said where there is nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from regulars.features.settings import Settings, tracking_uri
from regulars.serving import references
from regulars.serving.references import UnknownReferenceError, champion_folder, load_reference
from regulars.serving.sealed import BundleError


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, and bundles that are only their names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGULARS_MODEL", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(references, "load_bundle", lambda folder, settings: f"folder {folder}")
    monkeypatch.setattr(references, "_from_mlflow", lambda ref, settings: f"mlflow {ref} in {tracking_uri(settings)}")
    return tmp_path


def bundle_at(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")


def loaded(ref: str | Path | None = None, settings: Settings | None = None) -> str:
    return str(load_reference(ref, settings or Settings()))


def test_a_named_reference_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle_at(Path("here"))
    monkeypatch.setenv("REGULARS_MODEL", "models:/other/1")
    assert loaded("here") == loaded(Path("here")) == "folder here"
    assert loaded("models:/regulars/3") == "mlflow models:/regulars/3 in sqlite:///mlflow.db"


def test_then_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle_at(Path("champion"))
    monkeypatch.setenv("REGULARS_MODEL", "models:/other@champion")
    assert loaded() == "mlflow models:/other@champion in sqlite:///mlflow.db"


def test_then_the_champion_of_the_store() -> None:
    bundle_at(Path("champion"))
    Path("mlflow.db").touch()
    settings = Settings.model_validate({"shop": {"name": "tea-house"}})
    assert loaded(settings=settings) == "mlflow models:/regulars-tea-house@champion in sqlite:///mlflow.db"


def test_then_the_folder_beside_the_store() -> None:
    bundle_at(Path("runs/champion"))
    settings = Settings.model_validate({"mlflow": {"tracking_uri": "sqlite:///runs/mlflow.db"}})
    assert champion_folder(settings) == Path("runs/champion")
    assert loaded(settings=settings) == "folder runs/champion"


def test_a_store_without_champion_gives_way_to_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(ref: str, settings: Settings) -> None:
        raise UnknownReferenceError(f"{ref} is not there")

    monkeypatch.setattr(references, "_from_mlflow", unknown)
    Path("mlflow.db").touch()
    with pytest.raises(BundleError, match=r"regulars@champion is not there; there is no bundle in champion"):
        loaded()
    bundle_at(Path("champion"))
    assert loaded() == "folder champion"


def test_where_there_is_nothing_everything_tried_is_named() -> None:
    with pytest.raises(BundleError) as told:
        loaded()
    for part in ("REGULARS_MODEL is not set", "no store mlflow.db", "no bundle in champion", "regulars train DIR"):
        assert part in str(told.value)
    assert not Path("mlflow.db").exists()


def test_a_folder_without_a_bundle_is_named() -> None:
    with pytest.raises(BundleError, match=r"'nowhere' is no bundle: there is no manifest.json in it"):
        loaded("nowhere")


def test_the_environment_names_the_store_before_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.model_validate({"mlflow": {"tracking_uri": "sqlite:///a.db"}})
    assert tracking_uri(settings) == "sqlite:///a.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    assert tracking_uri(settings) == "http://127.0.0.1:1"
    assert champion_folder(settings) == Path("champion")
