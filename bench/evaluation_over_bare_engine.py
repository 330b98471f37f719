"""A whole evaluation over the bare engine: the same model, prompts and seeds, in turns, in tokens/s.

Ours samples, finds final answers, verifies them in the sandbox and puts the graded problems together; the
rival only samples, all problems at once. Both load the model anew in every pass, as an evaluation does, and
the verifier's processes are started before the first. ``--model`` takes another student than
SmolLM2-135M-Instruct; ``--problems``, ``--samples`` and ``--tokens`` make it shorter.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence

from bench.pairs import PAIRS, Comparison, compare
from services.embedded.evaluating import LocalEvaluator
from services.inference.checkpoint import find_folder
from services.inference.prompting import StudentTemplate
from services.inference.transformers.engine import TransformersEngine, TransformersSettings
from shared.domain import EvaluationProblem, EvaluationSettings, Sampling
from shared.evaluation.asking import seed_of
from shared.evaluation.problemsets import load_set

BAR = 0.95
THREADS = 1
ROWS = 128


def main() -> int:
    """Measure, and print as the last line one JSON object; 1 where the bar is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default=None)
    parser.add_argument("--problems", type=int, default=24)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    asked = parser.parse_args()
    name, folder = find_folder(asked.model)
    problems = load_set("svamp-300")[: asked.problems]
    settings = EvaluationSettings(samples=asked.samples, max_tokens=asked.tokens)
    result = _measured(str(folder), problems, settings, asked.pairs)
    print(f"tokens/s, evaluation {result.ours}, bare {result.rival}", file=sys.stderr)
    line = result.last_line(
        "evaluation_over_bare_engine", "times the bare engine's tokens/s", BAR, model=name
    )
    print(line)
    return 0 if json.loads(line)["ok"] else 1


def _measured(
    folder: str, problems: Sequence[EvaluationProblem], settings: EvaluationSettings, pairs: int
) -> Comparison:
    with LocalEvaluator(THREADS, rows=ROWS) as evaluator:

        def ours() -> float:
            found = evaluator.evaluate(folder, problems, settings)
            return float(sum(sample.tokens for graded in found for sample in graded.samples))

        return compare(ours, lambda: asyncio.run(_bare(folder, problems, settings)), pairs)


async def _bare(folder: str, problems: Sequence[EvaluationProblem], settings: EvaluationSettings) -> float:
    engine = await TransformersEngine.start(TransformersSettings(folder, threads=THREADS, rows=ROWS))
    try:
        return float(sum(await asyncio.gather(*(_tokens(engine, one, settings) for one in problems))))
    finally:
        await engine.close()


async def _tokens(
    engine: TransformersEngine, problem: EvaluationProblem, settings: EvaluationSettings
) -> int:
    seed = seed_of(settings.seed, problem.id)
    sampling = Sampling(settings.samples, settings.temperature, settings.top_p, settings.max_tokens, seed)
    prompt = StudentTemplate().prompt(problem.text)
    return sum([sample.tokens async for sample in engine.sample(prompt, sampling)])


if __name__ == "__main__":
    sys.exit(main())
