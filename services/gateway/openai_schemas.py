"""Files and batches over the wire: the shapes of the OpenAI API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.gateway.schemas import FILE_ID, Metadata, shown

_BATCH_ID = "batch-01kat3v2v8q4h2m6d9x5c7f1rb"


class FileObject(BaseModel):
    """A file (OpenAI Files API)."""

    model_config = shown(
        id=FILE_ID,
        object="file",
        bytes=120000,
        created_at=1764000000,
        filename="requests.jsonl",
        purpose="batch",
        status="processed",
    )
    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    filename: str
    purpose: str
    status: Literal["uploaded", "processed", "error"] = "processed"
    expires_at: int | None = None
    status_details: str | None = None


class FileList(BaseModel):
    """A page of files."""

    model_config = shown(object="list", data=[], first_id=None, last_id=None, has_more=False)
    object: Literal["list"] = "list"
    data: list[FileObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class BatchCreate(BaseModel):
    """A batch to begin: a file of requests, and the one endpoint that all of them are for.

    The official client declares a fixed set of endpoints; it sends any other all the same.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"input_file_id": FILE_ID, "endpoint": "/v1/refinements", "completion_window": "24h"}
            ]
        }
    )
    input_file_id: str = Field(description="An uploaded file with purpose batch.")
    endpoint: Literal["/v1/refinements", "/v1/scores", "/v1/verifications", "/v1/rollouts"]
    completion_window: Literal["24h"] = Field(description="A wish; batches don't expire.")
    metadata: Metadata | None = None
    config: dict[str, Any] | None = Field(
        None, description="Settings of the job, beyond the OpenAI API (extra_body of the official client)."
    )


class BatchFault(BaseModel):
    """What is wrong with a line of the input file."""

    code: str
    message: str
    line: int | None
    param: str | None


class BatchFaults(BaseModel):
    """Why a batch failed its validation."""

    object: Literal["list"] = "list"
    data: list[BatchFault]


class BatchCounts(BaseModel):
    """Requests of a batch by how they ended."""

    total: int
    completed: int
    failed: int


class BatchObject(BaseModel):
    """A batch (OpenAI Batch API)."""

    model_config = shown(
        id=_BATCH_ID,
        object="batch",
        endpoint="/v1/refinements",
        input_file_id=FILE_ID,
        completion_window="24h",
        status="in_progress",
        created_at=1764000000,
        request_counts={"total": 1000, "completed": 128, "failed": 1},
    )
    id: str
    object: Literal["batch"] = "batch"
    endpoint: str
    input_file_id: str
    completion_window: str
    status: Literal[
        "validating", "failed", "in_progress", "finalizing", "completed", "cancelling", "cancelled"
    ]
    created_at: int
    errors: BatchFaults | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    in_progress_at: int | None = None
    finalizing_at: int | None = None
    completed_at: int | None = None
    failed_at: int | None = None
    cancelling_at: int | None = None
    cancelled_at: int | None = None
    expires_at: int | None = None
    expired_at: int | None = None
    request_counts: BatchCounts | None = None
    metadata: Mapping[str, str] | None = None
    job_id: str | None = None


class BatchList(BaseModel):
    """A page of batches, newest first."""

    model_config = shown(object="list", data=[], first_id=None, last_id=None, has_more=False)
    object: Literal["list"] = "list"
    data: list[BatchObject]
    first_id: str | None
    last_id: str | None
    has_more: bool
