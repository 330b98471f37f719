"""What goes over the wire, as the OpenAPI shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.jobs.order import JobState, Operation

Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]], Field(max_length=16)
]
FILE_ID = "file-01kat3v2v8q4h2m6d9x5c7f1rb"
JOB_ID = "job-01kat3v2v8q4h2m6d9x5c7f1rb"


def example(**value: Any) -> ConfigDict:
    """Settings of a model that is shown with an example and refuses what it doesn't know."""
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [value]})


def shown(**value: Any) -> ConfigDict:
    """Settings of a model that is only sent, shown with an example."""
    return ConfigDict(json_schema_extra={"examples": [value]})


class ErrorDetail(BaseModel):
    """What went wrong: in a sentence with the cure, its kind, the parameter, and a code for machines."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorEnvelope(BaseModel):
    """An error, as clients of the OpenAI API know it."""

    model_config = shown(
        error={
            "message": "file: is missing; send it as the part 'file' of the form",
            "type": "invalid_request_error",
            "param": "file",
            "code": "invalid_value",
        }
    )
    error: ErrorDetail


class Deleted(BaseModel):
    """Something is gone."""

    model_config = shown(id=FILE_ID, object="file", deleted=True)
    id: str
    object: str
    deleted: Literal[True] = True


class Shards(BaseModel):
    """Parts of a job by whether they are done."""

    decided: int
    open: int


class Projection(BaseModel):
    """What a job will roughly cost, and how that was reckoned."""

    lines: int
    input_tokens: int = Field(description="Bytes of the input over four.")
    oracle_tokens: int | None = Field(description="0 without a model oracle; else null: nothing is known.")
    budget: int | None = Field(description="Most tokens of the oracle; None without a limit.")
    basis: str


class OutputObject(BaseModel):
    """Where what came of a job is written: below `address`, in a folder of the job's id."""

    address: str
    status: Literal["waiting", "written", "failed"]
    reason: str | None = Field(description="Why it could not be written so far, or can't be at all.")


class Stalled(BaseModel):
    """Why nothing moves in a job, and since when."""

    cause: Literal["queue", "engine", "verifier", "rate_limit", "training", "store"]
    reason: str
    since: float


class JobObject(BaseModel):
    """A job and how far it is."""

    model_config = shown(
        id=JOB_ID,
        object="job",
        operation="refinements",
        status="running",
        created_at=1764000000.5,
        ended_at=None,
        lines=1000,
        shards={"decided": 1, "open": 3},
        counts={"kept": 200, "repaired": 50, "bad": 6},
        config={"lambda": 1.0, "seed": 0},
        digests={"input.sha256": "9f0c", "config.sha256": "77ab"},
        labels={},
        source=None,
        reason=None,
        projected=None,
        output=None,
        stall=None,
    )
    id: str
    object: Literal["job"] = "job"
    operation: Operation
    status: JobState
    created_at: float
    ended_at: float | None
    lines: int
    shards: Shards
    counts: Mapping[str, int]
    config: Mapping[str, Any]
    digests: Mapping[str, str]
    labels: Mapping[str, str]
    source: str | None
    reason: str | None
    projected: Projection | None = None
    output: OutputObject | None = None
    stall: Stalled | None = Field(None, description="Why nothing moves, where that has lasted for a while.")


class ExportObject(BaseModel):
    """Results that are being written in another form."""

    model_config = shown(object="export", job=JOB_ID, status="writing", reason=None)
    object: Literal["export"] = "export"
    job: str
    status: Literal["running", "writing"] = Field(
        description="The job has not ended, or it has and its results are being written."
    )
    reason: str | None = Field(None, description="Why that did not work so far; it is tried again.")


class JobList(BaseModel):
    """A page of jobs, newest first; `after` of the next page is `last_id`."""

    model_config = shown(object="list", data=[], first_id=None, last_id=None, has_more=False)
    object: Literal["list"] = "list"
    data: list[JobObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class JobCreate(BaseModel):
    """A job on an uploaded file of JSON Lines, or on an object in S3."""

    model_config = example(operation="refinements", input_file_id=FILE_ID, config={"seed": 1})
    operation: Operation
    input_file_id: str | None = None
    input: str | None = Field(
        None, max_length=1024, description="JSON Lines at `s3://BUCKET/...`, below a prefix of the key."
    )
    output: str | None = Field(
        None,
        max_length=1024,
        description="Folder `s3://BUCKET/.../` below a prefix of the key, for `JOB/results.jsonl`.",
    )
    config: dict[str, Any] = Field(
        default_factory=dict, description="Settings; see the query of each operation."
    )
    labels: Metadata = Field(default_factory=dict)
    budget: int | None = Field(None, ge=1, lt=1 << 53, description="Most tokens of the oracle.")
    webhook: str | None = Field(None, max_length=2048, description="Told when the job ends; https.")


class Results(BaseModel):
    """Answers in place: records in the order of the input, and the lines that have none."""

    model_config = shown(
        object="list",
        job=JOB_ID,
        data=[{"schema": "idiolect.record/1", "line": 1, "outcome": "kept"}],
        errors=[{"line": 2, "reason": "solution: is missing; give it as steps, text or messages"}],
    )
    object: Literal["list"] = "list"
    job: str | None
    data: list[dict[str, Any]]
    errors: list[dict[str, Any]]


class NativeSample(BaseModel):
    """A problem and the student's own solution of it."""

    problem: str = Field(max_length=1 << 20)
    text: str = Field(max_length=1 << 20)


class StudentCreate(BaseModel):
    """A profile to build, from samples or from an uploaded file of them; at least 200 are needed."""

    model_config = example(name="my-student", input_file_id=FILE_ID, alpha=0.05, scorer="proxy")
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,29}$")
    samples: list[NativeSample] | None = None
    input_file_id: str | None = None
    alpha: float = Field(0.05, gt=0, lt=1)
    scorer: Literal["proxy", "served"] = "proxy"
    native: bool = Field(False, description="The served model wrote the samples.")


