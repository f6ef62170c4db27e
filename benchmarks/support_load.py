"""What support features gain where badly handled work drives leaving: `python benchmarks/support_load.py`.

Shops are simulated with an effect of support on leaving from none to strong, and more trouble than the simulator's
default (`TROUBLE`), so that there is something to see. At each cutoff the model of order times is fitted twice on the
same rows: with all features, and without those that read the support table. Printed is what the features gain, beside
what they could:

- the oracle's gain: the log loss of the best forecast that knows a customer's traits, orders and contacts but nothing
  of support, less that of the truth, which knows how each ticket was handled (see `support_oracle`);
- the part of it that the support table shows;
- the gain of the same model given, in place of all support features, one column with the true grudge of the moment.
  No table has it, and it has no error; it is what a learner who must find out about traits and effects from this shop's
  customers can gain.

Losses are expected ones: the mean of -p log(q) - (1 - p) log(1 - q), with p the simulator's true chance of no order
and q the forecast. It is the log loss that a forecast would have over many replays of the same windows, and is free of
the luck of a single one, beside which these gains are small; the log loss against what came is printed too. Intervals
are of 95 % by the paired bootstrap, customers of all shops resampled with their cutoffs. AUC is against what came.

Work outside tickets is left out of the support tables: the simulator has none for who has left, so that it is a sign of
life, whatever the effect of support. The answers of each shop are kept in build/bench/support-load and made again where
the code behind them has changed; the table goes to build/bench/support-load.md.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from ablation import without
from numpy.typing import NDArray
from quality_data import BUILD, ROOT, digest
from support_oracle import NO_GRUDGE, TABLES, TRUE, UNSEEN, chances
from support_watch import Cases, Watched, watch

from regulars.datasets.simulate.parameters import ShopParameters
from regulars.datasets.simulate.shop import SimulatedShop, simulate_shop
from regulars.features.families import FAMILIES
from regulars.features.logs import Logs
from regulars.features.reading import read_shop
from regulars.features.settings import Settings
from regulars.features.shop import DAY, as_time, days
from regulars.features.table import FeatureTable, feature_table
from regulars.models.order_time import OrderTimeModel
from regulars.models.reasons import SENTENCES
from regulars.training.bootstrap import Interval, bootstrap_interval
from regulars.training.labels import Outcomes
from regulars.training.metrics import auc, weighted_mean
from regulars.training.snapshots import TrainingSet, customers_at, training_set

F64 = NDArray[np.float64]
FOLDER = BUILD / "support-load"
TROUBLE = ShopParameters(problem_share=0.30, badly_handled_share=0.45)
"""The simulator's defaults are .12 and .30."""
EFFECTS = (0.0, 0.75, 1.5, 3.0)
CUSTOMERS = 5_000
SEEDS = (11, 12)
"""Of the shops reported. Features were chosen on the shops of seed 1."""
CUTOFFS = 1
"""Cutoffs of each shop, a horizon apart; the last is the end of its history."""
HARM = 0.10
"""Who is this much likelier to stay away because of how work was handled should hear it among the reasons."""
FORECASTS = ("with", "without", "grudge")


def parameters_of(effect: float, customers: int) -> ShopParameters:
    """A shop in which badly handled work has this effect."""
    return replace(TROUBLE, customers=customers, support_effect=effect)


def support_features() -> list[str]:
    """Columns that read the support table."""
    windows = Settings().features.windows_days
    every = [feature for family in FAMILIES for feature in family.features(windows)]
    return [one.name for one in every if any(need.split(".")[0] == "support" for need in one.needs)]


def logs_of(shop: SimulatedShop) -> Logs:
    """The shop's events; orders behind its end are in them, so that the window of the last cutoff can be judged."""
    import pandas as pd

    tables = shop.tables
    tables["support"] = tables["support"][tables["support"]["ticket_id"].notna()].reset_index(drop=True)
    tables["orders"] = pd.concat([tables["orders"], shop.truth["future_orders"]], ignore_index=True)
    read = read_shop(tables, Settings()).shop
    if read is None:
        raise SystemExit("a simulated shop cannot be read")
    return Logs(read, Settings())


