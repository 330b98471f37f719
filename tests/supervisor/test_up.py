"""`idiolect up` with the real services."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from houses import PATIENCE_SECONDS, connects, eventually, living

from shared.rpc.generated.idiolect.oracle.v1 import oracle_pb2, oracle_pb2_grpc

SERVING = health_pb2.HealthCheckResponse.SERVING


@dataclass
class Up:
    """The running command, and what its line of JSON said."""

    process: subprocess.Popen[bytes]
    group: int
    services: dict

    def address(self, name: str) -> str:
        return self.services[name]["address"]


def health(address: str) -> int:
    with grpc.insecure_channel(address) as channel:
        asked = health_pb2_grpc.HealthStub(channel).Check
        return asked(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=PATIENCE_SECONDS).status


def verify_with_a_worker(address: str) -> None:
    """Asks what only a worker process can answer."""
    with grpc.insecure_channel(address) as channel:
        oracle = oracle_pb2_grpc.OracleServiceStub(channel)
        digest = oracle.GetInfo(oracle_pb2.GetInfoRequest(), timeout=PATIENCE_SECONDS).model.digest
        request = oracle_pb2.VerifyRequest(model_digest=digest, text=r"\boxed{x^2+2x+1}", gold="(x+1)^2")
        oracle.Verify(request, timeout=PATIENCE_SECONDS)


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    """Student and oracle without a model."""
    engines = ["--student-engine", "scripted", "--oracle-engine", "rules"]
    command = [
        sys.executable,
        "-m",
        "services.embedded.cli",
        "up",
        *engines,
        "--state",
        str(tmp_path),
        "--json",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        told = json.loads(process.stdout.readline())
        yield Up(process, told["group"], told["services"])
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)
        process.stdout.close()


@pytest.mark.parametrize("name", ["student", "oracle"])
def test_a_service_serves_where_it_is_said_to(up: Up, name: str) -> None:
    assert (health(up.address(name)), connects(up.services[name]["metrics"])) == (SERVING, True)


def test_a_killed_student_is_back_at_its_addresses(up: Up) -> None:
    student = psutil.Process(up.services["student"]["pid"])
    student.kill()
    student.wait(PATIENCE_SECONDS)
    assert eventually(lambda: connects(up.address("student")) and connects(up.services["student"]["metrics"]))


def test_kill_9_leaves_no_worker_of_the_verifier(up: Up) -> None:
    verify_with_a_worker(up.address("oracle"))
    assert len(living(up.group)) > 3
    up.process.kill()
    assert eventually(lambda: living(up.group) == [])


def test_ctrl_c_ends_every_process_and_the_code_is_0(up: Up) -> None:
    verify_with_a_worker(up.address("oracle"))
    up.process.send_signal(signal.SIGINT)
    assert (up.process.wait(PATIENCE_SECONDS), living(up.group)) == (0, [])
