"""A student and an oracle that listen, for gateways that ask them."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from served import Served, ServedOracle, scripted


class Engines:
    """Scripted engines behind real gRPC servers; a context manager."""

    def __init__(self, state: Path) -> None:
        self.student = Served(scripted(), state / "student")
        self.oracle = ServedOracle(scripted(), state / "oracle")
        self._stack = ExitStack()

    def __enter__(self) -> Engines:
        self._stack.enter_context(self.student)
        self._stack.enter_context(self.oracle)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
