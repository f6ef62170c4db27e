"""What is asked in benchmarks/next_product.py: shops, moments, customers, what was known before, and what came.

A method is given a shop without the lines that became known at the moment or later, and everybody who had a basket
before it; it is not told who of them came. What peers may see lies in the folder `inputs` of a case.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from product_shops import DATA, PERIOD_DAYS, TAFENG_AS_OF, online_retail_ii, tafeng, tafeng_folds

from regulars.features.baskets import Baskets, PurchaseLog
from regulars.features.shop import DAY, I32, I64, Shop, as_time

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "bench"
CUTOFFS = ("2011-03-01", "2011-06-01", "2011-08-01", "2011-09-01")
"""Of Online Retail II, 90 days each."""
CASES = ("tafeng", *CUTOFFS)
ON_SALE_DAYS = 90
"""A product that was sold within so many days before the moment counts as on sale."""


@lru_cache(maxsize=1)
def shop_of(dataset: str) -> Shop:
    """The data set as a shop; the last one asked for is kept."""
    return tafeng() if dataset == "tafeng" else online_retail_ii()


@dataclass(frozen=True)
class Truth:
    """Purchases of the window by customer asked: offsets (n + 1,) and product codes."""

    indptr: I64
    items: I32


@dataclass(frozen=True)
class Case:
    """One shop, moment and window. `groups` are what is reported apart: rows of `asked` by name."""

    name: str
    dataset: str
    as_of: int
    horizon_days: int
    shop: Shop

    @classmethod
    def of(cls, name: str) -> Case:
        """A case of `CASES`."""
        if name == "tafeng":
            return cls(name, "tafeng", TAFENG_AS_OF, PERIOD_DAYS, shop_of(name))
        return cls(name, "online-retail-ii", as_time(name), 90, shop_of("online-retail-ii"))

    @property
    def folder(self) -> Path:
        """Where its answers are kept."""
        return BUILD / "next_product" / self.name

    @property
    def files(self) -> list[Path]:
        """What its data is made of."""
        folder = DATA / ("tafeng" if self.dataset == "tafeng" else "online_retail_ii")
        return sorted(path for path in folder.iterdir() if path.suffix in {".json", ".parquet"})

    @cached_property
    def history(self) -> Shop:
        """The shop without what became known at the moment or later."""
        lines = self.shop.orders
        return replace(self.shop, orders=lines.take(np.flatnonzero(lines.visible < self.as_of)))

    @cached_property
    def baskets(self) -> Baskets:
        """What had been bought before the moment."""
        return PurchaseLog.of(self.history).before(self.as_of)

    @cached_property
    def asked(self) -> I32:
        """Customers asked about, sorted: of Ta-Feng those of the folds, else everybody with a basket."""
        if self.dataset == "tafeng":
            return np.sort(np.concatenate(tafeng_folds(self.shop)))
        return self.baskets.buyers()

    @cached_property
    def groups(self) -> dict[str, I64]:
        """Positions in `asked` of what is reported apart: each fold, or the whole."""
        if self.dataset == "tafeng":
            return {f"fold {i}": np.searchsorted(self.asked, fold) for i, fold in enumerate(tafeng_folds(self.shop))}
        return {self.name: np.arange(len(self.asked))}

    @cached_property
    def on_sale(self) -> I32:
        """Products sold within `ON_SALE_DAYS` before the moment."""
        recent = self.baskets.time >= self.as_of - ON_SALE_DAYS * DAY
        return np.unique(self.baskets.product[recent])

    def inputs(self) -> dict[str, I32 | I64]:
        """Arrays for the peers: purchases by customer and basket in time order, in days before the moment."""
        known = self.baskets
        return {
            "customer": known.customer,
            "basket": known.basket,
            "day": (known.time - self.as_of) / DAY,
            "product": known.product,
            "asked": self.asked,
            "products": np.array(len(self.shop.product_ids)),
            "horizon_days": np.array(self.horizon_days),
        }

    def truths(self) -> dict[str, Truth]:
        """What was bought in the window: `all`, of it what the customer had bought before (`repeat`), and the `new`."""
        end = self.as_of + self.horizon_days * DAY
        who, what = PurchaseLog.of(self.shop).bought_between(self.as_of, end, end)
        size = len(self.shop.product_ids)
        before = np.unique(self.baskets.customer.astype(np.int64) * size + self.baskets.product)
        again = np.isin(who.astype(np.int64) * size + what, before)
        kept = np.isin(who, self.asked)
        found = {}
        for name, rows in (("all", kept), ("repeat", kept & again), ("new", kept & ~again)):
            ends = np.append(np.searchsorted(who[rows], self.asked), rows.sum())
            found[name] = Truth(ends.astype(np.int64), what[rows])
        return found
