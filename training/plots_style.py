"""One look for all plots: colours for all eyes, direct labels in place of legends, SVG that follows the page's theme.

Figures are made without pyplot, so there is no state to leak from one plot into another. The first colour is always
the model in use, the second its best baseline, and grey is everything else. Blue and vermilion are told apart by all
common kinds of colour blindness (Okabe and Ito 2008, 'Color Universal Design').
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, MUTED, GRID, PAPER = "#1f2a37", "#5d6978", "#e2e7ed", "#fefefe"
MODEL, BASELINE, OTHER, BAND = "#0b63a5", "#c4500c", "#8b96a3", "#d3e4f2"
DARK = {
    INK: "#e8edf3",
    MUTED: "#a7b2bf",
    GRID: "#36414e",
    PAPER: "#171d25",
    MODEL: "#6cb6f2",
    BASELINE: "#ff9c5f",
    OTHER: "#7e8a98",
    BAND: "#24415c",
}
"""What each colour becomes on a dark page."""

WIDTH, DOTS = 7.4, 150
LEFT, RIGHT, BOTTOM = 0.66, 1.45, 0.62
"""Inches left free for the vertical axis, for labels at the right, and for the horizontal axis."""
LINE, GAP = 0.235, 0.062
"""Inches of a line of the title; least distance of two labels, as a share of the axes' height."""

STYLE: Any = {
    "font.size": 10,
    "font.family": "sans-serif",
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "lines.linewidth": 2.2,
    "lines.solid_capstyle": "round",
}


class Label(NamedTuple):
    """Words at the right end of a line."""

    height: float
    text: str
    colour: str


class Frame(NamedTuple):
    """Room for a plot below its title: a figure, and the part that axes may fill, as (left, bottom, width, height)."""

    figure: Figure
    room: tuple[float, float, float, float]


def framed(title: str, subtitle: str, *, height: float = 3.1, left: float = LEFT, right: float = RIGHT) -> Frame:
    """A figure with its title and, smaller, what is shown; `height` is that of the axes in inches."""
    heading = textwrap.wrap(title, 66)
    told = textwrap.wrap(subtitle, 98)
    top = 0.2 + LINE * len(heading) + 0.19 * len(told) + 0.22
    total = height + top + BOTTOM
    figure = Figure(figsize=(WIDTH, total), dpi=DOTS, facecolor="none")
    margin = 0.12 / WIDTH
    figure.text(margin, 1 - 0.12 / total, "\n".join(heading), size=13, weight="bold", va="top", color=INK)
    below = 1 - (0.2 + LINE * len(heading)) / total
    figure.text(margin, below, "\n".join(told), size=9, va="top", color=MUTED, linespacing=1.35)
    room = (left / WIDTH, BOTTOM / total, (WIDTH - left - right) / WIDTH, height / total)
    return Frame(figure, room)


def single(title: str, subtitle: str, **sizes: float) -> tuple[Figure, Axes]:
    """A figure with one pair of axes."""
    figure, room = framed(title, subtitle, **sizes)
    return figure, figure.add_axes(room)


def label_ends(axes: Axes, labels: Sequence[Label]) -> None:
    """Words at the right of the axes, at their lines' heights, moved apart where they would touch."""
    low, high = axes.get_ylim()
    order = sorted(labels, key=lambda label: label.height)
    wanted = [(label.height - low) / (high - low) for label in order]
    for label, place in zip(order, spread(wanted, GAP), strict=True):
        axes.text(
            1.015, place, label.text, color=label.colour, transform=axes.transAxes, va="center", size=9, weight="bold"
        )


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Rising places moved apart to at least `gap`, each group of touching ones around its middle.

    >>> [round(place, 2) for place in spread([0.1, 0.5, 0.52], 0.1)]
    [0.1, 0.46, 0.56]
    """
    groups: list[list[float]] = []
    for place in places:
        groups.append([place])
        while len(groups) > 1 and _start(groups[-1], gap) < _start(groups[-2], gap) + gap * len(groups[-2]):
            last = groups.pop()
            groups[-1].extend(last)
    return [_start(group, gap) + gap * at for group in groups for at in range(len(group))]


def _start(group: Sequence[float], gap: float) -> float:
    return sum(group) / len(group) - gap * (len(group) - 1) / 2


def to_png(figure: Figure) -> bytes:
    """The figure as a PNG file on white."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", facecolor="white", metadata={"Software": None})
    return stream.getvalue()


def to_svg(figure: Figure) -> str:
    """The figure as SVG text that is the same each time, with a transparent ground and colours that follow the page."""
    stream = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "regulars"}):
        figure.savefig(stream, format="svg", facecolor="none", metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    svg = text[text.index("<svg") :]
    for number, colour in enumerate(DARK):
        svg = svg.replace(colour, f"var(--c{number})")
    light = "".join(f"--c{number}:{colour};" for number, colour in enumerate(DARK))
    dark = "".join(f"--c{number}:{colour};" for number, colour in enumerate(DARK.values()))
    rules = f"svg{{{light}}}@media (prefers-color-scheme:dark){{svg{{{dark}}}}}"
    rules += "text{font-family:system-ui,'Segoe UI',Roboto,'DejaVu Sans',sans-serif!important}"
    start = svg.index(">") + 1
    return f"{svg[:start]}\n<style>{rules}</style>{svg[start:]}"
