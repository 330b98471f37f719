"""The student over gRPC, as the ports that the search is written against."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from google.protobuf import duration_pb2

from shared.clients.connection import ServiceClient, countable, sendable
from shared.domain import GateVerdict, ModelInfo, ScorerInfo, Span, StudentProfile, TokenScores
from shared.errors import FieldError, InputError, IntegrityError
from shared.ports import Generation, GenerationRequest, ScoreRequest
from shared.rpc.channel import Target
from shared.rpc.generated.idiolect.student.v1 import student_pb2 as pb
from shared.rpc.generated.idiolect.student.v1 import student_pb2_grpc as grpc_pb
from shared.rpc.generated.idiolect.types.v1 import types_pb2
from shared.rpc.wire.styles import gate_of, model_of, profile_of, scores_of
from shared.rpc.wire.trajectories import span_message

CONTRACT = pb.DESCRIPTOR.services_by_name["StudentService"].full_name
QUICK_SECONDS = 60.0
SLOW_SECONDS = 3600.0


class StudentClient(ServiceClient[grpc_pb.StudentServiceStub]):
    """Every method of the student service; safe to use from several threads, and after a fork.

    The served model is asked for once, and every call names it: if another one is served later, calls raise
    MismatchError and nothing of the two gets mixed.
    """

    def __init__(self, target: Target) -> None:
        super().__init__(target, grpc_pb.StudentServiceStub, CONTRACT)
        self._info: ModelInfo | None = None

    @property
    def info(self) -> ModelInfo:
        """The model that was served when this client first asked."""
        if self._info is None:
            with self._connection.translated("GetInfo") as metadata:
                asked = self._connection.stub.GetInfo(
                    pb.GetInfoRequest(), timeout=QUICK_SECONDS, metadata=metadata, wait_for_ready=False
                )
            self._info = model_of(asked.model)
        return self._info

    def generate(self, request: GenerationRequest) -> list[Generation]:
        """`n` samples, in order (`shared.ports.Generator`)."""
        made = self._connection.again(lambda: self._made(request))
        if len(made) != request.n:
            raise IntegrityError(f"{len(made)} of {request.n} samples came back")
        return [_generation(made[index]) for index in range(request.n)]

    def _made(self, request: GenerationRequest) -> dict[int, pb.Sample]:
        made: dict[int, pb.Sample] = {}

        def keep(answer: pb.GenerateResponse | pb.ContinueResponse) -> None:
            made[answer.sample.index] = answer.sample

        method = "Continue" if request.prefix else "Generate"
        message = (_continuation if request.prefix else _start)(request, self.info.digest, _sampling(request))
        with self._connection.translated(method) as metadata:
            self._connection.read(method, message, keep, timeout=SLOW_SECONDS, metadata=metadata)
        return made

    def score(self, requests: Sequence[ScoreRequest], profile_id: str | None = None) -> list[TokenScores]:
        """One result a request, in order; under the scorer of a profile where one is named."""
        if not requests:
            return []
        digest = self.info.digest
        sent = [_score(index, request, digest, profile_id) for index, request in enumerate(requests)]
        found = self._connection.again(lambda: self._scored(sent))
        return [found[index] for index in range(len(requests))]

    def _scored(self, sent: Sequence[pb.ScoreRequest]) -> dict[int, TokenScores]:
        found: dict[int, TokenScores] = {}

        def keep(answer: pb.ScoreResponse) -> None:
            if answer.HasField("failure"):
                raise _failure(answer.failure)
            found[answer.index] = scores_of(answer.scores)

        with self._connection.translated("Score") as metadata:
            self._connection.read("Score", sent, keep, timeout=SLOW_SECONDS, metadata=metadata)
        return found

    def build_profile(
        self,
        name: str,
        samples: Iterable[tuple[str, str]],
        *,
        alpha: float = 0.05,
        served: bool = False,
        native: bool = False,
    ) -> StudentProfile:
        """Fit a profile on (problem, text) samples; `served` scores with the served model, else a proxy."""
        scorer = pb.PROFILE_SCORER_SERVED if served else pb.PROFILE_SCORER_PROXY
        settings = pb.ProfileSettings(
            model_digest=self.info.digest, name=name, scorer=scorer, alpha=alpha, native=native
        )

        def parts() -> Iterator[pb.BuildProfileRequest]:
            yield pb.BuildProfileRequest(settings=settings)
            for problem, text in samples:
                sample = pb.NativeSample(problem=sendable("problem", problem), text=sendable("text", text))
                yield pb.BuildProfileRequest(sample=sample)

        with self._connection.translated("BuildProfile") as metadata:
            built = self._connection.stub.BuildProfile(parts(), timeout=SLOW_SECONDS, metadata=metadata)
        return profile_of(built.profile)

    def profile(self, profile_id: str) -> StudentProfile:
        """A profile that was built before. NotFoundError where the service has none of that name."""
        asked = pb.GetProfileRequest(profile_id=profile_id)
        with self._connection.translated("GetProfile") as metadata:
            found = self._connection.stub.GetProfile(asked, timeout=QUICK_SECONDS, metadata=metadata)
        return profile_of(found.profile)

    def judge(self, profile_id: str, request: ScoreRequest, span: Span) -> GateVerdict:
        """The gate's verdict on a span of a text."""
        asked = pb.JudgeStyleRequest(
            model_digest=self.info.digest,
            profile_id=profile_id,
            problem=sendable("problem", request.problem),
            text=sendable("text", request.text),
            span=span_message(span),
        )
        with self._connection.translated("JudgeStyle") as metadata:
            judged = self._connection.stub.JudgeStyle(asked, timeout=QUICK_SECONDS, metadata=metadata)
        return gate_of(judged.verdict)

    def load_model(self, source: str) -> ModelInfo:
        """Serve another model, and expect that one from now on."""
        asked = pb.LoadModelRequest(model_digest=self.info.digest, source=sendable("source", source))
        with self._connection.translated("LoadModel") as metadata:
            loaded = self._connection.stub.LoadModel(asked, timeout=SLOW_SECONDS, metadata=metadata)
        self._info = model_of(loaded.model)
        return self._info

    def load_adapter(self, source: str | None) -> ModelInfo:
        """Serve with a LoRA adapter or, for None, without one; and expect that model from now on."""
        given = None if source is None else sendable("source", source)
        asked = pb.LoadAdapterRequest(model_digest=self.info.digest, source=given)
        with self._connection.translated("LoadAdapter") as metadata:
            loaded = self._connection.stub.LoadAdapter(asked, timeout=SLOW_SECONDS, metadata=metadata)
        self._info = model_of(loaded.model)
        return self._info

    def sleep(self, holder: str, ttl: timedelta, lease_id: str | None = None) -> str:
        """Give the accelerator back for at most `ttl`; the id of the lease."""
        span = duration_pb2.Duration()
        span.FromTimedelta(ttl)
        asked = pb.SleepRequest(holder=holder, ttl=span, lease_id=lease_id)
        with self._connection.translated("Sleep") as metadata:
            lease = self._connection.stub.Sleep(asked, timeout=SLOW_SECONDS, metadata=metadata)
        return lease.lease_id

    def wake(self, lease_id: str) -> None:
        """End a lease."""
        asked = pb.WakeRequest(lease_id=lease_id)
        with self._connection.translated("Wake") as metadata:
            self._connection.stub.Wake(asked, timeout=SLOW_SECONDS, metadata=metadata)


