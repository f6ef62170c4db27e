"""Peers of benchmarks/quality.py, each in a process of its own: `python quality_peers.py NAME FOLDER`.

FOLDER holds what was known before the cutoff (`quality_data.write_inputs`) and gets NAME.parquet: a row for each
customer who is asked about, with the columns `churn` (chance of no order in the horizon), `orders` and `margin`
(expected in it), as far as the peer says them. The last line printed is JSON: seconds, and what is to be noted.

lifetimes and pymc-marketing need other releases than Regulars does, so they have environments of their own:

    python3 -m venv build/bench/quality-peers
    build/bench/quality-peers/bin/pip install lifetimes catboost lightgbm scikit-learn pyarrow 'pandas<3'
    python3 -m venv build/bench/quality-pymc
    build/bench/quality-pymc/bin/pip install pymc-marketing pyarrow

Orders of one day count as one, as these libraries have it. BG/NBD and MBG/NBD of lifetimes have no chance of no order
in a window, so theirs is exp(-expected orders); Pareto/NBD and pymc-marketing have one. Models that learn from labels
learn from one snapshot, a horizon before the cutoff (or half of the history, where that is too short for a horizon).
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

WEEK = 7.0
"""Days; the unit of time of the buy-till-you-die models, in which they converge best."""
PENALTIES = (0.0, 0.001, 0.01, 0.1)
"""Of lifetimes, tried in turn until it converges."""


class Inputs(NamedTuple):
    """What was known before the cutoff."""

    cutoff: pd.Timestamp
    horizon: int
    learn_days: int
    orders: pd.DataFrame
    asked: pd.DataFrame
    learn: pd.DataFrame

    @classmethod
    def read(cls, folder: Path) -> Inputs:
        """The inputs in a folder."""
        told = json.loads((folder / "question.json").read_text(encoding="utf-8"))
        frames = [pd.read_parquet(folder / f"{name}.parquet") for name in ("orders", "asked", "learn")]
        return cls(pd.Timestamp(told["cutoff"]), told["horizon"], told["learn_days"], *frames)


class Said(NamedTuple):
    """A peer's answers, by column, and what is to be noted."""

    columns: dict[str, Any]
    note: str = ""


def summary(inputs: Inputs) -> pd.DataFrame:
    """Frequency, recency and T in weeks, and the mean margin of an order day after the first; by customer asked."""
    days = inputs.orders.assign(day=inputs.orders["ordered_at"].dt.floor("D"))
    days = days.groupby(["customer_id", "day"], sort=True)["margin"].sum().reset_index()
    first = days.groupby("customer_id")["day"].transform("min")
    repeats = days[days["day"] > first].groupby("customer_id")["margin"]
    found = days.groupby("customer_id")["day"].agg(["min", "max"])
    made = pd.DataFrame(
        {
            "frequency": repeats.count().reindex(found.index).fillna(0).astype(float),
            "recency": (found["max"] - found["min"]).dt.days / WEEK,
            "T": (inputs.cutoff - found["min"]).dt.days / WEEK,
            "monetary_value": repeats.mean().reindex(found.index).fillna(0.0),
        }
    )
    return made.loc[inputs.asked["customer_id"]]


def fitted(make: Callable[[float], Any], *columns: Any) -> tuple[Any, str]:
    """A model of lifetimes with the first penalty that converges."""
    from lifetimes.utils import ConvergenceError

    for penalty in PENALTIES:
        try:
            return make(penalty).fit(*columns), "" if penalty == 0 else f"penalizer {penalty}"
        except ConvergenceError:
            continue
    raise SystemExit(f"no penalizer among {PENALTIES} converges")


def gamma_gamma(table: pd.DataFrame) -> Any:
    """Expected margin of an order day by lifetimes' Gamma-Gamma, fitted on customers with a repeat order."""
    from lifetimes import GammaGammaFitter

    repeated = table[(table["frequency"] > 0) & (table["monetary_value"] > 0)]
    model, _ = fitted(GammaGammaFitter, repeated["frequency"], repeated["monetary_value"])
    return model.conditional_expected_average_profit(table["frequency"], table["monetary_value"])


def lifetimes_bgnbd(inputs: Inputs) -> Said:
    from lifetimes import BetaGeoFitter

    return by_expected_orders(inputs, BetaGeoFitter, with_money=True)


def lifetimes_mbgnbd(inputs: Inputs) -> Said:
    from lifetimes import ModifiedBetaGeoFitter

    return by_expected_orders(inputs, ModifiedBetaGeoFitter, with_money=False)


