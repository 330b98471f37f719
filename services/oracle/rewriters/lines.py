"""The student's voice: lines of the reference, equations and answers set in the student's notation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import takewhile

from services.oracle.rewriters.operation import regrafted
from services.oracle.rewriters.plan import PlanItem, equation_of
from services.oracle.rewriters.script import Entry
from services.oracle.rewriters.typeset import currency_before, equation, leaf_of, restated
from services.oracle.rewriters.values import format_value
from shared.domain import Trajectory
from shared.quantities.equations import Equation, find_equations
from shared.quantities.numbers import find_numbers
from shared.quantities.words import FUNCTION_WORDS
from shared.text.notation import Notation, answer_phrase, split_marker

_CONCLUSION = re.compile(r"^(?:So|Therefore|Thus|Hence|That means|This means)\b,?\s*")
_UNIT_WORDS = re.compile(r"(?:\s?[^\W\d_]+){1,3}")
_NOTE = re.compile(r"<<[^<>\n]*>>")
_SUBJECT_WORDS = 3


@dataclass(frozen=True, slots=True)
class Voice:
    """Sets text the way one student does.

    Attributes:
        notation: the student's habits. terse: whether lines are bare equations, as some students write.
    """

    notation: Notation
    terse: bool = False

    def body(self, item: PlanItem) -> str:
        """A line of the plan as the student would set it, without a step marker."""
        body = self._terse(item) if self.terse else restated(item.line, self.notation)
        if not self.notation.notes:
            body = _NOTE.sub("", body)
        body = self._opened(body).rstrip()
        if self.notation.terminal and not body.endswith((".", "!", "?")):
            body += self.notation.terminal
        if not self.notation.terminal and body.endswith("."):
            body = body[:-1]
        return body

    def _opened(self, body: str) -> str:
        """The student's way to conclude in place of the reference's own."""
        found = _CONCLUSION.match(body)
        concludes = _CONCLUSION.match(self.notation.connector)
        if found and concludes and found.end() < len(body):
            return f"{self.notation.connector} {body[found.end() :]}"
        return body

    def _terse(self, item: PlanItem) -> str:
        """The equations of a line alone, each with its unit."""
        shown = []
        for derivation in item.derivations:
            found = equation_of(derivation)
            currency = currency_before(item.line, found.result.span.start, found)
            text = equation(
                derivation.expression,
                derivation.result,
                self.notation,
                leaf_of(item.line, self.notation.currency_inside),
                currency,
            )
            unit = self._unit(item.line, found) if not currency else ""
            shown.append(f"{text} {unit}".rstrip())
        opener = f"{self.notation.connector} " if self.notation.connector else ""
        return opener + ", ".join(shown)

    def _unit(self, line: str, found: Equation) -> str:
        """The noun phrase behind the result, up to three words and no further than a function word."""
        behind = _UNIT_WORDS.match(line[found.span.end :])
        if behind is None or not found.result.unit:
            return ""
        words = takewhile(lambda word: word.lower() not in FUNCTION_WORDS, behind[0].split())
        return " ".join(words)

    def grafted(self, text: str, native: Equation, item: PlanItem, values: dict[Fraction, Fraction]) -> str:
        """`text` with its equation replaced by the plan's last derivation."""
        derivation = item.derivations[-1]
        currency = currency_before(text, native.result.span.start, native)
        notation = replace(self.notation, notes=native.note is not None)
        like = derivation.result_span.of(item.line)
        new = equation(
            derivation.expression,
            derivation.result,
            notation,
            leaf_of(item.line, self.notation.currency_inside),
            currency,
            like,
        )
        return regrafted(text, native, new, values)

    def answered(self, text: str, answer: Fraction) -> str | None:
        """An answer step with `answer` as its last number; None where it holds no number."""
        numbers = [number for number in find_numbers(text) if number.kind == "digits"]
        if not numbers:
            return None
        last = numbers[-1]
        if last.value == answer:
            return text
        start = (
            last.span.start - 1 if last.span.start and text[last.span.start - 1] == "-" else last.span.start
        )
        shown = format_value(answer, last.surface if answer.denominator == 1 else "", self.notation.grouped)
        return text[:start] + shown + text[last.span.end :]

    def closing(self, answer: Fraction, entries: Sequence[Entry], trajectory: Trajectory) -> str | None:
        """The student's answer phrase, where it usually has one and this solution lacks it."""
        written = [entry.text for entry in entries if entry.text is not None]
        if not self.notation.answer or not written or answer_phrase(written[-1]) is not None:
            return None
        shown = format_value(answer, grouped=self.notation.grouped)
        marker = self.notation.marker(len(written) + 1)
        return f"{marker}{self.notation.answer}{shown}{self.notation.terminal}"


def writes_bare_equations(steps: Sequence[str]) -> bool:
    """Whether most steps with an equation begin with it, give or take a short subject."""
    bare = wordy = 0
    for step in steps:
        body = split_marker(step)[1]
        found = find_equations(body)
        if found:
            subject = _CONCLUSION.sub("", body[: found[0].span.start]).split()
            bare += len(subject) <= _SUBJECT_WORDS
            wordy += len(subject) > _SUBJECT_WORDS
    return bare > wordy
