"""The search: repair is a search over minimal edits, judged by the verifier and by the student.

`Refiner.refine_many` works on a batch of trajectories tier by tier. A tier is a group of rewriters of
like price; whoever has no acceptable candidate that also sounds like the student goes on to the next.
All texts of a tier are scored in one call, so that the scorer's batches stay full.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from services.pipeline.refinement.acceptance import Acceptance
from services.pipeline.refinement.draft import Draft, diagnose, explore
from services.pipeline.refinement.selection import Judge, Student, conclude, failed
from services.pipeline.refinement.settings import SearchSettings
from shared.domain import Refinement, Trajectory
from shared.errors import NO_ITEMS_FAULT
from shared.ports import Locator, Rewriter, Verifier


@dataclass(frozen=True, slots=True)
class Refiner:
    """The search over one set of parts.

    Attributes:
        verifier, locator: judge native and refined texts alike.
        tiers: rewriters, cheapest and most native group first; may be empty (then nothing is repaired).
        student: profile, scorer and gate; None leaves style and utility out of the result.
        settings: the caller's choices.
    """

    verifier: Verifier
    locator: Locator
    tiers: Sequence[Sequence[Rewriter]]
    student: Student | None
    settings: SearchSettings

    def refine(self, trajectory: Trajectory) -> Refinement:
        """Refinement of one trajectory."""
        return next(self.refine_many([trajectory]))

    def refine_many(self, trajectories: Iterable[Trajectory]) -> Iterator[Refinement]:
        """One refinement a trajectory, in order; a trajectory that breaks a part ends ``failed``.

        A part that is gone or has used up its budget is no fault of a trajectory: the error ends the search.
        """
        stream = iter(trajectories)
        while batch := list(islice(stream, self.settings.batch)):
            yield from self._refine_batch(batch)

    def _refine_batch(self, batch: Sequence[Trajectory]) -> list[Refinement]:
        drafts = [self._diagnosed(trajectory) for trajectory in batch]
        judge = Judge(self.student, self.settings)
        for tier in self.tiers:
            open_drafts = [draft for draft in drafts if draft.is_open]
            for draft in open_drafts:
                self._explored(draft, tier)
            judge.score(open_drafts)
            for draft in open_drafts:
                judge.choose(draft)
        judge.score_native(drafts)
        return [self._concluded(draft, judge) for draft in drafts]

    def _diagnosed(self, trajectory: Trajectory) -> Draft:
        try:
            return diagnose(trajectory, self.verifier, self.locator)
        except NO_ITEMS_FAULT:
            raise
        except Exception as error:  # noqa: BLE001 - one bad item is data: it ends `failed`, the run goes on
            return Draft.broken(trajectory, error)

    def _explored(self, draft: Draft, tier: Sequence[Rewriter]) -> None:
        profile = self.student.profile if self.student else None
        acceptance = Acceptance(self.verifier, self.locator)
        try:
            explore(draft, tier, acceptance, profile, self.settings)
        except NO_ITEMS_FAULT:
            raise
        except Exception as error:  # noqa: BLE001 - as above
            draft.fail(error)

    def _concluded(self, draft: Draft, judge: Judge) -> Refinement:
        if draft.error is not None:
            return failed(draft)
        try:
            return conclude(draft, judge)
        except NO_ITEMS_FAULT:
            raise
        except Exception as error:  # noqa: BLE001 - as above
            draft.fail(error)
            return failed(draft)
