"""Chooses the next token of each row, every row from a random stream of its own."""

from __future__ import annotations

import hashlib

import torch


def stream(seed: int, place: int) -> torch.Generator:
    """The random stream of sample `place` of a request."""
    digest = hashlib.sha256(f"{seed}/{place}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7]))


def choose(
    logits: torch.Tensor, temperatures: list[float], nuclei: list[float], streams: list[torch.Generator]
) -> list[int]:
    """One id a row of `logits` [rows, vocabulary]; the likeliest at temperature 0, which draws nothing.

    A nucleus below 1 draws among the likeliest tokens that together reach that share.
    """
    chosen: list[int] = logits.argmax(1).tolist()
    drawn = [row for row, temperature in enumerate(temperatures) if temperature > 0]
    if drawn:
        heat = torch.tensor([temperatures[row] for row in drawn], dtype=torch.float64)
        shares = torch.softmax(logits[drawn].double() / heat[:, None], 1)
        shares = _nucleus(shares, torch.tensor([nuclei[row] for row in drawn], dtype=torch.float64))
        for row, symbol in zip(drawn, _draw(shares, [streams[row] for row in drawn]), strict=True):
            chosen[row] = symbol
    return chosen


def _nucleus(shares: torch.Tensor, nuclei: torch.Tensor) -> torch.Tensor:
    """Shares outside each row's nucleus become 0; the likeliest token always stays."""
    if bool((nuclei >= 1).all()):
        return shares
    ordered, places = shares.sort(1, descending=True)
    before = ordered.cumsum(1) - ordered
    outside = (before >= nuclei[:, None]) & (nuclei < 1)[:, None]
    outside[:, 0] = False
    return shares.masked_fill(torch.zeros_like(outside).scatter(1, places, outside), 0)


def _draw(shares: torch.Tensor, streams: list[torch.Generator]) -> list[int]:
    reached = shares.cumsum(1)
    draws = torch.stack([torch.rand(1, generator=stream, dtype=torch.float64) for stream in streams])
    chosen = torch.searchsorted(reached, draws * reached[:, -1:], right=True)[:, 0]
    drawn: list[int] = chosen.clamp_max(shares.shape[1] - 1).tolist()
    return drawn
