"""The folder of one training: its order, its progress line by line, its checkpoints, and the model.

```
order.json          what determines the training; another order in this folder is refused
progress.jsonl      one line a step, written as the step is done
checkpoints/        `checkpoint-N`, whole ones marked by a file `whole`
model/              the result, moved here at once
```
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path

from shared.domain.training import TrainingProgress
from shared.identity import Setting, check_drift
from shared.jsonl import dump_line

_WHOLE = "whole"
_UNKNOWN = "-"
# Holds the last two lines of a progress file.
_TAIL_BYTES = 4096


class TrainingFolder:
    """Reads and writes the folder; one process at a time writes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.order = path / "order.json"
        self.progress = path / "progress.jsonl"
        self.checkpoints = path / "checkpoints"
        self.model = path / "model"

    def claim(self, order: dict[str, Setting]) -> None:
        """Bind the folder to an order. DriftError where it belongs to another one."""
        self.path.mkdir(parents=True, exist_ok=True)
        if self.order.is_file():
            before = json.loads(self.order.read_bytes())
            names = before.keys() | order.keys()
            check_drift(_complete(before, names), _complete(order, names))
        else:
            written_at_once(self.order, json.dumps(order, indent=1, sort_keys=True).encode())

    def resumable(self) -> Path | None:
        """The last whole checkpoint; what is behind it is forgotten, since it will be done again."""
        whole = sorted(self.checkpoints.glob("checkpoint-*"), key=_step)
        for folder in [folder for folder in whole if not (folder / _WHOLE).is_file()]:
            # Processes that train together do this side by side.
            shutil.rmtree(folder, ignore_errors=True)
            whole.remove(folder)
        last = whole[-1] if whole else None
        self._forget_after(0 if last is None else _step(last))
        return last

    def saved(self, step: int) -> None:
        """A checkpoint of that step is complete."""
        (self.checkpoints / f"checkpoint-{step}" / _WHOLE).touch()

    def add(self, progress: TrainingProgress) -> None:
        """Append one step."""
        with self.progress.open("ab") as stream:
            stream.write(dump_line(asdict(progress)))

    def curve(self) -> tuple[TrainingProgress, ...]:
        """All steps so far, in order; a line that is being written is left out."""
        return read_curve(self.progress)

    def _forget_after(self, step: int) -> None:
        kept = b"".join(dump_line(asdict(done)) for done in self.curve() if done.step <= step)
        written_at_once(self.progress, kept)


def read_curve(file: Path, after: int = 0) -> tuple[TrainingProgress, ...]:
    """The steps of a progress file behind step `after`; none where there is no file."""
    if not file.is_file():
        return ()
    return parsed_curve(file.read_bytes(), after)


def parsed_curve(content: bytes, after: int = 0) -> tuple[TrainingProgress, ...]:
    """The steps behind step `after` in the content of a progress file, whose line N tells of step N."""
    whole = content.rpartition(b"\n")[0]
    lines = whole.split(b"\n")[after:] if whole else []
    return tuple(TrainingProgress(**json.loads(line)) for line in lines)


def last_step(file: Path) -> TrainingProgress | None:
    """The last step that a progress file tells of; None where it tells of none."""
    if not file.is_file():
        return None
    with file.open("rb") as stream:
        stream.seek(max(0, file.stat().st_size - _TAIL_BYTES))
        lines = stream.read().rpartition(b"\n")[0].split(b"\n")
    return TrainingProgress(**json.loads(lines[-1])) if lines[-1] else None


def written_at_once(path: Path, content: bytes) -> None:
    """Write a file that is seen whole or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_bytes(content)
    beside.replace(path)


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def _complete(order: dict[str, Setting], names: set[str]) -> dict[str, Setting]:
    return {name: order.get(name, _UNKNOWN) for name in sorted(names)}
