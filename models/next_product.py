"""What a customer buys next: candidates ranked by gradient boosted trees, with honest probabilities.

Two trees' worth of work. The ranker learns, from customers who came in the label window, which of their candidates
they took. The calibrator then turns a rank score into the chance that the product is bought in the window at all, which
also depends on whether the customer comes; it is fitted on other customers, with and without purchases, and may only
rise with the score, so that it never changes the order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from regulars.features.baskets import Baskets, PurchaseLog
from regulars.features.shop import DAY, I32, I64, NONE, Shop, Text
from regulars.models.candidates import GAP, HABITS, LAST, TIMES, Candidates, Limits, ShopContext, collect
from regulars.models.catalogue import COLUMNS, catalogue_at
from regulars.models.neighbours import build_pool
from regulars.models.product_links import WHOLE, basket_holdings, customer_holdings, strongest_links
from regulars.models.ranking_table import NAMES, ranking_table
from regulars.models.recommendations import ProductList, Recommendations, positions, ranked

if TYPE_CHECKING:
    import lightgbm

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

CALIBRATED_ON = ("baskets", "quiet_days", "basket_gap_days", "basket_size", "baskets_lately")
"""Habits that say whether a customer comes, and how much they then take."""
LEAST_POSITIVES = 50
"""Bought candidates below which nothing is learnt, and counts alone answer."""


@dataclass(frozen=True)
class TrainingRows:
    """Candidates of one moment: ranking table, label, weight, customer's row, whether the customer bought anything."""

    table: F32
    label: NDArray[np.bool_]
    weight: F32
    came: NDArray[np.bool_]
    calibrates: NDArray[np.bool_]


