"""What each family of features is worth: `python benchmarks/ablation.py`.

The model of order times is fitted at several cutoffs with every feature, and again with one family left out; printed
is what the log loss of churn and the censored CRPS of the next order's date lose by that, per customer, with the 95 %
interval of the paired bootstrap (customers resampled, all their cutoffs together). Positive: the family helps. Losses
are means over a few seeds of the trees, because leaving a column out also deals the others anew. The four columns that
the buy-till-you-die model reads stay (`KEPT`), whatever is left out. Next products are not in it: their ranking reads
its own table of customers and products, and none of these features.

Data: Online Retail II (Chen, CC BY 4.0), cutoffs whose windows end before 2011-09-01, which figures in the README are
about and which must not choose anything; simulated shops with and without an effect of support on leaving. The table
goes to the screen and, with the losses, to build/bench/ablation.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from regulars.datasets.online_retail_ii import load
from regulars.datasets.simulate.parameters import ShopParameters
from regulars.datasets.simulate.shop import simulate_shop
from regulars.features.families import FAMILIES
from regulars.features.families.season import CALENDAR
from regulars.features.logs import Logs
from regulars.features.reading import read_shop
from regulars.features.settings import Settings
from regulars.features.shop import Shop, as_time, days, iso
from regulars.features.table import FeatureTable, feature_table
from regulars.models.order_time import OrderTimeModel
from regulars.training.bootstrap import bootstrap_interval
from regulars.training.cutoff import truth_at
from regulars.training.judging import Truth, churn_losses, date_losses
from regulars.training.metrics import weighted_mean
from regulars.training.snapshots import TrainingSet, customers_at, training_set

F64 = NDArray[np.float64]
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
OUT = Path("build/bench/ablation.json")
UNTOUCHED = "2011-09-01"
"""From here on Online Retail II is for reporting, not for choosing."""
KEPT = ("orders_total", "order_days_total", "tenure_days", "days_since_last_order")
"""Columns that the model reads by name."""
LOSSES: Mapping[str, Callable[..., F64]] = {"log loss": churn_losses, "CRPS, days": date_losses}
NOTHING = "(nothing)"


class Case(NamedTuple):
    """A shop, and how far what came after the cutoffs may be looked at."""

    name: str
    shop: Shop
    until: int


def cases(names: list[str], customers: int) -> Iterator[Case]:
    """The cases asked for, all by default."""
    settings = Settings()
    if not names or "online-retail-ii" in names:
        with tempfile.TemporaryDirectory() as folder:
            load(DATA / "online_retail_ii" / "online_retail_II.csv.gz", Path(folder) / "shop")
            yield Case("online-retail-ii", shop_of(Path(folder) / "shop", settings), as_time(UNTOUCHED))
    for name, effect in (("simulated", ShopParameters().support_effect), ("simulated-no-effect", 0.0)):
        if not names or name in names:
            made = simulate_shop(replace(ShopParameters(), customers=customers, support_effect=effect), seed=7)
            shop = shop_of(made.tables, settings)
            yield Case(name, shop, shop.end)


def shop_of(source: Any, settings: Settings) -> Shop:
    """The shop in a folder or in frames."""
    shop = read_shop(source, settings).shop
    if shop is None:
        raise SystemExit(f"{source} cannot be read as a shop")
    return shop


def groups(names: tuple[str, ...], by: str) -> dict[str, list[str]]:
    """The columns of each family (or, by feature, each column alone), as far as they may be left out."""
    family = {
        feature.name: feature.family for one in FAMILIES for feature in one.features(Settings().features.windows_days)
    }
    found: dict[str, list[str]] = {NOTHING: []}
    for name in names:
        if name not in (*KEPT, *CALENDAR):
            found.setdefault(name if by == "feature" else family[name], []).append(name)
    return found


def without(table: FeatureTable, left_out: list[str]) -> FeatureTable:
    """The table without some columns."""
    kept = [place for place, name in enumerate(table.names) if name not in left_out]
    return replace(table, names=tuple(table.names[place] for place in kept), values=table.values[:, kept])


class Cutoff(NamedTuple):
    """What may be learnt from at a cutoff, who is asked about, and what came."""

    rows: TrainingSet
    table: FeatureTable
    truth: Truth


def cutoffs(case: Case, count: int, settings: Settings) -> Iterator[Cutoff]:
    """The latest cutoffs whose windows are over, a horizon apart."""
    logs, horizon = Logs(case.shop, settings), days(settings.churn.horizon_days)
    for back in range(count, 0, -1):
        moment = case.until - back * horizon
        rows = training_set(logs, moment, settings)
        asked = customers_at(logs, moment)
        print(f"  {case.name} at {iso(moment)}: {len(rows.table):,} rows, {len(asked):,} customers", flush=True)
        table = feature_table(logs, asked, rows.table.context)
        yield Cutoff(rows, table, truth_at(logs, asked, case.until, settings))


def losses(cutoff: Cutoff, left_out: list[str], seeds: int) -> dict[str, F64]:
    """(n,) each loss of each customer, meant over the seeds."""
    learnt, asked = without(cutoff.rows.table, left_out), without(cutoff.table, left_out)
    total = {name: np.zeros(len(asked)) for name in LOSSES}
    for seed in range(seeds):
        curves = OrderTimeModel(seed=seed).fit(learnt, cutoff.rows.orders).predict_curves(asked)
        for name, loss in LOSSES.items():
            total[name] += loss(cutoff.truth, curves) / seeds
    return total


def ablation(case: Case, count: int, seeds: int, by: str) -> list[dict[str, Any]]:
    """A record for each group left out and each loss: what is lost without it; for `NOTHING`, the loss itself."""
    found: dict[tuple[str, str], list[F64]] = {}
    who, columns = [], {}
    for cutoff in cutoffs(case, count, Settings()):
        who.append(cutoff.truth.customer)
        columns = groups(cutoff.table.names, by)
        for group, names in columns.items():
            for loss, values in losses(cutoff, names, seeds).items():
                found.setdefault((group, loss), []).append(values)
    customers = np.concatenate(who)
    whole = {loss: np.concatenate(found[NOTHING, loss]) for loss in LOSSES}
    records = []
    for (group, loss), parts in found.items():
        lost = np.concatenate(parts) - (whole[loss] if group != NOTHING else 0)
        interval = bootstrap_interval(weighted_mean, lost, customers=customers, samples=500)
        row = {"case": case.name, "left_out": group, "columns": len(columns[group]), "loss": loss, "n": len(customers)}
        records.append(row | interval._asdict())
    return records


def markdown(records: list[dict[str, Any]]) -> str:
    """The records of one case as a table, the family whose loss hurts most first."""
    by_group: dict[str, dict[str, dict[str, Any]]] = {}
    for record in records:
        by_group.setdefault(record["left_out"], {})[record["loss"]] = record
    names = list(LOSSES)
    base = ", ".join(f"{name} {by_group[NOTHING][name]['value']:.4f}" for name in names)
    case, n = records[0]["case"], records[0]["n"]
    lines = [f"\n**{case}**: with everything {base} ({n:,} customers at cutoffs)\n"]
    lines.append("| left out | columns | " + " | ".join(f"{name} lost" for name in names) + " |")
    lines.append("|---|---|" + "---|" * len(names))
    rest = sorted(set(by_group) - {NOTHING}, key=lambda group: -by_group[group][names[0]]["value"])
    for group in rest:
        cells = [f"{one['value']:+.4f} [{one['low']:+.4f}, {one['high']:+.4f}]" for one in by_group[group].values()]
        columns = by_group[group][names[0]]["columns"]
        lines.append(f"| {group} | {columns} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Runs the cases and writes what was found."""
    parser = argparse.ArgumentParser(description="What each family of features is worth.")
    parser.add_argument("cases", nargs="*", help="online-retail-ii, simulated, simulated-no-effect; default: all")
    parser.add_argument("--cutoffs", type=int, default=4, help="cutoffs of each shop, a horizon apart")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of the trees, over which losses are meant")
    parser.add_argument("--customers", type=int, default=10_000, help="of the simulated shops")
    parser.add_argument("--by", choices=("family", "feature"), default="family", help="what is left out at a time")
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    records = []
    for case in cases(asked.cases, asked.customers):
        begun = time.perf_counter()
        records += (new := ablation(case, asked.cutoffs, asked.seeds, asked.by))
        print(markdown(new), f"\n({time.perf_counter() - begun:.0f} s)\n", flush=True)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(records, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
