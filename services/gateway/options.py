"""The settings of a job as query parameters, and how a request is to be answered."""

from __future__ import annotations

import re
from typing import Any, Literal

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field

from services.gateway.bodies import items, lines
from services.gateway.errors import HttpError
from services.gateway.taking import Cut
from shared.errors import FieldError
from shared.jobs.config import JobConfig
from shared.jobs.ids import is_id

JSONL = ("application/x-ndjson", "application/jsonl", "application/x-jsonlines", "application/jsonlines")
_WAIT = re.compile(r"wait=(\d{1,6})")


# Characters of an instruction or a system message; they travel in the address of the request.
MOST_TEMPLATE = 2048


class Answering(BaseModel):
    """How long to wait; every set of options has it."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    wait: float | None = Field(
        None,
        ge=0,
        le=3600,
        description="Seconds to wait for the results of a few lines; 0: answer with a job.",
    )

    def config(self, base: dict[str, Any] | None = None) -> dict[str, Any]:
        """Settings of the job, complete with defaults. FieldError names what can't be used."""
        given = self.model_dump(exclude={"wait"}, exclude_none=True, by_alias=True)
        return JobConfig.of({**(base or {}), **given}).to_json()


class RefinementOptions(Answering):
    """Settings of refinements."""

    profile: str | None = Field(None, description="Profile of the student; without one, one is fitted.")
    student: str | None = Field(None, max_length=64, description="Name of a student that is fitted.")
    scorer: Literal["proxy", "served", "none"] | None = None
    alpha: float | None = Field(None, gt=0, lt=1)
    weight: float | None = Field(None, ge=0, le=1e6, alias="lambda")
    gate: Literal["enforce", "report"] | None = None
    seed: int | None = Field(None, ge=0, lt=1 << 53)
    generate: bool | None = None
    segment: bool | None = None
    author: str | None = Field(None, max_length=200)


class ScoreOptions(Answering):
    """Settings of scores."""

    profile: str | None = None
    scorer: Literal["proxy", "served"] | None = None
    tokens: bool | None = None


class VerificationOptions(Answering):
    """Verifications have no settings."""


class RolloutOptions(Answering):
    """Settings of rollouts."""

    samples: int | None = Field(None, ge=1, le=64)
    temperature: float | None = Field(None, ge=0, le=10)
    max_tokens: int | None = Field(None, ge=1, le=4096)
    seed: int | None = Field(None, ge=0, lt=1 << 53)


class EvaluationOptions(Answering):
    """Settings of evaluations; what is missing is as in the paper's Avg@16, but for `max_tokens`."""

    samples: int = Field(16, ge=1, le=64, description="k, samples of each problem.")
    temperature: float = Field(1.0, ge=0, le=10)
    top_p: float = Field(1.0, gt=0, le=1, description="Nucleus: the likeliest tokens that reach this share.")
    max_tokens: int = Field(2048, ge=1, le=4096)
    seed: int = Field(0, ge=0, lt=1 << 53)
    instruction: str | None = Field(
        None,
        max_length=MOST_TEMPLATE,
        description="Put behind every problem in place of the student service's own; empty: nothing.",
        examples=["Put the final answer in \\boxed{}."],
    )
    system: str | None = Field(
        None,
        max_length=MOST_TEMPLATE,
        description="System message before every problem in place of the student service's own.",
        examples=["You solve problems step by step."],
    )


def media_type(request: Request) -> str:
    """The media type of the body, without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def check_cursor(kind: str, after: str | None) -> None:
    """A page begins behind an id, whether that is still there or not. FieldError where it can be no id."""
    if after is not None and not is_id(kind, after):
        raise FieldError(
            "after", f"{after[:80]!r} is no id", f"give the last id of the page before ({kind}-...)"
        )


def is_json(request: Request) -> bool:
    """Whether the body is JSON, and no JSON Lines."""
    return media_type(request) == "application/json"


def cut_of(request: Request) -> Cut:
    """How the body is cut into lines. HttpError 415 where it is neither JSON nor JSON Lines."""
    kind = media_type(request)
    if kind == "application/json":
        return items
    if kind in JSONL:
        return lines
    text = f"Content-Type: {kind[:80]!r} can't be read; send application/json or application/x-ndjson"
    raise HttpError(415, text, "unsupported_media_type", param="Content-Type")


def patience(wait: float | None, prefer: str | None, longest: float) -> float:
    """Seconds to wait, from the query or from ``Prefer: wait=N`` or ``respond-async`` (RFC 7240)."""
    if wait is None and prefer is not None:
        named = _WAIT.search(prefer)
        if "respond-async" in prefer:
            wait = float(named[1]) if named else 0.0
        elif named:
            wait = float(named[1])
    return longest if wait is None else min(wait, longest)
