"""Steps of churn_speed.py, each in a process of its own: `python churn_speed_steps.py STEP JSON`.

The last line printed is JSON: seconds of the wall and of the processor, the peak of memory, and what the step tells.
What one step hands to the next lies in one folder. Where a thing is done several times, the least of each counts.
"""

from __future__ import annotations

import json
import pickle
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from next_product_scale_steps import measured
from numpy.typing import NDArray

if TYPE_CHECKING:
    from regulars.features.table import FeatureTable
    from regulars.training.snapshots import TrainingSet

F64 = NDArray[np.float64]
HORIZON = 90
CHUNK = 50_000
"""Customers scored at a time, as `serving.scoring` has it."""
STOCK = {"objective": "binary", "num_leaves": 31, "verbose": -1}
"""LightGBM as it comes, with `STOCK_TREES` trees."""
STOCK_TREES = 300
TRUTH = {"r": 0.8, "alpha": 40.0, "a": 0.6, "b": 2.0}
"""Of the simulated customers of BG/NBD, in days."""


def least(work: Callable[[], Any], repeats: int) -> dict[str, float]:
    """The least seconds of the wall and of the processor."""
    seconds, busy = np.inf, np.inf
    for _ in range(repeats):
        begun, used = time.perf_counter(), time.process_time()
        work()
        seconds, busy = min(seconds, time.perf_counter() - begun), min(busy, time.process_time() - used)
    return {"seconds": seconds, "processor_seconds": busy}


def simulate(shop: str, customers: int, threads: int) -> dict[str, Any]:
    """A shop with all tables, where there is none yet."""
    from regulars.datasets.simulate import ShopParameters, write_simulated_shop

    if not Path(shop).exists():
        write_simulated_shop(ShopParameters(customers=customers), 7, shop, with_truth=False, jobs=threads)
    return {}


def snapshots(shop: str, out: str, most: int, threads: int) -> dict[str, Any]:
    """The training set of the whole history: reading, and then rows, features and labels."""
    from regulars.features.logs import Logs
    from regulars.features.reading import read_shop
    from regulars.features.settings import Settings
    from regulars.training.snapshots import training_set

    plain = Settings()
    train = plain.train.model_copy(update={"threads": threads, "max_snapshot_rows": most})
    settings = plain.model_copy(update={"train": train})
    begun, used = time.perf_counter(), time.process_time()
    found = read_shop(Path(shop), settings).shop
    if found is None:
        sys.exit("nothing could be read")
    logs = Logs(found, settings)
    read = {"read_seconds": time.perf_counter() - begun, "read_processor_seconds": time.process_time() - used}
    rows = training_set(logs, found.end, settings)
    Path(out).write_bytes(pickle.dumps(rows, protocol=5))
    size = {"rows": len(rows.table), "columns": len(rows.table.names), "default": plain.train.max_snapshot_rows}
    return {"lines": len(found.orders), "customers": len(found.customer_ids), **size, **read}


def load(snapshots: str) -> TrainingSet:
    """What `snapshots` left."""
    rows: TrainingSet = pickle.loads(Path(snapshots).read_bytes())  # noqa: S301  # our own
    return rows


def fit(snapshots: str, out: str, threads: int) -> dict[str, Any]:
    """Our model of order times; what it is and what it learnt from."""
    from regulars.models.hazard_rows import unfold
    from regulars.models.order_time import OrderTimeModel

    rows = load(snapshots)
    model = OrderTimeModel(threads=threads)
    took = least(lambda: model.fit(rows.table, rows.orders), 1)
    Path(out).write_bytes(pickle.dumps(model.state(), protocol=5))
    return {f"fit_{name}": value for name, value in took.items()} | {"hazard_rows": len(unfold(rows.orders).row)}


def fit_value(snapshots: str, model: str, out: str, threads: int) -> dict[str, Any]:
    """Our model of margins, on the rows that the trainer gives it."""
    from regulars.models.value import ValueModel
    from regulars.training.recipes import value_rows

    rows, times = value_rows(load(snapshots)), order_times(model)
    value = ValueModel(horizon_days=HORIZON, threads=threads)
    took = least(lambda: value.fit(rows.table, times.predict_curves(rows.table), rows.value), 1)
    Path(out).write_bytes(pickle.dumps(value.state(), protocol=5))
    return {f"fit_{name}": value for name, value in took.items()}


def order_times(model: str) -> Any:
    """What `fit` left."""
    from regulars.models.order_time import OrderTimeModel

    return OrderTimeModel.from_state(pickle.loads(Path(model).read_bytes()))  # noqa: S301  # our own


def fit_lightgbm(snapshots: str, out: str, threads: int) -> dict[str, Any]:
    """LightGBM as it comes on the same rows, as far as the horizon after them was watched: does no order come?"""
    import lightgbm as lgb

    rows = load(snapshots)
    watched = rows.orders.observed_days >= HORIZON
    values = np.ascontiguousarray(rows.table.values[watched])
    target = ~(rows.orders.days_to_next[watched] < HORIZON)
    settings = {**STOCK, "num_threads": threads}
    grown: list[lgb.Booster] = []
    took = least(lambda: grown.append(lgb.train(settings, lgb.Dataset(values, target), STOCK_TREES)), 1)
    grown[0].save_model(out)
    return {f"fit_{name}": value for name, value in took.items()} | {"rows": len(target)}


