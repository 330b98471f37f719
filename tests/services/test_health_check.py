"""The health check of a container, asked of real services on loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from served import Served, scripted

from shared.rpc.health import look, main


class Answering(BaseHTTPRequestHandler):
    """200 for /well, 503 for anything else."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/well" else 503)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_door_that_answers_well_serves(url: str) -> None:
    assert look(f"{url}/well") == "serves"


def test_a_door_that_answers_503_does_not_serve(url: str) -> None:
    assert "503" in look(f"{url}/readyz")


def test_a_service_that_serves_says_so(tmp_path: Path) -> None:
    with Served(scripted(), tmp_path) as student:
        assert look(f"grpc://{student.address}") == "serves"


def test_nobody_at_the_address_is_no_service() -> None:
    assert look("grpc://127.0.0.1:1") == "does not answer (UNAVAILABLE)"


@pytest.mark.parametrize(("address", "code"), [("tcp://127.0.0.1:1", 2), ("grpc://127.0.0.1:1", 1)])
def test_the_exit_code_tells_what_is_wrong(address: str, code: int) -> None:
    assert main([address]) == code


def test_an_address_of_no_known_kind_names_its_variable(capsys: pytest.CaptureFixture[str]) -> None:
    main(["tcp://127.0.0.1:1"])
    assert "IDIOLECT_HEALTH" in capsys.readouterr().err
