"""Keys and values of what a model has read: kept by row, and lent to a forward pass.

Only models whose whole memory is keys and values can be read this way; `check_memory` refuses others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicLayer

from services.inference.checkpoint import Checkpoint
from shared.errors import UnavailableError

ATTENTION = frozenset({"full_attention", "sliding_attention", "chunked_attention"})

Pair = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Past:
    """One row's keys and values, a pair a layer: each [1, heads, length, width]."""

    layers: tuple[Pair, ...] = ()
    length: int = 0

    def begin(self, length: int) -> Past:
        """The first `length` tokens, as views."""
        return Past(tuple((k[:, :, :length], v[:, :, :length]) for k, v in self.layers), length)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a forward pass gives: a row's last hidden states [time, width] each, and the rows' pasts if kept.

    Behind a row's own states there may be those of padding.
    """

    states: Sequence[torch.Tensor]
    pasts: list[Past]


def check_memory(checkpoint: Checkpoint) -> None:
    """Raises UnavailableError for a model that remembers by other means than keys and values."""
    kinds = set(getattr(checkpoint.model.config.get_text_config(), "layer_types", None) or ())
    if kinds - ATTENTION:
        odd = ", ".join(sorted(kinds - ATTENTION))
        raise UnavailableError(f"{checkpoint.name} has layers of kind {odd}, which this engine can't share")


def read(
    checkpoint: Checkpoint, rows: Sequence[tuple[Past, Sequence[int]]], *, keep: bool = False
) -> Reading:
    """Read each row's ids after its past, in one forward pass of the body (no logits).

    Pasts are padded on the left and ids on the right, so that what belongs to a row is in one piece.
    """
    pasts = [past for past, _ in rows]
    widest = max(past.length for past in pasts)
    cache = _lent(checkpoint, pasts, widest, keep) if widest or keep else None
    given = {**_inputs(checkpoint, rows, widest), "past_key_values": cache, "use_cache": cache is not None}
    states = checkpoint.model.base_model(**given).last_hidden_state
    return Reading(states.unbind(), _kept(cache, rows, widest) if keep and cache else [])


def _inputs(
    checkpoint: Checkpoint, rows: Sequence[tuple[Past, Sequence[int]]], widest: int
) -> dict[str, torch.Tensor]:
    longest = max(len(ids) for _, ids in rows)
    padded = [[*ids, *[0] * (longest - len(ids))] for _, ids in rows]
    given = {"input_ids": torch.tensor(padded, device=checkpoint.device)}
    if not widest:
        return given
    lengths = torch.tensor([past.length for past, _ in rows], device=checkpoint.device)[:, None]
    steps = torch.arange(longest, device=checkpoint.device)
    given["position_ids"] = (lengths + steps).clamp_max(checkpoint.context - 1)
    if any(past.length < widest for past, _ in rows):
        columns = torch.arange(widest + longest, device=checkpoint.device)
        given["attention_mask"] = (columns >= widest - lengths).long()
    return given


def _lent(checkpoint: Checkpoint, pasts: list[Past], widest: int, keep: bool) -> Cache:
    count = checkpoint.model.config.get_text_config().num_hidden_layers
    layers = [_LentLayer([past.layers[at] if past.length else None for past in pasts], widest, keep)
              for at in range(count)]  # fmt: skip
    return Cache(layers=layers)


def _kept(cache: Cache, rows: Sequence[tuple[Past, Sequence[int]]], widest: int) -> list[Past]:
    """A copy of every row's own columns, so that a past holds no memory of its neighbours."""
    pasts = []
    for row, (past, ids) in enumerate(rows):
        columns = slice(widest - past.length, widest + len(ids))
        layers = (layer.whole for layer in cache.layers)
        cut = tuple((k[row : row + 1, :, columns].clone(), v[row : row + 1, :, columns].clone())
                    for k, v in layers)  # fmt: skip
        pasts.append(Past(cut, past.length + len(ids)))
    return pasts


class _LentLayer(DynamicLayer):  # type: ignore[misc]
    """Puts the rows' pasts before what is new; remembers the two together only where asked to."""

    whole: Pair

    def __init__(self, pasts: list[Pair | None], widest: int, keep: bool) -> None:
        super().__init__()
        self._pasts, self._widest, self._keep = pasts, widest, keep

    def get_seq_length(self) -> int:
        return self._widest

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self._widest + query_length, 0

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any) -> Pair:
        whole = self._after(key_states, 0), self._after(value_states, 1)
        if self._keep:
            self.whole = whole
        return whole

    def _after(self, new: torch.Tensor, side: int) -> torch.Tensor:
        if not self._widest:
            return new
        rows, heads, time, width = new.shape
        whole = new.new_zeros(rows, heads, self._widest + time, width)
        whole[:, :, self._widest :] = new
        for row, past in enumerate(self._pasts):
            if past is not None:
                length = past[side].shape[2]
                whole[row, :, self._widest - length : self._widest] = past[side][0]
        return whole
