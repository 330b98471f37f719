"""Continuous batching: rows of many requests share each step, join between steps and leave when they end.

transformers can batch continuously by itself (`generate_batch`), but all its requests draw from one random
stream; a seed a sample, which equal samples in any company need, is why there is a loop here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from services.inference.checkpoint import Checkpoint
from services.inference.transformers.batch import RunningBatch
from services.inference.transformers.choice import choose
from services.inference.transformers.pasts import Past, read
from services.inference.transformers.prefixes import PrefixCache
from services.inference.transformers.rows import Job, Row
from shared.errors import UnavailableError

# Padded tokens of one forward pass over prompts.
PREFILL_TOKENS = 2048
# What a library raises when a forward pass goes wrong; anything else ends the worker.
FAULTS = (ArithmeticError, AssertionError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Room:
    """Limits of what runs together.

    Attributes:
        rows: most sequences in a step. tokens: most tokens of keys and values of the running batch, with
            padding and with what its rows may still write; it also limits the context of one sequence.
        cached: tokens of prompts that are remembered after their request.
    """

    rows: int = 64
    tokens: int = 32_768
    cached: int = 4096


class Sampler:
    """Samples for the jobs that are given to it, a step a turn. For one thread only."""

    def __init__(self, checkpoint: Checkpoint, room: Room) -> None:
        self._checkpoint, self._room = checkpoint, room
        self._ends = checkpoint.ends()
        self._waiting: deque[Job] = deque()
        self._rows: list[Row] = []
        self._batch = RunningBatch(checkpoint)
        self._prefixes = PrefixCache(room.cached)
        self.peak = self.steps = self.queries = self.hits = 0

    @property
    def busy(self) -> bool:
        """Whether a turn would do anything."""
        return bool(self._rows or self._waiting)

    @property
    def running(self) -> int:
        """Rows of the current batch."""
        return len(self._rows)

    @property
    def waiting(self) -> int:
        """Rows that have not begun."""
        return sum(job.sampling.n - job.begun for job in tuple(self._waiting))

    def add(self, job: Job) -> None:
        """Begin a job as soon as there is room."""
        self._waiting.append(job)

    def turn(self) -> None:
        """Let cancelled rows go and new ones in, then one step for all of them."""
        with torch.inference_mode():
            self._leave([row for row in self._rows if not row.job.cancelled])
            self._admit()
            if self._rows:
                self._step()

    def give_up(self, error: Exception) -> None:
        """Fail every job."""
        jobs = {id(job): job for job in [*(row.job for row in self._rows), *self._waiting]}
        self._waiting.clear()
        self._reset()
        for job in jobs.values():
            job.failed(error)

    def _admit(self) -> None:
        """Read the prompts of those who are next, and let in as many of their rows as there is room for."""
        self._waiting = deque(job for job in self._waiting if not job.cancelled)
        jobs = list(self._next())
        self._prefill([job for job in jobs if job.past is None])
        self._enter([job for job in jobs if job.past is not None])
        self._waiting = deque(
            job for job in self._waiting if not job.cancelled and job.begun < job.sampling.n
        )
        self.peak = max(self.peak, len(self._rows))

    def _next(self) -> Iterator[Job]:
        rows, reach = len(self._rows), max((row.job.reach for row in self._rows), default=0)
        for job in self._waiting:
            reach = max(reach, job.reach)
            free = self._free(rows, reach)
            if free > 0:
                yield job
            rows += min(free, job.sampling.n - job.begun)
            if free < job.sampling.n - job.begun:
                return

    def _free(self, rows: int, reach: int) -> int:
        """Rows that may still come in if the longest row takes `reach` tokens; a lone row always may."""
        return max(min(self._room.rows, self._room.tokens // reach) - rows, 0 if rows else 1)

    def _enter(self, jobs: Sequence[Job]) -> None:
        """Let rows in, of each job as many as there is room for; they join the batch together."""
        pasts: list[Past] = []
        reach = max((row.job.reach for row in self._rows), default=0)
        for job in jobs:
            assert job.past is not None
            reach = max(reach, job.reach)
            free = min(self._free(len(self._rows), reach), job.sampling.n - job.begun)
            rows = [Row.begin(job) for _ in range(free)]
            pasts += [job.past] * free
            self._rows += rows
            self.queries += len(job.prompt) * free
            self.hits += sum(row.cached for row in rows)
            if job.begun == job.sampling.n:
                job.past = None
        self._batch.join(pasts)

    def _prefill(self, jobs: Sequence[Job]) -> None:
        """Read prompts but for their last token: together, or one by one where together it goes wrong."""
        for batch in self._alike(jobs):
            try:
                self._read(batch)
            except FAULTS as error:
                if len(batch) == 1:
                    self._fail(batch[0], error)
                else:
                    for job in batch:
                        self._prefill([job])

    def _alike(self, jobs: Sequence[Job]) -> Iterator[list[Job]]:
        """Jobs by length of prompt, at most PREFILL_TOKENS padded tokens at a time."""
        batch: list[Job] = []
        for job in sorted(jobs, key=lambda job: len(job.prompt)):
            if batch and len(job.prompt) * (len(batch) + 1) > PREFILL_TOKENS:
                yield batch
                batch = []
            batch.append(job)
        if batch:
            yield batch

    def _read(self, jobs: list[Job]) -> None:
        known = {id(job): self._prefixes.find(job.prompt[:-1]) for job in jobs}
        prompts = {tuple(job.prompt[:-1]): known[id(job)] for job in jobs}
        fresh = [(past, ids[past.length :]) for ids, past in prompts.items() if past.length < len(ids)]
        pasts = iter(read(self._checkpoint, fresh, keep=True).pasts if fresh else ())
        read_now = {ids: next(pasts) if past.length < len(ids) else past for ids, past in prompts.items()}
        for ids, past in read_now.items():
            self._prefixes.put(ids, past)
        for job in jobs:
            job.past, job.cached = read_now[tuple(job.prompt[:-1])], known[id(job)].length

    def _step(self) -> None:
        try:
            symbols = self._choose()
        except FAULTS as error:
            for job in {id(row.job): row.job for row in self._rows}.values():
                self._fail(job, error)
            self._reset()
            return
        self.steps += 1
        staying = []
        for row, symbol in zip(self._rows, symbols, strict=True):
            sample = row.accept(symbol, self._checkpoint, self._ends)
            if sample is None:
                staying.append(row)
            else:
                row.job.done(sample)
        self._leave(staying)

    def _choose(self) -> list[int]:
        logits = self._batch.step([row.feed for row in self._rows])
        asked = [row.job.sampling for row in self._rows]
        heat, nuclei = [one.temperature for one in asked], [one.top_p for one in asked]
        return choose(logits, heat, nuclei, [row.draws for row in self._rows])

    def _leave(self, staying: list[Row]) -> None:
        if len(staying) < len(self._rows):
            kept = {id(row) for row in staying}
            order = self._batch.keep([place for place, row in enumerate(self._rows) if id(row) in kept])
            self._rows = [self._rows[place] for place in order]

    def _fail(self, job: Job, error: Exception) -> None:
        job.cancelled = True
        job.failed(UnavailableError(f"the model failed on this request ({type(error).__name__}: {error})"))

    def _reset(self) -> None:
        self._rows = []
        self._batch = RunningBatch(self._checkpoint)
        self._prefixes.clear()
