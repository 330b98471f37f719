"""The run of a file of trajectories that may be interrupted, or killed, at any moment and taken up again.

``OUT`` grows by complete lines, ``OUT.errors.jsonl`` holds the lines that could not be used,
``OUT.run.json`` says how far both vouch, ``OUT.run.log`` holds times and attempts. After any stop the next
start cuts off what was never committed, goes on at the first line that was not, and ends with the same bytes
as a run that was never stopped. Changed input or settings are refused with the difference.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import Protocol

from services.embedded.inplace import Opened, lock, open_in_place, write_at
from services.embedded.runlog import RunLog
from services.embedded.runstate import (
    Position,
    RunState,
    begun_again,
    input_identity,
    load_state,
    save_state,
)
from services.embedded.tokenfile import journal_to_parquet
from services.pipeline.conveyor import Settled, Workshop, settle
from shared.errors import DriftError, InputError
from shared.identity import Setting, check_drift
from shared.jsonl import RawLine, raw_lines
from shared.version import VERSION

_SEGMENT_LINES = 64
_SEGMENT_SECONDS = 5.0


class Watch(Protocol):
    """Is told how a run goes on."""

    def advance(self, position: Position) -> None:
        """Called after every settled line."""
        ...


@dataclass(frozen=True, slots=True)
class RunFiles:
    """Names of all files of a run, from that of its output."""

    output: Path

    @property
    def errors(self) -> Path:
        """Lines that could not be used."""
        return self._beside(".errors.jsonl")

    @property
    def state(self) -> Path:
        """Identity and position."""
        return self._beside(".run.json")

    @property
    def log(self) -> Path:
        """Times and attempts."""
        return self._beside(".run.log")

    @property
    def profile(self) -> Path:
        """Folder of the profile that was fitted for the run."""
        return self._beside(".profile")

    @property
    def journal(self) -> Path:
        """Token scores so far."""
        return self._beside(".tokens.part")

    @property
    def tokens(self) -> Path:
        """Token scores of a complete run."""
        return self._beside(".tokens.parquet")

    def _beside(self, ending: str) -> Path:
        return self.output.with_name(self.output.name + ending)


class FileRun(Opened):
    """One run from a file to a file; use as a context manager, then `pin` and `refine`.

    Entering checks that a begun run may be resumed, locks the output against a second process, and cuts
    off what was never committed.
    """

    def __init__(
        self,
        source: Path,
        output: Path,
        settings: Mapping[str, Setting],
        *,
        limit: int | None = None,
        fresh: bool = False,
    ) -> None:
        if source.resolve() == output.resolve():
            raise InputError(f"{output} is input and output at once; name another output")
        self.source = source
        self.files = RunFiles(output)
        self._settings = {f"settings.{name}": value for name, value in settings.items()} | {
            "settings.limit": limit
        }
        self._limit = limit
        self._fresh = fresh
        super().__init__()

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do."""
        return self._state.complete

    @property
    def position(self) -> Position:
        """How far the run has come, as committed."""
        return self._state.position

    @property
    def pinned(self) -> Mapping[str, Setting]:
        """The run's identity by dotted name."""
        return self._state.identity

    def pin(self, parts: Mapping[str, Setting]) -> None:
        """Adds what is known only after the parts are built (profile, engines) to the run's identity."""
        check_drift(self._state.identity, parts)
        if not self.complete:
            self._save(replace(self._state, identity={**self._state.identity, **parts}))

    def refine(self, workshop: Workshop, watch: Watch) -> Position:
        """Settles every line that is left; returns the final position."""
        if self.complete:
            return self.position
        self._log.write("refine", line=self.position.line + 1)
        with self.source.open("rb") as stream:
            stream.seek(self.position.offset)
            raws = raw_lines(stream, number=self.position.line, offset=self.position.offset)
            self._settle_all(settle(limited(raws, self._limit), workshop), watch)
        self._finish()
        return self.position

    def _open(self) -> None:
        self._output = self._stack.enter_context(lock(self.files.output))
        if self._fresh:
            self._forget()
        identity = input_identity(self.source) | self._settings
        known = load_state(self.files.state)
        if known is None:
            self._refuse_foreign_output()
            self._state = RunState(identity, VERSION)
        else:
            check_drift(*_comparable(known.identity, identity))
            self._state = known if known.complete else begun_again(known)
        self._check_sizes()
        self._log = self._stack.enter_context(RunLog(self.files.log))
        if not self.complete:
            self._errors = self._stack.enter_context(open_in_place(self.files.errors))
            self._journal = self._stack.enter_context(open_in_place(self.files.journal))
            self._save(self._state)

    def _forget(self) -> None:
        self._output.truncate(0)
        for path in (self.files.state, self.files.errors, self.files.journal, self.files.tokens):
            path.unlink(missing_ok=True)
        if self.files.profile.exists():
            shutil.rmtree(self.files.profile)

    def _refuse_foreign_output(self) -> None:
        if self._output.seek(0, 2):
            raise InputError(f"{self.files.output} exists and no run of this command wrote it; see --fresh")

    def _check_sizes(self) -> None:
        """What was committed must still be there, and beside a complete run nothing else."""
        position = self.position
        for path, size in ((self.files.output, position.output), (self.files.errors, position.errors)):
            found = path.stat().st_size if path.exists() else 0
            if found < size or (self.complete and found > size):
                raise DriftError((f"{path.name}: {size} bytes -> {found} bytes",))

    def _settle_all(self, settled: Iterator[Settled], watch: Watch) -> None:
        segment = _Segment(self.position)
        try:
            for line in settled:
                segment.add(line)
                watch.advance(segment.position)
                if segment.full:
                    self._commit(segment)
                    segment = _Segment(self.position)
        except KeyboardInterrupt:
            self._log.write("interrupted", line=segment.position.line)
            raise
        finally:
            self._commit(segment)

    def _commit(self, segment: _Segment) -> None:
        """Writes the segment, then the state that vouches for it; harmless to repeat after an interrupt."""
        base = segment.base
        records, errors, tokens = segment.parts()
        write_at(self._output, base.output, records)
        write_at(self._errors, base.errors, errors)
        write_at(self._journal, base.tokens, tokens)
        self._save(replace(self._state, position=segment.position))
        self._log.write("commit", line=segment.position.line, seconds=round(segment.seconds, 3))

    def _finish(self) -> None:
        self._check_source()
        if self.position.tokens:
            journal_to_parquet(self.files.journal, self.files.tokens)
        self._save(replace(self._state, complete=True))
        self.files.journal.unlink(missing_ok=True)
        if not self.position.errors:
            self.files.errors.unlink(missing_ok=True)
        self._log.write("complete", line=self.position.line, attempts=self._state.attempts)

    def _check_source(self) -> None:
        """Nothing is called complete if the input was written to meanwhile."""
        check_drift(self._state.identity, input_identity(self.source))

    def _save(self, state: RunState) -> None:
        save_state(self.files.state, state)
        self._state = state


