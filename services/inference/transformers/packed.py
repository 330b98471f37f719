"""The forward pass of Llama and Qwen2 over rows that lie one behind the other, without padding.

All that is done token by token runs over every row at once; attention runs row by row. The model's own modules
do the work, only the order of the calls is written down here. That is for a processor: an accelerator is
slower with many small calls than with some padding.
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
LOOK = 512


def packs(checkpoint: Checkpoint) -> bool:
    """Whether the model can be read here: on a processor, every layer looking at all that came before."""
    model = checkpoint.model
    kinds = set(getattr(model.config, "layer_types", None) or ())
    bare = not getattr(model, "peft_config", None) and type(model.base_model) in BODIES
    return bare and checkpoint.device == "cpu" and kinds <= {"full_attention"}


def read_packed(
    checkpoint: Checkpoint, rows: Sequence[tuple[Past, Sequence[int]]], *, keep: bool = False
) -> Reading:
    """As `pasts.read`, but the states of a row are no longer than the row."""
    body = checkpoint.model.base_model
    places = list(_lay_out(rows))
    states = body.embed_tokens(torch.tensor(list(chain.from_iterable(ids for _, ids in rows))))
    turn = _turn(body, states, places)
    kept: list[list[Pair]] = [[] for _ in rows]
    for number, layer in enumerate(body.layers):
        attended, pairs = _attend(layer, states, places, turn, number)
        states += layer.self_attn.o_proj(attended)
        calm = layer.post_attention_layernorm(states)
        states += layer.mlp.down_proj(layer.mlp.act_fn(layer.mlp.gate_proj(calm)).mul_(layer.mlp.up_proj(calm)))
        if keep:
            for pair, layers in zip(pairs, kept, strict=True):
                layers.append(pair)
    states = body.norm(states)
    pasts = [Past(tuple(layers), place.before + place.length) for layers, place in zip(kept, places, strict=True)]
    return Reading([states[place.own] for place in places], pasts if keep else [])


@dataclass(frozen=True, slots=True)
class _Place:
    """A row among the packed tokens; `looks` are masks for pieces of LOOK tokens, None: see everything."""

    past: Past
    start: int
    length: int
    masks: tuple[torch.Tensor, ...]

    @property
    def before(self) -> int:
        return self.past.length

    @property
    def own(self) -> slice:
        return slice(self.start, self.start + self.length)


def _lay_out(rows: Sequence[tuple[Past, Sequence[int]]]) -> Iterator[_Place]:
    start = 0
    for past, ids in rows:
        masks = tuple(
            _mask(past.length + begin, min(LOOK, len(ids) - begin)) for begin in range(0, len(ids), LOOK)
        )
        yield _Place(past, start, len(ids), masks)
        start += len(ids)


def _mask(before: int, length: int) -> torch.Tensor:
    """What is added to the scores of `length` tokens that see `before` tokens, themselves and no later ones."""
    return torch.full((length, before + length), -torch.inf).triu_(before + 1)


def _turn(body: Any, states: torch.Tensor, places: list[_Place]) -> Pair:
    """Rotary factors [tokens, 1, width of a head]; the sign of a half turn is in the second one."""
    positions = torch.cat([torch.arange(place.before, place.before + place.length) for place in places])
    cos, sin = body.rotary_emb(states[None], positions[None])
    sin = sin.clone()
    sin[..., : sin.shape[-1] // 2].neg_()
    return cos[0, :, None], sin[0, :, None]


def _turned(heads: torch.Tensor, turn: Pair) -> torch.Tensor:
    return torch.addcmul(heads * turn[0], heads.roll(heads.shape[-1] // 2, -1), turn[1])


def _attend(
    layer: Any, states: torch.Tensor, places: list[_Place], turn: Pair, number: int
) -> tuple[torch.Tensor, list[Pair]]:
    """What every token gathers [tokens, heads * width], and the rows' keys and values with their pasts."""
    attention, calm = layer.self_attn, layer.input_layernorm(states)
    shape = (len(states), -1, attention.head_dim)
    queries = _turned(attention.q_proj(calm).view(shape), turn)
    keys, values = _turned(attention.k_proj(calm).view(shape), turn), attention.v_proj(calm).view(shape)
    gathered, pairs = torch.empty_like(queries), []
    for place in places:
        pair = _whole(place, keys, 0, number), _whole(place, values, 1, number)
        for piece, mask in enumerate(place.masks):
            own = slice(place.start + piece * LOOK, place.start + piece * LOOK + len(mask))
            seen = mask.shape[1]
            gathered[own] = _look(queries[own], pair[0][:, :, :seen], pair[1][:, :, :seen], mask, attention.scaling)
        pairs.append(pair)
    return gathered.flatten(1), pairs


def _whole(place: _Place, fresh: torch.Tensor, side: int, number: int) -> torch.Tensor:
    """Keys or values of a row behind those of its past, as a copy [1, heads, time, width]."""
    own = fresh[place.own].transpose(0, 1)[None]
    return torch.cat([place.past.layers[number][side], own] if place.before else [own], 2)


def _look(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor, scale: float) -> torch.Tensor:
    found = scaled_dot_product_attention(
        q.transpose(0, 1)[None], k, v, attn_mask=mask, scale=scale, enable_gqa=True
    )
    return found[0].transpose(0, 1)
