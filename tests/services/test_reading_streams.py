"""Streams that are read whole, by one thread for all that wait."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from served import Make, Served, scripted
from waiting import eventually

from shared.clients.student import StudentClient
from shared.errors import FieldError, UnavailableError
from shared.ports import Generation, GenerationRequest, ScoreRequest

CALLS = 32
Waiting = list[Future[list[Generation]]]


@contextmanager
def waiting(served: Served, client: StudentClient) -> Iterator[Waiting]:
    """Calls that all run on the server, and that take longer than any test."""
    with ThreadPoolExecutor(CALLS, thread_name_prefix="caller") as pool:
        calls = [pool.submit(client.generate, GenerationRequest("p", max_tokens=4096)) for _ in range(CALLS)]
        assert eventually(lambda: served.model.figures.running == CALLS)
        try:
            yield calls
        finally:
            client.cut()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel must tell how often a thread wakes")
def test_a_thread_that_waits_does_not_wake(tmp_path: Path) -> None:
    with (
        Served(endless(), tmp_path) as served,
        StudentClient(served.target) as client,
        waiting(served, client),
    ):
        callers = [thread for thread in threading.enumerate() if thread.name.startswith("caller")]
        before = [switches(thread) for thread in callers]
        threading.Event().wait(1.5)
        woken = sum(switches(thread) - was for thread, was in zip(callers, before, strict=True))
    assert len(callers) == CALLS
    assert woken <= CALLS


def test_a_connection_that_is_cut_ends_the_calls_under_way(tmp_path: Path) -> None:
    with Served(endless(), tmp_path) as served, StudentClient(served.target) as client:
        with waiting(served, client) as calls:
            client.cut()
            errors = [call.exception(timeout=30) for call in calls]
        told = [(one.service, one.method, one.reached) for one in errors if isinstance(one, UnavailableError)]
        assert told == [("student", "Generate", False)] * CALLS
        assert eventually(lambda: served.model.figures.running == 0)
        with pytest.raises(UnavailableError, match="cut"):
            client.generate(GenerationRequest("p"))


def test_a_connection_that_is_closed_is_made_anew(tmp_path: Path) -> None:
    with Served(scripted(), tmp_path) as served, StudentClient(served.target) as client:
        first = client.generate(GenerationRequest("p", max_tokens=5))
        client.close()
        assert client.generate(GenerationRequest("p", max_tokens=5)) == first


def test_an_answer_that_is_an_error_ends_the_call(tmp_path: Path) -> None:
    with Served(scripted(), tmp_path) as served, StudentClient(served.target) as client:
        with pytest.raises(FieldError, match="problem"):
            client.score([ScoreRequest("p", "a text"), ScoreRequest("", "a text")] * 8)
        assert eventually(lambda: served.model.figures.running == 0)
        assert client.score([ScoreRequest("p", "a text")])


def endless() -> Make:
    """Engine that gives a token a second."""
    return scripted(tokens_per_second=1, places=CALLS, median_tokens=4096, sigma=0)


def switches(thread: threading.Thread) -> int:
    """How often it has gone to sleep of itself."""
    for line in Path(f"/proc/self/task/{thread.native_id}/status").read_text().splitlines():
        if line.startswith("voluntary_ctxt_switches:"):
            return int(line.split()[1])
    raise AssertionError("the kernel tells no switches")
