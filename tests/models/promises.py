"""What every model promises, whatever it answers. A new model's test class is three lines:

    class TestMyOrderTimes(OrderTimePromises):
        def make(self, seed: int = 0, threads: int = 1) -> MyOrderTimes:
            return MyOrderTimes()

`Promises` holds what is the same for every question; `OrderTimePromises` and `ValuePromises` say how such a model is
fitted and asked, and add what only their answers promise. A model that answers another question gives `training`,
`fit`, `ask` and `take` of its own.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from tests.models.shops import ContractTraining, Training, made_contracts, made_curves, made_shop

from regulars.features.table import FeatureTable
from regulars.models.curves import LAST_DAY
from regulars.serving.parts import from_files, to_files

Answers = Mapping[str, Any]
HORIZONS = (1.0, 10.0, 30.0, 90.0, 100.0, 365.0, LAST_DAY)


def assert_same(found: Answers, expected: Answers) -> None:
    """Equal to the last bit; NaN equals NaN."""
    assert set(found) == set(expected)
    for name, answer in expected.items():
        np.testing.assert_array_equal(found[name], answer, err_msg=name)


def assert_unchanged(data: Any, before: Any) -> None:
    """Dataclasses of arrays, nested, equal to the last bit."""
    if dataclasses.is_dataclass(data):
        for field in dataclasses.fields(data):
            assert_unchanged(getattr(data, field.name), getattr(before, field.name))
    elif isinstance(data, np.ndarray):
        np.testing.assert_array_equal(data, before)
    else:
        assert data == before


class Promises:
    """Promises of every model."""

    def make(self, seed: int = 0, threads: int = 1) -> Any:
        """An unfitted model; one without a seed or threads ignores them."""
        raise NotImplementedError

    def training(self, customers: int = 60, seed: int = 0, reorders: str = "some") -> Any:
        """Data to fit on."""
        return made_shop(customers, seed, reorders)

    def fit(self, model: Any, data: Any) -> Any:
        """The model fitted."""
        raise NotImplementedError

    def ask(self, model: Any, data: Any) -> Answers:
        """All its answers for the rows of the data, by name, each with one entry per row."""
        raise NotImplementedError

    def take(self, data: Any, rows: NDArray[np.integer]) -> Any:
        """The given rows of the data."""
        return data.take(rows)

    @pytest.fixture(scope="class")
    @classmethod
    def data(cls) -> Any:
        return cls().training(300)

    @pytest.fixture(scope="class")
    @classmethod
    def fitted(cls, data: Any) -> Any:
        return cls().fit(cls().make(), data)

    def test_fit_returns_the_model(self, data: Any) -> None:
        model = self.make()

        assert self.fit(model, data) is model

    def test_fit_is_deterministic_and_threads_do_not_matter(self, data: Any, fitted: Any) -> None:
        expected = self.ask(fitted, data)

        assert_same(self.ask(self.fit(self.make(), data), data), expected)
        assert_same(self.ask(self.fit(self.make(threads=3), data), data), expected)

    def test_refitting_starts_afresh(self, data: Any, fitted: Any) -> None:
        model = self.fit(self.make(), self.training(150, seed=7))
        other = self.ask(model, data)

        again = self.ask(self.fit(model, data), data)

        assert_same(again, self.ask(fitted, data))
        assert any(not np.array_equal(other[name], again[name]) for name in again), "the first fit was another one"

    def test_row_order_of_the_training_data_is_irrelevant(self, data: Any, fitted: Any) -> None:
        shuffled = self.take(data, np.random.default_rng(1).permutation(len(data.table)))

        assert_same(self.ask(self.fit(self.make(), shuffled), data), self.ask(fitted, data))

    def test_row_order_of_the_asked_data_is_irrelevant(self, data: Any, fitted: Any) -> None:
        shuffle = np.random.default_rng(2).permutation(len(data.table))
        expected = {name: np.asarray(answer)[shuffle] for name, answer in self.ask(fitted, data).items()}

        assert_same(self.ask(fitted, self.take(data, shuffle)), expected)

    def test_one_customer_equals_the_batch(self, data: Any, fitted: Any) -> None:
        every = self.ask(fitted, data)

        for row in range(0, len(data.table), 37):
            alone = self.ask(fitted, self.take(data, np.array([row])))
            assert_same(alone, {name: np.asarray(answer)[[row]] for name, answer in every.items()})

    def test_stored_as_files_and_made_again_it_answers_the_same(self, data: Any, fitted: Any) -> None:
        files = to_files(fitted.state(), "model")
        again = type(fitted).from_state(from_files(files, "model"))

        assert_same(self.ask(again, data), self.ask(fitted, data))
        assert again.get_params() == fitted.get_params()
        assert to_files(again.state(), "model") == files

    def test_inputs_stay_untouched(self, data: Any) -> None:
        before = copy.deepcopy(data)

        self.ask(self.fit(self.make(), data), data)

        assert_unchanged(data, before)

    def test_parameters_follow_scikit_learn(self, fitted: Any) -> None:
        parameters = fitted.get_params()
        copied = clone(fitted)

        assert copied.get_params() == parameters
        assert not [name for name in vars(copied) if name.endswith("_")], "a clone is not fitted"
        assert type(fitted)().set_params(**parameters).get_params() == parameters
        if parameters:
            with pytest.raises(ValueError, match="Invalid parameter"):
                copied.set_params(no_such_parameter=1)

    def test_unfitted_it_says_so(self, data: Any) -> None:
        with pytest.raises(NotFittedError):
            self.ask(self.make(), data)
        with pytest.raises(NotFittedError):
            self.make().state()

    @pytest.mark.parametrize("customers", [1, 2, 60])
    def test_small_shops_get_an_answer(self, customers: int, data: Any) -> None:
        model = self.fit(self.make(), self.training(customers))

        self.check(model, data)

    @pytest.mark.parametrize("reorders", ["nobody", "everybody"])
    def test_shops_of_one_kind_of_customer_get_an_answer(self, reorders: str, data: Any) -> None:
        one_kind = self.training(60, reorders=reorders)
        model = self.fit(self.make(), one_kind)

        self.check(model, one_kind)
        self.check(model, data)

    def test_no_rows_give_no_answers(self, data: Any, fitted: Any) -> None:
        nobody = self.take(data, np.zeros(0, np.intp))

        assert all(len(answer) == 0 for answer in self.ask(fitted, nobody).values())

    def test_answers_are_in_range(self, data: Any, fitted: Any) -> None:
        self.check(fitted, data)

    def check(self, model: Any, data: Any) -> None:
        """Asserts that all answers are finite and in range."""
        raise NotImplementedError


class TablePromises(Promises):
    """Promises of models that read a feature table."""

    exact_columns: ClassVar[bool] = True
    """Whether the table has to have just the columns that were fitted on; others read a few columns by name."""
    reads: ClassVar[str] = "days_since_last_order"
    """A column that cannot be missing."""

    def test_customers_without_an_order_get_an_answer(self, data: Any, fitted: Any) -> None:
        waiting = np.flatnonzero(data.table.column("orders_total") == 0)
        assert len(waiting) > 0

        self.check(fitted, self.take(data, waiting))

    def test_a_customer_of_whom_nothing_is_known_gets_an_answer(self, data: Any, fitted: Any) -> None:
        few = self.take(data, np.arange(3))
        nothing = dataclasses.replace(few.table, values=np.full_like(few.table.values, np.nan))

        self.check(fitted, dataclasses.replace(few, table=nothing, curves=made_curves(nothing)))

    def test_columns_that_are_missing_or_unknown_are_named(self, data: Any, fitted: Any) -> None:
        with pytest.raises((KeyError, ValueError), match=self.reads):
            self.ask(fitted, with_columns(data, {self.reads: "something_else"}))
        if self.exact_columns:
            with pytest.raises(ValueError, match="unknown something_else"):
                self.ask(fitted, with_columns(data, {"satisfaction": "something_else"}))


def with_columns(data: Any, renamed: Mapping[str, str]) -> Any:
    """The data with columns of its table renamed."""
    table: FeatureTable = data.table
    names = tuple(renamed.get(name, name) for name in table.names)
    return dataclasses.replace(data, table=dataclasses.replace(table, names=names))


class OrderTimePromises(TablePromises):
    """Promises of whatever says when the next orders come."""

    def fit(self, model: Any, data: Training) -> Any:
        return model.fit(data.table, data.orders)

    def ask(self, model: Any, data: Training) -> Answers:
        curves = model.predict_curves(data.table)
        return {
            "curve": curves.survival,
            "pace": curves.pace,
            **{f"churn at {day:g}": curves.churn(day) for day in HORIZONS},
            **{f"orders in {day:g}": curves.expected_orders(day) for day in HORIZONS},
            "median date": curves.quantile_days(0.5),
            "reasons": np.array(["; ".join(mine) for mine in model.reasons(data.table, 90.0)], dtype=np.str_),
        }

    def check(self, model: Any, data: Training) -> None:
        curves = model.predict_curves(data.table)
        assert curves.edges[0] == 0
        assert curves.edges[-1] == LAST_DAY
        assert (curves.survival[:, 0] == 1).all()
        assert ((curves.survival >= 0) & (curves.survival <= 1)).all()
        assert (np.diff(curves.survival, axis=1) <= 0).all()
        assert np.isfinite(curves.pace).all()
        assert (curves.pace >= 0).all()
        orders = np.column_stack([curves.expected_orders(day) for day in HORIZONS])
        churn = np.column_stack([curves.churn(day) for day in HORIZONS])
        assert np.isfinite(orders).all()
        assert (orders >= 1 - churn).all()
        assert (np.diff(orders, axis=1) >= 0).all(), "orders grow with the horizon"
        assert (np.diff(churn, axis=1) <= 0).all(), "churn falls with the horizon"
        reasons = model.reasons(data.table, 90.0, top=2)
        assert [len(mine) for mine in reasons] == [2] * len(data.table)
        assert all(text and "nan" not in text for mine in reasons for text in mine)


class ValuePromises(TablePromises):
    """Promises of whatever says what customers are worth."""

    def fit(self, model: Any, data: Training) -> Any:
        return model.fit(data.table, data.curves, data.value)

    def ask(self, model: Any, data: Training) -> Answers:
        answers = {day: model.predict(data.table, data.curves, day) for day in (30.0, 90.0)}
        return {
            f"{name} in {day:g}": getattr(found, name)
            for day, found in answers.items()
            for name in ("expected", "low", "high")
        }

    def check(self, model: Any, data: Training) -> None:
        shorter = None
        for day in HORIZONS:
            found = model.predict(data.table, data.curves, day)
            assert np.isfinite(found.expected).all()
            assert np.isfinite(found.low).all()
            assert np.isfinite(found.high).all()
            assert (found.low <= found.expected).all()
            assert (found.expected <= found.high).all()
            size = np.abs(found.expected)
            assert shorter is None or (size >= shorter).all(), "the amount grows with the horizon"
            shorter = size


class CancellationPromises(TablePromises):
    """Promises of whatever says when contracts are cancelled."""

    def training(self, customers: int = 60, seed: int = 0, reorders: str = "some") -> ContractTraining:
        return made_contracts(customers, seed, reorders)

    def fit(self, model: Any, data: ContractTraining) -> Any:
        return model.fit(data.table, data.days, data.labels)

    def ask(self, model: Any, data: ContractTraining) -> Answers:
        curves = model.predict_curves(data.table, data.days)
        return {
            **{f"cancelled in {day:g}": curves.cancelled(day) for day in HORIZONS},
            "reasons": np.array(["; ".join(mine) for mine in model.reasons(data.table, data.days, 90.0)], np.str_),
        }

    def check(self, model: Any, data: ContractTraining) -> None:
        curves = model.predict_curves(data.table, data.days)
        cancelled = np.column_stack([curves.cancelled(day) for day in (0.0, *HORIZONS)])
        assert np.isfinite(cancelled).all()
        assert (cancelled[:, 0] == 0).all()
        assert ((cancelled >= 0) & (cancelled <= 1)).all()
        assert (np.diff(cancelled, axis=1) >= 0).all(), "more contracts are cancelled by a later day"
        reasons = model.reasons(data.table, data.days, 90.0, top=2)
        assert [len(mine) for mine in reasons] == [2] * len(data.table)
        assert all(text and "nan" not in text for mine in reasons for text in mine)
