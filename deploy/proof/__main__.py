"""``python -m deploy.proof``: the whole system in real containers, without a GPU; 77 without an engine.

Builds, starts, asks through the published port, kills, cuts, scales, restarts, and ends it. Each step is told
with its seconds; the first claim that does not hold ends it with exit code 1. `--keep` leaves all running;
`--vllm` builds the image of vLLM for processors too (some gigabytes), and runs a student and an API on it.
"""

from __future__ import annotations

import json
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.proof import engine
from deploy.proof.engine import ROOT, Containers
from deploy.proof.steps import Door, Proof
from services.gateway.auth import digest_of_key, new_key

NO_ENGINE = 77
_AWAY = ("down", "--volumes", "--remove-orphans", "--timeout", "60")


def main(arguments: list[str]) -> int:
    """0 where every claim holds."""
    if not engine.is_there():
        print("proof: no container engine with Compose answers; nothing was proven", file=sys.stderr)
        return NO_ENGINE
    with tempfile.TemporaryDirectory() as folder:
        key, port = new_key(), _free_port()
        containers = Containers(_environment(Path(folder), key, port))
        door = Door(f"http://127.0.0.1:{port}", key)
        proof = Proof(containers, door, Path(folder), with_vllm="--vllm" in arguments)
        # What a run left behind that was itself killed.
        containers.compose(*_AWAY)
        try:
            return _prove(proof)
        finally:
            if "--keep" not in arguments:
                containers.compose(*_AWAY)


def _prove(proof: Proof) -> int:
    told: dict[str, float | str] = {}
    try:
        for name, step in proof.steps():
            with _timed(name, told):
                step()
    except (AssertionError, RuntimeError, TimeoutError) as error:
        print(f"proof: {name}: {error}", file=sys.stderr)
        return 1
    finally:
        _write({"seconds": told, **proof.told})
    return 0


@contextmanager
def _timed(name: str, told: dict[str, float | str]) -> Iterator[None]:
    print(f"{name} ...", flush=True)
    began = time.monotonic()
    yield
    told[name] = round(time.monotonic() - began, 1)
    print(f"{name}: {told[name]} s", flush=True)


def _write(told: dict[str, object]) -> None:
    path = ROOT / "out" / "compose-proof.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    print(f"proof: figures in {path.relative_to(ROOT)}")


def _environment(folder: Path, key: str, port: int) -> dict[str, str]:
    """What would stand in ``.env``, with secrets of this run alone."""
    keys, password, oracle = (folder / name for name in ("keys.jsonl", "grafana-password", "oracle-api-key"))
    known = {"tenant": "proof", "sha256": digest_of_key(key), "may": ["studies"]}
    keys.write_text(json.dumps(known) + "\n")
    password.write_text(new_key())
    oracle.write_text(new_key())
    for path in (keys, password, oracle):
        path.chmod(0o644)
    return {
        "COMPOSE_PROFILES": "studies",
        "KEYS_FILE": str(keys),
        "GRAFANA_PASSWORD_FILE": str(password),
        "ORACLE_API_KEY_FILE": str(oracle),
        "GATEWAY_BIND": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "STUDENT_ENGINE": "proxy",
        "PIPELINE_CONCURRENCY": "1",
    }


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
