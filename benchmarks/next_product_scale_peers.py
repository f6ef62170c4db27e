"""Peers of next_product_scale.py: `python next_product_scale_peers.py NAME JSON`, in their own environment.

implicit is asked as its documentation says: fitted on who bought what, then both lists of everybody, some thousand
customers at a time: the ten best products, and the ten best that the customer has not bought. The environment is that
of `next_product_peers.py`; implicit alone is enough here.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from next_product_scale_steps import TICK, TOP, measured

CHUNK = 5_000
"""Customers asked about at a time."""
NEIGHBOURS = 100
"""Of a product, for item-kNN."""


def run(name: str, matrix: str, out: str, threads: int) -> dict[str, Any]:
    """Fits and recommends."""
    import numpy as np
    import scipy.sparse as sp

    folder = Path(matrix)
    start, col, orders = (np.load(folder / f"{part}.npy") for part in ("start", "col", "orders"))
    products = int(col.max()) + 1
    bought = sp.csr_matrix((1 + np.log(orders), col, start), (len(start) - 1, products), dtype=np.float32)
    model = made(name, threads)
    begun, busy = time.perf_counter(), time.process_time()
    model.fit(bought, show_progress=False)
    fitted = {"fit_seconds": time.perf_counter() - begun, "fit_processor_seconds": time.process_time() - busy}
    begun = told = time.perf_counter()
    busy = time.process_time()
    lists = np.zeros((2, bought.shape[0], TOP), dtype=np.int32)
    for first in range(0, bought.shape[0], CHUNK):
        customers = np.arange(first, min(first + CHUNK, bought.shape[0]))
        for which, again in enumerate((False, True)):
            ids, _ = model.recommend(customers, bought[customers], N=TOP, filter_already_liked_items=again)
            lists[which, customers] = ids
        if time.perf_counter() - told >= TICK:
            told = time.perf_counter()
            print(f"  {customers[-1] + 1:,} customers after {told - begun:.0f} s", file=sys.stderr, flush=True)
    np.save(Path(out), lists)
    asked = {
        "recommend_seconds": time.perf_counter() - begun,
        "recommend_processor_seconds": time.process_time() - busy,
    }
    return {"customers": bought.shape[0], "products": products, **fitted, **asked}


def made(name: str, threads: int) -> Any:
    """ALS with 64 factors and 15 iterations, or the cosine between products."""
    if name == "als":
        from implicit.als import AlternatingLeastSquares

        settings = {"factors": 64, "regularization": 0.05, "iterations": 15, "num_threads": threads}
        return AlternatingLeastSquares(**settings, random_state=0, use_gpu=False)
    from implicit.nearest_neighbours import CosineRecommender

    return CosineRecommender(K=NEIGHBOURS, num_threads=threads)


if __name__ == "__main__":
    print(json.dumps(measured(run, {"name": sys.argv[1], **json.loads(sys.argv[2])})))
