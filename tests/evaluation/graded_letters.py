"""Graded problems in letters: r right, w and v wrong, u undecided, t truncated without an answer."""

from shared.domain import Correctness, EvaluationProblem, Graded, GradedSample, Verdict

_VERDICTS = {
    "r": Verdict(Correctness.CORRECT, "exact", "7"),
    "w": Verdict(Correctness.INCORRECT, "exact", "8"),
    "v": Verdict(Correctness.INCORRECT, "exact", "9"),
    "u": Verdict(Correctness.UNDECIDED, "timeout", "x^x"),
    "t": Verdict(Correctness.INCORRECT, "no_answer"),
}


def graded(name: str, letters: str, text: str = "What is 3 + 4?", **groups: str) -> Graded:
    """A problem whose samples are as the letters say; each has ten tokens."""
    samples = tuple(GradedSample("...", 10, letter != "t", _VERDICTS[letter]) for letter in letters)
    return Graded(EvaluationProblem(name, text, "7", groups), samples)


def answered(*answers: tuple[str, bool]) -> tuple[GradedSample, ...]:
    """Samples with these final answers, and whether each is right."""
    return tuple(
        GradedSample(
            answer, 1, True, Verdict(Correctness.CORRECT if right else Correctness.INCORRECT, "exact", answer)
        )
        for answer, right in answers
    )
