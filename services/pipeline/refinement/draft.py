"""Work in progress on one trajectory: its diagnosis, and the candidates found so far."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.pipeline.refinement.acceptance import Acceptance, Accepted
from services.pipeline.refinement.settings import SearchSettings
from services.pipeline.refinement.worth import correctness
from shared.domain import Correctness, Diagnosis, StudentProfile, Trajectory, Tried, Verdict
from shared.errors import IdiolectError
from shared.ports import Locator, Rewriter, RewriteRequest, Verifier

_NOT_ASKED = Verdict(Correctness.UNDECIDED, "failed")
_NOT_LOCATED = Diagnosis(None, 0.0)


@dataclass(slots=True)
class Draft:
    """One trajectory on its way through the tiers.

    Attributes:
        verdict, diagnosis: those of the native text.
        accepted: acceptable candidates of the current tier. chosen: the one that was taken.
        tried: candidates that were not taken, with reasons. error: what broke, if anything did.
    """

    native: Trajectory
    verdict: Verdict
    diagnosis: Diagnosis
    accepted: list[Accepted] = field(default_factory=list)
    chosen: Accepted | None = None
    tried: list[Tried] = field(default_factory=list)
    error: str | None = None

    @classmethod
    def broken(cls, trajectory: Trajectory, error: Exception) -> Draft:
        """A draft that could not even be diagnosed."""
        draft = cls(trajectory, _NOT_ASKED, _NOT_LOCATED)
        draft.fail(error)
        return draft

    def fail(self, error: Exception) -> None:
        """Remember what broke; an unexpected error keeps its type name, since it points to a defect."""
        expected = isinstance(error, IdiolectError)
        self.error = str(error) if expected else f"internal {type(error).__name__}: {error}"

    @property
    def is_open(self) -> bool:
        """Whether a repair is still wanted: decidable, not right already, nothing taken yet."""
        if self.error is not None or self.chosen is not None:
            return False
        if self.verdict.value is Correctness.UNDECIDED:
            return False
        return correctness(self.verdict, self.diagnosis) < 1.0


def diagnose(trajectory: Trajectory, verifier: Verifier, locator: Locator) -> Draft:
    """Steps 3 and 4 of a trajectory's life: verify, locate."""
    verdict = verifier.verify(trajectory.text, trajectory.problem.gold)
    return Draft(trajectory, verdict, locator.locate(trajectory, verdict))


def explore(
    draft: Draft,
    tier: Sequence[Rewriter],
    acceptance: Acceptance,
    profile: StudentProfile | None,
    settings: SearchSettings,
) -> None:
    """Steps 5 and 6: ask the rewriters of a tier in turn and keep what is acceptable."""
    draft.accepted = []
    attempts = 0
    seen: set[str] = set()
    request = RewriteRequest(
        draft.native, draft.verdict, draft.diagnosis, profile, derived_seed(settings.seed, draft.native)
    )
    for rewriter in tier:
        for candidate in rewriter.propose(request):
            attempts += 1
            judged = acceptance.judge(draft.native, candidate)
            if isinstance(judged, str):
                draft.tried.append(Tried(candidate.rewriter, judged))
            elif judged.refined.text not in seen:
                seen.add(judged.refined.text)
                draft.accepted.append(judged)
            if len(draft.accepted) >= settings.candidates or attempts >= settings.attempts:
                return


def derived_seed(seed: int, trajectory: Trajectory) -> int:
    """A 63-bit seed from the run's seed, the line and the text: equal input, equal samples."""
    material = f"{seed}\x1f{trajectory.line}\x1f{trajectory.text}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(material).digest()[:8], "big") >> 1
