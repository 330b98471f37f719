"""A training as a child process of the service, so that its crash is an answer and not the service's end."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.trainer.guarded import Guarded, death, signal_of
from services.trainer.orders import order_values
from services.trainer.run import FAILED, OUTCOME, REQUEST
from shared.domain.training import TrainingOrder

FSDP = Path(__file__).parent / "fsdp.yaml"
CPU = Path(__file__).parent / "cpu.yaml"
_LOG = "log"
_CRASHES = (signal.SIGSEGV, signal.SIGBUS)


@dataclass(frozen=True, slots=True)
class Launch:
    """How a training is started on one node.

    Attributes:
        processes: of this node, one a GPU; several are launched by accelerate. config: its configuration.
        device: ``cpu``, or None for a GPU where there is one. threads: of the processor; None: the default.
        nodes: that train together. rank: which of them this is; the service is 0.
        rendezvous: HOST:PORT at which the other nodes reach node 0.
    """

    processes: int = 1
    config: Path = FSDP
    device: str | None = None
    threads: int | None = None
    nodes: int = 1
    rank: int = 0
    rendezvous: str = ""

    def command(self, folder: Path) -> list[str]:
        """The program that trains in `folder`, with its arguments."""
        module = ["-m", "services.trainer.run", str(folder)]
        total = self.processes * self.nodes
        if total == 1:
            return [sys.executable, *module]
        accelerate = ["-m", "accelerate.commands.launch", "--config_file", str(self.config)]
        return [sys.executable, *accelerate, "--num_processes", str(total), *self._meeting(), *module]

    def _meeting(self) -> list[str]:
        if self.nodes == 1:
            return []
        host, _, port = self.rendezvous.rpartition(":")
        machines = ["--num_machines", str(self.nodes), "--machine_rank", str(self.rank)]
        return [*machines, "--main_process_ip", host.strip("[]"), "--main_process_port", port]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a training's process ended.

    Attributes:
        state: of `services.trainer.run`. told: what it told beside.
        crashed: whether it died of an access to memory that is not there, and told nothing.
    """

    state: str
    told: Mapping[str, Any]
    crashed: bool = False

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
        prepare(order, folder, launch)
        self._process = Guarded(launch.command(folder), folder / _LOG)

    @property
    def pid(self) -> int:
        """Process id of its guard, which leads its group."""
        return self._process.pid

    def stop(self) -> None:
        """Have it write a checkpoint and end."""
        self._process.stop()

    def end(self) -> None:
        """Have it end within the guard's grace, whatever it does."""
        self._process.end()

    async def ended(self) -> Ending:
        """Wait until it has ended, of itself or by whatever killed it."""
        code = await asyncio.to_thread(self._process.wait)
        outcome = self._folder / OUTCOME
        if outcome.is_file():
            told = json.loads(outcome.read_bytes())
            return Ending(told["state"], told)
        error = f"{death(code)}; it said last: {self._process.last_words()}"
        return Ending(FAILED, {"error": error}, crashed=signal_of(code) in _CRASHES)

    def kill(self) -> None:
        """End it and all its processes now."""
        self._process.kill()


def prepare(order: TrainingOrder, folder: Path, launch: Launch) -> None:
    """Write down what is to be trained, and forget what came of it before."""
    (folder / OUTCOME).unlink(missing_ok=True)
    request = {**order_values(order), "device": launch.device, "threads": launch.threads}
    (folder / REQUEST).write_text(json.dumps(request), encoding="utf-8")
