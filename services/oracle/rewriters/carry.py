"""Carry a corrected number on through the words and equations of a later step."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from services.oracle.rewriters.typeset import plain_signs
from services.oracle.rewriters.values import format_value
from shared.domain import Span
from shared.quantities.derivations import derivation_of
from shared.quantities.equations import Equation, find_equations, is_true
from shared.quantities.expressions import Expression, evaluate
from shared.quantities.numbers import Number, find_numbers

Values = Mapping[Fraction, Fraction]
Change = tuple[Span, str]


@dataclass(frozen=True, slots=True)
class Carried:
    """A step with new numbers.

    Attributes:
        text: the new text. values: old value -> new value, those given and those that follow.
    """

    text: str
    values: dict[Fraction, Fraction]


def carry(text: str, values: Values, correct: bool = False) -> Carried:
    """`text` with each old value replaced by its new one, and the results that follow recomputed.

    With `correct`, the results of false equations are recomputed as well.
    """
    known = dict(values)
    changes: list[Change] = []
    equations = find_equations(text)
    for equation in equations:
        changes += _recomputed(text, equation, known, correct)
    covered = [equation.span for equation in equations]
    for number in find_numbers(text):
        outside = not any(span.overlaps(number.span) for span in covered)
        spoken = outside and number.kind == "digits" and number.value in known
        if spoken and (number.value in values or not is_operand(number, equations)):
            changes.append((number.span, format_value(known[number.value], number.surface)))
    return Carried(applied(text, changes), known)


def is_operand(number: Number, equations: Iterable[Equation]) -> bool:
    """Whether a number in the words stands before an equation that calculates with it.

    It then speaks of that operand, even where the equation's result is the same number.
    """
    later = (equation for equation in equations if number.span.end <= equation.span.start)
    return any(leaf.value == number.value for equation in later for leaf in equation.left.leaves())


def carried_on(steps: Iterable[str], values: Values, kept: Collection[Fraction]) -> list[str]:
    """The steps with the values carried through one after the other; a value in `kept` is never replaced."""
    known = dict(values)
    texts = []
    for step in steps:
        done = carry(step, {old: new for old, new in known.items() if old not in kept})
        known |= done.values
        texts.append(done.text)
    return texts


def concluded(text: str, values: Values) -> str:
    """A step that derives nothing, with its last number carried.

    What a solution concludes with is its own result, even where the problem gives the same number.
    """
    numbers = [number for number in find_numbers(text) if number.kind == "digits"]
    if not numbers or find_equations(text) or numbers[-1].value not in values:
        return text
    last = numbers[-1]
    return applied(text, [(last.span, format_value(values[last.value], last.surface))])


def applied(text: str, changes: Sequence[Change]) -> str:
    """`text` with disjoint changes made."""
    out, position = [], 0
    for span, new in sorted(changes, key=lambda change: change[0]):
        out += [text[position : span.start], new]
        position = span.end
    return "".join([*out, text[position:]])


def _recomputed(
    text: str, equation: Equation, known: dict[Fraction, Fraction], correct: bool
) -> list[Change]:
    """Changes within one equation; adds what follows to `known`."""
    derivation = derivation_of(0, equation)
    if derivation is None:
        return []
    touched = any(leaf.value in known for leaf in derivation.expression.leaves() if leaf.form == "digits")
    if not touched and not (correct and not is_true(equation)):
        return []
    new = evaluate(substituted(derivation.expression, known))
    if new is None:
        return []
    before = dict(known)
    if derivation.result != new:
        known[derivation.result] = new
    return _written(text, equation, derivation.expression, new, before)


def _written(
    text: str, equation: Equation, expression: Expression, new: Fraction, known: Values
) -> list[Change]:
    inside_note = equation.note is not None and expression.span.overlaps(equation.note)
    changes: list[Change] = []
    if not inside_note:
        sides = (equation.left, *(result.expression for result in equation.right))
        changes += [change for side in sides if not side.is_leaf for change in _leaves(text, side, known)]
    shown = (equation.left, *(result.expression for result in equation.right))
    for side in shown:
        if side.is_leaf and not (inside_note and equation.note and side.span.overlaps(equation.note)):
            span = side.span
            changes.append((span, format_value(new, span.of(text))))
    if equation.note is not None:
        changes.append((equation.note, _note(text, expression, known, new)))
    return changes


def _leaves(text: str, side: Expression, known: Values) -> list[Change]:
    return [
        (leaf.span, format_value(known[leaf.value], leaf.span.of(text)))
        for leaf in side.leaves()
        if leaf.form == "digits" and leaf.value is not None and leaf.value in known
    ]


def _note(text: str, expression: Expression, known: Values, new: Fraction) -> str:
    def leaf(number: Expression) -> str:
        if number.value is not None and number.form == "digits" and number.value in known:
            return format_value(known[number.value])
        return (
            number.span.of(text).strip("()") if number.form != "word" else format_value(number.value or new)
        )

    return f"<<{plain_signs(expression, leaf)}={format_value(new)}>>"


def substituted(expression: Expression, known: Values) -> Expression:
    """The tree with each old number replaced by its new one."""
    if expression.op:
        return replace(expression, children=tuple(substituted(child, known) for child in expression.children))
    if expression.form == "digits" and expression.value is not None and expression.value in known:
        return replace(expression, value=known[expression.value])
    return expression
