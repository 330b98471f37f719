"""Models, scores, profiles and failures: domain types as messages, and back."""

from __future__ import annotations

from shared.domain import GateVerdict, ModelInfo, NativeBand, ScorerInfo, Span, StudentProfile, TokenScores
from shared.errors import FieldError, IdiolectError
from shared.rpc.generated.idiolect.types.v1 import types_pb2 as pb
from shared.rpc.status import code_of


def model_message(info: ModelInfo) -> pb.ModelInfo:
    """Message of a model."""
    return pb.ModelInfo(
        engine=info.engine,
        model=info.model,
        digest=info.digest,
        context=info.context,
        generates=info.generates,
        scores=info.scores,
        seeded=info.seeded,
        adapter=info.adapter,
        limits=info.limits,
    )


def model_of(message: pb.ModelInfo) -> ModelInfo:
    """Model of a message."""
    return ModelInfo(
        engine=message.engine,
        model=message.model,
        digest=message.digest,
        context=message.context,
        generates=message.generates,
        scores=message.scores,
        seeded=message.seeded,
        adapter=message.adapter if message.HasField("adapter") else None,
        limits=message.limits,
    )


def scores_message(scores: TokenScores) -> pb.TokenScores:
    """Message of token scores."""
    return pb.TokenScores(
        starts=[span.start for span in scores.spans],
        ends=[span.end for span in scores.spans],
        surprisals=scores.surprisals,
        ranks=scores.ranks,
    )


def scores_of(message: pb.TokenScores) -> TokenScores:
    """Token scores of a message."""
    spans = tuple(map(Span, message.starts, message.ends))
    return TokenScores(spans, tuple(message.surprisals), tuple(message.ranks))


def profile_message(profile: StudentProfile) -> pb.StudentProfile:
    """Message of a profile."""
    return pb.StudentProfile(
        name=profile.name,
        digest=profile.digest,
        scorer=pb.ScorerInfo(
            name=profile.scorer.name, label=profile.scorer.label, digest=profile.scorer.digest
        ),
        samples=profile.samples,
        band=profile.band.quarters,
        alpha=profile.alpha,
        thresholds=[pb.Threshold(least=least, bound=bound) for least, bound in profile.thresholds],
        notation=[pb.Habit(key=key, value=value) for key, value in profile.notation],
    )


def profile_of(message: pb.StudentProfile) -> StudentProfile:
    """Profile of a message; FieldError where its band has not four values."""
    if len(message.band) != 4:
        raise FieldError("profile.band", f"has {len(message.band)} values", "send one a quarter")
    first, second, third, fourth = message.band
    scorer = message.scorer
    return StudentProfile(
        name=message.name,
        digest=message.digest,
        scorer=ScorerInfo(scorer.name, scorer.label, scorer.digest),
        samples=message.samples,
        band=NativeBand((first, second, third, fourth)),
        alpha=message.alpha,
        thresholds=tuple((threshold.least, threshold.bound) for threshold in message.thresholds),
        notation=tuple((habit.key, habit.value) for habit in message.notation),
    )


def gate_message(verdict: GateVerdict) -> pb.GateVerdict:
    """Message of the gate's verdict."""
    return pb.GateVerdict(
        passed=verdict.passed,
        statistic=verdict.statistic,
        threshold=verdict.threshold,
        tokens=verdict.tokens,
        reason=verdict.reason,
    )


def gate_of(message: pb.GateVerdict) -> GateVerdict:
    """The gate's verdict of a message."""
    reason = message.reason if message.HasField("reason") else None
    return GateVerdict(message.passed, message.statistic, message.threshold, message.tokens, reason)


def failure_message(error: IdiolectError) -> pb.Failure:
    """Message of what went wrong with one item."""
    field = error.field if isinstance(error, FieldError) else None
    return pb.Failure(code=code_of(error).value[0], message=str(error), field=field)
