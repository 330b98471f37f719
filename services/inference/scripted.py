"""A scripted model: deterministic text at a settable speed, with faults on order. It invents what it says.

For tests and benchmarks of everything around a model. Lengths are log-normal; all sequences that run share
the token rate evenly, as the sequences of a batch do; more than `places` of them wait their turn.
"""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import itertools
import math
import random
import re
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import NamedTuple

from services.inference.base import check_prompt, check_sampling
from shared.domain import EngineFigures, ModelInfo, Prompt, Sample, Sampling, Span, TokenScores
from shared.errors import BusyError, EngineLostError, FieldError, UnsupportedError

CONTEXT = 32_768
_WORD = re.compile(r"\s*\S+|\s+$")
_TALK = (
    "so we add take the first number then half of it and twice what is left next she has each day he buys "
    "more for both total cost after that gives away per hour sum less than remaining"
)
_WORDS = tuple(_TALK.split())


@dataclass(frozen=True, slots=True)
class Script:
    """What a scripted model does.

    Attributes:
        tokens_per_second: of all running sequences together; infinite is as fast as can be.
        places: most sequences that run together.
        median_tokens, sigma: lengths are log-normal, ``exp(N(log(median), sigma))``.
        fail_every: every n-th sample is dropped, to be asked for again; 0 never.
        die_after: the engine is lost for good after so many samples; 0 never.
        seed: of everything it invents.
    """

    tokens_per_second: float = math.inf
    places: int = 512
    median_tokens: float = 200.0
    sigma: float = 0.5
    fail_every: int = 0
    die_after: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.tokens_per_second > 0:
            raise FieldError("tokens_per_second", f"is {self.tokens_per_second}", "give a number above 0")
        if self.places < 1 or not self.median_tokens >= 1 or not self.sigma >= 0:
            raise FieldError(
                "script", f"{self} can't be played", "use places, median_tokens >= 1, sigma >= 0"
            )

    def info(self) -> ModelInfo:
        """The model; its digest covers what determines its words, not its speed."""
        words = f"scripted/1 {self.seed} {self.median_tokens} {self.sigma}"
        digest = hashlib.sha256(words.encode()).hexdigest()
        limits = "invents its text and its numbers; can't load models or adapters"
        return ModelInfo("scripted", "scripted", digest, CONTEXT, limits=limits)

    def sample(self, prompt: Prompt, sampling: Sampling, index: int) -> Sample:
        """Sample `index`: a function of the script, the prompt, the seed and the index alone."""
        told = "\x1f".join(f"{message.role}\x1e{message.content}" for message in prompt.messages)
        place = index if sampling.temperature > 0 else 0
        seed = sampling.seed if sampling.temperature > 0 else 0
        dice = random.Random(_number(f"{self.seed}\x1f{seed}\x1f{place}\x1f{prompt.prefix}\x1f{told}"))
        length = max(4, round(math.exp(dice.gauss(math.log(self.median_tokens), self.sigma))))
        words = [dice.choice(_WORDS) for _ in range(length - 4)]
        words += ["The", "answer", "is", f"{dice.randrange(100)}."]
        kept, finished = words[: sampling.max_tokens], length <= sampling.max_tokens
        text = " ".join(kept)
        cut = min((place for stop in sampling.stop if (place := text.find(stop)) >= 0), default=None)
        if cut is not None:
            text, finished = text[:cut], True
        read = len(_WORD.findall(told)) + len(_WORD.findall(prompt.prefix))
        lead = " " if prompt.prefix and not prompt.prefix[-1].isspace() else ""
        return Sample(index, lead + text, len(text.split()), read, finished)

    def scores(self, text: str) -> TokenScores:
        """Scores that depend on each word and the one before it."""
        spans = [Span(*match.span()) for match in _WORD.finditer(text)]
        words = [span.of(text).strip() for span in spans]
        dice = [
            random.Random(_number(f"{self.seed}\x1f{before}\x1f{word}"))
            for before, word in itertools.pairwise(["", *words])
        ]
        surprisals = tuple(die.expovariate(1.0) for die in dice)
        ranks = tuple(1 + int(math.expm1(min(value, 10.0))) for value in surprisals)
        return TokenScores(tuple(spans), surprisals, ranks)


def _number(material: str) -> int:
    return int.from_bytes(hashlib.sha256(material.encode("utf-8", "surrogatepass")).digest()[:8])


class _Due(NamedTuple):
    """A running sequence: at which turn of the virtual clock it is done, and whom that wakes."""

    turn: float
    number: int
    done: asyncio.Future[None]


