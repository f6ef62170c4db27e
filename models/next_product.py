"""What a customer buys next, again or for the first time: candidates, an order, and honest probabilities.

A few hundred products are considered for each customer (`candidates`), trees put them in order and say how likely each
is (`rankers`), and the customer's own rhythm says when. Everything is learnt from moments of the past, at which only
what was known then is looked at.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from regulars.features.baskets import Baskets, PurchaseLog
from regulars.features.holdings import basket_holdings, customer_holdings
from regulars.features.logs import known_row
from regulars.features.pairings import accessories, main_first, sequences
from regulars.features.shop import DAY, I32, I64, Shop, Text
from regulars.models.candidate_sources import Limits
from regulars.models.candidates import Candidates, ShopContext, collect
from regulars.models.catalogue import COLUMNS, catalogue_at
from regulars.models.code_book import CodeBook
from regulars.models.factors import find_factors
from regulars.models.neighbours import build_pool
from regulars.models.next_product_reasons import explain
from regulars.models.next_product_state import restore, state_of
from regulars.models.own_history import GAP, HABITS, LAST, TIMES
from regulars.models.peer_groups import peer_groups
from regulars.models.product_links import WHOLE, strongest_links
from regulars.models.rankers import CALIBRATING_NEGATIVES, Growing, Rankers, TrainingRows
from regulars.models.ranking_table import NAMES, ranking_table
from regulars.models.recommendations import ProductList, Recommendations, first_of, in_order
from regulars.models.shelves import shelves, shelves_of
from regulars.models.state import State

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

CALIBRATES = 0.4
"""Customers by whom the calibrator is fitted, as a share of those by whom ranks are learnt; they are others."""
NEWCOMERS = 0.1
"""Customers with no order yet by whom ranks are learnt too, as a share of the others."""
CLOSEST = 3
"""Training moments are at least the horizon over this apart, and at most the horizon."""
SHORTLIST = 60
"""Candidates of a customer that all rankers look at (or thrice the length of the lists); the first one chooses them."""
CUSTOMERS_AT_ONCE = 512
"""Customers whose candidates are in memory at a time, for each thread."""


class _Past(NamedTuple):
    """A shop that is learnt from: its tables, the table from its product codes to the model's, and its log."""

    shop: Shop
    recode: I32
    log: PurchaseLog


