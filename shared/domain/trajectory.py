"""What comes in: a problem, and a student's own solution of it, cut into steps."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A half-open range ``[start, end)`` of Unicode code points."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end:
            raise ValueError(f"span [{self.start}, {self.end}) is not a range of code points")

    def __len__(self) -> int:
        return self.end - self.start

    def of(self, text: str) -> str:
        """The characters of `text` inside this span."""
        return text[self.start : self.end]

    def shifted(self, offset: int) -> Span:
        """The same range, `offset` code points further on."""
        return Span(self.start + offset, self.end + offset)

    def overlaps(self, other: Span) -> bool:
        """Whether the two share at least one code point."""
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True)
class Problem:
    """A task with, where known, its final answer (`gold`) and the data set's own solution (`reference`)."""

    text: str
    gold: str | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a solution; `span` says where its `text` stands in the whole text."""

    index: int
    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Trajectory:
    """A student's solution, exactly as submitted.

    `text` is the whole solution and the only truth; `steps` are ordered, disjoint spans over it and
    whatever lies between two steps is white space or the joiner. Where the caller gave the steps,
    `joiner` is the string that joins them to `text`; where the text was segmented here it is None.
    `line` is the 1-based line of the input file (0 outside a file).
    """

    id: str
    line: int
    problem: Problem
    text: str
    steps: tuple[Step, ...]
    joiner: str | None = None
    generator: str | None = None
