"""A scorer that remembers what it scored last, so that the token sidecar costs no second scoring."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.domain import Refinement, ScorerInfo, TokenScores
from shared.errors import NO_ITEMS_FAULT, InputError
from shared.ports import Scorer, ScoreRequest

_MOST_TEXTS = 2048
_NOTHING = TokenScores((), (), ())


@dataclass(frozen=True, slots=True)
class RememberingScorer:
    """`scorer` with a memory of the last 2,048 texts; scores are those that `scorer` gave."""

    scorer: Scorer
    memory: OrderedDict[ScoreRequest, TokenScores] = field(default_factory=OrderedDict)

    @property
    def info(self) -> ScorerInfo:
        """That of the scorer."""
        return self.scorer.info

    def score(self, requests: Sequence[ScoreRequest]) -> list[TokenScores]:
        """One result a request, in order; only what isn't remembered is scored."""
        found = {request: self.memory[request] for request in requests if request in self.memory}
        wanted = [request for request in dict.fromkeys(requests) if request not in found]
        if wanted:
            found.update(zip(wanted, self.scorer.score(wanted), strict=True))
        for request in requests:
            self.memory[request] = found[request]
            self.memory.move_to_end(request)
        while len(self.memory) > _MOST_TEXTS:
            self.memory.popitem(last=False)
        return [found[request] for request in requests]

    def token_scores(self, refinement: Refinement) -> tuple[TokenScores, TokenScores]:
        """Scores of the native and of the refined text; without tokens where a text can't be scored."""
        problem, native = refinement.trajectory.problem.text, refinement.trajectory.text
        return self._one(ScoreRequest(problem, native)), self._one(ScoreRequest(problem, refinement.refined))

    def _one(self, request: ScoreRequest) -> TokenScores:
        try:
            return self.score([request])[0]
        except NO_ITEMS_FAULT:
            raise
        except InputError:
            return _NOTHING
