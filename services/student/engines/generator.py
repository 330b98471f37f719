"""A minimal generator in process: the student goes on from a prefix, with a seed a sample."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.inference.checkpoint import THREADS, Checkpoint, load_checkpoint
from services.student.engines.base import check_generation
from shared.domain import ModelInfo
from shared.errors import FieldError
from shared.ports import Generation, GenerationRequest

if TYPE_CHECKING:
    import torch


class TransformersGenerator:
    """Implements `shared.ports.Generator` with a key-value cache, one batch a request.

    The prefix stands in the assistant's turn and a hint in the user's. Equal requests give equal samples, and
    each sample draws from a random stream of its own.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint

    @classmethod
    def load(cls, model: Path | str | None = None, *, threads: int = THREADS) -> TransformersGenerator:
        """Generator on a folder, a GGUF file or a hub name; None takes SmolLM2-135M-Instruct."""
        return cls(load_checkpoint(model, threads=threads))

    @property
    def info(self) -> ModelInfo:
        """The model that generates."""
        checkpoint = self.checkpoint
        return ModelInfo("transformers", checkpoint.name, checkpoint.digest, checkpoint.context)

    def generate(self, request: GenerationRequest) -> list[Generation]:
        """`n` samples, in order. Raises FieldError for a request that can't be served."""
        check_generation(request)
        prompt = self.checkpoint.prompt(request.problem, request.hint)
        prefix, _ = self.checkpoint.encode(request.prefix)
        room = self.checkpoint.context - len(prompt) - len(prefix)
        if room < 1:
            problem = f"leaves no room in the model's {self.checkpoint.context} tokens"
            raise FieldError("problem", problem, "shorten the problem, the hint or the prefix")
        limit = min(request.max_tokens, room)
        rows = _sample(self.checkpoint, prompt + prefix, request, limit)
        return [self._generation(prefix, ids, finished) for ids, finished in rows]

    def _generation(self, prefix: list[int], ids: list[int], finished: bool) -> Generation:
        # Some vocabularies decode a lone word without its blank, so the new text is what the prefix lacks.
        before, whole = self.checkpoint.decode(prefix), self.checkpoint.decode(prefix + ids)
        text = whole[len(before) :] if whole.startswith(before) else self.checkpoint.decode(ids)
        return Generation(text, len(ids), finished)


def _sample(
    checkpoint: Checkpoint, prompt: list[int], request: GenerationRequest, limit: int
) -> list[tuple[list[int], bool]]:
    """New ids of each sample (without the end token), and whether it ended by itself."""
    import torch

    ends = checkpoint.ends()
    rows: list[list[int]] = [[] for _ in range(request.n)]
    done = [False] * request.n
    streams = [_stream(request.seed, place) for place in range(request.n)]
    cache: Any = None
    fed = torch.tensor([prompt] * request.n)
    with torch.inference_mode():
        for _ in range(limit):
            output = checkpoint.model(
                input_ids=fed.to(checkpoint.device), past_key_values=cache, use_cache=True, logits_to_keep=1
            )
            cache = output.past_key_values
            chosen = _choose(output.logits[:, -1].float().cpu(), request.temperature, streams)
            for place, symbol in enumerate(chosen):
                done[place] = done[place] or symbol in ends
                if not done[place]:
                    rows[place].append(symbol)
            if all(done):
                break
            fed = torch.tensor(chosen)[:, None]
    return list(zip(rows, done, strict=True))


def _choose(logits: torch.Tensor, temperature: float, streams: list[torch.Generator]) -> list[int]:
    """One id a row of `logits` [n, vocabulary]; the likeliest at temperature 0."""
    import torch

    if temperature == 0:
        likeliest: list[int] = logits.argmax(1).tolist()
        return likeliest
    shares = torch.softmax(logits.double() / temperature, 1).cumsum(1)
    draws = torch.stack([torch.rand(1, generator=stream, dtype=torch.float64) for stream in streams])
    chosen = torch.searchsorted(shares, draws * shares[:, -1:], right=True)[:, 0]
    drawn: list[int] = chosen.clamp_max(logits.shape[1] - 1).tolist()
    return drawn


def _stream(seed: int, place: int) -> torch.Generator:
    """The random stream of sample `place`."""
    import torch

    digest = hashlib.sha256(f"{seed}/{place}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7]))
