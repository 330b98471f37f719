"""Several replicas behind one address, drained, aged, locked and forked."""

from __future__ import annotations

import os
import socket
import socketserver
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc
import pytest
from certificates import make_certificates
from processes import free_port
from served import Served, scripted
from waiting import eventually

from shared.clients.student import StudentClient
from shared.errors import UnavailableError
from shared.ports import GenerationRequest, ScoreRequest
from shared.rpc.channel import Target
from shared.rpc.generated.idiolect.student.v1 import student_pb2 as pb
from shared.rpc.generated.idiolect.student.v1 import student_pb2_grpc as grpc_pb
from shared.rpc.server import ServerSettings

CALLS = 600
REQUEST = GenerationRequest("How many?", max_tokens=5)


def calls_of(served: Served) -> int:
    """How many texts a replica was asked to score."""
    lines = served.metrics().splitlines()
    wanted = 'idiolect_requests_total{code="OK",method="Score",service="student"}'
    return int(sum(float(line.split()[-1]) for line in lines if line.startswith(wanted)))


@contextmanager
def replicas(folder: Path, addresses: list[str], **settings: float) -> Iterator[list[Served]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(Served(scripted(), folder, ServerSettings(address, **settings)))
            for address in addresses
        ]


def ask_often(target: Target) -> None:
    with StudentClient(target) as client, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: client.score([ScoreRequest("p", "t")]), range(CALLS)))


def test_each_of_three_replicas_gets_its_share_of_the_calls(tmp_path: Path) -> None:
    with replicas(tmp_path, ["127.0.0.1:0"] * 3) as served:
        ask_often(Target(",".join(one.address for one in served)))
        shares = [calls_of(one) / CALLS for one in served]
    assert all(0.25 <= share <= 0.42 for share in shares), shares


class Names(socketserver.BaseRequestHandler):
    """Answers every question for an IPv4 address with the three hosts."""

    hosts = ("127.0.0.1", "127.0.0.2", "127.0.0.3")

    def handle(self) -> None:
        query, answer = self.request
        end = query.index(b"\0", 12) + 5
        wants_ipv4 = query[end - 4 : end - 2] == b"\0\1"
        hosts = self.hosts if wants_ipv4 else ()
        head = query[:2] + struct.pack(">HHHHH", 0x8180, 1, len(hosts), 0, 0)
        record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 1, 4)
        body = b"".join(record + socket.inet_aton(host) for host in hosts)
        answer.sendto(head + query[12:end] + body, self.client_address)


def test_a_name_is_dealt_over_all_the_addresses_that_dns_gives(tmp_path: Path) -> None:
    port = free_port(list(Names.hosts))
    with socketserver.ThreadingUDPServer(("127.0.0.1", 0), Names) as names:
        threading.Thread(target=names.serve_forever, daemon=True).start()
        with replicas(tmp_path, [f"{host}:{port}" for host in Names.hosts]) as served:
            ask_often(Target(f"dns://127.0.0.1:{names.server_address[1]}/students.test:{port}"))
            shares = [calls_of(one) / CALLS for one in served]
        names.shutdown()
    assert all(0.25 <= share <= 0.42 for share in shares), shares


def test_old_connections_are_closed_gently(tmp_path: Path) -> None:
    with (
        replicas(tmp_path, ["127.0.0.1:0"], connection_age_seconds=0.2) as served,
        StudentClient(served[0].target) as client,
    ):
        answers = [client.score([ScoreRequest("p", "t")]) for _ in range(CALLS)]
    assert answers == [answers[0]] * CALLS


def test_a_replica_that_drains_finishes_what_it_does(tmp_path: Path) -> None:
    slow = scripted(tokens_per_second=60, median_tokens=30, sigma=0)
    with Served(slow, tmp_path) as served, StudentClient(served.target) as client:
        assert client.info
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(client.generate, GenerationRequest("p", max_tokens=100))
            assert eventually(lambda: served.model.figures.running == 1)
            served.drain()
            assert running.result()[0].tokens == 30


def test_a_replica_that_drains_refuses_new_calls_as_retryable(tmp_path: Path) -> None:
    slow = scripted(tokens_per_second=60, median_tokens=60, sigma=0)
    with Served(slow, tmp_path) as served, StudentClient(served.target) as client:
        assert client.info
        with ThreadPoolExecutor(2) as pool:
            running = pool.submit(client.generate, GenerationRequest("p", max_tokens=100))
            assert eventually(lambda: served.model.figures.running == 1)
            draining = pool.submit(served.drain)
            assert eventually(lambda: served.drains)
            with pytest.raises(UnavailableError), StudentClient(served.target) as late:
                late.generate(REQUEST)
            draining.result()
            assert running.result()[0].finished