class NextProductModel(BaseEstimator):  # type: ignore[misc]
    """Ranks products by the chance to be bought in `[as_of, as_of + horizon_days)`.

    Args:
        horizon_days: the window in which a product counts as bought next.
        candidates: how many products are considered, and how neighbours are found.
        moments: training moments at most, one horizon apart, the last one horizon before `until`.
        customers_per_moment: customers sampled at each.
        negatives: share of the candidates not bought that the ranker sees.
        pool: customers kept as possible neighbours.
        trees, learning_rate, leaves: of the ranker.
        seed: of the samples.
        threads: of the work; the answer does not depend on it.
    """

    def __init__(
        self,
        horizon_days: int = 90,
        candidates: Limits = Limits(),  # noqa: B008 - immutable
        moments: int = 3,
        customers_per_moment: int = 3_000,
        negatives: float = 0.25,
        pool: int = 20_000,
        trees: int = 150,
        learning_rate: float = 0.08,
        leaves: int = 31,
        seed: int = 0,
        threads: int = 2,
    ) -> None:
        self.horizon_days = horizon_days
        self.candidates = candidates
        self.moments = moments
        self.customers_per_moment = customers_per_moment
        self.negatives = negatives
        self.pool = pool
        self.trees = trees
        self.learning_rate = learning_rate
        self.leaves = leaves
        self.seed = seed
        self.threads = threads

    @property
    def horizon(self) -> int:
        """The window in microseconds."""
        return self.horizon_days * DAY

    def fit(self, shop: Shop, until: int) -> Self:
        """Learn from what was visible before `until`; every label window ends there or earlier.

        Args:
            shop: whose orders are learnt from; without products the model recommends nothing.
            until: a moment in microseconds.
        """
        log = PurchaseLog.of(shop)
        log = log.take(np.flatnonzero(log.visible < until))
        sold = np.unique(log.product)
        recode = np.full(len(shop.product_ids) + 1, NONE, dtype=np.int32)
        recode[sold] = np.arange(len(sold), dtype=np.int32)
        log = log.recoded(recode)
        self.product_ids_: Text = shop.product_ids[sold]
        self.until_ = until
        rng = np.random.default_rng(self.seed)
        parts = [self._training_rows(log, moment, until, rng) for moment in self._moments(log, until)]
        self.ranker_, self.calibrator_ = self._learn(parts)
        self.context_ = self._context(log.before(until), rng)
        return self

    def recommend(self, shop: Shop, customers: I32, as_of: int, top: int = 10) -> Recommendations:
        """The `top` products of each customer, from their lines visible before `as_of`.

        Args:
            shop: holds the customers' own orders; need not be the one fitted on.
            customers: codes into `shop.customer_ids`, in any order.
            as_of: a moment in microseconds.
            top: length of the lists.
        """
        customers = np.asarray(customers, dtype=np.int32)
        recode, product_ids = self._codes(shop)
        if len(product_ids) == 0 or len(customers) == 0:
            nothing = ProductList.empty(len(customers), top)
            return Recommendations(customers, as_of, product_ids, nothing, nothing)
        baskets = PurchaseLog.of(shop, customers).recoded(recode).before(as_of)
        found = self._collect(baskets, customers, self.context_, len(product_ids))
        score, probability = self._score(found)
        new = found.evidence[:, TIMES] == 0
        wait = self._wait(found)
        every = ranked(found.row, len(customers), score, found.product, top)
        first = np.flatnonzero(new)
        firsts = ranked(found.row[first], len(customers), score[first], found.product[first], top)
        firsts = np.where(firsts >= 0, first[firsts] if len(first) else -1, -1)
        return Recommendations(
            customers,
            as_of,
            product_ids,
            _list(found, every, probability, wait, as_of),
            _list(found, firsts, probability, wait, as_of),
        )

    def _moments(self, log: PurchaseLog, until: int) -> list[int]:
        """Training moments with at least one horizon of history before them."""
        if len(log.time) == 0:
            return []
        begin = int(log.time.min()) + self.horizon
        return [m for k in range(1, self.moments + 1) if (m := until - k * self.horizon) >= begin]

    def _context(self, baskets: Baskets, rng: np.random.Generator) -> ShopContext:
        """What the whole shop says at the baskets' moment."""
        products = len(self.product_ids_)
        members = _sample(baskets.buyers(), self.pool, rng)
        first, last = baskets.rows_of(members)
        limits, held = self.candidates, customer_holdings(baskets, products)
        return ShopContext(
            catalogue=catalogue_at(baskets, products, self.horizon),
            together=strongest_links(basket_holdings(baskets, products), 0, WHOLE),
            after=strongest_links(held, 1, self.horizon),
            alike=strongest_links(held, -WHOLE, WHOLE),
            pool=build_pool(
                first, last, baskets.product, baskets.basket, products, limits.groups, limits.within, limits.between
            ),
        )

    def _collect(self, baskets: Baskets, customers: I32, context: ShopContext, products: int) -> Candidates:
        return collect(baskets, customers, context, products, self.horizon, self.candidates, self.threads)

    def _training_rows(self, log: PurchaseLog, moment: int, until: int, rng: np.random.Generator) -> TrainingRows:
        """Candidates of a sample of customers at `moment`, and which of them were bought in the window after it."""
        products = len(self.product_ids_)
        baskets = log.before(moment)
        context = self._context(baskets, rng)
        customers = _sample(baskets.buyers(), self.customers_per_moment, rng)
        calibrates = rng.random(len(customers)) < 0.25
        found = self._collect(baskets, customers, context, products)
        who, what = log.bought_between(moment, moment + self.horizon, until)
        label = np.isin(
            customers[found.row].astype(np.int64) * products + found.product, who.astype(np.int64) * products + what
        )
        came = np.isin(customers, who)[found.row]
        kept = label | (rng.random(len(label)) < self.negatives)
        weight = np.where(label, 1.0, 1.0 / self.negatives).astype(np.float32)
        table = ranking_table(found, context.catalogue)
        return TrainingRows(table[kept], label[kept], weight[kept], came[kept], calibrates[found.row][kept])

    def _learn(self, parts: list[TrainingRows]) -> tuple[lightgbm.Booster | None, lightgbm.Booster | None]:
        """Ranker and calibrator; None where there is too little to learn from."""
        if sum(int(part.label.sum()) for part in parts) < LEAST_POSITIVES:
            return None, None
        table, label, weight, came, calibrates = (
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("table", "label", "weight", "came", "calibrates")
        )
        ranks = came & ~calibrates
        if not label[ranks].any() or not label[calibrates].any():
            return None, None
        ranker = self._boost(table[ranks], label[ranks], weight[ranks], self.trees, {"num_leaves": self.leaves})
        score = ranker.predict(table[calibrates], raw_score=True, num_threads=self.threads)
        inputs = _calibrator_inputs(np.asarray(score), table[calibrates])
        limits = {"num_leaves": 15, "monotone_constraints": [1] + [0] * (inputs.shape[1] - 1)}
        return ranker, self._boost(inputs, label[calibrates], weight[calibrates], self.trees // 2, limits)

    def _boost(self, table: F32, label: Any, weight: Any, trees: int, extra: dict[str, Any]) -> lightgbm.Booster:
        """Trees fitted and read back from their text, so that a saved model is this one to the last bit."""
        import lightgbm

        settings = {
            "objective": "binary",
            "learning_rate": self.learning_rate,
            "min_data_in_leaf": max(5, min(100, len(label) // 500)),
            "feature_fraction": 0.5 if len(extra) == 1 else 1.0,
            "bagging_fraction": 0.7,
            "bagging_freq": 1,
            "max_bin": 127,
            "seed": self.seed,
            "num_threads": self.threads,
            "deterministic": True,
            "force_row_wise": True,
            "verbose": -1,
            **extra,
        }
        data = lightgbm.Dataset(table, label.astype(np.float32), weight=weight)
        return lightgbm.Booster(model_str=lightgbm.train(settings, data, trees).model_to_string())

    def _score(self, found: Candidates) -> tuple[F64, F64]:
        """Rank score and probability of each candidate."""
        table = ranking_table(found, self.context_.catalogue)
        if self.ranker_ is None or self.calibrator_ is None or len(found) == 0:
            # Purchases in one basket more than there were, that one a typical one of the shop.
            share = np.nan_to_num(table[:, NAMES.index("product_share_year")].astype(np.float64))
            baskets = np.nan_to_num(table[:, NAMES.index("customer_baskets")].astype(np.float64))
            probability = np.minimum((found.evidence[:, TIMES] + share) / (baskets + 1.0), 1.0)
            return probability, probability
        score = np.asarray(self.ranker_.predict(table, raw_score=True, num_threads=self.threads))
        inputs = _calibrator_inputs(score, table)
        return score, np.asarray(self.calibrator_.predict(inputs, num_threads=self.threads))

    def _wait(self, found: Candidates) -> F64:
        """Days until each candidate is expected: when its own gap is over, but not before the customer's next basket.

        Both gaps are drawn to what is usual in the shop by one observation; whoever is late is expected within a
        quarter of their gap.
        """
        table, catalogue = found.evidence.astype(np.float64), self.context_.catalogue
        habits = found.habits.astype(np.float64)
        baskets = np.nan_to_num(habits[:, HABITS.index("baskets")])
        gap = np.nan_to_num(habits[:, HABITS.index("basket_gap_days")])
        gap = (gap * np.maximum(baskets - 1, 0) + catalogue.basket_gap_days) / np.maximum(baskets, 1)
        order = np.maximum(gap - np.nan_to_num(habits[:, HABITS.index("quiet_days")]), gap / 4)[found.row]
        usual = catalogue.table[np.minimum(found.product, len(catalogue.table) - 1), COLUMNS.index("gap_days")]
        usual = np.where(np.isnan(usual), catalogue.basket_gap_days, usual)
        times = np.maximum(table[:, TIMES], 1)
        own = (np.nan_to_num(table[:, GAP]) * (times - 1) + usual) / times
        due = np.where(table[:, TIMES] > 0, own - np.nan_to_num(table[:, LAST]), 0.0)
        return np.maximum(order, due)

    def _codes(self, shop: Shop) -> tuple[I32, Text]:
        """From the shop's product codes to the model's; products it does not know are appended in the shop's order."""
        recode = np.append(positions(shop.product_ids, self.product_ids_), NONE).astype(np.int32)
        unknown = np.flatnonzero(recode[:-1] == NONE)
        recode[unknown] = len(self.product_ids_) + np.arange(len(unknown), dtype=np.int32)
        return recode, np.concatenate([self.product_ids_, shop.product_ids[unknown]])


def _sample(customers: I32, most: int, rng: np.random.Generator) -> I32:
    """At most `most` of the customers, sorted."""
    return customers if len(customers) <= most else np.sort(rng.permutation(customers)[:most])


def _calibrator_inputs(score: F64, table: F32) -> F32:
    """Rank score, whether the product is new, and the customer's habits."""
    columns = [NAMES.index("new"), *(NAMES.index(f"customer_{name}") for name in CALIBRATED_ON)]
    return np.column_stack([score.astype(np.float32), table[:, columns]])


def _list(found: Candidates, best: I64, probability: F64, wait: F64, as_of: int) -> ProductList:
    """The chosen rows as a list of products; `best` is (customers, top), -1 past the end."""
    empty = ProductList.empty(*best.shape)
    there = best >= 0
    rows = best[there]
    empty.product[there] = found.product[rows]
    empty.probability[there] = probability[rows]
    empty.expected_at[there] = as_of + np.rint(wait[rows] * DAY).astype(np.int64)
    empty.times[there] = found.evidence[rows, TIMES]
    empty.last_days[there] = found.evidence[rows, LAST]
    empty.gap_days[there] = found.evidence[rows, GAP]
    return empty
