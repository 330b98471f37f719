"""What ``idiolect score`` reads: solutions of any accepted shape, or records of ``idiolect refine``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from services.embedded.runs import limited
from shared.domain import Step
from shared.errors import FieldError, IntegrityError
from shared.jsonl import BadLine, JsonObject, parse_line, raw_lines
from shared.record import SCHEMA, native_trajectory, refined_steps, validate
from shared.shapes import Reading, to_trajectory


@dataclass(frozen=True, slots=True)
class Scorable:
    """One line to score.

    Attributes:
        native: the student's own text. steps: of the text that the line's figures are about.
        refined: the refined text, None where the line holds a solution and no record.
        outcome: that of the record.
    """

    id: str
    line: int
    problem: str
    native: str
    steps: tuple[Step, ...]
    refined: str | None = None
    outcome: str | None = None

    @property
    def text(self) -> str:
        """The text that the line's figures are about: the refined one, where there is one."""
        return self.native if self.refined is None else self.refined


def read_scorables(stream: BinaryIO, reading: Reading, limit: int | None) -> Iterator[Scorable | BadLine]:
    """The lines in order. The first good one says whether the file holds records or solutions.

    A line of the other kind is a `BadLine`, because figures over both would mean nothing.
    """
    records: bool | None = None
    for raw in limited(raw_lines(stream), limit):
        item = parse_line(raw, lambda item, line: _scorable(item, line, reading))
        if isinstance(item, Scorable):
            is_record = item.refined is not None
            records = is_record if records is None else records
            yield item if is_record == records else _mixed(item.line, records)
        else:
            yield item


def _scorable(item: JsonObject, line: int, reading: Reading) -> Scorable:
    schema = item.get("schema")
    if isinstance(schema, str) and schema.startswith("idiolect.record/"):
        return _of_record(item, line)
    trajectory = to_trajectory(item, line, reading)
    return Scorable(trajectory.id, line, trajectory.problem.text, trajectory.text, trajectory.steps)


def _of_record(item: JsonObject, line: int) -> Scorable:
    if item["schema"] != SCHEMA:
        raise FieldError("schema", f"isn't {SCHEMA}", "score a file that this idiolect refine wrote")
    try:
        validate(item)
    except (IntegrityError, ValueError) as error:
        raise FieldError("line", f"is no whole record ({error})", "refine it again") from None
    native = native_trajectory(item)
    refined, outcome = item["refined"]["text"], item["outcome"]
    return Scorable(native.id, line, native.problem.text, native.text, refined_steps(item), refined, outcome)


def _mixed(line: int, records: bool) -> BadLine:
    problem = "is missing, but earlier lines are records" if records else "is that of a record"
    return BadLine(line, "schema", problem, "score records and solutions in files of their own")
