"""Trajectories, judgements and edits: domain types as messages, and back."""

from __future__ import annotations

from shared.domain import (
    Candidate,
    Correctness,
    Diagnosis,
    Edit,
    Finding,
    Problem,
    Span,
    Step,
    StepVerdict,
    Trajectory,
    Verdict,
)
from shared.errors import FieldError
from shared.rpc.generated.idiolect.types.v1 import types_pb2 as pb

_CORRECTNESS = {
    Correctness.CORRECT: pb.CORRECTNESS_CORRECT,
    Correctness.INCORRECT: pb.CORRECTNESS_INCORRECT,
    Correctness.UNDECIDED: pb.CORRECTNESS_UNDECIDED,
}
_CORRECTNESS_BACK = {number: value for value, number in _CORRECTNESS.items()}
_STEP = {
    StepVerdict.RIGHT: pb.STEP_VERDICT_RIGHT,
    StepVerdict.WRONG: pb.STEP_VERDICT_WRONG,
    StepVerdict.UNKNOWN: pb.STEP_VERDICT_UNKNOWN,
}
_STEP_BACK = {number: value for value, number in _STEP.items()}


def span_message(span: Span) -> pb.Span:
    """Message of a span."""
    return pb.Span(start=span.start, end=span.end)


def span_of(message: pb.Span, text: str | None, field: str) -> Span:
    """Span of a message; FieldError where it is no range of `text`."""
    length = len(text) if text is not None else message.end
    if not message.start <= message.end <= length:
        problem = f"[{message.start}, {message.end}) is no range of its text of {length} code points"
        raise FieldError(field, problem, "count code points, half-open")
    return Span(message.start, message.end)


def trajectory_message(trajectory: Trajectory) -> pb.Trajectory:
    """Message of a trajectory."""
    problem = trajectory.problem
    return pb.Trajectory(
        id=trajectory.id,
        line=trajectory.line,
        problem=pb.Problem(text=problem.text, gold=problem.gold, reference=problem.reference),
        text=trajectory.text,
        steps=[span_message(step.span) for step in trajectory.steps],
        joiner=trajectory.joiner,
        generator=trajectory.generator,
    )


def trajectory_of(message: pb.Trajectory) -> Trajectory:
    """Trajectory of a message; FieldError where its steps are no ascending ranges of its text."""
    text, problem = message.text, message.problem
    steps: list[Step] = []
    reached = 0
    for index, sent in enumerate(message.steps):
        field = f"trajectory.steps[{index}]"
        span = span_of(sent, text, field)
        if span.start < reached:
            raise FieldError(field, "begins before the last one ends", "send steps in order")
        reached = span.end
        steps.append(Step(index, span, span.of(text)))
    return Trajectory(
        id=message.id,
        line=message.line,
        problem=Problem(
            problem.text,
            problem.gold if problem.HasField("gold") else None,
            problem.reference if problem.HasField("reference") else None,
        ),
        text=text,
        steps=tuple(steps),
        joiner=message.joiner if message.HasField("joiner") else None,
        generator=message.generator if message.HasField("generator") else None,
    )


def verdict_message(verdict: Verdict) -> pb.Verdict:
    """Message of a verdict."""
    return pb.Verdict(value=_CORRECTNESS[verdict.value], reason=verdict.reason, answer=verdict.answer)


def verdict_of(message: pb.Verdict) -> Verdict:
    """Verdict of a message; FieldError where its value is missing."""
    value = _CORRECTNESS_BACK.get(message.value)
    if value is None:
        raise FieldError("verdict.value", "is missing", "send correct, incorrect or undecided")
    return Verdict(
        value,
        message.reason if message.HasField("reason") else None,
        message.answer if message.HasField("answer") else None,
    )


def diagnosis_message(diagnosis: Diagnosis) -> pb.Diagnosis:
    """Message of a diagnosis."""
    findings = [
        pb.Finding(
            index=finding.index,
            span=span_message(finding.span),
            verdict=_STEP[finding.verdict],
            evidence=finding.evidence,
            source=finding.source,
            confidence=finding.confidence,
            expected=finding.expected,
        )
        for finding in diagnosis.findings
    ]
    return pb.Diagnosis(first_error=diagnosis.first_error, confidence=diagnosis.confidence, findings=findings)


def diagnosis_of(message: pb.Diagnosis, text: str | None = None) -> Diagnosis:
    """Diagnosis of a message; FieldError where a finding's span is no range of `text`, if that is known."""
    first = message.first_error if message.HasField("first_error") else None
    findings = (
        _finding_of(sent, text, f"diagnosis.findings[{place}]") for place, sent in enumerate(message.findings)
    )
    return Diagnosis(first, message.confidence, tuple(findings))


def _finding_of(message: pb.Finding, text: str | None, field: str) -> Finding:
    return Finding(
        index=message.index,
        span=span_of(message.span, text, f"{field}.span"),
        verdict=_STEP_BACK.get(message.verdict, StepVerdict.UNKNOWN),
        evidence=message.evidence,
        source=message.source,
        confidence=message.confidence,
        expected=message.expected if message.HasField("expected") else None,
    )


def candidate_message(candidate: Candidate) -> pb.Candidate:
    """Message of a candidate."""
    edits = [
        pb.Edit(
            span=span_message(edit.span),
            before=edit.before,
            after=edit.after,
            author=edit.author,
            rewriter=edit.rewriter,
        )
        for edit in candidate.edits
    ]
    return pb.Candidate(
        edits=edits, rewriter=candidate.rewriter, touched=candidate.touched, note=candidate.note
    )


def candidate_of(message: pb.Candidate) -> Candidate:
    """Candidate of a message."""
    edits = tuple(
        Edit(span_of(edit.span, None, "edits.span"), edit.before, edit.after, edit.author, edit.rewriter)
        for edit in message.edits
    )
    return Candidate(edits, message.rewriter, tuple(message.touched), message.note)
