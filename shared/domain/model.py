"""What a language model is asked, what it answers, and which model it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Label(StrEnum):
    """With what right a model speaks for a student.

    NATIVE is the model that wrote the text, SURROGATE another model, PROXY one fitted on the student's
    samples, SCRIPTED a stand-in that invents its numbers.
    """

    NATIVE = "native"
    SURROGATE = "surrogate"
    PROXY = "proxy"
    SCRIPTED = "scripted"


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Which model an engine serves, and what it can do.

    Attributes:
        engine: ``vllm``, ``transformers``, ``openai``, ``scripted``, ``proxy`` or ``rules``.
        model: short name of the model, for people.
        digest: names the model for machines: sha256 over whatever determines what it says (weights,
            tokenizer, template, adapter). Equal weights have equal digests in every engine that reads them.
        context: most tokens of prompt and solution together; 0 where nobody can tell.
        generates, scores: whether it can do this. Where it can't, `limits` says why.
        seeded: whether equal seeds give equal samples.
        adapter: name of the LoRA adapter in use, None without one.
        limits: one readable line on what it can't do, empty where it can do all.
    """

    engine: str
    model: str
    digest: str
    context: int = 0
    generates: bool = True
    scores: bool = True
    seeded: bool = True
    adapter: str | None = None
    limits: str = ""

    @property
    def name(self) -> str:
        """``engine:model``, as provenance quotes it."""
        return f"{self.engine}:{self.model}"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation; `role` is ``system``, ``user`` or ``assistant``."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model goes on from: a conversation in its own template, and the begin of its answer.

    `prefix` stands at the start of the assistant's turn and is encoded alone, so that its tokens do not
    depend on the template.
    """

    messages: tuple[Message, ...]
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to sample.

    Attributes:
        n: samples, at least 1. temperature: >= 0, 0 is greedy. top_p: nucleus, in (0, 1].
        max_tokens: most new tokens a sample, at least 1.
        seed: equal seeds give equal samples where the engine is seeded; sample `i` has a stream of its own.
        stop: strings that end a sample; they are not part of its text.
        schema: JSON schema (as text) that the answer must fulfil, enforced where the engine can.
    """

    n: int = 1
    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int = 256
    seed: int = 0
    stop: tuple[str, ...] = ()
    schema: str | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One finished sample.

    Attributes:
        index: 0-based number among the `n` of its request; samples come as they finish.
        text: the new text only, without prefix, end token and stop string.
        tokens: number of new tokens. prompt_tokens: tokens of prompt and prefix.
        cached_tokens: how many of those the engine had in its cache.
        finished: whether it ended by itself (False: by `max_tokens` or the context).
    """

    index: int
    text: str
    tokens: int
    prompt_tokens: int
    finished: bool
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class EngineFigures:
    """What an engine tells about its work so far; None where it can't tell.

    Attributes:
        running, waiting: sequences in the current batch, and those that wait for a place in one.
        peak_running: most sequences that ever ran together.
        steps, step_sequences: forward passes so far, and the sequences in all of them.
        cache_queries, cache_hits: prompt tokens looked up in the prefix cache, and found there.
    """

    running: int = 0
    waiting: int = 0
    peak_running: int = 0
    steps: int = 0
    step_sequences: int = 0
    cache_queries: int | None = None
    cache_hits: int | None = None
