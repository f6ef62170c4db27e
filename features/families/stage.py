"""Stage: how far the relationship has come, in one number."""

from __future__ import annotations

from regulars.features.define import Family, Values
from regulars.features.past import Past
from regulars.features.stage import stage_codes

stage = Family("stage", needs=("orders",), scalars=True)


@stage.feature(unit="stage", empty="0")
def relationship_stage(past: Past) -> Values:
    """Stage: 0 prospect, 1 exploring, 2 expanding, 3 committed, 4 fading, 5 gone (`features/stage.py` says when)."""
    return stage_codes(past)
