"""A fitted next-product model as plain parts: JSON values, tables, arrays and LightGBM's text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from regulars.features.pairings import Pairings
from regulars.models.booster_text import booster_of
from regulars.models.candidate_sources import Limits
from regulars.models.candidates import ShopContext
from regulars.models.catalogue import COLUMNS, Catalogue
from regulars.models.code_book import CodeBook
from regulars.models.factors import factors_of
from regulars.models.neighbours import index_pool
from regulars.models.peer_groups import Lifts, PeerGroups
from regulars.models.product_links import Links
from regulars.models.rankers import Rankers
from regulars.models.shelves import shelves
from regulars.models.state import Part, State, array_part, dict_part, text_part

if TYPE_CHECKING:
    from regulars.models.next_product import NextProductModel

TREES = ("pointwise", "listwise", "calibrator")
LINKS = ("together", "after", "alike")
PAIRINGS = ("sequences", "accessories")


def state_of(model: NextProductModel) -> dict[str, Part]:
    """The parts of a fitted model."""
    context = model.context_
    catalogue = context.catalogue
    ids = pa.array(model.codes_.product_ids.tolist(), pa.string())
    columns = {name: catalogue.table[:-1, i] for i, name in enumerate(COLUMNS)}
    parts: dict[str, Part] = {
        "settings": {**model.get_params(deep=False), "candidates": model.candidates._asdict()},
        "fitted": {
            "until": model.until_,
            "moment": catalogue.moment,
            "basket_gap_days": catalogue.basket_gap_days,
            "taste_scale": context.factors.scale,
            "spreads": None if model.rankers_ is None else list(model.rankers_.spreads),
            "groups": [words.tolist() for words in context.groups.words],
            "tested": {name: getattr(model, f"{name}_").tested for name in PAIRINGS},
        },
        "catalogue": pa.table({"product_id": ids, "on_sale": catalogue.on_sale[:-1], **columns}),
        "popular": catalogue.popular,
        "pool_start": context.pool.start,
        "pool_product": context.pool.product,
        "pool_weight": context.pool.weight,
        "tastes": context.factors.taste,
        "taste_weight": context.factors.weight,
        "shelf": context.shelves.of,
        "group_start": context.groups.lifts.start,
        "group_lifts": pa.table({"product": context.groups.lifts.product, "lift": context.groups.lifts.lift}),
        "group_top": context.groups.lifts.top,
    }
    for name in LINKS:
        parts[f"links_{name}"] = _link_table(getattr(context, name))
    for name in PAIRINGS:
        parts[name] = pairing_table(getattr(model, f"{name}_"))
    if model.rankers_ is not None:
        parts.update({name: getattr(model.rankers_, name).model_to_string() for name in TREES})
    return parts


def restore(kind: type[NextProductModel], state: State) -> Any:
    """The model with these parts; it answers as the one that was stored, to the last bit."""
    settings, fitted, products = (
        dict_part(state, "settings"),
        dict_part(state, "fitted"),
        table_part(state, "catalogue"),
    )
    model = kind(**{**settings, "candidates": Limits(**settings["candidates"])})
    model.until_ = fitted["until"]
    model.codes_ = CodeBook(np.array(products["product_id"].to_pylist(), dtype=object))
    size = len(products)
    together, after, alike = (_links(table_part(state, f"links_{name}"), size) for name in LINKS)
    start, product, weight = (array_part(state, f"pool_{name}") for name in ("start", "product", "weight"))
    catalogue = _catalogue(products, array_part(state, "popular"), fitted)
    model.context_ = ShopContext(
        catalogue,
        together,
        after,
        alike,
        index_pool(start, product, weight, size),
        factors_of(array_part(state, "tastes"), array_part(state, "taste_weight"), fitted["taste_scale"]),
        shelves(array_part(state, "shelf"), catalogue.popular),
        _groups(state, fitted["groups"], model.trust_undated),
    )
    model.sequences_, model.accessories_ = (
        _pairings(table_part(state, name), fitted["tested"][name]) for name in PAIRINGS
    )
    model.rankers_ = None
    if fitted["spreads"] is not None:
        pointwise, listwise, calibrator = (booster_of(text_part(state, name)) for name in TREES)
        one, other = fitted["spreads"]
        model.rankers_ = Rankers(pointwise, listwise, (one, other), calibrator)
    return model


def _groups(state: State, words: list[list[str]], trust_undated: bool) -> PeerGroups:
    lifts = table_part(state, "group_lifts")
    # Copies, since a table's own memory cannot be written to, and for arrays of that kind loops are compiled anew.
    product, lift = (np.array(lifts[name].to_numpy()) for name in ("product", "lift"))
    return PeerGroups(
        tuple(np.array(some, dtype=object) for some in words),
        Lifts(array_part(state, "group_start"), product, lift, array_part(state, "group_top")),
        trust_undated,
    )


def table_part(state: State, name: str) -> pa.Table:
    """The part `name`, which has to be a table."""
    part = state.get(name)
    if not isinstance(part, pa.Table):
        message = f"the stored model has no table {name!r}; it was written by another version or is damaged"
        raise ValueError(message)  # noqa: TRY004 - the content is wrong, not a caller's type
    return part


def pairing_table(pairings: Pairings) -> pa.Table:
    """Pairings as a table, products as codes."""
    return pa.table({name: column for name, column in vars(pairings).items() if name != "tested"})


def _pairings(table: pa.Table, tested: int) -> Pairings:
    return Pairings(**{name: table[name].to_numpy() for name in table.column_names}, tested=tested)


def _catalogue(products: pa.Table, popular: Any, fitted: dict[str, Any]) -> Catalogue:
    table = np.full((len(products) + 1, len(COLUMNS)), np.nan, dtype=np.float32)
    for i, name in enumerate(COLUMNS):
        table[:-1, i] = products[name].to_numpy()
    on_sale = np.append(products["on_sale"].to_numpy(zero_copy_only=False).astype(bool), True)
    return Catalogue(fitted["moment"], table, on_sale, popular, fitted["basket_gap_days"])


def _link_table(links: Links) -> pa.Table:
    source = np.repeat(np.arange(len(links.start) - 1, dtype=np.int32), np.diff(links.start))
    return pa.table({"source": source, **{name: getattr(links, name) for name in Links._fields[1:]}})


def _links(table: pa.Table, products: int) -> Links:
    start = np.searchsorted(table["source"].to_numpy(), np.arange(products + 1)).astype(np.int64)
    return Links(start, *(np.array(table[name].to_numpy()) for name in Links._fields[1:]))
