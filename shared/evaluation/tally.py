"""What is kept of each problem once it is graded: counts, from which every figure is made."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import comb

from shared.domain import Correctness, Graded, GradedSample
from shared.errors import FieldError
from shared.evaluation.answers import answer_key

_RIGHT = object()


@dataclass(frozen=True, slots=True)
class ProblemTally:
    """Counts of one problem; small, so that figures of large sets need no texts in memory.

    Attributes:
        id, groups: of the problem. text: sha256 of its text and gold, so that sets can be compared.
        samples: k. correct, truncated: how many of them. tokens: new tokens of all.
        undecided: how many by reason. majority: 0..1, see `majority_share`.
    """

    id: str
    groups: Mapping[str, str]
    text: str
    samples: int
    correct: int
    truncated: int
    tokens: int
    undecided: Mapping[str, int]
    majority: float

    @property
    def accuracy(self) -> float:
        """Share of right samples; undecided ones are not right."""
        return self.correct / self.samples

    def passes(self, at: int) -> float:
        """See `pass_at`."""
        return pass_at(self.correct, self.samples, at)


def tally(graded: Graded) -> ProblemTally:
    """Counts of one problem. Raises FieldError for one without samples."""
    problem, samples = graded.problem, graded.samples
    if not samples:
        raise FieldError("samples", f"of problem {problem.id!r} are missing", "draw at least one")
    undecided = (s.verdict for s in samples if s.verdict.value is Correctness.UNDECIDED)
    digest = hashlib.sha256(f"{problem.text}\x1f{problem.gold}".encode("utf-8", "surrogatepass"))
    return ProblemTally(
        id=problem.id,
        groups=problem.groups,
        text=digest.hexdigest(),
        samples=len(samples),
        correct=sum(_is_right(sample) for sample in samples),
        truncated=sum(not sample.finished for sample in samples),
        tokens=sum(sample.tokens for sample in samples),
        undecided=Counter(verdict.reason or "unknown" for verdict in undecided),
        majority=majority_share(samples),
    )


def tallies(graded: Iterable[Graded]) -> list[ProblemTally]:
    """Counts of every problem, by id. Raises FieldError where an id comes twice or k is not the same."""
    found = sorted((tally(one) for one in graded), key=lambda one: one.id)
    for one, other in pairwise(found):
        if one.id == other.id:
            raise FieldError("id", f"{one.id!r} was graded twice", "grade each problem once")
        if one.samples != other.samples:
            problem = f"are {one.samples} of {one.id!r} and {other.samples} of {other.id!r}"
            raise FieldError("samples", problem, "draw equally many of each problem")
    return found


def pass_at(correct: int, samples: int, at: int) -> float:
    """pass@`at`: the chance that one of `at` samples, drawn from these without putting back, is right.

    1 - C(samples - correct, at) / C(samples, at), the unbiased estimator of Chen et al. (arXiv 2107.03374);
    `at` = 1 is the accuracy. Raises FieldError unless 1 <= at <= samples.
    """
    if not 1 <= at <= samples:
        raise FieldError("pass_at", f"is {at} of {samples} samples", "ask for 1 up to the number of samples")
    return 1 - comb(samples - correct, at) / comb(samples, at)


def majority_share(samples: Sequence[GradedSample]) -> float:
    """maj@k of one problem: 1 where the answer given most often is right, 0 where it isn't.

    Every sample with a final answer has one vote. All that the verifier calls right are one answer, however
    they are written; the others are the same answer where `answer_key` is the same. If the right answer
    shares the most votes with others, its share is 1 / number of those answers; without any vote it is 0.
    Wrong answers that are equal but too differently written are told apart, which can only help the right
    one.
    """
    keys = (_RIGHT if _is_right(s) else answer_key(s.verdict.answer) for s in samples if _votes(s))
    votes = Counter(keys)
    most = max(votes.values(), default=0)
    leaders = [key for key, count in votes.items() if count == most]
    return 1 / len(leaders) if _RIGHT in leaders else 0.0


def _is_right(sample: GradedSample) -> bool:
    return sample.verdict.value is Correctness.CORRECT


def _votes(sample: GradedSample) -> bool:
    return _is_right(sample) or bool(sample.verdict.answer)
