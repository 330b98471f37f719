"""Calls with a stream end, one way or the other, when their server is killed again and again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from processes import Process, free_port

from shared.clients.student import StudentClient
from shared.errors import UnavailableError
from shared.ports import GenerationRequest, ScoreRequest
from shared.rpc.channel import STREAMING, Target
from shared.rpc.generated.idiolect.oracle.v1 import oracle_pb2
from shared.rpc.generated.idiolect.student.v1 import student_pb2
from shared.rpc.generated.idiolect.trainer.v1 import trainer_pb2

CALLERS, KILLS = 24, 8
PATIENCE_SECONDS = 30.0
Call = Callable[[StudentClient], object]


def test_the_methods_that_grpc_does_not_try_again_are_those_with_a_stream() -> None:
    services = [
        service
        for module in (oracle_pb2, student_pb2, trainer_pb2)
        for service in module.DESCRIPTOR.services_by_name.values()
    ]
    streaming = {
        service.full_name: sorted(
            method.name for method in service.methods if method.client_streaming or method.server_streaming
        )
        for service in services
    }
    assert streaming == {name: sorted(methods) for name, methods in STREAMING.items()}


@contextmanager
def calling(address: str, call: Call) -> Iterator[list[threading.Thread]]:
    """Many threads that call again and again while the context lasts."""
    over = threading.Event()

    def work(client: StudentClient) -> None:
        while not over.is_set():
            try:
                call(client)
            except UnavailableError:
                over.wait(0.1)

    with StudentClient(Target(address)) as client:
        threads = [threading.Thread(target=work, args=(client,), daemon=True) for _ in range(CALLERS)]
        for thread in threads:
            thread.start()
        yield threads
        over.set()
        until = time.monotonic() + PATIENCE_SECONDS
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))


@pytest.mark.slow
@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.generate(GenerationRequest("p", max_tokens=32)),
        lambda client: client.score([ScoreRequest("p", "a text of some words")]),
    ],
    ids=["generate", "score"],
)
def test_no_call_is_left_behind_by_a_server_that_is_killed(tmp_path: Path, call: Call) -> None:
    address = f"localhost:{free_port(['127.0.0.1'])}"
    settings = {"IDIOLECT_LISTEN": address, "IDIOLECT_STATE": str(tmp_path / "state")}
    with Process("student", tmp_path, IDIOLECT_STUDENT_ENGINE="scripted", **settings) as student:
        with calling(address, call) as threads:
            for _ in range(KILLS):
                threading.Event().wait(0.5)
                student.kill()
                student.start()
        assert not [thread for thread in threads if thread.is_alive()]
