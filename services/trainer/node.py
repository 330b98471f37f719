"""``python -m services.trainer.node``: takes part in the trainings of a trainer service on another node.

It watches the folder of trainings on the volume that it shares with the service. When an attempt at a
training is under way it launches its processes; when the attempt is withdrawn, another one begins or the
service is not heard of any longer, it ends them. Each attempt is launched once. SIGTERM ends it.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading
from pathlib import Path

from services.trainer.guarded import Guarded, death
from services.trainer.nodes import (
    BEAT_SECONDS,
    Attempt,
    NodeState,
    NodeWord,
    Pulse,
    heard_attempt,
    heard_node,
    tell_node,
)
from services.trainer.process import Launch
from services.trainer.run import FAILURE
from services.trainer.settings import NodeSettings
from shared.errors import IdiolectError
from shared.logs import log_to_stderr
from shared.rpc.settings import ServingSettings, from_environment

_LOG = logging.getLogger(__name__)


def main() -> int:
    """Watch until SIGTERM; 2 where the settings can't be used."""
    log_to_stderr()
    try:
        serving, settings = from_environment(ServingSettings), from_environment(NodeSettings)
        launch = settings.launch()
    except IdiolectError as error:
        print(f"trainer node: {error}", file=sys.stderr)
        return 2
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    node = Node(serving.state / "trainings", launch, settings.silence_seconds)
    while not told.wait(BEAT_SECONDS):
        node.look()
        if serving.ready_file is not None:
            serving.ready_file.touch()
    node.leave()
    return 0


class Node:
    """One node but the first; `look` is called about once a second."""

    def __init__(self, trainings: Path, launch: Launch, silence_seconds: float) -> None:
        self._trainings, self._launch, self._silence = trainings, launch, silence_seconds
        self._pulse = Pulse()
        self._beat = 0
        self._attempt: Attempt | None = None
        self._running: Guarded | None = None
        self._word = NodeWord("", NodeState.IDLE, 0)
        # What this node took part in before it was started anew goes on without it, or ends.
        before = heard_node(trainings, launch.rank)
        self._known = set() if before is None else {before.attempt}

    def look(self) -> None:
        """See what is under way, do what follows from it, and say so."""
        try:
            asked = heard_attempt(self._trainings)
            silent = self._pulse.feel(asked and (asked.id, asked.beat)) > self._silence
            if self._running is not None:
                self._watch(self._running, asked, silent=silent)
            if self._running is None and asked is not None and self._begins(asked):
                self._start(asked)
            self._tell()
        except OSError as error:
            _LOG.warning("the shared folder %s can't be used: %s", self._trainings, error)
            if self._running is not None and self._pulse.silence() > self._silence:
                self.leave()

    def leave(self) -> None:
        """End what runs, and wait for that."""
        if self._running is not None:
            self._running.end()
            self._running.wait()
            self._running = None

    def _begins(self, asked: Attempt) -> bool:
        """Whether that is an attempt that a living service makes and that was not launched here before."""
        return self._pulse.beats and asked.id not in self._known

    def _start(self, asked: Attempt) -> None:
        folder = self._trainings / asked.folder
        for rank in self._processes():
            (folder / FAILURE.format(rank)).unlink(missing_ok=True)
        self._attempt = asked
        self._known = {asked.id}
        self._running = Guarded(self._launch.command(folder), folder / f"log-{self._launch.rank}")
        self._word = NodeWord(asked.id, NodeState.RUNNING, self._beat)
        _LOG.info("takes part in training %s as node %d", asked.folder, self._launch.rank)

    def _watch(self, running: Guarded, asked: Attempt | None, *, silent: bool) -> None:
        assert self._attempt is not None
        if silent or asked is None or asked.id != self._attempt.id:
            self.leave()
            self._word = NodeWord(self._attempt.id, NodeState.ENDED, self._beat)
        elif (code := running.code()) is not None:
            self._running = None
            error = None if code == 0 else self._reason(running, code)
            self._word = NodeWord(self._attempt.id, NodeState.ENDED, self._beat, error)

    def _reason(self, running: Guarded, code: int) -> str:
        """What one of this node's processes told, or how the launch ended."""
        assert self._attempt is not None
        for rank in self._processes():
            file = self._trainings / self._attempt.folder / FAILURE.format(rank)
            if file.is_file():
                return str(json.loads(file.read_bytes())["error"])
        return f"{death(code)}; it said last: {running.last_words()}"

    def _processes(self) -> range:
        """Ranks of this node's processes among all."""
        first = self._launch.rank * self._launch.processes
        return range(first, first + self._launch.processes)

    def _tell(self) -> None:
        self._beat += 1
        word = NodeWord(self._word.attempt, self._word.state, self._beat, self._word.error)
        self._trainings.mkdir(parents=True, exist_ok=True)
        tell_node(self._trainings, self._launch.rank, word)


if __name__ == "__main__":
    sys.exit(main())
