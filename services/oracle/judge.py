"""The judge of semantic retention: how much of what a student's text means is kept in its refined version.

The scale goes from 1 (another solution) to 5 (the same line of reasoning); the prompt file explains it.
The model is asked k times and the score is the mean of the readable votes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import fmean

from services.inference.base import LanguageModel
from services.oracle.fence import Fence
from services.oracle.promptfiles import JUDGE, PromptFile, load_prompt
from services.oracle.structured import VoteSettings, ask, object_schema, one_line
from shared.domain import Prompt
from shared.errors import FieldError

SCHEMA = object_schema(rationale={"type": "string"}, retention={"type": "integer", "enum": [1, 2, 3, 4, 5]})


@dataclass(frozen=True, slots=True)
class Retention:
    """What the judge says about one pair of texts.

    Attributes:
        score: mean of the readable votes, 1..5; None without one.
        votes: readable votes, each 1..5, in the order of the samples. unreadable: how many were not.
        rationale: of the median vote (the lower one of two, the first sample of several), "" without votes.
        reason: why there is no score, else None.
    """

    score: float | None
    votes: tuple[int, ...]
    unreadable: int
    rationale: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class RetentionJudge:
    """Judges on any language model; equal texts are judged as all others are."""

    model: LanguageModel
    settings: VoteSettings = field(default_factory=VoteSettings)
    prompt: PromptFile = field(default_factory=lambda: load_prompt(JUDGE))

    async def judge(self, problem: str, native: str, refined: str, seed: int = 0) -> Retention:
        """Retention of `native` in `refined`; equal seeds give equal votes where the engine is seeded.

        Raises FieldError where one of the two is empty.
        """
        for name, text in (("native", native), ("refined", refined)):
            if not text.strip():
                raise FieldError(name, "is empty", "give the text of a solution")
        votes = await ask(self.model, self._asked(problem, native, refined), SCHEMA, self.settings, seed)
        said = [(int(vote["retention"]), one_line(vote["rationale"])) for vote in votes.answers]
        return _retention(said, votes.unreadable)

    def _asked(self, problem: str, native: str, refined: str) -> Prompt:
        fence = Fence.around(problem, native, refined)
        return self.prompt.filled(
            key=fence.key,
            problem=fence.quote("problem", problem),
            native=fence.quote("student-text", native),
            refined=fence.quote("revised-text", refined),
        )


def _retention(said: list[tuple[int, str]], unreadable: int) -> Retention:
    if not said:
        return Retention(None, (), unreadable, "", f"none of {unreadable} votes could be read")
    scores = tuple(score for score, _ in said)
    middle = sorted(said, key=lambda vote: vote[0])[(len(said) - 1) // 2]
    return Retention(fmean(scores), scores, unreadable, middle[1])
