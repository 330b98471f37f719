"""Surprisal and rank of tokens from hidden states, without ever holding the logits of a whole text.

A linear head is applied to a block of the vocabulary at a time, small enough for a processor's cache: that
is several times as fast as writing whole rows of logits to memory and reading them again.
"""

from __future__ import annotations

from typing import Any

import torch

from services.inference.checkpoint import Checkpoint
from shared.errors import UnavailableError

# States that are scored at the same time, and the part of the vocabulary that is looked at in one go: 4 MB.
STATES = 512
BLOCK = 2048
# Whole rows of logits at the same time, for heads that can't be cut: 128 of 49,152 are 25 MB.
ROWS = 128

Losses = tuple[list[float], list[int]]


def losses(head: Any, states: torch.Tensor, targets: list[int]) -> Losses:
    """Surprisal (nats) and 1-based rank of each target, in float32, from `states` [tokens, width].

    A rank counts the tokens with a greater logit, so ties within rounding may fall either way.
    """
    cut = type(head) is torch.nn.Linear and states.dtype == torch.float32
    size = STATES if cut else ROWS
    surprisals: list[float] = []
    ranks: list[int] = []
    for start in range(0, len(targets), size):
        wanted = torch.tensor(targets[start : start + size], device=states.device)
        some, places = (_by_block if cut else _by_row)(head, states[start : start + size], wanted)
        surprisals += some.tolist()
        ranks += places.long().tolist()
    return surprisals, ranks


def check_head(checkpoint: Checkpoint) -> None:
    """Refuses models that change their logits after the output layer, which would be scored wrongly."""
    with torch.inference_mode():
        ids = torch.tensor([checkpoint.prompt("1")[:8]], device=checkpoint.device)
        whole = checkpoint.model(input_ids=ids, use_cache=False).logits
        states = checkpoint.model.base_model(input_ids=ids, use_cache=False).last_hidden_state
        if not torch.allclose(whole, checkpoint.model.get_output_embeddings()(states), atol=1e-3):
            raise UnavailableError(f"{checkpoint.name} rescales its logits; this scorer cannot read it")


def _by_row(head: Any, states: torch.Tensor, wanted: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    logits = head(states).float()
    chosen = logits.gather(1, wanted[:, None])
    return (logits.logsumexp(1) - chosen[:, 0]).clamp_min(0), (logits > chosen).sum(1) + 1


def _by_block(head: Any, states: torch.Tensor, wanted: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """With logits relative to the target's: the surprisal is the log of the sum of their exponentials."""
    weight, bias = head.weight, head.bias
    chosen = (states * weight[wanted]).sum(1) + (0 if bias is None else bias[wanted])
    total, ahead = torch.zeros_like(chosen), torch.zeros_like(chosen)
    for start in range(0, len(weight), BLOCK):
        shift = -chosen[:, None] + (0 if bias is None else bias[start : start + BLOCK])
        above = torch.addmm(shift, states, weight[start : start + BLOCK].T)
        inside = ((wanted >= start) & (wanted < start + above.shape[1])).nonzero()[:, 0]
        above[inside, wanted[inside] - start] = 0
        ahead += torch.gt(above, 0, out=torch.empty_like(above)).sum(1)
        total += above.exp_().sum(1)
    return _surprisals(head, states, wanted, total), ahead + 1


def _surprisals(head: Any, states: torch.Tensor, wanted: torch.Tensor, total: torch.Tensor) -> torch.Tensor:
    """Logs of the sums; above 88 nats a sum is infinite in float32, and its row is done the long way."""
    surprisals = total.log().clamp_min(0)
    for row in (~surprisals.isfinite()).nonzero()[:, 0].tolist():
        surprisals[row] = _by_row(head, states[row : row + 1], wanted[row : row + 1])[0][0]
    return surprisals
