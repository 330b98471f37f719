"""No collector is named, or one is that isn't there: the services do what they do."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from house import free_port
from traced_system import TracedSystem

from shared.errors import FieldError, IntegrityError
from shared.jobs.layout import JobKey
from shared.jobs.order import JobOrder, Operation
from shared.trace_export import FLUSH_SECONDS, VARIABLE, exporting

PARTS = ("gateway", "workers", "student", "oracle")
LINES = (Path(__file__).parents[2] / "data" / "demo" / "gpt3_6b.jsonl").read_bytes().splitlines()[:8]
# Every import is told on stderr, by every process below too.
TOLD = {"PYTHONPROFILEIMPORTTIME": "1"}


def imported(log: str) -> set[str]:
    """Names of the modules that the processes of a part imported."""
    return set(re.findall(r"^import time:.*\| +(\S+)$", log, re.M))


@pytest.fixture(scope="module")
def untraced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TracedSystem]:
    """A system that has done a job; the variable is empty, as compose hands it on where it isn't set."""
    system = TracedSystem(tmp_path_factory.mktemp("untraced"), **TOLD, **{VARIABLE: ""})
    try:
        with system.client() as client:
            system.job(client, LINES, "&scorer=none")
        yield system
    finally:
        system.close()


@pytest.fixture(scope="module")
def lonely(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TracedSystem]:
    """A system whose collector is away."""
    told = {VARIABLE: f"http://127.0.0.1:{free_port()}", "OTEL_BSP_SCHEDULE_DELAY": "100"}
    system = TracedSystem(tmp_path_factory.mktemp("lonely"), **TOLD, **told)
    yield system
    system.close()


@pytest.fixture(scope="module")
def brought_by_redis() -> set[str]:
    """What redis-py loads of the SDK by itself as soon as it is installed: the part for metrics."""
    command = [sys.executable, "-X", "importtime", "-c", "import redis"]
    return sent(imported(subprocess.run(command, stderr=subprocess.PIPE, text=True, check=True).stderr))


def sent(modules: set[str]) -> set[str]:
    """Those of the modules that make and send spans, or belong to such."""
    return {name for name in modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))}


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_without_the_variable_no_process_imports_the_sdk(
    untraced: TracedSystem, part: str, brought_by_redis: set[str]
) -> None:
    found = imported(untraced.log(part))
    assert "opentelemetry.trace" in found
    assert sent(found) - (brought_by_redis if "redis" in found else set()) == set()
    assert "opentelemetry.sdk.trace" not in found


@pytest.mark.slow
def test_without_the_variable_the_trace_of_a_request_is_in_its_job(untraced: TracedSystem) -> None:
    trace = "12" * 16
    with untraced.client() as client:
        job = untraced.job(client, LINES, "&scorer=none", traceparent=f"00-{trace}-{'34' * 8}-01")
    assert untraced.house.desk.order(JobKey("anna", job)).trace == f"00-{trace}-{'34' * 8}-01"


@pytest.mark.slow
def test_jobs_are_done_while_the_collector_is_away(lonely: TracedSystem) -> None:
    with lonely.client() as client:
        lonely.job(client, LINES, "&scorer=none")


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_with_the_variable_the_sdk_is_there(lonely: TracedSystem, part: str) -> None:
    assert "opentelemetry.sdk.trace" in imported(lonely.log(part))


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_a_collector_that_is_away_holds_no_end_up(lonely: TracedSystem, part: str) -> None:
    process = lonely.part(part).process
    begun = time.monotonic()
    process.terminate()
    process.wait(30)
    # The pool's processes end one second after their flush; the rest is this machine's.
    assert (process.returncode, time.monotonic() - begun < FLUSH_SECONDS + 12) == (0, True)


@pytest.mark.parametrize("endpoint", ["collector:4318", "grpc://collector:4317"])
def test_an_endpoint_that_is_no_url_is_refused(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv(VARIABLE, endpoint)
    with pytest.raises(FieldError, match=VARIABLE), exporting("gateway"):
        pass


def order(trace: str | None) -> JobOrder:
    return JobOrder(JobKey("anna", "job-1"), Operation.VERIFY, {}, {}, 1, 1, 0.0, trace=trace)


@pytest.mark.parametrize("trace", [None, f"00-{'12' * 16}-{'34' * 8}-01"])
def test_an_order_keeps_its_trace(trace: str | None) -> None:
    assert JobOrder.from_bytes(order(trace).to_bytes()) == order(trace)


def test_an_order_without_a_trace_stands_in_the_store_as_before_there_were_any() -> None:
    assert b'"trace"' not in order(None).to_bytes()


def test_what_is_no_order_is_still_none() -> None:
    with pytest.raises(IntegrityError):
        JobOrder.from_bytes(b'{"trace": "x"}')
