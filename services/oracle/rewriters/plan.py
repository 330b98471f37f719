"""The reference as a plan: which of its derivations lead to the answer, and what each one needs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from shared.domain import Problem
from shared.quantities.derivations import Derivation, derivations
from shared.quantities.equations import Equation
from shared.quantities.numbers import find_numbers
from shared.quantities.words import FUNCTION_WORDS, singular
from shared.text.segmentation import segment

_ANSWER_LINE = re.compile(r"^\s*####")
_WORD = re.compile(r"[^\W\d_]{3,}")
# Words of counting that say nothing about what is counted.
_EMPTY = frozenset(
    {"each", "every", "per", "total", "altogether", "all", "both", "more", "less", "fewer", "many", "much"}
    | {"number", "amount", "first", "second", "next", "last", "now", "after", "before", "find", "calculate"}
    | {"add", "subtract", "multiply", "divide", "times", "equal", "answer"}
    | {"left", "remaining", "rest", "also", "still", "only", "just", "there", "because", "since"}
)


@dataclass(frozen=True)
class PlanItem:
    """One line of the reference that derives something on the way to the answer.

    Attributes:
        index: position in the plan. line: its text. derivations: those in it, at least one.
        needs: positions of the items whose results it uses.
    """

    index: int
    line: str
    derivations: tuple[Derivation, ...]
    needs: frozenset[int]

    @property
    def result(self) -> Fraction:
        """What the line derives last."""
        return self.derivations[-1].result

    @cached_property
    def values(self) -> frozenset[Fraction]:
        """All results of the line."""
        return frozenset(derivation.result for derivation in self.derivations)

    @cached_property
    def words(self) -> frozenset[str]:
        """Content words of the line."""
        return content_words(self.line)


@dataclass(frozen=True)
class Plan:
    """The derivations that lead to the answer, in the reference's order; the last one gives it."""

    items: tuple[PlanItem, ...]
    answer: Fraction

    @cached_property
    def values(self) -> frozenset[Fraction]:
        """All results in the plan."""
        return frozenset(value for item in self.items for value in item.values)


def plan_of(problem: Problem) -> Plan | None:
    """The plan of the problem's reference; None where no chain of derivations leads to the gold number."""
    answer = _single_number(problem.gold)
    if answer is None or not problem.reference:
        return None
    lines = [line for line in _lines(problem.reference) if not _ANSWER_LINE.match(line)]
    items = list(_items(lines))
    last = next((item.index for item in reversed(items) if item.result == answer), None)
    if last is None:
        return None
    wanted = _ancestors(items, last)
    return Plan(tuple(_renumbered([item for item in items if item.index in wanted])), answer)


def equation_of(derivation: Derivation) -> Equation:
    """The equation behind a plan's derivation; only worked-out ones enter a plan."""
    if derivation.equation is None:
        raise ValueError("an operation that is not worked out is no part of a plan")
    return derivation.equation


def content_words(text: str) -> frozenset[str]:
    """Lower-case singular words of three letters and more that carry meaning."""
    words = (word.lower() for word in _WORD.findall(text))
    return frozenset(singular(word) for word in words if word not in FUNCTION_WORDS | _EMPTY)


def _lines(reference: str) -> list[str]:
    return [step.text.strip() for step in segment(reference)]


def _single_number(gold: str | None) -> Fraction | None:
    numbers = find_numbers(gold or "")
    return numbers[0].value if len(numbers) == 1 else None


def _items(lines: Sequence[str]) -> Iterator[PlanItem]:
    source: dict[Fraction, int] = {}
    by_line: dict[int, list[Derivation]] = {}
    for derivation in derivations(lines):
        by_line.setdefault(derivation.step, []).append(derivation)
    for index, (line, found) in enumerate(sorted(by_line.items())):
        own: set[Fraction] = set()
        needs: set[int] = set()
        for derivation in found:
            used = [value for value in derivation.operands if value not in own]
            needs |= {source[value] for value in used if value in source}
            own.add(derivation.result)
        yield PlanItem(index, lines[line], tuple(found), frozenset(needs))
        source |= dict.fromkeys(own, index)


def _ancestors(items: Sequence[PlanItem], last: int) -> set[int]:
    wanted = {last}
    for item in reversed(items[: last + 1]):
        if item.index in wanted:
            wanted |= item.needs
    return wanted


def _renumbered(items: Sequence[PlanItem]) -> Iterator[PlanItem]:
    places = {item.index: place for place, item in enumerate(items)}
    for item in items:
        needs = frozenset(places[need] for need in item.needs)
        yield PlanItem(places[item.index], item.line, item.derivations, needs)
