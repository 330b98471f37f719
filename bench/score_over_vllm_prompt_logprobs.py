"""Scoring real solutions with SmolLM2 through our scorer and through vLLM's prompt log-probs, on one core.

The texts are the first of those that `score_over_naive` scores: some seven solutions a problem, since N
samples of a problem are what this system scores. vLLM leaves its prefix cache out where log-probs of a prompt
are asked for, and reads every prompt with each of its solutions; ours reads it once. ``--alone`` takes one
solution a problem, where nothing but openings is shared. Both run in float32 with one thread; vLLM gets all
texts at once and batches them itself.

The last line is ``{"name", "value", "unit", "bar", "ok"}`` as JSON: our scored tokens a second over vLLM's.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys

from bench.pairs import PAIRS, compare
from bench.score_over_naive import solutions
from bench.vllm_environment import with_vllm
from services.inference.vllm.model import VllmModel
from services.inference.vllm.settings import VllmSettings
from services.student.engines.transformers import TransformersScorer
from shared.domain.model import Message, Prompt
from shared.ports import ScoreRequest

NAME = "score_over_vllm_prompt_logprobs"
BAR = 2.0
TEXTS = 56
CORE = "0"
# Logits of 512 positions are 100 MB, and three such tables are alive.
SETTINGS = VllmSettings(dtype="float32", max_model_len=2048, max_num_seqs=64, max_num_batched_tokens=2048)


def main() -> int:
    """Measure and print the last line; 1 where the bar is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--texts", type=int, default=TEXTS)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--alone", action="store_true")
    asked = parser.parse_args()
    requests = (first_of_each() if asked.alone else solutions())[: asked.texts]
    os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", CORE)
    ours = TransformersScorer.load(threads=1)
    with asyncio.Runner() as runner:
        rival = runner.run(VllmModel.start(SETTINGS))
        try:
            compared = compare(
                lambda: sum(len(scores.ranks) for scores in ours.score(requests)),
                lambda: runner.run(tokens_scored(rival, requests)),
                asked.pairs,
            )
        finally:
            runner.run(rival.close())
    speeds = [
        f"{name} {max(rates):.0f}" for name, rates in (("ours", compared.ours), ("vLLM", compared.rival))
    ]
    print(f"tokens scored a second, best pass: {', '.join(speeds)}", file=sys.stderr)
    extra = {"texts": len(requests), "problems": len({one.problem for one in requests})}
    print(compared.last_line(NAME, "times the tokens a second of vLLM's prompt log-probs", BAR, **extra))
    return 0 if compared.value >= BAR else 1


async def tokens_scored(model: VllmModel, requests: list[ScoreRequest]) -> float:
    """Score all texts at once."""
    asked = (model.score(Prompt((Message("user", one.problem),)), one.text) for one in requests)
    return float(sum(len(scores.ranks) for scores in await asyncio.gather(*asked)))


def first_of_each() -> list[ScoreRequest]:
    """One solution a problem."""
    found: dict[str, ScoreRequest] = {}
    for request in solutions():
        found.setdefault(request.problem, request)
    return list(found.values())


if __name__ == "__main__":
    raise SystemExit(with_vllm(NAME, main))
