"""The rows that are being generated: their keys and values in one piece, padded on the left.

Every step reads all keys and values once, so nothing else may touch them all at every step. A row that joins
is written behind the others, one that leaves is overwritten by the last, and the columns in use wander to the
right; only when the room is full are they moved back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicLayer

from services.inference.checkpoint import Checkpoint
from services.inference.transformers.pasts import Pair, Past

# Columns that are free after a move, so that a move costs little beside the steps in between.
GROWTH = 64


@dataclass(slots=True)
class _Frame:
    """The part of the room that is in use: the first `rows`, and the columns from `begin` to `end`."""

    rows: int = 0
    begin: int = 0
    end: int = 0

    @property
    def columns(self) -> int:
        return self.end - self.begin


class RunningBatch:
    """Rows that join and leave between steps; a step reads one token of each."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        self._frame = _Frame()
        count = checkpoint.model.config.get_text_config().num_hidden_layers
        self._layers = [_RunningLayer(self._frame) for _ in range(count)]
        self._room = (0, 0)
        self.lengths: list[int] = []

    @property
    def columns(self) -> int:
        """Tokens a row takes, padding included."""
        return self._frame.columns

    def join(self, pasts: Sequence[Past]) -> None:
        """Add rows at the end that go on from their pasts; none of them may be empty."""
        if not pasts:
            return
        frame, first = self._frame, self._frame.rows
        columns = max(self.columns, *(past.length for past in pasts))
        self._make_room(first + len(pasts), columns, pasts[0])
        frame.rows, frame.begin = first + len(pasts), frame.end - columns
        for place, layer in enumerate(self._layers):
            layer.write(first, [past.layers[place] for past in pasts])
        self.lengths += [past.length for past in pasts]

    def keep(self, rows: list[int]) -> list[int]:
        """Drop all other rows, and the padding that nobody needs; the kept rows as they stand now."""
        order = _closed_up(rows)
        for place, row in enumerate(order):
            if place != row:
                for layer in self._layers:
                    layer.move(row, place)
        self.lengths = [self.lengths[row] for row in order]
        self._frame.rows = len(order)
        self._frame.begin = self._frame.end - max(self.lengths, default=0)
        if not order:
            self._forget()
        return order

    def step(self, ids: list[int]) -> torch.Tensor:
        """Logits [rows, vocabulary] in float32 on the CPU, after one more token of each row."""
        device, columns = self._checkpoint.device, self.columns
        self._make_room(self._frame.rows, columns, None, ahead=1)
        lengths = torch.tensor(self.lengths, device=device)[:, None]
        places = torch.arange(columns + 1, device=device)
        given: dict[str, Any] = {"input_ids": torch.tensor(ids, device=device)[:, None]}
        given["position_ids"] = lengths
        if min(self.lengths) < columns:
            given["attention_mask"] = (places >= columns - lengths).long()
        cache = Cache(layers=self._layers)
        output = self._checkpoint.model(**given, past_key_values=cache, use_cache=True, logits_to_keep=1)
        self._frame.end += 1
        self.lengths = [length + 1 for length in self.lengths]
        logits: torch.Tensor = output.logits[:, -1].float().cpu()
        return logits

    def _make_room(self, rows: int, columns: int, like: Past | None, ahead: int = 0) -> None:
        """Room for so many rows and columns that end where the columns in use end, and `ahead` behind."""
        frame, (most_rows, most_columns) = self._frame, self._room
        if rows <= most_rows and columns <= frame.end and frame.end + ahead <= most_columns:
            return
        self._room = (max(rows + rows // 4, most_rows), columns + GROWTH)
        for place, layer in enumerate(self._layers):
            layer.resize(self._room, columns, like.layers[place] if like else None)
        frame.begin, frame.end = columns - frame.columns, columns

    def _forget(self) -> None:
        self._room, self._frame.begin, self._frame.end = (0, 0), 0, 0
        for layer in self._layers:
            layer.forget()


def _closed_up(rows: list[int]) -> list[int]:
    """Which old row stands at each place, if rows from the end fill the places of those that left."""
    count = len(rows)
    free = sorted(set(range(count)) - set(rows))
    order = list(range(count))
    for place, row in zip(free, (row for row in rows if row >= count), strict=True):
        order[place] = row
    return order


class _RunningLayer(DynamicLayer):  # type: ignore[misc]
    """Keys and values of all rows [rows, heads, columns, width], in a room that is larger."""

    def __init__(self, frame: _Frame) -> None:
        super().__init__()
        self._frame = frame
        self._room: list[torch.Tensor] = []

    def get_seq_length(self) -> int:
        return self._frame.columns

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self._frame.columns + query_length, 0

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any) -> Pair:
        frame = self._frame
        for room, new in zip(self._room, (key_states, value_states), strict=True):
            room[: frame.rows, :, frame.end : frame.end + 1] = new
        columns = slice(frame.begin, frame.end + 1)
        return self._room[0][: frame.rows, :, columns], self._room[1][: frame.rows, :, columns]

    def write(self, first: int, pairs: list[Pair]) -> None:
        """Pasts as rows from `first` on, up to the end of the columns in use."""
        end = self._frame.end
        for side, room in enumerate(self._room):
            for row, pair in enumerate(pairs, first):
                room[row, :, end - pair[side].shape[2] : end] = pair[side][0]

    def move(self, row: int, place: int) -> None:
        """Put a row in the place of another one."""
        columns = slice(self._frame.begin, self._frame.end)
        for room in self._room:
            room[place, :, columns] = room[row, :, columns]

    def resize(self, size: tuple[int, int], end: int, like: Pair | None) -> None:
        """A room of `size` in which what is in use ends at column `end`; empty where there was none."""
        frame, old = self._frame, self._room
        self._room = [_empty(size, tensor) for tensor in (old or like or ())]
        if frame.rows:
            for room, before in zip(self._room, old, strict=True):
                used = before[: frame.rows, :, frame.begin : frame.end]
                room[: frame.rows, :, end - frame.columns : end] = used

    def forget(self) -> None:
        """Give the room back."""
        self._room = []


def _empty(size: tuple[int, int], like: torch.Tensor) -> torch.Tensor:
    """Zeros, since what stands in padding must be a number, even where nobody looks at it."""
    return like.new_zeros(size[0], like.shape[1], size[1], like.shape[3])
