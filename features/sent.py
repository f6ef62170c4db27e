"""Settings on their way to the workers of a cluster, with the source of the own features that they name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from regulars.features.own import bring, sources_of
from regulars.features.settings import Settings


@dataclass(frozen=True)
class SentSettings:
    """Settings, and what the own files they name held here; modules have to be installed where they arrive."""

    settings: Settings
    sources: Mapping[str, bytes]

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The settings for workers: with one thread, for a worker has one core for each group that it works on."""
        alone = settings.model_copy(update={"train": settings.train.model_copy(update={"threads": 1})})
        return cls(alone, sources_of(settings))

    def received(self) -> Settings:
        """The settings where they arrived; the own features are those of the sender, whatever is on the disk there."""
        bring(self.sources)
        return self.settings
