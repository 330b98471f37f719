"""Is every number of an edited step explained by the problem and by the operations shown before it?

Gold and reference are no source here: a solution that copies its answer from elsewhere is caught.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from shared.domain import Span
from shared.quantities.constants import constants_called_by
from shared.quantities.equations import Equation, find_equations, is_true
from shared.quantities.expressions import Expression, evaluate
from shared.quantities.numbers import Number, find_numbers, numbers_outside

_MARKER = re.compile(
    r"(?:^|\n)[\s>*#_(]{0,8}(?:(?:step|part|case|day|question)\s{0,2}#?)?\d{1,2}\s{0,2}[.):]"
    r"|\b(?:step|steps|part|case|equation|eq\.?|option|row|line)\s{0,2}\(?#?\d{1,2}\b",
    re.IGNORECASE,
)
_ORDINAL = re.compile(r"\b\d{1,4}(?:st|nd|rd|th)\b")
_PRONOUN = re.compile(
    r"\b(?:the|first|last|these|those|other|all|next|remaining|both)\s(?:two|three|four|five|six|seven)\b",
    re.IGNORECASE,
)
_EXCUSED = (_MARKER, _ORDINAL, _PRONOUN)
_NAME = re.compile(r"[A-Z]\w{1,30}")
_NAMES = re.compile(r"[A-Z]\w{1,30}(?:, [A-Z]\w{1,30}){0,12},? and [A-Z]\w{1,30}")
_NOTHING = re.compile(r"\b(?:none|nothing|nobody|no one|no|zero|empty|free)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Ungrounded:
    """A number without a source: its step, its span within the step's text, its value."""

    step: int
    span: Span
    value: Fraction


def ungrounded(problem: str, steps: Sequence[str], from_step: int = 0) -> tuple[Ungrounded, ...]:
    """Numbers of ``steps[from_step:]`` that neither stand in the problem nor follow from what is shown.

    A number is grounded if it stands in the problem (in digits or words; a per cent as either number; a
    share also as its parts, its inverse and what it leaves of the whole), if it is a value of a true
    equation of this or an earlier step whose operands are grounded, the number of terms of such a sum, or
    such a value rounded, if it is a constant that a unit word of problem or steps calls for, or if it is a
    list marker, an ordinal or a pronoun like "the two". The result of a false equation is not grounded by
    it, whatever stands before `from_step`.
    """
    known = _Known(problem, steps)
    missing: list[Ungrounded] = []
    for index, text in enumerate(steps):
        for gap in _step_gaps(known, index, text):
            if index >= from_step:
                missing.append(gap)
    return tuple(missing)


class _Known:
    """Values with a source so far."""

    def __init__(self, problem: str, steps: Sequence[str]) -> None:
        self.values: set[Fraction] = set(constants_called_by((problem, *steps)))
        self.inexact: list[Fraction] = []
        for number in find_numbers(problem):
            self._add_given(number)
        if _NOTHING.search(problem):
            self.values.add(Fraction(0))
        for listed in _NAMES.findall(problem):
            self.values.add(Fraction(len(_NAME.findall(listed))))

    def _add_given(self, number: Number) -> None:
        """A number of the problem; a share also gives what is left, its parts and its inverse."""
        value = number.value
        self.values.add(value)
        self.values |= {part.value for part in number.parts}
        if number.kind == "percent":
            self.values |= {value * 100, 1 + value, 100 - value * 100, 100 + value * 100}
        if number.kind in ("percent", "fraction", "word") and 0 < value < 1:
            self.values |= {1 - value, Fraction(value.denominator), Fraction(value.numerator), 1 / value}
        if number.kind == "word" and value in (2, 3, 4):
            self.values.add(1 / value)

    def add_shown(self, equation: Equation) -> None:
        """The values of a true equation with grounded operands, and how many things it adds up."""
        for side in (equation.left, *(result.expression for result in equation.right)):
            for value in _values(side):
                self.values.add(value)
                if value.denominator != 1:
                    self.inexact.append(value)
            self.values.add(Fraction(_addends(side)))

    def holds(self, value: Fraction) -> bool:
        return value in self.values or -value in self.values

    def covers(self, number: Number) -> bool:
        """Whether the number, or all it is written with, has a source, or it rounds a shown value."""
        if self.holds(number.value):
            return True
        if number.parts:
            return all(self.holds(part.value) for part in number.parts)
        if number.kind == "percent" and self.holds(number.value * 100):
            return True
        places = len(number.surface.rpartition(".")[2]) if "." in number.surface else 0
        return any(abs(value - number.value) < Fraction(1, 10**places) for value in self.inexact)


def _step_gaps(known: _Known, index: int, text: str) -> list[Ungrounded]:
    """The ungrounded numbers of one step, left to right; adds what the step shows to `known`."""
    equations = find_equations(text)
    gaps = [gap for equation in equations for gap in _equation_gaps(known, index, equation)]
    gaps += [
        Ungrounded(index, number.span, number.value)
        for number in unmarked_numbers(text, equations)
        if not known.covers(number)
    ]
    return sorted(gaps, key=lambda gap: gap.span)


def unmarked_numbers(text: str, equations: Sequence[Equation]) -> tuple[Number, ...]:
    """Numbers outside equations that are no list marker, ordinal or counted pronoun ("the two")."""
    excused = [Span(*match.span()) for pattern in _EXCUSED for match in pattern.finditer(text)]
    covered = [*(equation.span for equation in equations), *excused]
    return numbers_outside(find_numbers(text), covered)


def _equation_gaps(known: _Known, index: int, equation: Equation) -> list[Ungrounded]:
    """Operands without a source; where the equation is false, its results without a source too."""
    gaps = list(_operand_gaps(known, index, equation))
    if not is_true(equation):
        gaps += [
            Ungrounded(index, result.span, result.value)
            for result in equation.right
            if result.value is not None and result.expression.is_leaf and not known.holds(result.value)
        ]
    elif not gaps:
        known.add_shown(equation)
    return gaps


def _operand_gaps(known: _Known, index: int, equation: Equation) -> Iterator[Ungrounded]:
    """Leaves without a source, side by side; a later side may use what the sides before it show."""
    shown: set[Fraction] = set()
    for side in (equation.left, *(result.expression for result in equation.right)):
        if side.is_leaf:
            continue
        for leaf in side.leaves():
            value = leaf.value or Fraction(0)
            whole = leaf.form == "percent" and known.holds(value * 100)
            if not whole and value not in shown and not known.holds(value):
                yield Ungrounded(index, leaf.span, value)
        shown |= set(_values(side))


def _addends(side: Expression) -> int:
    """How many terms a sum has; 1 for anything else."""
    if side.op != "+":
        return 1
    return _addends(side.children[0]) + _addends(side.children[1])


def _values(side: Expression) -> Iterator[Fraction]:
    """Absolute values of a side and of every bracket and product in it; a per cent as both numbers."""
    value = evaluate(side)
    if value is not None:
        yield abs(value)
        if side.form == "percent":
            yield abs(value) * 100
    for child in side.children:
        yield from _values(child)
