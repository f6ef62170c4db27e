"""Gathers what the report tells: scores, list, the bundle's backtest, pairings and the readiness of the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from regulars.cli.common import iso, name_of
from regulars.cli.place import Place
from regulars.features.baskets import PurchaseLog
from regulars.features.pairings import Pairings, accessories, main_first, sequences
from regulars.features.readiness import readiness
from regulars.features.reading import Reading
from regulars.features.settings import Settings
from regulars.features.shop import Shop
from regulars.serving.cheaper import serve_cheaper
from regulars.serving.outreach import OutreachList
from regulars.serving.report import Pair, Picture, ReportInputs

if TYPE_CHECKING:
    from regulars.serving.bundle import Bundle

PAIRS_SHOWN = 12


def report_inputs(
    place: Place,
    shop: Shop,
    reading: Reading,
    settings: Settings,
    bundle: Bundle,
    scores: pd.DataFrame,
    moment: int,
    found: OutreachList,
    seed: int,
) -> ReportInputs:
    """Everything the page needs."""
    names = product_names(shop)
    after, beside = pairs(shop, moment, names)
    told = bundle.metrics
    return ReportInputs(
        shop=name_of(place, settings),
        currency=settings.shop.currency,
        as_of=iso(moment),
        horizon_days=settings.churn.horizon_days,
        scores=scores,
        model_version=bundle.version,
        seed=seed,
        outreach=found,
        cheaper=serve_cheaper(scores, shop, moment, settings),
        records=pd.DataFrame(told["records"]) if told.get("records") else None,
        pictures=[Picture(one["name"], one["alt"], one["svg"]) for one in told.get("pictures", [])],
        decisions=list(told.get("decisions", [])),
        sequences=after,
        accessories=beside,
        product_names=names,
        readiness=readiness(reading, settings, as_of=moment),
        trained_until=iso(bundle.trained_as_of),
        simulated=place.is_simulated,
        by_contract=settings.churn.is_contract,
    )


def product_names(shop: Shop) -> dict[str, str]:
    """The latest name of each product, by product_id."""
    if shop.products is None or "products.name" not in shop.words:
        return {}
    rows, words = shop.products, shop.words["products.name"]
    order = np.argsort(rows.visible, kind="stable")
    named = order[rows.name[order] >= 0]
    return {str(shop.product_ids[rows.product[i]]): str(words[rows.name[i]]) for i in named}


def pairs(shop: Shop, moment: int, names: dict[str, str]) -> tuple[list[Pair], list[Pair]]:
    """The strongest sequences and accessories that were known before the moment, by the products' names."""
    if not shop.has("orders.product_id"):
        return [], []
    baskets = PurchaseLog.of(shop).before(moment)
    size = len(shop.product_ids)
    price = _mean_price(shop, moment)
    beside = main_first(accessories(baskets, size), price)
    return _named(sequences(baskets, size), shop, names), _named(beside, shop, names)


def _mean_price(shop: Shop, moment: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    lines = shop.orders
    sold = (lines.revenue > 0) & (lines.product >= 0) & (lines.visible < moment)
    size = len(shop.product_ids)
    revenue = np.bincount(lines.product[sold], lines.revenue[sold], minlength=size)
    pieces = np.bincount(lines.product[sold], np.maximum(lines.quantity[sold], 1), minlength=size)
    return np.asarray(revenue / np.maximum(pieces, 1))


def _named(found: Pairings, shop: Shop, names: dict[str, str]) -> list[Pair]:
    ids = [str(one) for one in shop.product_ids]
    return [
        Pair(
            first=names.get(ids[found.first[i]], ids[found.first[i]]),
            second=names.get(ids[found.second[i]], ids[found.second[i]]),
            share=float(found.support[i] / max(found.buyers[i], 1)),
            lift=float(found.lift[i]),
            typical_days=float(found.typical_days[i]),
            support=int(found.support[i]),
        )
        for i in range(min(PAIRS_SHOWN, len(found)))
    ]