@dataclass
class _Clock:
    """Shares a token rate among sequences: one turn of the clock is one token for each that runs."""

    rate: float
    places: int
    running: list[_Due] = field(default_factory=list)
    waiting: deque[tuple[int, asyncio.Future[None]]] = field(default_factory=deque)
    turn: float = 0.0
    told: float = 0.0
    peak: int = 0
    steps: int = 0
    step_sequences: int = 0
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _alarm: asyncio.TimerHandle | None = None

    async def spend(self, tokens: int) -> None:
        """Return when `tokens` tokens of one sequence are made; cancelling gives the place to another."""
        if math.isinf(self.rate):
            await asyncio.sleep(0)
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append((tokens, done))
        self._go_on()
        try:
            await done
        except asyncio.CancelledError:
            self._go_on()
            raise

    def stop(self) -> None:
        """Nobody waits any longer."""
        for done in (*(due.done for due in self.running), *(done for _, done in self.waiting)):
            if not done.done():
                done.set_exception(EngineLostError("the scripted engine was closed"))
        self._go_on()

    def _go_on(self) -> None:
        """Advance to now, wake who is done, let in who waits, and set the alarm for the next one."""
        now = time.monotonic()
        self._advance(now)
        while self.running and (self.running[0].done.done() or self.running[0].turn <= self.turn + 1e-9):
            due = heapq.heappop(self.running)
            if not due.done.done():
                due.done.set_result(None)
        self._admit()
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self.running:
            wait = (self.running[0].turn - self.turn) * len(self.running) / self.rate
            self._alarm = asyncio.get_running_loop().call_later(max(0.0, wait), self._go_on)

    def _advance(self, now: float) -> None:
        alive = [due for due in self.running if not due.done.done()]
        if len(alive) != len(self.running):
            heapq.heapify(alive)
        turns = (now - self.told) * self.rate / len(self.running) if self.running else 0.0
        self.steps += math.ceil(turns)
        self.step_sequences += math.ceil(turns) * len(self.running)
        self.turn, self.told, self.running = self.turn + turns, now, alive

    def _admit(self) -> None:
        while self.waiting and len(self.running) < self.places:
            tokens, done = self.waiting.popleft()
            if not done.done():
                heapq.heappush(self.running, _Due(self.turn + tokens, next(self._numbers), done))
        self.peak = max(self.peak, len(self.running))


class ScriptedModel:
    """Implements `LanguageModel` by a script."""

    def __init__(self, script: Script | None = None) -> None:
        self.script = script or Script()
        self._info = self.script.info()
        self._clock = _Clock(self.script.tokens_per_second, self.script.places)
        self._samples = 0
        self._lost = False

    @property
    def info(self) -> ModelInfo:
        """Engine ``scripted``."""
        return self._info

    @property
    def figures(self) -> EngineFigures:
        """What is under way."""
        clock = self._clock
        return EngineFigures(
            len(clock.running), len(clock.waiting), clock.peak, clock.steps, clock.step_sequences
        )

    async def sample(self, prompt: Prompt, sampling: Sampling) -> AsyncIterator[Sample]:
        """Samples as they finish, at the scripted speed."""
        check_prompt(prompt)
        check_sampling(sampling)
        made = [self.script.sample(prompt, sampling, index) for index in range(sampling.n)]
        if made[0].prompt_tokens >= CONTEXT:
            problem = f"make {made[0].prompt_tokens} tokens, and {CONTEXT} is the most"
            raise FieldError("messages", problem, "shorten the problem, the hint or the prefix")
        tasks = [asyncio.ensure_future(self._played(sample)) for sample in made]
        try:
            for done in asyncio.as_completed(tasks):
                yield await done
        finally:
            for task in tasks:
                task.cancel()

    async def _played(self, sample: Sample) -> Sample:
        self._samples += 1
        self._check_faults(self._samples)
        await self._clock.spend(sample.tokens)
        self._check_lost()
        return sample

    def _check_faults(self, number: int) -> None:
        script = self.script
        self._lost = self._lost or bool(script.die_after and number > script.die_after)
        self._check_lost()
        if script.fail_every and number % script.fail_every == 0:
            raise BusyError("the scripted engine dropped a sample, as its script says", 0.1)

    def _check_lost(self) -> None:
        if self._lost:
            raise EngineLostError("the scripted engine died, as its script says")

    async def score(self, prompt: Prompt, text: str) -> TokenScores:
        """Invented scores, at the scripted speed."""
        check_prompt(prompt)
        self._check_lost()
        scores = self.script.scores(text)
        if len(scores.spans) > CONTEXT:
            problem = f"makes {len(scores.spans)} tokens, and {CONTEXT} is the most"
            raise FieldError("text", problem, "shorten it")
        await self._clock.spend(len(scores.spans))
        return scores

    async def load(self, source: str) -> ModelInfo:
        """Never: there are no weights."""
        raise UnsupportedError(f"the scripted engine can't load {source!r}; use transformers or vllm")

    async def adapt(self, source: str | None) -> ModelInfo:
        """Never: there are no weights."""
        raise UnsupportedError(f"the scripted engine can't adapt to {source!r}; use transformers or vllm")

    async def sleep(self) -> None:
        """Nothing to give back."""

    async def wake(self) -> None:
        """Nothing to take again."""

    async def close(self) -> None:
        """Who still waits is told that the engine is gone."""
        self._lost = True
        self._clock.stop()
