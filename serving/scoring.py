"""Scores: one row for every customer who was known, whatever their status; never blank and never dropped.

Customers with an order are answered by the models; the others by the rates of earlier prospects (`prospects`). Where
customers hold contracts ([churn] by = "contract"), churn and its reasons are those of the contract (`contract_scores`),
for whoever holds or held one, with an order or without. All
numbers of a row come from that customer's own history and from what the models, the context and the rates carry, so
a row is the same alone, in a batch and in chunks. Only the percentile needs the others: a context that holds the
quantiles of the scored fixes it; without one, it is told within the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regulars.features.asof import F64, Moments
from regulars.features.context import ShopContext
from regulars.features.contracts import Contracts, contracts_at
from regulars.features.define import Feature
from regulars.features.logs import Logs
from regulars.features.past import Past
from regulars.features.settings import Settings
from regulars.features.shop import DAY, I32, I64, NEVER, Shop, Text, as_datetime, days
from regulars.features.stage import GONE, STAGES, lapse_days, stage_codes
from regulars.features.table import FeatureTable, feature_table, features_of
from regulars.models.code_book import positions
from regulars.models.curves import OrderCurves
from regulars.models.fitted import FittedModels, ValuePrediction
from regulars.serving.columns import COLUMNS, NUMBERS, TEXTS, checked
from regulars.serving.contract_scores import contract_answers
from regulars.serving.feature_choice import require
from regulars.serving.known import known_since
from regulars.serving.product_lists import both_lists
from regulars.serving.profiles import profiles
from regulars.serving.prospects import ProspectRates, prospect_rates

STATUSES = SCORED, PROSPECT, TOO_NEW, LAPSED, SUPPRESSED = ("scored", "prospect", "too_new", "lapsed", "suppressed")
CHUNK = 50_000
"""Customers worked on at a time, which bounds the memory of feature tables and candidates."""
REASONS = 3
PERCENTILES = np.linspace(0, 1, 101)

Flags = NDArray[np.bool_]
Answers = dict[str, NDArray[Any]]
"""Columns of the scores that models or rates tell."""
Progress = Callable[[int, int], None]
"""Called with customers done and customers in all."""


def score(
    shop: Shop,
    models: FittedModels,
    context: ShopContext,
    settings: Settings,
    as_of: int,
    model_version: str,
    top: int | None = None,
    products: bool = True,
    progress: Progress | None = None,
    *,
    features: Sequence[Feature] | None = None,
    prospects: ProspectRates | None = None,
    only: Sequence[str] | None = None,
    chunk: int = CHUNK,
) -> pd.DataFrame:
    """Scores of every customer known before a moment, sorted by customer id, with the columns of `columns.COLUMNS`.

    Args:
        shop: the tables; what was known before `as_of` counts.
        models: one model for each answer.
        context: the shop as the models are to see it; its `churn_quantiles` tell the percentile.
        settings: horizons, what counts as too new and as lapsed, costs.
        as_of: the moment, in microseconds of the shop's wall time.
        model_version: what is told in the column of that name.
        top: products for each customer; None: the settings' number.
        products: whether products are recommended at all; without, the lists are empty.
        progress: called after every chunk of customers.
        features: the columns the models were fitted on; None: all that the shop allows.
        prospects: what prospects do; None: told from this shop.
        only: ids of the customers to answer for; None: everybody.
        chunk: customers worked on at a time; the result does not depend on it.

    Raises:
        UnknownCustomerError: if one of `only` is not known before `as_of`.
        ValueError: if the shop lacks what the features need, or if a model answers with something that is no number
            or no probability.
    """
    logs = Logs(shop, settings)
    rates = prospect_rates(logs, context, as_of) if prospects is None else prospects
    chosen = features_of(shop, settings) if features is None else list(features)
    require(shop, chosen)
    asked = settings.next_product.top if top is None else top
    scorer = _Scorer(logs, models, context, rates, chosen, as_of, asked if products else 0)
    since, allowed = known_since(shop), profiles(shop, as_of).allowed
    customers = np.flatnonzero(since < as_of).astype(np.int32)
    if only is not None:
        customers = _chosen(shop, customers, only)
    parts = []
    for begin in range(0, max(len(customers), 1), chunk):
        some = customers[begin : begin + chunk]
        parts.append(scorer.frame(some, since[some], allowed[some]))
        if progress is not None:
            progress(begin + len(some), len(customers))
    frame = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
    frame["model_version"] = model_version
    quantiles = churn_quantiles(frame) if _empty(context.churn_quantiles) else context.churn_quantiles
    frame["churn_percentile"] = percentile(frame["churn_probability"].to_numpy(np.float64), quantiles)
    return checked(_typed(frame))


class UnknownCustomerError(ValueError):
    """A customer of whom nothing was known before the moment."""


def _chosen(shop: Shop, known: I32, only: Sequence[str]) -> I32:
    """Codes of the customers asked for, rising."""
    codes = positions(np.array(sorted(set(only)), np.object_), shop.customer_ids)
    there = np.isin(codes, known)
    if not there.all():
        name = sorted(set(only))[int(np.argmin(there))]
        raise UnknownCustomerError(f"customer {name!r} is not known before this moment; check the id and the moment")
    return codes


def churn_quantiles(scores: pd.DataFrame) -> F64:
    """(101,) churn probabilities at the 0th to 100th percentile among the scored (if there are none, among all)."""
    churn = scores["churn_probability"].to_numpy(np.float64)
    scored = churn[(scores["status"] == SCORED).to_numpy()]
    among = scored if len(scored) else churn
    return np.quantile(among, PERCENTILES) if len(among) else np.zeros(101)


def percentile(churn: F64, quantiles: F64 | None) -> F64:
    """(n,) rank, 0 to 100, of probabilities among quantiles; whoever equals a run of them gets its middle."""
    known = np.zeros(101) if quantiles is None else quantiles
    left, right = np.searchsorted(known, churn, "left"), np.searchsorted(known, churn, "right")
    low = np.maximum(left - 1, 0)
    high = np.minimum(left, len(known) - 1)
    width = known[high] - known[low]
    part = np.divide(churn - known[low], width, out=np.zeros(len(churn)), where=width > 0)
    between = np.clip(low + part, 0, 100)
    return np.where(right > left, (left + right - 1) / 2, between)


def _empty(quantiles: F64 | None) -> bool:
    return quantiles is None or len(quantiles) == 0


@dataclass(frozen=True)
class _Scorer:
    """Everything that is the same for all customers."""

    logs: Logs
    models: FittedModels
    context: ShopContext
    prospects: ProspectRates
    features: list[Feature]
    as_of: int
    top: int

    @property
    def horizon_days(self) -> int:
        return self.logs.settings.churn.horizon_days

    def frame(self, customers: I32, since: I64, allowed: Flags) -> pd.DataFrame:
        """Rows of some customers; version and percentile are still open."""
        past = Past(self.logs, Moments(customers, np.full(len(customers), self.as_of)))
        bought = past.orders.count() > 0
        contracts = contracts_at(self.logs, past.moments) if self.logs.settings.churn.is_contract else None
        asked = bought if contracts is None else bought | contracts.running
        table = feature_table(self.logs, past.moments.take(asked), self.context, self.features)
        answers = self._answers(table if contracts is None else table.take(bought[asked]), bought, since)
        every, new = self._products(customers, bought)
        stages = np.array(STAGES, np.object_)[stage_codes(past)]
        if contracts is not None:
            answers = self._with_contracts(answers, table.take(contracts.running[asked]), contracts)
            stages[contracts.left] = GONE
        columns = answers | {
            "customer_id": self.logs.shop.customer_ids[customers],
            "as_of": np.full(len(customers), self.as_of).view("datetime64[us]"),
            "model_version": "",
            "status": status(past, allowed, contracts),
            "stage": stages,
            "churn_percentile": 0.0,
            "profit_to_date": past.profit(),
            "cost_to_serve": past.cost_to_serve(),
            "next_products": every,
            "next_new_products": new,
        }
        return pd.DataFrame({name: columns[name] for name in COLUMNS})

    def _answers(self, table: FeatureTable, bought: Flags, since: I64) -> Answers:
        """The answers of both kinds of customers, `table` being of those who bought; models are not asked of nobody."""
        if not bought.any():
            return self._of_prospects(since)
        theirs = self._of_models(table)
        return theirs if bought.all() else _merged(bought, theirs, self._of_prospects(since[~bought]))

    def _with_contracts(self, answers: Answers, running: FeatureTable, contracts: Contracts) -> Answers:
        """The answers with churn and its reasons as the contracts have it; `running` is the table of those that run."""
        model = self.models.cancellations
        if model is None:
            raise ValueError("churn is by contract, and there is no model of cancelling among the models; train again")
        found = contract_answers(model, running, contracts, self.horizon_days, REASONS)
        churn, reasons = answers["churn_probability"].copy(), answers["reasons"].copy()
        churn[found.rows], reasons[found.rows] = found.churn, _objects(found.reasons)
        return answers | {"churn_probability": churn, "reasons": reasons}

    def _of_models(self, table: FeatureTable) -> Answers:
        """Customers with an order: the models read their features."""
        curves = self.models.order_times.predict_curves(table)
        value = self.models.value.predict(table, curves, self.horizon_days)
        reasons = self.models.order_times.reasons(table, self.horizon_days, REASONS)
        return self._read_off(curves, value, reasons)

    def _of_prospects(self, since: I64) -> Answers:
        """Customers without an order: all alike, but for how long they have been known."""
        curves = self.prospects.curves(len(since))
        value = self.prospects.value(curves.expected_orders(self.horizon_days))
        return self._read_off(curves, value, [self._prospect_reasons(int(moment)) for moment in since])

    def _read_off(self, curves: OrderCurves, value: ValuePrediction, reasons: list[list[str]]) -> Answers:
        return {
            "churn_probability": curves.churn(self.horizon_days),
            "next_order_at": self._date(curves, 0.5),
            "next_order_from": self._date(curves, 0.1),
            "next_order_to": self._date(curves, 0.9),
            "expected_orders": curves.expected_orders(self.horizon_days),
            "expected_margin": value.expected,
            "expected_margin_low": value.low,
            "expected_margin_high": value.high,
            "reasons": _objects(reasons),
        }

    def _date(self, curves: OrderCurves, probability: float) -> NDArray[np.datetime64]:
        """When the next order has come with this probability; NaT beyond the curve's end."""
        wait = curves.quantile_days(probability)
        known = np.isfinite(wait)
        moment = self.as_of + np.rint(np.where(known, wait, 0) * DAY).astype(np.int64)
        return as_datetime(np.where(known, moment, NEVER))

    def _prospect_reasons(self, since: int) -> list[str]:
        rates = self.prospects
        share = f"{rates.chance:.0%} of prospects place a first order within {self.horizon_days} days"
        counted = f"{rates.ordered} of {rates.watched} earlier ones did" if rates.watched else "a guess from newcomers"
        known = f"known for {(self.as_of - since) / DAY:.0f} days" if since != NEVER else "known, but not since when"
        return ["has not ordered yet", f"{share} ({counted})", known]

    def _products(self, customers: I32, bought: Flags) -> tuple[Text, Text]:
        if self.top == 0:
            return _objects([[] for _ in customers]), _objects([[] for _ in customers])
        shop, top = self.logs.shop, self.top
        every, new = both_lists(self.models.products, shop, customers, self.as_of, top, bought)
        return _objects(every), _objects(new)


