"""lifetimes in churn_speed.py, in the environment that quality_peers.py says how to make.

`python churn_speed_peers.py STEP JSON`, as churn_speed_steps.py; the last line printed is JSON.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from typing import Any

import numpy as np
from next_product_scale_steps import measured


def bgnbd(histories: str, repeats: int, threads: int) -> dict[str, Any]:  # noqa: ARG001  # every step is told
    """BetaGeoFitter as it comes; where it does not converge, that is told."""
    from lifetimes import BetaGeoFitter
    from lifetimes.utils import ConvergenceError

    warnings.simplefilter("ignore")
    with np.load(histories) as found:
        data = [found[name] for name in ("frequency", "recency", "tenure")]
    seconds, busy, parameters = np.inf, np.inf, None
    for _ in range(repeats):
        begun, used = time.perf_counter(), time.process_time()
        model = BetaGeoFitter()
        try:
            model.fit(*data)
            parameters = [float(model.params_[name]) for name in ("r", "alpha", "a", "b")]
        except ConvergenceError:
            parameters = None
        seconds, busy = min(seconds, time.perf_counter() - begun), min(busy, time.process_time() - used)
    converged = parameters is not None
    return {"fit_seconds": seconds, "fit_processor_seconds": busy, "parameters": parameters, "converged": converged}


if __name__ == "__main__":
    print(json.dumps(measured({"bgnbd": bgnbd}[sys.argv[1]], json.loads(sys.argv[2]))))
