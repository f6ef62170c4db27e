"""The table that candidates are ranked by: one row per customer and product, one column per piece of evidence.

Only division, subtraction and multiplication are used: they round alike for one row and for many, and trees do not
care about logarithms.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from regulars.models.candidates import Candidates
from regulars.models.catalogue import COLUMNS, Catalogue
from regulars.models.own_history import EVIDENCE, FIRST, GAP, HABITS, LAST, NEAR, OWN, TIMES

F32 = NDArray[np.float32]

ALPHA = 0.1
"""Weight of a customer's own vector against the neighbours' mean (Hu et al. 2020, tuned on Ta-Feng)."""
DERIVED = (
    "taste",  # own vector and neighbours' mean together
    "basket_share",  # baskets with it
    "rate",  # purchases a day since the first
    "due",  # days since last over the customer's usual gap
    "due_usual",  # days since last over everybody's usual gap
    "skipped_days",  # days between its last purchase and the last basket
    "price_ratio",  # its price over what the customer usually pays a piece
    "new",  # never bought by the customer
)
NAMES = (*EVIDENCE, *(f"customer_{name}" for name in HABITS), *(f"product_{name}" for name in COLUMNS), *DERIVED)


def taste(candidates: Candidates) -> F32:
    """The score of temporal item frequency with neighbours: `ALPHA` own, the rest the neighbours' mean."""
    return np.float32(ALPHA) * candidates.evidence[:, OWN] + np.float32(1 - ALPHA) * candidates.evidence[:, NEAR]


def ranking_table(candidates: Candidates, catalogue: Catalogue) -> F32:
    """(rows, `NAMES`) float32; NaN where something does not apply."""
    evidence, rows = candidates.evidence, len(candidates)
    table = np.empty((rows, len(NAMES)), dtype=np.float32)
    habits = table[:, len(EVIDENCE) : len(EVIDENCE) + len(HABITS)]
    products = table[:, len(EVIDENCE) + len(HABITS) : len(NAMES) - len(DERIVED)]
    table[:, : len(EVIDENCE)] = evidence
    habits[:] = candidates.habits[candidates.row]
    unknown = len(catalogue.table) - 1
    products[:] = catalogue.table[np.minimum(candidates.product, unknown)]
    with np.errstate(divide="ignore", invalid="ignore"):
        derived = (
            taste(candidates),
            evidence[:, TIMES] / habits[:, HABITS.index("baskets")],
            evidence[:, TIMES] / (evidence[:, FIRST] + np.float32(1)),
            evidence[:, LAST] / evidence[:, GAP],
            evidence[:, LAST] / products[:, COLUMNS.index("gap_days")],
            evidence[:, LAST] - habits[:, HABITS.index("quiet_days")],
            products[:, COLUMNS.index("price")] / habits[:, HABITS.index("paid")],
            (evidence[:, TIMES] == 0).astype(np.float32),
        )
    for column, values in enumerate(derived, start=len(NAMES) - len(DERIVED)):
        table[:, column] = values
    return table
