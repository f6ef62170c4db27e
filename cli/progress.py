"""How far a long command is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from regulars.cli.common import console, say

EVERY_SECONDS = 15.0
"""Between two lines, where there is no terminal."""


@contextmanager
def progress(doing: str, of_what: str) -> Iterator[Callable[[int, int], None]]:
    """Tells how far something is, to who calls what is given with what is done and what there is in all.

    Args:
        doing: what is going on, as it begins the line.
        of_what: what is counted.
    """
    if not console.is_terminal:
        yield _Lines(doing, of_what)
        return
    columns = (TextColumn(doing), BarColumn(), MofNCompleteColumn(), TextColumn(of_what))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task(doing, total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)


class _Lines:
    """A line whenever the last is some seconds old; the end is told by others.

    The pace is that since the first word of it: what was done before (by a run that was stopped, or to read the tables)
    says nothing of what is to come.
    """

    def __init__(self, doing: str, of_what: str) -> None:
        self._doing, self._of_what = doing, of_what
        self._first: tuple[float, int] | None = None
        self._told = time.perf_counter()

    def __call__(self, done: int, of: int) -> None:
        now = time.perf_counter()
        if self._first is None:
            self._first = now, done
        begun, before = self._first
        if done >= of or now - self._told < EVERY_SECONDS:
            return
        self._told = now
        if done == before:
            say(f"{self._doing}: {done:,} of {of:,} {self._of_what}")
            return
        left = (now - begun) / (done - before) * (of - done)
        say(f"{self._doing}: {done:,} of {of:,} {self._of_what}, about {_span(left)} to go")


def _span(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{seconds:.0f} s" if minutes < 2 else f"{minutes} min"
