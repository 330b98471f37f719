"""Scores real solutions with SmolLM2 through our scorer and through vLLM's prompt log-probs, on one core.

Both run in float32 with one thread on the same texts; vLLM gets all of them at once and batches them itself.
The last line is ``{"name", "value", "unit", "bar", "ok"}`` as JSON: our scored tokens a second over vLLM's.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from bench.pairs import compare
from bench.vllm_environment import with_vllm
from services.inference.vllm.model import VllmModel
from services.inference.vllm.settings import VllmSettings
from services.student.engines.transformers import TransformersScorer
from shared.domain.model import Message, Prompt
from shared.ports import ScoreRequest

NAME = "score_over_vllm_prompt_logprobs"
BAR = 2.0
TEXTS = 32
# Logits of 512 positions are 100 MB, and three such tables are alive.
SETTINGS = VllmSettings(dtype="float32", max_model_len=2048, max_num_seqs=64, max_num_batched_tokens=2048)


def main() -> int:
    """Measure and print the last line."""
    requests = solutions(TEXTS)
    ours = TransformersScorer.load(threads=1)
    with asyncio.Runner() as runner:
        rival = runner.run(VllmModel.start(SETTINGS))
        try:
            compared = compare(
                lambda: sum(len(scores.ranks) for scores in ours.score(requests)),
                lambda: runner.run(tokens_scored(rival, requests)),
            )
        finally:
            runner.run(rival.close())
    speeds = [
        f"{name} {max(rates):.0f}" for name, rates in (("ours", compared.ours), ("vLLM", compared.rival))
    ]
    print(f"tokens scored a second, best pass: {', '.join(speeds)}", file=sys.stderr)
    print(compared.last_line(NAME, "times the tokens a second of vLLM's prompt log-probs", BAR))
    return 0 if compared.value >= BAR else 1


async def tokens_scored(model: VllmModel, requests: list[ScoreRequest]) -> float:
    """Score all texts at once."""
    asked = (model.score(Prompt((Message("user", one.problem),)), one.text) for one in requests)
    return float(sum(len(scores.ranks) for scores in await asyncio.gather(*asked)))


def solutions(count: int) -> list[ScoreRequest]:
    """Real solutions of mixed length, as many from each file of the demo."""
    files = sorted((Path(__file__).parents[1] / "data" / "demo").glob("*.jsonl"))
    rows = [[json.loads(line) for line in file.read_text("utf-8").splitlines()] for file in files]
    mixed = [row for together in zip(*rows, strict=False) for row in together][:count]
    return [ScoreRequest(row["problem"], row.get("text") or "\n".join(row["steps"])) for row in mixed]


if __name__ == "__main__":
    raise SystemExit(with_vllm(NAME, main))
