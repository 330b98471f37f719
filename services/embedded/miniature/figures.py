"""What a student of the miniature can do: ``python -m services.embedded.miniature.figures FOLDER``."""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from services.embedded.miniature.expressions import EXPRESSIONS, solution
from services.embedded.miniature.kernels import begin_again_with_fixed
from services.embedded.miniature.problems import Split, WordProblem, problems
from services.inference.base import LanguageModel
from services.inference.prompting import StudentTemplate
from services.oracle.verifier.verifier import SandboxedVerifier
from shared.domain import Correctness, Sample, Sampling, TokenScores
from shared.style.perplexity import perplexity

MAX_TOKENS = 120
_SEED = 1


@dataclass(frozen=True, slots=True)
class Figures:
    """Measured on held-out problems that no pre-training, arm or choice of a learning rate uses.

    Attributes:
        problems, samples: how many, and samples a problem at T = 1.
        average: Avg@k, the share of right samples. solved: pass@k, the share of problems with a right one.
        truncated: share of samples cut off at `MAX_TOKENS` new tokens.
        tokens: mean new tokens a sample.
        perplexity: of right solutions in each expression under the student, token-weighted.
    """

    problems: int
    samples: int
    average: float
    solved: float
    truncated: float
    tokens: float
    perplexity: dict[str, float]


def measure(folder: Path, count: int = 300, samples: int = 8) -> Figures:
    """Ask the student in `folder` `count` held-out problems, `samples` times each, on one thread."""
    return asyncio.run(_measure(folder, problems(_SEED, count, Split.EVALUATION), samples))


async def _measure(folder: Path, asked: Sequence[WordProblem], samples: int) -> Figures:
    from services.inference.transformers.engine import TransformersEngine, TransformersSettings

    engine = await TransformersEngine.start(TransformersSettings(str(folder), threads=1, rows=256))
    try:
        answers = await asyncio.gather(*(_sampled(engine, problem, samples) for problem in asked))
        spelled = {words: await _perplexity(engine, asked, words) for words in EXPRESSIONS}
    finally:
        await engine.close()
    return _figures(asked, answers, samples, spelled)


async def _sampled(engine: LanguageModel, problem: WordProblem, samples: int) -> list[Sample]:
    seed = int(hashlib.sha256(f"{_SEED}/{problem.id}".encode()).hexdigest()[:15], 16)
    sampling = Sampling(n=samples, temperature=1.0, max_tokens=MAX_TOKENS, seed=seed)
    prompt = StudentTemplate().prompt(problem.text)
    return [sample async for sample in engine.sample(prompt, sampling)]


async def _perplexity(engine: LanguageModel, asked: Sequence[WordProblem], words: str) -> float:
    def scored(problem: WordProblem) -> asyncio.Future[TokenScores]:
        prompt = StudentTemplate().prompt(problem.text)
        return asyncio.ensure_future(engine.score(prompt, solution(problem, words, _SEED)))

    found = await asyncio.gather(*map(scored, asked))
    nll = sum(sum(scores.surprisals) for scores in found)
    return perplexity(nll, sum(len(scores.surprisals) for scores in found))


def _figures(
    asked: Sequence[WordProblem], answers: Sequence[list[Sample]], samples: int, spelled: dict[str, float]
) -> Figures:
    everything = [sample for several in answers for sample in several]
    with SandboxedVerifier() as verifier:
        right = [
            sum(_is_right(verifier, sample, problem.gold) for sample in several)
            for problem, several in zip(asked, answers, strict=True)
        ]
    return Figures(
        problems=len(asked),
        samples=samples,
        average=sum(right) / len(everything),
        solved=sum(map(bool, right)) / len(asked),
        truncated=sum(not sample.finished for sample in everything) / len(everything),
        tokens=sum(sample.tokens for sample in everything) / len(everything),
        perplexity=spelled,
    )


def _is_right(verifier: SandboxedVerifier, sample: Sample, gold: str) -> bool:
    return verifier.verify(sample.text, gold).value is Correctness.CORRECT


def main() -> None:
    """Read the command line, measure, and print the figures as one JSON object."""
    reader = argparse.ArgumentParser(description="Measure a student of the miniature.")
    reader.add_argument("folder", type=Path)
    reader.add_argument("--problems", type=int, default=300)
    reader.add_argument("--samples", type=int, default=8)
    asked = reader.parse_args()
    begin_again_with_fixed()
    print(json.dumps(asdict(measure(asked.folder, asked.problems, asked.samples)), indent=2))


if __name__ == "__main__":
    main()
