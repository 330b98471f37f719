"""What a solution derives, step by step: which value, from which values, by which operation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from shared.domain import Span
from shared.quantities.equations import Equation, find_assignments, find_equations
from shared.quantities.expressions import Expression, evaluate
from shared.quantities.numbers import Number, find_numbers, numbers_outside


@dataclass(frozen=True, slots=True)
class Derivation:
    """One equation of a step, read as "this result follows from these operands".

    Attributes:
        step: 0-based index of the step.
        span: of the whole equation, within the step's text.
        result: the value written at the end of the chain (not the exact value of the expression).
        result_span: of that value, within the step's text.
        expression: the first side of the chain that holds an operation.
        operands: values of its numbers, left to right, unsigned.
        unit: the noun behind the result, lower-case singular.
        equation: the equation as found; None where the operation is named but not worked out
            (``x = 80 / 4.``): `result` is then its exact value and `result_span` that of the operation.
    """

    step: int
    span: Span
    result: Fraction
    result_span: Span
    expression: Expression
    operands: tuple[Fraction, ...]
    unit: str | None
    equation: Equation | None


@dataclass(frozen=True, slots=True)
class Statement:
    """A number that stands in a step outside any equation; the span is within the step's text."""

    step: int
    span: Span
    value: Fraction
    unit: str | None
    number: Number


def derivations(steps: Sequence[str]) -> tuple[Derivation, ...]:
    """All derivations of a solution, in order; equations without a computable result are left out."""
    return tuple(
        made
        for step, text in enumerate(steps)
        for equation in find_equations(text)
        if (made := derivation_of(step, equation)) is not None
    )


def implied_derivations(steps: Sequence[str]) -> tuple[Derivation, ...]:
    """`derivations` together with the operations that are named but not worked out, in order."""
    named = [
        Derivation(
            step, one.span, one.value, one.span, one.expression, _operands(one.expression), one.unit, None
        )
        for step, text in enumerate(steps)
        for one in find_assignments(text)
        if one.value is not None
    ]
    return tuple(sorted((*derivations(steps), *named), key=lambda made: (made.step, made.span)))


def derivation_of(step: int, equation: Equation) -> Derivation | None:
    """`equation` as a derivation; of 24 = 6 * 4 the left side is the result."""
    expression = equation.derivation
    last = equation.result
    value, span, unit = last.value, last.span, last.unit
    if expression is last.expression or (equation.left.is_leaf and len(equation.right) == 1):
        value, span, unit = evaluate(equation.left), equation.left.span, None
    if value is None:
        return None
    return Derivation(step, equation.span, value, span, expression, _operands(expression), unit, equation)


def _operands(expression: Expression) -> tuple[Fraction, ...]:
    return tuple(leaf.value for leaf in expression.leaves() if leaf.value is not None)


def statements(steps: Sequence[str]) -> tuple[Statement, ...]:
    """All numbers that stand outside equations, in order."""
    return tuple(
        Statement(step, number.span, number.value, number.unit, number)
        for step, text in enumerate(steps)
        for number in _outside(text)
    )


def _outside(text: str) -> tuple[Number, ...]:
    return numbers_outside(find_numbers(text), (equation.span for equation in find_equations(text)))
