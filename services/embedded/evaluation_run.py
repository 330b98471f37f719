"""The run of ``idiolect evaluate``: every sample in a file, resumable at any moment, then a summary.

``OUT`` grows by complete lines in the order of the set, ``OUT.run.json`` says how far it vouches for them,
``OUT.summary.json`` is written once all are there. After any stop the next start cuts off what was never
committed and asks the problems that are left. Another set, model or setting is refused with the difference.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from services.embedded.inplace import Opened, lock, write_at
from services.embedded.runstate import Position, RunState, begun_again, load_state, save_state
from shared.domain import EvaluationProblem, Graded
from shared.errors import DriftError, InputError
from shared.evaluation.figures import summary
from shared.evaluation.lines import graded_line, read_graded
from shared.identity import Setting, check_drift, digest_of
from shared.jsonl import dump_line
from shared.version import VERSION

SEGMENT_PROBLEMS = 64
SEGMENT_SECONDS = 5.0
SCHEMA = "idiolect.evaluation/1"

Ask = Callable[[Sequence[EvaluationProblem]], Iterable[Graded]]


def set_identity(problems: Sequence[EvaluationProblem]) -> dict[str, Setting]:
    """Digest and size of a set, whatever its file is called."""
    material = [[one.id, one.text, one.gold, dict(one.groups)] for one in problems]
    return {"set.digest": digest_of(material), "set.problems": len(problems)}


class EvaluationRun(Opened):
    """One evaluation into a file; use as a context manager, then `run`.

    Args:
        problems: the set. output: where the lines go.
        identity: whatever determines the samples, by dotted name: model, settings.
        fresh: forget what an earlier run wrote.

    Entering raises DriftError where a begun run had another identity, InputError where the file is another
    command's or being written.
    """

    def __init__(
        self,
        problems: Sequence[EvaluationProblem],
        output: Path,
        identity: Mapping[str, Setting],
        *,
        fresh: bool = False,
    ) -> None:
        self._problems, self._output, self._fresh = problems, output, fresh
        self._identity = {**set_identity(problems), **identity}
        self._state_file = output.with_name(f"{output.name}.run.json")
        self.summary_file = output.with_name(f"{output.name}.summary.json")
        super().__init__()

    @property
    def done(self) -> int:
        """Problems that are committed."""
        return self._state.position.line

    def run(self, ask: Ask, watch: Callable[[int], None]) -> dict[str, Any]:
        """Grade what is left and return the summary; `watch` is told how many problems are done."""
        if not self._state.complete:
            self._grade(in_order(ask(self._problems[self.done :]), self._problems[self.done :]), watch)
            self._save(replace(self._state, complete=True))
        with self._output.open("rb") as stream:
            figures = summary(read_graded(stream))
        told = {"schema": SCHEMA, **self._told(), **figures.to_json()}
        text = json.dumps(told, ensure_ascii=False, allow_nan=False, indent=1) + "\n"
        self.summary_file.write_text(text, encoding="utf-8")
        return told

    def _told(self) -> dict[str, Any]:
        return {"run": dict(self._identity), "code": self._state.code}

    def _open(self) -> None:
        self._stream = self._stack.enter_context(lock(self._output))
        if self._fresh:
            self._stream.truncate(0)
            self._state_file.unlink(missing_ok=True)
        known = load_state(self._state_file)
        if known is None:
            if self._stream.seek(0, 2):
                raise InputError(f"{self._output} exists and no run of this command wrote it; see --fresh")
            self._save(RunState(self._identity, VERSION))
            return
        check_drift({**dict.fromkeys(self._identity), **known.identity}, self._identity)
        size = self._stream.seek(0, 2)
        if size < known.position.output or (known.complete and size > known.position.output):
            raise DriftError((f"{self._output.name}: {known.position.output} bytes -> {size} bytes",))
        self._save(known if known.complete else begun_again(known))

    def _grade(self, graded: Iterator[Graded], watch: Callable[[int], None]) -> None:
        segment: list[bytes] = []
        begun = time.monotonic()
        try:
            for one in graded:
                segment.append(dump_line(graded_line(one)))
                watch(self.done + len(segment))
                if len(segment) >= SEGMENT_PROBLEMS or time.monotonic() - begun >= SEGMENT_SECONDS:
                    self._commit(segment)
                    segment, begun = [], time.monotonic()
        finally:
            self._commit(segment)

    def _commit(self, lines: Sequence[bytes]) -> None:
        """Write the lines, then the state that vouches for them."""
        base = self._state.position
        write_at(self._stream, base.output, lines)
        grown = Position(line=base.line + len(lines), output=base.output + sum(map(len, lines)))
        self._save(replace(self._state, position=grown))

    def _save(self, state: RunState) -> None:
        save_state(self._state_file, state)
        self._state = state


def in_order(graded: Iterable[Graded], problems: Sequence[EvaluationProblem]) -> Iterator[Graded]:
    """What comes in any order, in the order of the problems; holds back what came too early."""
    early: dict[str, Graded] = {}
    wanted = iter(problems)
    following = next(wanted, None)
    for one in graded:
        early[one.problem.id] = one
        while following is not None and following.id in early:
            yield early.pop(following.id)
            following = next(wanted, None)
