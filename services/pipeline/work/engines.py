"""The connections of one task to student and oracle, which can be cut while calls are under way."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType

from shared.clients.oracle import OracleClient
from shared.clients.student import StudentClient
from shared.rpc.channel import Target


@dataclass(frozen=True, slots=True)
class EngineTargets:
    """Where the services are."""

    student: Target
    oracle: Target


class Engines:
    """Clients of both services; use as a context manager."""

    def __init__(self, targets: EngineTargets) -> None:
        self.student = StudentClient(targets.student)
        self.oracle = OracleClient(targets.oracle)

    def __enter__(self) -> Engines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()

    def cut(self) -> None:
        """Abort all calls; who holds one, or makes another, gets UnavailableError."""
        self.student.cut()
        self.oracle.cut()
