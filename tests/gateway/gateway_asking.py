"""What the tests ask for, in short words."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from typing import Any

import httpx2

NDJSON = {"Content-Type": "application/x-ndjson"}
Made = dict[str, Any]


def trajectory(number: int = 1) -> Made:
    return {
        "problem": f"What is {number} + 1?",
        "text": f"{number} + 1 = {number + 1}",
        "gold": f"{number + 1}",
    }


def jsonl(items: Iterable[object]) -> bytes:
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


def upload(client: httpx2.Client, content: bytes, purpose: str = "batch", name: str = "some.jsonl") -> Made:
    answer = client.post("/v1/files", data={"purpose": purpose}, files={"file": (name, content)})
    assert answer.status_code == 200, answer.text
    found: Made = answer.json()
    return found


def submit(client: httpx2.Client, content: bytes, **headers: str) -> httpx2.Response:
    """A job of JSON Lines."""
    return client.post("/v1/refinements?wait=0", content=content, headers={**NDJSON, **headers})


def eventually(look: Callable[[], Made], done: Callable[[Made], bool], seconds: float = 60.0) -> Made:
    """What `look` finds once that is `done`."""
    pause = threading.Event()
    for _ in range(int(seconds / 0.05)):
        found = look()
        if done(found):
            return found
        pause.wait(0.05)
    raise AssertionError(f"it is still {found}")


def ended(client: httpx2.Client, job: str) -> Made:
    """A job once it has ended."""
    return eventually(
        lambda: client.get(f"/v1/jobs/{job}").json(), lambda found: found["ended_at"] is not None
    )


def code_of(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def rows(answer: httpx2.Response) -> list[Made]:
    return [json.loads(line) for line in answer.text.splitlines()]
