"""Scoring 512 real solutions, against one text at a time with full logits, as common perplexity scripts do.

The workload is `bench/data/solutions.jsonl`: 74 GSM8K problems with about seven solutions each by different
authors (GPT-3, TinyLlama, people), short and long ones mixed, since N samples of a problem are what this
system scores. Counted in tokens of SmolLM2-135M-Instruct a text is about 94 of prompt and 128 of solution, so
that reading each prompt once saves a good third of all tokens: with one solution a problem the ratio is
smaller, with long solutions too.

Both sides run the same float32 model on the same threads in one process, and give surprisal and rank of every
token of the solution. The rival is written in good faith: logits of the whole text, one log-softmax, one
gather, ranks by counting greater logits (not by sorting), no gradients. A pass is long, so both sides are
warmed up on the first 16 texts only. ``--texts N`` takes the first N texts, for a quick look.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
from pathlib import Path

import torch

from bench.pairs import PAIRS, compare
from services.inference.checkpoint import Checkpoint, load_checkpoint
from services.student.engines.transformers import TransformersScorer
from shared.ports import ScoreRequest

FILE = Path(__file__).parent / "data" / "solutions.jsonl"
TEXTS, THREADS, BAR = 512, 2, 3.0

Scores = list[tuple[list[float], list[int]]]


def main() -> int:
    """Measure, and print as the last line one JSON object; 1 where the bar is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--texts", type=int, default=TEXTS)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    asked = parser.parse_args()
    checkpoint = load_checkpoint(threads=THREADS)
    scorer = TransformersScorer(checkpoint)
    requests = solutions()[: asked.texts]
    peak_ours = _warm_up(lambda: ours(scorer, requests[:16]))
    peak_rival = _warm_up(lambda: naive(checkpoint, requests[:16]))
    print(f"peak memory after 16 texts: ours {peak_ours:.0f} MB, then one by one {peak_rival:.0f} MB")
    print(f"largest difference of a surprisal: {_difference(scorer, requests[:16]):.1e} nats", flush=True)
    found = compare(
        lambda: _said("ours", len(ours(scorer, requests))),
        lambda: _said("rival", len(naive(checkpoint, requests))),
        asked.pairs,
        warm_up=False,
    )
    rates = {
        "texts_per_second": round(max(found.ours), 2),
        "rival_texts_per_second": round(max(found.rival), 2),
    }
    print(found.last_line("score_over_naive", "times as fast", BAR, texts=len(requests), **rates))
    return 0 if found.value >= BAR else 1


def solutions() -> list[ScoreRequest]:
    """The texts in the order of the file: solutions of one problem stand together."""
    rows = [json.loads(line) for line in FILE.read_text("utf-8").splitlines()]
    return [ScoreRequest(row["problem"], row["text"]) for row in rows]


def ours(scorer: TransformersScorer, requests: list[ScoreRequest]) -> Scores:
    """As the system does it."""
    return [(list(one.surprisals), list(one.ranks)) for one in scorer.score(requests)]


def naive(checkpoint: Checkpoint, requests: list[ScoreRequest]) -> Scores:
    """One text at a time, all logits of it at once."""
    return [_naive(checkpoint, request) for request in requests]


@torch.inference_mode()
def _naive(checkpoint: Checkpoint, request: ScoreRequest) -> tuple[list[float], list[int]]:
    prompt, (ids, _) = checkpoint.prompt(request.problem), checkpoint.encode(request.text)
    whole = torch.tensor([prompt + ids])
    logprobs = torch.log_softmax(checkpoint.model(whole).logits[0, :-1], dim=-1)
    chosen = logprobs.gather(1, whole[0, 1:, None])
    ranks = (logprobs > chosen).sum(1) + 1
    first = len(prompt) - 1
    return (-chosen[first:, 0]).tolist(), ranks[first:].tolist()


def _difference(scorer: TransformersScorer, requests: list[ScoreRequest]) -> float:
    pairs = zip(ours(scorer, requests), naive(scorer.checkpoint, requests), strict=True)
    return max(abs(a - b) for one, other in pairs for a, b in zip(one[0], other[0], strict=True))


def _warm_up(work: object) -> float:
    """Run once; the process's peak so far in MB."""
    assert callable(work)
    work()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _said(side: str, done: int) -> float:
    print(f"  {side}: {done} texts", file=sys.stderr, flush=True)
    return float(done)


if __name__ == "__main__":
    raise SystemExit(main())
