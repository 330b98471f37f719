"""`idiolect up` with its gateway, as a user has it: submit, watch, fetch, and the official OpenAI client."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from openai import OpenAI

from services.embedded.fetching import cut_at_last_line
from shared.clients.platform import PlatformClient
from shared.jobs.order import JobState

pytestmark = pytest.mark.slow

DATA = Path(__file__).parents[2] / "data" / "demo"
LINES = 230
PATIENCE_SECONDS = 120.0
IDIOLECT = [sys.executable, "-m", "services.embedded.cli"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}


def idiolect(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """The command in a process of its own."""
    return subprocess.run(
        [*IDIOLECT, *arguments], env=ENVIRONMENT, capture_output=True, timeout=PATIENCE_SECONDS
    )


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """All services, without a language model, as the line of JSON tells them."""
    engines = ["--student-engine", "proxy", "--oracle-engine", "rules", "--concurrency", "1"]
    state = str(tmp_path_factory.mktemp("state"))
    command = [*IDIOLECT, "up", *engines, "--gateway-port", "0", "--state", state, "--json"]
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["services"]
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)
        process.stdout.close()


@pytest.fixture(scope="module")
def url(services: dict[str, Any]) -> str:
    return f"http://{services['gateway']['address']}"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """230 real solutions of two students, a blank line and a broken one among them."""
    rows = [
        row for name in ("gpt3_6b", "tinyllama") for row in (DATA / f"{name}.jsonl").read_bytes().splitlines()
    ]
    rows[100:100] = [b"", b"broken"]
    path = tmp_path_factory.mktemp("source") / "in.jsonl"
    path.write_bytes(b"\n".join(rows[:LINES]) + b"\n")
    return path


@pytest.fixture(scope="module")
def here(source: Path) -> Path:
    """What a run in process makes of it."""
    output = source.with_name("here.jsonl")
    assert idiolect("refine", str(source), "-o", str(output)).returncode == 3
    return output


@pytest.fixture(scope="module")
def job(url: str, source: Path) -> str:
    """The same file as a job, which has ended; the exit code tells of the broken line."""
    done = idiolect("submit", str(source), "--url", url, "--wait")
    assert done.returncode == 3, done.stderr
    return done.stdout.decode().strip()


def test_a_submitted_file_becomes_what_a_run_in_process_makes_of_it(
    url: str, job: str, here: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.jsonl"
    idiolect("fetch", job, "-o", str(output), "--url", url)
    assert output.read_bytes() == here.read_bytes()


def test_the_broken_line_is_told_as_in_process(url: str, job: str, here: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    idiolect("fetch", job, "-o", str(output), "--url", url)
    assert Path(f"{output}.errors.jsonl").read_bytes() == Path(f"{here}.errors.jsonl").read_bytes()


def test_a_watch_tells_how_the_job_ended(url: str, job: str) -> None:
    done = idiolect("watch", job, "--url", url, "--json")
    assert (done.returncode, json.loads(done.stdout)["status"]) == (3, "completed")


def test_a_fetch_goes_on_behind_the_last_whole_line(url: str, job: str, here: Path, tmp_path: Path) -> None:
    output, whole = tmp_path / "out.jsonl", here.read_bytes()
    ends = whole.split(b"\n", 120)
    kept = b"\n".join(ends[:120]).replace(b'"id"', b'"ID"') + b"\n"
    (tmp_path / f"out.jsonl.{job}.part").write_bytes(kept + ends[120][:50])
    idiolect("fetch", job, "-o", str(output), "--url", url)
    assert output.read_bytes() == kept + ends[120]


def test_a_file_that_is_there_is_not_overwritten(url: str, job: str, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    output.write_bytes(b"mine")
    done = idiolect("fetch", job, "-o", str(output), "--url", url)
    assert (done.returncode, output.read_bytes()) == (2, b"mine")


def test_records_can_be_fetched_into_a_pipe(url: str, job: str, here: Path) -> None:
    assert idiolect("fetch", job, "-o", "-", "--url", url).stdout == here.read_bytes()


def test_the_same_name_is_the_same_job(url: str, source: Path) -> None:
    asked = ["submit", str(source), "--url", url, "--operation", "verifications", "--idempotency-key", "one"]
    assert idiolect(*asked).stdout == idiolect(*asked).stdout != b""


def test_jobs_are_listed_newest_first(url: str, job: str) -> None:
    listed = idiolect("jobs", "--url", url, "--json").stdout.splitlines()
    created = [json.loads(line)["created_at"] for line in listed]
    assert job in {json.loads(line)["id"] for line in listed}
    assert created == sorted(created, reverse=True)


def test_an_ended_job_that_is_cancelled_stays_as_it_is(url: str, job: str) -> None:
    cancelled = idiolect("cancel", job, "--url", url)
    assert cancelled.stdout.startswith(b"completed")


def test_a_job_that_is_not_there_is_bad_input(url: str) -> None:
    assert idiolect("watch", "job-nothing", "--url", url).returncode == 2


def test_a_setting_that_the_platform_refuses_is_bad_input(url: str, source: Path) -> None:
    done = idiolect("submit", str(source), "--url", url, "--gate", "open")
    assert (done.returncode, b"gate: " in done.stderr) == (2, True)


def test_a_key_that_is_kept_in_a_file_is_read(url: str, source: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("two\nlines\n")
    done = idiolect("submit", str(source), "--url", url, "--key-file", str(tmp_path / "key"))
    assert (done.returncode, b"--key-file: " in done.stderr) == (2, True)


def test_the_official_client_runs_a_batch_on_it(url: str) -> None:
    endpoint: Any = "/v1/verifications"
    asked = [{"problem": "?", "text": f"So the answer is {number}.", "gold": "3"} for number in range(6)]
    content = "\n".join(
        json.dumps({"custom_id": f"r{number}", "method": "POST", "url": endpoint, "body": body})
        for number, body in enumerate(asked)
    )
    with OpenAI(base_url=f"{url}/v1", api_key="none") as client:
        file = client.files.create(file=("r.jsonl", io.BytesIO(content.encode())), purpose="batch")
        batch = client.batches.create(input_file_id=file.id, endpoint=endpoint, completion_window="24h")
        while batch.status not in ("completed", "failed"):
            batch = client.batches.retrieve(batch.id)
        output = client.files.content(batch.output_file_id or "").text.splitlines()
    verdicts = [json.loads(line)["response"]["body"]["value"] for line in output]
    assert verdicts == ["incorrect"] * 3 + ["correct"] + ["incorrect"] * 2


@pytest.mark.long
def test_a_killed_gateway_is_back_at_its_address_and_a_watch_goes_on(
    services: dict[str, Any], url: str, source: Path
) -> None:
    with PlatformClient(url) as client:
        watching = client.watch(client.submit(source).id)
        next(watching)
        psutil.Process(services["gateway"]["pid"]).kill()
        assert list(watching)[-1].status is JobState.COMPLETED


@pytest.mark.parametrize(
    ("content", "line", "left"),
    [
        (b"", 0, b""),
        (b'{"line": 1', 0, b""),
        (b'{"line": 1}\n', 1, b'{"line": 1}\n'),
        (b'{"line": 1}\n{"line": 7}\n{"li', 7, b'{"line": 1}\n{"line": 7}\n'),
        (b'{"line": 2, "x": "' + b"y" * (3 << 20) + b'"}\n' + b"z" * (2 << 20), 2, None),
    ],
)
def test_a_partial_file_ends_with_its_last_whole_line(
    content: bytes, line: int, left: bytes | None, tmp_path: Path
) -> None:
    path = tmp_path / "part"
    path.write_bytes(content)
    with path.open("r+b") as stream:
        found = cut_at_last_line(stream)
    assert (found, path.read_bytes()) == (line, content[: content.rfind(b"\n") + 1] if left is None else left)