@dataclass(frozen=True)
class Scene:
    """A shop at a cutoff: what may be learnt from, who is asked about, and the place of each customer code in truth."""

    rows: TrainingSet
    table: FeatureTable
    place: NDArray[np.int64]
    churned: NDArray[np.bool_]

    @property
    def asked(self) -> NDArray[np.int64]:
        """Places in the truth of those who are asked about."""
        return self.place[self.table.customer]


def scene_at(logs: Logs, moment: int) -> Scene:
    """The shop as it was known at a moment."""
    settings = logs.settings
    rows = training_set(logs, moment, settings)
    asked = customers_at(logs, moment)
    table = feature_table(logs, asked, rows.table.context)
    horizon = settings.churn.horizon_days
    came = Outcomes(logs, moment + days(horizon)).orders(asked, horizon)
    place = np.array([int(name[1:]) - 1 for name in logs.shop.customer_ids], dtype=np.int64)
    return Scene(rows, table, place, came == 0)


def grudges(watched: Watched, table: FeatureTable, place: NDArray[np.int64]) -> F64:
    """(n,) the true grudge at each row's moment."""
    parameters, cases = watched.world.parameters, watched.cases
    day = (table.moment - as_time(str(parameters.start))) // DAY
    found = np.zeros(len(table))
    for row, who in enumerate(place[table.customer]):
        mine = slice(cases.first[who], cases.first[who + 1])
        age = day[row] - 2 - np.floor(cases.closed[mine])
        fades = np.where(age >= 0, 0.5 ** (np.maximum(age, 0) / parameters.grudge_half_life_days), 0.0)
        found[row] = (changes(cases, mine, parameters.bond) * fades).sum()
    return found


def changes(cases: Cases, mine: slice, bond: float) -> F64:
    """What each ticket adds to the grudge."""
    bad, complaint = cases.bad[mine], cases.complaint[mine]
    return np.where(bad, np.where(complaint, 1.0, 0.4), np.where(complaint, -bond, 0.0))


def with_grudge(table: FeatureTable, grudge: F64) -> FeatureTable:
    """The table without support features and with the truth in their place."""
    bare = without(table, support_features())
    values = np.column_stack([bare.values, grudge]).astype(bare.values.dtype)
    return replace(bare, names=(*bare.names, "true_grudge"), values=values)


def answers(effect: float, seed: int, customers: int) -> dict[str, F64]:
    """Columns for the customers of all cutoffs of one shop; see the code for their names."""
    parameters = parameters_of(effect, customers)
    watched, logs = watch(parameters, seed), logs_of(simulate_shop(parameters, seed))
    # Without an effect nobody gains by knowing of support: all oracles are one.
    truth = {one: chances(watched, one if effect else TRUE) for one in (TRUE, NO_GRUDGE, UNSEEN, TABLES)}
    found: list[dict[str, F64]] = []
    for back in range(1, CUTOFFS + 1):
        moment = as_time(str(parameters.end)) - (back - 1) * days(parameters.horizon_days)
        scene = scene_at(logs, moment)
        columns = {oracle: values[-back][scene.asked] for oracle, values in truth.items()}
        columns |= {"customer": scene.asked + 1_000_000 * seed, "churned": scene.churned}
        columns |= {"tickets": scene.table.column("tickets_total")}
        models = fitted(scene, watched)
        for name, (model, table) in models.items():
            columns[name] = model.predict_curves(table).churn(parameters.horizon_days)
        columns |= told(models["with"][0], scene, parameters.horizon_days)
        found.append(columns)
    return {name: np.concatenate([one[name] for one in found]).astype(np.float64) for name in found[0]}


