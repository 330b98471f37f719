"""HTTP, queue and gRPC over the bare transformers engine with SmolLM2-135M-Instruct, all requests in flight.

Both sides draw the same samples of the same problems; one side runs at a time, each on two threads.
``--requests`` and ``--tokens`` make it shorter.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import dataclass

from bench.installation import Installation, installed
from bench.pairs import PAIRS, Comparison, compare_async
from services.inference.base import LanguageModel
from services.inference.prompting import StudentTemplate
from services.inference.transformers.engine import TransformersEngine, TransformersSettings
from shared.domain import Sampling

BAR = 0.95
THREADS = 2
_LINE_SEED = 1_000_003
# Each look costs the gateway some milliseconds of the two cores that the model needs.
_LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Load:
    """So many samples, each of at most so many tokens."""

    requests: int
    tokens: int

    def problems(self) -> list[str]:
        """One a sample."""
        return [f"How many are {number} and {number}?" for number in range(self.requests)]


def main() -> int:
    """Measure, and print as the last line one JSON object; 1 where the bar is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=192)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    asked = parser.parse_args()
    result = asyncio.run(measured(Load(asked.requests, asked.tokens), asked.pairs))
    print(f"tokens/s, path {result.ours}, bare {result.rival}", file=sys.stderr)
    line = result.last_line("path_over_engine_smollm2", "times the bare engine's tokens/s", BAR)
    print(line)
    return 0 if json.loads(line)["ok"] else 1


async def measured(load: Load, pairs: int) -> Comparison:
    """The path over the engine."""
    workers = {"IDIOLECT_PIPELINE_CONCURRENCY": "1", "IDIOLECT_PIPELINE_IN_FLIGHT": str(load.requests)}
    student = {"IDIOLECT_STUDENT_ENGINE": "transformers"}
    threads = {"IDIOLECT_STUDENT_TRANSFORMERS__THREADS": str(THREADS)}
    with installed(workers, **student, **threads) as there:
        engine = await TransformersEngine.start(TransformersSettings(threads=THREADS))
        try:
            return await compare_async(
                lambda: asyncio.to_thread(_path, there, load), lambda: _bare(engine, load), pairs
            )
        finally:
            await engine.close()


def _path(there: Installation, load: Load) -> float:
    body = b"".join(json.dumps({"problem": problem}).encode() + b"\n" for problem in load.problems())
    with there.client() as client:
        query = f"wait=0&samples=1&temperature=1&max_tokens={load.tokens}"
        job = there.submit(client, f"/v1/rollouts?{query}", body)
        there.ended(client, job, _LOOK_SECONDS)
        records = client.get(f"/v1/jobs/{job}/results").text.splitlines()
    if len(records) != load.requests:
        raise RuntimeError(f"{len(records)} records came of {load.requests} problems")
    return float(sum(json.loads(record)["samples"][0]["tokens"] for record in records))


async def _bare(engine: LanguageModel, load: Load) -> float:
    template = StudentTemplate()

    async def one(line: int, problem: str) -> int:
        sampling = Sampling(temperature=1.0, max_tokens=load.tokens, seed=line * _LINE_SEED)
        return sum([sample.tokens async for sample in engine.sample(template.prompt(problem), sampling)])

    return float(sum(await asyncio.gather(*(one(*entry) for entry in enumerate(load.problems(), 1)))))


if __name__ == "__main__":
    sys.exit(main())
