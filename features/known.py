"""What was last known of a customer or a product at a moment, from rows that each say since when they hold."""

from __future__ import annotations

import numpy as np

from regulars.features.shop import I32, I64, NEVER, NONE


def last_known(key: I32, time: I64, visible: I64, keys: int, moment: int, *, undated: bool) -> I64:
    """(keys,) position of the last row of each key that was visible before the moment; `NONE` where there is none.

    Args:
        key: (rows,) codes below `keys`.
        time: (rows,) since when each row holds; `NEVER`, the smallest number, for a row without a date, which any other
            comes after. Of two rows of one time the later in the table counts.
        visible: (rows,) when each row became known.
        keys: number of keys.
        moment: in microseconds.
        undated: whether rows without a date count: they say what is true now, which may not have been true then.
    """
    rows = np.flatnonzero((visible < moment) & (key >= 0) & (undated | (visible != NEVER)))
    order = rows[np.argsort(time[rows], kind="stable")]
    out = np.full(keys, NONE, dtype=np.int64)
    out[key[order]] = order
    return out
