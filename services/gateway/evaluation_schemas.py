"""Evaluations over the wire: problems, the name of a shipped set, and the figures of a job."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from services.gateway.schemas import JOB_ID, example, shown
from shared.evaluation.paired import DEFINITION
from shared.jobs.order import JobState

_HALF = {"mean": 0.5, "low": 0.44, "high": 0.56, "n": 300}


class EvaluationCreate(BaseModel):
    """A shipped problem set, in place of a body of problems."""

    model_config = example(set="svamp-300", limit=100)
    set: str = Field(min_length=1, max_length=64, description="`math-500` or `svamp-300`.")
    limit: int | None = Field(None, ge=1, lt=1 << 31, description="Its first problems only.")


class EvaluationInterval(BaseModel):
    """A mean over problems with its 95 % bootstrap interval; null without problems."""

    mean: float | None
    low: float | None
    high: float | None
    n: int


class EvaluationRow(BaseModel):
    """Figures of one group of problems."""

    problems: int
    samples: int
    avg: EvaluationInterval
    maj: float | None
    undecided: float | None
    truncated: float | None
    tokens: float | None


class EvaluationComparison(BaseModel):
    """Two ended evaluations on the same problems: Avg@k of `a` minus that of `b`, paired by problem."""

    model_config = shown(
        object="evaluation.comparison",
        a=JOB_ID,
        b="job-01kat3v2v8q4h2m6d9x5c7f1rc",
        k=16,
        problems=300,
        a_minus_b={"mean": 0.04, "low": 0.01, "high": 0.07, "n": 300},
        detectable=0.0589,
        definition=DEFINITION,
    )
    object: Literal["evaluation.comparison"] = "evaluation.comparison"
    a: str = Field(description="The job in the path.")
    b: str = Field(description="The job named by `with`.")
    k: int = Field(description="Samples a problem.")
    problems: int
    a_minus_b: EvaluationInterval = Field(description="With its 95 % paired bootstrap interval.")
    detectable: float | None = Field(
        description="Smallest true difference that such a design shows four times in five."
    )
    definition: str


class EvaluationSummary(BaseModel):
    """Figures of an evaluation that has ended, with their definitions."""

    model_config = shown(
        object="evaluation.summary",
        job=JOB_ID,
        status="completed",
        model="9f0c",
        lines=300,
        without_record=0,
        k=1,
        problems=300,
        samples=300,
        avg=_HALF,
        maj=_HALF,
        passes={"1": _HALF},
        undecided=0.0,
        truncated=0.01,
        tokens=80.5,
        undecided_by_reason={},
        tables={},
        definitions={"avg": "Avg@k: mean over problems of the share of k samples that are right"},
        reason=None,
    )
    object: Literal["evaluation.summary"] = "evaluation.summary"
    job: str
    status: JobState
    model: str | None = Field(description="Digest of the student's model that answered.")
    lines: int
    without_record: int = Field(description="Lines that are in no figure: see the job's errors.")
    k: int = Field(description="Samples a problem.")
    problems: int
    samples: int
    avg: EvaluationInterval = Field(description="Avg@k.")
    maj: EvaluationInterval = Field(description="maj@k.")
    passes: dict[str, EvaluationInterval] = Field(description="pass@j by j.")
    undecided: float | None = Field(description="Share of the samples.")
    truncated: float | None = Field(description="Share of the samples.")
    tokens: float | None = Field(description="Mean a sample.")
    undecided_by_reason: dict[str, int]
    tables: dict[str, dict[str, EvaluationRow]] = Field(description="By group and its value.")
    definitions: dict[str, str]
    reason: str | None = Field(None, description="Why figures are null.")
