"""Latent tastes: what customers' vectors have in common, in a few dozen numbers a product.

Neighbours and links need somebody who holds the very same products. A truncated singular value decomposition of the
customers' vectors finds directions of taste that many of them share, and so says something of pairs of products that
nobody has bought together yet. A customer is placed among the tastes by what they hold (no training on them is
needed), and a product fits as well as its direction does.

Source: Cremonesi, Koren and Turrin 2010, 'Performance of recommender algorithms on top-n recommendation tasks', RecSys
(PureSVD); weights of products that everybody buys are lowered first, as is usual for words.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array
from sklearn.utils.extmath import randomized_svd
from threadpoolctl import threadpool_limits

from regulars.features.shop import I64
from regulars.models.neighbours import Pool

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

DIMENSIONS = 32
COMMON = 0.35
"""Power of the number of holders by which a product's weight is lowered."""
LEAST_MEMBERS = 20
"""Customers below whose number there are no tastes to be found."""


class Factors(NamedTuple):
    """Directions of taste.

    `taste` (products, dimensions) is each product's direction and `length` (products,) its length; `weight` (products,)
    is what a purchase of it counts; `scale` is the mean weight in a vector, by which weights are divided before their
    logarithm is taken.
    """

    taste: F32
    length: F32
    weight: F32
    scale: float


def no_factors(products: int) -> Factors:
    """Tastes of a shop that has too few customers for any."""
    return Factors(
        np.zeros((products, 0), np.float32), np.zeros(products, np.float32), np.zeros(products, np.float32), 1.0
    )


def find_factors(pool: Pool, products: int, seed: int = 0) -> Factors:
    """The tastes of a pool's vectors.

    Args:
        pool: vectors of customers.
        products: number of products.
        seed: of the random start of the decomposition.
    """
    members = len(pool.norm)
    dimensions = min(DIMENSIONS, members // 4, products // 4)
    if members < LEAST_MEMBERS or dimensions == 0:
        return no_factors(products)
    holders = np.bincount(pool.product, minlength=products)
    weight = np.where(holders > 0, np.maximum(holders, 1) ** -COMMON, 0.0)
    scale = float(pool.weight.mean())
    values = np.log1p(pool.weight / scale) * weight[pool.product]
    length = np.sqrt(np.add.reduceat(values**2, pool.start[:-1]))
    vectors = diags_array(1 / length) @ csr_array((values, pool.product, pool.start), (members, products))
    # One thread: several wait for each other on work as small as this, and sum in another order.
    with threadpool_limits(1):
        _, _, taste = randomized_svd(vectors, dimensions, n_iter=3, random_state=seed)
    return factors_of(np.ascontiguousarray(taste.T, dtype=np.float32), weight.astype(np.float32), scale)


def factors_of(taste: F32, weight: F32, scale: float) -> Factors:
    """Tastes from what is stored of them: the lengths follow."""
    return Factors(taste, np.sqrt((taste.astype(np.float64) ** 2).sum(axis=1)).astype(np.float32), weight, scale)


@numba.njit(cache=True, nogil=True)
def place(names: I64, weights: F64, factors: Factors) -> F64:
    """(dimensions,) where a customer stands who holds the products `names` with these weights in their vector."""
    where, length = np.zeros(factors.taste.shape[1]), 0.0
    for i in range(len(names)):
        if names[i] < len(factors.taste):
            value = np.log1p(weights[i] / factors.scale) * factors.weight[names[i]]
            length += value * value
            for k in range(len(where)):
                where[k] += value * factors.taste[names[i], k]
    return where / np.sqrt(length) if length > 0.0 else where


@numba.njit(cache=True, nogil=True)
def fit_of(product: int, where: F64, factors: Factors) -> tuple[float, float]:
    """How well a product fits a customer, and the cosine of the two; 0 where nothing is known."""
    if product >= len(factors.taste):
        return 0.0, 0.0
    dot = 0.0
    for k in range(len(where)):
        dot += where[k] * factors.taste[product, k]
    length = factors.length[product]
    return dot, dot / length if length > 0.0 else 0.0
