"""Sentences that a person can check, and the value that should stand there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from services.oracle.locators.known import Standing
from services.oracle.locators.reading import Derived, Reading, best_repair
from shared.domain import Span
from shared.quantities import Derivation, Link, evaluate, plain, render


@dataclass(frozen=True, slots=True)
class Remark:
    """Why a step is wrong: the sentence, the span within the step, the expected value, and its source."""

    text: str
    span: Span
    expected: str | None
    source: str


def slip_remarks(reading: Reading, index: int) -> tuple[Remark, ...]:
    """False arithmetic of one step: "12 * 5 is 60, not 65"."""
    return tuple(_slip(link) for link in reading.steps[index].slips)


def step_remarks(reading: Reading, index: int) -> tuple[Remark, ...]:
    """Everything that can be said against one step, strongest first; never empty."""
    step = reading.steps[index]
    found = list(slip_remarks(reading, index))
    found += [_departure(reading, one) for one in step.derived if one.departs and not one.false]
    found += _solution(reading, index)
    found += _unsourced(reading, index)
    return tuple(found) if found else (_fallback(reading, index),)


def _slip(link: Link) -> Remark:
    stated = link.result.value if link.result.value is not None else Fraction(0)
    if link.expression.is_leaf:
        written = link.result.expression
        stated, expected = evaluate(link.expression) or Fraction(0), evaluate(written) or Fraction(0)
        text = f"{render(written)} is {plain(expected)}, not {plain(stated)}"
        return Remark(text, link.expression.span, plain(expected), "arithmetic")
    text = f"{render(link.expression)} is {plain(link.expected)}, not {plain(stated)}"
    return Remark(text, link.result.span, plain(link.expected), "arithmetic")


def _departure(reading: Reading, one: Derived) -> Remark:
    value = plain(one.made.result)
    wanted = _wanted(reading, one)
    reason = {
        Standing.UNKNOWN: f"{value} is no quantity of the reference",
        Standing.GIVEN: f"{value} is given in the problem, and the reference derives it nowhere",
    }.get(one.standing, f"the reference takes no step to {value}")
    if wanted is None:
        return Remark(reason, one.made.result_span, None, "reference")
    shown = f"{render(wanted.expression)} = {plain(wanted.result)}"
    return Remark(f"{reason}; expected {shown}", one.made.result_span, plain(wanted.result), "reference")


def _wanted(reading: Reading, one: Derived) -> Derivation | None:
    """The reference's derivation in place of this one: what repairs the rest, else the most alike."""
    known = reading.known.derivations
    value = best_repair(reading, reading.derived.index(one))
    exact = [wanted for wanted in known if value is not None and wanted.result == value]
    if exact:
        return exact[0]
    alike = [(_shared(wanted, one.made), -place) for place, wanted in enumerate(known)]
    best = max(alike, default=(0, 0))
    return known[-best[1]] if best[0] >= 1 else None


def _shared(first: Derivation, second: Derivation) -> int:
    """How many operands two derivations have in common."""
    return sum((Counter(first.operands) & Counter(second.operands)).values())


def _solution(reading: Reading, index: int) -> Iterator[Remark]:
    changed = reading.changed.get(index)
    if changed:
        before, now, name = changed
        text = f"the equation before is solved by {name} = {before:.6g}, this one by {name} = {now:.6g}"
        yield Remark(text, _whole(reading, index), f"{before:.6g}", "arithmetic")


def _unsourced(reading: Reading, index: int) -> Iterator[Remark]:
    results = {abs(one.made.result) for one in reading.derived}
    for number in reading.steps[index].loose_numbers:
        value = abs(number.value)
        if number.kind != "word" and value > 2 and value not in results and not reading.known.holds(value):
            text = f"{plain(number.value)} stands neither in the problem nor in the reference"
            yield Remark(text, number.span, None, "reference")


def _fallback(reading: Reading, index: int) -> Remark:
    gold, answer = reading.known.gold, reading.answer
    if gold is not None and answer is not None and gold != answer:
        text = f"the final answer is {plain(answer)}, not {plain(gold)}; this step is the likeliest cause"
    else:
        text = "the final answer is wrong; by its place, length and content this step is the likeliest cause"
    return Remark(text, _whole(reading, index), None, "answer")


def _whole(reading: Reading, index: int) -> Span:
    return Span(0, len(reading.steps[index].text))
