"""The calendar: where in the year a moment lies, and when a birthday comes round."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from regulars.features.shop import I64, NEVER


def day_of_year(moment: I64) -> I64:
    """(n,) 1 for a moment on 1 January, 366 for one on 31 December of a leap year."""
    day = moment.view("datetime64[us]").astype("datetime64[D]")
    first = day.astype("datetime64[Y]").astype("datetime64[D]")
    return np.asarray((day - first).astype(np.int64) + 1)


def days_to_birthday(born: I64, moment: I64 | int) -> NDArray[np.float64]:
    """Whole days until the next birthday, 0 on the day, NaN where unknown; 29 February is 1 March in other years.

    Args:
        born: (n,) days of birth, as microseconds; `NEVER` where unknown.
        moment: (n,) moments, or one.
    """
    known = born != NEVER
    date = np.where(known, born, 0).view("datetime64[us]")
    month = date.astype("datetime64[M]")
    day = date.astype("datetime64[D]") - month.astype("datetime64[D]")
    month_of_year = month.astype(np.int64) % 12
    today = np.asarray(moment, dtype=np.int64).view("datetime64[us]").astype("datetime64[D]")
    year = today.astype("datetime64[Y]").astype(np.int64)
    here, later = (
        ((year + more) * 12 + month_of_year).astype("datetime64[M]").astype("datetime64[D]") + day for more in (0, 1)
    )
    coming = np.where(here >= today, here, later)
    return np.where(known, (coming - today).astype(np.int64), np.nan)
