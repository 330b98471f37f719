"""Every process of an installation, with a gateway that knows one key."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import httpx2
from house import House, Part, eventually, free_port

from services.gateway.auth import digest_of_key

KEY = "idk_a_key_that_no_span_may_hold"
NDJSON = {"Content-Type": "application/x-ndjson"}


class TracedSystem:
    """Redis, student, oracle, workers and gateway; `environment` is what all of them are told."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.house = House(folder)
        self._environment = environment
        try:
            self.house.service("student", IDIOLECT_STUDENT_ENGINE="scripted", **environment)
            self.house.service("oracle", IDIOLECT_ORACLE_ENGINE="rules", **environment)
            self.house.workers(IDIOLECT_PIPELINE_CONCURRENCY="1", **environment)
            self._start_gateway()
        except BaseException:
            self.house.close()
            raise

    def _start_gateway(self) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        told = {
            "IDIOLECT_STORE": self.house.store_url,
            "IDIOLECT_REDIS": f"redis://127.0.0.1:{self.house.port}/0",
            "IDIOLECT_STUDENT": self.house.addresses["student"],
            "IDIOLECT_ORACLE": self.house.addresses["oracle"],
            "IDIOLECT_GATEWAY_LISTEN": self.url.removeprefix("http://"),
            "IDIOLECT_GATEWAY_KEYS": f"anna:{digest_of_key(KEY)}",
            **self._environment,
        }
        self.house.part([sys.executable, "-m", "services.gateway"], "gateway", told)
        with self.client() as client:
            eventually(lambda: _is_ready(client), "the gateway is ready")

    def client(self) -> httpx2.Client:
        return httpx2.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {KEY}"}, timeout=150, trust_env=False
        )

    def log(self, name: str) -> str:
        """What the processes of a part wrote to stderr."""
        return (self.house.folder / f"{name}.log").read_text()

    def part(self, name: str) -> Part:
        return self.house.named[name]

    def job(self, client: httpx2.Client, lines: list[bytes], query: str = "", **headers: str) -> str:
        """Id of a job that has been completed."""
        body = b"\n".join(lines)
        asked = client.post(f"/v1/refinements?wait=0{query}", content=body, headers={**NDJSON, **headers})
        assert asked.status_code == 202, asked.text
        job: str = asked.json()["id"]
        found: dict[str, Any] = {}

        def is_over() -> bool:
            found.update(client.get(f"/v1/jobs/{job}").json())
            return found["ended_at"] is not None

        eventually(is_over, "the end of the job")
        assert found["status"] == "completed", found
        return job

    def close(self) -> None:
        self.house.close()


def _is_ready(client: httpx2.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx2.TransportError:
        return False