def million(snapshots: str, customers: int) -> FeatureTable:
    """So many rows of features, all at the newest moment: the snapshots, over and over."""
    from regulars.features.table import FeatureTable

    table = load(snapshots).table
    place = np.arange(customers) % len(table)
    values = np.empty((customers, len(table.names)), order="F")  # as feature_table makes it
    for i in range(len(table.names)):
        values[:, i] = table.values[place, i]
    moment = np.full(customers, table.moment.max())
    return FeatureTable(np.arange(customers, dtype=np.int32), moment, table.names, values, table.context)


def score(
    way: str, snapshots: str, model: str, value: str, stock: str, customers: int, repeats: int, threads: int
) -> dict[str, Any]:
    """Scoring rows that are in memory, in one of the `WAYS`."""
    import lightgbm as lgb

    from regulars.models.value import ValueModel

    table, times = million(snapshots, customers), order_times(model)
    worth = ValueModel.from_state(pickle.loads(Path(value).read_bytes()))  # noqa: S301  # our own
    if way == "lightgbm":
        booster, rows = lgb.Booster(model_file=stock), np.ascontiguousarray(table.values)
        return _told(least(lambda: booster.predict(rows, num_threads=threads), repeats), customers)
    parts = [
        type(table)(table.customer[at], table.moment[at], table.names, table.values[at], table.context)
        for at in (slice(begin, begin + CHUNK) for begin in range(0, customers, CHUNK))
    ]
    answer = {
        "churn": lambda part: times.predict_proba(part, HORIZON),
        "curves": times.predict_curves,
        "answers": lambda part: answers(times, worth, part),
    }[way]
    answer(parts[-1])  # compiled code is made once, and not counted

    def all_parts() -> None:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(answer, parts))

    return _told(least(all_parts, repeats), customers)


def _told(took: dict[str, float], customers: int) -> dict[str, Any]:
    return {f"score_{name}": value for name, value in took.items()} | {"customers": customers}


def answers(times: Any, value: Any, table: FeatureTable) -> list[F64]:
    """What a row of scores says of churn, orders, the date and its interval, and the margin and its interval."""
    curves = times.predict_curves(table)
    worth = value.predict(table, curves, HORIZON)
    dates = [curves.quantile_days(chance) for chance in (0.1, 0.5, 0.9)]
    return [curves.churn(HORIZON), curves.expected_orders(HORIZON), *dates, worth.expected, worth.low, worth.high]


def histories(out: str, customers: int, whole_days: bool, threads: int) -> dict[str, Any]:  # noqa: ARG001
    """Customers straight from the story of BG/NBD: repeat orders, days to the last, days until now."""
    rng = np.random.default_rng(0)
    tenure = rng.integers(30, 730, customers).astype(np.float64)
    rate, leaving = rng.gamma(TRUTH["r"], 1 / TRUTH["alpha"], customers), rng.beta(TRUTH["a"], TRUTH["b"], customers)
    frequency, recency, now = np.zeros(customers), np.zeros(customers), np.zeros(customers)
    here = np.arange(customers)
    while len(here):
        now[here] += rng.exponential(1 / np.maximum(rate[here], 1e-12))
        here = here[now[here] <= tenure[here]]
        frequency[here] += 1
        recency[here] = now[here]
        here = here[rng.random(len(here)) >= leaving[here]]
    if whole_days:  # orders of one day count as one, and nothing comes back on the first
        recency = np.floor(recency)
        frequency = np.where(recency > 0, np.minimum(frequency, recency), 0)
    np.savez(out, frequency=frequency, recency=recency, tenure=tenure)
    return {"customers": customers, "no_repeat": float((frequency == 0).mean())}


def read_histories(path: str) -> list[F64]:
    """Frequency, recency and tenure that `histories` left."""
    with np.load(path) as found:
        return [found[name] for name in ("frequency", "recency", "tenure")]


def bgnbd(histories: str, repeats: int, threads: int) -> dict[str, Any]:  # noqa: ARG001
    """Our BG/NBD."""
    from regulars.models.bgnbd import BgNbd

    data, model = read_histories(histories), BgNbd()
    took = least(lambda: model.fit(*data), repeats)
    found = {"parameters": [model.r_, model.alpha_, model.a_, model.b_], "converged": bool(model.converged_)}
    return {f"fit_{name}": value for name, value in took.items()} | found | {"evaluations": model.evaluations_}


def likelihood(histories: str, of: dict[str, list[float]], threads: int) -> dict[str, Any]:  # noqa: ARG001
    """The log likelihood of each named set of parameters, row by row as the paper has it; nothing is rounded."""
    from scipy.special import betaln, gammaln

    x, last, now = read_histories(histories)
    found = {}
    for name, (r, alpha, a, b) in of.items():
        alive = betaln(a, b + x) - betaln(a, b) - (r + x) * np.log(alpha + now)
        left = betaln(a + 1, b + np.maximum(x, 1) - 1) - betaln(a, b) - (r + x) * np.log(alpha + last)
        both = np.where(x > 0, np.logaddexp(alive, left), alive)
        found[name] = float((gammaln(r + x) - gammaln(r) + r * np.log(alpha) + both).sum())
    return {"log_likelihood": found}


STEPS: dict[str, Callable[..., Any]] = {
    "simulate": simulate,
    "snapshots": snapshots,
    "fit": fit,
    "fit_value": fit_value,
    "fit_lightgbm": fit_lightgbm,
    "score": score,
    "histories": histories,
    "bgnbd": bgnbd,
    "likelihood": likelihood,
}


if __name__ == "__main__":
    print(json.dumps(measured(STEPS[sys.argv[1]], json.loads(sys.argv[2]))))
