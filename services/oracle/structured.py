"""Answers of language models as JSON: asked for by a schema, read strictly, voted on.

Only what the model wrote is ever parsed. An answer counts if it is one JSON object that the schema allows,
without a name given twice, a NaN, or text that has no UTF-8 form. Two habits are forgiven, since an engine
that can't enforce a schema can't prevent them: one Markdown fence around the object, and thoughts before it
that end with ``</think>``. Anything else is an unreadable answer.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from services.inference.base import LanguageModel
from shared.domain import Prompt, Sample, Sampling
from shared.errors import FieldError
from shared.schema_check import compile_schema

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

Answer = dict[str, Any]

_FENCED = re.compile(r"```(?:json)?\s*\n(.*)\n\s*```", re.DOTALL)


@dataclass(frozen=True, slots=True)
class VoteSettings:
    """How often a model is asked the same thing, and how.

    Attributes:
        votes: samples, at least 1. temperature: above 0 where there is more than one vote.
        top_p: nucleus, in (0, 1]. max_tokens: most new tokens a vote.
        seed: start of every derived seed.
    """

    votes: int = 5
    temperature: float = 0.7
    top_p: float = 1.0
    max_tokens: int = 512
    seed: int = 0

    def __post_init__(self) -> None:
        if self.votes < 1:
            raise FieldError("votes", f"is {self.votes}", "ask for at least one vote")
        if not (self.temperature >= 0 and math.isfinite(self.temperature)):
            raise FieldError("temperature", f"is {self.temperature}", "give a number that is 0 or more")
        if self.votes > 1 and self.temperature == 0:
            problem = f"is 0, which makes {self.votes} equal votes"
            raise FieldError("temperature", problem, "give a number above 0, or ask for one vote")

    def sampling(self, prompt: Prompt, schema: str, seed: int = 0) -> Sampling:
        """The sampling for one prompt; its seed follows from both seeds and the prompt's text."""
        return Sampling(
            n=self.votes,
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.max_tokens,
            seed=derived_seed(self.seed, str(seed), *(message.content for message in prompt.messages)),
            schema=schema,
        )


@dataclass(frozen=True, slots=True)
class Votes:
    """The answers that could be read, in the order of their samples, and how many could not."""

    answers: tuple[Answer, ...]
    unreadable: int


async def ask(
    model: LanguageModel, prompt: Prompt, schema: str, settings: VoteSettings, seed: int = 0
) -> Votes:
    """Puts the question to the model as often as the settings say; `seed` is that of the request."""
    stream = in_order(model.sample(prompt, settings.sampling(prompt, schema, seed)))
    read = [read_answer(sample.text, schema) async for sample in stream]
    answers = tuple(answer for answer in read if answer is not None)
    return Votes(answers, len(read) - len(answers))


async def in_order(samples: AsyncIterator[Sample]) -> AsyncGenerator[Sample, None]:
    """Samples by their index, each as soon as all before it are there; closing it closes `samples`."""
    waiting: dict[int, Sample] = {}
    due = 0
    try:
        async for sample in samples:
            waiting[sample.index] = sample
            while due in waiting:
                yield waiting.pop(due)
                due += 1
        for index in sorted(waiting):
            yield waiting[index]
    finally:
        close = getattr(samples, "aclose", None)
        if close is not None:
            await close()


def read_answer(text: str, schema: str) -> Answer | None:
    """The object that the model wrote, None where it is unreadable."""
    bare = text.strip()
    if not bare.startswith("{"):
        bare = bare.rpartition("</think>")[2].strip()
    fenced = _FENCED.fullmatch(bare)
    try:
        value = json.loads(fenced[1] if fenced else bare, object_pairs_hook=_once, parse_constant=_refuse)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):  # JSON and UTF-8 errors are ValueErrors
        return None
    return value if isinstance(value, dict) and _validator(schema).is_valid(value) else None


def object_schema(**properties: Any) -> str:
    """Schema, as text, of an object that has exactly these properties, in this order."""
    return json.dumps(
        {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }
    )


def derived_seed(seed: int, *parts: str) -> int:
    """A seed of 63 bits from a seed and texts: equal requests, equal samples."""
    material = "\x1f".join((str(seed), *parts)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(material).digest()[:8], "big") >> 1


def one_line(text: str, most: int = 500) -> str:
    """`text` on one line of at most `most` characters."""
    joined = " ".join(text.split())
    return joined if len(joined) <= most else joined[: most - 1].rstrip() + "…"


@lru_cache(maxsize=256)
def _validator(schema: str) -> Validator:
    return compile_schema(json.loads(schema))


def _once(pairs: Sequence[tuple[str, Any]]) -> Answer:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a name is given twice")
    return dict(pairs)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
