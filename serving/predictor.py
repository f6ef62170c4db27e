"""Answers in process: frames in, scores out.

    predictor = Predictor.load("champion")
    scores = predictor.predict(orders, support=support, as_of="2011-09-01")

What the shop as a whole is like comes with the bundle, so one customer's orders are enough to score that customer,
and the row is the one they would have in a batch.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import pandas as pd

from regulars.features.own import own_of
from regulars.features.plain import NotPlainError
from regulars.features.reading import read_shop
from regulars.features.settings import Settings
from regulars.features.shop import Shop, as_time
from regulars.features.small import is_small, small_shop
from regulars.serving.bundle import Bundle
from regulars.serving.feature_choice import in_which_nothing_happened, lacking
from regulars.serving.references import load_reference
from regulars.serving.scoring import score


class NotGivenWarning(UserWarning):
    """The models read tables or columns that were not given."""


@dataclass(frozen=True)
class Predictor:
    """A loaded bundle that answers questions about customers; it never learns from what it is asked."""

    bundle: Bundle

    @classmethod
    def load(cls, ref: str | Path | None = None, settings: Settings | None = None) -> Self:
        """The predictor of a bundle.

        Args:
            ref: a bundle folder or an MLflow reference (`models:/regulars@champion`); None: as in
                `references.load_reference`.
            settings: name the store and the model where there is no `ref`, and bring the shop's own features where
                the models read any; None: as in `references.load_reference`.

        Raises:
            BundleError: if there is no such bundle, or it cannot be used; the message says what was tried.
        """
        return cls(load_reference(ref, settings))

    def predict(
        self,
        orders: Any,
        support: Any = None,
        customers: Any = None,
        products: Any = None,
        contacts: Any = None,
        advocacy: Any = None,
        *,
        as_of: Any,
        top: int | None = None,
        tables: Mapping[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Scores of every customer in the frames who was known before `as_of`; columns as `score` returns them.

        A table (or column) the models were fitted with and that is not given is taken as one in which nothing
        happened, with one warning that names it.

        Args:
            orders: order lines: a pandas frame, or anything that hands out Arrow; columns as in `features.tables`.
            support: support events, if there are any.
            customers: who the customers are, if that is known.
            products: what is sold, if that is known.
            contacts: what was sent to them, if anything was.
            advocacy: referrals and reviews, if there are any.
            as_of: the moment in the shop's wall time, '2011-09-01' or a datetime; only what was known before counts.
            top: products for each customer; None: the settings' number.
            tables: event tables of the shop's own, by title.

        Raises:
            DataError: if the frames cannot be used; the message names table, column and row.
            ValueError: if `as_of` is no moment, or `tables` names one that the models do not know.
        """
        moment = as_time(as_of)
        source = {
            "orders": orders,
            "support": support,
            "customers": customers,
            "products": products,
            "contacts": contacts,
            "advocacy": advocacy,
        }
        own = own_frames(tables or {}, self.bundle.settings)
        given = {title: frame for title, frame in {**source, **own}.items() if frame is not None}
        return self.score(read(given, self.bundle.settings), moment, top=top)

    def lacking(self, shop: Shop) -> list[str]:
        """Tables and columns that the models read and the shop was not given."""
        found = lacking(shop, self.bundle.feature_list())
        unknown = self.bundle.settings.churn.is_contract and not shop.has("customers.left_at")
        return sorted({*found, "customers.left_at"}) if unknown and "customers" not in found else found

    def score(self, shop: Shop, as_of: int, *, top: int | None = None, **options: Any) -> pd.DataFrame:
        """Scores of a shop's customers by this bundle; `options` are those of `scoring.score`."""
        if absent := self.lacking(shop):
            warnings.warn(
                f"the models were fitted with {', '.join(absent)}, which was not given; it is taken as nothing having "
                "happened there. Bring it for better answers",
                NotGivenWarning,
                stacklevel=3,
            )
        return self.rows(shop, as_of, top=top, **options)

    def rows(self, shop: Shop, as_of: int, *, top: int | None = None, **options: Any) -> pd.DataFrame:
        """As `score`, without a word of what was not given: for who has told it already."""
        bundle, features = self.bundle, self.bundle.feature_list()
        return score(
            in_which_nothing_happened(shop, features),
            bundle.models,
            bundle.context,
            bundle.settings,
            as_of,
            bundle.version,
            top,
            features=features,
            prospects=bundle.prospects,
            **options,
        )


def predict(
    orders: Any,
    support: Any = None,
    customers: Any = None,
    products: Any = None,
    contacts: Any = None,
    advocacy: Any = None,
    *,
    as_of: Any,
    top: int | None = None,
    tables: Mapping[str, Any] | None = None,
    model: str | Path | None = None,
) -> pd.DataFrame:
    """Scores in one line: `Predictor.load(model).predict(...)`. To ask more than once, keep the predictor."""
    predictor = Predictor.load(model)
    return predictor.predict(
        orders, support, customers, products, contacts, advocacy, as_of=as_of, top=top, tables=tables
    )


def own_frames(tables: Mapping[str, Any], settings: Settings) -> Mapping[str, Any]:
    """The frames, once each is a table that the shop declared itself.

    Raises:
        ValueError: naming one that is not.
    """
    known = [table.title for table in own_of(settings).tables]
    for title in tables:
        if title not in known:
            raise ValueError(
                f"tables has {title!r}, which is no event table of the shop's own; there are: "
                f"{', '.join(known) or 'none'}. The six tables are arguments of their own"
            )
    return tables


def read(frames: Mapping[str, Any], settings: Settings) -> Shop:
    """The frames as a shop. A column that is there without any value was given: nothing happened in it.

    Raises:
        DataError: if they cannot be used.
    """
    if is_small(frames):
        with suppress(NotPlainError):  # else the careful way says what is wrong, or reads what is odd
            return small_shop(frames, settings, count_empty=True)
    reading = read_shop(frames, settings)
    assert reading.shop is not None  # noqa: S101 - read_shop has raised otherwise
    empty = {f"{table.title}.{column}" for table in reading.tables for column in table.empty}
    return replace(reading.shop, given=reading.shop.given | empty)
