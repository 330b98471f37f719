"""``python -m services.embedded.studyhost.run FOLDER``: one study, in a process that may die without harm.

Tells on stdout how it goes on, a JSON object a line: ``{"say"}`` where a stage begins, ``{"done", "known"}``
after each task, ``{"failed"}`` at last where it can't be done. It ends when its stdin does, which is held by
the host; so a host that is killed leaves nobody behind who works.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from services.embedded.studying import Places, StudyOrder, run_study
from shared.errors import IdiolectError
from shared.study.config import to_config

ORDER = "order.json"


class TellingWatch:
    """Implements `StudyWatch` by lines on stdout."""

    def say(self, sentence: str) -> None:
        """A stage begins."""
        _tell({"say": sentence})

    def shown(self, stage: str, done: int, known: int) -> None:
        """A task is done."""
        _tell({"done": done, "known": known})


def main(folder: Path) -> int:
    """Run, or go on with, the study of the folder; 1 where it can't be done."""
    threading.Thread(target=_end_with_host, daemon=True).start()
    told = json.loads((folder / ORDER).read_bytes())
    try:
        with _after_others(folder):
            config = to_config(told["config"])
            order = StudyOrder(Path(config.name), folder / "study", told["processes"], told["threads"])
            run_study(config, order, TellingWatch(), places=Places(told["models"], told["files"]))
    except IdiolectError as error:
        _tell({"failed": str(error)})
        return 1
    return 0


def _tell(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


def _end_with_host() -> None:
    # Not through `sys.stdin`, whose lock would be held when the interpreter ends, and abort it.
    while os.read(0, 4096):
        pass
    os._exit(1)


@contextmanager
def _after_others(folder: Path) -> Iterator[None]:
    """Wait for the process of a host that was killed, which ends by itself."""
    with (folder / ".lock").open("wb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
