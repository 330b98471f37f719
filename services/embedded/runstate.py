"""What a run remembers beside its output, so that it can be killed at any moment and taken up again.

The state file is replaced as a whole (written beside, synced, renamed), after the output that it vouches for.
Whatever stands in an output file beyond the recorded size was never committed and is cut off on resume.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from shared.errors import InputError
from shared.identity import Setting

FORMAT = "idiolect.run/1"


@dataclass(frozen=True, slots=True)
class Position:
    """How far a run has come.

    Attributes:
        line: number of the last input line dealt with. offset: bytes of input up to its end.
        output, errors, tokens: committed sizes of the three files in bytes.
        outcomes: records by outcome. bad: input lines that hold no trajectory.
    """

    line: int = 0
    offset: int = 0
    output: int = 0
    errors: int = 0
    tokens: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    bad: int = 0

    @property
    def records(self) -> int:
        """Number of records written."""
        return sum(self.outcomes.values())


@dataclass(frozen=True, slots=True)
class RunState:
    """Identity, position and end of a run.

    Attributes:
        identity: whatever determines the output, by dotted name; a resume must find the same.
        code: version of the code that began it. position: how far it has come.
        complete: whether all files have their final content. attempts: how often it was started.
    """

    identity: Mapping[str, Setting]
    code: str
    position: Position = Position()
    complete: bool = False
    attempts: int = 1


def input_identity(path: Path) -> dict[str, Setting]:
    """sha256 and size of a file, read once in bounded memory."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return {"input.sha256": digest, "input.bytes": stream.tell()}


def load_state(path: Path) -> RunState | None:
    """The state at `path`; None where there is none."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise InputError(f"{path} is no run state ({error}); start anew with --fresh") from None
    if not isinstance(stored, dict) or stored.get("format") != FORMAT:
        raise InputError(f"{path} is no run state of this version; start anew with --fresh")
    return _state(stored)


def _state(stored: Mapping[str, Any]) -> RunState:
    position = Position(**stored["position"])
    return RunState(stored["identity"], stored["code"], position, stored["complete"], stored["attempts"])


def save_state(path: Path, state: RunState) -> None:
    """Replaces the file at `path` at once and durably."""
    beside = path.with_name(path.name + ".tmp")
    content = json.dumps({"format": FORMAT, **asdict(state)}, ensure_ascii=False, indent=1) + "\n"
    with beside.open("w", encoding="utf-8") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    beside.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Makes renames and new files in `folder` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def begun_again(state: RunState) -> RunState:
    """The same state with one more attempt."""
    return replace(state, attempts=state.attempts + 1)
