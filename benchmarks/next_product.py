"""Next products, ours beside the baselines and TIFU-KNN, on the same customers: `python benchmarks/next_product.py`.

Ta-Feng in the split of 'A next basket recommendation reality check' (fold 0, order numbers dated a week apart), and
Online Retail II (Chen, CC BY 4.0; 90 days from each cutoff, customers who bought in the window). After each figure of
another method comes ours less theirs, paired by customer, with its 95 % bootstrap interval.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from product_shops import PERIOD_DAYS, TAFENG_AS_OF, online_retail_ii, tafeng
from tifu_knn import TifuKnn

from regulars.features.baskets import PurchaseLog
from regulars.features.shop import DAY, I32, Shop, as_time
from regulars.models.next_product import NextProductModel
from regulars.models.next_product_baselines import PersonalTopProducts, PopularProducts
from regulars.models.recommendations import ProductList, Recommendations
from regulars.training.bootstrap import bootstrap_interval
from regulars.training.metrics import weighted_mean
from regulars.training.ranking_metrics import ndcg_at_k, recall_at_k

CUTOFFS = ("2011-03-01", "2011-06-01", "2011-09-01")


class Case(NamedTuple):
    """One question: a shop, a moment, a window, and the customers asked about."""

    name: str
    shop: Shop
    as_of: int
    horizon_days: int
    customers: I32


def cases(names: list[str]) -> Iterator[Case]:
    """The cases asked for, all by default."""
    if not names or "tafeng" in names:
        shop, customers = tafeng()
        yield Case("Ta-Feng, fold 0", shop, TAFENG_AS_OF, PERIOD_DAYS, customers)
    cutoffs = [name for name in CUTOFFS if not names or name in names]
    if not cutoffs:
        return
    shop = online_retail_ii()
    for cutoff in cutoffs:
        moment = as_time(cutoff)
        log = PurchaseLog.of(shop)
        came, _ = log.bought_between(moment, moment + 90 * DAY, moment + 90 * DAY)
        customers = np.intersect1d(log.before(moment).buyers(), came).astype(np.int32)
        yield Case(f"Online Retail II, {cutoff}", shop, moment, 90, customers)


class Truth(NamedTuple):
    """What each customer bought: offsets and products, all and first-time."""

    all: tuple[Any, Any]
    new: tuple[Any, Any]


def truth_of(case: Case) -> Truth:
    """What was bought in the window."""
    log = PurchaseLog.of(case.shop)
    end = case.as_of + case.horizon_days * DAY
    who, what = log.bought_between(case.as_of, end, end)
    kept = np.isin(who, case.customers)
    who, what = who[kept], what[kept]
    before = log.before(case.as_of)
    size = len(case.shop.product_ids)
    first = ~np.isin(who.astype(np.int64) * size + what, before.customer.astype(np.int64) * size + before.product)

    def offsets(rows: Any) -> tuple[Any, Any]:
        return np.append(np.searchsorted(who[rows], case.customers), rows.sum()), what[rows]

    return Truth(offsets(np.ones(len(who), dtype=bool)), offsets(first))


def figures(case: Case, found: Recommendations, truth: Truth) -> dict[str, Any]:
    """Per customer: recall and NDCG at 10, and recall of first-time products."""

    def codes(chosen: ProductList) -> I32:
        return found.in_codes_of(case.shop.product_ids, chosen.product)

    return {
        "R@10": recall_at_k(codes(found.all), *truth.all, 10),
        "N@10": ndcg_at_k(codes(found.all), *truth.all, 10),
        "R@20": recall_at_k(codes(found.all), *truth.all, 20),
        "new R@10": recall_at_k(codes(found.new), *truth.new, 10),
    }


def run(case: Case) -> None:
    """Print one table."""
    truth = truth_of(case)
    print(f"\n{case.name}: {len(case.customers)} customers, {case.horizon_days} days")
    methods = {
        "ours": NextProductModel(case.horizon_days, mine=False),
        "personal top": PersonalTopProducts(case.horizon_days),
        "popular": PopularProducts(case.horizon_days),
        "TIFU-KNN": TifuKnn(),
    }
    ours: dict[str, Any] = {}
    for name, method in methods.items():
        start = time.perf_counter()
        method.fit(case.shop, case.as_of)
        fitted = time.perf_counter()
        found = method.recommend(case.shop, case.customers, case.as_of, top=20)
        seconds = f"fit {fitted - start:5.1f} s, recommend {time.perf_counter() - fitted:4.1f} s"
        values = figures(case, found, truth)
        ours = ours or values
        cells = []
        for metric, value in values.items():
            gap = bootstrap_interval(weighted_mean, ours[metric] - value, samples=1_000)
            paired = "" if name == "ours" else f" ({gap.value:+.4f}: {gap.low:+.4f} to {gap.high:+.4f})"
            cells.append(f"{metric} {np.nanmean(value):.4f}{paired}")
        print(f"  {name:14s}{'  '.join(cells)}  [{seconds}]", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", help=f"tafeng, or cutoffs among {', '.join(CUTOFFS)}; default: all")
    for one in cases(parser.parse_args(sys.argv[1:]).cases):
        run(one)
