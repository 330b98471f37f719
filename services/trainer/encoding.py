"""Training rows as token ids: exactly those that the scorer and the generator use.

The prompt is rendered like every prompt, the completion encoded alone like every text that is scored, and the
token that ends a turn follows it. Nothing is encoded as one text, so no token spans the border.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from services.inference.encoding import check_size, encode, longest_token, render
from services.inference.stops import turn_end
from shared.domain.training import TrainingRow
from shared.errors import FieldError

IGNORED = -100


@dataclass(frozen=True, slots=True)
class Example:
    """One row as ids: `ids[prompt:]` carry the loss; the last one ends the turn."""

    ids: tuple[int, ...]
    prompt: int

    @property
    def labels(self) -> tuple[int, ...]:
        """`ids`, with -100 in place of the prompt's."""
        return (IGNORED,) * self.prompt + self.ids[self.prompt :]


class RowEncoder:
    """Encodes rows for one tokenizer; `limit` is the most tokens of one example."""

    def __init__(self, tokenizer: Any, configured_end: int | list[int] | None, limit: int) -> None:
        self._tokenizer = tokenizer
        self._limit = limit
        self._longest = longest_token(tokenizer)
        self._end = _turn_ending(tokenizer, configured_end)

    def all(self, rows: Iterable[tuple[int, TrainingRow]]) -> Iterator[Example]:
        """Examples in order. FieldError, which names the line, for a row that can't be encoded or is long."""
        for line, row in rows:
            try:
                yield self.one(row)
            except FieldError as error:
                raise FieldError(f"line {line}: {error.field}", error.problem, error.cure) from None

    def one(self, row: TrainingRow) -> Example:
        """The row as ids."""
        check_size("completion", row.completion, self._limit, self._longest)
        prompt = render(self._tokenizer, row.prompt)
        if not prompt:
            raise FieldError("prompt", "makes no token", "give the text of the problem")
        completion, _ = encode(self._tokenizer, row.completion, "completion")
        ids = (*prompt, *completion, self._end)
        if len(ids) > self._limit:
            problem = f"makes {len(ids)} tokens with its prompt, more than {self._limit}"
            raise FieldError("completion", problem, "shorten or leave out the row, or raise max_tokens")
        return Example(ids, len(prompt))


def _turn_ending(tokenizer: Any, configured: int | list[int] | None) -> int:
    """The token that the model says when it is done: of its template, else of its configuration."""
    several = configured if isinstance(configured, list) else [configured]
    found: tuple[int | None, ...] = (turn_end(tokenizer), *several, tokenizer.eos_token_id)
    end = next((identity for identity in found if identity is not None), None)
    if end is None:
        raise FieldError("base", "names no token that ends a text", "set eos_token_id in its config.json")
    return end
