"""Bundles, the predictor, batch scoring, outreach lists and HTTP.

>>> from regulars.serving import Predictor, predict
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from regulars.serving.predictor import Predictor, predict

__all__ = ["Predictor", "predict"]


def __getattr__(name: str) -> Any:
    # Late: whoever imports a module beside this one should not wait for models and DuckDB.
    if name in __all__:
        return getattr(import_module("regulars.serving.predictor"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
