"""Order lines with prices, costs and discounts, their returns, and the orders of guests."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from regulars.datasets.simulate.arrays import Columns, Floats
from regulars.datasets.simulate.assortment import Assortment
from regulars.datasets.simulate.baskets import Shelves
from regulars.datasets.simulate.catalogue import CATEGORIES
from regulars.datasets.simulate.parameters import ShopParameters
from regulars.datasets.simulate.traits import Traits

CHANNELS = ("web", "app", "phone")
_CHANNEL_SHARES = np.array([0.65, 0.22, 0.13])
_DISCOUNTS = np.array([0.05, 0.10, 0.15, 0.20])


def price_lines(
    parameters: ShopParameters,
    assortment: Assortment,
    orders: Columns,
    lines: Columns,
    return_proneness: Floats,
    rng: Generator,
) -> Columns:
    """Lines and returns: order, customer, time, product, quantity, unit_price, discount, unit_cost, channel.

    `orders` needs customer (-1: guest) and time; `return_proneness` has one value per order. A return repeats its
    line's order with a negative quantity, at the price that was paid for a piece.
    """
    order, product, quantity = lines["order"], lines["product"], lines["quantity"]
    time = orders["time"][order]
    day = np.floor(time).astype(np.int64)
    price = np.round(assortment.price[product] * (1 + parameters.inflation_per_year) ** (day / 365.25), 2)
    share = rng.choice(_DISCOUNTS, len(order)) * (rng.random(len(order)) < parameters.discount_share)
    bought: Columns = {
        "order": order,
        "customer": orders["customer"][order],
        "time": time,
        "product": product,
        "quantity": quantity,
        "unit_price": price,
        "discount": np.round(price * quantity * share, 2),
        "unit_cost": assortment.unit_cost(product, day),
        "channel": rng.choice(len(CHANNELS), len(orders["time"]), p=_CHANNEL_SHARES)[order],
    }
    returned = _returns(parameters, assortment, bought, return_proneness, rng)
    return {name: np.concatenate((column, returned[name])) for name, column in bought.items()}


def line_margin(lines: Columns) -> Floats:
    """Contribution of each line in currency units, negative for most returns."""
    return np.asarray((lines["unit_price"] - lines["unit_cost"]) * lines["quantity"] - lines["discount"])


def guest_orders(
    parameters: ShopParameters, assortment: Assortment, orders: Columns, rng: Generator
) -> tuple[Columns, Columns]:
    """Orders (customer -1, time) and lines of guests, at times like those of the customers."""
    count = round(len(orders["time"]) * parameters.guest_share / max(1 - parameters.guest_share, 0.01))
    day = np.floor(rng.choice(orders["time"], count))
    time = day + rng.uniform(7.0, 23.0, count) / 24
    order = np.repeat(np.arange(count), 1 + rng.poisson(1.2, count))
    shelves = Shelves(assortment)
    lasting = rng.random(len(order)) < 0.15
    category, line_day = rng.integers(0, len(CATEGORIES), len(order)), day[order].astype(np.int64)
    product = np.where(
        lasting, shelves.durable.draw(category, line_day, rng), shelves.impulse.draw(category, line_day, rng)
    )
    found = product >= 0
    lines: Columns = {
        "order": order[found],
        "product": product[found],
        "quantity": np.where(lasting, 1, 1 + rng.poisson(0.4, len(order)))[found],
    }
    return {"customer": np.full(count, -1), "time": time}, lines


def all_lines(
    parameters: ShopParameters,
    assortment: Assortment,
    traits: Traits,
    orders: Columns,
    basket_lines: Columns,
    rng: Generator,
) -> Columns:
    """Lines of customers and guests with their returns, by time; `order` numbers all orders by time.

    `process_order` is the row of `orders` that a line belongs to, -1 for guests.
    """
    guests, guest_lines = guest_orders(parameters, assortment, orders, rng)
    n = len(orders["time"])
    both: Columns = {name: np.concatenate((orders[name], guests[name])) for name in ("customer", "time")}
    shifted = guest_lines | {"order": guest_lines["order"] + n}
    lines = {name: np.concatenate((basket_lines[name], shifted[name])) for name in shifted}
    proneness = np.where(both["customer"] >= 0, traits.return_proneness[both["customer"]], 1.0)
    priced = price_lines(parameters, assortment, both, lines, proneness, rng)
    number = np.empty(len(both["time"]), dtype=np.int64)
    number[np.argsort(both["time"], kind="stable")] = np.arange(len(number))
    priced["process_order"] = np.where(priced["order"] < n, priced["order"], -1)
    priced["order"] = number[priced["order"]]
    by_time = np.lexsort((priced["product"], priced["order"], priced["time"]))
    return {name: column[by_time] for name, column in priced.items()}


def _returns(
    parameters: ShopParameters, assortment: Assortment, bought: Columns, return_proneness: Floats, rng: Generator
) -> Columns:
    """Some lines come back in part or whole, three days or more after the order, in working hours."""
    share = np.array([kind.returned for kind in assortment.kinds])[assortment.kind[bought["product"]]]
    chance = np.minimum(share * parameters.return_factor * return_proneness[bought["order"]], 0.6)
    row = np.flatnonzero(rng.random(len(chance)) < chance)
    returned = {name: column[row] for name, column in bought.items()}
    pieces, paid = returned["quantity"], returned["unit_price"] - returned["discount"] / returned["quantity"]
    back = np.floor(returned["time"]) + 3 + rng.exponential(8.0, len(row)).astype(np.int64)
    return returned | {
        "time": back + rng.uniform(9, 17, len(row)) / 24,
        "quantity": -rng.integers(1, pieces + 1),
        "unit_price": np.round(paid, 2),
        "discount": np.zeros(len(row)),
    }
