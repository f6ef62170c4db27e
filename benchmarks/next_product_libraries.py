"""Peers of benchmarks/next_product.py that other libraries make: implicit's factor models and RecTools' SASRec.

Their libraries are imported where they are used, since they live in an environment of their own.
"""

from __future__ import annotations

import os
from typing import Any, Self

import numpy as np
from next_product_methods import NOTHING, Array, History, taste

THREADS = int(os.environ.get("OMP_NUM_THREADS", "2"))


class Factors:
    """Scores of a model of implicit: the product of the customer's factors and the products'."""

    model: Any
    buyers: Array

    def learn(self, model: Any, history: History, weight: float = 1.0) -> Self:
        """Fits on who bought what, weighing purchases by 1 + log of the baskets."""
        self.buyers, self.model = history.buyers, model
        bought = (taste(history, counts=True) * weight).astype(np.float32)
        self.sold = np.asarray(bought.getnnz(axis=0) > 0)
        model.fit(bought, show_progress=False)
        return self

    def scores(self, customers: Array) -> Array:
        """Nothing for products that nobody bought."""
        rows = np.searchsorted(self.buyers, customers)
        found = np.asarray(self.model.user_factors[rows] @ self.model.item_factors.T, dtype=np.float64)
        return np.where(self.sold[None, :], found, NOTHING)


class Als(Factors):
    """Alternating least squares (Hu, Koren and Volinsky 2008), 15 iterations."""

    def __init__(self, factors: int = 64, weight: float = 10.0, regularization: float = 0.05) -> None:
        self.factors, self.weight, self.regularization = factors, weight, regularization

    def fit(self, history: History) -> Self:
        """On everybody's purchases, weighed by `weight`."""
        from implicit.als import AlternatingLeastSquares

        settings = {"factors": self.factors, "regularization": self.regularization, "iterations": 15}
        model = AlternatingLeastSquares(**settings, use_gpu=False, random_state=0, num_threads=THREADS)
        return self.learn(model, history, self.weight)


class Bpr(Factors):
    """Bayesian personalised ranking (Rendle et al. 2009), 64 factors, 100 iterations."""

    def __init__(self, learning_rate: float = 0.05, regularization: float = 0.01) -> None:
        self.learning_rate, self.regularization = learning_rate, regularization

    def fit(self, history: History) -> Self:
        """On everybody's purchases."""
        from implicit.bpr import BayesianPersonalizedRanking

        settings = {"learning_rate": self.learning_rate, "regularization": self.regularization, "iterations": 100}
        # One thread: with more the answer is another every time.
        model = BayesianPersonalizedRanking(factors=64, **settings, use_gpu=False, random_state=0, num_threads=1)
        return self.learn(model, history)


class SasRec:
    """SASRec (Kang and McAuley 2018) by RecTools: the next product after the last `length` products bought.

    Products of one basket stand one after another. Loss: softmax over the whole catalogue.
    """

    def __init__(self, epochs: int = 8, length: int = 32, factors: int = 64) -> None:
        self.epochs, self.length, self.factors = epochs, length, factors

    def fit(self, history: History) -> Self:
        """On everybody's sequence."""
        import pandas as pd
        import torch
        from rectools.dataset import Dataset
        from rectools.models import SASRecModel

        torch.manual_seed(0)
        torch.set_num_threads(THREADS)
        known = history.known
        # Whole seconds, which also keep the products of a basket in one order.
        when = pd.Timestamp("2000-01-01") + pd.to_timedelta(np.round(known.day * 86_400).astype(np.int64), unit="s")
        bought = pd.DataFrame({"user_id": known.customer, "item_id": known.product, "weight": 1.0, "datetime": when})
        self.products = history.products
        self.data = Dataset.construct(bought)
        self.model = SASRecModel(
            n_blocks=2,
            n_heads=2,
            n_factors=self.factors,
            session_max_len=self.length,
            loss="softmax",
            epochs=self.epochs,
            deterministic=True,
            verbose=0,
            recommend_n_threads=THREADS,
        )
        self.model.fit(self.data)
        return self

    def scores(self, customers: Array) -> Array:
        """Minus the place in the list of the best 400, which is all that is read of the scores."""
        found = self.model.recommend(customers, self.data, k=400, filter_viewed=False)
        out = np.full((len(customers), self.products), NOTHING)
        rows = np.searchsorted(customers, found["user_id"].to_numpy())
        out[rows, found["item_id"].to_numpy()] = -found["rank"].to_numpy()
        return out
