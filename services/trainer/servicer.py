"""The trainer's methods of the contract: messages to domain types, the core, and back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from google.protobuf import timestamp_pb2
from grpc import aio
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from services.trainer.core import Standing, TrainerCore
from services.trainer.records import Ordered
from shared.errors import FieldError
from shared.metrics import ServiceMetrics
from shared.published import PublishedModel, check_name
from shared.rpc.generated.idiolect.trainer.v1 import trainer_pb2 as pb
from shared.rpc.generated.idiolect.trainer.v1 import trainer_pb2_grpc as grpc_pb
from shared.rpc.wire.trainings import ARTIFACT, STATES, settings_of
from shared.store.keys import is_key

_DEFAULT_TENANT = "default"


class TrainerService(grpc_pb.TrainerServiceServicer):
    """Implements `shared.rpc.server.Service`."""

    name = "trainer"
    contract = "idiolect.trainer.v1.TrainerService"

    def __init__(self, core: TrainerCore) -> None:
        self._core = core

    def register(self, server: aio.Server, metrics: ServiceMetrics) -> None:
        """Add the methods, and what the trainings tell about themselves."""
        metrics.registry.register(TrainingCollector(self._core))
        grpc_pb.add_TrainerServiceServicer_to_server(self, server)

    async def start(self, tell: Callable[[bool], None], fail: Callable[[Exception], None]) -> None:
        """Take up what had not ended."""
        await self._core.start(tell, fail)

    async def stop(self) -> None:
        """End the running training with a checkpoint."""
        await self._core.stop()

    async def StartTraining(self, request: pb.StartTrainingRequest, context: Any) -> pb.StartTrainingResponse:
        standing = await self._core.order(_ordered(request))
        return pb.StartTrainingResponse(training=_training(standing))

    async def WatchTraining(
        self, request: pb.WatchTrainingRequest, context: Any
    ) -> AsyncIterator[pb.WatchTrainingResponse]:
        async for standing, step in self._core.watch(_tenant(request), request.id, request.after_step):
            told = pb.WatchTrainingResponse(training=_training(standing))
            if step is not None:
                told.loss, told.learning_rate = step.loss, step.learning_rate
                told.tokens_per_second = step.tokens_per_second
                if step.memory_bytes is not None:
                    told.memory_bytes = step.memory_bytes
            yield told

    async def CancelTraining(
        self, request: pb.CancelTrainingRequest, context: Any
    ) -> pb.CancelTrainingResponse:
        standing = await self._core.cancel(_tenant(request), request.id)
        return pb.CancelTrainingResponse(training=_training(standing))

    async def GetTraining(self, request: pb.GetTrainingRequest, context: Any) -> pb.GetTrainingResponse:
        return pb.GetTrainingResponse(training=_training(await self._core.get(_tenant(request), request.id)))

    async def ListTrainings(self, request: pb.ListTrainingsRequest, context: Any) -> pb.ListTrainingsResponse:
        found, token = await self._core.page(_tenant(request), request.page_size, request.page_token)
        return pb.ListTrainingsResponse(trainings=map(_training, found), next_page_token=token)

    async def ServeModel(self, request: pb.ServeModelRequest, context: Any) -> pb.ServeModelResponse:
        check_name("name", request.name)
        model = PublishedModel(_tenant(request), request.name, request.digest)
        await self._core.serve(model, adapter=request.adapter)
        return pb.ServeModelResponse()


class TrainingCollector:
    """What the trainings tell about themselves, read at each scrape."""

    def __init__(self, core: TrainerCore) -> None:
        self._core = core

    def collect(self) -> Iterator[Metric]:
        """The metrics as they stand."""
        last = self._core.progress
        if last is not None:
            loss = "Loss of the last step of the training that runs, nats a token (weighted by p for DFT)."
            yield GaugeMetricFamily("idiolect_training_loss", loss, last.loss)
        tokens = self._core.tokens_of_ended + (last.tokens if last is not None else 0)
        yield CounterMetricFamily("idiolect_training_tokens", "Tokens trained on.", tokens)
        ended = CounterMetricFamily("idiolect_trainings", "Trainings that ended.", labels=("state",))
        for state, number in self._core.finished.items():
            ended.add_metric((state.value,), number)
        yield ended


def _ordered(request: pb.StartTrainingRequest) -> Ordered:
    tenant = _tenant(request)
    return Ordered(
        id=request.id,
        tenant=tenant,
        name=request.name,
        base=request.base_model,
        data=f"t/{tenant}/{_path(request.data)}",
        data_digest=request.data_digest,
        settings=settings_of(request.settings),
        created=0.0,
        arm=request.arm if request.HasField("arm") else None,
        instruction=request.instruction if request.HasField("instruction") else None,
        system=request.system if request.HasField("system") else None,
    )


def _path(reference: str) -> str:
    """The path of ``artifact://PATH``, within the caller's name space."""
    path = reference.removeprefix(ARTIFACT)
    if path == reference or not is_key(path):
        cure = f"give {ARTIFACT}PATH, an object of your name space"
        raise FieldError("data", f"is {reference[:80]!r}", cure)
    return path


def _tenant(request: Any) -> str:
    tenant = str(request.tenant) or _DEFAULT_TENANT
    check_name("tenant", tenant)
    return tenant


def _training(standing: Standing) -> pb.Training:
    ordered, ended, last, model = standing.ordered, standing.ended, standing.last, standing.model
    told = pb.Training(
        id=ordered.id,
        name=ordered.name,
        base_model=ordered.base,
        state=STATES[standing.state],
        created_at=_time(ordered.created),
    )
    if ended is not None:
        told.step, told.steps, told.tokens, told.adapter = (
            ended.step,
            ended.steps,
            ended.tokens,
            ended.adapter,
        )
        told.ended_at.CopyFrom(_time(ended.at))
        if ended.error is not None:
            told.error = ended.error
    if last is not None:
        told.step, told.steps, told.tokens = last.step, last.steps, last.tokens
    if model is not None:
        told.model_digest, told.model = model.digest, f"{ARTIFACT}{model.path}"
    return told


def _time(seconds: float) -> timestamp_pb2.Timestamp:
    return timestamp_pb2.Timestamp(seconds=int(seconds), nanos=int(seconds % 1 * 1e9))