class NextProductModel(BaseEstimator):  # type: ignore[misc]
    """Ranks products by the chance to be bought in `[as_of, as_of + horizon_days)`.

    Args:
        horizon_days: the window in which a product counts as bought next.
        candidates: how many products are considered, and how neighbours are found.
        moments: training moments at most, the last one horizon before `until`, and a horizon apart where the history is
            long enough.
        customers_per_moment: customers at each by whom ranks are learnt, among those who came in the window after it.
        negatives: share of the candidates not bought that a ranker sees.
        pool: customers kept as possible neighbours.
        mine: whether sequences and accessories are mined too (`sequences_`, `accessories_`).
        trees, learning_rate, leaves: of each of the two rankers.
        trust_undated: whether what is told of customers and products without `valid_from` counts as always true.
        seed: of the samples.
        threads: of the work; the answer does not depend on it.
    """

    def __init__(
        self,
        horizon_days: int = 90,
        candidates: Limits = Limits(),  # noqa: B008 - immutable
        moments: int = 4,
        customers_per_moment: int = 2_000,
        negatives: float = 0.12,
        pool: int = 20_000,
        mine: bool = True,
        trees: int = 100,
        learning_rate: float = 0.08,
        leaves: int = 31,
        trust_undated: bool = False,
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
        self.trust_undated = trust_undated
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
        past = _Past(shop, recode, log)
        parts = [self._training_rows(past, moment, until, rng) for moment in self._moments(log, until)]
        how = Growing(self.trees, self.learning_rate, self.leaves, self.negatives, self.seed, self.threads)
        self.rankers_ = Rankers.learn(parts, how, rng)
        known = log.before(until)
        self.context_ = self._context(past, known, rng)
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
        groups = self.context_.groups.of_customers(shop, customers, as_of)
        lists = [ProductList.empty(len(customers), top) for _ in range(2)]

        def answer(begin: int) -> None:
            some = slice(begin, begin + CUSTOMERS_AT_ONCE)
            found = self._collect(baskets, customers[some], groups[some], self.context_, len(product_ids), 1)
            for every, part in zip(lists, self._lists(found, len(customers[some]), as_of, top), strict=True):
                every.put(some, part)

        begins = range(0, len(customers), CUSTOMERS_AT_ONCE)
        if self.threads > 1 and len(begins) > 1:
            with ThreadPoolExecutor(self.threads) as executor:
                list(executor.map(answer, begins))
        else:
            for begin in begins:
                answer(begin)
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
        """Training moments with at least one horizon of history before them, spread over the history."""
        if len(log.time) == 0:
            return []
        begin, last = int(log.time.min()) + self.horizon, until - self.horizon
        # Windows that overlap say little that is new, and moments long ago less of today.
        step = min(max((last - begin) // max(self.moments - 1, 1), self.horizon // CLOSEST), self.horizon)
        return [last - k * step for k in range(self.moments) if last - k * step >= begin]

    def _context(self, past: _Past, baskets: Baskets, rng: np.random.Generator) -> ShopContext:
        """What the whole shop says at the baskets' moment."""
        products, trusted = len(self.codes_), self.trust_undated
        members = _sample(baskets.buyers(), self.pool, rng)
        first, last = baskets.rows_of(members)
        limits, held = self.candidates, customer_holdings(baskets, products)
        catalogue = catalogue_at(baskets, products, self.horizon)
        pool = build_pool(
            first, last, baskets.product, baskets.basket, products, limits.groups, limits.within, limits.between
        )
        shelf = shelves_of(past.shop, past.recode, products, baskets.moment, undated=trusted)
        return ShopContext(
            catalogue=catalogue,
            together=strongest_links(basket_holdings(baskets, products), 0, WHOLE),
            after=strongest_links(held, 1, self.horizon),
            alike=strongest_links(held, -WHOLE, WHOLE),
            pool=pool,
            factors=find_factors(pool, products, self.seed),
            shelves=shelves(shelf, catalogue.popular),
            groups=peer_groups(past.shop, baskets, products, catalogue.on_sale, undated=trusted),
        )

    def _collect(
        self, baskets: Baskets, customers: I32, groups: I32, context: ShopContext, products: int, threads: int
    ) -> Candidates:
        return collect(baskets, customers, groups, context, products, self.horizon, self.candidates, threads)

    def _training_rows(self, past: _Past, moment: int, until: int, rng: np.random.Generator) -> TrainingRows:
        """Candidates of a sample of customers at `moment`, and which of them were bought in the window after it."""
        products, log = len(self.codes_), past.log
        baskets = log.before(moment)
        context = self._context(past, baskets, rng)
        who, what = log.bought_between(moment, moment + self.horizon, until)
        everybody = baskets.buyers()
        some = _sample(everybody, int(CALIBRATES * min(self.customers_per_moment, len(everybody))), rng)
        came = np.setdiff1d(np.intersect1d(everybody, who), some)
        first = _sample(np.setdiff1d(who, everybody), int(NEWCOMERS * self.customers_per_moment), rng)
        learnt = np.union1d(_sample(came, self.customers_per_moment, rng), first)
        customers = np.union1d(some, learnt).astype(np.int32)
        calibrates = np.isin(customers, some)
        groups = context.groups.of_customers(past.shop, customers, moment)
        found = self._collect(baskets, customers, groups, context, products, self.threads)
        label = np.isin(
            customers[found.row].astype(np.int64) * products + found.product, who.astype(np.int64) * products + what
        )
        bought = np.searchsorted(who, customers, side="right") - np.searchsorted(who, customers)
        table = ranking_table(found, context.catalogue)
        used = label | ~calibrates[found.row] | (rng.random(len(label)) < CALIBRATING_NEGATIVES)
        return TrainingRows(
            table[used], label[used], found.row[used], bought[found.row][used], calibrates[found.row][used]
        )

    def _lists(self, found: Candidates, customers: int, as_of: int, top: int) -> list[ProductList]:
        """The best candidates of each customer, and the best of those that are new to them."""
        table = ranking_table(found, self.context_.catalogue)
        if self.rankers_ is None:
            rows = np.arange(len(found))
            chance = ties = _counted(found, table)
        else:
            first = self.rankers_.first_scores(table)
            rows = _shortlist(found, customers, first, max(SHORTLIST, 3 * top))
            chance, ties = self.rankers_.answers(table[rows], first[rows])
        short = found.take(rows)
        wait, order = self._wait(short), in_order(short.row, (chance, ties), short.product)
        return [
            _list(short, first_of(some, short.row, customers, top), chance, wait, as_of)
            for some in (order, _new_of(short, order))
        ]

    def _wait(self, found: Candidates) -> F64:
        """Days until each candidate is expected: when its own gap is over, but not before the customer's next basket.

        Both gaps are drawn to what is usual in the shop by one observation; whoever is late is expected within a
        quarter of their gap.
        """
        catalogue = self.context_.catalogue
        baskets, gap, quiet = (
            _known(found.habits[:, HABITS.index(name)]) for name in ("baskets", "basket_gap_days", "quiet_days")
        )
        gap = (gap * np.maximum(baskets - 1, 0) + catalogue.basket_gap_days) / np.maximum(baskets, 1)
        order = np.maximum(gap - quiet, gap / 4)[found.row]
        usual = catalogue.table[np.minimum(found.product, len(catalogue.table) - 1), COLUMNS.index("gap_days")]
        usual = np.where(np.isnan(usual), catalogue.basket_gap_days, usual)
        bought, own_gap, last = (_known(found.evidence[:, column]) for column in (TIMES, GAP, LAST))
        times = np.maximum(bought, 1)
        due = np.where(bought > 0, (own_gap * (times - 1) + usual) / times - last, 0.0)
        return np.maximum(order, due)


def _names(shop: Shop, recode: I32, product_ids: Text, as_of: int) -> Text:
    """What to call each product: its last name visible before `as_of` (undated rows are of today), else its id."""
    names = product_ids.copy()
    if shop.products is not None and shop.has("products.name"):
        named = shop.products.take(np.flatnonzero(shop.products.name >= 0))
        every = np.arange(len(shop.product_ids), dtype=np.int32)
        known = known_row(named, every, np.full(len(every), as_of - 1), trust_undated=True)
        told = every[known >= 0]
        names[recode[told]] = shop.words["products.name"][named.name[known[told]]]
    return names


def _sample(customers: I32, most: int, rng: np.random.Generator) -> I32:
    """At most `most` of the customers, sorted."""
    return customers if len(customers) <= most else np.sort(rng.permutation(customers)[:most])


def _shortlist(found: Candidates, customers: int, score: F64, most: int) -> I64:
    """Rows, rising, of each customer's best candidates, and of the best among those that are new to them."""
    order = in_order(found.row, (score,), found.product)
    chosen = np.zeros(len(found) + 1, dtype=bool)  # the last one is for what lies past a list's end
    for some in (order, _new_of(found, order)):
        chosen[first_of(some, found.row, customers, most)] = True
    return np.flatnonzero(chosen[:-1])


def _new_of(found: Candidates, rows: I64) -> I64:
    """Those of the rows whose product the customer has never bought."""
    new: I64 = rows[found.evidence[rows, TIMES] == 0]
    return new


def _known(values: F32) -> F64:
    """The values in double precision, 0 where there is none."""
    return np.where(np.isnan(values), 0.0, values.astype(np.float64))


def _counted(found: Candidates, table: F32) -> F64:
    """Where nothing was learnt: purchases in one basket more than there were, that one a typical one of the shop."""
    share = np.nan_to_num(table[:, NAMES.index("product_share_year")].astype(np.float64))
    baskets = np.nan_to_num(table[:, NAMES.index("customer_baskets")].astype(np.float64))
    return np.minimum((found.evidence[:, TIMES] + share) / (baskets + 1.0), 1.0)


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
