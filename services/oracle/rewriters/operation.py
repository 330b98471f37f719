"""Rewriter `operation`: the right numbers, the wrong operation.

The operands of a wrong step stay as the student chose them; only the operation between them changes
(30 - 5 becomes 30 / 5), and the new result is carried on. Gold only picks among what the step's own
numbers can give; where there is a reference, it has to derive the same value from the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import permutations, product

from services.oracle.rewriters.announced import keeps_its_word
from services.oracle.rewriters.carry import applied, carried_on, carry, concluded, is_operand
from services.oracle.rewriters.plan import Plan, plan_of
from services.oracle.rewriters.script import Entry, edits_of, touched_by
from services.oracle.rewriters.typeset import currency_before, equation, leaf_of
from services.oracle.rewriters.values import is_short
from shared.domain import Candidate, Span, Trajectory
from shared.ports import RewriteRequest
from shared.quantities.equations import Equation, find_equations
from shared.quantities.expressions import Expression, evaluate
from shared.quantities.numbers import find_numbers
from shared.text.notation import Notation, from_pairs, observe


@dataclass(frozen=True, slots=True)
class Operation:
    """Proposes solutions that differ from the native one in the operation of one flagged step.

    Attributes:
        operands: most numbers in an equation whose operations are varied.
    """

    operands: int = 3
    name: str = field(default="operation", init=False)

    def propose(self, request: RewriteRequest) -> Iterator[Candidate]:
        """Candidates whose last number is the gold one, first flagged step first."""
        gold = gold_value(request.trajectory)
        if gold is None:
            return
        notation = notation_of(request)
        for index in request.diagnosis.flagged():
            if index < len(request.trajectory.steps):
                yield from self._at_step(request.trajectory, index, notation, gold)

    def _at_step(
        self, trajectory: Trajectory, index: int, notation: Notation, gold: Fraction
    ) -> Iterator[Candidate]:
        step = trajectory.steps[index].text
        equations = find_equations(step)
        if len(equations) != 1 or equations[0].derivation is not equations[0].left:
            return
        plan = plan_of(trajectory.problem)
        for expression, value in _variants(equations[0].left, self.operands):
            if plan is not None and not _on_plan(plan, expression, value):
                continue
            if not keeps_its_word(step, equations[0], expression, trajectory.problem.text):
                continue
            entries = _entries(trajectory, index, equations[0], expression, value, notation)
            if _last_value(entries) == gold:
                note = f"the operation of step {index} changed"
                edits = edits_of(trajectory, entries, self.name)
                yield Candidate(edits, self.name, touched_by(trajectory, entries), note)


def _on_plan(plan: Plan, expression: Expression, value: Fraction) -> bool:
    """Whether the plan derives the value from the same numbers."""
    numbers = sorted(leaf.value for leaf in expression.leaves() if leaf.value is not None)
    derived = (derivation for item in plan.items for derivation in item.derivations)
    return any(d.result == value and sorted(d.operands) == numbers for d in derived)


def gold_value(trajectory: Trajectory) -> Fraction | None:
    """The gold answer as a number, where it is one."""
    numbers = find_numbers(trajectory.problem.gold or "")
    return numbers[-1].value if len(numbers) == 1 else None


def notation_of(request: RewriteRequest) -> Notation:
    """The student's habits: as this solution shows them, else as its profile does."""
    fallback = from_pairs(request.profile.notation) if request.profile else None
    return observe([[step.text for step in request.trajectory.steps]], fallback)


def _variants(native: Expression, most: int) -> Iterator[tuple[Expression, Fraction]]:
    """Other operations over the same numbers, each value once; the native one excluded."""
    leaves = tuple(native.leaves())
    if not 2 <= len(leaves) <= most:
        return
    seen = {evaluate(native)}
    for order in permutations(leaves):
        for signs in product("+-*/", repeat=len(leaves) - 1):
            tree = _joined(order, signs)
            value = evaluate(tree)
            if value is not None and value > 0 and is_short(value) and value not in seen:
                seen.add(value)
                yield tree, value


def _joined(leaves: tuple[Expression, ...], signs: tuple[str, ...]) -> Expression:
    tree = leaves[0]
    for sign, leaf in zip(signs, leaves[1:], strict=True):
        tree = Expression(Span(0, 0), sign, None, (tree, leaf))
    return tree


def _entries(
    trajectory: Trajectory,
    index: int,
    native: Equation,
    expression: Expression,
    value: Fraction,
    notation: Notation,
) -> list[Entry]:
    text = trajectory.steps[index].text
    shown = replace(notation, notes=native.note is not None)
    currency = currency_before(text, native.result.span.start, native)
    new = equation(expression, value, shown, leaf_of(text, money=True), currency, native.result.span.of(text))
    given = {number.value for number in find_numbers(trajectory.problem.text)}
    values: dict[Fraction, Fraction] = {}
    if native.result.value is not None and native.result.value not in given:
        values[native.result.value] = value
    entries = [Entry(step.index, step.text) for step in trajectory.steps[:index]]
    entries.append(Entry(index, regrafted(text, native, new, values)))
    later = trajectory.steps[index + 1 :]
    texts = carried_on((step.text for step in later), values, given)
    if later and native.result.value in given:
        texts[-1] = concluded(texts[-1], {native.result.value: value})
    return entries + [Entry(step.index, text) for step, text in zip(later, texts, strict=True)]


def regrafted(text: str, native: Equation, new: str, values: dict[Fraction, Fraction]) -> str:
    """`text` with one equation replaced, and its result carried through the words around it."""
    start = native.span.start
    if start and text[start - 1] in "$€£" and native.left.span.start == start:
        start -= 1
    changes = [(Span(start, native.span.end), new)]
    for number in find_numbers(text):
        outside = not changes[0][0].overlaps(number.span)
        spoken = outside and number.kind == "digits" and number.value in values
        if spoken and not (number.value == native.result.value and is_operand(number, [native])):
            carried = carry(number.surface, values).text
            changes.append((number.span, carried))
    return applied(text, changes)


def _last_value(entries: list[Entry]) -> Fraction | None:
    numbers = find_numbers(entries[-1].text or "")
    return numbers[-1].value if numbers else None
