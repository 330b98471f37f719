"""The locator `rollout`: the first step after which the student no longer succeeds when it goes on by itself.

The value of a prefix is the share of `n` continuations that reach gold (Math-Shepherd). A wrong solution is
itself a prefix that fails, so a binary search between nothing and all of it finds two neighbours of which
the shorter succeeds and the longer does not (OmegaPRM); the step between them is named. The search takes it
that a prefix once lost stays lost; a student that recovers from its slips makes it name another step.

Cost: at most `n * (1 + ceil(log2 S))` samples for `S` steps; `n` where the student can't solve the problem at
all; none where the answer is right or nobody knows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.domain import Correctness, Diagnosis, Finding, Span, StepVerdict, Trajectory, Verdict
from shared.errors import FieldError
from shared.ports import GenerationRequest, Generator, Verifier

RIGHT_CONFIDENCE = 0.9
"""Share of right-answer solutions without a wrong step: docs/results/locators.md."""

_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Rollouts:
    """How continuations are drawn.

    Attributes:
        n: continuations a prefix, at least 1.
        least: so many must reach gold for the prefix to succeed; 1 asks whether it can be done at all.
        at_once: continuations a call. Below `n` the drawing stops as soon as `least` is reached or out of
            reach: fewer samples, but shares of fewer. None draws all `n` in one call.
        temperature, max_tokens, seed: as in `GenerationRequest`. A continuation that `max_tokens` cuts off
            has not reached gold.
    """

    n: int = 8
    least: int = 1
    at_once: int | None = None
    temperature: float = 0.8
    max_tokens: int = 512
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.n:
            raise FieldError("least", f"is {self.least}", f"give a number from 1 to n ({self.n})")
        if self.at_once is not None and self.at_once < 1:
            raise FieldError("at_once", f"is {self.at_once}", "give a number that is 1 or more")

    def most_samples(self, steps: int) -> int:
        """Most continuations that a solution of so many steps can cost."""
        return self.n * (1 + (steps - 1).bit_length()) if steps else 0


@dataclass(frozen=True, slots=True)
class PrefixValue:
    """What became of the continuations of the first `steps` steps.

    `reached` gold, `missed` it, or `undecided`: the verifier met a limit, which counts neither way. `cut` of
    those that missed were cut off by `max_tokens`; many of them ask for a larger one.
    """

    steps: int
    reached: int = 0
    missed: int = 0
    undecided: int = 0
    cut: int = 0

    @property
    def decided(self) -> int:
        """Continuations with a verdict."""
        return self.reached + self.missed

    @property
    def drawn(self) -> int:
        """Continuations in all."""
        return self.decided + self.undecided

    @property
    def share(self) -> float:
        """Expected rate of success, (reached + 1) / (decided + 2): the mean under a uniform prior."""
        return (self.reached + 1) / (self.decided + 2)

    def __str__(self) -> str:
        cut = f" ({self.cut} cut off)" if self.cut else ""
        return f"{self.reached} of {self.decided}{cut}"

    def and_then(self, ends: Sequence[Correctness | None]) -> PrefixValue:
        """With further continuations; None is one that was cut off."""
        return PrefixValue(
            self.steps,
            self.reached + ends.count(Correctness.CORRECT),
            self.missed + ends.count(Correctness.INCORRECT) + ends.count(None),
            self.undecided + ends.count(Correctness.UNDECIDED),
            self.cut + ends.count(None),
        )


@dataclass(frozen=True, slots=True)
class RolloutSearch:
    """What a search found out, for whoever combines it with other evidence.

    Attributes:
        first_error: the step between the last prefix that succeeds and the first that doesn't; None where
            the search came to no end.
        values: every prefix that was tried, by length. samples: continuations drawn for them.
    """

    first_error: int | None
    values: tuple[PrefixValue, ...]

    @property
    def samples(self) -> int:
        """Continuations drawn."""
        return sum(value.drawn for value in self.values)

    def value(self, steps: int) -> PrefixValue | None:
        """Value of the prefix of so many steps, None where it wasn't tried."""
        return next((value for value in self.values if value.steps == steps), None)

    @property
    def confidence(self) -> float:
        """How far the expected rate of success falls at `first_error`, 0..1; 0 without one.

        The solution itself counts as one failed continuation where its last step is named. This is no share
        of right findings: it says how much the step costs the student, not how often such a step is wrong.
        """
        if self.first_error is None:
            return 0.0
        before = self.value(self.first_error) or PrefixValue(self.first_error)
        after = self.value(self.first_error + 1) or PrefixValue(self.first_error + 1, missed=1)
        return max(0.0, before.share - after.share)


