"""All parts of one gateway, and how a request gets at them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol, TypeVar, cast

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer

from services.gateway.auth import Caller
from services.gateway.bodies import Intake
from services.gateway.figures import GatewayFigures
from services.gateway.settings import GatewaySettings
from shared.clients.oracle import OracleClient
from shared.clients.student import StudentClient
from shared.clients.trainer import TrainerClient
from shared.errors import UnavailableError
from shared.jobs.desk import JobDesk
from shared.jobs.layout import JobKey
from shared.jobs.order import JobOrder, Operation
from shared.jobs.stall import stall_of
from shared.store import Store

_LOG = logging.getLogger(__name__)
Client = TypeVar("Client")


class Nudge(Protocol):
    """Tells the workers of a new job, and what holds one up; only hints."""

    def nudge(self) -> None:
        """Tell of one. UnavailableError where nobody can be told."""
        ...

    def wait_of(self, key: JobKey) -> str | None:
        """Why work on a job waited just now; None without a reason, or where nobody can be asked."""
        ...


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of a few lines: (line, JSON) of records, and of those that have none."""

    records: Sequence[tuple[int, bytes]]
    errors: Sequence[tuple[int, bytes]]


class Interactive(Protocol):
    """Works on a few lines while their caller waits, and stores nothing."""

    async def answer(
        self, operation: Operation, config: dict[str, Any], lines: Sequence[bytes], wait: float
    ) -> Answered | None:
        """What came of the lines; None where it takes longer than `wait` seconds, and a job is better."""
        ...


# An accepted job is not kept waiting by an oracle that doesn't answer.
_PATIENCE_SECONDS = 1.0


@dataclass
class House:
    """The parts; those that may be None are where they aren't set up."""

    settings: GatewaySettings
    store: Store
    desk: JobDesk
    figures: GatewayFigures
    intake: Intake
    student: StudentClient | None = None
    oracle: OracleClient | None = None
    nudge: Nudge | None = None
    interactive: Interactive | None = None
    trainer: TrainerClient | None = None
    claims_seconds: float = field(default=60.0)

    def asked_student(self) -> StudentClient:
        """The student. UnavailableError where none is set up."""
        return _there(self.student, "student", "IDIOLECT_STUDENT")

    def asked_oracle(self) -> OracleClient:
        """The oracle. UnavailableError where none is set up."""
        return _there(self.oracle, "oracle", "IDIOLECT_ORACLE")

    def asked_trainer(self, tenant: str) -> TrainerClient:
        """The trainer, in the name space of a tenant. UnavailableError where none is set up."""
        return _there(self.trainer, "trainer", "IDIOLECT_TRAINER").of_tenant(tenant)

    @property
    def has_model_oracle(self) -> bool | None:
        """Whether the oracle has a language model; None where it doesn't say so at once."""
        if self.oracle is None:
            return False
        try:
            return self.oracle.told_within(_PATIENCE_SECONDS).model.engine != "rules"
        except UnavailableError:
            return None

    def standing(self, order: JobOrder) -> str | None:
        """Why a job that has not ended doesn't move; None where it does, as far as is known."""
        waits = None if self.nudge is None else self.nudge.wait_of(order.key)
        if waits is not None:
            return waits
        stall = stall_of(self.store, order.key)
        return None if stall is None else stall.reason

    def announce(self, order: JobOrder) -> None:
        """Count an accepted job and tell the workers; they find it by themselves where that fails."""
        self.figures.accepted(order.operation.value, order.lines)
        _LOG.info("job %s of %s accepted: %d lines", order.key.job, order.key.tenant, order.lines)
        self.tell_workers(order)

    def tell_workers(self, order: JobOrder) -> None:
        """Say that something is to be done for a job; the workers find it by themselves where that fails."""
        if self.nudge is None:
            return
        try:
            self.nudge.nudge()
        except UnavailableError as error:
            _LOG.warning("nobody could be told of job %s: %s", order.key.job, error)


def _there(client: Client | None, name: str, variable: str) -> Client:
    if client is None:
        raise UnavailableError(f"this gateway has no {name}; start it with {variable}=HOST:PORT")
    return client


def house_of(request: Request) -> House:
    """The parts of the gateway that serves the request."""
    return cast(House, request.app.state.house)


_BEARER = HTTPBearer(auto_error=False, description="A key of this gateway; none is needed where it has none.")


def caller_of(request: Request, _: Annotated[object, Security(_BEARER)]) -> Caller:
    """Who asks, as the door found."""
    return cast(Caller, request.state.caller)


Here = Annotated[House, Depends(house_of)]
Asked = Annotated[Caller, Depends(caller_of)]
