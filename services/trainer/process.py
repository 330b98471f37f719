"""A training as a child process of the service, so that its crash is an answer and not the service's end."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.trainer import guard
from services.trainer.orders import order_values
from services.trainer.run import FAILED, OUTCOME, REQUEST
from shared.domain.training import TrainingOrder

FSDP = Path(__file__).parent / "fsdp.yaml"
_GRACE_SECONDS = 10.0
_LOG = "log"
_TAIL_BYTES = 2000


@dataclass(frozen=True, slots=True)
class Launch:
    """How a training is started.

    Attributes:
        processes: one a GPU; several are launched by accelerate. config: its configuration.
        device: ``cpu``, or None for a GPU where there is one. threads: of the processor; None: the default.
    """

    processes: int = 1
    config: Path = FSDP
    device: str | None = None
    threads: int | None = None

    def command(self, folder: Path) -> list[str]:
        """The program that trains in `folder`, with its arguments."""
        module = ["-m", "services.trainer.run", str(folder)]
        if self.processes == 1:
            return [sys.executable, *module]
        accelerate = ["-m", "accelerate.commands.launch", "--config_file", str(self.config)]
        return [sys.executable, *accelerate, "--num_processes", str(self.processes), *module]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a training's process ended: `state` of `services.trainer.run`, and what it told beside."""

    state: str
    told: Mapping[str, Any]

    @property
    def error(self) -> str:
        """Why it did not succeed."""
        return str(self.told.get("error", ""))


class ChildTraining:
    """One training that runs now. Its progress is in the folder (`services.trainer.folder`)."""

    def __init__(self, order: TrainingOrder, folder: Path, launch: Launch) -> None:
        """Start it, going on from the folder's checkpoint."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        (folder / OUTCOME).unlink(missing_ok=True)
        request = {**order_values(order), "device": launch.device, "threads": launch.threads}
        (folder / REQUEST).write_text(json.dumps(request), encoding="utf-8")
        with (folder / _LOG).open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, guard.__file__, str(_GRACE_SECONDS), *launch.command(folder)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                process_group=0,
            )

    @property
    def pid(self) -> int:
        """Process id of its guard, which leads its group."""
        return self._process.pid

    def stop(self) -> None:
        """Have it write a checkpoint and end."""
        if self._process.stdin is not None and self._process.poll() is None:
            try:
                self._process.stdin.write(b"stop\n")
                self._process.stdin.flush()
            except BrokenPipeError:
                return

    async def ended(self) -> Ending:
        """Wait until it has ended, of itself or by whatever killed it."""
        code = await asyncio.to_thread(self._process.wait)
        if self._process.stdin is not None:
            self._process.stdin.close()
        outcome = self._folder / OUTCOME
        if outcome.is_file():
            told = json.loads(outcome.read_bytes())
            return Ending(told["state"], told)
        return Ending(FAILED, {"error": f"{_death(code)}; it said last: {self._last_words()}"})

    def kill(self) -> None:
        """End it and all its processes now."""
        self._process.kill()

    def _last_words(self) -> str:
        said = (self._folder / _LOG).read_bytes()[-_TAIL_BYTES:].decode("utf-8", "replace").strip()
        return said.rpartition("\n")[2] or "nothing"


def _death(code: int) -> str:
    """In words, how a process ended that told no outcome."""
    number = code - 128 if code > 128 else -code
    if number == signal.SIGKILL:
        return "the training was killed, as the system does with processes when memory runs out"
    if code < 0 or code > 128:
        return f"the training died of signal {number}"
    return f"the training ended with exit code {code}"
