"""How a feature is written: one short function, whose name is its column.

    recency = Family("recency", needs=("orders",))

    @recency.feature(unit="days", empty="missing")
    def days_since_last_order(past: Past) -> Values:
        '''Days since the last order.'''
        return past.orders.days_since_last()

`past` answers questions about what happened before the moment and has no way to ask about what came after. A windowed
feature takes the window as its second argument and yields one column per look-back window of the settings:
`orders` becomes `orders_30d`, `orders_90d` and so on; `{window}` in its docstring is filled in. A feature whose tables
or columns (`needs`) the shop does not have is absent, not zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from inspect import getdoc
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import NDArray

from regulars.features.shop import days

if TYPE_CHECKING:
    from regulars.features.past import Past

Values = NDArray[Any]
Plain = Callable[["Past"], Values]
Empty = Literal["0", "missing", "set"]
"""A feature's value for a customer with no events; `set`: one that has nothing to do with events."""
Windowed = Callable[["Past", int], Values]


@dataclass(frozen=True)
class Feature:
    """One column: its name, meaning and unit, its value for a customer with no events, and how it is computed.

    `scalars` says that it can be handed the scalars of a single moment (see `steps`), and not arrays alone.
    """

    name: str
    family: str
    meaning: str
    unit: str
    empty: Empty
    needs: tuple[str, ...]
    compute: Plain
    scalars: bool = False


@dataclass
class Family:
    """Features that belong together; `needs` are the tables and columns without which none of them exists.

    `scalars` says that all of them can be handed the scalars of a single moment (see `steps`).
    """

    name: str
    needs: tuple[str, ...] = ()
    scalars: bool = False
    _makers: list[Callable[[tuple[int, ...]], Iterator[Feature]]] = field(default_factory=list)

    def feature(self, *, unit: str, empty: Empty, needs: tuple[str, ...] = ()) -> Callable[[Plain], Plain]:
        """Declares a feature with one column, named like its function; the arguments are those of `windowed`."""

        def declare(compute: Plain) -> Plain:
            meaning, needed = _meaning(compute), self.needs + needs
            feature = Feature(_name(compute), self.name, meaning, unit, empty, needed, compute, self.scalars)
            self._makers.append(lambda _windows: iter((feature,)))
            return compute

        return declare

    def windowed(
        self, *, unit: str, empty: Empty, needs: tuple[str, ...] = (), below: int | None = None
    ) -> Callable[[Windowed], Windowed]:
        """Declares a feature with one column per look-back window, named like its function and the window.

        Args:
            unit: of its values.
            empty: its value for a customer with no events.
            needs: tables and columns without which it does not exist, beside the family's.
            below: it exists only for windows of fewer days.
        """

        def declare(compute: Windowed) -> Windowed:
            def columns(windows: tuple[int, ...]) -> Iterator[Feature]:
                for window in windows:
                    if below is not None and window >= below:
                        continue
                    name = f"{_name(compute)}_{window}d"
                    meaning = _meaning(compute).format(window=window)
                    bound = _bind(compute, window)
                    yield Feature(name, self.name, meaning, unit, empty, self.needs + needs, bound, self.scalars)

            self._makers.append(columns)
            return compute

        return declare

    @property
    def declared(self) -> int:
        """How many features were declared, each counted once whatever the windows."""
        return len(self._makers)

    def cut(self, length: int) -> None:
        """Forget what was declared after the first `length` features."""
        del self._makers[length:]

    def features(self, windows: Iterable[int]) -> list[Feature]:
        """The family's columns for these look-back windows (days)."""
        return [feature for make in self._makers for feature in make(tuple(windows))]


def _bind(compute: Windowed, window: int) -> Plain:
    span = days(window)
    return lambda past: compute(past, span)


def _name(compute: Callable[..., Values]) -> str:
    return str(getattr(compute, "__name__", ""))


def _meaning(compute: Callable[..., Values]) -> str:
    text = getdoc(compute)
    if not text:
        raise ValueError(f"feature {_name(compute)} has no docstring; say in one sentence what it means")
    return " ".join(text.split())
