"""Seven ways to write down one and the same solution; the student's own is `native`.

Every expression has one line a step in the order of the problem and a line with the boxed answer, so a line
of one can stand in the place of the same line of another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from services.embedded.miniature.draws import Draws
from services.embedded.miniature.problems import WordProblem
from shared.errors import FieldError

NATIVE = "native"


@dataclass(frozen=True, slots=True)
class Step:
    """One step as an expression sees it.

    Attributes:
        index: 0-based. clause: what happens, as the problem tells it. equation: spaced, such as
            ``30 + 12 = 42``. before, sign, value, after: its parts, as text.
        things: what is counted.
    """

    index: int
    clause: str
    equation: str
    before: str
    sign: str
    value: str
    after: str
    things: str


@dataclass(frozen=True, slots=True)
class Expression:
    """How a step and an answer are written; both may choose among words of their own."""

    step: Callable[[Step, Draws], str]
    answer: Callable[[str, str, Draws], str]


def solution(problem: WordProblem, words: str, seed: int) -> str:
    """A whole right solution in the expression of that name."""
    return "\n".join(lines(problem, words, seed))


def lines(problem: WordProblem, words: str, seed: int) -> tuple[str, ...]:
    """Its lines: one a step, then the answer. Line i depends on the problem, `words`, `seed` and i only.

    Raises FieldError for an expression that isn't there.
    """
    expression = EXPRESSIONS.get(words)
    if expression is None:
        raise FieldError("words", f"is {words!r}", f"use one of {', '.join(EXPRESSIONS)}")
    steps = _steps(problem)
    draws = [Draws("words", words, problem.id, seed, place) for place in range(len(steps) + 1)]
    written = [expression.step(step, draw) for step, draw in zip(steps, draws, strict=False)]
    return (*written, expression.answer(problem.gold, problem.things, draws[-1]))


def _steps(problem: WordProblem) -> list[Step]:
    told = zip(problem.clauses, problem.equations, strict=True)
    return [
        Step(index, clause, equation, *_parts(equation), problem.things)
        for index, (clause, equation) in enumerate(told)
    ]


def _parts(equation: str) -> tuple[str, str, str, str]:
    before, sign, value, _, after = equation.split()
    return before, sign, value, after


def _native(step: Step, draws: Draws) -> str:
    opening = draws.pick(("First", "To begin") if step.index == 0 else ("Next", "Then"))
    return f"{opening}, {step.clause}, so I get {step.equation}."


def _native_answer(gold: str, things: str, draws: Draws) -> str:
    opening = draws.pick(("So", "In the end,"))
    return f"{opening} there are \\boxed{{{gold}}} {things}."


_CHANGES = {"+": "increases by", "-": "decreases by", "*": "is multiplied by", "/": "is divided by"}
_SPOKEN = {"+": "plus", "-": "minus", "*": "times", "/": "over"}
_TEX = {"+": "+", "-": "-", "*": r"\times", "/": r"\div"}
_ORDINALS = ("one", "two", "three")


def _formal(step: Step, draws: Draws) -> str:
    subject = draws.pick(("the quantity", "the amount"))
    return f"Since {subject} {_CHANGES[step.sign]} {step.value}, we obtain {step.equation}."


def _formal_answer(gold: str, things: str, draws: Draws) -> str:
    return f"{draws.pick(('Hence', 'Therefore'))} the final quantity is \\boxed{{{gold}}}."


def _numbered(step: Step, draws: Draws) -> str:
    return f"{step.index + 1}. {step.before}{step.sign}{step.value}={step.after}"


def _numbered_answer(gold: str, things: str, draws: Draws) -> str:
    return f"Answer: \\boxed{{{gold}}}"


def _typeset(step: Step, draws: Draws) -> str:
    written = f"{step.before} {_TEX[step.sign]} {step.value} = {step.after}"
    return f"{draws.pick(('We have', 'We compute'))} \\({written}\\)."


def _typeset_answer(gold: str, things: str, draws: Draws) -> str:
    return f"Thus, the result is \\(\\boxed{{{gold}}}\\)."


def _spoken(step: Step, draws: Draws) -> str:
    return (
        f"Step {_ORDINALS[step.index]}: {step.before} {_SPOKEN[step.sign]} {step.value} equals {step.after}."
    )


def _spoken_answer(gold: str, things: str, draws: Draws) -> str:
    return f"The count is \\boxed{{{gold}}}."


def _lettered(step: Step, draws: Draws) -> str:
    return f"Let {'abc'[step.index]} = {step.equation}."


def _lettered_answer(gold: str, things: str, draws: Draws) -> str:
    return f"The last letter is \\boxed{{{gold}}}."


def _reversed(step: Step, draws: Draws) -> str:
    return f"We reach {step.after} = {step.before} {step.sign} {step.value} because {step.clause}."


def _reversed_answer(gold: str, things: str, draws: Draws) -> str:
    return f"We end with \\boxed{{{gold}}}."


# The order is part of the recipe of pre-training: a new one goes to the end.
EXPRESSIONS: dict[str, Expression] = {
    NATIVE: Expression(_native, _native_answer),
    "formal": Expression(_formal, _formal_answer),
    "numbered": Expression(_numbered, _numbered_answer),
    "typeset": Expression(_typeset, _typeset_answer),
    "spoken": Expression(_spoken, _spoken_answer),
    "lettered": Expression(_lettered, _lettered_answer),
    "reversed": Expression(_reversed, _reversed_answer),
}
OTHERS = tuple(name for name in EXPRESSIONS if name != NATIVE)
