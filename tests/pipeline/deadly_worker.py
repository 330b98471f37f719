"""A worker like all others, but a line that holds the marker kills its process."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass

from services.pipeline.queueing.worker import main
from services.pipeline.work.engines import Engines
from services.pipeline.work.lines import Line
from services.pipeline.work.operations import LineWork, line_work
from shared.domain import StudentProfile
from shared.identity import Setting
from shared.jobs.config import JobConfig
from shared.jobs.order import Operation
from shared.jsonl import RawLine

MARKER = b"this line kills"


@dataclass(frozen=True, slots=True)
class Deadly:
    """An operation with a line that nobody survives."""

    work_of: LineWork

    def identity(self) -> dict[str, Setting]:
        return self.work_of.identity()

    def work(self, raw: RawLine) -> Line:
        if MARKER in (raw.data or b""):
            os.kill(os.getpid(), signal.SIGKILL)
        return self.work_of.work(raw)

    def condemn(self, raw: RawLine, reason: str) -> Line:
        return self.work_of.condemn(raw, reason)


def deadly(
    operation: Operation, config: JobConfig, engines: Engines, profile: StudentProfile | None
) -> LineWork:
    return Deadly(line_work(operation, config, engines, profile))


if __name__ == "__main__":
    sys.exit(main(deadly))
