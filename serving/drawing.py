"""Line charts as SVG text whose colours come from the page, for reports that need neither a network nor scripts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

WIDTH, HEIGHT = 720.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 70.0, 24.0, 24.0, 46.0
POINTS = 300
"""Points of a line at most; more would not be seen."""


@dataclass(frozen=True)
class Mark:
    """A point that is named on the chart; `anchor` says on which side of it the words stand: start, middle or end."""

    x: float
    y: float
    text: str
    anchor: str = "start"
    below: bool = False


def line_chart(
    x: F64, y: F64, *, x_title: str, y_title: str, alt: str, marks: Sequence[Mark] = (), dashed_from: int | None = None
) -> str:
    """A chart of y over rising x, both (n,), with round ticks, a zero line and named points; n is 2 or more.

    The line is dashed from position `dashed_from` on. `alt` tells who cannot see it what it shows.
    """
    kept = _thinned(len(x), dashed_from)
    ticks_x, ticks_y = ticks(float(x.min()), float(x.max())), ticks(float(min(y.min(), 0)), float(max(y.max(), 0)))
    scale = _Scale(ticks_x[0], max(float(x.max()), ticks_x[0] + 1e-9), ticks_y[0], ticks_y[-1])
    parts = [*_grid(scale, [tick for tick in ticks_x if tick <= x.max()], ticks_y), _area(scale, x[kept], y[kept])]
    whole = kept if dashed_from is None else kept[kept <= dashed_from]
    parts.append(_line(scale, x[whole], y[whole], "line"))
    if dashed_from is not None:
        rest = kept[kept >= dashed_from]
        parts.append(_line(scale, x[rest], y[rest], "line dashed"))
    parts += [_mark(scale, mark) for mark in marks]
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text class="axis" x="{middle:.0f}" y="{HEIGHT - 6:.0f}" text-anchor="middle">{escape(x_title)}</text>'
    )
    parts.append(f'<text class="axis" x="{LEFT - 62:.0f}" y="12">{escape(y_title)}</text>')
    head = f'<svg class="chart" role="img" aria-label="{escape(alt)}" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}">'
    return f"{head}{''.join(parts)}</svg>"


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """About `wanted` round numbers that reach around both ends.

    >>> ticks(0, 87)
    [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]
    """
    span = max(high - low, 1e-9)
    power = 10 ** math.floor(math.log10(span / wanted))
    step = next(power * times for times in (1, 2, 2.5, 5, 10) if power * times * wanted >= span)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(float(step) * number, 10) for number in range(first, last + 1)]


@dataclass(frozen=True)
class _Scale:
    left: float
    right: float
    bottom: float
    top: float

    def x(self, value: float) -> float:
        return LEFT + (value - self.left) / (self.right - self.left) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (value - self.bottom) / (self.top - self.bottom) * (HEIGHT - TOP - BOTTOM)


def _thinned(count: int, keep: int | None) -> NDArray[np.int64]:
    places = np.unique(np.linspace(0, count - 1, min(count, POINTS)).round().astype(np.int64))
    return places if keep is None else np.union1d(places, [keep])


def _grid(scale: _Scale, ticks_x: Sequence[float], ticks_y: Sequence[float]) -> list[str]:
    parts = []
    for tick in ticks_y:
        y = scale.y(tick)
        kind = "zero" if tick == 0 else "grid"
        parts.append(f'<line class="{kind}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{_short(tick)}</text>')
    for tick in ticks_x:
        x = scale.x(tick)
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{_short(tick)}</text>'
        )
    return parts


def _short(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"


def _path(scale: _Scale, x: F64, y: F64) -> str:
    return " L".join(f"{scale.x(float(a)):.1f},{scale.y(float(b)):.1f}" for a, b in zip(x, y, strict=True))


def _line(scale: _Scale, x: F64, y: F64, kind: str) -> str:
    return f'<path class="{kind}" d="M{_path(scale, x, y)}"/>'


def _area(scale: _Scale, x: F64, y: F64) -> str:
    zero = scale.y(0.0)
    ends = f"L{scale.x(float(x[-1])):.1f},{zero:.1f} L{scale.x(float(x[0])):.1f},{zero:.1f} Z"
    return f'<path class="area" d="M{_path(scale, x, y)} {ends}"/>'


def _mark(scale: _Scale, mark: Mark) -> str:
    x, y = scale.x(mark.x), scale.y(mark.y)
    aside = {"start": 10, "middle": 0, "end": -10}[mark.anchor]
    away = 20 if mark.below else -10
    place = f'x="{x + aside:.1f}" y="{y + away:.1f}" text-anchor="{mark.anchor}"'
    return f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="5"/><text class="mark" {place}>{escape(mark.text)}</text>'
