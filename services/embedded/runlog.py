"""Times and attempts of a run, one JSON object a line, beside its output and never inside it."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self


class RunLog:
    """Appends events to a file; each line holds the time, the process and what happened."""

    def __init__(self, path: Path) -> None:
        self._stream = path.open("a", encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    def write(self, event: str, **facts: str | int | float) -> None:
        """One event with its facts."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = {"at": now, "process": os.getpid(), "event": event, **facts}
        self._stream.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._stream.flush()
