"""The arm in which the student solves again what it got wrong, shown a hint (after arXiv 2509.15157)."""

from __future__ import annotations

from collections.abc import Sequence

from services.pipeline.study.makers.base import Batch, Made, Text, option
from services.pipeline.study.makers.continuing import continued
from services.pipeline.study.sharing import Shared
from shared.domain import Correctness, StepVerdict
from shared.ports import Generation, GenerationRequest


def guided(batch: Batch) -> Made:
    """The student's own sample where it is right; else its first right one of those made with guidance."""
    again = [one for one in batch.shared if one.source_sample.verdict.value is not Correctness.CORRECT]
    found = {one.id: _first_right(batch, one, made) for one, made in _resolved(batch, again)}
    own = {one.id: Text(one.sampled.problem, one.source_sample.text.strip()) for one in batch.shared}
    return Made([found[one.id] if one.id in found else own[one.id] for one in batch.shared])


def _resolved(batch: Batch, again: Sequence[Shared]) -> list[tuple[Shared, list[Generation]]]:
    hinted = [(one, hint) for one in again if (hint := _hint(batch, one)) is not None]
    made = continued(batch, [_request(batch, one, hint) for one, hint in hinted])
    by_problem = {one.id: samples for (one, _), samples in zip(hinted, made, strict=True)}
    return [(one, by_problem.get(one.id, [])) for one in again]


def _request(batch: Batch, one: Shared, hint: str) -> GenerationRequest:
    told = batch.sampling
    return GenerationRequest(
        problem=one.sampled.problem.problem.text,
        hint=hint,
        n=option(batch, "samples"),
        temperature=told.temperature,
        max_tokens=told.max_tokens,
        seed=batch.seed_of(one.id),
    )


def _hint(batch: Batch, one: Shared) -> str | None:
    """The reference solution, or what the locator says against the first wrong step."""
    if option(batch, "guidance") == "reference":
        return one.sampled.problem.problem.reference
    diagnosis = batch.parts.locator.locate(one.sampled.trajectory(one.source), one.source_sample.verdict)
    against = (
        finding.evidence
        for finding in diagnosis.findings
        if finding.index == diagnosis.first_error and finding.verdict is StepVerdict.WRONG
    )
    return next((said for said in against if said), None)


def _first_right(batch: Batch, one: Shared, samples: Sequence[Generation]) -> Text | None:
    gold = one.sampled.problem.problem.gold
    for sample in samples:
        text = sample.text.strip()
        if sample.finished and batch.parts.verifier.verify(text, gold).value is Correctness.CORRECT:
            return Text(one.sampled.problem, text)
    return None
