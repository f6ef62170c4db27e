"""The best few of many, compiled.

A heap holds the best that were met so far, the worst of them on top; most of the others are only compared with that
one. NumPy's partition and sorts would do as well, but they take many seconds to compile.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from regulars.features.kernels import ZERO
from regulars.features.shop import I64

F64 = NDArray[np.float64]


@numba.njit(cache=True, nogil=True)
def _sink(score: F64, heap: I64, place: int, size: int) -> None:
    """Puts the name at `place` where it belongs: above it nobody is better, of the same score nobody comes earlier."""
    name = heap[place]
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        below = heap[child]
        if child + 1 < size:
            other = heap[child + 1]
            if score[other] < score[below] or (score[other] == score[below] and other > below):
                child, below = child + 1, other
        if score[below] > score[name] or (score[below] == score[name] and below < name):
            break
        heap[place] = below
        place = child
    heap[place] = name


@numba.njit(cache=True, nogil=True)
def largest(score: F64, names: I64, most: int) -> I64:
    """The `most` of `names` with the largest scores, best first; of the same score the smaller name first.

    Args:
        score: by name; no NaN.
        names: no name twice.
        most: how many at most.
    """
    size, top = min(most, len(names)), ZERO  # a plain 0 in the calls would have `_sink` compiled once more
    heap = names[:size].copy()
    for place in range(size // 2 - 1, -1, -1):
        _sink(score, heap, place, size)
    for i in range(size, len(names) if size > 0 else 0):
        name, worst = names[i], heap[top]
        if score[name] > score[worst] or (score[name] == score[worst] and name < worst):
            heap[top] = name
            _sink(score, heap, top, size)
    for end in range(size - 1, 0, -1):
        heap[top], heap[end] = heap[end], heap[top]
        _sink(score, heap, top, end)
    return heap