class _Segment:
    """Settled lines that aren't committed yet, in memory."""

    def __init__(self, position: Position) -> None:
        self.base = position
        self.position = position
        self._lines: list[Settled] = []
        self._begun = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begun

    @property
    def full(self) -> bool:
        return len(self._lines) >= _SEGMENT_LINES or self.seconds >= _SEGMENT_SECONDS

    def add(self, line: Settled) -> None:
        position = advanced(self.position, line)
        # The order matters to an interrupt in between: a line without its position is written again.
        self._lines.append(line)
        self.position = position

    def parts(self) -> tuple[Iterable[bytes], Iterable[bytes], Iterable[bytes]]:
        """What is to be appended to output, errors and tokens."""
        lines = [line for line in self._lines if line.line <= self.position.line]
        return (
            [line.record for line in lines],
            [line.error for line in lines],
            [line.tokens for line in lines],
        )


def advanced(position: Position, line: Settled) -> Position:
    """The position after one more settled line."""
    outcomes = dict(position.outcomes)
    if line.outcome is not None:
        outcomes[line.outcome.value] = outcomes.get(line.outcome.value, 0) + 1
    return Position(
        line=line.line,
        offset=line.end,
        output=position.output + len(line.record),
        errors=position.errors + len(line.error),
        tokens=position.tokens + len(line.tokens),
        outcomes=dict(sorted(outcomes.items())),
        bad=position.bad + (line.outcome is None),
    )


def _comparable(
    before: Mapping[str, Setting], now: Mapping[str, Setting]
) -> tuple[Mapping[str, Setting], Mapping[str, Setting]]:
    """Both with every setting of either; one that isn't chosen is None."""
    settings = {name: None for name in [*before, *now] if name.startswith("settings.")}
    return {**settings, **before}, {**settings, **now}


def limited(raws: Iterator[RawLine], limit: int | None) -> Iterator[RawLine]:
    """`raws` up to line number `limit`."""
    return raws if limit is None else takewhile(lambda raw: raw.number <= limit, raws)
