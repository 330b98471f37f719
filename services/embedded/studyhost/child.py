"""One study as a child process: started, listened to, ended."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from services.embedded.studyhost.run import ORDER
from shared.study.records import StudyStage

# Whoever holds the pipe beside the process itself ends a moment after it.
_JOIN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Launch:
    """What a study is started with: folders of models by name, worker processes, and threads of each."""

    models: Mapping[str, str]
    processes: int | None = None
    threads: int = 1


class StudyChild:
    """The process of one study; a context manager, which ends it."""

    def __init__(
        self, folder: Path, config: Mapping[str, Any], files: Mapping[str, str], launch: Launch
    ) -> None:
        told = {
            "config": config,
            "files": files,
            "models": dict(launch.models),
            "processes": launch.processes,
            "threads": launch.threads,
        }
        (folder / ORDER).write_text(json.dumps(told), encoding="utf-8")
        self._stages: list[StudyStage] = []
        self.failure: str | None = None
        command = [sys.executable, "-m", "services.embedded.studyhost.run", str(folder)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join(_JOIN_SECONDS)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    @property
    def stages(self) -> tuple[StudyStage, ...]:
        """How far it is."""
        return tuple(self._stages)

    def code(self, seconds: float) -> int | None:
        """Its exit code, once it has ended and all that it told was heard; None while it runs."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self._reader.join(_JOIN_SECONDS)
        return code

    def _read(self) -> None:
        for line in self._process.stdout or ():
            told = _object(line)
            if "say" in told:
                self._close_stage()
                self._stages.append(StudyStage(str(told["say"])))
            elif "done" in told and self._stages:
                name = self._stages[-1].name
                self._stages[-1] = StudyStage(name, int(told["done"]), int(told["known"]))
            elif "failed" in told:
                self.failure = str(told["failed"])

    def _close_stage(self) -> None:
        if self._stages:
            last = self._stages[-1]
            self._stages[-1] = StudyStage(last.name, last.done, last.known, ended=True)


def _object(line: bytes) -> dict[str, Any]:
    """What a line tells; libraries may write others, which tell nothing."""
    try:
        told = json.loads(line)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
