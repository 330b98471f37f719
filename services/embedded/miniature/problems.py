"""Word problems of two or three operations, in four sets that share no problem, each from a seed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate

from services.embedded.miniature.draws import Draws
from services.embedded.miniature.events import EVENTS, NAMED, OF_SIGN, Sign
from shared.domain import EvaluationProblem, Problem
from shared.errors import FieldError

NAMES = ("Mia", "Tom", "Ana", "Ben", "Lea", "Max", "Eva", "Sam", "Zoe", "Jan", "Ida", "Leo")
THINGS = ("apples", "coins", "stamps", "books", "shells", "cards", "pears", "beads")
LARGEST = 99
FACTORS = (2, 3, 4, 5)
LENGTHS = (2, 3)
# Out of 100; how many of the drawn operations have each sign, where the number allows it.
_WEIGHTS: tuple[tuple[Sign, int], ...] = (("+", 38), ("-", 38), ("*", 12), ("/", 12))
_QUESTION = re.compile(r"(\w+) has ([0-9]{1,2}) (\w+)\. (.+)\. How many \3 does \1 have now\?")


class Split(StrEnum):
    """What a problem is for; none belongs to two of them."""

    PRETRAINING = "pretraining"
    ARMS = "arms"
    EVALUATION = "evaluation"
    RATES = "rates"


# Out of 100 problems, by the hash of their numbers.
_SHARES = ((Split.PRETRAINING, 40), (Split.ARMS, 30), (Split.EVALUATION, 20), (Split.RATES, 10))


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that happens: the name of an event and its number."""

    event: str
    value: int

    @property
    def sign(self) -> Sign:
        """Sign of the operation."""
        return NAMED[self.event].sign

    def on(self, before: int) -> int:
        """The number after the operation."""
        return calculated(before, self.sign, self.value) or 0


@dataclass(frozen=True, slots=True)
class WordProblem:
    """A problem as a structure; its text, answer and reference follow from it.

    Every number on the way is a whole one from 1 to `LARGEST`.
    """

    who: str
    things: str
    start: int
    operations: tuple[Operation, ...]

    @property
    def states(self) -> tuple[int, ...]:
        """The number before the first operation and after each."""
        return tuple(accumulate(self.operations, lambda before, then: then.on(before), initial=self.start))

    @property
    def text(self) -> str:
        """The problem as it is asked."""
        clauses = ". ".join(map(capital, self.clauses))
        return (
            f"{self.who} has {self.start} {self.things}. {clauses}. "
            f"How many {self.things} does {self.who} have now?"
        )

    @property
    def clauses(self) -> tuple[str, ...]:
        """What happens, one clause an operation."""
        return tuple(
            NAMED[operation.event].told(self.who, self.things, operation.value)
            for operation in self.operations
        )

    @property
    def equations(self) -> tuple[str, ...]:
        """One equation an operation, such as ``30 + 12 = 42``."""
        steps = zip(self.states, self.operations, self.states[1:], strict=False)
        return tuple(f"{before} {made.sign} {made.value} = {after}" for before, made, after in steps)

    @property
    def gold(self) -> str:
        """The final answer."""
        return str(self.states[-1])

    @property
    def reference(self) -> str:
        """The data set's own solution: bare equations and the answer."""
        return "\n".join((*self.equations, f"\\boxed{{{self.gold}}}"))

    @property
    def id(self) -> str:
        """Names the problem: the same in every draw that holds it."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]

    @property
    def split(self) -> Split:
        """The set it belongs to; depends on its numbers and signs alone, not on names and words."""
        signs = "".join(f" {made.sign} {made.value}" for made in self.operations)
        place = int(hashlib.sha256(f"{self.start}{signs}".encode()).hexdigest(), 16) % 100
        borders = accumulate(share for _, share in _SHARES)
        return next(split for (split, _), border in zip(_SHARES, borders, strict=True) if place < border)

    def problem(self) -> Problem:
        """As the pipeline knows a problem."""
        return Problem(self.text, self.gold, self.reference)

    def evaluation(self) -> EvaluationProblem:
        """As an evaluation knows it, grouped by its number of operations."""
        return EvaluationProblem(self.id, self.text, self.gold, {"operations": str(len(self.operations))})


def problems(seed: int, count: int, split: Split = Split.ARMS) -> list[WordProblem]:
    """`count` different problems of a split; equal seeds, equal draws; a longer begins with a shorter."""
    found: dict[tuple[int, tuple[tuple[Sign, int], ...]], WordProblem] = {}
    for drawn in stream(seed, split):
        if len(found) >= count:
            break
        found.setdefault((drawn.start, tuple((made.sign, made.value) for made in drawn.operations)), drawn)
    return list(found.values())


def stream(seed: int, split: Split) -> Iterator[WordProblem]:
    """Problems of a split without end; one may come twice."""
    draws = Draws("problems", split, seed)
    while True:
        drawn = _drawn(draws)
        if drawn is not None and drawn.split is split:
            yield drawn


def parse(text: str) -> WordProblem:
    """The structure of a problem, from its text alone. Raises FieldError for a text that is none of ours."""
    found = _QUESTION.fullmatch(text)
    if found is None:
        raise _unreadable(text)
    who, start, things, told = found.groups()
    operations = tuple(_operation(who, things, clause) for clause in told.split(". "))
    if None in operations:
        raise _unreadable(text)
    return WordProblem(who, things, int(start), tuple(made for made in operations if made is not None))


def _unreadable(text: str) -> FieldError:
    return FieldError("problem", f"is none of the miniature's ({text[:60]!r})", "take one that it generates")


def _operation(who: str, things: str, clause: str) -> Operation | None:
    for event in EVENTS:
        for begun in (clause, clause[:1].lower() + clause[1:]):
            value = event.value_in(who, things, begun)
            if value is not None:
                return Operation(event.name, value)
    return None


def _drawn(draws: Draws) -> WordProblem | None:
    """A problem of any split; None where the numbers led nowhere."""
    who, things, length = draws.pick(NAMES), draws.pick(THINGS), draws.pick(LENGTHS)
    start = state = draws.between(2, LARGEST)
    operations: list[Operation] = []
    for _ in range(length):
        operation = _possible(draws, state)
        if operation is None:
            return None
        operations.append(operation)
        state = operation.on(state)
    return WordProblem(who, things, start, tuple(operations))


def _possible(draws: Draws, state: int) -> Operation | None:
    """An operation after which the number is still a whole one from 1 to `LARGEST`."""
    place = draws.below(100)
    borders = accumulate(weight for _, weight in _WEIGHTS)
    sign = next(sign for (sign, _), border in zip(_WEIGHTS, borders, strict=True) if place < border)
    value = number(draws, sign)
    return Operation(draws.pick(OF_SIGN[sign]).name, value) if allowed(state, sign, value) else None


def number(draws: Draws, sign: Sign) -> int:
    """A number that can stand behind the sign."""
    return draws.pick(FACTORS) if sign in "*/" else draws.between(2, LARGEST)


def allowed(before: int, sign: Sign, value: int) -> bool:
    """Whether the result is a whole number from 1 to `LARGEST`."""
    after = calculated(before, sign, value)
    return after is not None and 1 <= after <= LARGEST


def calculated(before: int, sign: Sign, value: int) -> int | None:
    """The result, None where it is no whole number."""
    if sign == "+":
        return before + value
    if sign == "-":
        return before - value
    if sign == "*":
        return before * value
    return before // value if value and before % value == 0 else None


def capital(clause: str) -> str:
    """The clause with a capital letter in front."""
    return clause[:1].upper() + clause[1:]