def test_calls_go_on_with_the_replicas_that_are_left(tmp_path: Path) -> None:
    with replicas(tmp_path, ["127.0.0.1:0"] * 2) as served:
        target = Target(",".join(one.address for one in served))
        with StudentClient(target) as client:
            before = client.generate(REQUEST)
            served[0].drain()
            assert [client.generate(REQUEST) for _ in range(20)] == [before] * 20


def test_mutual_tls_admits_who_has_a_certificate(tmp_path: Path) -> None:
    tls = make_certificates(tmp_path)
    with Served(scripted(), tmp_path, ServerSettings(tls=tls)) as served:
        target = Target(served.address, tls, host="localhost")
        with StudentClient(target) as client:
            assert client.info.engine == "scripted"


def test_mutual_tls_keeps_out_who_has_none(tmp_path: Path) -> None:
    tls = make_certificates(tmp_path)
    with (
        Served(scripted(), tmp_path, ServerSettings(tls=tls)) as served,
        StudentClient(served.target) as client,
        pytest.raises(UnavailableError),
    ):
        client.generate(REQUEST)


def test_mutual_tls_keeps_out_a_certificate_of_a_stranger(tmp_path: Path) -> None:
    tls = make_certificates(tmp_path / "ours")
    stranger = make_certificates(tmp_path / "theirs")
    with (
        Served(scripted(), tmp_path, ServerSettings(tls=tls)) as served,
        StudentClient(Target(served.address, stranger, host="localhost")) as client,
        pytest.raises(UnavailableError),
    ):
        client.generate(REQUEST)


@pytest.mark.parametrize("before", ["", "client.info", "speak()"], ids=["unused", "asked", "read"])
def test_a_client_works_in_the_child_of_a_fork(tmp_path: Path, before: str) -> None:
    with Served(scripted(), tmp_path) as served:
        reader, writer = os.pipe()
        # The child must not inherit this process's servers, so a process of its own does the forking.
        program = f"""
import os
from shared.clients.student import StudentClient
from shared.ports import GenerationRequest
from shared.rpc.channel import Target
client = StudentClient(Target({served.address!r}))
def speak():
    return client.generate(GenerationRequest("p", max_tokens=5))[0].text
{before}
child = os.fork()
os.write({writer}, (speak() + chr(10)).encode())
if child:
    os.waitpid(child, 0)
else:
    os._exit(0)
"""
        subprocess.run([sys.executable, "-c", program], pass_fds=[writer], check=True, timeout=60)
        os.close(writer)
        with os.fdopen(reader) as stream:
            first, second = stream.read().splitlines()
    assert first == second


def test_a_thousand_cancelled_calls_leave_nothing_behind(tmp_path: Path) -> None:
    process = Path("/proc/self/fd")
    slow = scripted(tokens_per_second=100, median_tokens=4000, sigma=0)
    with Served(slow, tmp_path) as served, grpc.insecure_channel(served.address) as channel:
        stub = grpc_pb.StudentServiceStub(channel)
        digest = stub.GetInfo(pb.GetInfoRequest()).model.digest
        sampling = pb.Sampling(n=2, temperature=1, max_tokens=4000)
        asked = pb.GenerateRequest(model_digest=digest, problem="p", sampling=sampling)

        def cancel(count: int) -> None:
            for _ in range(count // 50):
                calls = [stub.Generate(asked) for _ in range(50)]
                assert eventually(lambda: served.model.figures.running > 0)
                assert served.tasks()
                for call in calls:
                    call.cancel()
            assert eventually(lambda: served.model.figures.running == 0)
            assert eventually(lambda: "Generate" in served.metrics() and in_flight(served) == 0)

        cancel(100)
        assert eventually(lambda: not served.tasks()), served.tasks()
        files, threads = len(list(process.iterdir())), threading.active_count()
        cancel(1000)
        assert eventually(lambda: not served.tasks()), served.tasks()
        assert len(list(process.iterdir())) <= files + 2
        assert threading.active_count() <= threads + 2


def in_flight(served: Served) -> float:
    """Calls under way, as ``/metrics`` shows them."""
    name = 'idiolect_requests_in_flight{method="Generate"'
    return sum(float(line.split()[-1]) for line in served.metrics().splitlines() if line.startswith(name))
