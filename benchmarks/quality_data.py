"""What is asked in benchmarks/quality.py: shops, cutoffs, what was known before each, and what came.

Online Retail II (Chen, CC BY 4.0), the CDNOW sample (Fader and Hardie), and simulated shops with and without an effect
of support on leaving. Both public files are read by the package's own loaders.

What peers may see lies in the folder `inputs` of a question, as Parquet: nothing in it is of the cutoff or later. The
truth lies beside it, and no peer is told where.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from regulars.datasets import cdnow, online_retail_ii
from regulars.datasets.simulate.parameters import ShopParameters
from regulars.datasets.simulate.shop import simulate_shop
from regulars.datasets.simulate.write import write_shop
from regulars.features.asof import Moments
from regulars.features.families.season import CALENDAR
from regulars.features.horizons import judged_settings
from regulars.features.logs import Logs
from regulars.features.reading import read_shop
from regulars.features.settings import Settings
from regulars.features.shop import DAY, MONEY, as_datetime, as_time, days, iso
from regulars.features.table import FeatureTable, feature_table
from regulars.training.labels import Outcomes
from regulars.training.snapshots import TrainingSet, customers_at, first_known, training_set

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("REGULARS_DATA", ROOT.parent / "shared" / "data"))
"""Public files: online_retail_ii/online_retail_II.csv.gz and cdnow/sample.parquet."""
BUILD = ROOT / "build" / "bench"
CUTOFFS: dict[str, dict[int, tuple[str, ...]]] = {
    "online-retail-ii": {
        30: ("2010-12-01", "2011-03-01", "2011-06-01", "2011-08-01", "2011-09-01", "2011-10-01", "2011-11-01"),
        90: ("2010-12-01", "2011-03-01", "2011-05-01", "2011-06-01", "2011-08-01", "2011-09-01"),
        180: ("2010-11-01", "2010-12-01", "2011-02-01", "2011-03-01", "2011-05-01", "2011-06-01"),
    },
    "cdnow": {273: ("1997-10-01",)},
    "simulated": {90: ("2024-10-03", "2025-01-01", "2025-04-01", "2025-06-30")},
    "simulated-no-effect": {90: ("2024-10-03", "2025-01-01", "2025-04-01", "2025-06-30")},
}
"""Cutoffs of each data set by horizon in days; each window ends within the data."""
SIMULATED_CUSTOMERS = 5_000


@dataclass(frozen=True)
class Question:
    """One data set, horizon and cutoff."""

    dataset: str
    horizon: int
    cutoff: str

    @property
    def folder(self) -> Path:
        """Where its answers are kept."""
        return BUILD / "quality" / self.dataset / f"{self.horizon}-days" / self.cutoff

    @property
    def inputs(self) -> Path:
        """What peers may see."""
        return self.folder / "inputs"

    @property
    def moment(self) -> int:
        """The cutoff in microseconds."""
        return as_time(self.cutoff)

    @property
    def settings(self) -> Settings:
        """Defaults, with this horizon."""
        return settings_of(self.horizon)

    def __str__(self) -> str:
        return f"{self.dataset}, {self.horizon} days from {self.cutoff}"


def settings_of(horizon: int) -> Settings:
    """Default settings with a horizon in days."""
    return Settings.model_validate({"churn": {"horizon_days": horizon}})


def questions(
    dataset: str, horizons: Iterable[int] | None = None, cutoffs: Iterable[str] | None = None
) -> list[Question]:
    """The questions asked about a data set, horizons and cutoffs of `CUTOFFS` by default."""
    known = CUTOFFS[dataset]
    found = []
    for horizon in horizons or known:
        if not cutoffs and horizon not in known:
            raise SystemExit(f"{dataset} has no cutoffs of its own for {horizon} days; name some with --cutoffs")
        found += [Question(dataset, horizon, cutoff) for cutoff in cutoffs or known[horizon]]
    return found


def folder_of(dataset: str) -> Path:
    """The data set as a folder of tables, made by its loader (or drawn) when first asked for."""
    folder = BUILD / "shops" / dataset
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    if dataset == "online-retail-ii":
        online_retail_ii.load(DATA / "online_retail_ii" / "online_retail_II.csv.gz", folder)
    elif dataset == "cdnow":
        cdnow.load(DATA / "cdnow" / "sample.parquet", folder)
    else:
        effect = ShopParameters().support_effect if dataset == "simulated" else 0.0
        parameters = replace(ShopParameters(), customers=SIMULATED_CUSTOMERS, support_effect=effect)
        write_shop(simulate_shop(parameters, seed=7), folder)
    return folder


@lru_cache(maxsize=1)
def logs_of(dataset: str) -> Logs:
    """The shop's events; a simulated shop's with the orders that came behind its end."""
    frames: Any = folder_of(dataset)
    if dataset.startswith("simulated"):
        frames = {path.stem: pd.read_parquet(path) for path in sorted(frames.glob("*.parquet"))}
        later = pd.read_parquet(folder_of(dataset) / "truth" / "future_orders.parquet")
        frames["orders"] = pd.concat([frames["orders"], later], ignore_index=True)
    settings = Settings()
    shop = read_shop(frames, settings).shop
    if shop is None:
        raise SystemExit(f"{dataset} cannot be read as a shop")
    return Logs(shop, settings)


class Scene:
    """A question's data: what may be learnt from, who is asked about, and for how many days from the cutoff.

    As in `train`, the features are those of the logs' settings, and the windows to learn from those of `settings`,
    which are shorter where the history does not hold two of the horizon.
    """

    def __init__(self, logs: Logs, moment: int, settings: Settings, horizon: int | None = None) -> None:
        self.logs = logs
        self.moment = moment
        self.settings = settings
        self.horizon = horizon or settings.churn.horizon_days

    @classmethod
    def of(cls, logs: Logs, moment: int, settings: Settings) -> Scene:
        """The scene at which `train` stands at the moment with these settings."""
        fitting = judged_settings(first_known(logs, moment), moment, settings)
        return cls(Logs(logs.shop, settings), moment, fitting, settings.churn.horizon_days)

    @cached_property
    def asked(self) -> Moments:
        """Everybody with an order before the cutoff."""
        return customers_at(self.logs, self.moment)

    @cached_property
    def rows(self) -> TrainingSet:
        """What `regulars train` learns from at the cutoff."""
        return training_set(self.logs, self.moment, self.settings)

    @cached_property
    def table(self) -> FeatureTable:
        """Features of those who are asked about."""
        return feature_table(self.logs, self.asked, self.rows.table.context)


def truth_frame(scene: Scene) -> pd.DataFrame:
    """A row for each customer who is asked about: what came in the window."""
    horizon, asked = scene.horizon, scene.asked
    window_end = scene.moment + days(horizon)
    if window_end > scene.logs.shop.end:
        raise SystemExit(f"the window from {iso(scene.moment)} ends after the data, at {iso(scene.logs.shop.end)}")
    outcomes = Outcomes(scene.logs, window_end)
    to_next = outcomes.days_to_next_order(asked)
    return pd.DataFrame(
        {
            "customer_id": scene.logs.shop.customer_ids[asked.key],
            "orders": outcomes.orders(asked, horizon),
            "days_to_next": np.where(to_next < horizon, to_next, np.nan),
            "margin": outcomes.margin(asked, horizon),
        }
    )


def oracle_frame(question: Question, truth: pd.DataFrame) -> pd.DataFrame | None:
    """A simulated shop's true chances of no order, which know more than any table tells; None of a real shop."""
    if not question.dataset.startswith("simulated"):
        return None
    known = pd.read_parquet(folder_of(question.dataset) / "truth" / "churn.parquet")
    known = known[known["as_of"] == pd.Timestamp(question.cutoff)].set_index("customer_id")
    churn = known["no_order_probability"].reindex(truth["customer_id"]).to_numpy(float)
    if np.isnan(churn).any():
        raise SystemExit(f"{question}: the truth is told at other moments, 90 days apart and back from the shop's end")
    return pd.DataFrame({"customer_id": truth["customer_id"], "churn": churn})


