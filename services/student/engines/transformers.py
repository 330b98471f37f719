"""The transformers scorer: surprisal and rank of every token of a solution under a real language model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from services.inference.checkpoint import THREADS, Checkpoint, load_checkpoint
from services.inference.encoding import token_spans
from shared.domain import ScorerInfo, Span, TokenScores
from shared.errors import FieldError, UnavailableError
from shared.ports import ScoreRequest

if TYPE_CHECKING:
    import torch

# Padded tokens of one forward pass, prompts included.
BATCH_TOKENS = 2048
# Positions whose logits exist at the same time: 128 of 49,152 float32 are 25 MB.
CHUNK = 128


@dataclass(frozen=True, slots=True)
class _Item:
    """One text ready to be scored: prompt and solution ids in a row."""

    place: int
    ids: list[int]
    first: int
    spans: tuple[Span, ...]


class TransformersScorer:
    """Implements `shared.ports.Scorer`: the prompt template, then the solution encoded alone, in float32.

    End-of-sequence is not scored. Batches are sorted by length; scores do not depend on who else is in the
    batch (within 1e-4 nats). Logits exist for CHUNK positions at a time.
    """

    def __init__(self, checkpoint: Checkpoint, *, label: str = "surrogate") -> None:
        """`label` is ``native`` where this very model wrote the texts, else ``surrogate``."""
        _check_head(checkpoint)
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
        items = [self._prepare(place, request) for place, request in enumerate(requests)]
        results = [TokenScores((), (), ())] * len(items)
        for batch in _batches([item for item in items if item.spans]):
            for item, surprisals, ranks in self._run(batch):
                results[item.place] = TokenScores(item.spans, surprisals, ranks)
        return results

    def _prepare(self, place: int, request: ScoreRequest) -> _Item:
        prompt = self.checkpoint.prompt(request.problem)
        ids, offsets = self.checkpoint.encode(request.text)
        length, context = len(prompt) + len(ids), self.checkpoint.context
        if length > context:
            problem = f"makes {length} tokens with its problem, more than the model's {context}"
            raise FieldError("text", problem, "shorten it or take a model with a longer context")
        return _Item(place, prompt + ids, len(prompt), token_spans(offsets))

    def _run(self, batch: list[_Item]) -> Iterator[tuple[_Item, tuple[float, ...], tuple[int, ...]]]:
        import torch

        with torch.inference_mode():
            hidden = self._hidden(batch)
            for row, item in enumerate(batch):
                # The state at position i - 1 predicts token i.
                states = hidden[row, item.first - 1 : len(item.ids) - 1]
                surprisals, ranks = self._losses(states, item.ids[item.first :])
                yield item, tuple(surprisals), tuple(ranks)

    def _hidden(self, batch: list[_Item]) -> torch.Tensor:
        """Last hidden states [batch, time, width]; padding stands on the right, where nobody looks."""
        import torch

        device = self.checkpoint.device
        longest = max(len(item.ids) for item in batch)
        ids = torch.zeros(len(batch), longest, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, item in enumerate(batch):
            ids[row, : len(item.ids)] = torch.tensor(item.ids)
            mask[row, : len(item.ids)] = 1
        body = self.checkpoint.model.base_model
        output = body(input_ids=ids.to(device), attention_mask=mask.to(device), use_cache=False)
        hidden: torch.Tensor = output.last_hidden_state
        return hidden

    def _losses(self, states: torch.Tensor, targets: list[int]) -> tuple[list[float], list[int]]:
        """Surprisal (nats) and 1-based rank of each target, from states [tokens, width]."""
        import torch

        head = self.checkpoint.model.get_output_embeddings()
        surprisals: list[float] = []
        ranks: list[int] = []
        for start in range(0, len(targets), CHUNK):
            logits = head(states[start : start + CHUNK]).float()
            wanted = torch.tensor(targets[start : start + CHUNK], device=logits.device)[:, None]
            chosen = logits.gather(1, wanted)
            surprisals += (logits.logsumexp(1) - chosen[:, 0]).clamp_min(0).tolist()
            ranks += ((logits > chosen).sum(1) + 1).tolist()
        return surprisals, ranks


def _check_head(checkpoint: Checkpoint) -> None:
    """Refuses models that change their logits after the output layer, which would be scored wrongly."""
    import torch

    with torch.inference_mode():
        ids = torch.tensor([checkpoint.prompt("1")[:8]], device=checkpoint.device)
        whole = checkpoint.model(input_ids=ids, use_cache=False).logits
        states = checkpoint.model.base_model(input_ids=ids, use_cache=False).last_hidden_state
        if not torch.allclose(whole, checkpoint.model.get_output_embeddings()(states), atol=1e-3):
            raise UnavailableError(f"{checkpoint.name} rescales its logits; this scorer cannot read it")


def _batches(items: list[_Item]) -> Iterator[list[_Item]]:
    """Items of like length together, at most BATCH_TOKENS padded tokens a batch (or one long text)."""
    batch: list[_Item] = []
    for item in sorted(items, key=lambda item: (len(item.ids), item.place)):
        if batch and len(item.ids) * (len(batch) + 1) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch
