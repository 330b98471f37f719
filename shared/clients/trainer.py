"""The trainer over gRPC: trainings are begun, followed, listed and ended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from copy import copy
from dataclasses import dataclass
from typing import Any

from grpc import RpcError

from shared.clients.connection import Connection, sendable
from shared.domain.training import TrainingProgress, TrainingSettings, TrainingStanding
from shared.jobs.ids import turned
from shared.rpc.channel import Target
from shared.rpc.generated.idiolect.trainer.v1 import trainer_pb2 as pb
from shared.rpc.generated.idiolect.trainer.v1 import trainer_pb2_grpc as grpc_pb
from shared.rpc.spans import client_span
from shared.rpc.status import error_of
from shared.rpc.wire.trainings import ARTIFACT, settings_message, standing_of

CONTRACT = pb.DESCRIPTOR.services_by_name["TrainerService"].full_name
QUICK_SECONDS = 60.0
# The rows are read through before the answer.
START_SECONDS = 3600.0
_LONGEST_SECONDS = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """What is asked of the trainer.

    Attributes:
        name: of the model that results. base: name of an allowed model. settings: how to train.
        data: path of the rows in the caller's name space of the artifact store. data_digest: their sha256.
        arm: of a study, for the model card. instruction, system: put around prompts that are plain texts.
        id: under which the training is begun once (`shared.jobs.ids`, kind ``train``); None: the trainer's.
    """

    name: str
    base: str
    data: str
    data_digest: str
    settings: TrainingSettings
    arm: str | None = None
    instruction: str | None = None
    system: str | None = None
    id: str | None = None


class TrainerClient:
    """Every method of the trainer service; safe to use from several threads, and after a fork."""

    def __init__(self, target: Target, tenant: str = "default") -> None:
        """`tenant` is the name space in which the caller's rows, trainings and models are."""
        self._connection = Connection(target, grpc_pb.TrainerServiceStub, CONTRACT)
        self._tenant = tenant

    def of_tenant(self, tenant: str) -> TrainerClient:
        """The same connection, in another name space."""
        other = copy(self)
        other._tenant = tenant
        return other

    def __enter__(self) -> TrainerClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def start(self, request: TrainingRequest) -> TrainingStanding:
        """Begin a training. FieldError for what can't work as far as can be told before it runs."""
        asked = pb.StartTrainingRequest(
            tenant=self._tenant,
            name=sendable("name", request.name),
            base_model=sendable("base_model", request.base),
            data=ARTIFACT + sendable("data", request.data),
            data_digest=request.data_digest,
            settings=settings_message(request.settings),
            arm=request.arm,
            instruction=request.instruction,
            system=request.system,
            id=request.id or "",
        )
        with self._connection.translated("StartTraining") as metadata:
            begun = self._connection.stub.StartTraining(asked, timeout=START_SECONDS, metadata=metadata)
        return standing_of(begun.training)

    def watch(
        self, training: str, after: int = 0
    ) -> Iterator[tuple[TrainingStanding, TrainingProgress | None]]:
        """Every step behind `after` as it is done, and at last how it ended, without a step."""
        asked = pb.WatchTrainingRequest(tenant=self._tenant, id=training, after_step=after)
        with self._connection.translated("WatchTraining") as metadata:
            told = self._connection.stub.WatchTraining(asked, timeout=_LONGEST_SECONDS, metadata=metadata)
            for message in told:
                yield standing_of(message.training), _step_of(message)

    async def follow(
        self, training: str, after: int = 0
    ) -> AsyncIterator[tuple[TrainingStanding, TrainingProgress | None]]:
        """As `watch`, in an event loop and on a connection of its own, which ends with the iterator."""
        asked = pb.WatchTrainingRequest(tenant=self._tenant, id=training, after_step=after)
        target = self._connection.target
        async with target.channel() as channel:
            watch: Any = grpc_pb.TrainerServiceStub(channel).WatchTraining
            try:
                with client_span(CONTRACT, "WatchTraining") as metadata:
                    async for message in watch(asked, timeout=_LONGEST_SECONDS, metadata=metadata):
                        yield standing_of(message.training), _step_of(message)
            except RpcError as failed:
                raise error_of(failed, f"{target.name} {target.address}") from None

    def get(self, training: str) -> TrainingStanding:
        """One training. NotFoundError where the name space has none of that id."""
        asked = pb.GetTrainingRequest(tenant=self._tenant, id=training)
        with self._connection.translated("GetTraining") as metadata:
            found = self._connection.stub.GetTraining(asked, timeout=QUICK_SECONDS, metadata=metadata)
        return standing_of(found.training)

    def list(self, size: int = 100, token: str = "") -> tuple[list[TrainingStanding], str]:
        """A page of trainings, newest first, and the token of the next page; empty on the last one.

        A page behind a training begins at `token_behind` its id.
        """
        asked = pb.ListTrainingsRequest(tenant=self._tenant, page_size=size, page_token=token)
        with self._connection.translated("ListTrainings") as metadata:
            page = self._connection.stub.ListTrainings(asked, timeout=QUICK_SECONDS, metadata=metadata)
        return [standing_of(training) for training in page.trainings], page.next_page_token

    def cancel(self, training: str) -> TrainingStanding:
        """Have it end early, with a checkpoint; one that has ended stays as it is."""
        asked = pb.CancelTrainingRequest(tenant=self._tenant, id=training)
        with self._connection.translated("CancelTraining") as metadata:
            told = self._connection.stub.CancelTraining(asked, timeout=QUICK_SECONDS, metadata=metadata)
        return standing_of(told.training)

    def serve(self, name: str, digest: str, *, adapter: bool = False) -> None:
        """Have the students that follow the store serve a published model, or wear it as an adapter."""
        asked = pb.ServeModelRequest(tenant=self._tenant, name=name, digest=digest, adapter=adapter)
        with self._connection.translated("ServeModel") as metadata:
            self._connection.stub.ServeModel(asked, timeout=QUICK_SECONDS, metadata=metadata)


def token_behind(training: str) -> str:
    """The token of the page that begins behind a training of that id, whether it is there or not."""
    return turned(training)


def _step_of(message: pb.WatchTrainingResponse) -> TrainingProgress | None:
    if not message.HasField("loss"):
        return None
    return TrainingProgress(
        step=message.training.step,
        steps=message.training.steps,
        loss=message.loss,
        learning_rate=message.learning_rate,
        tokens=message.training.tokens,
        tokens_per_second=message.tokens_per_second,
        memory_bytes=message.memory_bytes if message.HasField("memory_bytes") else None,
    )
