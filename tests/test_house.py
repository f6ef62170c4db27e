"""The house stands as described: packages, links, lock, the direction of dependencies, the wheel."""

from __future__ import annotations

import ast
import doctest
import importlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("features", "models", "training", "serving", "datasets", "cli")

# What a package may import of the others; `cli` stands on all of them.
MAY_IMPORT = {
    "features": {"features"},
    "models": {"models", "features"},
    "training": {"training", "models", "features"},
    "serving": {"serving", "models", "features"},
    "datasets": {"datasets", "features"},
    "cli": set(PACKAGES),
}

# Outside tools stay at the edge, each in its module or modules.
EDGES = {
    "adbc_driver_manager": ("features/postgres",),
    "adbc_driver_postgresql": ("features/postgres",),
    "mlflow": ("training/tracking", "serving/mlflow_model"),
    "fastapi": ("serving/http",),
    "uvicorn": ("serving/http", "cli/"),
    "starlette": ("serving/http",),
    "pyspark": ("features/spark", "serving/spark"),
    "matplotlib": ("training/plots", "serving/report", "cli/pictures"),
    "typer": ("cli/",),
    "rich": ("cli/",),
}

# Never: they run code from a file that somebody else may have written.
FORBIDDEN = {"pickle", "cloudpickle", "dill", "shelve", "marshal"}

# A stop-watch (time.perf_counter) tells durations, not the date, and is allowed.
CLOCK = re.compile(r"(\.|^)(now|utcnow|today|localtime|gmtime)$|^time\.time(_ns)?$")

MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(("regulars", *parts)).removesuffix(".__init__")


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=name_of(path))


def imports(tree: ast.AST) -> Iterator[str]:
    """Dotted names of everything imported anywhere in a module, late imports included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def run(*command: str, cwd: Path, **environment: str) -> str:
    """What a command prints; where it fails, the test fails with what it said."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=cwd, env=inherited | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def tracked_files() -> list[str]:
    """Files of the repository as git sees them: tracked, or new and not ignored, and still there."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs git and the repository's history folder")
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    return sorted(name for name in set(listed.split("\0")) if name and os.path.lexists(ROOT / name))


def build_wheel(folder: Path) -> Path:
    """The wheel of a clean copy, so that nothing left behind by an earlier build can slip into it."""
    copy = folder / "copy"
    for name in tracked_files():
        target = copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target, follow_symlinks=False)
    command = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder / "dist"), str(copy))
    run(*command, cwd=folder)
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel


def test_packages_are_linked_relatively() -> None:
    links = {
        path.name: path.readlink().as_posix() for path in (ROOT / "src" / "regulars").iterdir() if path.is_symlink()
    }
    assert links == {package: f"../../{package}" for package in PACKAGES}


def test_the_import_name_is_a_namespace() -> None:
    assert not (ROOT / "src" / "regulars" / "__init__.py").exists()


@pytest.mark.parametrize("package", PACKAGES)
def test_package_is_typed_and_described(package: str) -> None:
    assert (ROOT / package / "py.typed").exists()
    assert ast.get_docstring(ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8")))


def test_subpackages_are_packages() -> None:
    folders = {path.parent for path in MODULES}
    assert [name_of(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def test_the_lock_pins_with_hashes_and_names_no_host() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in lock
    assert not re.search(r"^\s*-", re.sub(r"^\s*--hash=.*$", "", lock, flags=re.MULTILINE), flags=re.MULTILINE)
    pinned = re.findall(r"^([A-Za-z0-9._-]+)==\S+ \\\n\s+--hash=sha256:", lock, flags=re.MULTILINE)
    named = re.findall(r"^[A-Za-z0-9]\S*", lock, flags=re.MULTILINE)
    assert len(pinned) == len(named) > 50


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_dependencies_point_one_way(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    others = {name.split(".")[1] for name in imports(parsed(path)) if name.startswith("regulars.")}
    assert others <= MAY_IMPORT[package]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_outside_tools_stay_at_the_edge(path: Path) -> None:
    tops = {name.split(".")[0] for name in imports(parsed(path))}
    strayed = {tool for tool in tops & EDGES.keys() if not name_of(path).startswith(EDGES[tool])}
    assert strayed == set()
    assert tops & FORBIDDEN == set()


@pytest.mark.parametrize("path", [path for path in MODULES if not name_of(path).startswith("cli/")], ids=name_of)
def test_only_the_command_line_asks_the_clock(path: Path) -> None:
    called = {ast.unparse(node.func): node.lineno for node in ast.walk(parsed(path)) if isinstance(node, ast.Call)}
    assert {name: line for name, line in called.items() if CLOCK.search(name)} == {}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_packages_are_imported_under_the_one_name(path: Path) -> None:
    assert {name.split(".")[0] for name in imports(parsed(path))} & set(PACKAGES) == set()


@pytest.mark.parametrize("path", [path for path in MODULES if ">>>" in path.read_text(encoding="utf-8")], ids=name_of)
def test_examples_in_docstrings_run(path: Path) -> None:
    outcome = doctest.testmod(importlib.import_module(module_of(path)), optionflags=doctest.ELLIPSIS)
    assert outcome.failed == 0


BLOCKED = """
import importlib.abc, sys

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"mlflow", "matplotlib", "fastapi", "uvicorn", "starlette", "pyspark", "hypothesis",
                                  "adbc_driver_manager", "adbc_driver_postgresql"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""