def fitted(scene: Scene, watched: Watched) -> dict[str, tuple[OrderTimeModel, FeatureTable]]:
    """Each of `FORECASTS`: the model, and the table it is asked with."""
    names = support_features()
    learnt = scene.rows.table
    tables = {
        "with": (learnt, scene.table),
        "without": (without(learnt, names), without(scene.table, names)),
        "grudge": tuple(with_grudge(one, grudges(watched, one, scene.place)) for one in (learnt, scene.table)),
    }
    return {name: (OrderTimeModel().fit(rows, scene.rows.orders), asked) for name, (rows, asked) in tables.items()}


def told(model: OrderTimeModel, scene: Scene, horizon: float) -> dict[str, F64]:
    """Where support stands among the three reasons of each customer (1 to 3; 0: nowhere), and whether it is blamed."""
    place, blamed = np.zeros(len(scene.table)), np.zeros(len(scene.table))
    for i, reasons in enumerate(model.reasons(scene.table, horizon)):
        row = dict(zip(scene.table.names, scene.table.values[i].tolist(), strict=True))
        sentence = SENTENCES["support_load"](row)
        for at, reason in enumerate(reasons):
            if sentence and reason.startswith(sentence):
                place[i], blamed[i] = at + 1, reason.endswith("(raises the risk)")
    return {"told": place, "blamed": blamed}


def kept_answers(effect: float, seed: int, customers: int) -> dict[str, F64]:
    """`answers`, from the last run where the code is the same."""
    file = FOLDER / f"{effect}-{seed}-{customers}.npz"
    here = [ROOT / "benchmarks" / f"{name}.py" for name in ("support_oracle", "support_watch")]
    code = digest(*(ROOT / name for name in ("features", "models", "training", "datasets")), *here)
    if file.exists():
        with np.load(file) as kept:
            if str(kept["code"]) == code:
                return {name: kept[name] for name in kept.files if name != "code"}
    begun = time.perf_counter()
    made = answers(effect, seed, customers)
    file.parent.mkdir(parents=True, exist_ok=True)
    columns: dict[str, Any] = {"code": np.array(code), **made}
    np.savez_compressed(file, **columns)
    print(f"  effect {effect}, seed {seed}: {time.perf_counter() - begun:.0f} s", flush=True)
    return made


def losses(chance: F64, forecast: F64) -> F64:
    """(n,) log loss of a forecast, expected under a chance (or against 0 and 1, what came)."""
    q = np.clip(forecast, 1e-6, 1 - 1e-6)
    return -(chance * np.log(q) + (1 - chance) * np.log(1 - q))


def record_of(effect: float, rows: dict[str, F64]) -> dict[str, Any]:
    """Every figure of one effect, over all its shops."""
    customers = rows["customer"].astype(np.int64)
    chance = rows[TRUE]

    def interval(statistic: Callable[..., Any], *columns: F64) -> list[float]:
        return list(bootstrap_interval(statistic, *columns, samples=500, customers=customers))

    def gain(of: str, over: str, under: F64 = chance) -> F64:
        return losses(under, rows[over]) - losses(under, rows[of])

    pairs = {"oracle": (TRUE, UNSEEN), "tables": (TABLES, UNSEEN), "grudge": ("grudge", "without")}
    record: dict[str, Any] = {"effect": effect, "n": len(customers), "without": losses(chance, rows["without"]).mean()}
    record |= {name: interval(weighted_mean, gain(*pair)) for name, pair in pairs.items()}
    record["ours"] = interval(weighted_mean, gain("with", "without"))
    record["ours_came"] = interval(weighted_mean, gain("with", "without", rows["churned"]))
    record["auc"] = interval(_auc_gain, rows["churned"], rows["with"], rows["without"])
    record["oracle_auc"] = interval(_auc_gain, rows["churned"], rows[TRUE], rows[UNSEEN])
    for name, other in (("of_oracle", gain(TRUE, UNSEEN)), ("of_grudge", gain("grudge", "without"))):
        if effect:
            record[name] = interval(_ratio, gain("with", "without"), other)
    return record | {"reasons": reasons_of(rows)}


def _auc_gain(came: F64, one: F64, other: F64, weights: F64 | None = None) -> Any:
    return auc(came, one, weights=weights) - auc(came, other, weights=weights)