@dataclass(frozen=True, slots=True)
class RolloutLocator:
    """Implements `shared.ports.Locator` over the student as a sampler; as safe from threads as its parts.

    - Right answer: nothing wrong, no sample is drawn, so a wrong step behind a right answer isn't found.
    - No gold, or no verdict: None.
    - The student never reaches gold by itself: None; its failures after a prefix would prove nothing.
    """

    generator: Generator
    verifier: Verifier
    rollouts: Rollouts = field(default_factory=Rollouts)
    name: str = field(default="rollout", init=False)

    def locate(self, trajectory: Trajectory, verdict: Verdict) -> Diagnosis:
        """Diagnosis of the trajectory, given the verdict on its final answer."""
        if verdict.value is Correctness.CORRECT:
            return Diagnosis(-1, RIGHT_CONFIDENCE)
        gold = trajectory.problem.gold
        if verdict.value is Correctness.UNDECIDED or not gold or not trajectory.steps:
            return Diagnosis(None, 0.0)
        return _diagnosis(self.name, trajectory, gold, self.search(trajectory, gold))

    def search(self, trajectory: Trajectory, gold: str) -> RolloutSearch:
        """Where the student stops reaching `gold`, in a solution with a wrong answer."""
        succeeds, fails = 0, len(trajectory.steps)
        tried = [self._value(trajectory, gold, succeeds)]
        if not self._succeeds(tried[0]):
            return RolloutSearch(None, tuple(tried))
        while fails - succeeds > 1:
            tried.append(self._value(trajectory, gold, (succeeds + fails) // 2))
            if not tried[-1].decided:
                return _ended(None, tried)
            if self._succeeds(tried[-1]):
                succeeds = tried[-1].steps
            else:
                fails = tried[-1].steps
        return _ended(succeeds, tried)

    def _succeeds(self, value: PrefixValue) -> bool:
        return value.reached >= self.rollouts.least

    def _value(self, trajectory: Trajectory, gold: str, steps: int) -> PrefixValue:
        """The continuations of the first `steps` steps, as many calls as it takes."""
        value = PrefixValue(steps)
        while self._open(value):
            value = value.and_then(self._ends(trajectory, gold, steps, value.drawn))
        return value

    def _open(self, value: PrefixValue) -> bool:
        """Whether more continuations could change what is known."""
        left = self.rollouts.n - value.drawn
        return left > 0 and value.reached < self.rollouts.least <= value.reached + left

    def _ends(self, trajectory: Trajectory, gold: str, steps: int, drawn: int) -> list[Correctness | None]:
        """What became of the next continuations; None of one that was cut off."""
        rollouts = self.rollouts
        prefix = trajectory.text[: trajectory.steps[steps].span.start]
        request = GenerationRequest(
            problem=trajectory.problem.text,
            prefix=prefix,
            n=min(rollouts.at_once or rollouts.n, rollouts.n - drawn),
            temperature=rollouts.temperature,
            max_tokens=rollouts.max_tokens,
            seed=rollouts.seed + drawn,
        )
        return [
            self.verifier.verify(prefix + sample.text, gold).value if sample.finished else None
            for sample in self.generator.generate(request)
        ]


def _ended(first_error: int | None, tried: list[PrefixValue]) -> RolloutSearch:
    return RolloutSearch(first_error, tuple(sorted(tried, key=lambda value: value.steps)))


def _diagnosis(name: str, trajectory: Trajectory, gold: str, search: RolloutSearch) -> Diagnosis:
    first = search.first_error
    if first is None:
        return Diagnosis(None, 0.0, (_unsolved(name, trajectory, gold, search),))
    confidence = round(search.confidence, 4)
    evidence = _fall(trajectory, gold, search, first)
    wrong = Finding(first, _span(trajectory, first), StepVerdict.WRONG, evidence, name, confidence)
    right = (_right(name, trajectory, gold, value) for value in search.values if 0 < value.steps <= first)
    return Diagnosis(first, confidence, (*right, wrong))


def _span(trajectory: Trajectory, index: int) -> Span:
    return trajectory.steps[index].span


def _fall(trajectory: Trajectory, gold: str, search: RolloutSearch, first: int) -> str:
    before, after = search.value(first) or PrefixValue(first), search.value(first + 1)
    if after is None:
        return (
            f"{before} continuations from step {first} reach {_shown(gold)}; "
            f"with step {first}, the last one, the solution does not; {search.samples} samples"
        )
    return (
        f"{after} continuations from step {first + 1} reach {_shown(gold)}; "
        f"{before} from step {first} do; {search.samples} samples"
    )


def _right(name: str, trajectory: Trajectory, gold: str, value: PrefixValue) -> Finding:
    """The last step of a prefix that succeeds."""
    evidence = f"{value} continuations from step {value.steps} reach {_shown(gold)}"
    span = _span(trajectory, value.steps - 1)
    return Finding(value.steps - 1, span, StepVerdict.RIGHT, evidence, name, round(value.share, 4))


def _unsolved(name: str, trajectory: Trajectory, gold: str, search: RolloutSearch) -> Finding:
    """Why the search came to no end."""
    stuck = next((value for value in search.values if not value.decided), search.values[0])
    start = "of the problem alone" if not stuck.steps else f"from step {stuck.steps}"
    doubt = f", {stuck.undecided} undecided" if stuck.undecided else ""
    evidence = f"{stuck} continuations {start} reach {_shown(gold)}{doubt}; {search.samples} samples"
    return Finding(stuck.steps, _span(trajectory, stuck.steps), StepVerdict.UNKNOWN, evidence, name, 0.0)


def _shown(gold: str) -> str:
    return gold if len(gold) <= _SHOWN else f"{gold[:_SHOWN]}..."