def by_expected_orders(inputs: Inputs, make: Any, *, with_money: bool) -> Said:
    """A fitter of lifetimes that has expected orders and no chance of none."""
    table = summary(inputs)
    columns = table["frequency"], table["recency"], table["T"]
    model, note = fitted(make, *columns)
    weeks = inputs.horizon / WEEK
    orders = np.asarray(model.conditional_expected_number_of_purchases_up_to_time(weeks, *columns), dtype=float)
    said = {"churn": np.exp(-orders), "orders": orders}
    if with_money:
        said["margin"] = orders * np.asarray(gamma_gamma(table), dtype=float)
    return Said(said, note)


def lifetimes_pareto(inputs: Inputs) -> Said:
    from lifetimes import ParetoNBDFitter

    table = summary(inputs)
    columns = table["frequency"], table["recency"], table["T"]
    model, note = fitted(ParetoNBDFitter, *columns)
    weeks = inputs.horizon / WEEK
    orders = np.asarray(model.conditional_expected_number_of_purchases_up_to_time(weeks, *columns), dtype=float)
    none = np.asarray(model.conditional_probability_of_n_purchases_up_to_time(0, weeks, *columns), dtype=float)
    instead = ~(np.isfinite(none) & (none >= 0) & (none <= 1))
    if instead.any():
        note = f"{note} exp(-expected orders) for {int(instead.sum())} customers without a finite probability".strip()
    return Said({"churn": np.where(instead, np.exp(-orders), none), "orders": orders}, note)


def pymc_bgnbd(inputs: Inputs) -> Said:
    """BG/NBD with Gamma-Gamma of pymc-marketing, both by their posterior mode."""
    from pymc_marketing.clv import BetaGeoModel, GammaGammaModel

    table = summary(inputs).reset_index(names="customer_id")
    model = BetaGeoModel(data=table.drop(columns="monetary_value"))
    model.fit(method="map", progressbar=False)
    weeks = inputs.horizon / WEEK
    orders = _mean(model.expected_purchases(future_t=weeks))
    none = _mean(model.expected_probability_no_purchase(t=weeks))
    repeated = table[(table["frequency"] > 0) & (table["monetary_value"] > 0)]
    spend = GammaGammaModel(data=repeated[["customer_id", "frequency", "monetary_value"]])
    spend.fit(method="map", progressbar=False)
    money = _mean(spend.expected_customer_spend(data=table[["customer_id", "frequency", "monetary_value"]]))
    return Said({"churn": none, "orders": orders, "margin": orders * money})


def _mean(found: Any) -> Any:
    """(n,) the mean over chains and draws, of which a mode has one."""
    return np.asarray(found.mean(("chain", "draw")), dtype=float)


RFM = ("days_since_last_order", "orders_total", "margin_total", "tenure_days")


def rfm_inputs(frame: pd.DataFrame) -> Any:
    """(n, 4) logarithms of recency, frequency, money and tenure."""
    return np.column_stack([np.log1p(np.maximum(frame[name].to_numpy(float), 0)) for name in RFM])


def rfm_logistic(inputs: Inputs) -> Said:
    model = _logistic().fit(rfm_inputs(inputs.learn), inputs.learn["label_orders"] == 0)
    return Said({"churn": model.predict_proba(rfm_inputs(inputs.asked))[:, 1]})


def _logistic() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))


def ziln(inputs: Inputs) -> Said:
    """Zero-inflated lognormal margin (Wang, Liu and Miao 2019) over RFM, linear: chance of any times its size.

    Without parameters in common the likelihood falls into a logistic regression of whether anything comes, and a
    regression of its logarithm.
    """
    from sklearn.linear_model import LinearRegression

    margin = inputs.learn["label_margin"].to_numpy(float)
    learn, asked = rfm_inputs(inputs.learn), rfm_inputs(inputs.asked)
    came = margin > 0
    chance = _logistic().fit(learn, came).predict_proba(asked)[:, 1]
    line = LinearRegression().fit(learn[came], np.log(margin[came]))
    spread = np.var(np.log(margin[came]) - line.predict(learn[came]))
    return Said({"margin": chance * np.exp(line.predict(asked) + spread / 2)})


def snapshot(inputs: Inputs) -> tuple[Any, Any]:
    """All of ours' features at the snapshot learnt from, and at the cutoff."""
    names = [name for name in inputs.asked if name != "customer_id"]
    return inputs.learn[names].to_numpy(float), inputs.asked[names].to_numpy(float)


