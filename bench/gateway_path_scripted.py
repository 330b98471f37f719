"""HTTP, queue and gRPC over the bare scripted engine: 10,000 tokens/s, 512 in flight, log-normal lengths.

Lengths have sigma .9, so that the 99th percentile is eight times the median. Ours posts rollouts to the
gateway as a job and reads its results; the other side calls the engine in this process. Both draw the same
samples. The engine shares its rate among all that run, however few: what shows is time in which none runs. A
part that only thins the batch out doesn't.
"""

from __future__ import annotations

import asyncio
import json
import sys

from bench.installation import Installation, installed
from bench.pairs import PAIRS, Comparison, compare
from services.inference.prompting import StudentTemplate
from services.inference.scripted import Script, ScriptedModel
from shared.domain import Sampling

BAR = 0.95
LINES = 2048
IN_FLIGHT = 512
MOST_TOKENS = 4096
SCRIPT = Script(tokens_per_second=10_000, places=IN_FLIGHT, median_tokens=200, sigma=0.9)
PROCESSES = 4
_LINE_SEED = 1_000_003


def main() -> int:
    """Measure, and print as the last line one JSON object; 1 where the bar is missed."""
    result = measured(LINES, PAIRS)
    print(f"tokens/s, path {result.ours}, bare {result.rival}", file=sys.stderr)
    line = result.last_line("path_over_engine_scripted", "times the bare engine's tokens/s", BAR)
    print(line)
    return 0 if json.loads(line)["ok"] else 1


def measured(lines: int, pairs: int, processes: int = PROCESSES) -> Comparison:
    """The path over the engine, `lines` samples a pass."""
    problems = [f"How many are {number} and {number}?" for number in range(lines)]
    workers = {
        "IDIOLECT_PIPELINE_CONCURRENCY": str(processes),
        "IDIOLECT_PIPELINE_IN_FLIGHT": str(IN_FLIGHT // processes),
        "IDIOLECT_PIPELINE_INTERACTIVE": "0",
    }
    with installed(
        workers,
        IDIOLECT_STUDENT_SCRIPTED__TOKENS_PER_SECOND=str(SCRIPT.tokens_per_second),
        IDIOLECT_STUDENT_SCRIPTED__PLACES=str(SCRIPT.places),
        IDIOLECT_STUDENT_SCRIPTED__MEDIAN_TOKENS=str(SCRIPT.median_tokens),
        IDIOLECT_STUDENT_SCRIPTED__SIGMA=str(SCRIPT.sigma),
    ) as there:
        return compare(
            lambda: _path(there, problems), lambda: asyncio.run(_bare(problems)), pairs, warm_up=pairs > 1
        )


def _path(there: Installation, problems: list[str]) -> float:
    body = b"".join(json.dumps({"problem": problem}).encode() + b"\n" for problem in problems)
    with there.client() as client:
        query = f"wait=0&samples=1&temperature=1&max_tokens={MOST_TOKENS}"
        job = there.submit(client, f"/v1/rollouts?{query}", body)
        there.ended(client, job)
        records = client.get(f"/v1/jobs/{job}/results").text.splitlines()
    if len(records) != len(problems):
        raise RuntimeError(f"{len(records)} records came of {len(problems)} problems")
    return float(sum(json.loads(record)["samples"][0]["tokens"] for record in records))


async def _bare(problems: list[str]) -> float:
    engine, template, places = ScriptedModel(SCRIPT), StudentTemplate(), asyncio.Semaphore(IN_FLIGHT)

    async def one(line: int, problem: str) -> int:
        sampling = Sampling(temperature=1.0, max_tokens=MOST_TOKENS, seed=line * _LINE_SEED)
        async with places:
            return sum([sample.tokens async for sample in engine.sample(template.prompt(problem), sampling)])

    return float(sum(await asyncio.gather(*(one(*entry) for entry in enumerate(problems, 1)))))


if __name__ == "__main__":
    sys.exit(main())