def learn_days(scene: Scene) -> int:
    """How long the window lasts from which one-snapshot models learn.

    The horizon; where the history is too short for a whole window after some history, half of the history.
    """
    orders = scene.logs.orders
    history = (scene.moment - int(orders.time[orders.visible < scene.moment].min())) // DAY
    horizon = scene.horizon
    return horizon if history >= horizon + horizon // 3 else int(history // 2)


def write_inputs(question: Question, scene: Scene) -> None:
    """What peers may see, as Parquet; nothing in it is of the cutoff or later."""
    question.inputs.mkdir(parents=True, exist_ok=True)
    ids = scene.logs.shop.customer_ids
    window = learn_days(scene)
    _orders_frame(scene).to_parquet(question.inputs / "orders.parquet")
    _features(scene.table, ids).to_parquet(question.inputs / "asked.parquet")
    then = customers_at(scene.logs, scene.moment - days(window))
    outcomes = Outcomes(scene.logs, scene.moment)
    learn = _features(feature_table(scene.logs, then, scene.rows.table.context), ids)
    labels = {"label_orders": outcomes.orders(then, window), "label_margin": outcomes.margin(then, window)}
    pd.concat([learn, pd.DataFrame(labels)], axis=1).to_parquet(question.inputs / "learn.parquet")
    told = {"cutoff": question.cutoff, "horizon": question.horizon, "learn_days": window}
    (question.inputs / "question.json").write_text(json.dumps(told), encoding="utf-8")


def _features(table: FeatureTable, ids: Any) -> pd.DataFrame:
    """Features without the calendar, which is the same for everybody at one snapshot."""
    frame = table.frame(ids).drop(columns=["as_of"])
    return frame.drop(columns=[name for name in CALENDAR if name in frame])


def _orders_frame(scene: Scene) -> pd.DataFrame:
    """Orders before the cutoff: customer, time, margin of what was sold."""
    log = scene.logs.sales
    known = log.visible < scene.moment
    lines = pd.DataFrame(
        {
            "customer_id": scene.logs.shop.customer_ids[log.key[known]],
            "order": log.columns["order"][known],
            "ordered_at": as_datetime(log.time[known]),
            "margin": log.columns["margin"][known] / MONEY,
        }
    )
    orders = lines.groupby(["customer_id", "order"], sort=True).agg({"ordered_at": "min", "margin": "sum"})
    return orders.reset_index().drop(columns=["order"])


def digest(*paths: Path) -> str:
    """SHA-256 of files, and of the Python files below folders; how code is laid out does not count."""
    found = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            content = file.read_bytes()
            if file.suffix == ".py":
                content = ast.dump(ast.parse(content)).encode()
            found.update(file.name.encode() + b"\0" + content)
    return found.hexdigest()
