"""The arm of this project's own search: locate, rewrite, verify and gate, on the same trajectories."""

from __future__ import annotations

from functools import partial
from math import inf

from services.pipeline.refinement.student_rewriters import Sampling
from services.pipeline.study.makers.base import Batch, Made, Text, option
from services.pipeline.study.makers.continuing import continued
from services.pipeline.study.parts import Continuing
from services.pipeline.study.sharing import Shared
from shared.domain import Outcome, Refinement

_STANDS = (Outcome.KEPT, Outcome.REPAIRED, Outcome.REGENERATED)


def style_aligned_pipeline(batch: Batch) -> Made:
    """What the search leaves of each sample; nothing where it rejects it, or where that is too dear.

    No oracle model takes part. The cost is what a record says, so that of the proxy.
    """
    samples = _samples(batch)
    trajectories = [one.sampled.trajectory(one.source) for one in batch.shared]
    refinements = batch.parts.repair(samples, trajectories, batch.arm.options, _student(batch))
    pairs = zip(batch.shared, refinements, strict=True)
    most = batch.arm.options.get("most_cost")
    return Made([_text(one, refinement, most) for one, refinement in pairs])


def _samples(batch: Batch) -> list[tuple[str, str]]:
    """The samples that the student is known by: the right ones, unless these are too few or all are wanted.

    A gate that is calibrated on what went astray, too, lets pass whatever is no odder than that.
    """
    told = [(one.problem.problem.text, one.samples, one.right) for one in batch.sampled]
    right = [(problem, samples[place].text) for problem, samples, places in told for place in places]
    if option(batch, "known_by") == "right" and len(set(right)) >= batch.parts.repair.least:
        return right
    return [(problem, sample.text) for problem, samples, _ in told for sample in samples]


def _student(batch: Batch) -> Continuing | None:
    if not batch.arm.options.get("generate"):
        return None
    told = batch.sampling
    sampling = Sampling(option(batch, "samples"), told.temperature, told.max_tokens)
    return Continuing(sampling, partial(continued, batch))


def _text(one: Shared, refinement: Refinement, most: float | None) -> Text | None:
    if refinement.outcome not in _STANDS or (most is not None and _cost(refinement) > most):
        return None
    native = refinement.trajectory.text
    return Text(one.sampled.problem, refinement.refined, native, refinement.preserved)


def _cost(refinement: Refinement) -> float:
    cost = refinement.utility.cost if refinement.utility else None
    return inf if cost is None else cost
