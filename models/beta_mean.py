"""Means over a beta distribution, by Gauss-Jacobi quadrature.

`E[g(P)]` for `P ~ Beta(a, b)` is a sum of `g` at a few nodes. The nodes are the eigenvalues of a small tridiagonal
matrix (Golub and Welsch 1969, 'Calculation of Gauss quadrature rules'), and each weight is one over the sum of the
squared orthonormal polynomials at its node. This is stable for every positive a and b: no gamma function of a large
argument appears, and a density without bound at 0 or 1 is met exactly.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@lru_cache(maxsize=1024)
def beta_nodes(a: float, b: float, count: int) -> tuple[Floats, Floats]:
    """Nodes in (0, 1) and weights with sum 1, exact for polynomials up to degree `2 * count - 1`. Shapes (count,).

    They are kept, because an application that asks about one customer after the other needs the same ones again, and
    cannot be written to.
    """
    from scipy.linalg import eigvalsh_tridiagonal

    k = np.arange(1, count, dtype=np.float64)
    # Three-term recurrence of the Jacobi polynomials on (-1, 1) with weight (1-x)^(b-1) (1+x)^(a-1).
    total = a + b
    first = (a - b) / total
    double = 2 * k + total - 2
    diagonal = np.concatenate(([first], (a - b) * (total - 2) / (double * (double + 2))))
    squared = np.empty(count - 1)
    squared[:1] = 4 * a * b / (total**2 * (total + 1))
    j, d = k[1:], double[1:]
    squared[1:] = 4 * j * (j + b - 1) * (j + a - 1) * (j + total - 2) / (d**2 * (d + 1) * (d - 1))
    beside = np.sqrt(squared)
    # Eigenvalues only: eigenvectors would come from threaded BLAS, many times slower on matrices this small.
    roots = np.asarray(eigvalsh_tridiagonal(diagonal, beside), dtype=np.float64)
    weights = weights_at(roots, diagonal, beside)
    # A node may fall out of (0, 1) by rounding where nearly all the mass is at one end.
    found = np.clip((1 + roots) / 2, 0.0, 1.0), weights / weights.sum()
    for part in found:
        part.flags.writeable = False
    return found


def weights_at(roots: Floats, diagonal: Floats, beside: Floats) -> Floats:
    """One over the sum of squared orthonormal polynomials; 0 where the sum is too large for a float."""
    older, newer = np.zeros_like(roots), np.ones_like(roots)
    squares = newer.copy()
    with np.errstate(over="ignore", invalid="ignore"):
        for k, scale in enumerate(beside):
            before = beside[k - 1] if k else 0.0
            older, newer = newer, ((roots - diagonal[k]) * newer - before * older) / scale
            squares += newer * newer
    return np.where(np.isfinite(squares), 1 / squares, 0.0)
