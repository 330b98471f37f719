"""Turns one JSON object of any accepted shape into a Trajectory.

| shape | problem from | solution from |
|---|---|---|
| plain | ``problem`` | ``steps`` (list), ``text`` or ``solution`` |
| several authors | ``problem`` | ``authors[NAME]`` with ``text`` or ``steps`` |
| prompt-completion | ``prompt`` (string or messages) | ``completion`` (string or messages) |
| stepwise | ``prompt`` | ``completions`` (list of steps) |
| messages | the last user turn before the solution | the last assistant turn |

``gold``, ``reference``, ``id``, ``generator`` and ``joiner`` are read in every shape; a field that is null is
absent; unknown fields are ignored. What can't be used raises FieldError with the field and the cure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from shared.domain import Problem, Step, Trajectory
from shared.errors import FieldError
from shared.jsonl import BadLine, JsonObject, kind, parse_line, raw_lines
from shared.text.segmentation import join_steps, segment


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read a file.

    Attributes:
        resegment: ignore given steps and cut their text anew.
        author: whose text to take where an item holds several authors' texts.
    """

    resegment: bool = False
    author: str | None = None


@dataclass(frozen=True, slots=True)
class _Solution:
    text: str
    steps: tuple[Step, ...] | None
    joiner: str | None


def read_trajectories(stream: BinaryIO, reading: Reading | None = None) -> Iterator[Trajectory | BadLine]:
    """The trajectories of a JSONL stream in order, and the lines that hold none."""
    parse = parser(reading)
    for raw in raw_lines(stream):
        yield parse_line(raw, parse)


def parser(reading: Reading | None = None) -> Callable[[JsonObject, int], Trajectory]:
    """`to_trajectory` with one way of reading."""
    chosen = reading or Reading()
    return lambda item, line: to_trajectory(item, line, chosen)


def to_trajectory(item: Mapping[str, Any], line: int, reading: Reading | None = None) -> Trajectory:
    """The trajectory that `item`, found on `line`, describes; FieldError names what can't be used."""
    reading = reading or Reading()
    problem, solution = _problem(item), _solution(item, reading)
    if not solution.text.strip():
        raise FieldError("solution", "is empty", "give the student's own solution as text or steps")
    keep = solution.steps is not None and not reading.resegment
    return Trajectory(
        id=_id(item, line),
        line=line,
        problem=Problem(problem, _string(item, "gold"), _string(item, "reference")),
        text=solution.text,
        steps=solution.steps if keep and solution.steps is not None else segment(solution.text),
        joiner=solution.joiner if keep else None,
        generator=_string(item, "generator") or reading.author,
    )


def _id(item: Mapping[str, Any], line: int) -> str:
    value = item.get("id")
    if value is None:
        return f"line-{line}"
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise FieldError("id", f"is a JSON {kind(value)}", "write a string or a whole number")
    return str(value)


def _string(item: Mapping[str, Any], name: str, within: str = "") -> str | None:
    value = item.get(name)
    if value is not None and not isinstance(value, str):
        raise FieldError(within + name, f"is a JSON {kind(value)}", "write a string")
    return value


def _problem(item: Mapping[str, Any]) -> str:
    text = _string(item, "problem")
    name = "problem"
    if text is None:
        name, text = _prompted(item)
    if text is None:
        raise FieldError("problem", "is missing", "give it as problem, prompt or messages")
    if not text.strip():
        raise FieldError(name, "is empty", "give the text of the problem")
    return text


def _prompted(item: Mapping[str, Any]) -> tuple[str, str | None]:
    prompt = item.get("prompt")
    if isinstance(prompt, str):
        return "prompt", prompt
    if prompt is not None:
        return "prompt", _last_turn(_turns(prompt, "prompt"), "user", "prompt")
    if item.get("messages") is not None:
        turns = _turns(item["messages"], "messages")
        return "messages", _last_turn(_up_to_solution(turns), "user", "messages")
    return "problem", None


