"""Bundles: what is saved is what is loaded, nothing is parsed before it is checked, and no customer is named."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from regulars.features.context import ShopContext
from regulars.features.logs import Logs
from regulars.features.settings import Settings
from regulars.features.shop import Shop, as_time
from regulars.features.table import features_of
from regulars.models.fitted import FittedModels
from regulars.serving import sealed
from regulars.serving.bundle import COMPONENTS, Bundle, load_bundle, make_bundle, save_bundle
from regulars.serving.parts import from_files, to_files
from regulars.serving.sealed import BundleError

MakeShop = Callable[..., Shop]
NOW = as_time("2024-06-01")
ORDERS = [
    ("ann-4711", "2024-01-05", "tea", 10.0),
    ("ann-4711", "2024-05-05", "cup", 30.0),
    ("bob-4712", "2024-03-01", "tea", 10.0),
    ("cyd-4713", "2022-03-01", "tea", 10.0),
]


@pytest.fixture
def shop(make_shop: MakeShop) -> Shop:
    return make_shop(ORDERS, customers=("customer_id signed_up_at", [("dan-4714", "2024-02-01")]))


@pytest.fixture
def bundle(shop: Shop, fake_models: FittedModels) -> Bundle:
    settings = Settings.model_validate(
        {"churn": {"horizon_days": 60}, "mlflow": {"tracking_uri": "postgresql://user:secret@host/db"}}
    )
    context = ShopContext.of(Logs(shop, settings), NOW)
    return make_bundle(shop, fake_models, context, settings, NOW, fingerprint="f00", metrics={"auc": 0.8})


@pytest.fixture
def folder(bundle: Bundle, tmp_path: Path) -> Path:
    save_bundle(tmp_path / "bundle", bundle)
    return tmp_path / "bundle"


def reseal(folder: Path, name: str, content: bytes) -> None:
    """Exchange a file and say so in the manifest, as whoever makes a bundle by hand could."""
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["files"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_what_is_saved_is_loaded(folder: Path, bundle: Bundle, shop: Shop) -> None:
    again = load_bundle(folder)
    assert again.version == bundle.version
    assert bundle.version.startswith("2024-06-01-")
    assert again.features == bundle.features == tuple(item.name for item in features_of(shop, Settings()))
    assert again.kinds == {"order_times": "FakeOrderTimes", "value": "FakeValue", "products": "FakeProducts"}
    assert (again.fingerprint, again.metrics, again.trained_as_of) == ("f00", {"auc": 0.8}, NOW)
    assert again.prospects == bundle.prospects
    assert again.libraries == bundle.libraries
    assert again.settings.churn.horizon_days == 60
    assert again.context.as_of == NOW
    assert again.context.scale == bundle.context.scale
    assert again.context.churn_quantiles is not None
    assert bundle.context.churn_quantiles is not None
    assert np.array_equal(again.context.churn_quantiles, bundle.context.churn_quantiles)
    assert np.array_equal(again.context.orders, bundle.context.orders)
    assert np.array_equal(again.context.first_orders, bundle.context.first_orders)


def test_a_bundle_from_before_contracts_is_read(folder: Path) -> None:
    settings = json.loads((folder / "settings.json").read_bytes())
    assert settings["churn"].pop("by") == "orders"
    reseal(folder, "settings.json", json.dumps(settings).encode())
    bundle = load_bundle(folder)
    assert bundle.settings.churn.by == "orders"
    assert bundle.models.cancellations is None


def test_saving_again_gives_the_same_files(folder: Path, bundle: Bundle, tmp_path: Path) -> None:
    save_bundle(tmp_path / "twice", load_bundle(folder))
    assert (tmp_path / "twice" / "manifest.json").read_bytes() == (folder / "manifest.json").read_bytes()


def test_a_bundle_is_plain_files_without_secrets_or_customers(folder: Path, shop: Shop) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".txt", ".npy", ".parquet"}
    everything = b"".join(path.read_bytes() for path in files)
    assert b"secret" not in everything
    assert [name for name in shop.customer_ids if str(name).encode() in everything] == []
    assert b"tea" in everything  # the search can find something


def test_an_older_bundle_is_replaced_and_anything_else_is_left(folder: Path, bundle: Bundle, tmp_path: Path) -> None:
    save_bundle(folder, replace(bundle, version="newer"))
    assert load_bundle(folder).version == "newer"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(BundleError, match="is no bundle; it is left as it is"):
        save_bundle(tmp_path / "mine", bundle)
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"


def test_a_failure_leaves_nothing_half_written(
    folder: Path, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(value: object) -> bytes:
        raise OSError("disk full")

    before = (folder / "manifest.json").read_bytes()
    monkeypatch.setattr(sealed, "as_json", fail)
    for target in (folder, tmp_path / "fresh"):
        with pytest.raises(OSError, match="disk full"):
            save_bundle(target, bundle)
    assert (folder / "manifest.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_changed_file_is_refused_before_it_is_parsed(folder: Path) -> None:
    path = folder / "order_times" / "numbers.json"
    path.write_bytes(path.read_bytes().replace(b"1.0", b"9.9"))  # of the same size
    with pytest.raises(BundleError, match=r"numbers.json is not the file that the manifest names"):
        load_bundle(folder)


def test_a_longer_file_is_refused(folder: Path) -> None:
    with (folder / "value" / "margin.npy").open("ab") as stream:
        stream.write(b"more")
    with pytest.raises(BundleError, match=r"margin.npy is not the file"):
        load_bundle(folder)


def test_a_missing_file_is_refused(folder: Path) -> None:
    (folder / "value" / "note.txt").unlink()
    with pytest.raises(BundleError, match=r"value/note.txt is missing"):
        load_bundle(folder)


@pytest.mark.parametrize("name", ["code.py", "value/extra.json", ".hidden"])
def test_an_unknown_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_text("{}")
    with pytest.raises(BundleError, match="is not in the manifest"):
        load_bundle(folder)


def test_links_are_refused(folder: Path, tmp_path: Path) -> None:
    path = folder / "value" / "note.txt"
    path.rename(tmp_path / "note.txt")
    path.symlink_to(tmp_path / "note.txt")
    with pytest.raises(BundleError, match="is a link"):
        load_bundle(folder)


def test_linked_folders_are_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "value").rename(tmp_path / "value")
    (folder / "value").symlink_to(tmp_path / "value")
    with pytest.raises(BundleError, match="is a link"):
        load_bundle(folder)


@pytest.mark.parametrize("name", ["../outside.json", "/etc/outside.json", "a/b/c.json", "model.pkl", "a\\b.json", ""])
def test_names_that_leave_the_folder_are_refused(folder: Path, name: str) -> None:
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["files"][name] = {"bytes": 1, "sha256": ""}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="is no name of a bundle's file"):
        load_bundle(folder)


@pytest.mark.parametrize(
    "manifest", ["", "[]", "{}", '{"format": "regulars-bundle", "format_version": 3, "files": []}']
)
def test_a_broken_manifest_is_refused(folder: Path, manifest: str) -> None:
    (folder / "manifest.json").write_text(manifest)
    with pytest.raises(BundleError, match="is no manifest of a bundle"):
        load_bundle(folder)


def test_another_version_is_named(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_bytes()) | {"format_version": 99}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="version 99, and this install reads 'regulars-bundle' version 3"):
        load_bundle(folder)


def test_what_is_no_bundle_says_so(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is no folder"):
        load_bundle(tmp_path / "nowhere")
    with pytest.raises(BundleError, match=r"has no manifest.json"):
        load_bundle(tmp_path)


def changed(folder: Path, **told: object) -> None:
    content = json.loads((folder / "bundle.json").read_bytes()) | told
    reseal(folder, "bundle.json", json.dumps(content).encode())


def test_a_bundle_cannot_bring_a_class(folder: Path) -> None:
    changed(folder, models={"order_times": "os.system", "value": "FakeValue", "products": "FakeProducts"})
    with pytest.raises(BundleError, match=r"order_times is a 'os.system', which this install does not have"):
        load_bundle(folder)


def test_unknown_features_are_named(folder: Path, bundle: Bundle) -> None:
    changed(folder, features=[*bundle.features, "horoscope"])
    with pytest.raises(BundleError, match="features that this install does not define: horoscope"):
        load_bundle(folder)


def test_unknown_settings_are_named(folder: Path) -> None:
    reseal(folder, "settings.json", b'{"churn": {"mood": 1}}')
    with pytest.raises(BundleError, match=r"settings are not ones this install knows .*mood"):
        load_bundle(folder)


def test_arrays_of_objects_are_refused(folder: Path) -> None:
    np.save(folder / "value" / "margin.npy", np.array([{}], object), allow_pickle=True)
    reseal(folder, "value/margin.npy", (folder / "value" / "margin.npy").read_bytes())
    with pytest.raises(BundleError, match="Object arrays cannot be loaded"):
        load_bundle(folder)


def test_parts_go_to_files_and_back() -> None:
    state = {
        "text": "line\r\nline\n",
        "numbers": {"b": [1, 0.1 + 0.2, None], "a": float("inf")},
        "words": ["tea", "Käse"],
        "array": np.array([[1.5, np.nan]]),
        "table": pa.table({"x": [1, 2]}),
    }
    files = to_files(state, "value")
    assert sorted(files) == [
        f"value/{n}" for n in ("array.npy", "numbers.json", "table.parquet", "text.txt", "words.json")
    ]
    again: dict[str, Any] = from_files(files, "value")
    assert {name: again[name] for name in ("text", "numbers", "words")} == {
        name: state[name] for name in ("text", "numbers", "words")
    }
    assert list(again["numbers"]) == ["b", "a"]
    assert np.array_equal(again["array"], state["array"], equal_nan=True)
    assert again["table"].equals(state["table"])


def test_parts_that_have_no_plain_form_are_refused() -> None:
    with pytest.raises(ValueError, match="array of Python objects"):
        to_files({"ids": np.array(["a"], object)}, "value")
    with pytest.raises(ValueError, match="no name of a part"):
        to_files({"../ids": "x"}, "value")
    with pytest.raises(ValueError, match="value/model is a object"):
        to_files({"model": object()}, "value")


@pytest.mark.parametrize(("role", "kind"), [(role, kind) for role, kinds in COMPONENTS.items() for kind in kinds])
def test_every_kind_can_be_put_away_and_made_again(role: str, kind: str) -> None:
    found = getattr(import_module(COMPONENTS[role][kind]), kind)
    assert callable(found.state)
    assert callable(found.from_state)
