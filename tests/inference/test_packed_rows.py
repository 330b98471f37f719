"""Rows that are read without padding give the states and pasts of the plain forward pass."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from services.inference.checkpoint import Checkpoint
from services.inference.transformers.packed import PIECE, packs, read_packed
from services.inference.transformers.pasts import Past, read

SIZES = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
IDS = [[5, 9, 2, 7, 7, 3], [8, 1], [4, 4, 6, 90, 11, 30, 2, 2, 1]]


def small(checkpoint: Checkpoint, family: str) -> Checkpoint:
    torch.manual_seed(0)
    config, kind = {"llama": (LlamaConfig, LlamaForCausalLM), "qwen2": (Qwen2Config, Qwen2ForCausalLM)}[
        family
    ]
    return replace(checkpoint, model=kind(config(**SIZES)).eval())


def plain(checkpoint: Checkpoint, ids: list[int]) -> torch.Tensor:
    states: torch.Tensor = checkpoint.model.base_model(input_ids=torch.tensor([ids])).last_hidden_state
    return states[0]


@pytest.mark.parametrize("family", ["llama", "qwen2"])
@torch.inference_mode()
def test_states_after_pasts_of_unlike_length_are_those_of_the_plain_pass(
    smollm: Checkpoint, family: str
) -> None:
    one = small(smollm, family)
    pasts = [*read_packed(one, [(Past(), ids) for ids in IDS[:2]], keep=True).pasts, Past()]
    found = read_packed(one, list(zip(pasts, IDS, strict=True))).states
    for states, before, ids in zip(found, [*IDS[:2], []], IDS, strict=True):
        torch.testing.assert_close(states, plain(one, before + ids)[len(before) :], atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_pasts_are_those_that_are_kept_with_padding(smollm: Checkpoint) -> None:
    one = small(smollm, "llama")
    rows = [(Past(), ids) for ids in IDS]
    pasts = [reader(one, rows, keep=True).pasts for reader in (read_packed, read)]
    for mine, other in zip(*pasts, strict=True):
        assert mine.length == other.length
        torch.testing.assert_close(mine.layers, other.layers, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_a_long_row_is_read_in_pieces(smollm: Checkpoint) -> None:
    one = small(smollm, "llama")
    ids = [number % 97 for number in range(PIECE + 40)]
    found = read_packed(one, [(Past(), [3, 1]), (Past(), ids)]).states[1]
    torch.testing.assert_close(found, plain(one, ids), atol=1e-5, rtol=1e-5)


def test_a_model_whose_layers_slide_is_not_packed(smollm: Checkpoint) -> None:
    config = Qwen2Config(**SIZES, use_sliding_window=True, max_window_layers=1)
    sliding = replace(smollm, model=Qwen2ForCausalLM(config))
    assert (packs(smollm), packs(sliding)) == (True, False)
