"""A program in the place of a strong model: it solves, repairs and rewrites the miniature's own problems.

It is a simulation. It reads a problem's structure from its text with the generator's own parser, so it is
never wrong; what it writes differs from the student's own text in its words alone, which is the point.
"""

from __future__ import annotations

from services.embedded.miniature.checking import check, claimed
from services.embedded.miniature.draws import Draws
from services.embedded.miniature.expressions import EXPRESSIONS, NATIVE, lines, solution
from services.embedded.miniature.problems import WordProblem, parse
from shared.domain import Problem, Trajectory, Verdict
from shared.errors import FieldError

DISTANT = "formal"


class MiniatureOracle:
    """Implements `shared.ports.ArmWriter` with right solutions in the expression named `words`.

    `refined` and `aligned` repair at the same place and differ in their words alone. A solution without a
    wrong line comes back as it is: a program has no opinion on how to polish it. The verdict is not asked;
    the oracle checks every line itself.
    """

    def __init__(self, words: str = DISTANT) -> None:
        """Raises FieldError for an expression that isn't there."""
        if words not in EXPRESSIONS:
            raise FieldError("words", f"is {words!r}", f"use one of {', '.join(EXPRESSIONS)}")
        self._words = words

    @property
    def name(self) -> str:
        """``miniature:`` and the name of its words."""
        return f"miniature:{self._words}"

    @property
    def simulated(self) -> bool:
        """Always: no model answers here."""
        return True

    def refined(self, trajectory: Trajectory, verdict: Verdict, seed: int) -> str | None:
        """The solution up to its first wrong line, the rest in its words; None if it can't be read."""
        return repaired(trajectory.problem.text, trajectory.text, self._words, seed)

    def synthesized(self, problem: Problem, seed: int) -> str | None:
        """A whole solution in the oracle's words; None for a problem that isn't the miniature's."""
        structure = _structure(problem.text)
        return None if structure is None else solution(structure, self._words, seed)

    def aligned(self, trajectory: Trajectory, verdict: Verdict, seed: int) -> str | None:
        """The solution up to its first wrong line, the rest in native words; None if it can't be read."""
        return repaired(trajectory.problem.text, trajectory.text, NATIVE, seed)

    def respelled(self, problem_text: str, solution_text: str, share: float, seed: int) -> str:
        """As the function of that name, in the oracle's words."""
        return respelled(problem_text, solution_text, share, seed, self._words)


def repaired(problem_text: str, solution_text: str, words: str, seed: int) -> str | None:
    """The solution up to its first wrong line and the rest in `words`; None where either text can't be read.

    A solution that lacks nothing is returned as it is.
    """
    structure = _structure(problem_text)
    checked = None if structure is None else check(structure, solution_text)
    if structure is None or checked is None:
        return None
    return "\n".join(checked.lines[: checked.right] + lines(structure, words, seed)[checked.right :])


def respelled(problem_text: str, solution_text: str, share: float, seed: int, words: str = DISTANT) -> str:
    """The solution with each right line swapped, with probability `share`, for the same line in `words`.

    Lines from the first wrong or unreadable one on stay as they are. Raises FieldError for a problem that
    isn't the miniature's and for a share outside 0..1.
    """
    if not 0 <= share <= 1:
        raise FieldError("share", f"is {share}", "give a number from 0 to 1")
    structure, kept = parse(problem_text), solution_text.split("\n")
    other = lines(structure, words, seed)
    draws = Draws("respelled", structure.id, seed)
    swapped = [draws.chance(share) for _ in other]
    right = _right_lines(structure, kept)
    fronts = zip(kept[:right], other, swapped, strict=False)
    return "\n".join([new if swap else old for old, new, swap in fronts] + kept[right:])


def _right_lines(structure: WordProblem, kept: list[str]) -> int:
    """How many lines are right, from the first on, also where a later one can't be read."""
    readable = next((place for place, line in enumerate(kept) if claimed(line) is None), len(kept))
    checked = check(structure, "\n".join(kept[:readable])) if readable else None
    return 0 if checked is None else checked.right


def _structure(text: str) -> WordProblem | None:
    try:
        return parse(text)
    except FieldError:
        return None
