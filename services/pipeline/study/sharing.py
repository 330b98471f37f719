"""The fixed problem set: which problems all arms share, and which sample each arm begins with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from services.pipeline.study.items import Sampled, readable
from shared.domain import GradedSample


@dataclass(frozen=True, slots=True)
class Shared:
    """A problem that all arms hold.

    Attributes:
        sampled: it and the student's samples. native: index of the one that the native arm keeps: the
            first right one, unless the study takes any. source: index of the one that refining arms edit.
    """

    sampled: Sampled
    native: int
    source: int

    @property
    def id(self) -> str:
        """Of the problem."""
        return self.sampled.problem.id

    @property
    def native_sample(self) -> GradedSample:
        """What the native arm keeps."""
        return self.sampled.samples[self.native]

    @property
    def source_sample(self) -> GradedSample:
        """What refining arms edit."""
        return self.sampled.samples[self.source]


_Rule = Callable[[Sampled], int | None]
_NATIVES: dict[str, _Rule] = {
    "right": lambda sampled: next(iter(sampled.right), None),
    "any": lambda sampled: next(iter(sampled.ended), None),
}
_SOURCES: dict[str, _Rule] = {
    "first": lambda sampled: 0 if readable(sampled.samples[0].text) else None,
    "wrong": lambda sampled: next(iter(sampled.wrong), None),
    "right": lambda sampled: next(iter(sampled.right), None),
}


def share(sampled: Iterable[Sampled], source: str, native: str = "right") -> list[Shared]:
    """Problems with a native sample and one to edit, in order, by two rules (docs/study.md)."""
    found: list[Shared] = []
    for one in sampled:
        kept = _NATIVES[native](one)
        edited = kept if source == "native" else _SOURCES[source](one)
        if kept is not None and edited is not None:
            found.append(Shared(one, kept, edited))
    return found


def unsolved(sampled: Iterable[Sampled]) -> list[Sampled]:
    """Problems that no sample solves though one is wrong for certain: rejection sampling can't reach them."""
    return [one for one in sampled if not one.right and one.wrong]


def matched(ids: Sequence[str], made: Iterable[Sequence[bool]], count: int) -> list[str]:
    """The first `count` of `ids` at whose place every arm made something."""
    columns = list(made)
    whole = [name for place, name in enumerate(ids) if all(column[place] for column in columns)]
    return whole[:count]
