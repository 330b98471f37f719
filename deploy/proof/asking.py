"""What the proof asks of the published port, and what the same work comes to in this process's own tree."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from openai import OpenAI

from deploy.proof.engine import ROOT, eventually
from shared.clients.platform import PlatformClient
from shared.jobs.order import JobState

DEMO = ROOT / "data" / "demo" / "gpt3_6b.jsonl"
PATIENCE_SECONDS = 900.0


def embedded(output: Path) -> bytes:
    """The records of a run in process: rules, and a proxy fitted on the file itself."""
    command = [
        sys.executable,
        "-m",
        "services.embedded.cli",
        "refine",
        str(DEMO),
        "-o",
        str(output),
        "--fresh",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the embedded run ended with {done.returncode}: {done.stderr[-1000:]}")
    return output.read_bytes()


def records(client: PlatformClient, job: str) -> bytes:
    """The records of a job once it has ended. RuntimeError where it did not complete."""
    ended = list(client.watch(job))[-1]
    if ended.status is not JobState.COMPLETED:
        raise RuntimeError(f"{job} ended {ended.status.value}: {ended}")
    return b"".join(client.results(job))


def reach(client: PlatformClient, job: str, share: float) -> None:
    """Wait until that share of the job is done, or it has ended."""

    def there() -> bool:
        shown = client.job(job)
        return shown.done >= share * shown.lines or shown.status is not JobState.RUNNING

    eventually(there, f"{share:.0%} of {job}", PATIENCE_SECONDS)


def repeated(times: int) -> list[dict[str, Any]]:
    """The demo's lines, so many times over."""
    return [json.loads(line) for line in DEMO.read_bytes().splitlines()] * times


def batch(url: str, key: str) -> list[str]:
    """The verdicts of a batch, by the official client of the OpenAI API."""
    endpoint: Any = "/v1/verifications"
    asked = [{"problem": "?", "text": f"So the answer is {number}.", "gold": "3"} for number in range(6)]
    content = "\n".join(
        json.dumps({"custom_id": f"r{number}", "method": "POST", "url": endpoint, "body": body})
        for number, body in enumerate(asked)
    )
    with OpenAI(base_url=f"{url}/v1", api_key=key) as client:
        file = client.files.create(file=("r.jsonl", io.BytesIO(content.encode())), purpose="batch")
        made = client.batches.create(input_file_id=file.id, endpoint=endpoint, completion_window="24h")
        until = time.monotonic() + PATIENCE_SECONDS
        while made.status not in ("completed", "failed") and time.monotonic() < until:
            made = client.batches.retrieve(made.id)
        lines = client.files.content(made.output_file_id or "").text.splitlines()
    return [json.loads(line)["response"]["body"]["value"] for line in lines]
