"""How far apart customers' chances lie.

Trees that learn slowly, and models that are averaged, tell customers apart less than they could: the probabilities
of the best are too low and of the worst too high. A logistic line from the log odds they gave to what came, fitted on
the rows they have learnt from, stretches them again. On those rows trees look better than they are, the more so in
small shops, so only half of the way is gone: on later windows of Online Retail II (before June 2011) all of it would
have been right, on simulated shops of two thousand customers a little less than half.

Source: Cox 1958, 'Two Further Applications of a Model for Binary Regression', Biometrika 45(3/4), pages 562-565.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from regulars.models.hazard_rows import EDGES, HazardRows
from regulars.models.linear_hazard import correction

F64 = NDArray[np.float64]

BELIEVED = 0.5
"""How much of the stretch found is taken."""


@dataclass(frozen=True)
class Stretch:
    """Log odds z of an order in interval j become z + `slope` (z - `centre`) + `offsets[j]`."""

    centre: float
    slope: float
    offsets: F64

    @classmethod
    def none(cls) -> Self:
        """Leaves log odds as they are."""
        return cls(0.0, 0.0, np.zeros(len(EDGES) - 1))

    @classmethod
    def fit(cls, log_odds: F64, rows: HazardRows) -> Self:
        """The line.

        Args:
            log_odds: (m,) of an order in the interval of each row.
            rows: the intervals, and in which of them the order came.
        """
        centre, spread = float(log_odds.mean()), float(log_odds.std())
        if spread == 0:
            return cls.none()
        column = ((log_odds - centre) / spread)[:, None]
        found = correction(column, rows.interval, log_odds, rows.ordered)
        return cls(centre, BELIEVED * float(found[0]) / spread, BELIEVED * found[1:])

    def of(self, log_odds: F64, interval: int | NDArray[np.integer]) -> F64:
        """(n,) log odds of an order in the interval, or in one (n,) for each, stretched."""
        return np.asarray(log_odds + self.slope * (log_odds - self.centre) + self.offsets[interval])

    def to_dict(self) -> dict[str, Any]:
        """As plain numbers, for JSON."""
        return {"centre": self.centre, "slope": self.slope, "offsets": self.offsets.tolist()}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Self:
        """What `to_dict` described."""
        return cls(saved["centre"], saved["slope"], np.array(saved["offsets"], np.float64))
