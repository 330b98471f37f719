"""The rows that are being generated: their keys and values in one piece, padded on the left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import pad
from transformers.cache_utils import Cache, DynamicLayer

from services.inference.checkpoint import Checkpoint
from services.inference.transformers.pasts import Pair, Past

# Columns that are added at a time, so that a step copies nothing but its own tokens.
GROWTH = 64


class RunningBatch:
    """Rows that join and leave between steps; a step reads one token of each."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        count = checkpoint.model.config.get_text_config().num_hidden_layers
        self._layers = [_RunningLayer() for _ in range(count)]
        self.lengths: list[int] = []

    @property
    def columns(self) -> int:
        """Tokens a row takes, padding included."""
        return self._layers[0].used if self.lengths else 0

    def join(self, pasts: Sequence[Past]) -> None:
        """Add rows at the end that go on from their pasts; none of them may be empty."""
        if not pasts:
            return
        columns = max(self.columns, *(past.length for past in pasts))
        for place, layer in enumerate(self._layers):
            layer.join([past.layers[place] for past in pasts], columns, len(self.lengths))
        self.lengths += [past.length for past in pasts]

    def keep(self, rows: list[int]) -> None:
        """Drop all other rows, and the padding that nobody needs any more."""
        spare = self.columns - max((self.lengths[row] for row in rows), default=0)
        for layer in self._layers:
            layer.keep(rows, spare)
        self.lengths = [self.lengths[row] for row in rows]

    def step(self, ids: list[int]) -> torch.Tensor:
        """Logits [rows, vocabulary] in float32 on the CPU, after one more token of each row."""
        device, columns = self._checkpoint.device, self.columns
        lengths = torch.tensor(self.lengths, device=device)[:, None]
        places = torch.arange(columns + 1, device=device)
        given: dict[str, Any] = {"input_ids": torch.tensor(ids, device=device)[:, None]}
        given["position_ids"] = lengths
        if min(self.lengths) < columns:
            given["attention_mask"] = (places >= columns - lengths).long()
        cache = Cache(layers=self._layers)
        output = self._checkpoint.model(**given, past_key_values=cache, use_cache=True, logits_to_keep=1)
        self.lengths = [length + 1 for length in self.lengths]
        logits: torch.Tensor = output.logits[:, -1].float().cpu()
        return logits


class _RunningLayer(DynamicLayer):  # type: ignore[misc]
    """Keys and values of all rows [rows, heads, columns, width], with room ahead."""

    def __init__(self) -> None:
        super().__init__()
        self._room: list[torch.Tensor] = []
        self.used = 0

    def get_seq_length(self) -> int:
        return self.used

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.used + query_length, 0

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any) -> Pair:
        if self.used == self._room[0].shape[2]:
            self._room = [pad(room, (0, 0, 0, GROWTH)) for room in self._room]
        for room, new in zip(self._room, (key_states, value_states), strict=True):
            room[:, :, self.used : self.used + 1] = new
        self.used += 1
        return self._room[0][:, :, : self.used], self._room[1][:, :, : self.used]

    def join(self, pairs: list[Pair], columns: int, rows: int) -> None:
        self._room = [self._joined([pair[side] for pair in pairs], side, columns, rows) for side in (0, 1)]
        self.used = columns

    def _joined(self, new: list[torch.Tensor], side: int, columns: int, rows: int) -> torch.Tensor:
        _, heads, _, width = new[0].shape
        room = new[0].new_zeros(rows + len(new), heads, columns + GROWTH, width)
        if rows:
            room[:rows, :, columns - self.used : columns] = self._room[side][:, :, : self.used]
        for row, past in enumerate(new, rows):
            room[row, :, columns - past.shape[2] : columns] = past[0]
        return room

    def keep(self, rows: list[int], spare: int) -> None:
        self._room = [room[rows, :, spare:] for room in self._room] if rows else []
        self.used = self.used - spare if rows else 0
