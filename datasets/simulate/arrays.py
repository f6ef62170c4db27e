"""Types of the simulator's arrays, and its stand-in for 'no day'."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Columns = dict[str, NDArray[Any]]

NEVER = 1_000_000
"""A day that no simulation reaches."""
