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
from regulars.features.holdings import basket_holdings, customer_holdings
from regulars.features.pairings import accessories, main_first, sequences
from regulars.features.shop import DAY, I32, I64, Shop, Text
from regulars.models.candidates import GAP, HABITS, LAST, TIMES, Candidates, Limits, ShopContext, collect
from regulars.models.catalogue import COLUMNS, catalogue_at
from regulars.models.code_book import CodeBook
from regulars.models.neighbours import build_pool
from regulars.models.next_product_reasons import explain
from regulars.models.next_product_state import restore, state_of
from regulars.models.product_links import WHOLE, strongest_links
from regulars.models.ranking_table import NAMES, ranking_table
from regulars.models.recommendations import ProductList, Recommendations, ranked
from regulars.models.state import State

if TYPE_CHECKING:
    import lightgbm

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

CALIBRATED_ON = ("baskets", "quiet_days", "basket_gap_days", "basket_size", "baskets_lately")
"""Habits that say whether a customer comes, and how much they then take."""
CALIBRATOR_TREES = 100
ROWS_PER_THREAD = 100_000
"""Rows below which another thread of LightGBM waits more than it works."""
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
        mine: whether sequences and accessories are mined too (`sequences_`, `accessories_`).
        trees, learning_rate, leaves: of the ranker.
        seed: of the samples.
        threads: of the work; the answer does not depend on it.
    """

    def __init__(
        self,
        horizon_days: int = 90,
        candidates: Limits = Limits(),  # noqa: B008 - immutable
        moments: int = 3,
        customers_per_moment: int = 2_000,
        negatives: float = 0.2,
        pool: int = 20_000,
        mine: bool = True,
        trees: int = 80,
        learning_rate: float = 0.1,
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
        self.mine = mine
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
        self.codes_, recode = CodeBook.of(shop, np.unique(log.product))
        log = log.recoded(recode)
        self.until_ = until
        rng = np.random.default_rng(self.seed)
        parts = [self._training_rows(log, moment, until, rng) for moment in self._moments(log, until)]
        self.ranker_, self.calibrator_ = self._learn(parts)
        known = log.before(until)
        self.context_ = self._context(known, rng)
        mined = known if self.mine else known.empty()
        self.sequences_ = sequences(mined, len(self.codes_))
        self.accessories_ = main_first(accessories(mined, len(self.codes_)), self.context_.catalogue.prices)
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
        recode, product_ids = self.codes_.extended(shop)
        baskets = PurchaseLog.of(shop, customers).recoded(recode).before(as_of)
        found = self._collect(baskets, customers, self.context_, len(product_ids))
        score, probability = self._score(found)
        wait = self._wait(found)
        lists = []
        for rows in (np.arange(len(found)), np.flatnonzero(found.evidence[:, TIMES] == 0)):
            best = ranked(found.row[rows], len(customers), score[rows], found.product[rows], top)
            lists.append(_list(found, np.append(rows, -1)[best], probability, wait, as_of))
        return Recommendations(customers, as_of, product_ids, *lists)

    def reasons(self, shop: Shop, found: Recommendations) -> tuple[Text, Text]:
        """Why each product of `found.all` and of `found.new` is there, (customers, top) text, made on demand.

        Products are called by their last name visible before the moment, else by their id.
        """
        recode, product_ids = self.codes_.extended(shop)
        baskets = PurchaseLog.of(shop, found.customers).recoded(recode).before(found.as_of)
        names = _names(shop, recode, product_ids, found.as_of)
        every, first = (explain(found, chosen, baskets, self.context_, names) for chosen in (found.all, found.new))
        return every, first

    def state(self) -> State:
        """The fitted model's parts."""
        return state_of(self)

    @classmethod
    def from_state(cls, state: State) -> Self:
        """The model that gave these parts."""
        return restore(cls, state)  # type: ignore[no-any-return]

    def _moments(self, log: PurchaseLog, until: int) -> list[int]:
        """Training moments with at least one horizon of history before them."""
        if len(log.time) == 0:
            return []
        begin = int(log.time.min()) + self.horizon
        return [m for k in range(1, self.moments + 1) if (m := until - k * self.horizon) >= begin]

    def _context(self, baskets: Baskets, rng: np.random.Generator) -> ShopContext:
        """What the whole shop says at the baskets' moment."""
        products = len(self.codes_)
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
        products = len(self.codes_)
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
        ranker = self._boost(
            table[ranks], label[ranks], weight[ranks], self.trees, {"num_leaves": self.leaves, "feature_fraction": 0.5}
        )
        score = ranker.predict(table[calibrates], raw_score=True, num_threads=self._threads(int(calibrates.sum())))
        inputs = _calibrator_inputs(np.asarray(score), table[calibrates])
        how = {"num_leaves": 15, "learning_rate": 0.1, "monotone_constraints": [1] + [0] * (inputs.shape[1] - 1)}
        return ranker, self._boost(inputs, label[calibrates], weight[calibrates], CALIBRATOR_TREES, how)

    def _threads(self, rows: int) -> int:
        return max(1, min(self.threads, rows // ROWS_PER_THREAD))

    def _boost(self, table: F32, label: Any, weight: Any, trees: int, extra: dict[str, Any]) -> lightgbm.Booster:
        """Trees fitted and read back from their text, so that a saved model is this one to the last bit."""
        import lightgbm

        settings = {
            "objective": "binary",
            "learning_rate": self.learning_rate,
            "min_data_in_leaf": max(5, min(200, len(label) // 500)),
            "lambda_l2": 10.0,
            "bagging_fraction": 0.7,
            "bagging_freq": 1,
            "max_bin": 127,
            "seed": self.seed,
            "num_threads": self._threads(len(label)),
            "deterministic": True,
            "force_col_wise": True,
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
        threads = self._threads(len(table))
        score = np.asarray(self.ranker_.predict(table, raw_score=True, num_threads=threads))
        inputs = _calibrator_inputs(score, table)
        return score, np.asarray(self.calibrator_.predict(inputs, num_threads=threads))

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


def _names(shop: Shop, recode: I32, product_ids: Text, as_of: int) -> Text:
    """What to call each product: its last name visible before `as_of` (undated rows are of today), else its id."""
    names = product_ids.copy()
    if shop.products is not None and shop.has("products.name"):
        rows = shop.products.take(np.flatnonzero((shop.products.visible < as_of) & (shop.products.name >= 0)))
        order = np.argsort(rows.time, kind="stable")
        names[recode[rows.product[order]]] = shop.words["products.name"][rows.name[order]]
    return names


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
