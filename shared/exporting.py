"""Turns records into training rows: prompt-completion, messages, stepwise labels or preference pairs.

Rows are made one record at a time and written as they come, so memory doesn't grow with the file.

| format | columns | one row for |
|---|---|---|
| ``trl`` | prompt, completion | the refined text |
| ``messages`` | messages | the same as a conversation |
| ``stepwise`` | prompt, completions, labels | the native steps up to the first wrong one; the refined steps |
| ``preference`` | prompt, chosen, rejected | refined against native, where something was edited |
| ``preference`` by step | prompt, prefix, chosen, rejected | the first edited step, after their common text |
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from shared.domain import Outcome, Step
from shared.errors import FieldError, IntegrityError
from shared.jsonl import BadLine, JsonObject, RawLine, parse_line, raw_lines
from shared.record import SCHEMA, edits_of, native_trajectory, refined_steps
from shared.text.edits import check_untouched

Row = dict[str, Any]
Shape = Callable[[Mapping[str, Any]], Iterator[Row]]
USUAL_OUTCOMES = (Outcome.KEPT, Outcome.REPAIRED, Outcome.REGENERATED)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which records are exported.

    Attributes:
        outcomes: of these outcomes only. unverified: also answers that aren't known to be right.
        most_cost: of texts that cost the student at most this, as their `utility` says (nats a native token
            above its native band); None asks for no cost.
    """

    outcomes: tuple[Outcome, ...] = USUAL_OUTCOMES
    unverified: bool = False
    most_cost: float | None = None

    def why_not(self, record: Mapping[str, Any]) -> str | None:
        """Why the record is left out; None where it isn't."""
        if record["outcome"] not in self.outcomes:
            return str(record["outcome"])
        if not self.unverified and record["verdict"]["after"]["value"] != "correct":
            return "answer not verified"
        return None if self.most_cost is None else self._too_dear(record, self.most_cost)

    @staticmethod
    def _too_dear(record: Mapping[str, Any], most: float) -> str | None:
        cost = (record["utility"] or {}).get("cost")
        if cost is None:
            return "cost not known"
        return "costs too much" if cost > most else None


@dataclass(slots=True)
class Export:
    """Counts of one export.

    Attributes:
        rows: rows made. records: records they came from. left_out: the others, by reason.
        bad: lines that hold no record.
    """

    rows: int = 0
    records: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    bad: list[BadLine] = field(default_factory=list)


def export_rows(
    stream: BinaryIO, shape: Shape, choice: Choice, export: Export, *, ids: bool
) -> Iterator[Row]:
    """Rows of all chosen records in order; `export` counts as they pass."""
    return export_lines(raw_lines(stream), shape, choice, export, ids=ids)


def export_lines(
    lines: Iterable[RawLine], shape: Shape, choice: Choice, export: Export, *, ids: bool = False
) -> Iterator[Row]:
    """As `export_rows`, of lines that were cut before."""
    for raw in lines:
        record = parse_line(raw, _record)
        if isinstance(record, BadLine):
            export.bad.append(record)
            continue
        reason = choice.why_not(record)
        rows = [] if reason else list(shape(record))
        if not rows:
            export.left_out[reason or "nothing to tell"] += 1
            continue
        export.records += 1
        export.rows += len(rows)
        name = {"id": record["id"], "line": record["line"]} if ids else {}
        yield from ({**name, **row} for row in rows)


def _record(item: JsonObject, line: int) -> JsonObject:
    """The item, if it is a record that is untouched outside its edits."""
    if item.get("schema") != SCHEMA:
        raise FieldError("schema", f"isn't {SCHEMA}", "export a file that idiolect refine wrote")
    try:
        check_untouched(item["native"]["text"], item["refined"]["text"], edits_of(item))
    except (KeyError, TypeError, ValueError) as error:
        raise FieldError("line", f"is no whole record ({error!r})", "refine it again") from None
    except IntegrityError as error:
        raise FieldError("edits", str(error), "refine it again") from None
    return item


def native_rows(lines: Iterable[RawLine], export: Export) -> Iterator[Row]:
    """The student's own first right sample of every problem of a rollout that has one.

    A sample that a limit cut off, or whose answer isn't verified, is none.
    """
    for raw in lines:
        rollout = json.loads(raw.data or b"{}")
        right = [one for one in rollout["samples"] if one["value"] == "correct" and one["finished"]]
        if not right:
            export.left_out["no right sample" if rollout["gold"] is not None else "no gold"] += 1
            continue
        export.records += 1
        export.rows += 1
        yield {"prompt": rollout["problem"], "completion": right[0]["text"]}


def prompt_completion(record: Mapping[str, Any]) -> Iterator[Row]:
    """The problem and the refined text."""
    yield {"prompt": record["problem"]["text"], "completion": record["refined"]["text"]}


def messages(record: Mapping[str, Any]) -> Iterator[Row]:
    """The same as a conversation of two turns."""
    user = {"role": "user", "content": record["problem"]["text"]}
    assistant = {"role": "assistant", "content": record["refined"]["text"]}
    yield {"messages": [user, assistant]}


def stepwise(record: Mapping[str, Any]) -> Iterator[Row]:
    """Labelled steps: of the native text up to its first wrong one, and of a refined text all right.

    What follows the first wrong step has no known label and is left out.
    """
    first_error = record["diagnosis"]["first_error"]
    native = native_trajectory(record).steps
    if first_error is not None and first_error >= 0:
        yield _labelled(record, native[: first_error + 1], wrong=first_error)
    if record["verdict"]["after"]["value"] == "correct" and (first_error == -1 or record["edits"]):
        yield _labelled(record, refined_steps(record), wrong=None)


def _labelled(record: Mapping[str, Any], steps: tuple[Step, ...], wrong: int | None) -> Row:
    return {
        "prompt": record["problem"]["text"],
        "completions": [step.text for step in steps],
        "labels": [step.index != wrong for step in steps],
    }


def preference(record: Mapping[str, Any]) -> Iterator[Row]:
    """The refined text against the native one."""
    native, refined = record["native"]["text"], record["refined"]["text"]
    if native != refined:
        yield {"prompt": record["problem"]["text"], "chosen": refined, "rejected": native}


def step_preference(record: Mapping[str, Any]) -> Iterator[Row]:
    """The first edited step, refined against native, after the text that both share."""
    edits = edits_of(record)
    native = _step_at(native_trajectory(record).steps, edits[0].span.start) if edits else None
    if native is None:
        return
    shared = native.span.start
    refined = _step_at(refined_steps(record), shared)
    if refined is None or refined.text == native.text:
        return
    yield {
        "prompt": record["problem"]["text"],
        "prefix": record["native"]["text"][:shared],
        "chosen": record["refined"]["text"][shared : refined.span.end],
        "rejected": native.text,
    }


def _step_at(steps: tuple[Step, ...], position: int) -> Step | None:
    """The step that holds the character at `position`, ends there, or is the first after it."""
    return next((step for step in steps if step.span.end >= position and len(step.span)), None)


SHAPES: dict[str, Shape] = {
    "trl": prompt_completion,
    "messages": messages,
    "stepwise": stepwise,
    "preference": preference,
}
