"""What a problem and its reference solution make known: given numbers, derived quantities, regroupings."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache

from shared.domain import Problem
from shared.quantities import Derivation, Expression, derivations, evaluate, find_numbers
from shared.quantities.closure import inlined, regroupings
from shared.quantities.constants import constants_called_by

MAX_TEXT = 20_000
"""Of a longer problem or reference only this much is read, in code points."""
MAX_LINES = 120
"""Longer references are read no further."""
_ROUNDING = Fraction(1, 200)
_MARKUP = re.compile(
    r"\s|\\(?:cdot|times|left|right|displaystyle)(?![A-Za-z])|\\d?frac|\\[,;!() \[\]]|\$|\\boxed"
)
_FORMULA = re.compile(r"[a-z0-9]{1,12}(?:[\^_=+\-*/][a-z0-9{}()]{1,24}){1,12}")
_NOTATION = re.compile(r"\\[A-Za-z(\[]|[A-Za-z)]\^|\b[a-zA-Z]\s?=|^\s?\(?A[):]", re.MULTILINE)
_BOX = re.compile(r"\\boxed\b")
_PLAIN_NUMBER = re.compile(r"-?\d{1,15}(?:\.\d{1,10})?")


class Standing(StrEnum):
    """How a derived value stands to the reference, best first."""

    CONFIRMED = "confirmed"
    DERIVED = "derived"
    STATED = "stated"
    REGROUPED = "regrouped"
    RESCALED = "rescaled"
    GIVEN = "given"
    UNKNOWN = "unknown"


GOOD = (Standing.CONFIRMED, Standing.DERIVED)


@dataclass(frozen=True, slots=True)
class Known:
    """The known quantities of one problem.

    Attributes:
        steps: the reference's lines. derivations: what they derive.
        given: numbers of the problem, with complements of its shares.
        derived: every value of the reference's operations, absolute.
        stated: every number in the reference, and gold.
        regrouped: values of the reference's sums and products done in another order.
        constants: unit constants that the problem's words call for.
        gold: the final answer, where it is a number.
        formulas: problem and reference without white space and mark-up, lower case.
        formal: whether the reference is formal mathematics (it boxes its answer, and it or the problem is
            written in symbols too); without one, whether the problem is written in symbols or as a choice.
    """

    steps: tuple[str, ...]
    derivations: tuple[Derivation, ...]
    given: frozenset[Fraction]
    derived: frozenset[Fraction]
    stated: frozenset[Fraction]
    regrouped: frozenset[Fraction]
    constants: frozenset[Fraction]
    gold: Fraction | None
    formulas: str
    formal: bool

    def standing(self, derivation: Derivation) -> Standing:
        """How the derivation's result stands to the reference; without one nothing departs from it."""
        value = abs(derivation.result)
        if not self.steps:
            return Standing.DERIVED
        if self._is_derived(value):
            return Standing.CONFIRMED if self._confirms(derivation) else Standing.DERIVED
        if value in self.stated and value not in self.given:
            return Standing.STATED
        if value in self.regrouped:
            return Standing.REGROUPED
        if value in self.given:
            return Standing.GIVEN
        return Standing.RESCALED if self._is_rescaled(value) else Standing.UNKNOWN

    def holds(self, value: Fraction) -> bool:
        """Whether a stated value is given, derived, stated or a regrouping."""
        size = abs(value)
        return (
            not self.steps
            or size in self.given
            or size in self.derived
            or size in self.stated
            or size in self.regrouped
        )

    def shares_formulas(self, text: str) -> float | None:
        """Share of the formulas of `text` that stand in problem or reference; None without formulas."""
        found = set(_FORMULA.findall(_MARKUP.sub("", text.lower())))
        return sum(formula in self.formulas for formula in found) / len(found) if found else None

    def _is_derived(self, value: Fraction) -> bool:
        if value in self.derived:
            return True
        inexact = (known for known in self.derived if known.denominator != 1)
        return any(abs(known - value) <= _ROUNDING * known for known in inexact)

    def _confirms(self, derivation: Derivation) -> bool:
        operands = sorted(derivation.operands)
        return any(sorted(known.operands) == operands for known in self.derivations)

    def _is_rescaled(self, value: Fraction) -> bool:
        pool = self.derived | self.given
        factors = [constant for constant in self.constants if constant not in (0, 1)]
        return any(value * factor in pool or value / factor in pool for factor in factors)


def known_of(problem: Problem) -> Known:
    """The known quantities of `problem`; without a reference only the given ones."""
    reference = (problem.reference or "")[:MAX_TEXT]
    return _known(problem.text[:MAX_TEXT], reference, (problem.gold or "")[:MAX_TEXT])


@lru_cache(maxsize=256)
def _known(text: str, reference: str, gold: str) -> Known:
    steps = tuple(line for line in reference.splitlines() if line.strip())
    made = derivations(steps[:MAX_LINES])[:MAX_LINES]
    answer = number_in(gold)
    stated = {abs(number.value) for line in steps for number in find_numbers(line)}
    return Known(
        steps,
        made,
        frozenset(_given(text)),
        frozenset(_derived(made)),
        frozenset(stated | ({abs(answer)} if answer is not None else set())),
        regroupings(inlined(made)),
        constants_called_by([text]),
        answer,
        _MARKUP.sub("", (text + " " + reference).lower()),
        _is_formal(text, reference),
    )


def _is_formal(text: str, reference: str) -> bool:
    """A box around the answer alone makes no formal mathematics: worded problems have it too."""
    if not reference.strip():
        return _NOTATION.search(text) is not None
    symbols = _NOTATION.search(text) or _NOTATION.search(_BOX.sub("", reference)) or "$" in reference
    return "\\boxed" in reference and bool(symbols)


def number_in(answer: str) -> Fraction | None:
    """The number that a short answer is, or None (`$1,200` is 1200)."""
    bare = answer.replace(",", "").replace("\\!", "").replace("$", "").replace("\\", "").strip().rstrip(".%")
    return Fraction(bare) if _PLAIN_NUMBER.fullmatch(bare) else None


def _given(text: str) -> Iterable[Fraction]:
    for number in find_numbers(text):
        value = number.value
        yield value
        yield from (part.value for part in number.parts)
        if number.kind == "percent":
            yield from (value * 100, 1 + value, 100 + value * 100)
        if 0 < value < 1:
            yield from (1 - value, 100 - value * 100)


def _derived(made: Iterable[Derivation]) -> Iterable[Fraction]:
    for derivation in made:
        yield abs(derivation.result)
        yield from _values(derivation.expression)
        if derivation.equation is not None:
            for result in derivation.equation.right:
                yield from _values(result.expression)


def _values(expression: Expression) -> Iterable[Fraction]:
    for node in expression.operations():
        value = evaluate(node)
        if value is not None:
            yield abs(value)
