"""The plots of a study as inline SVG: points with intervals, lines, and one row of intervals an arm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from services.embedded.report.markup import Html, joined, tag
from services.embedded.report.plots import BOTTOM, LEFT, TOP, WIDTH, Axis, across, axes, figure, nice, up

COLOURS = 16
# More names than this cover each other; then colour and pointing at a dot tell which it is.
MOST_NAMES = 6
_ROW = 24
_MARGIN = 120


@dataclass(frozen=True)
class Dot:
    """One arm in a plot: its place, the interval of its height, and its colour's number."""

    name: str
    colour: int
    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True)
class Line:
    """One arm's line through points."""

    name: str
    colour: int
    points: Sequence[tuple[float, float]]


def colour(number: int) -> str:
    """Class of a colour; after sixteen arms they come again."""
    return f"arm{number % COLOURS}"


def scatter(dots: Sequence[Dot], x_label: str, says: str) -> Html:
    """Points with vertical intervals and names."""
    x = spanning([dot.x for dot in dots], x_label)
    y = spanning([value for dot in dots for value in (dot.low, dot.high)], "")
    return figure(says, axes(x, y), *(_dot(dot, x, y, named=len(dots) <= MOST_NAMES) for dot in dots))


def lines(drawn: Sequence[Line], x_label: str, says: str) -> Html:
    """Lines; what they are is told by colour and on pointing at them."""
    found = [point for line in drawn for point in line.points]
    x, y = spanning([point[0] for point in found], x_label), spanning([point[1] for point in found], "")
    return figure(says, axes(x, y), *(_line(line, x, y) for line in drawn))


def intervals(rows: Sequence[Dot], x_label: str, says: str) -> Html:
    """One row an arm: `low`, `y` and `high` along the horizontal axis, zero marked where it is in view."""
    axis = spanning([value for row in rows for value in (row.low, row.high)], x_label)
    height = TOP + _ROW * len(rows) + BOTTOM
    drawn = [_row(row, axis, TOP + _ROW * (place + 0.5)) for place, row in enumerate(rows)]
    base = height - BOTTOM
    ticks = [
        joined(
            tag("line", x1=_at(axis, tick), x2=_at(axis, tick), y1=TOP, y2=base, class_="grid"),
            tag("text", f"{tick:g}", x=_at(axis, tick), y=base + 14, class_="tick middle"),
        )
        for tick in axis.ticks
    ]
    label = tag("text", x_label, x=(_MARGIN + WIDTH) / 2, y=height - 4, class_="label middle")
    view = f"0 0 {WIDTH} {height}"
    return tag("svg", *ticks, *drawn, label, viewBox=view, role="img", aria_label=says, class_="plot")


def spanning(values: Sequence[float], label: str) -> Axis:
    """An axis with about four ticks that holds all values."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    step = _step((high - low) / 4 if high > low else max(abs(high), 1.0) / 4)
    first, last = math.floor(low / step), math.ceil(high / step)
    last = last if last > first else first + 1
    ticks = tuple(round(place * step, 10) for place in range(first, last + 1))
    return Axis(ticks[0], ticks[-1], ticks, label)


def _step(value: float) -> float:
    """A round number of about that size."""
    if value >= 1:
        return nice(value)
    power = 10.0 ** math.floor(math.log10(value))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= value * (1 - 1e-9))


def _dot(dot: Dot, x: Axis, y: Axis, *, named: bool) -> Html:
    at, tone = across(x, dot.x), colour(dot.colour)
    title = tag("title", f"{dot.name}: {dot.x:.3g}, {dot.y:.3g} [{dot.low:.3g}, {dot.high:.3g}]")
    return joined(
        tag("line", x1=at, x2=at, y1=up(y, dot.low), y2=up(y, dot.high), class_=f"whisker {tone}"),
        tag("circle", title, cx=at, cy=up(y, dot.y), r=4, class_=f"solid {tone}"),
        _name(dot, at, up(y, dot.y)) if named else Html(""),
    )


def _name(dot: Dot, at: float, height: float) -> Html:
    side = "end" if at > (LEFT + WIDTH) / 2 else "start"
    place = at + (-7 if side == "end" else 7)
    return tag("text", dot.name, x=place, y=height + 3, class_=f"named {side} {colour(dot.colour)}")


def _line(line: Line, x: Axis, y: Axis) -> Html:
    path = " ".join(f"{across(x, one)},{up(y, other)}" for one, other in line.points)
    return tag("polyline", tag("title", line.name), points=path, class_=f"curve {colour(line.colour)}")


def _row(row: Dot, axis: Axis, height: float) -> Html:
    tone = colour(row.colour)
    title = tag("title", f"{row.name}: {row.y:.3g} [{row.low:.3g}, {row.high:.3g}]")
    zero = _at(axis, 0.0)
    mark = tag("line", x1=zero, x2=zero, y1=height - _ROW / 2, y2=height + _ROW / 2, class_="mark")
    return joined(
        mark if axis.low < 0 < axis.high else Html(""),
        tag("text", row.name, x=_MARGIN - 8, y=height + 4, class_="tick end"),
        tag(
            "line",
            x1=_at(axis, row.low),
            x2=_at(axis, row.high),
            y1=height,
            y2=height,
            class_=f"whisker {tone}",
        ),
        tag("circle", title, cx=_at(axis, row.y), cy=height, r=4, class_=f"solid {tone}"),
    )


def _at(axis: Axis, value: float) -> float:
    return axis.place(value, _MARGIN, WIDTH - 10)
