"""Makes the miniature's student from nothing: ``python -m services.embedded.miniature.pretraining OUT``.

The same seed and libraries give the same weights on any processor of x86-64 with AVX2 (`kernels.py`).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from services.embedded.miniature import tokenizer as vocabulary
from services.embedded.miniature.card import Made, card
from services.embedded.miniature.corpus import Corpus, Mix, Row, Solved
from services.embedded.miniature.figures import measure
from services.embedded.miniature.kernels import begin_again_with_fixed, one_thread
from services.embedded.miniature.recipe import ADAM_RATE, LOOK, MUON_RATE, RECIPE, Recipe
from services.inference.checkpoint import load_checkpoint
from services.inference.encoding import encode, render
from shared.domain import Message

CONTEXT = 512
WIDTH, LAYERS, HEADS, SHARED_HEADS, INNER = 128, 4, 4, 2, 384
BETAS = (0.9, 0.98)
MOMENTUM = 0.95
CLIP = 1.0
IGNORED = -100
# Seed of the equations that are looked at; no student is pre-trained with it.
_FIXED = 1_000_003


def pretrain(
    seed: int,
    folder: Path,
    recipe: Recipe = RECIPE,
    watch: Callable[[int, float], None] = lambda *_: None,
    most: int | None = None,
) -> int:
    """Train a student and save it: safetensors in float32, configuration, tokenizer. Tells the steps it took.

    `watch` is told the 1-based step and its loss (nats a learnt token). `most` ends sooner, after so many
    steps. The weights are those of other processors only where `kernels.are_fixed`.
    """
    import torch

    with one_thread():
        torch.manual_seed(seed)
        words = vocabulary.made(CONTEXT)
        model = _network(words)
        done = 0
        for done, loss in enumerate(islice(_updates(seed, model, words, recipe), most), 1):
            watch(done, loss)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return done


def _updates(seed: int, model: Any, words: Any, recipe: Recipe) -> Iterator[float]:
    """Make one update after the other, and tell the loss of each."""
    optimizers, corpus, done = _optimizers(model), Corpus(seed), 0
    fixed = [_encoded(words, row) for row in _fixed_equations()]
    for phase in recipe.phases:
        for step in range(phase.steps):
            rows = [_encoded(words, corpus.row(phase.mix)) for _ in range(recipe.batch)]
            yield _update(model, optimizers, rows, phase.share(step))
            done += 1
            if phase.until is not None and done % LOOK == 0 and _looked_at(model, fixed) <= phase.until:
                break


def _network(words: Any) -> Any:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    config = Qwen2Config(
        vocab_size=len(words),
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=SHARED_HEADS,
        intermediate_size=INNER,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    return Qwen2ForCausalLM(config).train()


def _optimizers(model: Any) -> list[tuple[Any, float]]:
    """The optimizers with their full learning rates."""
    import torch

    inner = [value for value in model.model.layers.parameters() if value.ndim == 2]
    known = {id(value) for value in inner}
    others = [value for value in model.parameters() if id(value) not in known]
    muon = torch.optim.Muon(inner, momentum=MOMENTUM, weight_decay=0.0)
    # Fused, since it takes its square roots itself (`kernels.py`).
    adam = torch.optim.AdamW(others, betas=BETAS, weight_decay=0.0, fused=True)
    return [(muon, MUON_RATE), (adam, ADAM_RATE)]


Encoded = tuple[list[int], list[int]]


def _encoded(words: Any, row: Row) -> Encoded:
    """Ids of a row and their labels, `IGNORED` where nothing is learnt."""
    if isinstance(row, Solved):
        prompt = render(words, [Message("user", row.problem)])
        answer = [*encode(words, row.solution)[0], words.eos_token_id]
        return prompt + answer, [IGNORED] * len(prompt) + answer
    ids: list[int] = []
    labels: list[int] = []
    for left, right in row.pairs:
        told, learnt = encode(words, left)[0], encode(words, right)[0]
        ids += told + learnt
        labels += [IGNORED] * len(told) + learnt
    return ids, labels


def _update(
    model: Any, optimizers: Sequence[tuple[Any, float]], rows: Sequence[Encoded], share: float
) -> float:
    from torch.nn.utils import clip_grad_norm_

    loss = _loss(model, rows)
    model.zero_grad()
    loss.backward()
    clip_grad_norm_(model.parameters(), CLIP)
    for optimizer, rate in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate * share
        optimizer.step()
    return float(loss.detach())


def _loss(model: Any, rows: Sequence[Encoded]) -> Any:
    """Mean of -log p over all learnt tokens of the rows."""
    import torch

    longest = max(len(ids) for ids, _ in rows)
    inputs = torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in rows])
    labels = torch.tensor([kept + [IGNORED] * (longest - len(kept)) for _, kept in rows])
    hidden = model.model(input_ids=inputs).last_hidden_state[:, :-1]
    learnt = labels[:, 1:] != IGNORED
    return torch.nn.functional.cross_entropy(model.lm_head(hidden[learnt]), labels[:, 1:][learnt])


def _fixed_equations() -> list[Row]:
    corpus = Corpus(_FIXED)
    return [corpus.row(Mix(equations=1.0)) for _ in range(16)]


def _looked_at(model: Any, rows: Sequence[Encoded]) -> float:
    import torch

    with torch.no_grad():
        return float(_loss(model, rows))


def describe(seed: int, steps: int, folder: Path, recipe: Recipe = RECIPE) -> None:
    """Measure the student in `folder`, which took that many steps, and write its model card there."""
    import torch
    import transformers

    checkpoint = load_checkpoint(folder, device="cpu", threads=1)
    version = f"torch {torch.__version__.partition('+')[0]}, transformers {transformers.__version__}"
    made = Made(seed, steps, checkpoint.model.num_parameters(), checkpoint.digest, version)
    (folder / "README.md").write_text(card(made, recipe, measure(folder)), "utf-8")


def main() -> None:
    """Read the command line, train, and tell the loss as it falls."""
    reader = argparse.ArgumentParser(description="Pre-train the miniature's student on one thread.")
    reader.add_argument("out", type=Path, help="folder for the model")
    reader.add_argument("--seed", type=int, default=1)
    reader.add_argument("--steps", type=int, help="for a look: end after so many, and tell the digest alone")
    reader.add_argument("--rows", type=int, default=RECIPE.batch, help="for a look: rows a step")
    asked = reader.parse_args()
    begin_again_with_fixed()
    begun = time.monotonic()

    def tell(step: int, loss: float) -> None:
        if step % 50 == 0:
            print(f"step {step}: loss {loss:.3f}, {time.monotonic() - begun:.0f} s", flush=True)

    recipe = replace(RECIPE, batch=asked.rows)
    steps = pretrain(asked.seed, asked.out, recipe, tell, asked.steps)
    if asked.steps is not None:
        print(load_checkpoint(asked.out, device="cpu", threads=1).digest)
        return
    describe(asked.seed, steps, asked.out, recipe)
    print((asked.out / "README.md").read_text("utf-8"))


if __name__ == "__main__":
    main()