@dataclass(frozen=True, slots=True)
class ProfileScorer:
    """Implements `shared.ports.Scorer`: the scorer of a profile."""

    client: StudentClient
    profile: StudentProfile

    @property
    def info(self) -> ScorerInfo:
        """The scorer that the profile names."""
        return self.profile.scorer

    def score(self, requests: Sequence[ScoreRequest]) -> list[TokenScores]:
        """One result a request, in order."""
        return self.client.score(requests, self.profile.id)


@dataclass(frozen=True, slots=True)
class ProfileGate:
    """Implements `shared.ports.StyleGate`."""

    client: StudentClient

    def judge(self, problem: str, text: str, span: Span, profile: StudentProfile) -> GateVerdict:
        """Verdict on `text[span]` in its place."""
        return self.client.judge(profile.id, ScoreRequest(problem, text), span)


def _sampling(request: GenerationRequest) -> pb.Sampling:
    return pb.Sampling(
        n=countable("n", request.n),
        temperature=request.temperature,
        top_p=request.top_p,
        max_tokens=countable("max_tokens", request.max_tokens),
        seed=countable("seed", request.seed, 1 << 63),
    )


def _optional(field: str, text: str | None) -> str | None:
    return None if text is None else sendable(field, text)


def _start(request: GenerationRequest, digest: str, sampling: pb.Sampling) -> pb.GenerateRequest:
    return pb.GenerateRequest(
        model_digest=digest,
        problem=sendable("problem", request.problem),
        hint=_optional("hint", request.hint),
        instruction=_optional("instruction", request.instruction),
        system=_optional("system", request.system),
        sampling=sampling,
    )


def _continuation(request: GenerationRequest, digest: str, sampling: pb.Sampling) -> pb.ContinueRequest:
    return pb.ContinueRequest(
        model_digest=digest,
        problem=sendable("problem", request.problem),
        prefix=sendable("prefix", request.prefix),
        hint=_optional("hint", request.hint),
        instruction=_optional("instruction", request.instruction),
        system=_optional("system", request.system),
        sampling=sampling,
    )


def _score(index: int, request: ScoreRequest, digest: str, profile_id: str | None) -> pb.ScoreRequest:
    return pb.ScoreRequest(
        model_digest=digest,
        index=index,
        problem=sendable("problem", request.problem),
        text=sendable("text", request.text),
        profile_id=profile_id,
    )


def _generation(sample: pb.Sample) -> Generation:
    return Generation(sample.text, sample.tokens, sample.finished)


def _failure(failure: types_pb2.Failure) -> InputError:
    """The error of one item; its message ends with the cure."""
    if not failure.HasField("field"):
        return InputError(failure.message)
    problem, _, cure = failure.message.removeprefix(f"{failure.field}: ").rpartition("; ")
    return FieldError(failure.field, problem, cure)
