"""Small plots as inline SVG: axes, bars and points by hand; colours are left to the style sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from services.embedded.report.histogram import Histogram
from services.embedded.report.markup import Html, joined, tag
from services.embedded.report.tally import Point

WIDTH, HEIGHT = 340, 190
LEFT, RIGHT, TOP, BOTTOM = 38, 10, 20, 34


@dataclass(frozen=True)
class Axis:
    """A linear axis from `low` to `high` with labelled ticks."""

    low: float
    high: float
    ticks: tuple[float, ...]
    label: str

    def place(self, value: float, start: float, end: float) -> float:
        """Where a value stands between pixels `start` and `end`, kept within them."""
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return round(start + max(0.0, min(1.0, share)) * (end - start), 2)


@dataclass(frozen=True)
class Layer:
    """Bars of one colour, stacked on those of the layers before."""

    name: str
    counts: Sequence[int]


def bars(layers: Sequence[Layer], x: Axis, marks: Sequence[tuple[float, str]], says: str) -> Html:
    """A stacked histogram with marked values; `says` is read aloud instead of the picture."""
    tallest = max(
        (sum(column) for column in zip(*(layer.counts for layer in layers), strict=True)), default=0
    )
    y = count_axis(tallest)
    drawn = [
        bar(x, y, layers, column, index) for column in range(bins(layers)) for index in range(len(layers))
    ]
    lines = [marked(x, value, text) for value, text in marks]
    return figure(says, axes(x, y), *(shape for shape in drawn if shape), *lines)


def bins(layers: Sequence[Layer]) -> int:
    """Number of columns."""
    return len(layers[0].counts) if layers else 0


def bar(x: Axis, y: Axis, layers: Sequence[Layer], column: int, index: int) -> Html:
    """One layer's part of one column, nothing where it is empty."""
    count = layers[index].counts[column]
    if not count:
        return Html("")
    below = sum(layer.counts[column] for layer in layers[:index])
    width = (WIDTH - RIGHT - LEFT) / bins(layers)
    foot, head = up(y, below), up(y, below + count)
    start, end = (x.low + (x.high - x.low) * i / bins(layers) for i in (column, column + 1))
    title = tag("title", f"{start:g} to {end:g}: {count} {layers[index].name}")
    return tag(
        "rect",
        title,
        class_=f"bar {layers[index].name}",
        x=round(LEFT + column * width + 0.5, 2),
        y=head,
        width=round(width - 1, 2),
        height=round(foot - head, 2),
    )


def points(found: Sequence[Point], x: Axis, y: Axis, says: str) -> Html:
    """A scatter plot of (x, y, outcome)."""
    dots = [
        tag(
            "circle",
            tag("title", f"{outcome}: cost {cost:.3f}, utility {total:.3f}"),
            r=3,
            class_=f"dot {outcome}",
            cx=across(x, cost),
            cy=up(y, total),
        )
        for cost, total, outcome in found
    ]
    return figure(says, axes(x, y), *dots)


def figure(says: str, *shapes: Html) -> Html:
    """The picture with its spoken text."""
    return tag("svg", *shapes, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=says, class_="plot")


def axes(x: Axis, y: Axis) -> Html:
    """Both axes with grid lines, ticks and the label of the horizontal one."""
    base = HEIGHT - BOTTOM
    across_ticks = [
        tag("text", f"{tick:g}", x=across(x, tick), y=base + 14, class_="tick middle") for tick in x.ticks
    ]
    up_ticks = [
        joined(
            tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=up(y, tick), y2=up(y, tick), class_="grid"),
            tag("text", f"{tick:g}", x=LEFT - 5, y=up(y, tick) + 3.5, class_="tick end"),
        )
        for tick in y.ticks
    ]
    line = tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=base, y2=base, class_="axis")
    label = tag("text", x.label, x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 4, class_="label middle")
    return joined(*up_ticks, line, *across_ticks, label)


def marked(x: Axis, value: float, text: str) -> Html:
    """A vertical line at a value, with a word beside it."""
    at = across(x, value)
    side = "end" if at > (LEFT + WIDTH) / 2 else "start"
    return joined(
        tag("line", x1=at, x2=at, y1=TOP - 14, y2=HEIGHT - BOTTOM, class_="mark"),
        tag("text", text, x=at + (-4 if side == "end" else 4), y=TOP - 7, class_=f"marked {side}"),
    )


def across(x: Axis, value: float) -> float:
    """Horizontal pixel of a value."""
    return x.place(value, LEFT, WIDTH - RIGHT)


def up(y: Axis, value: float) -> float:
    """Vertical pixel of a value."""
    return y.place(value, HEIGHT - BOTTOM, TOP)


def count_axis(most: int) -> Axis:
    """An axis for counts up to `most`, with whole ticks."""
    step = max(1, nice(most / 3))
    top = max(1, math.ceil(most / step)) * step
    return Axis(0, top, tuple(range(0, int(top) + 1, int(step))), "")


def value_axis(high: float, label: str) -> Axis:
    """An axis from 0 to just above `high`."""
    step = nice(high / 4) if high > 0 else 0.25
    ticks = tuple(round(i * step, 10) for i in range(math.ceil(high / step) + 1)) if high > 0 else (0.0, 0.25)
    return Axis(0.0, ticks[-1], ticks, label)


def nice(value: float) -> float:
    """The smallest of 1, 2, 2.5, 5 times a power of ten that is not below `value`."""
    if value <= 0:
        return 1
    power = 10.0 ** math.floor(math.log10(value))
    choice = next(factor for factor in (1, 2, 2.5, 5, 10) if factor * power >= value * (1 - 1e-9))
    whole = choice * power
    return math.ceil(whole) if whole > 1 else whole


def in_view(histogram: Histogram, axis: Axis, columns: int) -> list[int]:
    """The counts of a histogram in `columns` equal columns, where its range is that of the axis."""
    if (histogram.low, histogram.high) != (axis.low, axis.high):
        raise ValueError("the axis must span the histogram")
    return histogram.coarse(columns)
