"""The example of a shop with features of its own, and the search for leaks, as their user meets them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.cli.conftest import Give, start

LEAKY = '''
from regulars.features.define import Family
import numpy as np

mine = Family("mine", needs=("orders",))

@mine.feature(unit="lines", empty="0")
def lines_ever(past):
    """All lines of the customer, the coming ones too."""
    return np.diff(past.lines.log.start)[past.moments.key]
'''


def web_visits(shop: Path, *, planted: bool = False) -> None:
    """Visits at random times, beside the shop's tables; `planted` writes each customer's orders in all into them."""
    orders = pd.read_parquet(shop / "orders.parquet").dropna(subset="customer_id")
    rng = np.random.default_rng(1)
    who = rng.choice(orders["customer_id"].unique(), 4_000)
    span = (orders["ordered_at"].max() - orders["ordered_at"].min()).total_seconds()
    seconds = pd.to_timedelta(rng.uniform(0, span, len(who)).round(), unit="s")
    visits = pd.DataFrame({"customer_id": who, "visited_at": orders["ordered_at"].min() + seconds})
    visits["pages"] = rng.poisson(4, len(who))
    if planted:
        sold = orders[orders["quantity"] > 0]
        visits["pages"] = visits["customer_id"].map(sold.groupby("customer_id")["order_id"].nunique()).fillna(0)
    visits["page"] = rng.choice(["home", "product", "checkout"], len(who))
    visits.to_csv(shop / "visits.csv", index=False)


@pytest.fixture
def place(trained: Path, root: Path, tmp_path: Path) -> Path:
    """The example's files, beside a shop with visits."""
    for file in (root / "examples/web-visits").iterdir():
        if file.is_file():
            shutil.copy(file, tmp_path)
    (tmp_path / "shop").mkdir()
    for file in (trained / "shop").glob("*.parquet"):
        shutil.copy(file, tmp_path / "shop")
    web_visits(tmp_path / "shop")
    return tmp_path


def test_own_features_are_described_computed_and_free_of_leaks(give: Give, place: Path) -> None:
    said = give("features", "--describe", at=place)
    assert "pages_viewed_30d: Pages looked at in the last 30 days. (pages; without events 0)" in said.out
    assert give("features", "shop", "--out", "f.parquet", at=place).code == 0
    found = pd.read_parquet(place / "f.parquet")
    assert list(found.columns[-2:]) == ["left_at_checkout_share", "visits_since_last_order"]
    assert found["left_at_checkout_share"].between(0, 1).any()
    said = give("check", "shop", "--leaks", at=place)
    assert (said.code, said.out.startswith("No leak found: ")) == (0, True), said.out


def test_leaks_are_told_and_end_with_1(give: Give, place: Path) -> None:
    (place / "leaky.py").write_text(LEAKY)
    (place / "leaky.toml").write_text('[features]\nown = ["visits.py", "leaky.py"]\n')
    web_visits(place / "shop", planted=True)
    said = give("check", "shop", "--leaks", "--as-of", "2025-01-01", "--config", "leaky.toml", at=place)
    assert said.code == 1
    assert "leak feature lines_ever moved for some of 250 customers (the future removed at 2025-01-01: " in said.out
    assert "leak visits.pages tells how many orders there are of the customer in all, in " in said.out
    assert "refused: 2 leaks" in said.err


def test_an_earlier_export_is_compared(give: Give, place: Path) -> None:
    shutil.copytree(place / "shop", place / "before")
    visits = pd.read_csv(place / "shop/visits.csv")
    visits.loc[visits["visited_at"] < "2024-01-01", "page"] = "lost"
    visits.to_csv(place / "shop/visits.csv", index=False)
    said = give("check", "shop", "--leaks", "--as-of", "2025-01-01", "--earlier", "before", at=place)
    assert said.code == 1
    assert "leak visits.page: changed since before in " in said.out
    assert give("check", "shop", "--earlier", "before", at=place).code == 2


def test_own_files_that_cannot_be_used_are_a_wrong_use(give: Give, place: Path) -> None:
    (place / "bad.toml").write_text('[features]\nown = ["gone.py"]\n')
    said = give("check", "shop", "--config", "bad.toml", at=place)
    assert said.code == 2
    assert "gone.py" in said.err


@pytest.mark.slow
def test_the_example_end_to_end(give: Give, place: Path) -> None:
    said = start("train", "shop", "--seed", "7", at=place)
    assert said.code == 0, said.err
    (module,) = json.loads((place / "champion/bundle.json").read_text())["own_features"]
    assert module["name"] == "visits.py"
    assert give("score", "shop", "--model", "champion", "--out", "scores.parquet", at=place).code == 0
    assert len(pd.read_parquet(place / "scores.parquet")) == 250
    (place / "regulars.toml").rename(place / "other.toml")
    said = give("score", "shop", "--model", "champion", "--out", "scores.parquet", at=place)
    assert said.code == 1
    assert "own features from visits.py, which the settings at hand do not bring" in said.err