@pytest.mark.parametrize("package", ["features", "models", "serving"])
def test_what_predicts_needs_the_base_install_only(package: str) -> None:
    run(sys.executable, "-c", f"{BLOCKED}\nimport regulars.{package}", cwd=ROOT, PYTHONPATH=str(ROOT / "src"))


def test_the_wheel_holds_the_files_of_the_packages(tmp_path: Path) -> None:
    wanted = {f"regulars/{name}" for name in tracked_files() if name.split("/")[0] in PACKAGES}
    with zipfile.ZipFile(build_wheel(tmp_path)) as wheel:
        held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert held == wanted


@pytest.mark.slow
@pytest.mark.slow  # installs everything, and compiles all of it
def test_the_wheel_works_in_an_empty_environment(tmp_path: Path) -> None:
    python = install_wheel(tmp_path)
    extras = ("mlflow", "matplotlib", "fastapi", "pyspark", "adbc_driver_postgresql")
    run(python, "-c", f"from importlib.util import find_spec; assert not any(map(find_spec, {extras}))", cwd=tmp_path)
    run(python, "-c", "import regulars.serving, regulars.features, regulars.models", cwd=tmp_path)
    assert "Usage: regulars" in run(str(Path(python).with_name("regulars")), "--help", cwd=tmp_path)
    # ---- predicts: begin (a bundle made by this tree is loaded and asked there) ----
    regulars = str(Path(sys.executable).with_name("regulars"))
    run(regulars, "simulate", "--customers", "150", "--out", "shop", cwd=tmp_path)
    run(regulars, "train", "shop", cwd=tmp_path, MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path}/mlflow.db")
    run(python, "-c", PREDICTS, cwd=tmp_path)
    run(str(Path(python).with_name("regulars")), "score", "shop", "--model", "champion", "--out", "s.csv", cwd=tmp_path)
    # ---- predicts: end ----


PREDICTS = """
import pandas as pd
from regulars.serving import Predictor, predict

tables = {name: pd.read_parquet(f"shop/{name}.parquet") for name in ("orders", "support", "customers", "products",
    "contacts", "advocacy")}
predictor = Predictor.load("champion")
everybody = predictor.predict(**tables, as_of="2025-06-30")
assert len(everybody) == 150 and everybody["churn_probability"].between(0, 1).all()
assert everybody["next_products"].map(len).max() == 10
who = tables["orders"]["customer_id"].dropna().iloc[0]
mine = {name: frame if name == "products" else frame[frame["customer_id"] == who] for name, frame in tables.items()}
alone = predict(**mine, as_of="2025-06-30", model="champion")
batch = everybody[everybody["customer_id"] == who].reset_index(drop=True)
pd.testing.assert_frame_equal(alone, batch, check_exact=True)
"""


def install_wheel(folder: Path) -> str:
    """Interpreter of a new environment that holds the wheel and the base install, at the lock's versions."""
    wheel = build_wheel(folder)
    run(sys.executable, "-m", "venv", str(folder / "empty"), cwd=folder)
    python = str(folder / "empty" / "bin" / "python")
    constraints = folder / "constraints.txt"
    # Without hashes: with them, pip would want one for the wheel that was just built.
    pins = re.findall(r"^[A-Za-z0-9._-]+==\S+", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE)
    constraints.write_text("\n".join(pins), encoding="utf-8")
    run(
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--constraint",
        str(constraints),
        str(wheel),
        cwd=folder,
        PYTHONPATH="",
    )
    return python
