"""The texts that the student is pre-trained on, row by row, from a seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from services.embedded.miniature.draws import Draws
from services.embedded.miniature.events import Sign
from services.embedded.miniature.expressions import NATIVE, OTHERS, solution
from services.embedded.miniature.problems import LARGEST, Split, allowed, calculated, number, stream


@dataclass(frozen=True, slots=True)
class Mix:
    """What a row may be: bare equations, a solution in each of the other expressions, else a native one.

    Attributes:
        equations: share of rows with bare equations. others: share of rows for *each* other expression.
    """

    equations: float
    others: float = 0.0


@dataclass(frozen=True, slots=True)
class Solved:
    """A row with a problem and its solution, which alone is learnt."""

    problem: str
    solution: str


@dataclass(frozen=True, slots=True)
class Equations:
    """A row of equations as (left side with the equals sign, result); only results are learnt."""

    pairs: tuple[tuple[str, str], ...]


Row = Solved | Equations
_PAIRS = 13
# As often as in problems, or nearly; factors are few, so there are few products to learn.
_SIGNS: tuple[Sign, ...] = ("+", "+", "+", "-", "-", "-", "*", "/")


class Corpus:
    """Rows without end; equal for equal seeds and mixes."""

    def __init__(self, seed: int) -> None:
        self._draws = Draws("corpus", seed)
        self._problems = stream(seed, Split.PRETRAINING)

    def row(self, mix: Mix) -> Row:
        """The next row."""
        place = self._draws.below(1_000_000) / 1_000_000
        if place < mix.equations:
            return Equations(tuple(_equation(self._draws) for _ in range(_PAIRS)))
        other = int((place - mix.equations) / mix.others) if mix.others else len(OTHERS)
        words = OTHERS[other] if other < len(OTHERS) else NATIVE
        problem = next(self._problems)
        return Solved(problem.text, solution(problem, words, self._draws.below(1 << 30)))


def texts(seed: int, count: int) -> Iterator[str]:
    """Problems with solutions in all expressions alike: what the vocabulary is made from."""
    drawn = stream(seed, Split.PRETRAINING)
    for place in range(count):
        problem = next(drawn)
        yield f"{problem.text}\n{solution(problem, (NATIVE, *OTHERS)[place % 7], place)}"


def _equation(draws: Draws) -> tuple[str, str]:
    """A true equation; which sign it has doesn't depend on how many numbers fit it."""
    sign = draws.pick(_SIGNS)
    while True:
        before, value = draws.between(2, LARGEST), number(draws, sign)
        if allowed(before, sign, value):
            return f"{before} {sign} {value} =", f" {calculated(before, sign, value)}\n"
