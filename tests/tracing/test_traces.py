"""One trace from HTTP through Celery and gRPC, as a collector sees it once every process has ended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from trace_collector import Kept, TraceCollector
from traced_system import KEY, NDJSON, TracedSystem

pytestmark = pytest.mark.slow

DEMO = Path(__file__).parents[2] / "data" / "demo"
LINES = (DEMO / "gpt3_6b.jsonl").read_bytes().splitlines()
CALLER, ABOVE = "ab" * 16, "cd" * 8
SERVER, CLIENT, CONSUMER = 2, 3, 5
NAMES = {"idiolect.student.v1.StudentService": "idiolect-student"}
HOUSES = {**NAMES, "idiolect.oracle.v1.OracleService": "idiolect-oracle"}


@dataclass(frozen=True, slots=True)
class Story:
    """What the collector holds: all spans, their bytes; a job's id; process ids of gateway and host."""

    spans: list[Kept]
    bodies: bytes
    job: str
    gateway: int
    host: int

    def __post_init__(self) -> None:
        assert len({span.id for span in self.spans}) == len(self.spans)

    def one(self, name: str, trace: str = CALLER) -> Kept:
        [found] = [span for span in self.spans if (span.name, span.trace) == (name, trace)]
        return found

    def calls(self, kind: int, trace: str = CALLER) -> list[Kept]:
        """Spans of gRPC calls on one side."""
        told = (span for span in self.spans if span.kind == kind and span.trace == trace)
        return [span for span in told if span.attributes.get("rpc.system") == "grpc"]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """A job of a caller who has a trace, a question and a refused one of callers without; then all ends.

    Nobody sends a batch for reasons of time, so that what comes late comes by the flush of an ended process.
    """
    with TraceCollector() as collector:
        told = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "3600000"}
        system = TracedSystem(tmp_path_factory.mktemp("traced"), **told)
        try:
            pids = system.part("gateway").process.pid, system.part("workers").process.pid
            with system.client() as client:
                job = system.job(client, LINES, traceparent=f"00-{CALLER}-{ABOVE}-01")
                asked = client.post(
                    "/v1/refinements?scorer=none", content=b"\n".join(LINES[:2]), headers=NDJSON
                )
                assert asked.status_code == 200, asked.text
                assert client.get("/v1/jobs/job-nothing").status_code == 404
                assert client.get("/v1/jobs", headers={"Authorization": "Bearer no"}).status_code == 401
        finally:
            system.close()
        yield Story(collector.spans, b"".join(collector.bodies), job, *pids)


def test_the_trace_of_the_caller_goes_on_in_the_gateway(story: Story) -> None:
    request = story.one("POST /v1/refinements")
    assert (request.parent, request.house, request.pid) == (ABOVE, "idiolect-gateway", story.gateway)


def test_a_request_tells_its_method_route_status_and_job_and_no_more(story: Story) -> None:
    assert story.one("POST /v1/refinements").attributes == {
        "http.request.method": "POST",
        "http.route": "/v1/refinements",
        "http.response.status_code": 202,
        "idiolect.job": story.job,
    }


@pytest.mark.parametrize(("name", "part"), [("prepare", "prepare"), ("shard", "0000")])
def test_what_a_worker_does_for_a_job_is_below_the_request_that_it_came_by(
    story: Story, name: str, part: str
) -> None:
    request, work = story.one("POST /v1/refinements"), story.one(name)
    assert (work.parent, work.kind, work.house) == (request.id, CONSUMER, "idiolect-pipeline")
    assert work.attributes["idiolect.job"] == story.job
    assert work.attributes["idiolect.part"].startswith(part)


def test_a_shard_is_worked_in_a_process_of_the_pool(story: Story) -> None:
    assert story.one("shard").pid not in (story.gateway, story.host)


def test_every_call_of_a_worker_is_below_its_work(story: Story) -> None:
    works = {story.one(name).id: story.one(name).pid for name in ("prepare", "shard")}
    calls = [call for call in story.calls(CLIENT) if call.house == "idiolect-pipeline"]
    assert {call.parent for call in calls} == works.keys()
    assert all(call.pid == works[call.parent] for call in calls)


def test_a_call_of_the_gateway_is_below_its_request(story: Story) -> None:
    calls = [call for call in story.calls(CLIENT) if call.house == "idiolect-gateway"]
    assert {call.parent for call in calls} == {story.one("POST /v1/refinements").id}


@pytest.mark.parametrize("method", ["BuildProfile", "JudgeStyle", "Locate", "Rewrite", "Score", "Verify"])
def test_calls_with_and_without_streams_have_spans(story: Story, method: str) -> None:
    assert {call.kind for call in story.spans if call.attributes.get("rpc.method") == method} == {
        CLIENT,
        SERVER,
    }


def test_every_call_is_answered_below_it_by_the_service_that_was_asked(story: Story) -> None:
    asked = {call.id: call for call in story.calls(CLIENT)}
    answered = story.calls(SERVER)
    assert {call.parent for call in answered} == asked.keys()
    assert all(call.name == asked[call.parent].name for call in answered)
    assert all(call.house == HOUSES[call.attributes["rpc.service"]] for call in answered)


def test_a_call_is_named_by_service_and_method_with_its_status(story: Story) -> None:
    for call in (*story.calls(CLIENT), *story.calls(SERVER)):
        service, method = call.name.split("/")
        code = call.attributes["rpc.grpc.status_code"]
        # The readers of a stream of candidates may have enough of it: cancelled, which is no failure.
        assert code == 0 or (code, method) == (1, "Rewrite")
        assert (call.attributes["rpc.service"], call.attributes["rpc.method"]) == (service, method)
        assert not call.failed


def test_a_caller_without_a_trace_gets_one_that_goes_through_redis_to_the_oracle(story: Story) -> None:
    [answer] = [span for span in story.spans if span.name == "answer"]
    request = story.one("POST /v1/refinements", answer.trace)
    assert (request.parent, answer.parent) == ("", request.id)
    assert answer.trace != CALLER
    below = {call.parent for call in story.calls(CLIENT, answer.trace)}
    assert below == {answer.id}
    assert {call.house for call in story.calls(SERVER, answer.trace)} >= {"idiolect-oracle"}


def test_what_was_not_found_or_not_let_in_has_a_span_with_its_status(story: Story) -> None:
    told = [span.attributes for span in story.spans if span.name in ("GET", "GET /v1/jobs/{job_id}")]
    assert {one["http.response.status_code"] for one in told} == {200, 401, 404}


def test_probes_have_no_span(story: Story) -> None:
    routes = {span.attributes.get("http.route") for span in story.spans if span.house == "idiolect-gateway"}
    assert routes - {None} == {"/v1/refinements", "/v1/jobs/{job_id}"}


def test_no_span_holds_a_key_or_a_text(story: Story) -> None:
    problems = [json.loads(line)["problem"] for line in LINES]
    assert KEY.encode() not in story.bodies
    assert [text for text in problems if text[:24].encode() in story.bodies] == []