def status(past: Past, allowed: Flags, contracts: Contracts | None = None) -> Text:
    """(n,) what kind of row each customer gets; where several fit, the first of the conditions below.

    Args:
        past: the customers at the moment.
        allowed: whether each may be contacted and has not left.
        contracts: theirs, where churn is cancelling: then whoever holds one is a customer, and nobody lapses.
    """
    settings, orders = past.settings, past.orders
    new_since = past.moments.time - days(settings.churn.too_new_days)
    fits: tuple[tuple[str, Flags], ...]
    if contracts is not None:
        fits = (
            (SUPPRESSED, ~allowed | contracts.left),
            (PROSPECT, contracts.started == NEVER),
            (TOO_NEW, contracts.started >= new_since),
        )
        return _first_fit(fits, len(past.moments))
    fits = (
        (SUPPRESSED, ~allowed),
        (PROSPECT, orders.count() == 0),
        (TOO_NEW, orders.first_time() >= new_since),
        (LAPSED, orders.days_since_last() > lapse_days(settings)),
    )
    return _first_fit(fits, len(past.moments))


def _first_fit(fits: tuple[tuple[str, Flags], ...], size: int) -> Text:
    """(n,) the first status that fits each customer, else `SCORED`."""
    out = np.full(size, SCORED, np.object_)
    for name, fit in reversed(fits):
        out[fit] = name
    return out


def _merged(bought: Flags, theirs: Answers, others: Answers) -> Answers:
    """The answers of both kinds of customers, each at its place."""
    out = {name: np.empty(len(bought), column.dtype) for name, column in theirs.items()}
    for name, column in out.items():
        column[bought], column[~bought] = theirs[name], others[name]
    return out


def _objects(items: list[Any]) -> Text:
    """Lists as an array of objects, whatever their lengths."""
    out = np.empty(len(items), np.object_)
    out[:] = items
    return out


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype(dict.fromkeys(TEXTS, "str") | dict.fromkeys(NUMBERS, "float64"))
