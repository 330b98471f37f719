"""Arms that an oracle writes."""

from __future__ import annotations

from services.pipeline.study.items import Sampled
from services.pipeline.study.makers.base import Batch, Made, Text, edit_of, option
from services.pipeline.study.makers.own import native
from services.pipeline.study.parts import Respeller
from services.pipeline.study.sharing import Shared
from shared.errors import FieldError


def oracle_refined(batch: Batch) -> Made:
    """The oracle edits the student's sample, in any words."""
    return Made(batch.each(lambda one: _edited(batch, one, aligned=False), batch.shared))


def style_aligned(batch: Batch) -> Made:
    """The oracle edits the same sample, in the student's words."""
    return Made(batch.each(lambda one: _edited(batch, one, aligned=True), batch.shared))


def oracle_synthesized(batch: Batch) -> Made:
    """The oracle's own solution."""

    def one_text(one: Shared) -> Text | None:
        text = batch.writer.synthesized(one.sampled.problem.problem, batch.seed_of(one.id))
        return Text(one.sampled.problem, text) if text and text.strip() else None

    return Made(batch.each(one_text, batch.shared))


def respelled(batch: Batch) -> Made:
    """Graded drift: the native text, each line in the oracle's words with probability `share`."""
    writer, share = batch.writer, option(batch, "share")
    if not isinstance(writer, Respeller):
        cure = "take an oracle of kind miniature"
        raise FieldError(f"arms.{batch.arm.name}.oracle", "can't respell", cure)

    def one_text(one: Shared) -> Text | None:
        text, problem = one.native_sample.text.strip(), one.sampled.problem
        other = writer.respelled(problem.problem.text, text, share, batch.seed_of(one.id))
        return edit_of(problem, text, other)

    return Made(batch.each(one_text, batch.shared))


def native_plus_repaired(batch: Batch) -> Made:
    """The native arm and, beyond what rejection sampling reaches, repairs of problems never solved."""
    failed = batch.failed[: option(batch, "extra")]
    repaired = batch.each(lambda one: _aligned(batch, one, one.wrong[0]), failed)
    return Made(native(batch).texts, [text for text in repaired if text is not None])


def _edited(batch: Batch, one: Shared, *, aligned: bool) -> Text | None:
    if aligned:
        return _aligned(batch, one.sampled, one.source)
    trajectory, sample = one.sampled.trajectory(one.source), one.source_sample
    text = batch.writer.refined(trajectory, sample.verdict, batch.seed_of(one.id))
    return edit_of(one.sampled.problem, trajectory.text, text)


def _aligned(batch: Batch, sampled: Sampled, index: int) -> Text | None:
    trajectory, verdict = sampled.trajectory(index), sampled.samples[index].verdict
    text = batch.writer.aligned(trajectory, verdict, batch.seed_of(sampled.problem.id))
    return edit_of(sampled.problem, trajectory.text, text)
