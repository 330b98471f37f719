"""A host of studies as a process of its own, which can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).parents[2]


class HostProcess:
    """`python -m services.embedded.studyhost` on a folder; a context manager. A second one is a restart."""

    def __init__(self, folder: Path, models: str = "") -> None:
        self._environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "IDIOLECT_STORE": f"file:{folder / 'store'}",
            "IDIOLECT_STATE": str(folder / "state"),
            "IDIOLECT_STUDYHOST_PROCESSES": "1",
            "IDIOLECT_STUDYHOST_LOOK_SECONDS": "0.2",
            "IDIOLECT_STUDYHOST_MODELS": models,
        }

    def __enter__(self) -> HostProcess:
        command = [sys.executable, "-m", "services.embedded.studyhost"]
        self.process = subprocess.Popen(command, cwd=ROOT, env=self._environment)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        self.process.wait(60)

    def kill(self) -> None:
        """As the kernel does it."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
