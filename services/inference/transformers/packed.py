"""The forward pass of Llama and Qwen2 over rows that lie one behind the other, without padding.

What is done token by token runs over all rows at once, attention row by row. The model's own modules do the
work; only the order of their calls is written down here. This is for a processor: an accelerator is faster
with some padding than with many small calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers.models.llama.modeling_llama import LlamaModel
from transformers.models.qwen2.modeling_qwen2 import Qwen2Model

from services.inference.checkpoint import Checkpoint
from services.inference.transformers.pasts import Pair, Past, Reading

BODIES = (LlamaModel, Qwen2Model)
# Tokens of a row that look back in one call: it bounds the mask of a long text.
PIECE = 512


@dataclass(frozen=True, slots=True)
class _Row:
    """One row among the packed tokens, in pieces: where each is, and what is added to its scores."""

    past: Past
    own: slice
    pieces: tuple[tuple[slice, torch.Tensor], ...]


def packs(checkpoint: Checkpoint) -> bool:
    """Whether a model can be read packed: bare, on a processor, its layers looking at all that came."""
    model = checkpoint.model
    known = type(model.base_model) in BODIES and not getattr(model, "peft_config", None)
    whole = set(getattr(model.config, "layer_types", None) or ()) <= {"full_attention"}
    return known and whole and checkpoint.device == "cpu"


def read_packed(
    checkpoint: Checkpoint, rows: Sequence[tuple[Past, Sequence[int]]], *, keep: bool = False
) -> Reading:
    """Read each row's ids (one at least) after its past: as `pasts.read`, but states have no padding."""
    body, laid = checkpoint.model.base_model, list(_lay_out(rows))
    states = body.embed_tokens(torch.tensor(list(chain.from_iterable(ids for _, ids in rows))))
    turn = _turn(body, states, laid)
    kept: list[list[Pair]] = []
    for number, layer in enumerate(body.layers):
        gathered, pairs = _attend(layer, number, states, laid, turn)
        states += layer.self_attn.o_proj(gathered)
        states += _think(layer, states)
        if keep:
            kept.append(pairs)
    states = body.norm(states)
    pasts = [Past(layers, layers[0][0].shape[2]) for layers in zip(*kept, strict=True)]
    return Reading([states[row.own] for row in laid], pasts)


def _lay_out(rows: Sequence[tuple[Past, Sequence[int]]]) -> Iterator[_Row]:
    start = 0
    for past, ids in rows:
        end = start + len(ids)
        cuts = [(begin, min(begin + PIECE, end)) for begin in range(start, end, PIECE)]
        pieces = tuple((slice(a, b), _mask(past.length + a - start, b - a)) for a, b in cuts)
        yield _Row(past, slice(start, end), pieces)
        start = end


def _mask(before: int, length: int) -> torch.Tensor:
    """[length, before + length]: zero for what came before and the token itself, minus infinity after it."""
    return torch.full((length, before + length), -torch.inf).triu_(before + 1)


def _turn(body: Any, states: torch.Tensor, laid: list[_Row]) -> Pair:
    """Rotary factors [tokens, 1, width of a head], for what stays in its place and what comes from afar."""
    spans = [torch.arange(row.own.stop - row.own.start) + row.past.length for row in laid]
    cos, sin = body.rotary_emb(states[None], torch.cat(spans)[None])
    half = sin.shape[-1] // 2
    signed = torch.cat([-sin[..., :half], sin[..., half:]], -1)
    return cos[0, :, None], signed[0, :, None]


def _turned(heads: torch.Tensor, turn: Pair) -> torch.Tensor:
    return torch.addcmul(heads * turn[0], heads.roll(heads.shape[-1] // 2, -1), turn[1])


def _attend(
    layer: Any, number: int, states: torch.Tensor, laid: list[_Row], turn: Pair
) -> tuple[torch.Tensor, list[Pair]]:
    """What every token gathers [tokens, heads * width], and the rows' keys and values, pasts in front."""
    attention, calm = layer.self_attn, layer.input_layernorm(states)
    shape = (len(states), -1, attention.head_dim)
    queries = _turned(attention.q_proj(calm).view(shape), turn)
    keys, values = _turned(attention.k_proj(calm).view(shape), turn), attention.v_proj(calm).view(shape)
    gathered = torch.empty_like(queries)
    pairs = [(_whole(row, number, 0, keys), _whole(row, number, 1, values)) for row in laid]
    for row, pair in zip(laid, pairs, strict=True):
        for tokens, mask in row.pieces:
            gathered[tokens] = _look(queries[tokens], pair, mask, attention.scaling)
    return gathered.flatten(1), pairs


def _whole(row: _Row, number: int, side: int, fresh: torch.Tensor) -> torch.Tensor:
    """A row's keys or values with those of its past: a copy [1, heads, time, width]."""
    own = fresh[row.own].transpose(0, 1)[None]
    return torch.cat([row.past.layers[number][side], own] if row.past.length else [own], 2)


def _look(queries: torch.Tensor, pair: Pair, mask: torch.Tensor, scale: float) -> torch.Tensor:
    keys, values = (side[:, :, : mask.shape[1]] for side in pair)
    asked = queries.transpose(0, 1)[None]
    found = scaled_dot_product_attention(asked, keys, values, mask, scale=scale, enable_gqa=True)
    return found[0].transpose(0, 1)


def _think(layer: Any, states: torch.Tensor) -> torch.Tensor:
    calm, mlp = layer.post_attention_layernorm(states), layer.mlp
    product: torch.Tensor = mlp.down_proj(mlp.act_fn(mlp.gate_proj(calm)).mul_(mlp.up_proj(calm)))
    return product
