"""A shop with known truth, drawn from a written-down model (docs/simulator.md).

Customers sign up, buy, complain, are written to, and leave in silence; the shop's tables show only what a real shop
would see, and the truth frames show the rest: who has left and when, the probability of no order that the model itself
gives, what a contact would have changed, which product leads to which. Figures from it are simulated figures.
"""

from __future__ import annotations

from regulars.datasets.simulate.parameters import ShopParameters
from regulars.datasets.simulate.shop import SimulatedShop, simulate_shop
from regulars.datasets.simulate.write import write_shop, write_simulated_shop

__all__ = ["ShopParameters", "SimulatedShop", "simulate_shop", "write_shop", "write_simulated_shop"]