def _turns(value: object, field: str) -> list[tuple[str, str]]:
    """(role, content) of every message."""
    if not isinstance(value, list):
        raise FieldError(field, f"is a JSON {kind(value)}", "write a list of messages")
    turns = []
    for index, message in enumerate(value):
        path = f"{field}[{index}]"
        if not isinstance(message, dict):
            raise FieldError(path, f"is a JSON {kind(message)}", "write an object with role and content")
        role = _string(message, "role", f"{path}.")
        content = _string(message, "content", f"{path}.")
        if role is None or content is None:
            missing = "role" if role is None else "content"
            raise FieldError(f"{path}.{missing}", "is missing", "write role and content as strings")
        turns.append((role, content))
    return turns


def _up_to_solution(turns: Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:
    last = max((at for at, (role, _) in enumerate(turns) if role == "assistant"), default=len(turns))
    return turns[:last]


def _last_turn(turns: Sequence[tuple[str, str]], role: str, field: str) -> str:
    for speaker, content in reversed(turns):
        if speaker == role:
            return content
    raise FieldError(field, f"holds no {role} turn", f"add the {role}'s message")


def _solution(item: Mapping[str, Any], reading: Reading) -> _Solution:
    if item.get("authors") is not None:
        return _of_author(item["authors"], reading.author)
    text = _text_of(item)
    for name in ("steps", "completions"):
        if item.get(name) is not None:
            return _stepwise(_step_list(item[name], name), text, _string(item, "joiner"))
    if text is None:
        text = _completed(item)
    if text is None:
        raise FieldError("solution", "is missing", "give it as steps, text, solution, completion or messages")
    return _Solution(text, None, None)


def _text_of(item: Mapping[str, Any]) -> str | None:
    text, solution = _string(item, "text"), _string(item, "solution")
    if text is not None and solution is not None and text != solution:
        raise FieldError("solution", "differs from text", "give one of the two")
    return solution if text is None else text


def _completed(item: Mapping[str, Any]) -> str | None:
    completion = item.get("completion")
    if completion is None:
        messages = item.get("messages")
        return None if messages is None else _last_turn(_turns(messages, "messages"), "assistant", "messages")
    if isinstance(completion, str):
        return completion
    return _last_turn(_turns(completion, "completion"), "assistant", "completion")


def _of_author(authors: object, author: str | None) -> _Solution:
    if not isinstance(authors, dict):
        raise FieldError("authors", f"is a JSON {kind(authors)}", "write an object: name to text or steps")
    if author is None:
        raise FieldError("authors", "holds several solutions", f"choose one of {', '.join(sorted(authors))}")
    entry = authors.get(author)
    if not isinstance(entry, dict):
        raise FieldError(f"authors.{author}", "is missing", f"choose one of {', '.join(sorted(authors))}")
    return _solution({**entry, "authors": None}, Reading())


def _stepwise(steps: Sequence[str], text: str | None, joiner: str | None) -> _Solution:
    if text is None:
        joiner = _usual_joiner(steps) if joiner is None else joiner
    elif joiner is None:
        joiner = _found_joiner(steps, text)
    joined, placed = join_steps(steps, joiner)
    if text is not None and joined != text:
        raise FieldError(
            "steps", "don't join to the text", "give one of the two, or the joiner that joins them"
        )
    return _Solution(joined, placed, joiner)


def _step_list(value: object, field: str) -> list[str]:
    if not isinstance(value, list):
        raise FieldError(field, f"is a JSON {kind(value)}", "write a list of strings")
    for index, step in enumerate(value):
        if not isinstance(step, str):
            raise FieldError(f"{field}[{index}]", f"is a JSON {kind(step)}", "write a string")
    return value


def _usual_joiner(steps: Sequence[str]) -> str:
    """A blank line where steps hold line breaks themselves, else a line break."""
    return "\n\n" if any("\n" in step for step in steps) else "\n"


def _found_joiner(steps: Sequence[str], text: str) -> str:
    """What stands in `text` between the first two steps."""
    if len(steps) < 2:
        return "\n"
    start = len(steps[0])
    end = text.find(steps[1], start)
    return text[start:end] if end >= 0 else "\n"
