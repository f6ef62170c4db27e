"""Types of the simulator's arrays, its stand-in for 'no day', and how its loops are compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Columns = dict[str, NDArray[Any]]

NEVER = 1_000_000
"""A day that no simulation reaches."""

compiled = njit(cache=True, nogil=True, error_model="numpy")
"""No divisor in these loops is zero, so none is looked at."""
