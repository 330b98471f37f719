"""Studies over the wire: a config, a study as it stands, and its list."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from services.gateway.schemas import example, shown
from shared.jobs.order import JobState

STUDY_ID = "study-01kat3v2v8q4h2m6d9x5c7f1rb"
CONFIG: dict[str, Any] = {
    "name": "first-look",
    "seeds": [0],
    "few_seeds": True,
    "losses": ["sft"],
    "source": "wrong",
    "count": 32,
    "problems": {"kind": "miniature", "count": 60, "held_out": 24},
    "student": {"models": ["miniature:1"]},
    "sampling": {"samples": 4, "max_tokens": 96},
    "oracles": {"distant": {"kind": "miniature", "words": "formal"}},
    "arms": [
        {"name": "native"},
        {"name": "style_aligned", "oracle": "distant"},
        {"name": "oracle_refined", "oracle": "distant"},
    ],
    "training": {"steps": [6], "batch_size": 8, "rates": {"sft": 1e-3}},
    "evaluation": {"samples": 2, "max_tokens": 96},
}


class StudyCreate(BaseModel):
    """A study: what stands in the TOML file of `idiolect study`, as JSON.

    Models are names that the host of studies allows, files of problems ids of uploaded files; there are no
    paths, no `reward`, and oracles of kind `miniature` only.
    """

    model_config = example(config=CONFIG)
    config: dict[str, Any] = Field(description="docs/study.md explains every entry.")


class StudyStageObject(BaseModel):
    """One stage; tasks are trainings, evaluations and other heavy pieces of work."""

    name: str
    done: int = Field(description="Tasks that are done.")
    known: int = Field(description="Tasks that are known so far.")
    ended: bool


class StudyObject(BaseModel):
    """A study as it stands."""

    model_config = shown(
        id=STUDY_ID,
        object="study",
        name="first-look",
        status="running",
        stages=[
            {"name": "miniature:1, draw 1: sample", "done": 1, "known": 1, "ended": True},
            {"name": "miniature:1, draw 1: train and evaluate", "done": 2, "known": 6, "ended": False},
        ],
        waits=None,
        created_at=1764000000.5,
        ended_at=None,
        error=None,
        results=[],
    )
    id: str
    object: Literal["study"] = "study"
    name: str
    status: JobState
    stages: list[StudyStageObject]
    waits: str | None = Field(description="Why it doesn't move, as far as is known.")
    created_at: float
    ended_at: float | None
    error: str | None = Field(description="Why it failed.")
    results: list[str] = Field(description="Names under `/results/`; there once it is completed.")


class StudyList(BaseModel):
    """A page of studies, newest first; `after` of the next page is `last_id`."""

    model_config = shown(object="list", data=[], first_id=None, last_id=None, has_more=False)
    object: Literal["list"] = "list"
    data: list[StudyObject]
    first_id: str | None
    last_id: str | None
    has_more: bool
