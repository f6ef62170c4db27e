"""How far ahead a history allows to learn and to judge.

A model is judged by a window that is over, and learns from one before it. A shop of nine months that asks about the
next nine has neither. It still has windows of three months, by which models can be told apart; what they then say of
nine months is read off the same curve. So where the history is short of two windows, shorter ones are judged.
"""

from __future__ import annotations

from regulars.features.settings import Settings
from regulars.features.shop import DAY

WINDOWS = 2
"""Windows that a history has to hold: one to learn from, one to judge by."""
PARTS = 3
"""A history without two windows is divided into so many, the last of which is a window that can be judged."""


def judged_horizon(first: int, until: int, settings: Settings) -> int | None:
    """Days ahead at which models are learnt and judged: the churn horizon, or less where the history is short.

    Args:
        first: the shop's first order, in microseconds.
        until: where training stands.
        settings: horizon, and distance of the training snapshots.

    Returns:
        None where the history holds nothing that could be judged.
    """
    horizon, step = settings.churn.horizon_days, settings.train.snapshot_every_days
    span = (until - first) // DAY
    if span >= WINDOWS * horizon + step:
        return horizon
    whole_steps = span // PARTS // step * step
    return whole_steps or None


def shorter_windows(asked: Settings, judged: Settings) -> str:
    """What a user is told where other windows are judged than they asked about; '' where they are the same."""
    wanted, found = asked.churn.horizon_days, judged.churn.horizon_days
    if wanted == found:
        return ""
    return f"the history does not hold two windows of {wanted} days; models are learnt and judged on windows of {found}"


def judged_settings(first: int, until: int, settings: Settings) -> Settings:
    """The settings with windows that are over at `until`; as they are where nothing can be judged."""
    horizon = judged_horizon(first, until, settings)
    if horizon in (None, settings.churn.horizon_days):
        return settings
    shorter = settings.churn.model_copy(update={"horizon_days": horizon})
    return settings.model_copy(update={"churn": shorter})
