"""Going on from prefixes of a trajectory as a rollout search does: prompts read once, and each read anew.

A binary search over the steps of a solution samples N continuations from one prefix after the other. Prefixes
of one solution begin alike, and the N samples of one prefix share all of it. One side reads the prompt of a
request once for its samples and remembers what earlier prefixes began with; the other reads every sample's
prompt from its first token, all of a request in one batch. The steps that follow are the same.
"""

from __future__ import annotations

import torch

from bench.pairs import compare
from bench.score_over_naive import solutions
from services.inference.checkpoint import Checkpoint, load_checkpoint
from services.inference.transformers.pasts import Past, read
from services.inference.transformers.rows import Job
from services.inference.transformers.sampler import Room, Sampler
from shared.domain import Message, Prompt, Sample, Sampling

THREADS, SAMPLES, NEW_TOKENS, SOLUTIONS = 2, 8, 8, 3


def main() -> int:
    """Measure, and print as the last line one JSON object; there is no bar."""
    checkpoint = load_checkpoint(threads=THREADS)
    prompts = [prompt for problem, text in chosen() for prompt in prefixes(problem, text)]
    found = compare(lambda: cached(checkpoint, prompts), lambda: uncached(checkpoint, prompts))
    extra = {"samples": SAMPLES, "new_tokens": NEW_TOKENS, "prefixes": len(prompts)}
    print(found.last_line("continue_prefix_cached_over_uncached", "times as fast", None, **extra))
    return 0


def chosen() -> list[tuple[str, str]]:
    """The longest solution of each of the first problems."""
    longest: dict[str, str] = {}
    for request in solutions():
        longest[request.problem] = max(longest.get(request.problem, ""), request.text, key=len)
    return list(longest.items())[:SOLUTIONS]


def prefixes(problem: str, text: str) -> list[Prompt]:
    """The prefixes that a binary search visits if every second one succeeds."""
    steps = text.splitlines(keepends=True)
    low, high = 0, len(steps)
    found = []
    while low < high:
        middle = (low + high) // 2
        found.append(Prompt((Message("user", problem),), "".join(steps[:middle])))
        low, high = (middle + 1, high) if len(found) % 2 else (low, middle)
    return found


def cached(checkpoint: Checkpoint, prompts: list[Prompt]) -> float:
    """Requests done where prompts are shared."""
    sampler = Sampler(checkpoint, Room())
    return sum(_run(sampler, [_job(checkpoint, prompt, SAMPLES)]) for prompt in prompts)


def uncached(checkpoint: Checkpoint, prompts: list[Prompt]) -> float:
    """Requests done where every sample's prompt is read, all of a request in one batch."""
    sampler = Sampler(checkpoint, Room(cached=0))
    return sum(_run(sampler, _read_each(checkpoint, prompt)) for prompt in prompts)


def _read_each(checkpoint: Checkpoint, prompt: Prompt) -> list[Job]:
    jobs = [_job(checkpoint, prompt, 1) for _ in range(SAMPLES)]
    with torch.inference_mode():
        pasts = read(checkpoint, [(Past(), job.prompt[:-1]) for job in jobs], keep=True).pasts
    for job, past in zip(jobs, pasts, strict=True):
        job.past = past
    return jobs


def _job(checkpoint: Checkpoint, prompt: Prompt, count: int) -> Job:
    conversation, prefix = checkpoint.ids(prompt)
    sampling = Sampling(count, temperature=0, max_tokens=NEW_TOKENS)
    return Job(conversation + prefix, prefix, sampling, NEW_TOKENS, _ignore, _raise)


def _run(sampler: Sampler, jobs: list[Job]) -> float:
    """Generate to the end; the number of steps times rows is the same on both sides."""
    for job in jobs:
        sampler.add(job)
    while sampler.busy:
        sampler.turn()
    return 1.0


def _ignore(sample: Sample) -> None:
    """The texts don't matter here."""


def _raise(error: Exception) -> None:
    raise error


if __name__ == "__main__":
    raise SystemExit(main())
