"""Large shops are simulated in blocks of customers, each from random numbers of its own, so that memory stays bounded.

A block is a shop's worth of customers who do not meet those of other blocks: referrers are of the same block. What
belongs to the whole shop (the assortment, the calendar, which campaigns go out and what they suggest) is drawn from the
shop's own streams. A shop of one block draws everything from these.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator, SeedSequence

BLOCK_CUSTOMERS = 25_000
"""At most so many customers in a block."""

_STREAMS = ("assortment", "traits", "plan", "process", "suggestions", "baskets", "lines", "service", "people", "tables")

Streams = dict[str, Generator]
"""One stream of random numbers for each part of the model, so that a change to one leaves the draws of the others."""


@dataclass(frozen=True)
class Block:
    """Customers [first_customer, first_customer + customers) of a shop of `count` blocks."""

    number: int
    count: int
    first_customer: int
    customers: int
    shop_customers: int

    def streams(self, seed: int) -> Streams:
        """The block's own streams: they depend on nothing but the seed and the block's number."""
        if self.count == 1:
            return shop_streams(seed)
        return _streams(SeedSequence(seed, spawn_key=(len(_STREAMS), self.number)))


def blocks_of(customers: int, block_customers: int = BLOCK_CUSTOMERS) -> tuple[Block, ...]:
    """The fewest blocks that hold `customers`, as equal in size as can be.

    Raises:
        ValueError: `block_customers` is below 1.
    """
    if block_customers < 1:
        raise ValueError(f"block_customers is {block_customers}; expected a number above 0")
    count = max(1, -(-customers // block_customers))
    edges = [customers * at // count for at in range(count + 1)]
    return tuple(Block(at, count, edges[at], edges[at + 1] - edges[at], customers) for at in range(count))


def shop_streams(seed: int) -> Streams:
    """The streams of the whole shop."""
    return _streams(SeedSequence(seed))


def _streams(root: SeedSequence) -> Streams:
    return {name: np.random.default_rng(one) for name, one in zip(_STREAMS, root.spawn(len(_STREAMS)), strict=True)}
