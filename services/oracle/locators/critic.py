"""Locator `critic`: a language model names the first wrong step, by a vote.

The model is asked k times. Each readable vote names a step (or none) and says why. The step with the most
votes wins; a tie goes to the earlier step, and "nothing wrong" loses a tie. Confidence is the winner's share
of the readable votes; unreadable ones are counted apart. Gold and reference are never shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.inference.base import LanguageModel
from services.oracle.fence import Fence
from services.oracle.locators.findings import undecidable
from services.oracle.promptfiles import CRITIC, PromptFile, load_prompt
from services.oracle.structured import Answer, VoteSettings, ask, object_schema, one_line
from shared.domain import Correctness, Diagnosis, Finding, Prompt, StepVerdict, Trajectory, Verdict

_SAID = {
    Correctness.CORRECT: "The final answer of the solution is right; a step can be wrong all the same.\n\n",
    Correctness.INCORRECT: "The final answer of the solution is wrong.\n\n",
    Correctness.UNDECIDED: "",
}


@dataclass(frozen=True, slots=True)
class Ballot:
    """What a critic's votes add up to.

    Attributes:
        counts: readable votes by the step they name (-1: nothing is wrong).
        winner: the step with the most votes, None without a readable vote.
        evidence: what the winner's votes say, each sentence once, in the order of the samples.
        unreadable: votes that could not be read, and votes for a wrong step that give no evidence.
    """

    counts: dict[int, int]
    winner: int | None
    evidence: tuple[str, ...]
    unreadable: int

    @property
    def share(self) -> float:
        """The winner's share of the readable votes; 0.0 without any."""
        return 0.0 if self.winner is None else self.counts[self.winner] / sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class CriticLocator:
    """Implements `services.oracle.base.ServedLocator` on any language model.

    Attributes:
        settings: number of votes and how they are sampled.
        tell_verdict: whether the model is told if the final answer is right (never what it should be).
    """

    model: LanguageModel
    settings: VoteSettings = field(default_factory=VoteSettings)
    tell_verdict: bool = True
    prompt: PromptFile = field(default_factory=lambda: load_prompt(CRITIC))
    name: str = field(default="critic", init=False)

    async def locate(self, trajectory: Trajectory, verdict: Verdict) -> Diagnosis:
        """The step that most votes name; None, with a remark, where no vote could be read."""
        if not trajectory.steps:
            return undecidable()
        return self._diagnosis(trajectory, await self.poll(trajectory, verdict))

    async def poll(self, trajectory: Trajectory, verdict: Verdict) -> Ballot:
        """The votes on a trajectory that has steps."""
        schema = _schema(len(trajectory.steps))
        votes = await ask(self.model, self._asked(trajectory, verdict), schema, self.settings)
        return count(votes.answers, votes.unreadable)

    def _asked(self, trajectory: Trajectory, verdict: Verdict) -> Prompt:
        texts = [step.text for step in trajectory.steps]
        fence = Fence.around(trajectory.problem.text, *texts)
        return self.prompt.filled(
            key=fence.key,
            problem=fence.quote("problem", trajectory.problem.text),
            steps="\n".join(fence.quote(f"step {index}", text) for index, text in enumerate(texts)),
            verdict=_SAID[verdict.value] if self.tell_verdict else "",
            count=str(len(texts)),
            last=str(len(texts) - 1),
        )

    def _diagnosis(self, trajectory: Trajectory, ballot: Ballot) -> Diagnosis:
        share = round(ballot.share, 4)
        if ballot.winner is None:
            said = f"none of {ballot.unreadable} votes could be read"
            return undecidable([self._finding(trajectory, 0, StepVerdict.UNKNOWN, said, 0.0)])
        index, wrong = ballot.winner, StepVerdict.WRONG
        found = [self._finding(trajectory, index, wrong, said, share) for said in ballot.evidence]
        return Diagnosis(index, share, tuple(found))

    def _finding(
        self, trajectory: Trajectory, index: int, verdict: StepVerdict, evidence: str, confidence: float
    ) -> Finding:
        span = trajectory.steps[index].span
        return Finding(index, span, verdict, evidence, self.name, confidence)


def count(answers: Sequence[Answer], unreadable: int = 0) -> Ballot:
    """The ballot of votes ``{"evidence", "first_wrong_step"}``."""
    votes = [(int(answer["first_wrong_step"]), one_line(answer["evidence"])) for answer in answers]
    valid = [(step, said) for step, said in votes if said or step < 0]
    counts = Counter(step for step, _ in valid)
    winner = min(counts, key=lambda step: (-counts[step], step < 0, step), default=None)
    named = winner is not None and winner >= 0
    evidence = tuple(dict.fromkeys(said for step, said in valid if step == winner)) if named else ()
    return Ballot(dict(counts), winner, evidence, unreadable + len(votes) - len(valid))


def _schema(steps: int) -> str:
    """Evidence comes first, so that the model thinks before it names a step."""
    return object_schema(
        evidence={"type": "string"}, first_wrong_step={"type": "integer", "enum": list(range(-1, steps))}
    )
