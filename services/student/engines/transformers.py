"""The transformers scorer: surprisal and rank of every token of a solution under a real language model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from services.inference.checkpoint import THREADS, Checkpoint, load_checkpoint
from shared.domain import ScorerInfo, TokenScores
from shared.ports import ScoreRequest


class TransformersScorer:
    """Implements `shared.ports.Scorer`: the prompt template, then the solution encoded alone, in float32.

    End-of-sequence is not scored. What texts share is read once (`services.inference.transformers.scoring`).
    """

    def __init__(self, checkpoint: Checkpoint, *, label: str = "surrogate") -> None:
        """`label` is ``native`` where this very model wrote the texts, else ``surrogate``."""
        from services.inference.transformers.losses import check_head
        from services.inference.transformers.pasts import check_memory

        check_memory(checkpoint)
        check_head(checkpoint)
        self.checkpoint = checkpoint
        self._info = ScorerInfo(f"transformers:{checkpoint.name}", label, checkpoint.digest)

    @classmethod
    def load(
        cls, model: Path | str | None = None, *, label: str = "surrogate", threads: int = THREADS
    ) -> TransformersScorer:
        """Scorer on a folder, a GGUF file or a hub name; None takes SmolLM2-135M-Instruct."""
        return cls(load_checkpoint(model, threads=threads), label=label)

    @property
    def info(self) -> ScorerInfo:
        """Name of the model, its label and the digest of weights, tokenizer and template."""
        return self._info

    def score(self, requests: Sequence[ScoreRequest]) -> list[TokenScores]:
        """One result a request, in order. Raises FieldError for a text longer than the context."""
        from services.inference.transformers.scoring import prepare, score

        prompt = self.checkpoint.prompt
        items = [prepare(self.checkpoint, prompt(request.problem), request.text) for request in requests]
        return score(self.checkpoint, items)
