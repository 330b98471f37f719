"""Takes input lines to a refiner and brings what became of them back in input order.

A line ends as exactly one `Settled`: the record of its trajectory, or the reason why it holds none. The
refiner may read ahead as far as one block of lines, which bounds the memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Protocol

from shared.domain import Outcome, Refinement, TokenScores, Trajectory
from shared.errors import IntegrityError
from shared.jsonl import BadLine, JsonObject, RawLine, dump_line, parse_line
from shared.record import Provenance, record_line, to_record, validate

_BLOCK_LINES = 1024


class RefineMany(Protocol):
    """The search, as a run sees it."""

    def refine_many(self, trajectories: Iterable[Trajectory]) -> Iterator[Refinement]:
        """One refinement a trajectory, in order; may read a little ahead."""
        ...


class TokenSource(Protocol):
    """Gives the per-token scores behind a refinement."""

    def token_scores(self, refinement: Refinement) -> tuple[TokenScores, TokenScores]:
        """Scores of the native and of the refined text."""
        ...


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one input line.

    Attributes:
        line: its number. end: offset of the first byte after it.
        outcome: of its trajectory; None where the line holds none.
        record, error, tokens: what is to be appended to the three files; each may be empty.
    """

    line: int
    end: int
    outcome: Outcome | None
    record: bytes
    error: bytes
    tokens: bytes = b""


@dataclass(frozen=True, slots=True)
class Workshop:
    """What turns a parsed line into a record."""

    refiner: RefineMany
    provenance: Provenance
    parse: Callable[[JsonObject, int], Trajectory]
    tokens: TokenSource | None = None


@dataclass(frozen=True, slots=True)
class _Waiting:
    line: int
    end: int
    item: Trajectory | BadLine


def settle(raws: Iterator[RawLine], workshop: Workshop) -> Iterator[Settled]:
    """What became of every line, in input order."""
    waiting: deque[_Waiting] = deque()
    for first in raws:
        block = _block(first, raws, workshop.parse, waiting)
        for refinement in workshop.refiner.refine_many(block):
            yield from _settle_bad(waiting)
            yield _settle_refined(_awaited(waiting, refinement), refinement, workshop)
        yield from _settle_bad(waiting)
        if waiting:
            raise IntegrityError(f"the refiner gave no result for line {waiting[0].line}")


def _block(
    first: RawLine,
    raws: Iterator[RawLine],
    parse: Callable[[JsonObject, int], Trajectory],
    waiting: deque[_Waiting],
) -> Iterator[Trajectory]:
    """Trajectories of the next lines; every line read is noted in `waiting`."""
    for raw in chain([first], islice(raws, _BLOCK_LINES - 1)):
        item = parse_line(raw, parse)
        waiting.append(_Waiting(raw.number, raw.end, item))
        if isinstance(item, Trajectory):
            yield item


def _settle_bad(waiting: deque[_Waiting]) -> Iterator[Settled]:
    while waiting and isinstance(waiting[0].item, BadLine):
        bad = waiting[0].item
        end = waiting.popleft().end
        yield Settled(bad.line, end, None, b"", _error(bad.line, None, bad.field, bad.reason))


def _awaited(waiting: deque[_Waiting], refinement: Refinement) -> int:
    """Where the line of the refinement ends, which must be the next one that waits."""
    if not waiting or waiting[0].item != refinement.trajectory:
        raise IntegrityError(f"the refiner's result for line {refinement.trajectory.line} is out of order")
    return waiting.popleft().end


def _settle_refined(end: int, refinement: Refinement, workshop: Workshop) -> Settled:
    refinement, record = _checked_record(refinement, workshop.provenance)
    failed = refinement.outcome is Outcome.FAILED
    reason = refinement.reason or "no reason was given"
    line = refinement.trajectory.line
    return Settled(
        line=line,
        end=end,
        outcome=refinement.outcome,
        record=record,
        error=_error(line, refinement.trajectory.id, None, reason) if failed else b"",
        tokens=b"" if workshop.tokens is None else _token_line(refinement, workshop.tokens),
    )


def _checked_record(refinement: Refinement, provenance: Provenance) -> tuple[Refinement, bytes]:
    """The validated line; a refinement that breaks a guarantee becomes a failed one with the native text."""
    try:
        return refinement, _validated(refinement, provenance)
    except IntegrityError as error:
        failed = replace(
            refinement,
            refined=refinement.trajectory.text,
            outcome=Outcome.FAILED,
            reason=f"integrity: {error}",
            edits=(),
            after=refinement.before,
            style=None,
            utility=None,
            gate=None,
            preserved=1.0,
        )
        return failed, _validated(failed, provenance)


def _validated(refinement: Refinement, provenance: Provenance) -> bytes:
    record = to_record(refinement, provenance)
    validate(record)
    return record_line(record)


def _error(line: int, name: str | None, field: str | None, reason: str) -> bytes:
    return dump_line({"line": line, "id": name, "field": field, "reason": reason})


def _token_line(refinement: Refinement, source: TokenSource) -> bytes:
    native, refined = source.token_scores(refinement)
    sides = {"native": native, "refined": refined} if refinement.edits else {"native": native}
    return b"".join(
        dump_line(
            {"line": refinement.trajectory.line, "id": refinement.trajectory.id, "side": side} | columns
        )
        for side, columns in ((side, _columns(scores)) for side, scores in sides.items())
    )


def _columns(scores: TokenScores) -> dict[str, list[int] | list[float]]:
    return {
        "start": [span.start for span in scores.spans],
        "end": [span.end for span in scores.spans],
        "surprisal": list(scores.surprisals),
        "rank": list(scores.ranks),
    }