def usual_split(inputs: Inputs) -> tuple[Any, Any]:
    """One random split of the snapshot, 80 to 20, for stopping early."""
    from sklearn.model_selection import train_test_split

    rows = np.arange(len(inputs.learn))
    return tuple(train_test_split(rows, test_size=0.2, random_state=0, stratify=inputs.learn["label_orders"] == 0))


TASKS = (("churn", "binary"), ("orders", "poisson"), ("margin", "regression"))


def labels(inputs: Inputs, task: str) -> Any:
    """(n,) what the snapshot's customers did."""
    if task == "churn":
        return (inputs.learn["label_orders"] == 0).to_numpy(int)
    return inputs.learn[f"label_{task}"].to_numpy(float)


def lightgbm_usual(inputs: Inputs) -> Said:
    import lightgbm as lgb

    learn, asked = snapshot(inputs)
    fit, stop = usual_split(inputs)
    said, rounds = {}, []
    for task, objective in TASKS:
        label = labels(inputs, task)
        data = lgb.Dataset(learn[fit], label[fit])
        settings = {"objective": objective, "learning_rate": 0.05, "verbosity": -1, "seed": 0, "num_threads": 1}
        model = lgb.train(
            settings,
            data,
            1000,
            valid_sets=[lgb.Dataset(learn[stop], label[stop], reference=data)],
            callbacks=[lgb.early_stopping(50, verbose=False)],
        )
        said[task] = model.predict(asked)
        rounds.append(model.best_iteration)
    return Said(_scaled(said, inputs), f"rounds {rounds}")


KIND = {"Logloss": "Probability", "Poisson": "Exponent", "RMSE": "RawFormulaVal"}
"""What CatBoost is to say where a loss has a link."""


def catboost_usual(inputs: Inputs) -> Said:
    from catboost import CatBoostClassifier, CatBoostRegressor

    learn, asked = snapshot(inputs)
    fit, stop = usual_split(inputs)
    said, rounds = {}, []
    for task, make, loss in zip(
        ("churn", "orders", "margin"),
        (CatBoostClassifier, CatBoostRegressor, CatBoostRegressor),
        ("Logloss", "Poisson", "RMSE"),
        strict=True,
    ):
        label = labels(inputs, task)
        model = make(
            iterations=1000, loss_function=loss, random_seed=0, thread_count=1, verbose=False, allow_writing_files=False
        )
        model.fit(learn[fit], label[fit], eval_set=(learn[stop], label[stop]), early_stopping_rounds=50)
        said[task] = np.asarray(model.predict(asked, prediction_type=KIND[loss])).reshape(len(asked), -1)[:, -1]
        rounds.append(int(model.get_best_iteration()))
    return Said(_scaled(said, inputs), f"rounds {rounds}")


def _scaled(said: dict[str, Any], inputs: Inputs) -> dict[str, Any]:
    """Orders and margin in proportion to the horizon, churn by a constant rate, where the window learnt was shorter."""
    longer = inputs.horizon / inputs.learn_days
    churn = np.clip(said["churn"], 1e-9, 1) ** longer
    return {"churn": churn, "orders": said["orders"] * longer, "margin": said["margin"] * longer}


PEERS: dict[str, Callable[[Inputs], Said]] = {
    "lifetimes_bgnbd": lifetimes_bgnbd,
    "lifetimes_mbgnbd": lifetimes_mbgnbd,
    "lifetimes_pareto": lifetimes_pareto,
    "pymc_bgnbd": pymc_bgnbd,
    "rfm_logistic": rfm_logistic,
    "ziln": ziln,
    "lightgbm_usual": lightgbm_usual,
    "catboost_usual": catboost_usual,
}


def main() -> None:
    """Asks one peer."""
    name, folder = sys.argv[1], Path(sys.argv[2])
    inputs = Inputs.read(folder)
    warnings.simplefilter("ignore")
    begun, used = time.perf_counter(), time.process_time()
    said = PEERS[name](inputs)
    seconds = {"seconds": time.perf_counter() - begun, "cpu_seconds": time.process_time() - used}
    frame = pd.DataFrame({"customer_id": inputs.asked["customer_id"].to_numpy(), **said.columns})
    missing = frame.columns[frame.isna().any()].tolist()
    if missing:
        raise SystemExit(f"{name} says nothing for some customers in {missing}")
    frame.to_parquet(folder / f"{name}.parquet")
    print(json.dumps(seconds | {"note": said.note}))


if __name__ == "__main__":
    main()