def _ratio(above: F64, below: F64, weights: F64 | None = None) -> Any:
    return weighted_mean(above, weights=weights) / weighted_mean(below, weights=weights)


def reasons_of(rows: dict[str, F64]) -> dict[str, float]:
    """Shares of customers to whose reasons support belongs."""
    harmed, without_tickets = rows[TRUE] - rows[NO_GRUDGE] >= HARM, rows["tickets"] == 0
    named, first = rows["told"] > 0, rows["told"] == 1

    def share(what: NDArray[np.bool_], among: NDArray[np.bool_]) -> float:
        return float(what[among].mean()) if among.any() else float("nan")

    return {
        "harmed": int(harmed.sum()),
        "harmed_named": share(named, harmed),
        "harmed_blamed": share(rows["blamed"] > 0, harmed),
        "harmed_first": share(first, harmed),
        "spared_blamed": share(rows["blamed"] > 0, without_tickets),
        "spared_named": share(named, without_tickets),
        "first_of_all": float(first.mean()),
        "blamed_first_of_all": float((first & (rows["blamed"] > 0)).mean()),
    }


def cell(values: list[float], digits: int = 4) -> str:
    """A value and its interval."""
    value, low, high = Interval(*values)
    return f"{value:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"


def share_cell(values: list[float] | None) -> str:
    """A share of a gain and its interval."""
    return "" if values is None else f"{values[0]:.0%} [{values[1]:.0%}, {values[2]:.0%}]"


def markdown(records: list[dict[str, Any]]) -> Iterator[str]:
    """The tables for the docs."""
    yield "| effect | n | oracle | shown by tables | given the grudge | ours | of the oracle's | of the grudge's |"
    yield "|---|---|---|---|---|---|---|---|"
    for one in records:
        cells = [cell(one[name]) for name in ("oracle", "tables", "grudge", "ours")]
        cells += [share_cell(one.get(name)) for name in ("of_oracle", "of_grudge")]
        yield f"| {one['effect']:g} | {one['n']:,} | " + " | ".join(cells) + " |"
    yield ""
    yield "| effect | log loss without | ours, against what came | AUC gained by ours | AUC gained by the oracle |"
    yield "|---|---|---|---|---|"
    for one in records:
        cells = [cell(one[name]) for name in ("ours_came", "auc", "oracle_auc")]
        yield f"| {one['effect']:g} | {one['without']:.4f} | " + " | ".join(cells) + " |"
    yield ""
    yield "| effect | harmed | named | blamed | named first | blamed where no tickets | blamed first, of all |"
    yield "|---|---|---|---|---|---|---|"
    for one in records:
        told_ = one["reasons"]
        names = ("harmed_named", "harmed_blamed", "harmed_first", "spared_blamed", "blamed_first_of_all")
        cells = ["" if np.isnan(told_[name]) else f"{told_[name]:.1%}" for name in names]
        yield f"| {one['effect']:g} | {told_['harmed']:,} | " + " | ".join(cells) + " |"


def main() -> None:
    """Runs the shops asked for and writes what was found."""
    parser = argparse.ArgumentParser(description="What support features gain beside what they could.")
    parser.add_argument("--effects", type=float, nargs="*", default=EFFECTS)
    parser.add_argument("--seeds", type=int, nargs="*", default=SEEDS, help="of the shops")
    parser.add_argument("--customers", type=int, default=CUSTOMERS, help="of each shop")
    asked = parser.parse_args()
    records = []
    for effect in asked.effects:
        shops = [kept_answers(effect, seed, asked.customers) for seed in asked.seeds]
        records.append(record_of(effect, {name: np.concatenate([one[name] for one in shops]) for name in shops[0]}))
    lines = "\n".join(markdown(records))
    print(lines)
    Path(BUILD / "support-load.json").write_text(json.dumps(records, indent=1), encoding="utf-8")
    Path(BUILD / "support-load.md").write_text(lines + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
