"""Finds the first wrong line of a solution: a line is right if its equation follows from the state so far.

Only equations and the boxed answer are read. Words around them may say anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from services.embedded.miniature.problems import Operation, WordProblem

_NUMBER = r"([0-9]+)"
_SIGN = r"\s*(\+|-|\*|/|\\times|\\div|plus|minus|times|over)\s*"
_FORWARD = re.compile(rf"{_NUMBER}{_SIGN}{_NUMBER}\s*(?:=|equals)\s*{_NUMBER}")
_BACKWARD = re.compile(rf"{_NUMBER}\s*=\s*{_NUMBER}{_SIGN}{_NUMBER}")
_BOXED = re.compile(r"\\boxed\{([0-9]+)\}")
_SIGNS = {r"\times": "*", r"\div": "/", "plus": "+", "minus": "-", "times": "*", "over": "/"}


@dataclass(frozen=True, slots=True)
class Equation:
    """What a line claims: `left` `sign` `right` is `result`."""

    left: int
    sign: str
    right: int
    result: int


@dataclass(frozen=True, slots=True)
class Checked:
    """What a solution is, line by line.

    Attributes:
        lines: the solution cut at its line breaks.
        right: how many of them are right, from the first on. Line i that is right is step i of the problem,
            or the answer behind all steps.
        complete: whether all lines are right, with nothing missing and nothing behind the answer.
    """

    lines: tuple[str, ...]
    right: int
    complete: bool


def check(problem: WordProblem, text: str) -> Checked | None:
    """The solution with its first wrong line; None where a line that decides can't be read."""
    lines = tuple(text.split("\n"))
    operations, states = problem.operations, problem.states
    for place, line in enumerate(lines):
        claim = claimed(line)
        if claim is None:
            return None
        if place == len(operations) and claim == states[-1]:
            return Checked(lines, place + 1, len(lines) == place + 1)
        if place >= len(operations) or not _follows(claim, states[place], operations[place]):
            return Checked(lines, place, False)
    return Checked(lines, len(lines), False)


def claimed(line: str) -> Equation | int | None:
    """The one equation of a line, or its boxed answer; None where there is neither or more than one."""
    boxed = _BOXED.findall(line)
    found = [_forward(*match) for match in _FORWARD.findall(line)]
    found += [_backward(*match) for match in _BACKWARD.findall(line)]
    if len(boxed) + len(found) != 1:
        return None
    return found[0] if found else int(boxed[0])


def _forward(left: str, sign: str, right: str, result: str) -> Equation:
    return Equation(int(left), _SIGNS.get(sign, sign), int(right), int(result))


def _backward(result: str, left: str, sign: str, right: str) -> Equation:
    return _forward(left, sign, right, result)


def _follows(claim: Equation | int, before: int, operation: Operation) -> bool:
    """Whether a claim is what the operation does to the state."""
    if isinstance(claim, int) or claim.sign != operation.sign or claim.result != operation.on(before):
        return False
    operands = (claim.left, claim.right)
    swapped = claim.sign in "+*" and operands == (operation.value, before)
    return swapped or operands == (before, operation.value)