class StudentObject(BaseModel):
    """A student's profile."""

    model_config = shown(
        id="my-student@0123456789abcdef",
        object="student",
        name="my-student",
        samples=400,
        scorer="proxy:ngram",
        label="proxy",
        alpha=0.05,
        created_at=1764000000,
    )
    id: str
    object: Literal["student"] = "student"
    name: str
    samples: int
    scorer: str
    label: str
    alpha: float
    created_at: int


class StudentList(BaseModel):
    """The profiles of a tenant, by name."""

    model_config = shown(object="list", data=[], has_more=False)
    object: Literal["list"] = "list"
    data: list[StudentObject]
    has_more: bool


class ScoreItem(BaseModel):
    """A text to score after its problem."""

    problem: str
    text: str


class ScoresCreate(BaseModel):
    """A few texts to score."""

    model_config = example(items=[{"problem": "What is 6 * 7?", "text": "6 * 7 = 42"}])
    student: str | None = Field(None, description="Profile; without one the served model scores.")
    items: list[ScoreItem] = Field(min_length=1, max_length=64)
    tokens: bool = Field(False, description="Add spans, surprisals and ranks of all tokens.")


class Score(BaseModel):
    """Figures of one text: nats, tokens, perplexity (whole and by quarters), rank-surprisal ratio."""

    index: int
    nll: float
    tokens: int
    ppl: float | None
    quarters: list[float | None]
    rsr: float | None
    token_scores: list[tuple[int, int, float, int]] | None = None


class Scores(BaseModel):
    """Scores in the order of the items."""

    model_config = shown(
        object="list",
        scorer="proxy:ngram",
        label="proxy",
        student="my-student@0123456789abcdef",
        data=[
            {"index": 0, "nll": 9.1, "tokens": 7, "ppl": 3.67, "quarters": [2.0, 3.0, 4.0, 5.0], "rsr": 1.1}
        ],
    )
    object: Literal["list"] = "list"
    scorer: str
    label: str
    student: str | None
    data: list[Score]


class VerificationItem(BaseModel):
    """A solution and the final answer that it should have."""

    text: str
    gold: str | None = None


class VerificationsCreate(BaseModel):
    """A few solutions to verify."""

    model_config = example(items=[{"text": "So the answer is 42.", "gold": "42"}])
    items: list[VerificationItem] = Field(min_length=1, max_length=64)


class Verification(BaseModel):
    """A verdict; `reason` says why it is undecided, never `incorrect` because of a time-out."""

    index: int
    verdict: Literal["correct", "incorrect", "undecided"]
    reason: str | None
    answer: str | None


class Verifications(BaseModel):
    """Verdicts in the order of the items."""

    model_config = shown(
        object="list", data=[{"index": 0, "verdict": "correct", "reason": None, "answer": "42"}]
    )
    object: Literal["list"] = "list"
    data: list[Verification]


class RolloutsCreate(BaseModel):
    """A problem to sample solutions of."""

    model_config = example(problem="What is 6 * 7?", n=2, temperature=0.8, max_tokens=128, seed=0)
    problem: str = Field(min_length=1)
    prefix: str = Field("", description="Begin of the solution, from which the student goes on.")
    n: int = Field(1, ge=1, le=64)
    temperature: float = Field(1.0, ge=0, le=10)
    max_tokens: int = Field(256, ge=1, le=4096)
    seed: int = Field(0, ge=0, lt=1 << 53)


class Rollout(BaseModel):
    """One sample, without the prefix."""

    index: int
    text: str
    tokens: int
    finished: bool


class Rollouts(BaseModel):
    """Samples of one problem, in order."""

    model_config = shown(
        object="list",
        model="scripted:script",
        data=[{"index": 0, "text": "6 * 7 = 42", "tokens": 7, "finished": True}],
    )
    object: Literal["list"] = "list"
    model: str
    data: list[Rollout]


class Health(BaseModel):
    """Whether the process lives."""

    model_config = shown(status="ok", version="0.1.0")
    status: Literal["ok"] = "ok"
    version: str


class Readiness(BaseModel):
    """Whether work can be taken on; for each part ``ok`` or what is wrong with it."""

    model_config = shown(ready=True, parts={"store": "ok", "student": "ok"})
    ready: bool
    parts: dict[str, str]
